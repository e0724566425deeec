//! Folders of pictures as a training set, in shards that fit a budget.

use super::files::{self, Excluded, Listing, LoadedFiles};
use super::likeness::Mark;
use super::split::{self, Sides};
use super::{Measure, PairOptions, Pictures, Raster, batch, pair, rows};
use crate::image::DecodeOptions;
use crate::{Error, Result};
use rayon::prelude::*;
use std::borrow::Cow;
use std::collections::HashMap;
use std::path::{Path, PathBuf};

/// Pictures that a message names.
const LEAKS: usize = 20;

/// How a training set is made of folders.
#[derive(Clone, Debug, PartialEq)]
pub struct FolderOptions {
    /// How a pair is made of a picture.
    pub pairs: PairOptions,
    /// Factors in (0, 1] at which each picture enters, 1 being the picture itself.
    pub rescale: Vec<f64>,
    /// Pictures with more pixels are halved until they have no more.
    pub max_pixels: Option<usize>,
    /// Folders and files of test pictures. A training picture that is one of them is an error.
    pub exclude: Vec<PathBuf>,
    /// Most bytes of a shard as it lies on the device.
    pub budget: usize,
    /// Most bytes of decoded pictures kept in memory; the others are decoded again for each shard.
    pub host_budget: usize,
    /// Draws the division into shards, their order and the degradations.
    pub seed: u32,
    /// Share of the pictures that is held out, see [`super::split`], and what chooses them.
    pub holdout: f64,
    /// Chooses others.
    pub split_seed: u32,
    /// A picture that cannot be read is an error.
    pub strict: bool,
}

impl FolderOptions {
    /// Every picture once, photographs reduced to 2 megapixels, nothing excluded, shards of 96 MiB (software adapters
    /// bind 128), 2 GiB of decoded pictures.
    pub fn new(pairs: PairOptions) -> Self {
        FolderOptions {
            pairs,
            rescale: vec![1.0],
            max_pixels: Some(2_000_000),
            exclude: Vec::new(),
            budget: 96 << 20,
            host_budget: 2 << 30,
            seed: 0,
            holdout: 0.0,
            split_seed: 0,
            strict: false,
        }
    }

    fn check(&self) -> Result<()> {
        self.pairs.check()?;
        if self.rescale.is_empty() || self.rescale.iter().any(|factor| !(*factor > 0.0 && *factor <= 1.0)) {
            return Err(Error::key("data.rescale", format!("factors above 0 and up to 1, not {:?}", self.rescale)));
        }
        Ok(())
    }
}

/// What became of the files.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Picture files found.
    pub files: usize,
    /// Pictures taken.
    pub pictures: usize,
    /// Pairs made of them: with their rescaled copies, less the copies that are too small for a patch.
    pub pairs: usize,
    /// Pictures that are too small for a patch.
    pub too_small: Vec<PathBuf>,
    /// Pictures left out, and the picture that each repeats pixel by pixel.
    pub duplicates: Vec<(PathBuf, PathBuf)>,
    /// Pictures left out since they are like one that is held out, and how, in words.
    pub alike: Vec<String>,
    /// Pictures held out though their hash says otherwise or the reverse: one side would have none.
    pub moved: Vec<PathBuf>,
    /// Pictures that cannot be read, or not whole, and why; those of [`FolderOptions::exclude`] too, which nothing can be
    /// compared with.
    pub failed: Vec<(PathBuf, String)>,
    /// Files of the folders that are no pictures, and why each is left out.
    pub left_out: Vec<(PathBuf, String)>,
    /// Bytes of all pairs.
    pub bytes: usize,
}

impl Report {
    /// What a person should know, a sentence each.
    pub fn warnings(&self) -> Vec<String> {
        let mut warnings = Vec::new();
        let mut warn = |count: usize, what: &str, first: Option<&PathBuf>| {
            if let Some(first) = first {
                warnings.push(format!("left out {count} of {} pictures, {what} ({} ...)", self.files, first.display()));
            }
        };
        warn(self.too_small.len(), "too small for a patch", self.too_small.first());
        for (path, first) in &self.duplicates {
            warnings.push(format!("left out: {} is the same picture as {}", path.display(), first.display()));
        }
        warnings.extend(self.alike.iter().map(|alike| format!("left out: {alike}, which is held out")));
        for path in &self.moved {
            warnings.push(format!("so that both sides have pictures, {} changed sides", path.display()));
        }
        if let Some((path, why)) = self.left_out.first() {
            let (count, path) = (self.left_out.len(), path.display());
            warnings.push(format!("{count} other files in the folders are not taken ({path}: {why} ...)"));
        }
        warnings
    }
}

struct Source {
    path: PathBuf,
    /// Of its pixels as they were read.
    hash: u64,
    width: usize,
    height: usize,
    /// The decoded picture, where the budget allows.
    raster: Option<Raster>,
}

#[derive(Clone, Copy)]
struct Item {
    source: usize,
    factor: f64,
    measure: Measure,
}

/// A training set made of folders of pictures.
pub struct Folder {
    options: FolderOptions,
    sources: Vec<Source>,
    items: Vec<Item>,
    /// Items of each shard, ascending.
    shards: Vec<Vec<usize>>,
    held: Vec<PathBuf>,
    report: Report,
}

impl Folder {
    /// Reads all pictures of the given folders and files, in parallel, and divides them into shards. The result does
    /// not depend on the number of threads.
    ///
    /// A file that cannot be read is left out, see [`Report::failed`]. Errors: a picture that is excluded (see
    /// [`FolderOptions::exclude`]), no picture large enough, a pair larger than the budget.
    pub fn open(inputs: &[PathBuf], options: FolderOptions) -> Result<Folder> {
        options.check()?;
        let (excluded, failed) = Excluded::read(&options.exclude)?;
        let Listing { files, left_out, .. } = files::list(inputs)?;
        let mut report = Report { files: files.len(), failed, left_out, ..Report::default() };
        let (mut sources, mut kept) = (Vec::<Source>::new(), 0);
        let (mut marks, mut leaks) = (Vec::new(), Vec::new());
        let mut seen: HashMap<u64, usize> = HashMap::new();
        // In portions, so that pictures past the budget are let go of before the next are read.
        for portion in files.chunks(64) {
            let loaded = portion.par_iter().map(|path| {
                let loaded = files::load(path, options.max_pixels, &DecodeOptions::truth())?;
                let like = excluded.find(&loaded.mark);
                Ok((loaded, like))
            });
            for (path, loaded) in portion.iter().zip(loaded.collect::<Vec<Result<_>>>()) {
                let (LoadedFiles { raster, mark }, like) = match loaded {
                    Ok(loaded) => loaded,
                    Err(error) => {
                        report.failed.push((path.clone(), error.to_string()));
                        continue;
                    }
                };
                if let Some((like, test)) = like {
                    leaks.push(format!("{} {} {}", path.display(), like.words(), test.display()));
                    continue;
                }
                if let Some(&first) = seen.get(&mark.hash) {
                    report.duplicates.push((path.clone(), sources[first].path.clone()));
                    continue;
                }
                if options.pairs.measure(raster.width, raster.height).is_none() {
                    report.too_small.push(path.clone());
                    continue;
                }
                seen.insert(mark.hash, sources.len());
                let (path, width, height) = (path.clone(), raster.width, raster.height);
                let keep = kept + raster.data.len() <= options.host_budget;
                kept += if keep { raster.data.len() } else { 0 };
                sources.push(Source { path, hash: mark.hash, width, height, raster: keep.then_some(raster) });
                if options.holdout > 0.0 {
                    marks.push(mark);
                }
            }
        }
        if !leaks.is_empty() {
            return Err(Error::input(leaked(&leaks)));
        }
        if options.strict
            && let Some((_, why)) = report.failed.first()
        {
            let more = report.failed.len() - 1;
            let why = if more > 0 { format!("{why} (and {more} more like it)") } else { why.clone() };
            return Err(Error::key("data.strict", why));
        }
        let held =
            if options.holdout > 0.0 { hold_out(&mut sources, marks, &options, &mut report)? } else { Vec::new() };
        let mut items = Vec::new();
        for (index, source) in sources.iter().enumerate() {
            for &factor in &options.rescale {
                let size = |side: usize| (side as f64 * factor - 1e-9).ceil() as usize;
                let Some(measure) = options.pairs.measure(size(source.width), size(source.height)) else { continue };
                if measure.bytes > options.budget || measure.positions > u64::from(u32::MAX) {
                    return Err(Error::file(
                        &source.path,
                        format!(
                            "takes {} bytes of a budget of {}: raise the budget, lower max_pixels or cut the picture",
                            measure.bytes, options.budget
                        ),
                    ));
                }
                items.push(Item { source: index, factor, measure });
            }
        }
        if items.is_empty() {
            let patch = options.pairs.patch;
            let why = report.failed.first().map_or(String::new(), |(_, why)| format!("; {why}"));
            let count = files.len();
            return Err(Error::input(format!("none of {count} pictures is large enough for patch = {patch}{why}")));
        }
        (report.pictures, report.pairs) = (sources.len(), items.len());
        report.bytes = items.iter().map(|item| item.measure.bytes).sum();
        let measures: Vec<Measure> = items.iter().map(|item| item.measure).collect();
        let shards = divide(&measures, options.budget, options.seed)?;
        Ok(Folder { options, sources, items, shards, held, report })
    }

    /// What became of the files.
    pub fn report(&self) -> &Report {
        &self.report
    }

    /// The files that are held out.
    pub fn held(&self) -> impl Iterator<Item = &Path> {
        self.held.iter().map(PathBuf::as_path)
    }

    /// The files of the pictures that were taken, and a hash of the pixels of each.
    pub fn sources(&self) -> impl Iterator<Item = (&Path, u64)> {
        self.sources.iter().map(|source| (source.path.as_path(), source.hash))
    }

    /// Number of shards.
    pub fn shards(&self) -> usize {
        self.shards.len()
    }

    /// What the largest shards hold: pictures, low-resolution bytes, high-resolution bytes.
    pub fn room(&self) -> [usize; 3] {
        let pairs = &self.options.pairs;
        let parts = if pairs.upsampled_input { 2 } else { 1 + pairs.scale * pairs.scale };
        self.shards.iter().fold([0; 3], |[count, low, high], shard| {
            let lows: usize = shard.iter().map(|&item| self.items[item].measure.bytes / parts).sum();
            let highs: usize = shard.iter().map(|&item| self.items[item].measure.bytes / parts * (parts - 1)).sum();
            [count.max(shard.len()), low.max(lows), high.max(highs)]
        })
    }

    /// Whether every [`Folder::shard`] is the same, so that preparing one is enough: there is one shard, and it is not
    /// degraded anew each time.
    pub fn is_fixed(&self) -> bool {
        self.shards.len() == 1 && self.options.pairs.degradation.is_none()
    }

    /// The file of pair `index` of a shard.
    pub fn path(&self, number: u64, index: usize) -> &Path {
        &self.sources[self.items[self.shards[self.turn(number).1][index]].source].path
    }

    /// The pass that a shard number falls into, and which shard it is.
    fn turn(&self, number: u64) -> (u32, usize) {
        let count = self.shards.len() as u64;
        let pass = (number / count) as u32;
        (pass, batch::row(self.options.seed, count as u32, pass, (number % count) as u32) as usize)
    }

    /// The shard to train on `number`th (from 0, without end): each once per pass, every pass in another order. The same
    /// number gives the same bytes. Errors when a picture that was not kept can no longer be read.
    pub fn shard(&self, number: u64) -> Result<Pictures> {
        let options = &self.options;
        let (pass, shard) = self.turn(number);
        let pairs = self.shards[shard].par_iter().map(|&index| {
            let item = self.items[index];
            let source = &self.sources[item.source];
            let raster = match &source.raster {
                Some(raster) => Cow::Borrowed(raster),
                None => Cow::Owned(files::load(&source.path, options.max_pixels, &DecodeOptions::truth())?.raster),
            };
            if (raster.width, raster.height) != (source.width, source.height) {
                return Err(Error::file(&source.path, "has changed since training began"));
            }
            let raster = if item.factor == 1.0 { raster } else { Cow::Owned(files::resized(&raster, item.factor)) };
            let key = [options.seed, pass, index as u32];
            pair(&raster, &options.pairs, key).map_err(|error| error.in_file(&source.path))
        });
        Pictures::pack(&pairs.collect::<Result<Vec<_>>>()?, &options.pairs)
    }
}

/// Says which pictures must not be there.
fn leaked(leaks: &[String]) -> String {
    let named = leaks.iter().take(LEAKS).cloned().collect::<Vec<_>>().join("; ");
    let more = leaks.len().saturating_sub(LEAKS);
    let more = if more > 0 { format!("; and {more} more") } else { String::new() };
    format!("{named}{more}: excluded from training, so leave it out of the training folders")
}

/// Takes the held-out pictures, and those that are like one of them, from the sources; returns the files that are held out.
fn hold_out(
    sources: &mut Vec<Source>,
    marks: Vec<Mark>,
    options: &FolderOptions,
    report: &mut Report,
) -> Result<Vec<PathBuf>> {
    let hashes: Vec<u64> = marks.iter().map(|mark| mark.hash).collect();
    let Sides { held, moved, .. } = split::sides(&hashes, None, options.holdout, options.split_seed)?;
    report.moved = moved.iter().map(|&i| sources[i].path.clone()).collect();
    let excluded = Excluded::new(held.iter().map(|&i| (sources[i].path.as_path(), &marks[i])));
    let is_held: std::collections::HashSet<usize> = held.iter().copied().collect();
    let alike = marks.par_iter().enumerate().map(|(i, mark)| match is_held.contains(&i) {
        true => None,
        false => excluded.find(mark),
    });
    let alike: Vec<_> = alike.collect();
    let paths = held.iter().map(|&i| sources[i].path.clone()).collect();
    let mut index = 0;
    sources.retain(|source| {
        let i = index;
        index += 1;
        if let Some((like, test)) = alike[i] {
            report.alike.push(format!("{} {} {}", source.path.display(), like.words(), test.display()));
        }
        !is_held.contains(&i) && alike[i].is_none()
    });
    Ok(paths)
}

/// Divides pairs into as few shards as hold them within `budget` bytes and 2^32 positions each, of nearly equal bytes:
/// the largest first, each to the shard that has least so far, equal sizes in an order drawn from `seed`.
fn divide(measures: &[Measure], budget: usize, seed: u32) -> Result<Vec<Vec<usize>>> {
    let total: usize = measures.iter().map(|measure| measure.bytes).sum();
    let mut order = rows::shuffled(measures.len(), seed, 0)?;
    order.sort_by_key(|&index| std::cmp::Reverse(measures[index].bytes));
    let least = total.div_ceil(budget).max(1);
    for count in least..=measures.len().max(least) {
        let mut shards = vec![(0usize, 0u64, Vec::new()); count];
        for &index in &order {
            let Some(shard) = shards.iter_mut().min_by_key(|shard| shard.0) else { continue };
            shard.0 += measures[index].bytes;
            shard.1 += measures[index].positions;
            shard.2.push(index);
        }
        if shards.iter().all(|shard| shard.0 <= budget && shard.1 <= u64::from(u32::MAX)) {
            shards.iter_mut().for_each(|shard| shard.2.sort_unstable());
            return Ok(shards.into_iter().map(|shard| shard.2).filter(|shard| !shard.is_empty()).collect());
        }
    }
    Err(Error::input(format!("a picture exceeds the budget of {budget} bytes")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shards_hold_everything_once_within_the_budget_and_evenly() {
        let measures: Vec<Measure> =
            (0..97).map(|k| Measure { bytes: 100 + (crate::random::pcg(k) % 900) as usize, positions: 7 }).collect();
        let total: usize = measures.iter().map(|measure| measure.bytes).sum();
        for budget in [1000, 5000, total] {
            let shards = divide(&measures, budget, 3).unwrap();
            let mut all: Vec<usize> = shards.concat();
            all.sort_unstable();
            assert_eq!(all, (0..97).collect::<Vec<_>>());
            let sizes: Vec<usize> =
                shards.iter().map(|shard| shard.iter().map(|&index| measures[index].bytes).sum()).collect();
            assert!(sizes.iter().all(|&size| size <= budget), "{sizes:?} of {budget}");
            assert_eq!(divide(&measures, budget, 3).unwrap(), shards);
        }
        assert_eq!(divide(&measures, total, 3).unwrap().len(), 1);
        let crowded = [Measure { bytes: 1, positions: u64::from(u32::MAX) }; 3];
        assert_eq!(divide(&crowded, 100, 0).unwrap().len(), 3, "positions are counted too");
    }
}
