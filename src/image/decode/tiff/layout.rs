//! How a TIFF file says that its samples stand, and the plainest file that says so too.

use super::super::super::ifd::{Directory, Numbers};
use super::super::{DecodeOptions, Message, check_size};

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
    /// Meaning of the samples beyond the colours, where it is said.
    pub extra: Option<Vec<u64>>,
}

impl Layout {
    /// # Errors
    /// When the picture is of a kind that is not read, or too large.
    pub fn new(
        bytes: &[u8],
        numbers: &Numbers,
        directory: &Directory,
        options: &DecodeOptions,
    ) -> Result<Layout, Message> {
        let list = |tag: u16| directory.field(tag).and_then(|field| numbers.values(bytes, field));
        let number = |tag: u16, default: u64| list(tag).map_or(Some(default), |list| list.first().copied());
        let needed = |tag: u16, default: u64| number(tag, default).ok_or_else(|| DAMAGED.to_owned());
        let size = |tag: u16| u32::try_from(needed(tag, 0)?).map_err(|_| DAMAGED.to_owned());
        let (width, height) = (size(tag::WIDTH)?, size(tag::HEIGHT)?);
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
        // White is 0 where nothing is said, as scanners' old files mean it.
        let photometric = needed(tag::PHOTOMETRIC, 0)?;
        let subsampled = list(tag::SUBSAMPLING).unwrap_or_else(|| vec![2, 2]) != [1, 1];
        if photometric == 6 && compression != 7 && subsampled {
            return Err("TIFF with halved colours and no JPEG inside are not read: save it as RGB first".into());
        }
        let reference = directory.field(tag::REFERENCE).and_then(|field| numbers.fractions(bytes, field));
        let full = |range: Vec<f64>| range == [0.0, 255.0, 128.0, 255.0, 128.0, 255.0];
        if photometric == 6 && !reference.is_none_or(full) {
            return Err("TIFF with colours of video's range are not read: save it as RGB first".into());
        }
        if photometric == 5 && needed(tag::INKS, 1)? != 1 {
            return Err("TIFF with other inks than CMYK are not read: save it as RGB first".into());
        }
        let planar = needed(tag::PLANAR, 1)? == 2 && samples > 1;
        let (bits, samples) = (first as u32, samples as usize);
        let tile = |tag: u16, side: u32| match list(tag).and_then(|list| u32::try_from(*list.first()?).ok()) {
            Some(tile) if tile > 0 => side.checked_next_multiple_of(tile).ok_or_else(|| DAMAGED.to_owned()),
            _ => Ok(side),
        };
        let stored = [tile(tag::TILE_WIDTH, width)?, tile(tag::TILE_HEIGHT, height)?];
        check_size(stored[0], stored[1], options)?;
        Ok(Layout { width, height, stored, bits, samples, planar, photometric, compression, extra: list(tag::EXTRA) })
    }

    /// Appends a directory per plane, or one, that tells a decompressor of places, sizes and bits, and of no colours; the
    /// file's first directory is then this. Bits that stand in reverse order are turned round.
    /// The size is that of whole tiles.
    ///
    /// # Errors
    /// When the directory cannot be.
    pub fn simplify(&self, bytes: &mut Vec<u8>, numbers: &Numbers, directory: &Directory) -> Result<(), Message> {
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
        // JPEG's bytes are never reversed (libtiff's TIFF_NOBITREV).
        if list(bytes, tag::FILL_ORDER).is_some_and(|order| order == [2]) && self.compression != 7 {
            for (&at, &length) in at.iter().zip(&length) {
                let range = at as usize..(at.saturating_add(length) as usize).min(bytes.len());
                let part = bytes.get_mut(range).ok_or(DAMAGED)?;
                part.iter_mut().for_each(|byte| *byte = byte.reverse_bits());
            }
        }
        let tables = directory.field(tag::JPEG_TABLES).map(|field| field.content(bytes).to_vec());
        let copied = [tag::ROWS, tag::PREDICTOR, tag::TILE_WIDTH, tag::TILE_HEIGHT];
        let copied = copied.map(|tag| (tag, list(bytes, tag)));
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
            entries.sort_by_key(|(tag, _)| *tag);
            link = append(bytes, numbers, link, &entries, tables.as_deref());
        }
        Ok(())
    }
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
