//! Kinds of JPEG, TIFF and BMP that other programs write: the same picture however it is stored, or an error in words.
//!
//! `tests/fixtures/image.md` says which programs made the files.

use std::fs;
use std::path::{Path, PathBuf};
use wgrad::internal::image::{DecodeOptions, Depth, Picture};

const KINDS: &str = "tests/fixtures/kinds";
const CASES: &str = "tests/fixtures/pictures";

/// The kinds whose names end so.
fn files(end: &str) -> Vec<PathBuf> {
    let names = fs::read_dir(KINDS).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<_> = names.filter(|path| path.to_str().unwrap().ends_with(end)).collect();
    files.sort();
    assert!(!files.is_empty(), "no {end}");
    files
}

/// `NAME` of `NAME.KIND.tif`.
fn stem(path: &Path) -> &str {
    path.file_name().unwrap().to_str().unwrap().split('.').next().unwrap()
}

fn case(name: &str) -> Vec<u8> {
    fs::read(Path::new(CASES).join(name)).unwrap()
}

/// The largest difference of any sample.
#[track_caller]
fn difference(a: &Picture, b: &Picture) -> f32 {
    assert_eq!((a.width(), a.height(), a.planes.len()), (b.width(), b.height(), b.planes.len()));
    assert_eq!(a.alpha.is_some(), b.alpha.is_some(), "opacity");
    let pairs = a.planes.iter().chain(&a.alpha).zip(b.planes.iter().chain(&b.alpha));
    pairs.flat_map(|(a, b)| a.data.iter().zip(&b.data)).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
}

#[test]
fn a_tiff_is_the_same_picture_however_it_is_stored() {
    for path in files(".tif") {
        let name = path.display();
        if stem(&path).starts_with("refused") || stem(&path) == "pages" {
            continue;
        }
        let truth = Picture::open(Path::new(KINDS).join(stem(&path)).with_extension("png")).unwrap();
        let read = Picture::open(&path).unwrap();
        let most = if name.to_string().contains("jpeg") {
            12.0
        } else if stem(&path) == "cmyk" {
            1.0
        } else {
            0.0
        };
        let off = difference(&read, &truth);
        assert!(off <= most, "{name}: off by {off}");
        assert_eq!(read.depth, truth.depth, "{name}");
        assert_eq!(!read.warnings.is_empty(), stem(&path) == "cmyk", "{name}: {:?}", read.warnings);
    }
}

#[test]
fn scans_of_one_channel_are_the_same_picture() {
    for path in files(".jpg") {
        if stem(&path).starts_with("scans") {
            let one = Picture::open(Path::new(KINDS).join(format!("{}.one.jpg", stem(&path)))).unwrap();
            assert_eq!(Picture::open(&path).unwrap(), one, "{}", path.display());
        }
    }
    let one = Picture::decode(&case("scans_420_interleaved.jpg"), "one").unwrap();
    assert_eq!(Picture::decode(&case("scans_420.jpg"), "apart").unwrap(), one);
    // Metadata come along.
    let mut tagged = vec![0xff, 0xd8, 0xff, 0xe1, 0, 40];
    tagged.extend(b"Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0\0\0\0\0abcdef");
    tagged.extend(&case("scans_420.jpg")[2..]);
    let turned = Picture::decode(&tagged, "turned").unwrap();
    assert!(
        turned.metadata.exif.is_some() && turned.planes[0].at(0, 31) == one.planes[0].at(31, 31),
        "turned by a quarter"
    );
}

#[test]
fn what_is_not_read_is_refused_in_words() {
    let mut refused = files(".tif");
    refused.extend(files(".jpg"));
    for path in refused.iter().filter(|path| stem(path).starts_with("refused")) {
        let error = Picture::open(path).unwrap_err().to_string();
        assert!(error.starts_with(path.to_str().unwrap()) && error.contains("first"), "{error}");
    }
}

#[test]
fn thumbnails_and_raw_files_are_no_pictures() {
    // A reduced picture alone, and a file that says it is DNG.
    for more in [(254, 1), (50_706, 1)] {
        let error = Picture::decode(&grey_tiff(1, 1, 8, &[0], &[more]), "raw.tif").unwrap_err().to_string();
        assert!(error.contains("raw.tif") && error.contains("develop"), "{error}");
    }
    assert!(Picture::decode(&grey_tiff(1, 1, 8, &[0], &[(254, 2)]), "page.tif").is_ok());
}

#[test]
fn several_pages_are_refused_unless_the_first_will_do() {
    let first = DecodeOptions { first_frame: true, ..DecodeOptions::default() };
    for (bytes, count) in
        [(fs::read(format!("{KINDS}/pages.tif")).unwrap(), "2 pages"), (case("three_pages.tif"), "3 pages")]
    {
        let error = Picture::decode(&bytes, "pages.tif").unwrap_err().to_string();
        assert!(error.contains("pages.tif") && error.contains(count) && error.contains("--first-frame"), "{error}");
        let page = Picture::decode_with(&bytes, "pages.tif", &first).unwrap();
        assert!(page.warnings.len() == 1 && page.warnings[0].contains(count), "{:?}", page.warnings);
    }
    let page = Picture::open_with(format!("{KINDS}/pages.tif"), &first).unwrap();
    assert_eq!(page.planes, Picture::open(format!("{KINDS}/rgb.png")).unwrap().planes);
}

#[test]
fn colours_multiplied_by_opacity_are_divided_again() {
    let premultiplied = Picture::decode(&case("premultiplied.tif"), "a").unwrap();
    let straight = Picture::decode(&case("straight.tif"), "b").unwrap();
    assert_eq!(premultiplied.alpha, straight.alpha);
    let alpha = straight.alpha.as_ref().unwrap();
    for (a, b) in premultiplied.planes.iter().zip(&straight.planes) {
        for ((a, b), &alpha) in a.data.iter().zip(&b.data).zip(&alpha.data) {
            // A product of whole numbers is off by up to 1/2 or, by other programs' rounding, 1.
            assert!(alpha == 0.0 || (a - b).abs() <= (255.0 / alpha).ceil() + 0.5, "{a} for {b}, opacity {alpha}");
        }
    }
}

/// An uncompressed grey TIFF of one strip.
fn grey_tiff(width: u16, height: u16, bits: u16, data: &[u8], more: &[(u16, u16)]) -> Vec<u8> {
    let mut file = b"II*\0\x08\0\0\0".to_vec();
    let place = 8 + 2 + (7 + more.len() as u16) * 12 + 4;
    let mut entries = vec![(256, width), (257, height), (258, bits), (259, 1), (262, 1), (273, place), (277, 1)];
    entries.extend(more);
    entries.sort();
    file.extend((entries.len() as u16).to_le_bytes());
    for (tag, value) in entries {
        file.extend([tag, 3, 1, 0, value, 0].into_iter().flat_map(u16::to_le_bytes));
    }
    file.extend([0; 4]);
    file.extend(data);
    file
}

#[test]
fn samples_of_any_bits_up_to_sixteen() {
    for bits in 1..=16u16 {
        let most = (1u32 << bits) - 1;
        let values: Vec<u32> = [0, most, most / 2, 1, most - 1, most / 3].map(|value| value & most).to_vec();
        // Two rows of three; each begins with a byte of its own. Sixteen bits stand in the file's order, least byte first.
        let row = |values: &[u32]| {
            let mut row: Vec<u8> = Vec::new();
            let text: String =
                values.iter().map(|value| format!("{value:0width$b}", width = usize::from(bits))).collect();
            for byte in text.as_bytes().chunks(8) {
                let byte = format!("{:0<8}", std::str::from_utf8(byte).unwrap());
                row.push(u8::from_str_radix(&byte, 2).unwrap());
            }
            if bits == 16 {
                row.chunks_mut(2).for_each(|pair| pair.reverse());
            }
            row
        };
        let data = [row(&values[..3]), row(&values[3..])].concat();
        let read = Picture::decode(&grey_tiff(3, 2, bits, &data, &[]), "bits.tif").unwrap();
        assert_eq!(read.depth, if bits <= 8 { Depth::Eight } else { Depth::Sixteen });
        for (read, value) in read.planes[0].data.iter().zip(&values) {
            let truth = 255.0 * *value as f32 / most as f32;
            let step = if bits <= 8 { 0.5 } else { 0.5 / 257.0 + 1e-4 };
            assert!((read - truth).abs() <= step, "{bits} bits: {read} for {truth}");
        }
    }
    let error = Picture::decode(&grey_tiff(1, 1, 32, &[0; 4], &[]), "deep.tif").unwrap_err().to_string();
    assert!(error.contains("deep.tif") && error.contains("32 bits"), "{error}");
}

#[test]
fn any_jpeg_that_ends_too_early_is_told() {
    let truth = DecodeOptions::truth();
    for path in files(".jpg").iter().filter(|path| stem(path).starts_with("scans")) {
        let whole = fs::read(path).unwrap();
        let trailer = [&whole[..], b"\0\0\0\x18ftypmp42\xff\xd8\xff\xda\xff\xd9 a video"].concat();
        for bytes in [&whole[..], &trailer, &whole[..whole.len() - 2]] {
            assert!(
                Picture::decode_with(bytes, "whole.jpg", &truth).unwrap().warnings.is_empty(),
                "{}",
                path.display()
            );
        }
        let begin = whole.windows(2).position(|pair| pair == [0xff, 0xda]).unwrap() + 16;
        let last = whole.len() - 2;
        for cut in (begin..last - 1).step_by(37).chain([last - 2]) {
            for bytes in [whole[..cut].to_vec(), [&whole[..cut], &[0xff, 0xd9]].concat()] {
                let name = format!("{} at {cut} of {last}", path.display());
                if let Ok(read) = Picture::decode(&bytes, "cut.jpg") {
                    let told = read.warnings.iter().any(|w| w.contains("cut short") || w.contains("damaged"));
                    assert!(told, "{name}: {:?}", read.warnings);
                }
                let error = Picture::decode_with(&bytes, "cut.jpg", &truth).expect_err(&name).to_string();
                assert!(error.contains("cut short") || error.contains("damaged"), "{name}: {error}");
            }
        }
    }
    let motion = Picture::decode_with(&case("motion_photo.jpg"), "motion.jpg", &truth).unwrap();
    assert!(motion.warnings.is_empty());
    let half = Picture::decode_with(&case("half.jpg"), "half.jpg", &truth).unwrap_err().to_string();
    assert!(half.contains("half.jpg") && half.contains("cut short"), "{half}");
}

/// A BMP of 2x1 pixels with masks for red, green, blue and opacity; `size` is that of its header.
fn masked_bmp(size: u32, bits: u16, masks: [u32; 4], pixels: [u32; 2]) -> Vec<u8> {
    let mut header: Vec<u8> = size.to_le_bytes().to_vec();
    header.extend([2u32, 1, 1 | u32::from(bits) << 16, 3, 0, 0, 0, 0, 0].into_iter().flat_map(u32::to_le_bytes));
    header.extend(masks.into_iter().flat_map(u32::to_le_bytes));
    header.resize(size.max(56) as usize, 0);
    let mut file = b"BM".to_vec();
    file.extend([0, 0, 14 + header.len() as u32].into_iter().flat_map(u32::to_le_bytes));
    file.extend(header);
    file.extend(pixels.into_iter().flat_map(|pixel| pixel.to_le_bytes()[..usize::from(bits) / 8].to_vec()));
    file.resize(file.len().next_multiple_of(4), 0);
    file
}

#[test]
fn a_bmp_of_which_nothing_would_show_is_opaque() {
    let read = Picture::decode(&case("alpha_all_zero.bmp"), "zero.bmp").unwrap();
    let plain = Picture::decode(&case("plain.png"), "plain.png").unwrap();
    assert_eq!((read.planes, read.alpha), (plain.planes, None));
    let eight = [0xff_0000, 0xff00, 0xff, 0xff00_0000];
    let five = [0x7c00, 0x3e0, 0x1f, 0x8000];
    for size in [56, 108, 124] {
        for (bits, masks, red) in [(32, eight, 0xff_0000), (16, five, 0x7c00)] {
            let clear = Picture::decode(&masked_bmp(size, bits, masks, [red, 0]), "clear.bmp").unwrap();
            assert!(clear.alpha.is_none() && clear.planes[0].data == [255.0, 0.0], "{size} {bits}");
            let half = Picture::decode(&masked_bmp(size, bits, masks, [red | masks[3], 0]), "half.bmp").unwrap();
            assert_eq!(half.alpha.map(|alpha| alpha.data), Some(vec![255.0, 0.0]), "{size} {bits}");
        }
    }
}

/// `kinds/rgb.jxl` and `grey_alpha.jxl` are the PNG files of their names, made by libjxl without loss.
#[cfg(feature = "jxl")]
#[test]
fn jpeg_xl_is_read_where_it_was_asked_for() {
    for name in ["rgb", "grey_alpha"] {
        let path = PathBuf::from(KINDS).join(name).with_extension("jxl");
        let truth = Picture::open(path.with_extension("png")).unwrap();
        assert_eq!(difference(&Picture::open(&path).unwrap(), &truth), 0.0, "{name}");
        let bytes = fs::read(&path).unwrap();
        for cut in [bytes.len() / 2, bytes.len() - 4] {
            let error = Picture::decode(&bytes[..cut], "cut.jxl").unwrap_err().to_string();
            assert!(error.starts_with("cut.jxl: ") && error.contains("cut short"), "{error}");
        }
    }
}

#[cfg(not(feature = "jxl"))]
#[test]
fn jpeg_xl_is_refused_in_words() {
    let error = Picture::open(format!("{KINDS}/rgb.jxl")).unwrap_err().to_string();
    assert!(error.contains("rgb.jxl") && error.contains("djxl") && error.contains("--features jxl"), "{error}");
}
