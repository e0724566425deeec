//! What the decoder of JPEG does not say or do: whether all of a picture is there, and scans of one channel each.
//!
//! The decoder in use goes on where data end too early, and mixes up channels that a baseline JPEG holds one after the other. So
//! the codes of every JPEG are read once here, without making pixels of them; where the channels come apart, their coefficients,
//! unchanged, are written as one scan, which decodes to what the same picture in one scan does.

mod bits;
mod colours;
mod frame;
mod join;
mod scan;

use std::ops::Range;

use super::{DecodeOptions, Message, check_size};
use bits::Stop;
pub(super) use colours::with_colours;
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
    pub progressive: bool,
    /// How many channels it has; 0: it does not say.
    pub components: usize,
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
            // The end; of a progressive JPEG that was made with less detail than there could be, not before all was there.
            0xd9 if frame.as_ref().is_some_and(|frame| frame.progressive)
                && missing.iter().all(Missing::is_settled) =>
            {
                break State::Whole;
            }
            0xd9 => break State::Cut,
            0xf7 => return Err("JPEG-LS is not read: convert it to PNG first".into()),
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
                    // Some cameras leave a few bytes behind; more are data that nobody asked for.
                    Ok(end) if unread(bytes, end) > 16 + (end - at) / 16 => break State::Damaged,
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
    let progressive = frame.as_ref().is_some_and(|frame| frame.progressive);
    let components = frame.as_ref().map_or(0, |frame| frame.components.len());
    Ok(Inspected { state, progressive, components, joined })
}

/// A height that is told only behind the first scan (T.81, B.2.5).
pub(super) struct LateHeight {
    /// Where the frame header has 0 instead.
    pub place: usize,
    pub height: [u8; 2],
    /// The segment that tells it.
    pub segment: Range<usize>,
}

/// Looks for a height that the frame header does not tell.
pub(super) fn late_height(bytes: &[u8]) -> Option<LateHeight> {
    let (mut at, mut place) = (2, None);
    loop {
        let Segment { marker, content, next } = segment(bytes, at)?;
        at = next;
        match marker {
            0xc0..=0xcf if !matches!(marker, 0xc4 | 0xc8 | 0xcc) => {
                // Bits of a sample stand before it.
                place = (content.get(1..3)? == [0, 0]).then(|| next - content.len() + 1);
                place?;
            }
            0xdc => {
                let (place, height) = (place?, content.get(..2)?.try_into().ok()?);
                return Some(LateHeight { place, height, segment: next - content.len() - 4..next });
            }
            0xd9 => return None,
            _ => {}
        }
    }
}

/// Bytes up to the next marker that is none of a scan, or the end.
fn unread(bytes: &[u8], from: usize) -> usize {
    let rest = bytes.get(from..).unwrap_or_default();
    let marker = |pair: &[u8]| pair[0] == 0xff && !matches!(pair[1], 0 | 0xd0..=0xd7 | 0xff);
    rest.windows(2).position(marker).unwrap_or(rest.len())
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

    /// Whether the mean of each block is there, and nothing that was begun is unfinished.
    fn is_settled(&self) -> bool {
        self.0[0] == 0 && self.0.iter().all(|&bits| matches!(bits, 0 | u32::MAX))
    }
}
