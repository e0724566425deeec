//! Where other formats than TIFF keep what their decoders do not give.

use super::{ColourChunk, Density, Length};
use flate2::read::ZlibDecoder;
use std::io::Read;

/// The chunks of a PNG: name and content.
fn chunks(png: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
    let mut at = 8;
    std::iter::from_fn(move || {
        let length = u32::from_be_bytes(png.get(at..at + 4)?.try_into().ok()?) as usize;
        let name = png.get(at + 4..at + 8)?;
        let content = png.get(at + 8..(at + 8).checked_add(length)?)?;
        at += 12 + length;
        Some((name, content))
    })
}

/// What a PNG says of its colours.
pub(in super::super) fn png_colours(png: &[u8]) -> Vec<ColourChunk> {
    let known = [b"gAMA", b"cHRM", b"sRGB", b"cICP", b"mDCV", b"cLLI"];
    let of = |(name, content): (&[u8], &[u8])| {
        let name = *known.into_iter().find(|known| known[..] == *name)?;
        Some(ColourChunk { name, content: content.to_vec() })
    };
    chunks(png).filter_map(of).collect()
}

/// The data of a PNG's pixels, in parts.
pub(in super::super) fn png_pixels(png: &[u8]) -> impl Iterator<Item = &[u8]> {
    chunks(png).filter(|(name, _)| *name == b"IDAT").map(|(_, content)| content)
}

/// EXIF data of a PNG, which may stand behind the pixels, or as text.
pub(in super::super) fn png_exif(png: &[u8]) -> Option<Vec<u8>> {
    let chunk = chunks(png).find(|(name, _)| *name == b"eXIf").map(|(_, content)| content.to_vec());
    let text = |kind: &str| Some(raw_profile(png, kind)?.strip_prefix(b"Exif\0\0")?.to_vec());
    chunk.or_else(|| text("exif")).or_else(|| text("APP1")).or_else(|| raw_profile(png, "exif"))
}

/// The XMP packet of a PNG, which may stand behind the pixels, or as other text.
pub(in super::super) fn png_xmp(png: &[u8]) -> Option<Vec<u8>> {
    let packet = chunks(png).find_map(|(name, content)| {
        let rest = content.strip_prefix(b"XML:com.adobe.xmp\0").filter(|_| name == b"iTXt")?;
        // Whether it is compressed, how, a language and a translated keyword.
        let (&compressed, rest) = rest.split_first()?;
        let text = rest.get(1..)?.splitn(3, |&byte| byte == 0).nth(2)?;
        if compressed == 0 { Some(text.to_vec()) } else { inflate(text) }
    });
    let segment = || Some(raw_profile(png, "APP1")?.strip_prefix(b"http://ns.adobe.com/xap/1.0/\0")?.to_vec());
    packet.or_else(|| raw_profile(png, "xmp")).or_else(segment)
}

/// The ICC profile of a PNG.
///
/// # Errors
/// What is wrong with it.
pub(in super::super) fn png_icc(png: &[u8]) -> Result<Option<Vec<u8>>, String> {
    let Some((_, content)) = chunks(png).find(|(name, _)| *name == b"iCCP") else {
        return Ok(raw_profile(png, "icc").or_else(|| raw_profile(png, "icm")));
    };
    // A name, and how it is compressed.
    let packed = content.iter().position(|&byte| byte == 0).and_then(|end| content.get(end + 2..));
    match packed.and_then(inflate) {
        Some(icc) => Ok(Some(icc)),
        None => Err(format!("cannot be unpacked, or to more than {} MiB,", LARGEST >> 20)),
    }
}

/// How much text or a profile may unpack to, bytes: more than any profile has.
const LARGEST: u64 = 16 << 20;

/// None when it cannot be unpacked, or is larger than it may be.
fn inflate(text: &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    ZlibDecoder::new(text).take(LARGEST + 1).read_to_end(&mut out).ok()?;
    (out.len() as u64 <= LARGEST).then_some(out)
}

/// PNG's pHYs.
pub(in super::super) fn png_density(png: &[u8]) -> Option<Density> {
    let (_, content) = chunks(png).find(|(name, content)| *name == b"pHYs" && content.len() == 9)?;
    let number =
        |at: usize| u32::from_be_bytes([content[at], content[at + 1], content[at + 2], content[at + 3]]).into();
    let (x, y): (f64, f64) = (number(0), number(4));
    let density = if content[8] == 1 { Density::of_metres(x, y) } else { Density { x, y, unit: None } };
    (x > 0.0 && y > 0.0).then_some(density)
}

/// IPTC records of a PNG.
pub(in super::super) fn png_iptc(png: &[u8]) -> Option<Vec<u8>> {
    let bytes = raw_profile(png, "iptc").or_else(|| raw_profile(png, "8bim"))?;
    iptc_of(&bytes).or(Some(bytes))
}

/// What stands in a PNG as hexadecimal text, by ImageMagick's and ExifTool's convention.
fn raw_profile(png: &[u8], kind: &str) -> Option<Vec<u8>> {
    let keyword = format!("Raw profile type {kind}\0");
    let text = chunks(png).find_map(|(name, content)| {
        let rest = content.strip_prefix(keyword.as_bytes())?;
        match name {
            b"tEXt" => Some(rest.to_vec()),
            b"zTXt" => inflate(rest.get(1..)?),
            _ => None,
        }
    })?;
    // An empty line, a name, a length, then digits.
    let begin = text.iter().enumerate().filter(|(_, byte)| **byte == b'\n').nth(2)?.0;
    let digits: Vec<u8> = text[begin..].iter().copied().filter(u8::is_ascii_hexdigit).collect();
    let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
    digits.chunks_exact(2).map(byte).collect()
}

/// Keyword and text for [`png_iptc`].
pub(in super::super) fn png_iptc_text(iptc: &[u8]) -> (String, String) {
    let resources = resources(iptc);
    let digits: String = resources.iter().map(|byte| format!("{byte:02x}")).collect();
    let lines: Vec<&str> = (0..digits.len()).step_by(72).map(|at| &digits[at..(at + 72).min(digits.len())]).collect();
    ("Raw profile type iptc".into(), format!("\niptc\n{:>8}\n{}\n", resources.len(), lines.join("\n")))
}

/// The IPTC records among Photoshop's resources.
pub(in super::super) fn iptc_of(mut resources: &[u8]) -> Option<Vec<u8>> {
    loop {
        let rest = resources.strip_prefix(b"8BIM")?;
        let id = rest.get(..2)?;
        // A name, with its length before it, fills an even number of bytes, and so do contents.
        let name = (1 + usize::from(*rest.get(2)?)).next_multiple_of(2);
        let rest = rest.get(2 + name..)?;
        let length = u32::from_be_bytes(rest.get(..4)?.try_into().ok()?) as usize;
        let content = rest.get(4..4usize.checked_add(length)?)?;
        if id == [4, 4] {
            return Some(content.to_vec());
        }
        resources = rest.get(4 + length.next_multiple_of(2)..)?;
    }
}

/// Photoshop's resources with IPTC records alone.
pub(in super::super) fn resources(iptc: &[u8]) -> Vec<u8> {
    let mut resources = [&b"8BIM\x04\x04\0\0"[..], &(iptc.len() as u32).to_be_bytes(), iptc].concat();
    resources.resize(resources.len().next_multiple_of(2), 0);
    resources
}

/// The resolution in a JPEG's JFIF segment.
pub(in super::super) fn jfif_density(jpeg: &[u8]) -> Option<Density> {
    let mut at = 2;
    let field = loop {
        let &[0xff, marker @ 0xe0..=0xef, high, low] = jpeg.get(at..at + 4)? else { return None };
        if marker == 0xe0 && jpeg.get(at + 4..at + 9) == Some(b"JFIF\0") {
            break jpeg.get(at + 11..at + 16)?;
        }
        at += 2 + usize::from(u16::from_be_bytes([high, low]));
    };
    let number = |at: usize| f64::from(u16::from_be_bytes([field[at], field[at + 1]]));
    let unit = match field[0] {
        1 => Some(Length::Inch),
        2 => Some(Length::Centimetre),
        _ => None,
    };
    let (x, y) = (number(1), number(3));
    (x > 0.0 && y > 0.0 && (unit.is_some() || x != y)).then_some(Density { x, y, unit })
}

/// The resolution in a BMP's header.
pub(in super::super) fn bmp_density(bmp: &[u8]) -> Option<Density> {
    let number = |at: usize| Some(u32::from_le_bytes(bmp.get(at..at + 4)?.try_into().ok()?));
    let (header, x, y) = (number(14)?, number(38)?, number(42)?);
    let sensible = |number: u32| (1..1 << 24).contains(&number);
    (header >= 40 && sensible(x) && sensible(y)).then(|| Density::of_metres(x.into(), y.into()))
}

/// The ICC profile that a BMP of version 5 holds.
pub(in super::super) fn bmp_icc(bmp: &[u8]) -> Option<Vec<u8>> {
    const HEADER: usize = 14;
    let number = |at: usize| Some(u32::from_le_bytes(bmp.get(at..at + 4)?.try_into().ok()?));
    let (size, space, at, length) = (number(HEADER)?, bmp.get(70..74)?, number(126)?, number(130)?);
    // `MBED`, least byte first; the place counts from the header.
    let begin = HEADER.checked_add(at as usize)?;
    let icc = bmp.get(begin..begin.checked_add(length as usize)?)?;
    (size >= 124 && space == b"DEBM" && !icc.is_empty()).then(|| icc.to_vec())
}

/// Bytes of a JPEG's XMP beyond its first segment.
pub(in super::super) fn extended_xmp(jpeg: &[u8]) -> usize {
    let (mut at, mut bytes) = (2, 0);
    while let Some(&[0xff, marker, high, low]) = jpeg.get(at..at + 4)
        && !matches!(marker, 0xd8..=0xda)
    {
        let length = usize::from(u16::from_be_bytes([high, low]));
        let content = jpeg.get(at + 4..at + 2 + length.max(2)).unwrap_or_default();
        // After the name: a checksum as text, the whole length and the place.
        if marker == 0xe1 && content.starts_with(b"http://ns.adobe.com/xmp/extension/\0") {
            bytes += content.len().saturating_sub(35 + 40);
        }
        at += 2 + length.max(2);
    }
    bytes
}
