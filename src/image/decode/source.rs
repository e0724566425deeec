//! Bytes of a file, a pipe or a device, no more than a picture can need.

use super::kind::{Kind, READ, kind};
use super::supervise::{patience, supervise};
use super::{DecodeOptions, Message, check_size};
use crate::Error;
use ::image::{ImageFormat, ImageReader};
use std::fs::File;
use std::io::{Cursor, Read};
use std::path::Path;

/// What of an endless input is looked at before more is taken: headers with their metadata.
const HEAD: usize = 256 << 10;

/// Metadata and trailers (the video of a motion photo) beside the pixels.
const BESIDE: u64 = 64 << 20;

/// Bytes per pixel of the largest samples that are read: four of 16 bits, and as much for what compression adds.
const LARGEST_PIXEL: u64 = 16;

/// How much is read at a time.
const PIECE: usize = 64 << 10;

/// All bytes of a file; for what has no size of its own (pipes, devices) as [`read`].
pub(super) fn open(path: &Path, options: &DecodeOptions) -> crate::Result<Vec<u8>> {
    let fail = |source| Error::io(path, source);
    let file = File::open(path).map_err(fail)?;
    let metadata = file.metadata().map_err(fail)?;
    if metadata.is_dir() {
        return Err(Error::input(format!("{}: a folder, not a picture", path.display())));
    }
    if !metadata.is_file() {
        return read(file, path, options);
    }
    let most = bound(options.max_pixels);
    if metadata.len() > options.max_memory {
        return Err(named(path, too_large(options)));
    }
    if metadata.len() > most {
        return Err(named(path, too_long(most)));
    }
    // A file may grow meanwhile; one byte more shows it.
    let mut bytes = Vec::new();
    reserve(&mut bytes, metadata.len() as usize, path)?;
    take(file, &mut bytes, metadata.len().saturating_add(1).min(most + 1), path)?;
    if bytes.len() as u64 > most { Err(named(path, too_long(most))) } else { Ok(bytes) }
}

/// All bytes of a stream, which may have no end: it is given up as soon as it cannot be a picture within the limits.
///
/// # Errors
/// When reading fails, or what comes is no picture or too much; the message has the name.
pub(super) fn read(mut from: impl Read, name: &Path, options: &DecodeOptions) -> crate::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    take(&mut from, &mut bytes, HEAD as u64, name)?;
    let format = match kind(&bytes) {
        // A TIFF's directory stands anywhere, and its first may be a thumbnail's.
        Kind::Read(format) => Some(format).filter(|&format| format != ImageFormat::Tiff),
        #[cfg(feature = "jxl")]
        Kind::JpegXl => None,
        // Decoding says which format it is, or that it is none.
        _ => return Ok(bytes),
    };
    let head = bytes.clone();
    let dimensions = move || {
        Ok(format.and_then(|format| ImageReader::with_format(Cursor::new(head), format).into_dimensions().ok()))
    };
    // What fails at the header is met again, and told, when all is decoded.
    let size = supervise(patience(bytes.len()), dimensions).ok().flatten();
    let most = match size {
        Some((width, height)) => {
            check_size(width, height, options).map_err(|message| named(name, message))?;
            bound(u64::from(width) * u64::from(height))
        }
        None => bound(options.max_pixels),
    };
    let left = most.min(options.max_memory).saturating_sub(bytes.len() as u64).saturating_add(1);
    take(from, &mut bytes, left, name)?;
    if bytes.len() as u64 > options.max_memory {
        return Err(named(name, too_large(options)));
    }
    if bytes.len() as u64 > most { Err(named(name, too_long(most))) } else { Ok(bytes) }
}

fn bound(pixels: u64) -> u64 {
    pixels.saturating_mul(LARGEST_PIXEL).saturating_add(BESIDE)
}

/// Appends up to `most` bytes. Memory is asked for piece by piece, and its lack is an error, not an abort.
fn take(from: impl Read, bytes: &mut Vec<u8>, most: u64, name: &Path) -> crate::Result<()> {
    let mut from = from.take(most);
    loop {
        let done = bytes.len();
        if bytes.capacity() - done < PIECE {
            reserve(bytes, done / 2, name)?;
        }
        bytes.resize(done + PIECE, 0);
        let read = loop {
            match from.read(&mut bytes[done..]) {
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                other => break other,
            }
        };
        bytes.truncate(done + *read.as_ref().unwrap_or(&0));
        match read {
            Ok(0) => return Ok(()),
            Ok(_) => {}
            Err(source) => return Err(Error::io(name, source)),
        }
    }
}

/// Room for `more` bytes and a piece.
fn reserve(bytes: &mut Vec<u8>, more: usize, name: &Path) -> crate::Result<()> {
    let done = bytes.len() >> 20;
    let lack = |_| named(name, format!("no memory for a file of more than {done} MiB"));
    bytes.try_reserve_exact(more.saturating_add(PIECE)).map_err(lack)
}

fn named(name: &Path, message: Message) -> Error {
    Error::input(format!("{}: {message}", name.display()))
}

fn too_large(options: &DecodeOptions) -> Message {
    format!("takes more than the {} MiB of memory that are free for it", options.max_memory >> 20)
}

fn too_long(most: u64) -> Message {
    format!("goes on after {} MiB, more than a picture of its size can need ({READ})", most >> 20)
}
