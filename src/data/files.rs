//! Finding and reading training pictures: listing, duplicates, leakage of test pictures.

use super::Raster;
use crate::image::Picture;
use crate::image::resize::{Rounding, imresize};
use crate::{Error, Result};
use rayon::prelude::*;
use std::path::{Path, PathBuf};

const EXTENSIONS: [&str; 11] = ["png", "jpg", "jpeg", "webp", "bmp", "tif", "tiff", "pnm", "ppm", "pgm", "gif"];

/// Thumbnails whose cells differ by less than this on average (of 0..255) show the same picture. Measured: no two
/// different pictures among T91, BSDS500, 37 photographs and the test sets come closer than 10; copies at 0.37 of the
/// size and JPEG quality 40 stay within 1.6, and two crops of one portrait by a few pixels differ by 2.
const SAME: f32 = 4.0;
/// Thumbnails with less contrast than this (mean difference from their mean) say nothing.
const FLAT: f32 = 4.0;

/// The picture files of folders (with all folders below, hidden ones left out) and single files: sorted by path, each
/// once. Links to folders are not followed. Errors when an input does not exist or holds no picture.
pub fn list(inputs: &[PathBuf]) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for input in inputs {
        let metadata = std::fs::metadata(input).map_err(|source| Error::io(input, source))?;
        if metadata.is_file() {
            files.push(input.clone());
            continue;
        }
        let before = files.len();
        walk(input, &mut files)?;
        if files.len() == before {
            return Err(Error::input(format!("{}: holds no picture ({})", input.display(), EXTENSIONS.join(", "))));
        }
    }
    files.sort();
    files.dedup();
    Ok(files)
}

fn walk(folder: &Path, files: &mut Vec<PathBuf>) -> Result<()> {
    for entry in std::fs::read_dir(folder).map_err(|source| Error::io(folder, source))? {
        let entry = entry.map_err(|source| Error::io(folder, source))?;
        let (path, kind) = (entry.path(), entry.file_type().map_err(|source| Error::io(entry.path(), source))?);
        if entry.file_name().as_encoded_bytes().starts_with(b".") {
            continue;
        }
        let extension = path.extension().map(|extension| extension.to_string_lossy().to_lowercase());
        if kind.is_dir() {
            walk(&path, files)?;
        } else if extension.is_some_and(|extension| EXTENSIONS.contains(&&extension[..])) && path.is_file() {
            files.push(path);
        }
    }
    Ok(())
}

/// A decoded picture and what tells it from others.
pub(super) struct Loaded {
    pub raster: Raster,
    pub mark: Mark,
}

/// What tells a picture from others; taken before any reduction.
pub(super) struct Mark {
    pub hash: u64,
    thumbnail: Vec<f32>,
}

/// Decodes a picture; one of more than `max_pixels` is halved by bicubic until it has no more, which also makes it
/// sharp at the scale of pixels, as large photographs seldom are.
pub(super) fn load(path: &Path, max_pixels: Option<usize>) -> Result<Loaded> {
    let picture = Picture::open(path)?;
    let mut raster = Raster::from_picture(&picture);
    drop(picture);
    let mark = Mark { hash: raster.hash(), thumbnail: raster.thumbnail() };
    while max_pixels.is_some_and(|most| raster.width * raster.height > most.max(1)) {
        raster = resized(&raster, 0.5);
    }
    Ok(Loaded { raster, mark })
}

/// The picture at `factor` times its size (rounded up, as MATLAB has it), rounded to 8 bits.
pub(super) fn resized(raster: &Raster, factor: f64) -> Raster {
    let size = |side: usize| ((side as f64 * factor - 1e-9).ceil() as usize).max(1);
    let (width, height) = (size(raster.width), size(raster.height));
    let picture = raster.to_picture().map(|plane| imresize(plane, width, height, factor, Rounding::Eight));
    Raster::from_picture(&picture)
}

/// Marks of pictures that must not be trained on.
pub(super) struct Excluded(Vec<(PathBuf, Mark)>);

impl Excluded {
    pub(super) fn read(inputs: &[PathBuf]) -> Result<Excluded> {
        let files = list(inputs)?;
        let marks = files.par_iter().map(|path| Ok((path.clone(), load(path, None)?.mark)));
        Ok(Excluded(marks.collect::<Result<_>>()?))
    }

    /// Errors, naming both files, when a training picture is one of these.
    pub(super) fn check(&self, path: &Path, mark: &Mark) -> Result<()> {
        for (test, other) in &self.0 {
            let how = if mark.hash == other.hash {
                "is the same picture as"
            } else if mark.looks_like(other) {
                "looks like a copy of"
            } else {
                continue;
            };
            let (path, test) = (path.display(), test.display());
            return Err(Error::input(format!(
                "{path} {how} {test}, which is excluded from training: leave it out of the training folders"
            )));
        }
        Ok(())
    }
}

impl Mark {
    /// Mean difference of the thumbnails' cells.
    fn distance(&self, other: &Mark) -> f32 {
        let differences = self.thumbnail.iter().zip(&other.thumbnail).map(|(a, b)| (a - b).abs());
        differences.sum::<f32>() / self.thumbnail.len() as f32
    }

    fn looks_like(&self, other: &Mark) -> bool {
        let mean = self.thumbnail.iter().sum::<f32>() / self.thumbnail.len() as f32;
        let contrast = self.thumbnail.iter().map(|v| (v - mean).abs()).sum::<f32>() / self.thumbnail.len() as f32;
        contrast >= FLAT && self.distance(other) < SAME
    }
}
