//! Files that are right and odd, and files that are wrong and look right: read as what they are, told, or refused in words.
//!
//! `fixtures/odd` is described in `fixtures/image.md`; the other files are made here, from those or from nothing.

use crate::support::pictures::{FIXTURES, file, gradient, no_truth, refused, told};
use std::fs;

use wgrad::internal::image::{DecodeOptions, Depth, Format, Outline, Picture};

/// A JPEG with a segment in front of all others.
fn with_segment(jpeg: &[u8], marker: u8, content: &[u8]) -> Vec<u8> {
    let length = (content.len() as u16 + 2).to_be_bytes();
    [&jpeg[..2], &[0xff, marker], &length, content, &jpeg[2..]].concat()
}

/// A JPEG with other names of its channels.
fn renamed(jpeg: &[u8], names: [u8; 3]) -> Vec<u8> {
    let mut jpeg = jpeg.to_vec();
    let frame = jpeg.windows(2).position(|pair| pair == [0xff, 0xc0]).unwrap();
    let scan = jpeg.windows(2).position(|pair| pair == [0xff, 0xda]).unwrap();
    for (nth, name) in names.into_iter().enumerate() {
        (jpeg[frame + 10 + 3 * nth], jpeg[scan + 5 + 2 * nth]) = (name, name);
    }
    jpeg
}

#[test]
fn colours_of_a_jpeg_are_those_of_its_first_mark() {
    let plain = file("pictures/scans_420_interleaved.jpg");
    assert_eq!(&plain[2..11], b"\xff\xe0\0\x10JFIF\0");
    let (truth, bare) = (Picture::decode(&plain, "plain").unwrap(), [&plain[..2], &plain[20..]].concat());
    let adobe = |transform: u8| [&b"Adobe\0\x64\0\0\0\0"[..], &[transform]].concat();
    for transform in 0..=3 {
        let marked = with_segment(&plain, 0xee, &adobe(transform));
        assert_eq!(Picture::decode(&marked, "marked").unwrap().planes, truth.planes, "JFIF, Adobe {transform}");
        let marked = with_segment(&bare, 0xee, &adobe(transform));
        let is_luma = Picture::decode(&marked, "marked").unwrap().planes == truth.planes;
        assert_eq!(is_luma, transform != 0, "Adobe {transform}");
    }
    for names in [*b"RGB", [0, 1, 2], [1, 2, 3]] {
        assert_eq!(Picture::decode(&renamed(&plain, names), "names").unwrap().planes, truth.planes, "JFIF, {names:?}");
        let is_luma = Picture::decode(&renamed(&bare, names), "names").unwrap().planes == truth.planes;
        assert_eq!(is_luma, names != *b"RGB", "{names:?}");
        let marked = with_segment(&renamed(&bare, names), 0xee, &adobe(1));
        assert_eq!(Picture::decode(&marked, "both").unwrap().planes, truth.planes, "Adobe, {names:?}");
    }
}

#[test]
fn a_jpeg_may_say_its_height_behind_the_scan() {
    let plain = file("pictures/scans_420_interleaved.jpg");
    let truth = Picture::decode(&plain, "plain").unwrap();
    let frame = plain.windows(2).position(|pair| pair == [0xff, 0xc0]).unwrap();
    let mut late = plain.clone();
    late[frame + 5..frame + 7].fill(0);
    let lines = [&[0xff, 0xdc, 0, 4], &plain[frame + 5..frame + 7]].concat();
    late.splice(late.len() - 2..late.len() - 2, lines);
    assert_eq!(Picture::decode(&late, "late").unwrap().planes, truth.planes);
}

#[test]
fn kinds_of_jpeg_are_told_apart() {
    let truth = DecodeOptions::truth();
    // With less detail than there could be, and whole.
    let part = Picture::decode_with(&file("odd/j_prog_part.jpg"), "part.jpg", &truth).unwrap();
    assert!(part.warnings.is_empty(), "{:?}", part.warnings);
    // One that was begun more finely, cut between its scans.
    let fine = file("kinds/scans_2x2.progressive.jpg");
    let scans: Vec<usize> = (0..fine.len() - 1).filter(|&at| fine[at..at + 2] == [0xff, 0xda]).collect();
    let cut = [&fine[..scans[scans.len() - 1]], &[0xff, 0xd9]].concat();
    let read = told(&cut, "cut short");
    assert!(!read.warnings[0].contains("lower part"), "{:?}", read.warnings);
    no_truth(&cut, "cut short");
    refused(&file("odd/k_two.jpg"), &["two channels", "first"]);
    refused(&file("odd/j_ls.jpg"), &["JPEG-LS", "first"]);
    told(&file("odd/j_ycck.jpg"), "CMYK colours were converted without a profile");
    let plain = file("pictures/scans_420_interleaved.jpg");
    let packet = [&b"http://ns.adobe.com/xmp/extension/\0"[..], &[b'0'; 40], &[b'x'; 3000]].concat();
    told(&with_segment(&plain, 0xe1, &packet), "XMP packet beyond 64 KiB (3 KiB)");
}

#[test]
fn jpeg_inside_a_tiff_is_looked_through_as_any_other() {
    let whole = file("odd/y_jpeg.tif");
    assert!(Picture::decode_with(&whole, "whole", &DecodeOptions::truth()).unwrap().warnings.is_empty());
    for (name, words) in [("y_half_jpeg", "cut short"), ("y_half_jpegt", "cut short"), ("y_zeroed_jpeg", "the file is")]
    {
        let bytes = file(&format!("odd/{name}.tif"));
        told(&bytes, words);
        no_truth(&bytes, words);
    }
    refused(&file("odd/t_jpeg12.tif"), &["12-bit", "first"]);
}

/// Fields of a TIFF directory: tag and values, of 16 bits unless one is larger; fractions have two values each.
type Fields<'a> = &'a [(u16, &'a [u32])];

const FRACTIONS: [u16; 1] = [529];

/// A TIFF of one directory behind its pixels, which begin at 8.
fn tiff(pixels: &[u8], fields: Fields) -> Vec<u8> {
    let mut file = b"II*\0\0\0\0\0".to_vec();
    file.extend(pixels);
    let mut fields = fields.to_vec();
    fields.sort_by_key(|(tag, _)| *tag);
    let mut entries = Vec::new();
    for (tag, values) in fields {
        let fraction = FRACTIONS.contains(&tag);
        let long = fraction || values.iter().any(|&value| value > 65_535);
        let mut content: Vec<u8> = values
            .iter()
            .flat_map(|value| if long { value.to_le_bytes().to_vec() } else { (*value as u16).to_le_bytes().to_vec() })
            .collect();
        let count = values.len() / if fraction { 2 } else { 1 };
        if content.len() > 4 {
            let at = file.len() as u32;
            file.extend(content);
            content = at.to_le_bytes().to_vec();
        }
        content.resize(4, 0);
        let kind: u16 = if fraction {
            5
        } else if long {
            4
        } else {
            3
        };
        entries.extend([&tag.to_le_bytes()[..], &kind.to_le_bytes(), &(count as u32).to_le_bytes(), &content].concat());
    }
    let at = file.len() as u32;
    file[4..8].copy_from_slice(&at.to_le_bytes());
    file.extend(((entries.len() / 12) as u16).to_le_bytes());
    file.extend(entries);
    file.extend([0; 4]);
    file
}

/// Fields of a picture of 8 bits in one strip, with others.
fn fields<'a>(size: &'a [[u32; 1]; 2], samples: &'a [u32], more: Fields<'a>) -> Vec<(u16, &'a [u32])> {
    let mut fields: Vec<(u16, &[u32])> =
        vec![(256, &size[0]), (257, &size[1]), (258, &[8]), (259, &[1]), (273, &[8]), (277, samples)];
    for &(tag, values) in more {
        fields.retain(|(other, _)| *other != tag);
        fields.push((tag, values));
    }
    fields
}

fn plane(picture: &Picture, channel: usize) -> Vec<f32> {
    picture.planes.iter().chain(&picture.alpha).nth(channel).unwrap().data.clone()
}

#[test]
fn samples_of_a_tiff_are_what_it_says() {
    let (size, three) = ([[2], [1]], [0, 0, 0, 200, 100, 50]);
    refused(&tiff(&three, &fields(&size, &[3], &[])), &["nothing of its colours", "first"]);
    refused(&tiff(&three, &fields(&size, &[1], &[(262, &[3]), (258, &[16])])), &["16 bits", "first"]);
    for bits in [[1], [4]] {
        let file = tiff(&three, &fields(&size, &[1], &[(262, &[1]), (258, &bits), (259, &[5]), (317, &[2])]));
        refused(&file, &["predictor 2", "first"]);
    }
    // Luma of BT.709, by libtiff's formula.
    let (red, green, blue) = (0.2126, 0.7152, 0.0722);
    let [r, g, b] = [180.0, 60.0, 220.0];
    let y: f64 = red * r + green * g + blue * b;
    let (cb, cr) = ((b - y) / (2.0 - 2.0 * blue) + 128.0, (r - y) / (2.0 - 2.0 * red) + 128.0);
    let pixels = [y, cb, cr].map(|value| value.round() as u8);
    let weights = [2126, 10_000, 7152, 10_000, 722, 10_000];
    let size = [[1], [1]];
    let read =
        Picture::decode(&tiff(&pixels, &fields(&size, &[3], &[(262, &[6]), (530, &[1, 1]), (529, &weights)])), "709")
            .unwrap();
    for (channel, truth) in [r, g, b].into_iter().enumerate() {
        let value = f64::from(plane(&read, channel)[0]);
        assert!((value - truth).abs() <= 2.0, "{channel}: {value} for {truth}");
    }
    // Opacity is the second of two channels more.
    let read =
        Picture::decode(&tiff(&[1, 2, 3, 4, 5], &fields(&size, &[5], &[(262, &[2]), (338, &[0, 2])])), "5").unwrap();
    assert_eq!((plane(&read, 2), plane(&read, 3)), (vec![3.0], vec![5.0]));
    assert!(read.warnings.len() == 1 && read.warnings[0].starts_with("1 of its channels"), "{:?}", read.warnings);
    let read = Picture::open(format!("{FIXTURES}/odd/t_rgb_5ch_b.tif")).unwrap();
    assert!(read.alpha.is_some() && read.warnings[0].starts_with("1 of its channels"), "{:?}", read.warnings);
    told(&file("odd/t_mask_page.tif"), "transparency mask");
}

#[test]
fn bits_that_strips_share_are_turned_round_once() {
    let row = [0b1010_0000u8, 0b0000_1111];
    let reversed = row.map(u8::reverse_bits);
    let size = [[2], [3]];
    let more: Fields = &[(262, &[1]), (266, &[2]), (278, &[1]), (273, &[8, 8, 8]), (279, &[2, 2, 2])];
    let read = Picture::decode(&tiff(&reversed, &fields(&size, &[1], more)), "shared").unwrap();
    assert_eq!(plane(&read, 0), row.map(f32::from).repeat(3));
}

#[test]
fn a_tiff_is_outlined_by_the_picture_that_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let thumbnail = "odd/t_thumb_first.tif";
    let (size, one) = ([[40], [30]], vec![7; 40 * 30 * 5]);
    let colours: Vec<u32> = (0..768).map(|value| value * 80).collect();
    let kinds: [(&str, Vec<u8>); 6] = [
        ("thumbnail", file(thumbnail)),
        ("jpeg", file("odd/y_jpeg.tif")),
        ("palette", tiff(&one, &fields(&size, &[1], &[(262, &[3]), (320, &colours)]))),
        ("ga16", tiff(&one, &fields(&size, &[2], &[(262, &[1]), (258, &[16, 16]), (338, &[2])]))),
        ("12", tiff(&one, &fields(&size, &[1], &[(262, &[1]), (258, &[12])]))),
        ("cmyka", tiff(&one, &fields(&size, &[5], &[(262, &[5]), (338, &[2])]))),
    ];
    for (name, bytes) in kinds {
        let path = folder.path().join(name);
        fs::write(&path, &bytes).unwrap();
        let outline = Outline::open(&path, &DecodeOptions::default()).unwrap().expect(name);
        let read = Picture::open(&path).unwrap();
        assert_eq!([outline.width, outline.height], [read.width(), read.height()], "{name}");
        let channels = read.planes.len() + usize::from(read.alpha.is_some());
        // All its colours may be grey.
        assert!(outline.channels == channels || name == "palette", "{name}: {} for {channels}", outline.channels);
        assert_eq!(outline.sample, if read.depth == Depth::Sixteen { 2 } else { 1 }, "{name}");
        // With less than it says nothing is begun.
        let little = DecodeOptions { max_memory: outline.decoding - 1, ..DecodeOptions::default() };
        let error = Picture::decode_with(&bytes, name, &little).unwrap_err().to_string();
        assert!(error.contains("MiB to decode"), "{name}: {error}");
    }
    let truth = Picture::open(format!("{FIXTURES}/odd/t_thumb_second.tif")).unwrap();
    assert_eq!(Picture::open(format!("{FIXTURES}/{thumbnail}")).unwrap().planes, truth.planes);
}

#[test]
fn opacity_counts_where_it_stands_in_a_webp() {
    let bare = file("odd/v_alph_noflag.webp");
    let mut flagged = bare.clone();
    flagged[20] |= 0x10;
    let (bare, flagged) = (Picture::decode(&bare, "bare").unwrap(), Picture::decode(&flagged, "flagged").unwrap());
    assert!(bare.alpha.is_some() && bare == flagged);
}

#[test]
fn headers_of_bmp() {
    let truth = gradient(3);
    let plain = truth.encode(Format::Bmp, 90).unwrap();
    assert_eq!(plain[14], 40);
    let number = |at: usize| u32::from_le_bytes(plain[at..at + 4].try_into().unwrap());
    for size in [16, 48, 64u32] {
        let mut header = plain[14..54].to_vec();
        header.resize(size as usize, 0);
        header[..4].copy_from_slice(&size.to_le_bytes());
        let mut bytes = [&plain[..14], &header, &plain[54..]].concat();
        bytes[10..14].copy_from_slice(&(number(10) + size - 40).to_le_bytes());
        assert_eq!(Picture::decode(&bytes, "os2").unwrap().planes, truth.planes, "{size}");
    }
    // Windows CE's masks with opacity.
    let mut masks = plain[..54].to_vec();
    (masks[28], masks[30], masks[18], masks[22]) = (32, 6, 1, 1);
    masks[10..14].copy_from_slice(&70u32.to_le_bytes());
    masks.extend([0xff_0000u32, 0xff00, 0xff, 0xff00_0000, 0x80c8_0a05].into_iter().flat_map(u32::to_le_bytes));
    let read = Picture::decode(&masks, "masks").unwrap();
    assert_eq!([0, 1, 2, 3].map(|channel| plane(&read, channel)[0]), [200.0, 10.0, 5.0, 128.0]);
    for (compression, words) in [(4, "JPEG inside"), (5, "PNG inside")] {
        let mut inside = plain.clone();
        inside[30] = compression;
        refused(&inside, &[words, "first"]);
    }
    let mut icc = vec![0; 200];
    icc[16..20].copy_from_slice(b"RGB ");
    let mut five = plain[14..54].to_vec();
    five.resize(124, 0);
    five[..4].copy_from_slice(&124u32.to_le_bytes());
    five[56..60].copy_from_slice(&0x4d42_4544u32.to_le_bytes());
    let pixels = &plain[number(10) as usize..];
    five[112..116].copy_from_slice(&(124 + pixels.len() as u32).to_le_bytes());
    five[116..120].copy_from_slice(&200u32.to_le_bytes());
    let mut bytes = [&plain[..14], &five, pixels, &icc].concat();
    bytes[10..14].copy_from_slice(&138u32.to_le_bytes());
    let read = Picture::decode(&bytes, "v5").unwrap();
    assert_eq!((read.planes, read.metadata.icc), (truth.planes, Some(icc)));
}

#[test]
fn netpbm_as_people_write_it() {
    let read = Picture::decode(b"P3 2 1 255\n1 2 3 # first\n4 5 6 # second\n", "commented").unwrap();
    assert_eq!([0, 1, 2].map(|channel| plane(&read, channel)), [[1.0, 4.0], [2.0, 5.0], [3.0, 6.0]].map(Vec::from));
    let read = Picture::decode(b"P1 3 1\n# one\n1 0 1\n", "commented").unwrap();
    assert_eq!(plane(&read, 0), [0.0, 255.0, 0.0]);
    let two = b"P5 2 1 255\nabP5 1 1 255\nc";
    refused(two, &["several pictures", "--first-frame"]);
    let first = DecodeOptions { first_frame: true, ..DecodeOptions::default() };
    let read = Picture::decode_with(two, "two", &first).unwrap();
    assert_eq!((plane(&read, 0), read.warnings.len()), (vec![97.0, 98.0], 1));
}

#[test]
fn strangers_are_called_by_their_names() {
    let mut targa = vec![0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 45, 0, 37, 0, 24, 0];
    targa.extend([9; 45 * 37 * 3]);
    refused(&targa, &["TGA", "first"]);
    refused(b"\0\0\x01\0\x01\0\x10\x10\0\0\x01\0\x18\0", &["icon", "first"]);
    refused(b"", &["is empty"]);
}
