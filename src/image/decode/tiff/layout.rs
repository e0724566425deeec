//! How a TIFF file says that its samples stand, and the plainest file that says so too.

use std::ops::Range;

use super::super::super::ifd::{Bytes, Directory, Field, Numbers};
use super::super::jpeg::State;
use super::super::{DecodeOptions, Message, check_size};
use super::jpeg;

/// What is wrong with a file that says less than it must.
const DAMAGED: &str = "damaged: its directory cannot be";

/// Tags (TIFF 6.0, and the technical notes).
pub(super) mod tag {
    pub const SUBFILE: u16 = 254;
    pub const WIDTH: u16 = 256;
    pub const HEIGHT: u16 = 257;
    pub const BITS: u16 = 258;
    pub const COMPRESSION: u16 = 259;
    pub const PHOTOMETRIC: u16 = 262;
    pub const FILL_ORDER: u16 = 266;
    pub const STRIPS: u16 = 273;
    pub const ORIENTATION: u16 = 274;
    pub const SAMPLES: u16 = 277;
    pub const ROWS: u16 = 278;
    pub const STRIP_BYTES: u16 = 279;
    pub const PLANAR: u16 = 284;
    pub const PREDICTOR: u16 = 317;
    pub const COLOURS: u16 = 320;
    pub const TILE_WIDTH: u16 = 322;
    pub const TILE_HEIGHT: u16 = 323;
    pub const TILES: u16 = 324;
    pub const TILE_BYTES: u16 = 325;
    pub const INKS: u16 = 332;
    pub const EXTRA: u16 = 338;
    pub const SAMPLE_FORMAT: u16 = 339;
    pub const JPEG_TABLES: u16 = 347;
    pub const WEIGHTS: u16 = 529;
    pub const SUBSAMPLING: u16 = 530;
    pub const REFERENCE: u16 = 532;
    pub const XMP: u16 = 700;
    pub const DNG: u16 = 50_706;
    pub const IPTC: u16 = 33_723;
    pub const RESOURCES: u16 = 34_377;
    pub const PROFILE: u16 = 34_675;
}

/// The directory of a picture, read.
pub(super) struct Layout {
    pub width: u32,
    pub height: u32,
    /// Pixels across and down as they are stored: whole tiles.
    pub stored: [u32; 2],
    /// Bits of each sample.
    pub bits: u32,
    /// Samples of each pixel.
    pub samples: usize,
    /// Each of them stands in a plane of its own.
    pub planar: bool,
    pub photometric: u64,
    pub compression: u64,
    /// Pixels across and down of a strip or tile.
    pub chunk: [u32; 2],
    /// How much of red, green and blue is luma, where colours stand as luma and differences.
    pub weights: [f64; 3],
    /// Meaning of the samples beyond the colours, where it is said.
    pub extra: Option<Vec<u64>>,
}

/// Luma of BT.601, which is TIFF's and JPEG's where nothing else is said.
const WEIGHTS: [f64; 3] = [0.299, 0.587, 0.114];

/// Pixels across and down, as a directory says.
pub(super) fn size(bytes: &(impl Bytes + ?Sized), numbers: &Numbers, directory: &Directory) -> Option<[u32; 2]> {
    let side = |tag: u16| u32::try_from(numbers.value(bytes, directory.field(tag)?)?).ok();
    Some([side(tag::WIDTH)?, side(tag::HEIGHT)?])
}

impl Layout {
    /// # Errors
    /// When the picture is of a kind that is not read, or too large.
    pub fn new(
        bytes: &(impl Bytes + ?Sized),
        numbers: &Numbers,
        directory: &Directory,
        options: &DecodeOptions,
    ) -> Result<Layout, Message> {
        // None of these lists is longer than there are channels.
        let short = |field: &Field| Field { count: field.count.min(64), ..*field };
        let list = |tag: u16| directory.field(tag).and_then(|field| numbers.values(bytes, &short(field)));
        let fractions = |tag: u16| directory.field(tag).and_then(|field| numbers.fractions(bytes, &short(field)));
        let number = |tag: u16, default: u64| list(tag).map_or(Some(default), |list| list.first().copied());
        let needed = |tag: u16, default: u64| number(tag, default).ok_or_else(|| DAMAGED.to_owned());
        let [width, height] = size(bytes, numbers, directory).ok_or(DAMAGED)?;
        check_size(width, height, options)?;
        let bits = list(tag::BITS).unwrap_or_else(|| vec![1]);
        let (Some(&first), true) = (bits.first(), bits.windows(2).all(|pair| pair[0] == pair[1])) else {
            return Err(
                "TIFF whose channels differ in bits are not read: save it with 8 or 16 bits per channel first".into()
            );
        };
        let formats = list(tag::SAMPLE_FORMAT).unwrap_or_default();
        if formats.contains(&3) {
            return Err(
                "TIFF with floating-point samples are not read: map its tones to 8 or 16 bits per channel first".into(),
            );
        }
        if formats.iter().any(|format| !matches!(format, 1 | 4)) {
            return Err(
                "TIFF with signed or complex samples are not read: save it with 8 or 16 bits per channel first".into(),
            );
        }
        if !(1..=16).contains(&first) {
            return Err(format!(
                "TIFF of {first} bits per channel are not read: save it with 8 or 16 bits per channel first"
            ));
        }
        let samples = needed(tag::SAMPLES, 1)?;
        if !(1..=16).contains(&samples) {
            return Err(format!("TIFF of {samples} channels are not read: save it as grey or RGB first"));
        }
        let compression = needed(tag::COMPRESSION, 1)?;
        check_compression(compression)?;
        let photometric = match number(tag::PHOTOMETRIC, u64::MAX).ok_or(DAMAGED)? {
            // Of fax, as its old writers mean it; else black as likely as white, or red.
            u64::MAX if compression == 4 => 0,
            u64::MAX => {
                return Err("TIFF that says nothing of its colours is not read: save it as grey or RGB first".into());
            }
            photometric => photometric,
        };
        if photometric == 3 && first > 8 {
            return Err(format!("TIFF with a list of colours for {first} bits is not read: save it as RGB first"));
        }
        check_predictor(needed(tag::PREDICTOR, 1)?, compression, first)?;
        let subsampled = list(tag::SUBSAMPLING).unwrap_or_else(|| vec![2, 2]) != [1, 1];
        if photometric == 6 && compression != 7 && subsampled {
            return Err("TIFF with halved colours and no JPEG inside are not read: save it as RGB first".into());
        }
        let reference = fractions(tag::REFERENCE);
        let full = |range: Vec<f64>| range == [0.0, 255.0, 128.0, 255.0, 128.0, 255.0];
        if photometric == 6 && !reference.is_none_or(full) {
            return Err("TIFF with colours of video's range are not read: save it as RGB first".into());
        }
        let weights = match fractions(tag::WEIGHTS).filter(|_| photometric == 6).as_deref() {
            None => WEIGHTS,
            Some(&[red, green, blue]) if green > 0.0 && red >= 0.0 && blue >= 0.0 => [red, green, blue],
            Some(_) => return Err(DAMAGED.into()),
        };
        if compression == 7 && weights.iter().zip(WEIGHTS).any(|(a, b)| (a - b).abs() > 0.01) {
            // Half of the programs go by JPEG's, half by these.
            return Err("TIFF with JPEG inside and other than JPEG's luma are not read: save it as RGB first".into());
        }
        if photometric == 5 && needed(tag::INKS, 1)? != 1 {
            return Err("TIFF with other inks than CMYK are not read: save it as RGB first".into());
        }
        let planar = needed(tag::PLANAR, 1)? == 2 && samples > 1;
        let (bits, samples) = (first as u32, samples as usize);
        let tile = |tag: u16| list(tag).and_then(|list| u32::try_from(*list.first()?).ok()).filter(|&tile| tile > 0);
        let rows = tile(tag::ROWS).unwrap_or(height).min(height);
        let chunk = [tile(tag::TILE_WIDTH).unwrap_or(width), tile(tag::TILE_HEIGHT).unwrap_or(rows)];
        let whole = |side: u32, tile: Option<u32>| side.checked_next_multiple_of(tile.unwrap_or(1)).ok_or(DAMAGED);
        let stored = [whole(width, tile(tag::TILE_WIDTH))?, whole(height, tile(tag::TILE_HEIGHT))?];
        check_size(stored[0], stored[1], options)?;
        let extra = list(tag::EXTRA);
        Ok(Layout { width, height, stored, bits, samples, planar, photometric, compression, chunk, weights, extra })
    }

    /// Bytes that decoding takes beside the file: its plain copy with all samples and a strip or tile, or all samples and
    /// what they become, of so many channels, unless they are it.
    pub fn memory(&self, file: u64, channels: usize, is_direct: bool) -> u64 {
        let sample = if self.bits > 8 { 2 } else { 1 };
        let pixels = |[width, height]: [u32; 2]| u64::from(width) * u64::from(height);
        let all = pixels([self.width, self.height]) * self.samples as u64 * sample;
        let together = if self.planar { 1 } else { self.samples as u64 };
        // Decompressed, in another buffer, and unpacked.
        let chunk =
            3 * pixels([self.chunk[0].min(self.stored[0]), self.chunk[1].min(self.stored[1])]) * together * sample;
        let out = if is_direct { 0 } else { pixels([self.width, self.height]) * channels as u64 * sample };
        (file + (1 << 16) + all + chunk).max(all + out)
    }

    /// Appends a directory per plane, or one, that tells a decompressor of places, sizes and bits, and of no colours; the
    /// file's first directory is then this. Bits that stand in reverse order are turned round.
    /// The size is that of whole tiles. Returns how much of JPEG data is there; other decompressors say it themselves.
    ///
    /// # Errors
    /// When the directory cannot be, or JPEG data are of a kind that is not read.
    pub fn simplify(
        &self,
        bytes: &mut Vec<u8>,
        numbers: &Numbers,
        directory: &Directory,
        options: &DecodeOptions,
    ) -> Result<State, Message> {
        let list = |bytes: &[u8], tag: u16| directory.field(tag).and_then(|field| numbers.values(bytes, field));
        let tiled = directory.field(tag::TILES).is_some();
        let (places, lengths) = if tiled { (tag::TILES, tag::TILE_BYTES) } else { (tag::STRIPS, tag::STRIP_BYTES) };
        let at = list(bytes, places).ok_or(DAMAGED)?;
        // Writers of one strip, uncompressed, leave out how long it is.
        let length = list(bytes, lengths).filter(|length| length.len() == at.len());
        let length = match length {
            Some(length) => length,
            None if at.len() == 1 => vec![(bytes.len() as u64).saturating_sub(at[0])],
            None => return Err(DAMAGED.into()),
        };
        let end = |at: u64, length: u64| (at.saturating_add(length)).min(bytes.len() as u64) as usize;
        let mut ranges: Vec<_> = at.iter().zip(&length).map(|(&at, &length)| at as usize..end(at, length)).collect();
        let tables = directory.field(tag::JPEG_TABLES).map(|field| field.content(bytes).to_vec());
        let state = if self.compression == 7 {
            jpeg::inspect(bytes, tables.as_deref(), &ranges, options)?
        } else {
            State::Whole
        };
        // JPEG's bytes are never reversed (libtiff's TIFF_NOBITREV).
        if list(bytes, tag::FILL_ORDER).is_some_and(|order| order == [2]) && self.compression != 7 {
            reverse(bytes, &mut ranges).ok_or(DAMAGED)?;
        }
        // Without compression there are no differences, whatever is said.
        let differences = if matches!(self.compression, 1 | 4 | 7) { None } else { list(bytes, tag::PREDICTOR) };
        let copied = [tag::ROWS, tag::TILE_WIDTH, tag::TILE_HEIGHT].map(|tag| (tag, list(bytes, tag)));
        let planes = if self.planar { self.samples } else { 1 };
        if !at.len().is_multiple_of(planes) {
            return Err(DAMAGED.into());
        }
        let chunks = at.len() / planes;
        // Depths that the decompressor does not count in are counted in bits.
        let samples = if self.planar { 1 } else { self.samples as u64 };
        let (bits, samples) = match self.bits {
            8 | 16 => (u64::from(self.bits), samples),
            bits => (1, samples * u64::from(bits)),
        };
        let mut link = numbers.root();
        for plane in 0..planes {
            let part = plane * chunks..(plane + 1) * chunks;
            let mut entries = vec![
                (tag::WIDTH, vec![self.stored[0].into()]),
                (tag::HEIGHT, vec![self.stored[1].into()]),
                (tag::BITS, vec![bits]),
                (tag::COMPRESSION, vec![self.compression]),
                (tag::PHOTOMETRIC, vec![1]),
                (places, at[part.clone()].to_vec()),
                (tag::SAMPLES, vec![samples]),
                (lengths, length[part].to_vec()),
            ];
            entries.extend(copied.iter().filter_map(|(tag, list)| list.clone().map(|list| (*tag, list))));
            entries.extend(differences.clone().map(|list| (tag::PREDICTOR, list)));
            entries.sort_by_key(|(tag, _)| *tag);
            link = append(bytes, numbers, link, &entries, tables.as_deref());
        }
        Ok(state)
    }
}

/// Turns the bits of each byte round, once, however many strips have it.
fn reverse(bytes: &mut [u8], ranges: &mut [Range<usize>]) -> Option<()> {
    ranges.sort_by_key(|range| range.start);
    let mut done = 0;
    for range in ranges {
        let part = bytes.get_mut(range.start.max(done)..range.end.max(done))?;
        part.iter_mut().for_each(|byte| *byte = byte.reverse_bits());
        done = done.max(range.end);
    }
    Some(())
}

/// Appends a directory, puts its place at `link`, and returns where the next one's place goes.
fn append(
    bytes: &mut Vec<u8>,
    numbers: &Numbers,
    link: usize,
    entries: &[(u16, Vec<u64>)],
    tables: Option<&[u8]>,
) -> usize {
    let place = numbers.place();
    let mut list: Vec<u8> = Vec::new();
    let mut entry = |bytes: &mut Vec<u8>, tag: u16, kind: u64, count: usize, mut content: Vec<u8>| {
        if content.len() > place {
            let at = bytes.len() as u64;
            bytes.extend(content);
            content = numbers.put(at, place);
        }
        content.resize(place, 0);
        let parts = [numbers.put(tag.into(), 2), numbers.put(kind, 2), numbers.put(count as u64, place), content];
        list.extend(parts.concat());
    };
    for (tag, values) in entries {
        let (kind, size) = if numbers.big { (16, 8) } else { (4, 4) };
        entry(bytes, *tag, kind, values.len(), values.iter().flat_map(|&value| numbers.put(value, size)).collect());
    }
    if let Some(tables) = tables {
        entry(bytes, tag::JPEG_TABLES, 7, tables.len(), tables.to_vec());
    }
    bytes.resize(bytes.len().next_multiple_of(2), 0);
    let at = bytes.len();
    let count = entries.len() + usize::from(tables.is_some());
    bytes.extend(numbers.put(count as u64, if numbers.big { 8 } else { 2 }));
    bytes.extend(list);
    let next = bytes.len();
    bytes.extend(numbers.put(0, place));
    bytes[link..link + place].copy_from_slice(&numbers.put(at as u64, place));
    next
}

/// Differences stand only for whole bytes (libtiff's PredictorSetup).
fn check_predictor(predictor: u64, compression: u64, bits: u64) -> Result<(), Message> {
    if !matches!(compression, 5 | 8 | 32_946) || predictor == 1 || (predictor == 2 && matches!(bits, 8 | 16)) {
        return Ok(());
    }
    Err(format!(
        "TIFF with differences (predictor {predictor}) of {bits} bits are not read: save it without them first (`tiffcp -c lzw:1 FILE NEW`)"
    ))
}

fn check_compression(compression: u64) -> Result<(), Message> {
    let name = match compression {
        1 | 4 | 5 | 7 | 8 | 32_773 | 32_946 => return Ok(()),
        2 | 3 => "fax (Group 3)",
        6 => "old-style JPEG",
        34_661 => "JBIG",
        34_676 | 34_677 => "SGI Log",
        34_712 => "JPEG 2000",
        34_887 => "LERC",
        34_925 => "LZMA",
        50_000 => "Zstandard",
        50_001 => "WebP",
        50_002 => "JPEG XL",
        other => {
            return Err(format!("TIFF of compression {other} are not read: save it uncompressed or with LZW first"));
        }
    };
    Err(format!(
        "TIFF of {name} compression are not read: save it uncompressed or with LZW first (`tiffcp -c lzw FILE NEW`)"
    ))
}
