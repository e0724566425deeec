//! Pictures through files: what is kept per format, what is refused, and how files appear.

use image::codecs::{gif, png};
use image::{ExtendedColorType, Frame, ImageEncoder, RgbaImage};
use std::path::Path;
use wgrad::internal::image::{DecodeOptions, Depth, Format, Metadata, Picture, Plane, SaveOptions};

const ALL: [Format; 5] = [Format::Png, Format::Jpeg, Format::WebP, Format::Tiff, Format::Bmp];

fn plane(seed: usize, step: f32) -> Plane {
    Plane::from_fn(23, 17, |x, y| (((x * 31 + y * 57 + x * y * 3 + seed * 71) % 256) as f32 + step).min(255.0))
}

fn picture(channels: usize, alpha: bool, depth: Depth) -> Picture {
    // 16-bit samples between the 8-bit ones, exact multiples of 1/257.
    let step = if depth == Depth::Sixteen { 91.0 / 257.0 } else { 0.0 };
    let alpha = alpha.then(|| plane(9, step));
    Picture { alpha, depth, ..Picture::new((0..channels).map(|k| plane(k, step)).collect()) }
}

fn profile(space: &[u8; 4]) -> Vec<u8> {
    let mut icc: Vec<u8> = (0..600u32).map(|i| (i * 7 % 251) as u8).collect();
    icc[..4].copy_from_slice(&600u32.to_be_bytes());
    icc[16..20].copy_from_slice(space);
    icc
}

/// One directory with the orientation and a software tag.
fn exif(orientation: u8) -> Vec<u8> {
    let mut block = b"II*\0\x08\0\0\0\x02\0".to_vec();
    block.extend([0x12, 0x01, 3, 0, 1, 0, 0, 0, orientation, 0, 0, 0]);
    block.extend([0x31, 0x01, 2, 0, 4, 0, 0, 0, b'a', b'b', b'c', 0]);
    block.extend([0; 4]);
    block
}

fn round_trip(picture: &Picture, format: Format) -> Picture {
    let bytes = picture.encode(format, 100).unwrap();
    Picture::decode(&bytes, "round trip").unwrap()
}

fn assert_close(a: &Picture, b: &Picture, tolerance: f32, what: &str) {
    assert_eq!(a.planes.len(), b.planes.len(), "{what}: channels");
    assert_eq!(a.alpha.is_some(), b.alpha.is_some(), "{what}: alpha");
    for (a, b) in a.planes.iter().chain(&a.alpha).zip(b.planes.iter().chain(&b.alpha)) {
        assert_eq!((a.width, a.height), (b.width, b.height), "{what}");
        let worst = a.data.iter().zip(&b.data).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        assert!(worst <= tolerance, "{what}: off by {worst}");
    }
}

#[test]
fn lossless_formats_keep_every_sample() {
    for format in [Format::Png, Format::WebP, Format::Tiff, Format::Bmp] {
        for (channels, alpha) in [(1, false), (1, true), (3, false), (3, true)] {
            let before = picture(channels, alpha, Depth::Eight);
            let after = round_trip(&before, format);
            let as_rgb = before.losses(format).iter().any(|loss| loss.contains("as RGB"));
            assert_eq!(as_rgb, after.planes.len() != channels, "{format:?} {channels} {alpha}");
            // BMP's grey is a palette of greys: it must come back as grey.
            assert!(!as_rgb || channels == 1 && (format == Format::WebP || alpha && format != Format::Png));
            let expected = if as_rgb { vec![before.planes[0].clone(); 3] } else { before.planes.clone() };
            assert_eq!((after.planes, after.alpha, after.depth), (expected, before.alpha, Depth::Eight), "{format:?}");
        }
    }
}

#[test]
fn sixteen_bits_stay_where_the_format_has_them() {
    for format in ALL {
        for (channels, alpha) in [(1, false), (3, false), (3, true), (1, true)] {
            let before = picture(channels, alpha, Depth::Sixteen);
            let after = round_trip(&before, format);
            if [Format::Png, Format::Tiff].contains(&format) {
                assert_eq!(after.depth, Depth::Sixteen);
                assert_eq!((&after.planes[0], &after.alpha), (&before.planes[0], &before.alpha), "{format:?}");
            } else {
                assert_eq!(after.depth, Depth::Eight);
                assert!(before.losses(format).iter().any(|loss| loss.contains("16 bits")), "{format:?}");
            }
        }
    }
}

#[test]
fn jpeg_keeps_grey_and_is_composed_over_white() {
    let smooth = |k: usize| Plane::from_fn(40, 24, |x, y| (60 + 3 * x + 2 * y + 10 * k) as f32);
    for channels in [1, 3] {
        let opaque = Picture::new((0..channels).map(smooth).collect());
        assert!(opaque.losses(Format::Jpeg).is_empty());
        assert_close(&round_trip(&opaque, Format::Jpeg), &opaque, 4.0, "opaque");
        let clear = Picture { alpha: Some(Plane::filled(40, 24, 0.0)), ..opaque.clone() };
        assert_eq!(clear.losses(Format::Jpeg).len(), 1);
        let white = Picture::new(vec![Plane::filled(40, 24, 255.0); channels]);
        assert_close(&round_trip(&clear, Format::Jpeg), &white, 1.0, "transparent");
    }
}

#[test]
fn profile_and_exif_are_kept_or_their_loss_is_told() {
    for format in ALL {
        let mut before = picture(3, false, Depth::Eight);
        (before.metadata.icc, before.metadata.exif) = (Some(profile(b"RGB ")), Some(exif(1)));
        let after = round_trip(&before, format);
        let losses = before.losses(format).join("; ");
        assert_eq!(after.metadata.icc.is_none(), losses.contains("ICC"), "{format:?}: {losses}");
        assert_eq!(after.metadata.exif.is_none(), losses.contains("EXIF"), "{format:?}: {losses}");
        assert_eq!(losses.is_empty(), format != Format::Bmp, "{losses}");
        assert!(after.metadata.icc.is_none() || after.metadata.icc == before.metadata.icc);
        // TIFF has the same fields as directories of its own.
        let kept = after.metadata.exif == before.metadata.exif || format == Format::Tiff;
        assert!(after.metadata.exif.is_none() || kept);
    }
}

#[test]
fn grey_profiles_stay_with_grey_and_strangers_are_left_out() {
    let mut grey = picture(1, false, Depth::Eight);
    grey.metadata.icc = Some(profile(b"GRAY"));
    assert_eq!(round_trip(&grey, Format::Png).metadata.icc, grey.metadata.icc);
    assert!(grey.losses(Format::WebP).iter().any(|loss| loss.contains("ICC")));
    assert_eq!(round_trip(&grey, Format::WebP).metadata.icc, None);
    let mut colour = picture(3, false, Depth::Eight);
    colour.metadata.icc = Some(profile(b"CMYK"));
    let after = round_trip(&colour, Format::Jpeg);
    assert_eq!(after.metadata.icc, None);
    assert!(after.warnings[0].contains("CMYK"), "{:?}", after.warnings);
}

#[test]
fn orientation_is_applied_and_reset() {
    let before =
        Picture { metadata: Metadata { exif: Some(exif(1)), ..Metadata::default() }, ..picture(1, true, Depth::Eight) };
    let (width, height) = (before.width(), before.height());
    for orientation in 1..=8u8 {
        let tagged =
            Picture { metadata: Metadata { exif: Some(exif(orientation)), ..Metadata::default() }, ..before.clone() };
        let after = round_trip(&tagged, Format::Png);
        assert_eq!(
            after.metadata.exif, before.metadata.exif,
            "orientation {orientation}: the tag is 1, the rest stays"
        );
        // EXIF 2.3, 4.6.4 A: what row 0 and column 0 of the stored picture are.
        let source = |x: usize, y: usize| match orientation {
            1 => (x, y),
            2 => (width - 1 - x, y),
            3 => (width - 1 - x, height - 1 - y),
            4 => (x, height - 1 - y),
            5 => (y, x),
            6 => (y, height - 1 - x),
            7 => (width - 1 - y, height - 1 - x),
            _ => (width - 1 - y, x),
        };
        let (w, h) = if orientation < 5 { (width, height) } else { (height, width) };
        let turned = before.map(|plane| {
            Plane::from_fn(w, h, |x, y| {
                let (x, y) = source(x, y);
                plane.at(x, y)
            })
        });
        assert_eq!(after, turned, "orientation {orientation}");
    }
    // JPEG's marker before the block, as some writers of WebP put it.
    let mut marked = b"Exif\0\0".to_vec();
    marked.extend(exif(3));
    let after = round_trip(
        &Picture {
            metadata: Metadata { exif: Some(marked), ..Metadata::default() },
            ..picture(3, false, Depth::Eight)
        },
        Format::WebP,
    );
    assert_eq!(after.metadata.exif, Some(exif(1)));
    assert_eq!(after.planes[1].at(0, 0), plane(1, 0.0).at(22, 16));
}

#[test]
fn palettes_are_grey_only_if_every_used_colour_is() {
    // 8x1 BMP of 8 bits: header, 256 entries, indices. Entry 3 is red, the others grey.
    let bmp = |indices: [u8; 8]| {
        let mut file = b"BM".to_vec();
        file.extend([0, 0, 0, 0, 0, 0, 0, 0]);
        file.extend(1078u32.to_le_bytes());
        for field in [40u32, 8, 1, 1 | 8 << 16, 0, 8, 0, 0, 256, 0] {
            file.extend(field.to_le_bytes());
        }
        for i in 0..=255u8 {
            file.extend(if i == 3 { [0, 0, 255, 0] } else { [i, i, i, 0] });
        }
        file.extend(indices);
        Picture::decode(&file, "palette.bmp").unwrap()
    };
    let grey = bmp([0, 1, 2, 4, 5, 6, 7, 255]);
    assert!(grey.is_grey());
    assert_eq!(grey.planes[0].data, [0.0, 1.0, 2.0, 4.0, 5.0, 6.0, 7.0, 255.0]);
    let colour = bmp([0, 1, 2, 3, 5, 6, 7, 255]);
    assert_eq!((colour.planes.len(), colour.planes[0].at(3, 0), colour.planes[1].at(3, 0)), (3, 255.0, 0.0));

    // An indexed PNG made by the `fixtures` note's program: greys 10, 90, 200 of a palette that also holds blue.
    let indexed = Picture::open("tests/fixtures/grey_palette.png").unwrap();
    assert!(indexed.is_grey() && indexed.alpha.is_none());
    assert_eq!(indexed.planes[0].data[..3], [10.0, 90.0, 200.0]);
    // RGB with equal channels is colour.
    let equal = Picture::new(vec![plane(0, 0.0); 3]);
    for format in [Format::Png, Format::WebP, Format::Tiff, Format::Bmp, Format::Jpeg] {
        assert_eq!(round_trip(&equal, format).planes.len(), 3, "{format:?}");
    }
}

#[test]
fn netpbm_is_read() {
    let grey = Picture::decode(b"P5 2 2 255\n\x00\x10\x80\xff", "a.pgm").unwrap();
    assert_eq!((grey.planes[0].data.as_slice(), grey.depth), ([0.0, 16.0, 128.0, 255.0].as_slice(), Depth::Eight));
    let colour = Picture::decode(b"P6 1 1 65535\n\x00\x00\x80\x80\xff\xff", "a.ppm").unwrap();
    assert_eq!(colour.depth, Depth::Sixteen);
    assert_eq!([0, 1, 2].map(|k| colour.planes[k].data[0]), [0.0, 128.0, 255.0]);
}

fn gif_of(frames: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut encoder = gif::GifEncoder::new(&mut bytes);
    for k in 0..frames {
        let frame = RgbaImage::from_fn(6, 5, |x, y| image::Rgba([(40 * k) as u8, (x * 40) as u8, (y * 50) as u8, 255]));
        encoder.encode_frame(Frame::new(frame)).unwrap();
    }
    drop(encoder);
    bytes
}

#[test]
fn animations_are_refused_unless_the_first_frame_will_do() {
    let still = Picture::decode(&gif_of(1), "still.gif").unwrap();
    assert!(still.warnings.is_empty() && still.alpha.is_none() && still.planes.len() == 3);
    let error = Picture::decode(&gif_of(3), "moving.gif").unwrap_err().to_string();
    assert!(error.contains("moving.gif") && error.contains("animation"), "{error}");
    let options = DecodeOptions { first_frame: true, ..DecodeOptions::default() };
    let first = Picture::decode_with(&gif_of(3), "moving.gif", &options).unwrap();
    assert_eq!((first.planes, first.warnings.len()), (still.planes, 1));
    for file in ["tests/fixtures/animated.png", "tests/fixtures/animated.webp"] {
        let error = Picture::open(file).unwrap_err().to_string();
        assert!(error.contains(file) && error.contains("animation"), "{error}");
        assert_eq!(Picture::open_with(file, &options).unwrap().warnings.len(), 1);
    }
}

#[test]
fn bombs_damage_and_strangers_are_errors_that_name_the_file() {
    let mut bytes = Vec::new();
    png::PngEncoder::new(&mut bytes).write_image(&[0; 4000 * 10], 4000, 10, ExtendedColorType::L8).unwrap();
    let options = DecodeOptions { max_pixels: 39_999, ..DecodeOptions::default() };
    let error = Picture::decode_with(&bytes, "bomb.png", &options).unwrap_err().to_string();
    assert!(error.contains("bomb.png") && error.contains("39999"), "{error}");
    let enormous = Picture::decode(b"P5 60000 60000 255\n", "bomb.pgm").unwrap_err().to_string();
    assert!(enormous.contains("bomb.pgm") && enormous.contains("60000x60000"), "{enormous}");
    let whole = picture(3, false, Depth::Eight);
    for format in [Format::Png, Format::WebP, Format::Tiff, Format::Bmp] {
        let bytes = whole.encode(format, 90).unwrap();
        let error = Picture::decode(&bytes[..bytes.len() * 2 / 3], "cut").unwrap_err().to_string();
        assert!(error.starts_with("cut: "), "{format:?}: {error}");
    }
    // JPEG's decoder goes on without the rest; then the picture says so.
    let jpeg = Picture::new(vec![plane(1, 0.0); 3]).encode(Format::Jpeg, 90).unwrap();
    assert!(Picture::decode(&jpeg, "whole").unwrap().warnings.is_empty());
    let cut = Picture::decode(&jpeg[..jpeg.len() * 9 / 10], "cut");
    assert!(cut.map_or(true, |picture| picture.warnings[0].contains("cut short")));
    let text = Picture::decode(b"not a picture at all", "notes.txt").unwrap_err().to_string();
    assert!(text.contains("notes.txt") && text.contains("PNG"), "{text}");
    let missing = Picture::open("no/such/file.png").unwrap_err().to_string();
    assert!(missing.contains("file.png"), "{missing}");
}

#[test]
fn numbers_that_are_none_and_impossible_sizes_are_not_written() {
    let mut bad = picture(3, true, Depth::Eight);
    bad.alpha.as_mut().unwrap().data[3] = f32::NAN;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("black.png");
    let error = bad.save(&path, &SaveOptions::default()).unwrap_err();
    assert!(matches!(&error, wgrad::Error::NonFinite(message) if message.contains("black.png")), "{error}");
    assert!(!path.exists());
    let long = Picture::new(vec![Plane::filled(16_384, 1, 0.0)]);
    assert!(long.encode(Format::WebP, 90).unwrap_err().to_string().contains("png"));
    assert!(long.encode(Format::Jpeg, 0).is_err() && long.encode(Format::Png, 90).is_ok());
    let over = Picture::new(vec![Plane::new(3, 1, vec![-20.0, 254.5, 300.0])]);
    assert_eq!(round_trip(&over, Format::Png).planes[0].data, [0.0, 255.0, 255.0]);
}

#[test]
fn saving_appears_by_rename_and_refuses_to_overwrite() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("Bild ä 図.PNG");
    let (first, second) = (picture(1, false, Depth::Eight), picture(3, true, Depth::Sixteen));
    assert!(first.save(&path, &SaveOptions::default()).unwrap().is_empty());
    let error = second.save(&path, &SaveOptions::default()).unwrap_err().to_string();
    assert!(error.contains("Bild ä 図.PNG") && error.contains("--overwrite"), "{error}");
    assert_eq!(Picture::open(&path).unwrap(), first);
    second.save(&path, &SaveOptions { overwrite: true, ..SaveOptions::default() }).unwrap();
    assert_eq!(Picture::open(&path).unwrap(), second);
    let jpeg = folder.path().join("no extension");
    assert!(first.save(&jpeg, &SaveOptions::default()).unwrap_err().to_string().contains("no extension"));
    let options = SaveOptions { format: Some(Format::Jpeg), ..SaveOptions::default() };
    assert_eq!(second.save(&jpeg, &options).unwrap().len(), 2);
    assert!(first.save(folder.path().join("absent/a.png"), &SaveOptions::default()).is_err());
    let names: Vec<_> = std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names.len(), 2, "no temporary file stays: {names:?}");
}

#[cfg(unix)]
#[test]
fn names_need_not_be_utf8_and_permissions_are_those_of_new_files() {
    use std::os::unix::{ffi::OsStrExt, fs::PermissionsExt};
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(std::ffi::OsStr::from_bytes(b"caf\xe9.png"));
    picture(1, false, Depth::Eight).save(&path, &SaveOptions::default()).unwrap();
    assert!(Picture::open(&path).is_ok());
    let plain = folder.path().join("plain");
    std::fs::write(&plain, b"").unwrap();
    let mode = |path: &Path| path.metadata().unwrap().permissions().mode();
    assert_eq!(mode(&path), mode(&plain));
}
