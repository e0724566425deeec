//! TIFF: what samples mean is told by the directory and decided here; the decoder decompresses.
//!
//! ```text
//! directory --Layout--> plain directories --tiff--> samples --colours--> grey or RGB, with or without opacity
//! ```

mod colours;
mod jpeg;
mod layout;

use super::super::ifd::{Bytes, Directory, Numbers};
use super::super::metadata::{self, Metadata, Tree};
use super::{DecodeOptions, Decoded, Message, NO_MEMORY, check_size, check_state};
use ::image::metadata::Orientation;
use colours::Sample;
use layout::{Layout, tag};
use std::io::Cursor;
use tiff::decoder::{Decoder, DecodingResult, Limits};

/// Of a file with a thumbnail and no picture.
const RAW: &str = "camera raw pictures are not read: develop it to TIFF in a raw converter first";

/// Reads the picture of a TIFF file, or the first of several if that is asked for.
///
/// # Errors
/// In words, without the file's name.
pub(super) fn decode(bytes: &[u8], options: &DecodeOptions) -> Result<Decoded, Message> {
    let damaged = || "damaged or cut short: it has no directory".to_owned();
    let numbers = Numbers::of(bytes).ok_or_else(damaged)?;
    let Pages { pages, masked } = Pages::of(bytes, &numbers);
    let first = numbers.first(bytes).and_then(|at| numbers.directory(bytes, at)).ok_or_else(damaged)?;
    let Some(directory) = pages.first().filter(|_| first.field(tag::DNG).is_none()) else {
        return Err(RAW.into());
    };
    let mut warnings = Vec::new();
    if pages.len() > 1 {
        let count = pages.len();
        if !options.first_frame {
            return Err(format!(
                "holds {count} pages, not one picture: extract them to files, or take the first (--first-frame)"
            ));
        }
        warnings.push(format!("holds {count} pages: only the first was read"));
    }
    if masked {
        warnings.push("its transparency mask, a page of its own, was left out: the picture is opaque".into());
    }
    let layout = Layout::new(bytes, &numbers, directory, options)?;
    let mut plain = Vec::new();
    let room = plain.try_reserve_exact(bytes.len() + (1 << 16));
    room.map_err(|_| NO_MEMORY.to_owned())?;
    plain.extend_from_slice(bytes);
    check_state(layout.simplify(&mut plain, &numbers, directory, options)?, false, options, &mut warnings)?;
    let palette = if layout.photometric == 3 { Some(palette(bytes, &numbers, directory, &layout)?) } else { None };
    let image = if layout.bits <= 8 {
        colours::picture(&layout, samples::<u8>(&layout, plain, options)?, palette.as_deref(), &mut warnings)?
    } else {
        colours::picture(&layout, samples::<u16>(&layout, plain, options)?, None, &mut warnings)?
    };
    let orientation = orientation(bytes, &numbers, directory);
    let metadata = metadata(bytes, &numbers, directory);
    Ok(Decoded { image, orientation, palette: palette.is_some(), metadata, warnings })
}

fn metadata(bytes: &[u8], numbers: &Numbers, directory: &Directory) -> Metadata {
    let content = |tag: u16| directory.field(tag).map(|field| field.content(bytes).to_vec());
    let exif = Tree::of(bytes, *numbers, directory);
    Metadata {
        icc: content(tag::PROFILE),
        exif: exif.says_something().then(|| exif.block()),
        xmp: content(tag::XMP),
        iptc: content(tag::IPTC).or_else(|| metadata::iptc_of(&content(tag::RESOURCES)?)),
        density: metadata::density(bytes, numbers, directory),
        colours: Vec::new(),
    }
}

/// What a file's directory says of its picture.
pub(super) struct Outlined {
    pub size: [u32; 2],
    /// Samples of a pixel as it is decoded.
    pub channels: usize,
    /// Bits of each.
    pub bits: usize,
    pub orientation: Orientation,
    /// Bytes that decoding takes beside the file.
    pub memory: u64,
}

/// Reads the directory of the picture that [`decode`] would read. None when it says nothing, or what is not read.
///
/// # Errors
/// When there are more pixels than the options allow.
pub(super) fn outline(
    bytes: &(impl Bytes + ?Sized),
    file: u64,
    options: &DecodeOptions,
) -> Result<Option<Outlined>, Message> {
    let Some(numbers) = Numbers::of(bytes) else { return Ok(None) };
    let Pages { pages, .. } = Pages::of(bytes, &numbers);
    let Some(directory) = pages.first() else { return Ok(None) };
    let Some([width, height]) = layout::size(bytes, &numbers, directory) else { return Ok(None) };
    check_size(width, height, options)?;
    let of = |layout: Layout| {
        let (channels, is_direct) = colours::channels(&layout).ok()?;
        let memory = layout.memory(file, channels, is_direct);
        let bits = if layout.bits > 8 { 16 } else { 8 };
        let orientation = orientation(bytes, &numbers, directory);
        Some(Outlined { size: [width, height], channels, bits, orientation, memory })
    };
    Ok(Layout::new(bytes, &numbers, directory, options).ok().and_then(of))
}

fn orientation(bytes: &(impl Bytes + ?Sized), numbers: &Numbers, directory: &Directory) -> Orientation {
    let turned = directory.field(tag::ORIENTATION).and_then(|field| numbers.value(bytes, field));
    let orientation = turned.and_then(|turned| Orientation::from_exif(u8::try_from(turned).ok()?));
    orientation.unwrap_or(Orientation::NoTransforms)
}

/// The directories of a file.
struct Pages {
    /// Of full pictures: neither thumbnails nor masks.
    pages: Vec<Directory>,
    /// Whether there is one of a transparency mask.
    masked: bool,
}

impl Pages {
    fn of(bytes: &(impl Bytes + ?Sized), numbers: &Numbers) -> Pages {
        let (mut found, mut seen) = (Pages { pages: Vec::new(), masked: false }, Vec::new());
        let mut at = numbers.first(bytes).unwrap_or(0);
        while at != 0 && !seen.contains(&at) && seen.len() < 1 << 12 {
            seen.push(at);
            let Some(directory) = numbers.directory(bytes, at) else { break };
            at = directory.next;
            let value = |tag: u16| directory.field(tag).and_then(|field| numbers.value(bytes, field));
            let kind = value(tag::SUBFILE).unwrap_or(0);
            if kind & 5 == 4 || (value(tag::PHOTOMETRIC) == Some(4) && !found.pages.is_empty()) {
                found.masked = true;
            } else if kind & 5 == 0 && directory.field(tag::WIDTH).is_some() {
                found.pages.push(directory);
            }
        }
        found
    }
}

/// The colours that samples are places of: red, green and blue of 8 bits.
fn palette(bytes: &[u8], numbers: &Numbers, directory: &Directory, layout: &Layout) -> Result<Vec<[u8; 3]>, Message> {
    let list = directory.field(tag::COLOURS).and_then(|field| numbers.values(bytes, field)).unwrap_or_default();
    let count = 1 << layout.bits;
    if layout.bits > 8 || list.len() < 3 * count {
        return Err("damaged: its list of colours is too short".into());
    }
    // Some writers put 8 bits where 16 belong.
    let shift = if list.iter().any(|&value| value > 255) { 8 } else { 0 };
    Ok((0..count).map(|i| [0, 1, 2].map(|channel| (list[channel * count + i] >> shift) as u8)).collect())
}

/// All samples, pixel after pixel, as numbers of their own bits.
fn samples<T: Sample>(layout: &Layout, plain: Vec<u8>, options: &DecodeOptions) -> Result<Vec<T>, Message> {
    let most = usize::try_from(options.max_pixels.saturating_mul(16)).unwrap_or(usize::MAX);
    let mut limits = Limits::default();
    (limits.decoding_buffer_size, limits.intermediate_buffer_size, limits.ifd_value_size) = (most, most, most);
    let explain = |error: tiff::TiffError| match error {
        tiff::TiffError::LimitsExceeded => {
            format!("needs more memory than a picture of {} pixels may take", options.max_pixels)
        }
        error => format!("damaged or cut short: {error}"),
    };
    let mut decoder = Decoder::new(Cursor::new(plain)).map_err(explain)?.with_limits(limits);
    let (width, height, channels) = (layout.width as usize, layout.height as usize, layout.samples);
    let mut all = Vec::new();
    all.try_reserve_exact(width * height * channels).map_err(|_| NO_MEMORY.to_owned())?;
    all.resize(width * height * channels, T::default());
    let (planes, together) = if layout.planar { (channels, 1) } else { (1, channels) };
    for plane in 0..planes {
        if plane > 0 {
            decoder.next_image().map_err(explain)?;
        }
        let [across, down] = {
            let (width, height) = decoder.chunk_dimensions();
            [width as usize, height as usize]
        };
        let columns = width.div_ceil(across);
        for nth in 0..columns * height.div_ceil(down) {
            // Whole tiles, one by one: taken row by row, the end of LZW data gets lost in the decoder.
            let (left, top) = (nth % columns * across, nth / columns * down);
            let stored = decoder.chunk_data_dimensions(nth as u32).0 as usize * together;
            let read = decoder.read_chunk(nth as u32).map_err(explain)?;
            let samples = match (layout.bits, read) {
                (8 | 16, read) => T::direct(read),
                (bits, DecodingResult::U8(bytes)) => Some(unpack(&bytes, stored, bits)),
                _ => None,
            };
            let samples = samples.ok_or("damaged: its samples are of another kind than it says")?;
            let shown = across.min(width - left);
            for (line, y) in samples.chunks_exact(stored).zip(top..height) {
                let out = &mut all[(y * width + left) * channels..][..shown * channels];
                let pixels = out.chunks_exact_mut(channels).zip(line.chunks_exact(together));
                pixels.for_each(|(pixel, samples)| pixel[plane..plane + together].copy_from_slice(samples));
            }
        }
    }
    Ok(all)
}

/// Samples that stand bit after bit; each row, of so many, begins with a byte of its own.
fn unpack<T: Sample>(bytes: &[u8], row: usize, bits: u32) -> Vec<T> {
    let stride = (row * bits as usize).div_ceil(8);
    let sample = |line: &[u8], nth: usize| {
        let bit = |at: usize| u32::from(line[at / 8] >> (7 - at % 8) & 1);
        T::of((nth * bits as usize..(nth + 1) * bits as usize).fold(0, |number, at| number << 1 | bit(at)))
    };
    bytes.chunks_exact(stride).flat_map(|line| (0..row).map(move |nth| sample(line, nth))).collect()
}
