//! JPEG data in strips and tiles: the decompressor goes on where they end too early, and does not say so.

use std::ops::Range;

use super::super::jpeg::{self, State};
use super::super::{DecodeOptions, Message};

/// Reads all codes of all strips, with the tables that they share.
///
/// # Errors
/// For kinds of JPEG that are not read, in a person's words.
pub(super) fn inspect(
    bytes: &[u8],
    tables: Option<&[u8]>,
    ranges: &[Range<usize>],
    options: &DecodeOptions,
) -> Result<State, Message> {
    // What stands between the marks of begin and end.
    let tables = tables.and_then(|tables| tables.strip_suffix(&[0xff, 0xd9]));
    let (mut worst, mut stream) = (State::Whole, Vec::new());
    for range in ranges {
        let strip = bytes.get(range.clone()).unwrap_or_default();
        let inspected = match tables {
            None => jpeg::inspect(strip, options)?,
            Some(tables) => {
                stream.clear();
                let room = stream.try_reserve_exact(tables.len() + strip.len());
                room.map_err(|_| super::NO_MEMORY.to_owned())?;
                stream.extend_from_slice(tables);
                stream.extend_from_slice(strip.get(2..).unwrap_or_default());
                jpeg::inspect(&stream, options)?
            }
        };
        if inspected.joined.is_some() {
            return Err("TIFF with JPEG inside that has a scan per channel is not read: save it as PNG first".into());
        }
        worst = match (worst, inspected.state) {
            (State::Damaged, _) | (_, State::Damaged) => State::Damaged,
            (State::Cut, _) | (_, State::Cut) => State::Cut,
            _ => State::Whole,
        };
    }
    Ok(worst)
}
