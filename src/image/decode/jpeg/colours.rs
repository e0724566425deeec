//! Which colours the channels of a JPEG are, where the decoder would take them for others.

use super::super::{Message, repair};
use super::segment;

/// What stands before the first scan and tells of colours.
#[derive(Default)]
struct Signs {
    jfif: bool,
    /// Place of the byte, and its value.
    adobe: Option<(usize, u8)>,
    /// Place of the frame's list of channels, and their names.
    frame: Option<(usize, Vec<u8>)>,
}

impl Signs {
    fn of(bytes: &[u8]) -> Signs {
        let (mut signs, mut at) = (Signs::default(), 2);
        while let Some(found) = segment(bytes, at) {
            let begin = found.next - found.content.len();
            at = found.next;
            match found.marker {
                0xe0 => signs.jfif |= found.content.starts_with(b"JFIF\0"),
                0xee if found.content.starts_with(b"Adobe") && found.content.len() >= 12 => {
                    signs.adobe = Some((begin + 11, found.content[11]));
                }
                0xc0..=0xc2 => {
                    let list = found.content.get(6..).unwrap_or_default();
                    signs.frame = Some((begin + 6, list.chunks_exact(3).map(|entry| entry[0]).collect()));
                }
                0xd9 | 0xda => break,
                _ => {}
            }
        }
        signs
    }
}

/// The same file with marks that the decoder goes by, where it would go by others than libjpeg (`default_decompress_parms`):
/// JFIF means luma and differences whatever else is said; then Adobe's mark counts, then the channels' names.
///
/// # Errors
/// When there is no memory for it.
pub(in super::super) fn with_colours(bytes: &[u8]) -> Result<Option<Vec<u8>>, Message> {
    let Signs { jfif, adobe, frame: Some((list, names)) } = Signs::of(bytes) else { return Ok(None) };
    // Adobe's: 0 as they stand, 1 luma and differences, 2 the same of inks.
    let transform = match (names.len(), adobe) {
        (3, Some((place, 0))) if jfif => Some((place, 1)),
        (3, Some((place, 2..))) => Some((place, 1)),
        (4, Some((place, 1 | 3..))) => Some((place, 2)),
        _ => None,
    };
    let renamed = names == *b"RGB" && (jfif || adobe.is_some_and(|(_, transform)| transform != 0));
    if transform.is_none() && !renamed {
        return Ok(None);
    }
    let mut file = repair::copy(bytes)?;
    if let Some((place, transform)) = transform {
        file[place] = transform;
    }
    if renamed {
        let rename = |name: &mut u8| {
            if let Some(nth) = b"RGB".iter().position(|known| known == name) {
                *name = nth as u8 + 1;
            }
        };
        (0..3).for_each(|nth| rename(&mut file[list + 3 * nth]));
        let mut at = 2;
        while let Some(found) = segment(bytes, at).filter(|found| found.marker != 0xd9) {
            let begin = found.next - found.content.len();
            at = found.next;
            if let (0xda, Some(&count)) = (found.marker, found.content.first()) {
                let channels = usize::from(count).min((found.content.len() - 1) / 2);
                (0..channels).for_each(|nth| rename(&mut file[begin + 1 + 2 * nth]));
            }
        }
    }
    Ok(Some(file))
}
