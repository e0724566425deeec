//! The data of a recipe, ready for the device.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::judge::{Judge, check_rows};
use super::record::{Source, What};
use super::report::Report;
use super::targets::Targets;
use super::{DataSpec, Recipe, Resident, Room, Trainer};
use crate::data::split::Sides;
use crate::data::{
    Folder, FolderOptions, PairOptions, Pictures, Prefetch, Raster, Rows, csv, idx, lessons, procedural, split,
};
use crate::image::{DecodeOptions, Picture};
use crate::interface::{Colour, InputSpec, Interface, OutputSpec, Pixels, Value};
use crate::network::Input;
use crate::{Error, Result};

/// Data to learn from, data to be judged by.
pub(super) struct Prepared {
    /// What the device is given first; later shards come through [`Prepared::feed`].
    pub(super) resident: Resident,
    pub(super) room: Room,
    pub(super) judge: Judge,
    pub(super) interface: Interface,
    /// Picture files that could not be read.
    pub(super) failed: usize,
    /// The files that samples come from.
    files: Vec<Source>,
    origins: Origins,
    shards: Option<Shards>,
}

/// Shards that take turns on the device.
struct Shards {
    folder: Arc<Folder>,
    /// Steps that each stays.
    steps: u64,
    /// Number of the one on the device.
    there: u64,
    /// The next, in preparation, with its number.
    next: Option<(u64, Prefetch<Pictures>)>,
}

impl Shards {
    /// Prepares shards from `number` on, on threads of their own: those of the kernels have work.
    fn ahead(&self, number: u64) -> Result<Prefetch<Pictures>> {
        let folder = Arc::clone(&self.folder);
        let threads = std::thread::available_parallelism().map_or(1, |n| n.get() / 2).max(1);
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
        let pool = pool.map_err(|e| Error::input(format!("no threads to load data: {e}")))?;
        Prefetch::new(number, move |n| pool.install(|| folder.shard(n)))
    }
}

impl Prepared {
    fn fixed(resident: Resident, judge: Judge, interface: Interface, origins: Origins) -> Self {
        Prepared {
            room: Room::of(&resident),
            resident,
            judge,
            interface,
            failed: 0,
            files: Vec::new(),
            origins,
            shards: None,
        }
    }

    /// What a run records of its data.
    pub(super) fn what(&self, recipe: &Recipe) -> What {
        let (data, validate, interface) = (recipe.data.clone(), recipe.validate.clone(), self.interface.clone());
        let learnt = match &self.origins {
            Origins::Pictures(folder) => folder.report().pictures,
            Origins::Rows(_) | Origins::Selected(..) | Origins::Drawn => self.resident.count(),
        };
        What { data, validate, learnt, held: self.judge.count(), files: self.files.clone(), interface }
    }

    /// The step at which the next shard is due.
    pub(super) fn boundary(&self, step: u64) -> u64 {
        self.shards.as_ref().map_or(u64::MAX, |s| (step / s.steps + 1) * s.steps)
    }

    /// Puts the shard of the next step on the device, when it is another than the one there, and has the one after it
    /// prepared if the run, of `last` steps, comes to it.
    pub(super) fn feed(&mut self, trainer: &mut Trainer, last: u64) -> Result<()> {
        let Some(shards) = &mut self.shards else { return Ok(()) };
        let number = trainer.step() / shards.steps;
        let ready = shards.next.take_if(|(next, _)| *next == number || (*next == number + 1 && shards.there == number));
        let mut ahead = match ready {
            Some((_, ahead)) => Some(ahead),
            None if number != shards.there => Some(shards.ahead(number)?),
            None => None,
        };
        if number != shards.there {
            let shard = ahead.as_mut().map(Prefetch::take).transpose()?;
            shard.map(|shard| trainer.set_data(&Resident::Pictures(shard))).transpose()?;
            shards.there = number;
        }
        if (number + 1) * shards.steps < last {
            let ahead = ahead.map_or_else(|| shards.ahead(number + 1), Ok)?;
            shards.next = Some((number + 1, ahead));
        }
        Ok(())
    }

    /// What the step after `step` draws from.
    pub(super) fn data(&self, step: u64) -> Result<Cow<'_, Resident>> {
        match &self.shards {
            None => Ok(Cow::Borrowed(&self.resident)),
            Some(shards) => Ok(Cow::Owned(Resident::Pictures(shards.folder.shard(step / shards.steps)?))),
        }
    }

    /// The name of row or picture `index` of [`Prepared::data`], as a person knows it.
    pub(super) fn sample(&self, step: u64, index: usize) -> String {
        match &self.origins {
            Origins::Rows(_) => format!("row {}", index + 1),
            Origins::Selected(_, rows) => format!("row {}", rows[index] + 1),
            Origins::Drawn => format!("sample {}", index + 1),
            Origins::Pictures(folder) => {
                let number = self.shards.as_ref().map_or(0, |shards| step / shards.steps);
                folder.path(number, index).display().to_string()
            }
        }
    }

    /// The file that samples come from, where it is one.
    pub(super) fn source(&self) -> Option<&Path> {
        match &self.origins {
            Origins::Rows(file) | Origins::Selected(file, _) => Some(file),
            Origins::Pictures(_) | Origins::Drawn => None,
        }
    }
}

/// Where samples come from, for messages.
enum Origins {
    /// Rows of a file in its order.
    Rows(PathBuf),
    /// These rows (from 0) of a file.
    Selected(PathBuf, Vec<usize>),
    /// Pictures of folders.
    Pictures(Arc<Folder>),
    /// No file.
    Drawn,
}

/// Reads or draws what `[data]` and `[validate]` ask for, for a run that goes on after `step` steps.
pub(super) fn prepare(recipe: &Recipe, step: u64, report: &mut dyn Report) -> Result<Prepared> {
    match &recipe.data {
        DataSpec::Idx { path } => {
            let train = idx::load(path, idx::Split::Train, None)?;
            let test = idx::load(path, idx::Split::Test, train.classes)?;
            let classes = train.classes.unwrap_or_default();
            let [height, width, channels] = idx::size(path, idx::Split::Train)?;
            let input = image(height, width, channels);
            let files = vec![Source::new(path, train.hash(), false), Source::new(path, test.hash(), true)];
            let targets = Targets::numbered(classes);
            Ok(Prepared { files, ..rows(recipe, train, test, input, targets, Origins::Rows(path.clone()))? })
        }
        DataSpec::Csv { path, target, classes, holdout, split_seed } => {
            let column = match target {
                None => csv::Column::Index(-1),
                Some(name) => name.parse().map_or_else(|_| csv::Column::Name(name.clone()), csv::Column::Index),
            };
            let target = match classes {
                true => csv::Target::Class { column, names: None },
                false => csv::Target::Values(vec![column]),
            };
            let table = csv::load(path, &csv::Options::new(target))?;
            let labels = classes.then_some(&table.rows.targets[..]);
            let Sides { learnt: train, held, moved } = split::sides(&table.hashes, labels, *holdout, *split_seed)?;
            if !moved.is_empty() {
                report.note(&changed_sides(&moved, *classes));
            }
            let [learnt, held] = [&train, &held].map(|side| table.rows.select(side));
            let input = InputSpec::plain(table.features, table.headed);
            let targets = match *classes {
                true => Targets::Classes { column: table.targets.into_iter().next(), names: table.classes },
                false => Targets::Values(table.targets.into_iter().map(Value::plain).collect()),
            };
            let files = vec![Source::new(path, split::all(&table.hashes), false)];
            Ok(Prepared {
                files,
                ..rows(recipe, learnt, held, input, targets, Origins::Selected(path.clone(), train))?
            })
        }
        DataSpec::Spirals { points, classes } => {
            let draw = |seed: u32, count| lessons::spirals(u64::from(seed), count, *classes, 0.02);
            let (train, test) = (draw(recipe.seed, *points), draw(recipe.seed ^ 1, points / 5 + 1));
            let input = InputSpec::plain(["0".to_string(), "1".to_string()], false);
            rows(recipe, train, test, input, Targets::numbered(*classes), Origins::Drawn)
        }
        DataSpec::Digits { pictures } => {
            let draw = |seed: u32, count| lessons::digits(u64::from(seed), count);
            let (train, test) = (draw(recipe.seed, *pictures), draw(recipe.seed ^ 1, pictures / 5 + 1));
            let input = image(lessons::DIGIT_SIDE, lessons::DIGIT_SIDE, 1);
            rows(recipe, train, test, input, Targets::numbered(10), Origins::Drawn)
        }
        DataSpec::Procedural { pictures, size, patch } => drawn(recipe, *pictures, *size, *patch, report),
        DataSpec::Images { train, exclude, patch, rescale, max_pixels, budget_mib, degrade } => {
            let mut options = FolderOptions::new(pair_options(recipe, *patch));
            options.rescale = rescale.clone();
            options.max_pixels = Some(*max_pixels);
            options.budget = budget_mib << 20;
            options.seed = recipe.seed;
            options.exclude = exclude.iter().chain(&recipe.validate.folders).cloned().collect();
            options.pairs.degradation = *degrade;
            let mut failed = BTreeMap::new();
            let (truths, mut files) = truths(&recipe.validate.folders, &mut failed)?;
            let judge = match degrade {
                None => Judge::pictures(truths, scale(recipe))?,
                Some(degradation) => {
                    let best = recipe.validate.best;
                    Judge::degraded_pictures(truths, scale(recipe), degradation, recipe.seed, best)?
                }
            };
            let folder = Folder::open(train, options)?;
            // A validation picture is among the excluded ones as well, and told once.
            failed.extend(folder.report().failed.iter().cloned());
            for why in failed.values() {
                report.note(&format!("left out: {why}"));
            }
            for warning in folder.report().warnings() {
                report.note(&warning);
            }
            files.extend(folder.sources().map(|(path, hash)| Source::new(path, hash, false)));
            let found = folder.report();
            let mib = found.bytes >> 20;
            let shards = folder.shards();
            report.note(&format!("{} pictures, {} pairs, {mib} MiB in {shards} shards", found.pictures, found.pairs));
            Ok(Prepared { failed: failed.len(), files, ..shards_of(recipe, folder, judge, *patch, step)? })
        }
    }
}

/// Says that rows are not on the side that their hash names.
fn changed_sides(moved: &[usize], classes: bool) -> String {
    let rows: Vec<String> = moved.iter().take(8).map(|row| (row + 1).to_string()).collect();
    let more = if moved.len() > 8 { ", ..." } else { "" };
    let why = if classes { "rows of every class" } else { "rows" };
    format!("so that both sides have {why}, {} changed sides (row {}{more})", moved.len(), rows.join(", "))
}

/// Grey or RGB images, as bytes of which 255 is 1.
fn image(height: usize, width: usize, channels: usize) -> InputSpec {
    let colour = if channels == 1 { Colour::Grey } else { Colour::Rgb };
    InputSpec::Image { height, width, pixels: Pixels::plain(colour) }
}

fn rows(
    recipe: &Recipe,
    train: Rows,
    test: Rows,
    input: InputSpec,
    targets: Targets,
    origins: Origins,
) -> Result<Prepared> {
    check_rows(&recipe.network, &train)?;
    let output = targets.output(recipe.loss(), recipe.network.outputs()?)?;
    let probabilities = matches!(output, OutputSpec::Probabilities { .. });
    if let Some(target) = train.targets.iter().find(|t| probabilities && !(0.0..=1.0).contains(*t)) {
        let why = format!("bce learns probabilities, and a target is {target}; use mse");
        return Err(Error::key("loss.kind", why));
    }
    let judge = Judge::rows(test, recipe.loss().loss(), output.clone());
    Ok(Prepared::fixed(Resident::Rows(train), judge, Interface { input, output }, origins))
}

fn scale(recipe: &Recipe) -> usize {
    match recipe.network.input() {
        Input::Picture { scale, .. } => scale,
        Input::Rows(_) | Input::Image(_) => 1,
    }
}

fn pair_options(recipe: &Recipe, patch: usize) -> PairOptions {
    let Input::Picture { channels, scale, prepared } = recipe.network.input() else {
        unreachable!("the recipe was checked: pictures come with a network that enlarges")
    };
    PairOptions { upsampled_input: prepared, ..PairOptions::new(scale, channels, patch) }
}

/// Drawn pictures to learn from, others to be judged by.
fn drawn(recipe: &Recipe, count: usize, size: usize, patch: usize, report: &mut dyn Report) -> Result<Prepared> {
    let mut failed = BTreeMap::new();
    let seed = u64::from(recipe.seed) << 32;
    let options = pair_options(recipe, patch);
    let resident = Resident::Pictures(procedural::pictures(seed, count, size, &options)?);
    let (judge, files) = match recipe.validate.folders.is_empty() {
        false => truths(&recipe.validate.folders, &mut failed)?,
        true => {
            let first = seed + count as u64;
            let seeds = first..first + recipe.validate.pictures.max(1) as u64;
            (seeds.map(|s| procedural::dead_leaves(s, size, size).to_picture()).collect(), Vec::new())
        }
    };
    for why in failed.values() {
        report.note(&format!("left out: {why}"));
    }
    let interface = Interface::of(&recipe.network)?;
    let prepared = Prepared::fixed(resident, Judge::pictures(judge, scale(recipe))?, interface, Origins::Drawn);
    Ok(Prepared { failed: failed.len(), files, ..prepared })
}

/// Ground truth of validation folders, and its files; those that cannot be read, or not whole, are added to `failed`.
fn truths(folders: &[PathBuf], failed: &mut BTreeMap<PathBuf, String>) -> Result<(Vec<Picture>, Vec<Source>)> {
    if folders.is_empty() {
        return Err(Error::key("validate.folders", "name at least one folder of pictures to be judged by"));
    }
    let (mut truths, mut files) = (Vec::new(), Vec::new());
    for file in crate::data::list(folders)?.files {
        match Picture::open_with(&file, &DecodeOptions::truth()) {
            Ok(truth) => {
                files.push(Source::new(&file, Raster::from_picture(&truth).hash(), true));
                truths.push(truth);
            }
            Err(error) => {
                failed.insert(file, error.to_string());
            }
        }
    }
    match failed.values().next() {
        Some(why) if truths.is_empty() => {
            Err(Error::key("validate.folders", format!("none of their pictures can be read; {why}")))
        }
        _ => Ok((truths, files)),
    }
}

fn shards_of(recipe: &Recipe, folder: Folder, judge: Judge, patch: usize, step: u64) -> Result<Prepared> {
    let interface = Interface::of(&recipe.network)?;
    let folder = Arc::new(folder);
    let origins = Origins::Pictures(Arc::clone(&folder));
    if folder.is_fixed() {
        return Ok(Prepared::fixed(Resident::Pictures(folder.shard(0)?), judge, interface, origins));
    }
    // A shard stays while its pixels are seen about once.
    let [count, low, high] = folder.room();
    let patches = low / (patch * patch * pair_options(recipe, patch).channels);
    let steps = (patches / (recipe.batch * recipe.optimizer.accumulate)).max(1) as u64;
    let (room, there) = (Room { count, low, high }, step / steps);
    let resident = Resident::Pictures(folder.shard(there)?);
    let shards = Some(Shards { folder, steps, there, next: None });
    Ok(Prepared { resident, room, judge, interface, failed: 0, files: Vec::new(), origins, shards })
}
