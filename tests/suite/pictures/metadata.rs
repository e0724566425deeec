//! What files say beside their pixels, on its way through: from every format that holds it to every format that can.
//!
//! `fixtures/metadata` was written by ExifTool (`tests/fixtures/image.md`).

use std::io::Cursor;
use std::path::Path;
use wgrad::internal::image::{
    Bitmap, ColourChunk, DecodeOptions, Density, EncodeOptions, Format, Header, Length, Picture, Plane, Rows, encode,
};

const ALL: [Format; 5] = [Format::Png, Format::Jpeg, Format::WebP, Format::Tiff, Format::Bmp];

/// Twice the picture, as it is when a network has enlarged it.
struct Twice<'a>(&'a Picture, usize);

impl Rows for Twice<'_> {
    fn next<T: Send>(
        &mut self,
        out: &mut [T],
        row: usize,
        convert: &(impl Fn(&[&[f32]], &mut [T]) + Sync),
    ) -> wgrad::Result<usize> {
        let (picture, count) = (self.0, (out.len() / row).min(2 * self.0.height() - self.1));
        for line in out.chunks_mut(row).take(count) {
            let twice = |plane: &Plane| plane.row(self.1 / 2).iter().flat_map(|&v| [v, v]).collect::<Vec<f32>>();
            let planes: Vec<Vec<f32>> = picture.planes.iter().chain(&picture.alpha).map(twice).collect();
            convert(&planes.iter().map(Vec::as_slice).collect::<Vec<_>>(), line);
            self.1 += 1;
        }
        Ok(count)
    }
}

/// A file of twice the picture, and what was said of losses.
fn enlarged(picture: &Picture, format: Format) -> (Vec<u8>, String) {
    let mut bytes = Vec::new();
    let header = Header { width: 2 * picture.width(), height: 2 * picture.height(), ..picture.header() };
    let options = EncodeOptions::default();
    let losses =
        encode(&header, format, &options, &mut Twice(picture, 0), Cursor::new(&mut bytes), Path::new("twice")).unwrap();
    (bytes, losses.join("; "))
}

fn open(name: &str) -> Picture {
    Picture::open(format!("tests/fixtures/metadata/{name}")).unwrap()
}

/// Whether bytes stand in others.
fn holds(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}

/// A whole number of a directory of an EXIF block that begins with `II`: the first, or the one that `below` points at.
fn number(exif: &[u8], below: Option<u16>, tag: u16) -> Option<u32> {
    let big = exif.starts_with(b"MM");
    let get = |at: usize, size: usize| {
        let bytes = exif[at..at + size].iter();
        let join = |sum: u32, byte: &u8| sum << 8 | u32::from(*byte);
        if big { bytes.fold(0, join) } else { bytes.rev().fold(0, join) }
    };
    let find = |directory: usize, tag: u16| {
        let entries = (0..get(directory, 2) as usize).map(|nth| directory + 2 + 12 * nth);
        let entry = entries.into_iter().find(|&at| get(at, 2) == u32::from(tag))?;
        Some(if get(entry + 2, 2) == 3 { get(entry + 8, 2) } else { get(entry + 8, 4) })
    };
    let first = get(4, 4) as usize;
    let directory = match below {
        Some(tag) => find(first, tag)? as usize,
        None => first,
    };
    find(directory, tag)
}

#[test]
fn everything_is_kept_where_it_has_a_place() {
    for (name, iptc) in [("tagged.jpg", true), ("tagged.png", true), ("tagged.tif", true), ("tagged.webp", false)] {
        let read = open(name);
        assert_eq!((read.width(), read.height()), (16, 24), "{name}: turned");
        assert!(read.warnings.is_empty(), "{name}: {:?}", read.warnings);
        let metadata = &read.metadata;
        assert!(metadata.icc.is_some() && metadata.exif.is_some() && metadata.xmp.is_some(), "{name}");
        assert_eq!(metadata.iptc.is_some(), iptc, "{name}");
        for format in ALL {
            let (bytes, losses) = enlarged(&read, format);
            let what = format!("{name} to {format:?}: {losses}");
            let after = Picture::decode(&bytes, "after").unwrap();
            assert_eq!((after.width(), after.height()), (32, 48), "{what}");
            assert!(after.warnings.is_empty(), "{what}: {:?}", after.warnings);
            let after = after.metadata;
            assert_eq!(
                (after.icc == metadata.icc, after.icc.is_none()),
                (format != Format::Bmp, losses.contains("ICC")),
                "{what}"
            );
            assert_eq!(after.exif.is_none(), losses.contains("EXIF"), "{what}");
            assert_eq!(after.exif.is_none(), format == Format::Bmp, "{what}");
            assert_eq!(after.xmp.is_none(), losses.contains("XMP"), "{what}");
            assert_eq!(after.xmp.is_none(), format == Format::Bmp, "{what}");
            assert_eq!(after.iptc.is_none(), !iptc || losses.contains("IPTC"), "{what}");
            assert_eq!(after.iptc.is_none(), !iptc || matches!(format, Format::Bmp | Format::WebP), "{what}");
            assert!(after.iptc.is_none_or(|after| holds(&after, b"flower")), "{what}");
            if let Some(exif) = after.exif {
                assert_eq!(number(&exif, None, 0x112).unwrap_or(1), 1, "{what}: orientation");
                for (tag, side) in [(0xa002, 32), (0xa003, 48)] {
                    assert_eq!(number(&exif, Some(0x8769), tag), Some(side), "{what}: {tag:x}");
                }
                assert!(holds(&exif, b"Maker\0") && holds(&exif, b"2024:05:06 07:08:09\0"), "{what}");
                assert_eq!(
                    number(&exif, Some(0x8825), 1).map(|letter| letter.to_be_bytes().contains(&b'N')),
                    Some(true),
                    "{what}"
                );
                // A thumbnail would stand the other way up.
                assert!(!holds(&exif, b"\xff\xd8\xff") || exif[4..].len() < 8 || !linked(&exif), "{what}: thumbnail");
            }
            if let Some(xmp) = after.xmp {
                let xmp = String::from_utf8(xmp).unwrap();
                for part in [
                    "A title",
                    "<tiff:ImageWidth>32<",
                    "<exif:PixelXDimension>32<",
                    "<exif:PixelYDimension>48<",
                    "<tiff:Orientation>1<",
                ] {
                    assert!(xmp.contains(part), "{what}: no {part} in {xmp}");
                }
            }
        }
    }
}

/// Whether a second directory, of a thumbnail, follows the first.
fn linked(exif: &[u8]) -> bool {
    let big = exif.starts_with(b"MM");
    let get = |at: usize| {
        if big { u16::from_be_bytes([exif[at], exif[at + 1]]) } else { u16::from_le_bytes([exif[at], exif[at + 1]]) }
    };
    let end = 8 + 2 + 12 * usize::from(get(8));
    exif[end..end + 4] != [0; 4]
}

#[test]
fn the_resolution_is_the_same_number() {
    // 300 across and 150 down, turned by a quarter.
    let truth = Some(Density { x: 150.0, y: 300.0, unit: Some(Length::Inch) });
    for name in ["tagged.jpg", "tagged.png", "tagged.tif"] {
        let read = open(name);
        assert_eq!(read.metadata.density, truth, "{name}");
        for format in ALL {
            let (bytes, losses) = enlarged(&read, format);
            let after = Picture::decode(&bytes, "after").unwrap().metadata;
            // In WebP only EXIF says it, and ExifTool's in the PNG says 72.
            assert_eq!(after.density != truth, name == "tagged.png" && format == Format::WebP, "{name} to {format:?}");
            assert_eq!(after.density != truth, losses.contains("resolution"), "{losses}");
        }
    }
    for dpi in [72.0, 96.0, 100.0, 240.0, 299.5, 600.0, 4800.0] {
        let mut picture = Picture::new(vec![Plane::filled(4, 4, 9.0)]);
        picture.metadata.density = Some(Density { x: dpi, y: dpi, unit: Some(Length::Inch) });
        for format in [Format::Png, Format::Tiff, Format::Bmp] {
            let after = Picture::decode(&picture.encode(format, 90).unwrap(), "after").unwrap();
            let after = after.metadata.density.unwrap();
            assert!(
                (after.x - dpi).abs() < if dpi.fract() == 0.0 { 1e-9 } else { 0.02 },
                "{format:?}: {dpi} became {}",
                after.x
            );
        }
    }
}

#[test]
fn colours_of_png_are_kept_in_png_and_named_elsewhere() {
    let case = |name: &str| Picture::open(format!("tests/fixtures/pictures/{name}")).unwrap();
    for (name, chunk) in [("gamma_1.png", "gAMA"), ("adobe_rgb_chrm.png", "cHRM")] {
        let read = case(name);
        assert!(read.metadata.colours.iter().any(|colour| colour.name == *chunk.as_bytes()), "{name}");
        let (bytes, losses) = enlarged(&read, Format::Png);
        assert_eq!(
            (Picture::decode(&bytes, "after").unwrap().metadata.colours, losses),
            (read.metadata.colours.clone(), String::new())
        );
        for format in ALL.into_iter().filter(|&format| format != Format::Png) {
            assert!(enlarged(&read, format).1.contains(chunk), "{name} to {format:?}");
        }
    }
    let chunk = |name: &[u8; 4], content: &[u8]| ColourChunk { name: *name, content: content.to_vec() };
    let with = |colours: Vec<ColourChunk>| {
        let mut picture = Picture::new(vec![Plane::filled(4, 4, 9.0); 3]);
        picture.metadata.colours = colours;
        picture
    };
    // BT.2100 PQ; sRGB is told by any of the three without a word.
    let told = enlarged(&with(vec![chunk(b"cICP", &[9, 16, 0, 1])]), Format::Jpeg).1;
    assert!(told.contains("cICP"), "{told}");
    for colours in [
        vec![chunk(b"sRGB", &[0]), chunk(b"gAMA", &45_455u32.to_be_bytes())],
        vec![chunk(b"gAMA", &45_455u32.to_be_bytes())],
        vec![chunk(b"cICP", &[1, 13, 0, 1])],
    ] {
        let picture = with(colours);
        assert_eq!(enlarged(&picture, Format::Jpeg).1, "");
        let (bytes, _) = enlarged(&picture, Format::Png);
        assert_eq!(Picture::decode(&bytes, "after").unwrap().metadata.colours, picture.metadata.colours);
    }
}

#[test]
fn damage_in_what_is_said_is_no_damage_to_the_picture() {
    // Every byte of the directories changed, one after the other: read without a panic, and written again.
    for name in ["tagged.jpg", "tagged.tif"] {
        let whole = std::fs::read(format!("tests/fixtures/metadata/{name}")).unwrap();
        let exif = whole.windows(6).position(|part| part == b"Exif\0\0").map_or(0, |at| at + 6);
        for at in (exif + 4..exif + 460).step_by(3) {
            let mut bytes = whole.clone();
            bytes[at] ^= 0xff;
            if let Ok(bitmap) = Bitmap::decode_with(&bytes, "changed", &DecodeOptions::default()) {
                let picture = Picture::from(&bitmap);
                for format in [Format::Tiff, Format::Jpeg] {
                    picture.encode(format, 90).unwrap();
                }
            }
        }
    }
}
