//! Which format a file's content is in, whatever its name says.

use ::image::ImageFormat;

/// The formats that are read, for messages.
pub(super) const READ: &str = "PNG, JPEG, WebP, BMP, TIFF, PNM and GIF are read";

/// What the first bytes of a file say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A format that is read.
    Read(ImageFormat),
    /// JPEG XL, in a program that is built with the feature `jxl`.
    #[cfg(feature = "jxl")]
    JpegXl,
    /// A known format that is not, and what to do about it.
    Foreign(&'static str, &'static str),
    /// No picture, as far as is known.
    Unknown,
}

const CONVERT: &str = "convert it to PNG or TIFF first";

/// Tells the format of a file from its first bytes; 64 are enough.
pub fn kind(head: &[u8]) -> Kind {
    use Kind::{Foreign, Read, Unknown};
    let at = |offset: usize, magic: &[u8]| head.get(offset..).is_some_and(|rest| rest.starts_with(magic));
    let starts = |magic: &[u8]| at(0, magic);
    if starts(b"\x89PNG\r\n\x1a\n") {
        Read(ImageFormat::Png)
    } else if starts(b"\xff\xd8\xff") {
        Read(ImageFormat::Jpeg)
    } else if starts(b"RIFF") && at(8, b"WEBP") {
        Read(ImageFormat::WebP)
    } else if starts(b"GIF87a") || starts(b"GIF89a") {
        Read(ImageFormat::Gif)
    } else if at(0, b"II") && at(8, b"CR") {
        Foreign("Canon raw", "develop it to TIFF in a raw converter first")
    } else if [&b"II*\0"[..], b"MM\0*", b"II+\0", b"MM\0+"].iter().any(|magic| starts(magic)) {
        Read(ImageFormat::Tiff)
    } else if starts(b"BM") {
        Read(ImageFormat::Bmp)
    } else if matches!(head, [b'P', b'1'..=b'7', space, ..] if space.is_ascii_whitespace() || *space == b'#') {
        Read(ImageFormat::Pnm)
    } else if at(4, b"ftyp") {
        base_media(head)
    } else if starts(b"\xff\x0a") || starts(b"\0\0\0\x0cJXL \r\n\x87\n") {
        jpeg_xl()
    } else if starts(b"\0\0\0\x0cjP  \r\n\x87\n") || starts(b"\xff\x4f\xff\x51") {
        Foreign("JPEG 2000", CONVERT)
    } else if starts(b"8BPS") {
        Foreign("Photoshop", "export it as PNG or TIFF first")
    } else if starts(b"v/1\x01") || starts(b"#?RADIANCE") || starts(b"PF\n") || starts(b"Pf\n") {
        Foreign("high dynamic range", "map its tones to 8 or 16 bits per channel first")
    } else if starts(b"%PDF") || starts(b"%!PS") {
        Foreign("PDF or PostScript", "render its pages to PNG first")
    } else if starts(b"<svg") || (starts(b"<?xml") && head.windows(4).any(|w| w == b"<svg")) {
        Foreign("SVG", "render it to PNG at the size you want: it has no pixels to enlarge")
    } else if matches!(head, [0, 0, 1 | 2, 0, low, high, ..] if (1..256).contains(&u16::from_le_bytes([*low, *high]))) {
        Foreign("icon", CONVERT)
    } else if starts(b"qoif") || starts(b"DDS ") || starts(b"farbfeld") || starts(b"gimp xcf") {
        Foreign("QOI, DDS, farbfeld or XCF", CONVERT)
    } else if is_targa(head) {
        Foreign("TGA", CONVERT)
    } else {
        Unknown
    }
}

/// TGA has no magic: a kind, a list of colours only where there can be one, a size, and bits of a pixel.
fn is_targa(head: &[u8]) -> bool {
    let &[_, list, kind, _, _, low, high, entry, _, _, _, _, w0, w1, h0, h1, bits, about, ..] = head else {
        return false;
    };
    let listed = (list == 1 && matches!(entry, 15 | 16 | 24 | 32)) || (list == 0 && [low, high, entry] == [0; 3]);
    let kinds = match list {
        1 => matches!(kind, 1 | 9),
        _ => matches!(kind, 2 | 3 | 10 | 11),
    };
    listed
        && kinds
        && [w0, w1] != [0; 2]
        && [h0, h1] != [0; 2]
        && matches!(bits, 8 | 15 | 16 | 24 | 32)
        && about & 0xc0 == 0
}

#[cfg(feature = "jxl")]
fn jpeg_xl() -> Kind {
    Kind::JpegXl
}

#[cfg(not(feature = "jxl"))]
fn jpeg_xl() -> Kind {
    Kind::Foreign("JPEG XL", "`djxl FILE FILE.png` converts it; a program built with `--features jxl` reads it")
}

/// ISO base media files: the brand after `ftyp` says what is inside.
fn base_media(head: &[u8]) -> Kind {
    // The box's size, then the major brand, a version, and compatible brands.
    let size = head.get(..4).map_or(0, |b| u32::from_be_bytes([b[0], b[1], b[2], b[3]]) as usize);
    let brands = head.get(8..size.clamp(12, 64).min(head.len())).unwrap_or_default();
    let has = |brand: &[u8]| brands.chunks_exact(4).any(|b| b == brand);
    if has(b"avif") || has(b"avis") {
        Kind::Foreign("AVIF", "`avifdec FILE FILE.png` converts it")
    } else if [&b"heic"[..], b"heix", b"hevc", b"heim", b"heis", b"mif1", b"msf1"].iter().any(|brand| has(brand)) {
        Kind::Foreign(
            "HEIC",
            "export it as JPEG (on a phone: share it as \"most compatible\"), or `heif-convert FILE FILE.png`",
        )
    } else if has(b"crx ") {
        Kind::Foreign("Canon raw", "develop it to TIFF in a raw converter first")
    } else {
        Kind::Foreign("video", "extract its frames to PNG files first")
    }
}
