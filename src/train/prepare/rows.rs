//! Rows with targets: MNIST's files, pictures in classes, tables, drawn points and digits.

use std::sync::Arc;

use super::{Origins, Prepared};
use crate::data::split::{self, Sides};
use crate::data::{Augmentation, RowShards, Rows, balanced, class_folder, idx, lessons};
use crate::image::fit::Fit;
use crate::interface::{self, Colour, InputSpec, Interface, OutputSpec, Pixels};
use crate::network::Network;
use crate::train::data_spec::ClassesSpec;
use crate::train::record::Source;
use crate::train::report::Report;
use crate::train::shards::{Shards, Supply};
use crate::train::table::{self, Divided};
use crate::train::targets::Targets;
use crate::train::validator::{Validator, check_rows};
use crate::train::{DataSpec, Recipe, Resident, Room};
use crate::{Error, Result};

/// What `[data]` asks for, where that is rows.
pub(super) fn rows(recipe: &Recipe, step: u64, report: &mut dyn Report) -> Result<Prepared> {
    match &recipe.data {
        DataSpec::Idx(spec) => {
            let path = &spec.path;
            let train = idx::load(path, idx::Split::Train, None)?;
            let test = idx::load(path, idx::Split::Test, train.classes)?;
            let targets = Targets::numbered(train.classes.unwrap_or_default());
            let size @ [height, width, channels] = idx::size(path, idx::Split::Train)?;
            let other = idx::size(path, idx::Split::Test)?;
            if other != size {
                let [rows, columns, _] = other;
                let why = format!(
                    "the test pictures are {rows}x{columns} pixels (rows x columns), those to learn from {height}x{width}"
                );
                return Err(Error::file(idx::images(path, idx::Split::Test)?, why));
            }
            let input = image(height, width, channels, Fit::Pad);
            let files = vec![Source::new(path, train.hash(), false), Source::new(path, test.hash(), true)];
            let sets = Sets { train, test, input, targets, origins: Origins::Rows(path.clone()), files };
            let augmentation = Augmentation { flip: spec.flip, shift: spec.shift, size };
            let drawing = Drawing {
                budget_mib: Some(spec.budget_mib),
                balanced: spec.balanced,
                weights: spec.class_weights.as_deref(),
                augmentation,
            };
            load(recipe, sets, drawing, step, report)
        }
        DataSpec::Classes(spec) => {
            let (sets, augmentation, failed) = classes(spec, recipe, report)?;
            let drawing = Drawing {
                budget_mib: Some(spec.budget_mib),
                balanced: spec.balanced,
                weights: spec.class_weights.as_deref(),
                augmentation,
            };
            Ok(Prepared { failed, ..load(recipe, sets, drawing, step, report)? })
        }
        DataSpec::Csv(spec) => {
            let Divided { learnt, held, input, targets, lines, hash } = table::divide(spec, recipe, report)?;
            let origins = Origins::Lines(spec.path.clone(), lines);
            let files = vec![Source::new(&spec.path, hash, false)];
            let sets = Sets { train: learnt, test: held, input, targets, origins, files };
            let drawing = Drawing {
                budget_mib: Some(spec.budget_mib),
                balanced: spec.balanced,
                weights: spec.class_weights.as_deref(),
                augmentation: Augmentation::default(),
            };
            load(recipe, sets, drawing, step, report)
        }
        DataSpec::Spirals { points, classes } => {
            let draw = |seed: u32, count| lessons::spirals(u64::from(seed), count, *classes, 0.02);
            let (train, test) = (draw(recipe.seed, *points), draw(recipe.seed ^ 1, points / 5 + 1));
            let input = InputSpec::plain(["0".to_string(), "1".to_string()], false);
            let targets = Targets::numbered(*classes);
            let sets = Sets { train, test, input, targets, origins: Origins::Drawn, files: Vec::new() };
            load(recipe, sets, Drawing::default(), step, report)
        }
        DataSpec::Digits { pictures } => {
            let draw = |seed: u32, count| lessons::digits(u64::from(seed), count);
            let (train, test) = (draw(recipe.seed, *pictures), draw(recipe.seed ^ 1, pictures / 5 + 1));
            let input = image(lessons::DIGIT_SIDE, lessons::DIGIT_SIDE, 1, Fit::Pad);
            let sets =
                Sets { train, test, input, targets: Targets::numbered(10), origins: Origins::Drawn, files: Vec::new() };
            load(recipe, sets, Drawing::default(), step, report)
        }
        DataSpec::Procedural { .. } | DataSpec::Images { .. } => unreachable!("asked for by the recipe"),
    }
}

/// Grey or RGB images, as bytes of which 255 is 1.
fn image(height: usize, width: usize, channels: usize, fit: Fit) -> InputSpec {
    let colour = if channels == 1 { Colour::Grey } else { Colour::Rgb };
    InputSpec::Image { height, width, pixels: Pixels::plain(colour), fit }
}

/// Pictures in a folder per class, divided by their pixels.
fn classes(spec: &ClassesSpec, recipe: &Recipe, report: &mut dyn Report) -> Result<(Sets, Augmentation, usize)> {
    let size = interface::image_size(&recipe.network).ok_or_else(|| {
        let why = "pictures in classes go to a network of images: network.input = [height, width, 1 or 3]";
        Error::key("network.input", why)
    })?;
    let folder = class_folder::load(&spec.path, size, Fit::Crop)?;
    for (path, why) in &folder.failed {
        report.note(&format!(
            "left out: {}",
            if why.contains(&*path.to_string_lossy()) { why.clone() } else { format!("{}: {why}", path.display()) }
        ));
    }
    folder.notes.iter().for_each(|note| report.note(note));
    let labels = Some(&folder.rows.targets[..]);
    let Sides { learnt, held, moved } = split::sides(&folder.hashes, labels, spec.holdout, spec.split_seed)?;
    if !moved.is_empty() {
        report.note(&format!("so that both sides have pictures of every class, {} changed sides", moved.len()));
    }
    let counts: Vec<String> = (0..folder.names.len())
        .map(|class| {
            let count = folder.rows.targets.iter().filter(|&&target| target == class as f32).count();
            format!("{} {count}", folder.names[class])
        })
        .collect();
    report.note(&format!("{} pictures: {}", folder.paths.len(), crate::data::table::list(&counts, 20)));
    let [height, width, channels] = size;
    let side = |rows: &[usize], held: bool| -> Vec<Source> {
        rows.iter().map(|&i| Source::new(&folder.paths[i], folder.hashes[i], held)).collect()
    };
    let files = [side(&learnt, false), side(&held, true)].concat();
    let sets = Sets {
        train: folder.rows.select(&learnt),
        test: folder.rows.select(&held),
        input: image(height, width, channels, Fit::Crop),
        targets: Targets::Classes { column: None, names: folder.names },
        files,
        origins: Origins::Files(learnt.iter().map(|&i| folder.paths[i].clone()).collect()),
    };
    Ok((sets, Augmentation { flip: spec.flip, shift: spec.shift, size }, folder.failed.len()))
}

/// How rows come to the device.
#[derive(Default)]
struct Drawing<'a> {
    /// Most MiB of rows there at a time; no limit where they are drawn.
    budget_mib: Option<usize>,
    /// Each class comes equally often.
    balanced: bool,
    /// How often each class comes.
    weights: Option<&'a [f64]>,
    /// What befalls pictures in each pass.
    augmentation: Augmentation,
}

/// Rows to learn from, and to be judged by.
struct Sets {
    train: Rows,
    test: Rows,
    input: InputSpec,
    targets: Targets,
    origins: Origins,
    /// The files that they come from.
    files: Vec<Source>,
}

/// Rows that are on the device at once, or in turns.
fn load(recipe: &Recipe, sets: Sets, drawing: Drawing<'_>, step: u64, report: &mut dyn Report) -> Result<Prepared> {
    let Sets { train, test, input, targets, origins, files } = sets;
    let remedy = |e: Error| {
        let key = if matches!(recipe.network, Network::Mlp { .. }) { "sizes" } else { "input" };
        Error::input(format!("{e}; let network.{key} begin with {}", train.width))
    };
    check_rows(&recipe.network, &train).map_err(remedy)?;
    let output = targets.output(recipe.loss(), recipe.network.outputs()?)?;
    let probabilities = matches!(output, OutputSpec::Probabilities { .. });
    if let Some(target) = train.targets.iter().find(|t| probabilities && !(0.0..=1.0).contains(*t)) {
        let why = format!("bce learns probabilities, and a target is {target}; use mse");
        return Err(Error::key("loss.kind", why));
    }
    let absent = absent(&test, output.classes());
    if !absent.is_empty() {
        let names = crate::data::table::list(&absent, 8);
        report.note(&format!("none of class {names} is held out: the scores say nothing of it"));
    }
    let validator = Validator::rows(test, recipe.loss().loss(), output.clone());
    let interface = Interface { input, output };

    let weights = match (drawing.balanced, drawing.weights) {
        (true, Some(_)) => return Err(Error::key("data.balanced", "has its own weights; remove data.class_weights")),
        (true, None) => Some(balanced(&train)),
        (false, weights) => weights.map(<[f64]>::to_vec),
    };
    let (mib, all, samples) = (train.bytes() >> 20, train.count(), recipe.batch * recipe.optimizer.accumulate);
    let budget = drawing.budget_mib.map_or(usize::MAX, |mib| mib << 20);
    let set = RowShards::new(train, budget, weights.as_deref(), drawing.augmentation, recipe.seed)?;
    if weights.is_some() {
        report.note(&format!("classes are weighed: {} rows come from {all}", set.count()));
    }
    let ([least, most], fixed, weighed) = (set.room(), set.is_fixed(), weights.is_some());
    if set.shards() > 1 {
        report.note(&format!("{all} rows, {mib} MiB in {} shards", set.shards()));
        if least < samples {
            let why = format!("a shard has {least} rows, fewer than a batch of {samples}; raise it");
            return Err(Error::key("data.budget_mib", why));
        }
    }
    if fixed && !weighed {
        let resident = Resident::Rows(set.into_rows());
        return Ok(Prepared { files, ..Prepared::fixed(resident, validator, interface, origins) });
    }
    let source = Arc::new(Supply::Rows(set));
    let drawn = Some(Arc::clone(&source));
    if fixed {
        let resident = source.shard(0)?;
        return Ok(Prepared { drawn, files, learnt: all, ..Prepared::fixed(resident, validator, interface, origins) });
    }
    // A shard stays while its rows are seen about once.
    let (shards, resident) = Shards::new(source, (least / samples).max(1) as u64, step)?;
    let room = Room { count: most, low: 0, high: 0 };
    let fixed = Prepared::fixed(resident, validator, interface, origins);
    Ok(Prepared { room, drawn, files, learnt: all, shards: Some(shards), ..fixed })
}

/// The classes of which there is no row.
fn absent(rows: &Rows, names: &[String]) -> Vec<String> {
    let there: std::collections::BTreeSet<usize> = rows.targets.iter().map(|&target| target as usize).collect();
    let absent = names.iter().enumerate().filter(|(class, _)| !there.contains(class));
    absent.map(|(_, name)| name.clone()).collect()
}
