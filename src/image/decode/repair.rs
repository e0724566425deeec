//! Files that are right in themselves and in a form that their decoder does not take: the same picture in one that it does.

use std::borrow::Cow;

use ::image::ImageFormat;

use super::super::ifd::Bytes;
use super::{Message, NO_MEMORY, jpeg, pnm};

/// The bytes for the decoder.
///
/// # Errors
/// For kinds that are not read, in a person's words, and lack of memory.
pub(super) fn repair(bytes: &[u8], format: ImageFormat) -> Result<Cow<'_, [u8]>, Message> {
    let repaired = match format {
        ImageFormat::Bmp => bmp(bytes)?,
        ImageFormat::WebP => webp(bytes)?,
        ImageFormat::Jpeg => match jpeg::late_height(bytes) {
            Some(jpeg::LateHeight { place, height, segment }) => {
                let mut file = copy(bytes)?;
                file[place..place + 2].copy_from_slice(&height);
                file.drain(segment);
                Some(file)
            }
            None => None,
        },
        ImageFormat::Pnm => pnm::without_comments(bytes)?,
        _ => None,
    };
    Ok(repaired.map_or(Cow::Borrowed(bytes), Cow::Owned))
}

/// A copy of a file.
///
/// # Errors
/// When there is no memory for it.
pub(super) fn copy(bytes: &[u8]) -> Result<Vec<u8>, Message> {
    let mut file = Vec::new();
    file.try_reserve_exact(bytes.len()).map_err(|_| NO_MEMORY.to_owned())?;
    file.extend_from_slice(bytes);
    Ok(file)
}

/// Length of the file's own header.
const FILE: usize = 14;

/// The header of Windows 3, which all later ones begin with.
const INFO: usize = 40;

fn bmp(bytes: &[u8]) -> Result<Option<Vec<u8>>, Message> {
    let number = |at: usize| Some(u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?));
    let Some(size) = number(FILE).map(|size| size as usize) else { return Ok(None) };
    let compression = if size > 16 { number(FILE + 16).unwrap_or(0) } else { 0 };
    let refused = |what: &str| Err(format!("BMP {what} are not read: convert it to PNG first"));
    match (size, compression) {
        // OS/2 2.x: the fields of Windows 3, as many as there are, then its own.
        (16..40 | 41..=51 | 53..=55 | 57..=64, 3 | 4) => refused("of OS/2 with fax or 24-bit run-length compression"),
        (16..40 | 41..=51 | 53..=55 | 57..=64, _) => {
            let Some(pixels) = bytes.get(FILE + size..) else { return Ok(None) };
            let mut file = Vec::new();
            file.try_reserve_exact(FILE + INFO + pixels.len()).map_err(|_| NO_MEMORY.to_owned())?;
            file.extend_from_slice(&bytes[..FILE + size.min(INFO)]);
            file.resize(FILE + INFO, 0);
            let offset = (number(10).unwrap_or(0) as usize + INFO).saturating_sub(size);
            file[10..14].copy_from_slice(&(offset as u32).to_le_bytes());
            file[FILE..FILE + 4].copy_from_slice(&(INFO as u32).to_le_bytes());
            file.extend_from_slice(pixels);
            Ok(Some(file))
        }
        (_, 4) => refused("with a JPEG inside"),
        (_, 5) => refused("with a PNG inside"),
        // Windows CE: masks, opacity's too, behind the header. Version 3 has them in it, at the same place.
        (INFO, 6) => {
            let mut file = copy(bytes)?;
            file[FILE..FILE + 4].copy_from_slice(&56u32.to_le_bytes());
            file[FILE + 16..FILE + 20].copy_from_slice(&3u32.to_le_bytes());
            Ok(Some(file))
        }
        _ => Ok(None),
    }
}

/// Place of the flags in a WebP's header.
const FLAGS: usize = 20;

const ALPHA: u8 = 0x10;

/// Says in the header that there is opacity, where there is.
fn webp(bytes: &[u8]) -> Result<Option<Vec<u8>>, Message> {
    if !has_secret_alpha(bytes) {
        return Ok(None);
    }
    let mut file = copy(bytes)?;
    file[FLAGS] |= ALPHA;
    Ok(Some(file))
}

/// Whether a still WebP has opacity that its header does not announce: libwebp shows it.
pub(super) fn has_secret_alpha(bytes: &(impl Bytes + ?Sized)) -> bool {
    const ANIMATION: u8 = 0x02;
    let mut head = [0; FLAGS + 1];
    if bytes.take(0, &mut head).is_none() || head[12..16] != *b"VP8X" || head[FLAGS] & (ALPHA | ANIMATION) != 0 {
        return false;
    }
    let (mut at, mut chunk) = (12usize, [0; 8]);
    while bytes.take(at, &mut chunk).is_some() {
        let [name @ .., l0, l1, l2, l3] = chunk;
        if name == *b"ALPH" {
            return true;
        }
        let length = u32::from_le_bytes([l0, l1, l2, l3]) as usize;
        at = at.saturating_add(8 + length.next_multiple_of(2));
    }
    false
}
