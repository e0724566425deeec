//! Finding and reading training pictures: listing, decoding, leakage of test pictures.

use super::Raster;
use super::likeness::{Likeness, Mark, Sight};
use crate::image::resize::{Rounding, imresize};
use crate::image::{self, DecodeOptions, Kind, Picture};
use crate::{Error, Result};
use rayon::prelude::*;
use std::io::Read;
use std::path::{Path, PathBuf};

/// Endings of the names of pictures.
const EXTENSIONS: &[&str] = &[
    "png",
    "apng",
    "jpg",
    "jpeg",
    "jpe",
    "jfif",
    "webp",
    "bmp",
    "dib",
    "tif",
    "tiff",
    "pnm",
    "ppm",
    "pgm",
    "pbm",
    "pam",
    "gif",
    #[cfg(feature = "jxl")]
    "jxl",
];

/// The picture files that were found, and the files that were not taken.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Listing {
    /// Pictures by their names, sorted by path, each once.
    pub files: Vec<PathBuf>,
    /// Files of folders that are none, or in a format that is not read, hidden pictures, and folders below that cannot be
    /// read, and why each is left out. Other hidden files and hidden folders are not spoken of.
    pub left_out: Vec<(PathBuf, String)>,
    /// Pictures in folders below, where those were not asked for.
    pub below: usize,
}

/// The picture files of folders (with all folders below, hidden ones left out) and single files. Links to folders are not
/// followed. Errors when an input does not exist or holds no picture.
pub fn list(inputs: &[PathBuf]) -> Result<Listing> {
    let mut all = Listing::default();
    for input in inputs {
        let Listing { files, left_out, .. } = list_one(input, true)?;
        if files.is_empty() {
            let others = left_out.first().map_or(String::new(), |(path, why)| format!("; {}: {why}", path.display()));
            let endings = EXTENSIONS.join(", ");
            return Err(Error::file(input, format!("holds no picture ({endings}){others}")));
        }
        all.files.extend(files);
        all.left_out.extend(left_out);
    }
    all.files.sort();
    all.files.dedup();
    Ok(all)
}

/// What one input holds: itself if it is a file, which is not looked into; with `deep`, all folders below too.
///
/// Errors when it does not exist or a folder cannot be read.
pub fn list_one(input: &Path, deep: bool) -> Result<Listing> {
    let metadata = std::fs::metadata(input).map_err(|source| Error::io(input, source))?;
    let mut listing = Listing::default();
    if metadata.is_dir() {
        walk(input, deep, &mut listing)?;
        listing.files.sort();
        listing.left_out.sort();
    } else {
        listing.files.push(input.to_path_buf());
    }
    Ok(listing)
}

/// Whether a file's name ends as a picture's.
pub fn is_picture_name(path: &Path) -> bool {
    let extension = path.extension().map(|extension| extension.to_string_lossy().to_lowercase());
    extension.is_some_and(|extension| EXTENSIONS.contains(&&extension[..]))
}

fn walk(folder: &Path, deep: bool, listing: &mut Listing) -> Result<()> {
    for entry in std::fs::read_dir(folder).map_err(|source| Error::io(folder, source))? {
        let entry = entry.map_err(|source| Error::io(folder, source))?;
        let (path, kind) = (entry.path(), entry.file_type().map_err(|source| Error::io(entry.path(), source))?);
        if entry.file_name().as_encoded_bytes().starts_with(b".") {
            if kind.is_file() && is_picture_name(&path) && is_picture(&path) {
                listing.left_out.push((path, "left out: a hidden file; give it by name".into()));
            }
            continue;
        }
        if kind.is_dir() && deep {
            // The others are taken all the same.
            if let Err(error) = walk(&path, deep, listing) {
                listing.left_out.push((path, format!("left out: {error}")));
            }
        } else if kind.is_dir() {
            let mut below = Listing::default();
            // A folder that is not asked for need not be readable.
            let _ = walk(&path, true, &mut below);
            listing.below += below.files.len();
        } else if is_picture_name(&path) && path.is_file() {
            listing.files.push(path);
        } else {
            let why = why_left_out(&path);
            listing.left_out.push((path, why));
        }
    }
    Ok(())
}

/// Whether a file's content is a picture's: beside those of some systems stand hidden files of the same names that are none.
fn is_picture(path: &Path) -> bool {
    let mut head = Vec::new();
    let read = std::fs::File::open(path).and_then(|file| file.take(64).read_to_end(&mut head));
    read.is_ok() && image::kind(&head) != Kind::Unknown
}

/// Why a file of a folder is no input.
fn why_left_out(path: &Path) -> String {
    match std::fs::metadata(path) {
        Err(error) => return format!("left out: {error}"),
        Ok(metadata) if metadata.is_dir() => return "left out: a link to a folder; give the folder itself".into(),
        Ok(metadata) if !metadata.is_file() => return "left out: a pipe or device; give it by name".into(),
        Ok(_) => {}
    }
    let mut head = Vec::new();
    match std::fs::File::open(path).and_then(|file| file.take(64).read_to_end(&mut head)) {
        Err(error) => format!("left out: {error}"),
        Ok(_) => match image::kind(&head) {
            Kind::Foreign(name, remedy) => format!("left out: {name} is not read; {remedy}"),
            Kind::Read(format) => {
                let endings = format.extensions_str().join(", .");
                format!("left out: a picture whose name does not say so; name it .{endings}, or give it by name")
            }
            #[cfg(feature = "jxl")]
            Kind::JpegXl => "left out: a picture whose name does not say so; name it .jxl, or give it by name".into(),
            Kind::Unknown => "left out: not a picture".into(),
        },
    }
}

/// A decoded picture and what tells it from others.
pub(super) struct Loaded {
    pub raster: Raster,
    pub mark: Mark,
}

/// Decodes a picture; one of more than `max_pixels` is halved by bicubic until it has no more, which also makes it
/// sharp at the scale of pixels, as large photographs seldom are.
pub(super) fn load(path: &Path, max_pixels: Option<usize>, options: &DecodeOptions) -> Result<Loaded> {
    let picture = Picture::open_with(path, options)?;
    let mut raster = Raster::from_picture(&picture);
    drop(picture);
    let mark = Mark::new(&raster);
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

/// Pictures that must not be trained on.
pub(super) struct Excluded(Vec<(PathBuf, Sight)>);

impl Excluded {
    /// The pictures of folders and files; of those that cannot be read, why.
    pub(super) fn read(inputs: &[PathBuf]) -> Result<(Excluded, Vec<(PathBuf, String)>)> {
        let files = list(inputs)?.files;
        let see = |path: &PathBuf| load(path, None, &DecodeOptions::default()).map(|loaded| Sight::new(&loaded.mark));
        let seen = files.par_iter().map(|path| (path.clone(), see(path)));
        let (mut excluded, mut failed) = (Vec::new(), Vec::new());
        for (path, sight) in seen.collect::<Vec<_>>() {
            match sight {
                Ok(sight) => excluded.push((path, sight)),
                Err(error) => failed.push((path, error.to_string())),
            }
        }
        Ok((Excluded(excluded), failed))
    }

    /// These pictures, by their marks.
    pub(super) fn new<'a>(pictures: impl Iterator<Item = (&'a Path, &'a Mark)>) -> Self {
        Excluded(pictures.map(|(path, mark)| (path.to_path_buf(), Sight::new(mark))).collect())
    }

    /// The picture that one with this mark is, or is like, and how.
    pub(super) fn find(&self, mark: &Mark) -> Option<(Likeness, &Path)> {
        if self.0.is_empty() {
            return None;
        }
        let sight = Sight::new(mark);
        self.0.iter().find_map(|(path, other)| Some((sight.likeness(other)?, path.as_path())))
    }
}
