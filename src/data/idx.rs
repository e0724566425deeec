//! IDX files: the format of MNIST and Fashion-MNIST, plain or gzipped.
//!
//! A file is two zero bytes, a type byte, the number of dimensions, each dimension as a big-endian 32-bit number, then
//! the values, last dimension fastest (<http://yann.lecun.com/exdb/mnist>, as of 1998). Only unsigned bytes (type 8)
//! occur in these datasets and only they are read.

use super::{Rows, Samples};
use crate::{Error, Result};
use std::fs::File;
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};

/// Which of the two parts of a dataset folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Split {
    /// `train-images-idx3-ubyte` and `train-labels-idx1-ubyte`.
    Train,
    /// `t10k-images-idx3-ubyte` and `t10k-labels-idx1-ubyte`.
    Test,
}

impl Split {
    /// How its files' names begin.
    fn part(self) -> &'static str {
        match self {
            Split::Train => "train",
            Split::Test => "t10k",
        }
    }
}

/// The contents of one IDX file of unsigned bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Idx {
    /// The dimensions, slowest first; at least one.
    pub shape: Vec<usize>,
    /// The values: as many as the product of `shape`.
    pub data: Vec<u8>,
}

/// More values than this are refused: the device addresses a dataset with 32 bits.
const MOST: u64 = u32::MAX as u64;

/// Reads the training or the test part of a folder that holds the four files under their usual names, with or
/// without `.gz` (and with a point for the second hyphen, as some copies have it).
///
/// `classes` is the number of classes, against which each label is checked; without it, it is the highest label plus
/// one. Features are bytes `[count, rows * columns]`, targets class indices `[count, 1]`. Errors name the file.
pub fn load(folder: &Path, split: Split, classes: Option<usize>) -> Result<Rows> {
    let images = images(folder, split)?;
    let labels = find(folder, &format!("{}-labels", split.part()), "idx1-ubyte")?;
    load_files(&images, &labels, classes)
}

/// The file of the pictures.
pub(crate) fn images(folder: &Path, split: Split) -> Result<PathBuf> {
    find(folder, &format!("{}-images", split.part()), "idx3-ubyte")
}

/// Reads a file of pictures and the file of their labels; otherwise as [`load`].
pub fn load_files(images: &Path, labels: &Path, classes: Option<usize>) -> Result<Rows> {
    let pictures = read(images)?;
    let label = read(labels)?;
    if pictures.shape.len() < 2 {
        return Err(Error::file(images, "has 1 dimension; pictures need 2 or more"));
    }
    if label.shape.len() != 1 {
        return Err(Error::file(labels, format!("has {} dimensions; labels need 1", label.shape.len())));
    }
    let count = pictures.shape[0];
    if label.data.len() != count {
        let why = format!("holds {count} pictures, {} {} labels", labels.display(), label.data.len());
        return Err(Error::file(images, why));
    }
    let width = pictures.data.len().checked_div(count).unwrap_or(0);
    if width == 0 {
        return Err(Error::file(images, format!("holds no pixel (dimensions {:?})", pictures.shape)));
    }
    let highest = label.data.iter().copied().max().map_or(0, usize::from);
    let classes = classes.unwrap_or(highest + 1);
    if let Some(at) = label.data.iter().position(|&value| usize::from(value) >= classes) {
        let value = label.data[at];
        return Err(Error::file(labels, format!("label {at} is {value}, not a class of 0..{classes}")));
    }
    Ok(Rows {
        features: Samples::Bytes(pictures.data),
        width,
        targets: label.data.iter().map(|&value| f32::from(value)).collect(),
        target_width: 1,
        classes: Some(classes),
    })
}

/// Height, width and channels of the pictures of [`load`]'s folder; a file of other dimensions counts as one row of pixels.
pub fn size(folder: &Path, split: Split) -> Result<[usize; 3]> {
    let path = images(folder, split)?;
    let file = File::open(&path).map_err(|source| Error::io(&path, source))?;
    let shape = unpacked(BufReader::new(file), &path, |mut source, name| header(&mut source, name))?;
    Ok(match shape[1..] {
        [height, width] => [height, width, 1],
        [height, width, channels @ (1 | 3)] => [height, width, channels],
        ref other => [1, other.iter().product(), 1],
    })
}

/// Reads one IDX file, gunzipping it if it begins as gzip does.
pub fn read(path: &Path) -> Result<Idx> {
    let file = File::open(path).map_err(|source| Error::io(path, source))?;
    parse(BufReader::new(file), path)
}

/// Reads IDX bytes, plain or gzipped; `name` stands in errors.
///
/// Memory follows the values that are there, never what the header promises. Errors: wrong magic, a type other than
/// bytes, no dimension, more than 2^32 - 1 values, too few or too many values, broken gzip.
pub fn parse(source: impl Read, name: &Path) -> Result<Idx> {
    unpacked(source, name, body)
}

/// Hands the file's own bytes to `read`, gunzipped if they begin as gzip does.
fn unpacked<T>(mut source: impl Read, name: &Path, read: impl FnOnce(&mut dyn Read, &Path) -> Result<T>) -> Result<T> {
    let mut magic = [0; 2];
    fill(&mut source, &mut magic, name)?;
    let mut joined = (&magic[..]).chain(source);
    if magic == [0x1f, 0x8b] {
        read(&mut flate2::read::MultiGzDecoder::new(BufReader::new(joined)), name)
    } else {
        read(&mut joined, name)
    }
}

/// The dimensions, of which the product is at most [`MOST`].
fn header(source: &mut dyn Read, name: &Path) -> Result<Vec<usize>> {
    let wrong = |what: String| Error::file(name, what);
    let mut magic = [0; 4];
    fill(source, &mut magic, name)?;
    let [zero, zero_too, kind, dimensions] = magic;
    if (zero, zero_too) != (0, 0) {
        return Err(wrong(format!("is no IDX file: it begins with {magic:02x?} and not with two zero bytes")));
    }
    if kind != 8 {
        return Err(wrong(format!("holds values of type {kind:#04x}; only unsigned bytes (0x08) are read")));
    }
    if dimensions == 0 {
        return Err(wrong("has no dimension".into()));
    }
    let mut shape = Vec::new();
    for _ in 0..dimensions {
        let mut size = [0; 4];
        fill(source, &mut size, name)?;
        shape.push(u32::from_be_bytes(size) as usize);
    }
    if values(&shape).is_none() {
        return Err(wrong(format!("its header promises more than {MOST} values (dimensions {shape:?})")));
    }
    Ok(shape)
}

fn body(mut source: &mut dyn Read, name: &Path) -> Result<Idx> {
    let wrong = |what: String| Error::file(name, what);
    let shape = header(source, name)?;
    let total = values(&shape).unwrap_or(0);
    let mut data = Vec::new();
    Read::take(&mut source, total).read_to_end(&mut data).map_err(|error| Error::io(name, error))?;
    if (data.len() as u64) < total {
        return Err(wrong(format!("is truncated: {} values of {total} (dimensions {shape:?})", data.len())));
    }
    let mut extra = Vec::new();
    source.take(1).read_to_end(&mut extra).map_err(|error| Error::io(name, error))?;
    if !extra.is_empty() {
        return Err(wrong(format!("goes on after its {total} values (dimensions {shape:?})")));
    }
    Ok(Idx { shape, data })
}

/// The product of the dimensions, unless it is over [`MOST`]. A zero makes it zero wherever it stands, behind dimensions
/// whose own product is too large as well.
fn values(shape: &[usize]) -> Option<u64> {
    if shape.contains(&0) {
        return Some(0);
    }
    shape.iter().try_fold(1u64, |total, &size| total.checked_mul(size as u64).filter(|&total| total <= MOST))
}

fn fill(source: &mut (impl Read + ?Sized), bytes: &mut [u8], name: &Path) -> Result<()> {
    source.read_exact(bytes).map_err(|error| match error.kind() {
        std::io::ErrorKind::UnexpectedEof => Error::file(name, "is truncated: ends inside its header"),
        _ => Error::io(name, error),
    })
}

fn find(folder: &Path, stem: &str, ending: &str) -> Result<PathBuf> {
    let names = ["-", "."].into_iter().flat_map(|hyphen| ["", ".gz"].map(|gz| format!("{stem}{hyphen}{ending}{gz}")));
    names
        .map(|name| folder.join(name))
        .find(|path| path.is_file())
        .ok_or_else(|| Error::file(folder, format!("holds neither {stem}-{ending} nor {stem}-{ending}.gz")))
}
