//! PNG: what stands beside the pixels is bounded and kept, and what is wrong with them is told.

use crate::support::pictures::{file, gradient, no_truth, refused, told};
use std::io::Write;

use flate2::Compression;
use flate2::write::ZlibEncoder;
use wgrad::internal::image::{DecodeOptions, Format, Picture};

/// A chunk of a PNG.
fn chunk(name: &[u8; 4], content: &[u8]) -> Vec<u8> {
    let checksum = crc32fast::hash(&[name, content].concat());
    [&(content.len() as u32).to_be_bytes(), &name[..], content, &checksum.to_be_bytes()].concat()
}

/// A PNG with chunks behind its header.
fn with_chunks(png: &[u8], chunks: &[Vec<u8>]) -> Vec<u8> {
    [&png[..33], &chunks.concat(), &png[33..]].concat()
}

fn packed(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn small_png(picture: &Picture) -> Vec<u8> {
    picture.encode(Format::Png, 90).unwrap()
}

#[test]
fn profiles_and_text_of_a_png_do_not_unpack_without_end() {
    let plain = small_png(&gradient(3));
    let bomb = packed(&vec![0; 60 << 20]);
    let begun = std::time::Instant::now();
    let profile = with_chunks(&plain, &[chunk(b"iCCP", &[b"bomb\0\0", &bomb[..]].concat())]);
    let read = told(&profile, "ICC profile cannot be unpacked");
    assert_eq!(read.planes, gradient(3).planes);
    let text = [&b"XML:com.adobe.xmp\0\x01\0\0\0"[..], &bomb].concat();
    let others = [chunk(b"zTXt", &[b"Raw profile type exif\0\0", &bomb[..]].concat()), chunk(b"iTXt", &text)];
    let read = Picture::decode(&with_chunks(&plain, &others), "text").unwrap();
    assert!(read.metadata.xmp.is_none() && read.metadata.exif.is_none());
    assert!(begun.elapsed().as_secs() < 20, "{:?}", begun.elapsed());
}

#[test]
fn a_png_whose_checksum_is_wrong_is_told() {
    let plain = small_png(&gradient(3));
    let at = plain.windows(4).position(|name| name == b"IDAT").unwrap();
    let length = u32::from_be_bytes(plain[at - 4..at].try_into().unwrap()) as usize;
    let pixels = &plain[at + 4..at + 4 + length];
    let with_pixels = |pixels: &[u8]| [&plain[..at - 4], &chunk(b"IDAT", pixels), &chunk(b"IEND", b"")].concat();
    let mut wrong = pixels.to_vec();
    wrong[length - 1] ^= 1;
    for bytes in [with_pixels(&wrong), with_pixels(&pixels[..length - 4])] {
        assert_eq!(told(&bytes, "the file is damaged").planes, gradient(3).planes);
        no_truth(&bytes, "damaged");
    }
    assert!(Picture::decode_with(&with_pixels(pixels), "whole", &DecodeOptions::truth()).unwrap().warnings.is_empty());
    let mut bytes = plain.clone();
    bytes[at + 4 + length] ^= 1;
    refused(&bytes, &["damaged", "checksum", "IDAT"]);
    refused(&[&plain[..8], &chunk(b"CgBI", &[0; 4]), &plain[8..]].concat(), &["Apple", "first"]);
    // An animation of one frame is none.
    let control = chunk(b"acTL", &[0, 0, 0, 1, 0, 0, 0, 0]);
    let frame = [&[0; 4][..], &plain[16..24], &[0; 8], &[0, 1, 0, 1, 0, 0]].concat();
    let still = with_chunks(&plain, &[control, chunk(b"fcTL", &frame)]);
    assert_eq!(Picture::decode(&still, "still").unwrap().planes, gradient(3).planes);
}

/// Text of ImageMagick's convention.
fn raw_profile(kind: &str, bytes: &[u8]) -> Vec<u8> {
    let digits: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    let text = format!("Raw profile type {kind}\0\n{kind}\n{:>8}\n{digits}\n", bytes.len());
    chunk(b"tEXt", text.as_bytes())
}

#[test]
fn what_stands_in_a_png_as_text_is_kept() {
    let plain = small_png(&gradient(3));
    let read = |chunks: &[Vec<u8>]| Picture::decode(&with_chunks(&plain, chunks), "text").unwrap();
    let mut exif = b"Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0\0\0\0\0".to_vec();
    exif.extend(b"abcdef");
    for kind in ["exif", "APP1"] {
        let turned = read(&[raw_profile(kind, &exif)]);
        assert_eq!((turned.width(), turned.height()), (7, 9), "{kind}");
        assert!(turned.metadata.exif.is_some(), "{kind}");
    }
    let segment = b"http://ns.adobe.com/xap/1.0/\0<x:xmpmeta/>";
    for (kind, bytes) in [("xmp", &segment[29..]), ("APP1", &segment[..])] {
        assert_eq!(read(&[raw_profile(kind, bytes)]).metadata.xmp.as_deref(), Some(&b"<x:xmpmeta/>"[..]), "{kind}");
    }
    let mut icc = vec![0; 200];
    icc[16..20].copy_from_slice(b"RGB ");
    for kind in ["icc", "icm"] {
        assert_eq!(read(&[raw_profile(kind, &icc)]).metadata.icc.as_ref(), Some(&icc), "{kind}");
    }
    // A profile of colours keeps a list of greys from becoming grey.
    let greys = file("grey_palette.png");
    let with = with_chunks(&greys, &[chunk(b"iCCP", &[b"p\0\0", &packed(&icc)[..]].concat())]);
    let (grey, colours) = (Picture::decode(&greys, "greys").unwrap(), Picture::decode(&with, "with").unwrap());
    assert!(grey.is_grey() && !colours.is_grey() && colours.metadata.icc == Some(icc) && colours.warnings.is_empty());
}
