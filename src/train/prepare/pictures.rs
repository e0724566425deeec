//! Pictures to be enlarged: drawn, or from folders.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::{Origins, Prepared};
use crate::data::{self, Folder, FolderOptions, PairOptions, Raster, procedural};
use crate::image::{DecodeOptions, Picture};
use crate::interface::Interface;
use crate::network::Input;
use crate::train::record::Source;
use crate::train::report::Report;
use crate::train::shards::{Shards, Supply};
use crate::train::validator::{Truth, Validator};
use crate::train::{DataSpec, Recipe, Resident, Room};
use crate::{Error, Result};

/// Folders of pictures to learn from, and those of validation folders to be judged by.
pub(super) fn folders(recipe: &Recipe, step: u64, report: &mut dyn Report) -> Result<Prepared> {
    let DataSpec::Images {
        train,
        exclude,
        patch,
        rescale,
        max_pixels,
        budget_mib,
        holdout,
        split_seed,
        strict,
        degrade,
    } = &recipe.data
    else {
        unreachable!("asked for by the recipe")
    };
    let mut options = FolderOptions::new(pair_options(recipe, *patch));
    options.rescale = rescale.clone();
    options.max_pixels = Some(*max_pixels);
    options.budget = budget_mib << 20;
    options.seed = recipe.seed;
    options.exclude = exclude.iter().chain(&recipe.validate.folders).cloned().collect();
    options.pairs.degradation = *degrade;
    (options.holdout, options.split_seed, options.strict) = (*holdout, *split_seed, *strict);
    let folder = Folder::open(train, options)?;
    let mut judged = listed(&recipe.validate.folders)?;
    judged.extend(folder.held().map(Path::to_path_buf));
    let mut failed = BTreeMap::new();
    let (truths, mut files) = truths(&judged, &mut failed)?;
    let validator = match degrade {
        None => Validator::pictures(truths, scale(recipe))?,
        Some(degradation) => {
            let best = recipe.validate.best;
            Validator::degraded_pictures(truths, scale(recipe), degradation, recipe.seed, best)?
        }
    };
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
    let (mib, held) = (found.bytes >> 20, validator.count());
    let shards = folder.shards();
    let (pictures, pairs) = (found.pictures, found.pairs);
    report.note(&format!("{pictures} pictures, {pairs} pairs, {mib} MiB in {shards} shards; judged by {held}"));
    Ok(Prepared { failed: failed.len(), files, ..shards_of(recipe, folder, validator, *patch, step)? })
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
pub(super) fn drawn(
    recipe: &Recipe,
    count: usize,
    size: usize,
    patch: usize,
    report: &mut dyn Report,
) -> Result<Prepared> {
    let mut failed = BTreeMap::new();
    let seed = u64::from(recipe.seed) << 32;
    let options = pair_options(recipe, patch);
    let resident = Resident::Pictures(procedural::pictures(seed, count, size, &options)?);
    let (validator, files) = match recipe.validate.folders.is_empty() {
        false => truths(&listed(&recipe.validate.folders)?, &mut failed)?,
        true => {
            let first = seed + count as u64;
            let seeds = first..first + recipe.validate.pictures.max(1) as u64;
            let picture = |s| procedural::dead_leaves(s, size, size).to_picture();
            let truth = |s| Truth { name: format!("drawn picture {s}").into(), picture: picture(s) };
            (seeds.map(truth).collect(), Vec::new())
        }
    };
    for why in failed.values() {
        report.note(&format!("left out: {why}"));
    }
    let interface = Interface::of(&recipe.network)?;
    let prepared = Prepared::fixed(resident, Validator::pictures(validator, scale(recipe))?, interface, Origins::Drawn);
    Ok(Prepared { failed: failed.len(), files, ..prepared })
}

/// The pictures of some folders, of which there may be none.
fn listed(folders: &[PathBuf]) -> Result<Vec<PathBuf>> {
    if folders.is_empty() { Ok(Vec::new()) } else { Ok(data::list(folders)?.files) }
}

/// Ground truth, and its files; those that cannot be read, or not whole, are added to `failed`.
fn truths(paths: &[PathBuf], failed: &mut BTreeMap<PathBuf, String>) -> Result<(Vec<Truth>, Vec<Source>)> {
    let bad = |why: &str| Err(Error::key("validate.folders", why));
    if paths.is_empty() {
        return bad(
            "name at least one folder of pictures to be judged by, or set data.holdout to a share, such as 0.1",
        );
    }
    let (mut truths, mut files) = (Vec::new(), Vec::new());
    for path in paths {
        match Picture::open_with(path, &DecodeOptions::truth()) {
            Ok(picture) => {
                files.push(Source::new(path, Raster::from_picture(&picture).hash(), true));
                truths.push(Truth { name: path.clone(), picture });
            }
            Err(error) => {
                failed.insert(path.clone(), error.to_string());
            }
        }
    }
    match failed.values().next() {
        Some(why) if truths.is_empty() => bad(&format!("none of their pictures can be read; {why}")),
        _ => Ok((truths, files)),
    }
}

/// Pictures that are on the device at once, or in turns.
fn shards_of(recipe: &Recipe, folder: Folder, validator: Validator, patch: usize, step: u64) -> Result<Prepared> {
    let interface = Interface::of(&recipe.network)?;
    let (fixed, learnt, [count, low, high]) = (folder.is_fixed(), folder.report().pictures, folder.room());
    let source = Arc::new(Supply::Pictures(Box::new(folder)));
    let drawn = Some(Arc::clone(&source));
    if fixed {
        let resident = source.shard(0)?;
        return Ok(Prepared { drawn, learnt, ..Prepared::fixed(resident, validator, interface, Origins::Pictures) });
    }
    // A shard stays while its pixels are seen about once.
    let patches = low / (patch * patch * pair_options(recipe, patch).channels);
    let steps = (patches / (recipe.batch * recipe.optimizer.accumulate)).max(1) as u64;
    let (shards, resident) = Shards::new(source, steps, step)?;
    let fixed = Prepared::fixed(resident, validator, interface, Origins::Pictures);
    Ok(Prepared { room: Room { count, low, high }, learnt, drawn, shards: Some(shards), ..fixed })
}
