//! Pictures to be enlarged: drawn, or from folders.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use super::{Origins, Prepared};
use crate::data::{Folder, FolderOptions, PairOptions, Raster, procedural};
use crate::image::{DecodeOptions, Picture};
use crate::interface::Interface;
use crate::network::Input;
use crate::train::judge::Judge;
use crate::train::record::Source;
use crate::train::report::Report;
use crate::train::shards::{Shards, Supply};
use crate::train::{DataSpec, Recipe, Resident, Room};
use crate::{Error, Result};

/// Folders of pictures to learn from, and those of validation folders to be judged by.
pub(super) fn folders(recipe: &Recipe, step: u64, report: &mut dyn Report) -> Result<Prepared> {
    let DataSpec::Images { train, exclude, patch, rescale, max_pixels, budget_mib, degrade } = &recipe.data else {
        unreachable!("asked for by the recipe")
    };
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

/// Pictures that are on the device at once, or in turns.
fn shards_of(recipe: &Recipe, folder: Folder, judge: Judge, patch: usize, step: u64) -> Result<Prepared> {
    let interface = Interface::of(&recipe.network)?;
    let (fixed, learnt, [count, low, high]) = (folder.is_fixed(), folder.report().pictures, folder.room());
    let source = Arc::new(Supply::Pictures(Box::new(folder)));
    let drawn = Some(Arc::clone(&source));
    if fixed {
        let resident = source.shard(0)?;
        return Ok(Prepared { drawn, learnt, ..Prepared::fixed(resident, judge, interface, Origins::Pictures) });
    }
    // A shard stays while its pixels are seen about once.
    let patches = low / (patch * patch * pair_options(recipe, patch).channels);
    let steps = (patches / (recipe.batch * recipe.optimizer.accumulate)).max(1) as u64;
    let (shards, resident) = Shards::new(source, steps, step)?;
    let fixed = Prepared::fixed(resident, judge, interface, Origins::Pictures);
    Ok(Prepared { room: Room { count, low, high }, learnt, drawn, shards: Some(shards), ..fixed })
}
