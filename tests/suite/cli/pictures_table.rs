//! The tables of docs/pictures.md say what the program does: each row is a file that it was given.
//!
//! `WGRAD_WRITE_TABLES=1 cargo test --test suite cli::pictures_table` writes them anew.

#![cfg(not(feature = "jxl"))]

use crate::support::cli::wgrad;
use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};
use tempfile::tempdir;
use wgrad::image::{ColourChunk, Density, Depth, Format, Length, Metadata, Picture, Plane};

const FIXTURES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures");
const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/pictures.md");

/// Format, kind, and the file that is one.
const KINDS: &[(&str, &str, &str)] = &[
    ("PNG", "RGB", "kinds/rgb.png"),
    ("PNG", "grey with opacity", "kinds/grey_alpha.png"),
    ("PNG", "grey, 16 bits", "kinds/grey16.png"),
    ("PNG", "palette of greys", "grey_palette.png"),
    ("PNG", "animated", "animated.png"),
    ("PNG", "gAMA", "pictures/gamma_1.png"),
    ("JPEG", "baseline, halved colours", "kinds/scans_2x2.one.jpg"),
    ("JPEG", "progressive", "kinds/scans_2x2.progressive.jpg"),
    ("JPEG", "a scan per channel", "pictures/scans_420.jpg"),
    ("JPEG", "a scan per channel, restart markers", "kinds/scans_1x1_r1.ycc.jpg"),
    ("JPEG", "arithmetic-coded", "kinds/refused_arithmetic.jpg"),
    ("JPEG", "brightness coarser than colours", "kinds/refused_sampling.jpg"),
    ("JPEG", "cut short", "pictures/half.jpg"),
    ("JPEG", "progressive, with less detail than there could be", "odd/j_prog_part.jpg"),
    ("JPEG", "CMYK", "odd/j_ycck.jpg"),
    ("JPEG", "two channels", "odd/k_two.jpg"),
    ("JPEG", "JPEG-LS", "odd/j_ls.jpg"),
    ("JPEG", "a video behind it", "pictures/motion_photo.jpg"),
    ("JPEG", "named .jfif", "pictures/folder/b.jfif"),
    ("WebP", "lossless", "metadata/tagged.webp"),
    ("WebP", "opacity that its header does not announce", "odd/v_alph_noflag.webp"),
    ("WebP", "animated", "animated.webp"),
    ("TIFF", "grey of 1 bit", "kinds/bits.none.tif"),
    ("TIFF", "grey of 16 bits, most significant byte first", "kinds/grey16.big_endian.tif"),
    ("TIFF", "grey with opacity, PackBits", "kinds/grey_alpha.packbits.tif"),
    ("TIFF", "RGB, strips, LZW with differences", "kinds/rgb.lzw_strips.tif"),
    ("TIFF", "RGB, tiles, Deflate", "kinds/rgb.deflate_tiles.tif"),
    ("TIFF", "RGB, separate planes", "kinds/rgb.planar.tif"),
    ("TIFF", "RGB, separate planes of tiles", "pictures/tiled_planar.tif"),
    ("TIFF", "RGB with opacity", "pictures/straight.tif"),
    ("TIFF", "RGB multiplied by opacity", "pictures/premultiplied.tif"),
    ("TIFF", "bits in reverse order", "pictures/fillorder2_8bit.tif"),
    ("TIFF", "fax, Group 4", "kinds/bits.group4.tif"),
    ("TIFF", "fax, Group 4, bits in reverse order", "kinds/bits.group4_fill_order.tif"),
    ("TIFF", "fax, Group 3", "kinds/refused_group3.tif"),
    ("TIFF", "palette", "pictures/palette.tif"),
    ("TIFF", "CMYK", "kinds/cmyk.lzw.tif"),
    ("TIFF", "L\\*a\\*b\\*", "kinds/refused_lab.tif"),
    ("TIFF", "JPEG inside", "pictures/jpeg_in.tif"),
    ("TIFF", "JPEG inside, cut short", "odd/y_half_jpeg.tif"),
    ("TIFF", "JPEG inside, of 12 bits", "odd/t_jpeg12.tif"),
    ("TIFF", "a thumbnail before it", "odd/t_thumb_first.tif"),
    ("TIFF", "a transparency mask behind it", "odd/t_mask_page.tif"),
    ("TIFF", "RGB, a channel of no meaning, opacity", "odd/t_rgb_5ch_b.tif"),
    ("TIFF", "LZMA", "kinds/refused_lzma.tif"),
    ("TIFF", "WebP inside", "kinds/refused_webp.tif"),
    ("TIFF", "Zstandard", "kinds/refused_zstd.tif"),
    ("TIFF", "floating point", "kinds/refused_float.tif"),
    ("TIFF", "signed, 32 bits", "kinds/refused_int32.tif"),
    ("TIFF", "BigTIFF", "pictures/bigtiff.tif"),
    ("TIFF", "several pages", "pictures/three_pages.tif"),
    ("BMP", "opacity, 0 everywhere", "pictures/alpha_all_zero.bmp"),
    ("PNM", "bitmap", "pictures/folder/d.pbm"),
    ("JPEG XL", "without the feature `jxl`", "kinds/rgb.jxl"),
    ("AVIF", "", "pictures/folder/c.avif"),
    ("HEIC", "", "pictures/folder/e.heic"),
];

/// Formats that are known by how they begin.
const BEGINNINGS: &[(&str, &str, &[u8])] = &[
    ("PNM", "grey, 16 bits", b"P5 12 2 65535\n00112233445566778899aabbccddeeff0011223344556677"),
    ("PNM", "RGB, text", b"P3 3 2 9\n0 1 2 3 4 5 6 7 8\n8 7 6 5 4 3 2 1 0\n"),
    ("PNM", "several pictures", b"P5 6 2 255\nabcdefABCDEFP5 6 2 255\nabcdefABCDEF"),
    ("JPEG 2000", "", b"\0\0\0\x0cjP  \r\n\x87\n\0\0\0\x14ftypjp2 "),
    ("Photoshop", "", b"8BPS\0\x01\0\0\0\0\0\0\0\x03"),
    ("OpenEXR", "", b"v/1\x01\x02\0\0\0channels\0"),
    ("Radiance", "", b"#?RADIANCE\nFORMAT=32-bit_rle_rgbe\n"),
    ("PDF", "", b"%PDF-1.7\n"),
    ("SVG", "", b"<svg xmlns=\"http://www.w3.org/2000/svg\"/>"),
    ("icon", "", b"\0\0\x01\0\x01\0\x10\x10"),
    ("TGA", "", b"\0\0\x02\0\0\0\0\0\0\0\0\0\x10\0\x10\0\x18\0"),
    ("QOI", "", b"qoif\0\0\0\x01\0\0\0\x01\x03\0"),
    ("Canon raw", "", b"II*\0\x10\0\0\0CR\x02\0"),
    ("video", "", b"\0\0\0\x18ftypmp42\0\0\0\0mp42isom"),
    ("text", "", b"no picture at all"),
    ("nothing", "", b""),
];

/// What became of each input: a refusal, or what was said.
fn fates(folder: &Path, format: &str) -> BTreeMap<String, Result<Vec<String>, String>> {
    let out = format!("out-{format}");
    let arguments = ["upscale", "in", "-o", &out, "-m", "tiny", "--format", format, "--progress", "json"];
    let run = wgrad(folder, arguments);
    assert!(run.code == 0 || run.code == 1, "{}", run.stderr);
    let mut fates = BTreeMap::new();
    for line in run.stderr.lines() {
        let event: serde_json::Value = serde_json::from_str(line).unwrap();
        let Some(input) = event["input"].as_str() else { continue };
        let name = input.strip_prefix("in/").or(input.strip_prefix("in\\")).unwrap().to_owned();
        match event["event"].as_str() {
            Some("failed") => {
                let text = event["text"].as_str().unwrap();
                let words = text.strip_prefix(input).and_then(|text| text.strip_prefix(": ")).unwrap_or(text);
                fates.insert(name, Err(words.replace("in/", "").replace("in\\", "")));
            }
            Some("file") => {
                let said = event["warnings"].as_array().unwrap().iter().map(|w| w.as_str().unwrap().to_owned());
                fates.insert(name, Ok(said.collect()));
            }
            _ => {}
        }
    }
    fates
}

/// Replaces what stands between the marks of a table, or compares.
fn check(page: &mut String, name: &str, table: &str) {
    let (begin, end) = (format!("<!-- {name} -->\n"), format!("<!-- end of {name} -->"));
    let from = page.find(&begin).expect("a table's mark") + begin.len();
    let to = from + page[from..].find(&end).expect("the mark of its end");
    if std::env::var_os("WGRAD_WRITE_TABLES").is_some_and(|value| value == "1") {
        page.replace_range(from..to, table);
        fs::write(PAGE, &page).unwrap();
    }
    let anew = "WGRAD_WRITE_TABLES=1 writes it anew";
    assert!(
        page[from..].starts_with(&format!("{table}{end}")),
        "docs/pictures.md, {name} ({anew}): it should be\n{table}"
    );
}

fn kinds() -> String {
    let folder = tempdir().unwrap();
    fs::create_dir(folder.path().join("in")).unwrap();
    let mut rows = Vec::new();
    let add = |rows: &mut Vec<(String, String, String)>, format: &str, kind: &str, end: &str, bytes: &[u8]| {
        let name = format!("{:02}{end}", rows.len());
        fs::write(folder.path().join("in").join(&name), bytes).unwrap();
        rows.push((format.to_owned(), kind.to_owned(), name));
    };
    for (format, kind, file) in KINDS {
        let path = Path::new(FIXTURES).join(file);
        let end = format!(".{}", path.extension().unwrap().to_str().unwrap());
        add(&mut rows, format, kind, &end, &fs::read(&path).unwrap());
    }
    for (format, kind, bytes) in BEGINNINGS {
        // Only what is read has one of the names that are looked at.
        add(&mut rows, format, kind, if *format == "PNM" { ".pnm" } else { ".png" }, bytes);
    }
    let gif = || {
        let mut bytes = Vec::new();
        let mut encoder = image::codecs::gif::GifEncoder::new(&mut bytes);
        let frame = || image::Frame::new(image::RgbaImage::from_pixel(6, 5, image::Rgba([9, 99, 199, 255])));
        encoder.encode_frames([frame(), frame()]).unwrap();
        drop(encoder);
        bytes
    };
    add(&mut rows, "GIF", "animated", ".gif", &gif());
    let fates = fates(folder.path(), "png");
    let mut table = "| format | kind | what becomes of it |\n|---|---|---|\n".to_owned();
    for (format, kind, name) in &rows {
        let fate = match fates.get(name).unwrap_or_else(|| panic!("nothing was said of {kind} {format}")) {
            Err(words) => {
                assert!(!words.contains("Unknown(") && !words.contains("panicked"), "{words}");
                format!("refused: {words}")
            }
            Ok(said) if said.is_empty() => "read".into(),
            Ok(said) => format!("read, and told: {}", said.join("; ")),
        };
        writeln!(table, "| {format} | {kind} | {fate} |").unwrap();
    }
    table
}

/// A property, a picture that has it, and whether another still has it.
type Property = (&'static str, Picture, fn(&Picture, &Picture) -> bool);

fn properties() -> Vec<Property> {
    let plane = |k: usize| Plane::from_fn(16, 12, |x, y| ((x * 9 + y * 13 + k * 40) % 256) as f32);
    let planes = |count: usize| (0..count).map(plane).collect::<Vec<_>>();
    let rgb = || Picture::new(planes(3));
    let with = |metadata: Metadata| Picture { metadata, ..rgb() };
    let opacity = |picture: Picture| Picture { alpha: Some(Plane::filled(16, 12, 128.0)), ..picture };
    let tagged = Picture::open(format!("{FIXTURES}/metadata/tagged.png")).unwrap().metadata;
    let Metadata { icc, exif, xmp, iptc, .. } = tagged;
    let chunk = |name: &[u8; 4], content: &[u8]| ColourChunk { name: *name, content: content.to_vec() };
    let colours = vec![chunk(b"gAMA", &100_000u32.to_be_bytes()), chunk(b"cICP", &[9, 16, 0, 1])];
    let density = Some(Density { x: 300.0, y: 300.0, unit: Some(Length::Inch) });
    vec![
        ("grey", Picture::new(planes(1)), |_, after| after.is_grey()),
        ("grey with opacity", opacity(Picture::new(planes(1))), |_, after| after.is_grey() && after.alpha.is_some()),
        ("opacity", opacity(rgb()), |_, after| after.alpha.is_some()),
        ("16 bits", Picture { depth: Depth::Sixteen, ..rgb() }, |_, after| after.depth == Depth::Sixteen),
        ("ICC profile", with(Metadata { icc, ..Metadata::default() }), |a, b| a.metadata.icc == b.metadata.icc),
        ("EXIF, with the new size", with(Metadata { exif, ..Metadata::default() }), |_, b| {
            // Width and height as LONG of 32 and 24.
            b.metadata.exif.as_ref().is_some_and(|exif| {
                let has = |part: &[u8]| exif.windows(part.len()).any(|window| window == part);
                let size = |tag: u8, side: u8| {
                    has(&[0xa0, tag, 0, 4, 0, 0, 0, 1, 0, 0, 0, side])
                        || has(&[tag, 0xa0, 4, 0, 1, 0, 0, 0, side, 0, 0, 0])
                };
                has(b"2024:05:06 07:08:09") && size(2, 32) && size(3, 24)
            })
        }),
        ("XMP", with(Metadata { xmp, ..Metadata::default() }), |_, b| b.metadata.xmp.is_some()),
        ("IPTC", with(Metadata { iptc, ..Metadata::default() }), |a, b| a.metadata.iptc == b.metadata.iptc),
        ("print resolution", with(Metadata { density, ..Metadata::default() }), |a, b| {
            a.metadata.density == b.metadata.density
        }),
        ("PNG's gAMA, cHRM, cICP", with(Metadata { colours, ..Metadata::default() }), |a, b| {
            a.metadata.colours == b.metadata.colours
        }),
    ]
}

fn kept() -> String {
    let folder = tempdir().unwrap();
    fs::create_dir(folder.path().join("in")).unwrap();
    let properties = properties();
    for (nth, (_, picture, _)) in properties.iter().enumerate() {
        fs::write(folder.path().join(format!("in/{nth}.png")), picture.encode(Format::Png, 90).unwrap()).unwrap();
    }
    let formats = ["png", "jpg", "webp", "tif", "bmp"];
    let mut cells = vec![Vec::new(); properties.len()];
    for format in formats {
        let fates = fates(folder.path(), format);
        for (nth, (what, before, stays)) in properties.iter().enumerate() {
            let said = fates[&format!("{nth}.png")].as_ref().unwrap();
            let path: PathBuf = folder.path().join(format!("out-{format}/{nth}.{format}"));
            let kept = stays(before, &Picture::open(path).unwrap());
            // Nothing is lost without a word, and nothing told that is there.
            assert_eq!(kept, said.is_empty(), "{what} in {format}: {said:?}");
            cells[nth].push(if kept { "kept" } else { "told" });
        }
    }
    let mut table = format!("| | {} |\n|---|---|---|---|---|---|\n", formats.join(" | "));
    for ((what, ..), cells) in properties.iter().zip(cells) {
        writeln!(table, "| {what} | {} |", cells.join(" | ")).unwrap();
    }
    table
}

#[test]
fn the_tables_say_what_happens() {
    let mut page = fs::read_to_string(PAGE).unwrap();
    check(&mut page, "kinds", &kinds());
    check(&mut page, "kept", &kept());
}
