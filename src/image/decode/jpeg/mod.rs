//! What the decoder of JPEG does not say or do: whether all of a picture is there, and scans of one channel each.
//!
//! The decoder in use goes on where data end too early, and mixes up channels that a baseline JPEG holds one after the other. So
//! the codes of every JPEG are read once here, without making pixels of them; where the channels come apart, their coefficients,
//! unchanged, are written as one scan, which decodes to what the same picture in one scan does.

mod bits;
mod frame;
mod join;
mod scan;

use super::{DecodeOptions, Message, check_size};
use bits::Stop;
use frame::{Component, Frame, Tables};
use join::Join;
use scan::{Blocks, Scan};

/// How much of a picture is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// All.
    Whole,
    /// The data end too early.
    Cut,
    /// Some of the data cannot be.
    Damaged,
}

/// A JPEG, looked through.
pub(super) struct Inspected {
    pub state: State,
    /// The same picture with all channels in one scan, if it comes otherwise.
    pub joined: Option<Vec<u8>>,
}

/// A segment or a scan's beginning.
struct Segment<'a> {
    marker: u8,
    content: &'a [u8],
    /// Where the next begins, or a scan's data.
    next: usize,
}

/// The next segment at or after a place, what is none before it passed over; none at the end of the file.
fn segment(bytes: &[u8], from: usize) -> Option<Segment<'_>> {
    let rest = bytes.get(from..)?;
    let at = from + rest.windows(2).position(|pair| pair[0] == 0xff && !matches!(pair[1], 0 | 0xd0..=0xd7 | 0xff))?;
    let marker = bytes[at + 1];
    if matches!(marker, 0xd8 | 0xd9 | 0x01) {
        return Some(Segment { marker, content: &[], next: at + 2 });
    }
    let length = usize::from(u16::from_be_bytes([*bytes.get(at + 2)?, *bytes.get(at + 3)?]));
    let next = at + 2 + length.max(2);
    Some(Segment { marker, content: bytes.get(at + 4..next)?, next })
}

/// Reads all codes of a JPEG.
///
/// # Errors
/// When it is larger than it may be, or of a kind that is not read, in a person's words.
pub(super) fn inspect(bytes: &[u8], options: &DecodeOptions) -> Result<Inspected, Message> {
    let (mut tables, mut frame, mut blocks) = (Tables::default(), None::<Frame>, Vec::new());
    let (mut before, mut join, mut missing) = (Vec::new(), None::<Join>, Vec::new());
    let mut at = 2;
    let state = loop {
        let Some(Segment { marker, content, next }) = segment(bytes, at) else { break State::Cut };
        at = next;
        match marker {
            // The end, before all was there.
            0xd9 => break State::Cut,
            0xe0..=0xef | 0xfe => before.push((marker, content)),
            // Frame headers; C4, C8 and CC are none.
            0xc0..=0xcf if !matches!(marker, 0xc4 | 0xc8 | 0xcc) => {
                let found = Frame::new(marker, content)?;
                check_size(found.size[0].into(), found.size[1].into(), options)?;
                missing = vec![Missing::all(); found.components.len()];
                frame = Some(found);
            }
            0xda => {
                let Some(frame) = &frame else { break State::Damaged };
                let Some(scan) = Scan::new(content, frame) else { break State::Damaged };
                if blocks.is_empty() {
                    let apart = !frame.progressive && scan.channels.len() < frame.components.len();
                    join = if apart { Some(Join::new(frame)?) } else { None };
                    blocks = frame.components.iter().map(|component| kept(frame, apart, component)).collect();
                }
                if let Some(join) = &mut join {
                    scan.channels.iter().for_each(|&(index, ..)| join.quantize(index, frame, &tables));
                }
                match scan.read(bytes, at, frame, &tables, &mut blocks) {
                    Ok(end) => at = end,
                    Err(Stop::Cut) => break State::Cut,
                    Err(Stop::Damaged) => break State::Damaged,
                }
                scan.channels.iter().for_each(|&(index, ..)| missing[index].less(&scan));
                // Whatever comes now, an end marker or not, a second picture or a video, it is not missing.
                if missing.iter().all(Missing::is_none) {
                    break State::Whole;
                }
            }
            _ if tables.read(marker, content).is_none() => break State::Damaged,
            _ => {}
        }
    };
    let joined = join.zip(frame.as_ref()).map(|(join, frame)| join.write(&before, frame, &blocks));
    Ok(Inspected { state, joined })
}

fn kept(frame: &Frame, apart: bool, component: &Component) -> Blocks {
    let count = component.stored[0] * component.stored[1];
    match (frame.progressive, apart) {
        (true, _) => Blocks::NonZero(vec![0; count]),
        (false, true) => Blocks::Coefficients(vec![[0; 64]; count]),
        (false, false) => Blocks::None,
    }
}

/// How many bits of each of a channel's coefficients are still to come.
#[derive(Clone)]
struct Missing([u32; 64]);

impl Missing {
    fn all() -> Self {
        Missing([u32::MAX; 64])
    }

    fn less(&mut self, scan: &Scan) {
        self.0[scan.band[0]..=scan.band[1]].fill(scan.bits[1]);
    }

    fn is_none(&self) -> bool {
        self.0.iter().all(|&bits| bits == 0)
    }
}
