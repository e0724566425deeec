//! `wgrad upscale`: what pictures keep, where they go, and how it refuses.

use crate::support::cli::{Run, enlarger, tree, wgrad, with_input};
use image::{ColorType, DynamicImage, ImageFormat};
use std::fs;
use std::path::Path;
use tempfile::tempdir;

fn picture(path: &Path, colour: ColorType) {
    let (width, height) = (23, 17);
    let value = |x: u32, y: u32, c: u32| ((x * 11 + y * 7 + c * 60) % 256) as u8;
    let rgba = image::RgbaImage::from_fn(width, height, |x, y| {
        image::Rgba([value(x, y, 0), value(x, y, 1), value(x, y, 2), if x < 9 { 0 } else { 255 }])
    });
    let image = DynamicImage::ImageRgba8(rgba);
    let image = match colour {
        ColorType::L8 => image.to_luma8().into(),
        ColorType::La8 => image.to_luma_alpha8().into(),
        ColorType::Rgb8 => image.to_rgb8().into(),
        ColorType::L16 => image.to_luma16().into(),
        ColorType::Rgb16 => image.to_rgb16().into(),
        ColorType::Rgba16 => image.to_rgba16().into(),
        _ => image,
    };
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    image.save(path).unwrap();
}

/// Runs `upscale` with the model of the folder.
fn upscale(folder: &Path, arguments: &[&str]) -> Run {
    wgrad(folder, ["upscale", "-m", "model/best.safetensors"].iter().chain(arguments))
}

#[test]
fn grey_alpha_and_sixteen_bits_stay() {
    let folder = tempdir().unwrap();
    enlarger(folder.path());
    let kinds = [
        ColorType::L8,
        ColorType::La8,
        ColorType::Rgb8,
        ColorType::Rgba8,
        ColorType::L16,
        ColorType::Rgb16,
        ColorType::Rgba16,
    ];
    for (i, kind) in kinds.into_iter().enumerate() {
        picture(&folder.path().join(format!("in/{i}.png")), kind);
    }
    upscale(folder.path(), &["in"]).expect(0);
    for (i, kind) in kinds.into_iter().enumerate() {
        let large = image::open(folder.path().join(format!("in/{i}_x2.png"))).unwrap();
        assert_eq!((large.color(), large.width(), large.height()), (kind, 46, 34));
    }
    // Results are no inputs the next time.
    upscale(folder.path(), &["in", "--skip-existing"]).expect(0);
    assert_eq!(tree(&folder.path().join("in")).len(), 2 * kinds.len());
}

#[test]
fn tiles_do_not_show() {
    let folder = tempdir().unwrap();
    enlarger(folder.path());
    picture(&folder.path().join("a.png"), ColorType::Rgba8);
    upscale(folder.path(), &["a.png", "-o", "whole.png"]).expect(0);
    upscale(folder.path(), &["a.png", "-o", "tiled.png", "--tile", "9"]).expect(0);
    let read = |name: &str| fs::read(folder.path().join(name)).unwrap();
    assert!(read("whole.png") == read("tiled.png"));
    upscale(folder.path(), &["a.png", "-o", "no.png", "--tile", "2"]).expect(2).mentions(&["--tile 2"]);
}

#[test]
fn any_size_from_one_to_sixteen_times() {
    let folder = tempdir().unwrap();
    enlarger(folder.path());
    picture(&folder.path().join("a.png"), ColorType::Rgba8);
    let cases: [(&[&str], &str, (u32, u32)); 5] = [
        (&["-s", "1.5"], "a_x1.5.png", (35, 26)),
        (&["-s", "3"], "a_x3.png", (69, 51)),
        (&["--width", "100"], "a_w100.png", (100, 74)),
        (&["--height", "34"], "a_h34.png", (46, 34)),
        (&["--fit", "1000x51"], "a_1000x51.png", (69, 51)),
    ];
    for (arguments, name, size) in cases {
        upscale(folder.path(), &[&["a.png"], arguments].concat()).expect(0);
        assert_eq!(image::image_dimensions(folder.path().join(name)).unwrap(), size, "{arguments:?}");
    }
    upscale(folder.path(), &["a.png", "--width", "20"]).expect(1).mentions(&["a.png", "1 to 16"]);
    let run = upscale(folder.path(), &["a.png", "-o", "b.png", "--max-memory", "10"]).expect(1);
    run.mentions(&["a.png", "MiB", "--max-memory"]);
    assert!(!folder.path().join("b.png").exists());
}

#[test]
fn folders_keep_their_tree_only_when_asked() {
    let folder = tempdir().unwrap();
    enlarger(folder.path());
    for name in ["top.png", "one/a.jpg", "one/two/b.bmp"] {
        picture(&folder.path().join("in").join(name), ColorType::Rgb8);
    }
    upscale(folder.path(), &["in", "-r", "-o", "out"]).expect(0);
    assert_eq!(tree(&folder.path().join("out")), ["one/a.jpg", "one/two/b.bmp", "top.png"]);
    upscale(folder.path(), &["in", "-o", "flat"]).expect(0);
    assert_eq!(tree(&folder.path().join("flat")), ["top.png"]);
    upscale(folder.path(), &["in", "-r", "-o", "webp", "--format", "webp"]).expect(0);
    assert_eq!(tree(&folder.path().join("webp")), ["one/a.webp", "one/two/b.webp", "top.webp"]);
}

#[test]
fn nothing_is_overwritten_unasked() {
    let folder = tempdir().unwrap();
    enlarger(folder.path());
    picture(&folder.path().join("a.png"), ColorType::L8);
    fs::write(folder.path().join("a_x2.png"), "mine").unwrap();
    let kept = || fs::read(folder.path().join("a_x2.png")).unwrap() == b"mine";
    upscale(folder.path(), &["a.png"]).expect(2).says(&["a_x2.png", "--overwrite"]);
    assert!(kept());
    upscale(folder.path(), &["a.png", "--skip-existing"]).expect(0);
    assert!(kept());
    upscale(folder.path(), &["a.png", "--overwrite"]).expect(0);
    assert!(!kept());
    picture(&folder.path().join("b/a.png"), ColorType::L8);
    upscale(folder.path(), &["a.png", "b/a.png", "-o", "out"]).expect(2).mentions(&["out/a.png", "both"]);
}

#[test]
fn a_device_without_matrix_units_says_so_and_works_in_f32() {
    let folder = tempdir().unwrap();
    enlarger(folder.path());
    picture(&folder.path().join("in.png"), ColorType::Rgb8);
    let asked = ["in.png", "-o", "mixed.png", "--device", "cpu", "--precision", "f16"];
    upscale(folder.path(), &asked).expect(0).mentions(&["f32 only", "using f32"]);
    upscale(folder.path(), &["in.png", "-o", "plain.png", "--device", "cpu"]).expect(0);
    assert_eq!(fs::read(folder.path().join("mixed.png")).unwrap(), fs::read(folder.path().join("plain.png")).unwrap());
    upscale(folder.path(), &["in.png", "-o", "no.png", "--precision", "f8"]).expect(2);
}

#[test]
fn streams_take_and_give_one_picture() {
    let folder = tempdir().unwrap();
    enlarger(folder.path());
    let path = folder.path().join("a.png");
    picture(&path, ColorType::Rgb8);
    upscale(folder.path(), &["a.png"]).expect(0);
    let arguments = ["upscale", "-", "-m", "model/best.safetensors"];
    let run = with_input(folder.path(), arguments, &fs::read(&path).unwrap()).expect(0);
    assert!(run.bytes == fs::read(folder.path().join("a_x2.png")).unwrap());
    let run = upscale(folder.path(), &["a.png", "-o", "-", "--format", "jpg"]).expect(0);
    assert_eq!(image::guess_format(&run.bytes).unwrap(), ImageFormat::Jpeg);
    with_input(folder.path(), arguments, b"no picture").expect(1).mentions(&["standard input"]);
    upscale(folder.path(), &["-", "a.png"]).expect(2).says(&["-"]);
}

#[test]
fn what_does_not_fit_is_refused_before_any_work() {
    let folder = tempdir().unwrap();
    enlarger(folder.path());
    picture(&folder.path().join("a.png"), ColorType::L8);
    let before = tree(folder.path());
    for size in [["-s", "17"], ["-s", "0.5"], ["-s", "NaN"], ["--fit", "9"], ["--width", "0"]] {
        upscale(folder.path(), &["a.png", size[0], size[1]]).expect(2).mentions(&[size[0]]);
    }
    upscale(folder.path(), &["none.png"]).expect(2).says(&["none.png"]);
    upscale(folder.path(), &["none.png", "nor.png"]).expect(2).mentions(&["none.png", "nor.png"]);
    upscale(folder.path(), &["a.png", "-o", "a.png/out/"]).expect(2).says(&["a.png/out"]);
    upscale(folder.path(), &["a.png", "-o", "a.txt"]).expect(2).says(&["a.txt"]);
    wgrad(folder.path(), ["upscale", "a.png", "-m", "nonesuch"]).expect(2).says(&["nonesuch"]);
    wgrad(folder.path(), ["upscale", "a.png", "-m", "none.safetensors"]).expect(2).says(&["none.safetensors"]);
    wgrad(folder.path(), ["upscale", "a.png", "-m", "./a.png"]).expect(2).says(&["a.png", "safetensors"]);
    let missing = ["upscale", "a.png", "-m", "model/best.safetensors", "--device", "no such device"];
    let run = crate::support::cli::wgrad_bare(folder.path(), missing).expect(3);
    run.mentions(&["no such device"]);
    assert_eq!(tree(folder.path()), before);
}

#[test]
fn one_that_fails_does_not_stop_the_others() {
    let folder = tempdir().unwrap();
    enlarger(folder.path());
    picture(&folder.path().join("in/b.png"), ColorType::L8);
    fs::write(folder.path().join("in/a.png"), "no picture").unwrap();
    let run = upscale(folder.path(), &["in", "none.png", "-o", "out", "--progress", "json"]).expect(1);
    let events: Vec<serde_json::Value> = run.stderr.lines().map(|l| serde_json::from_str(l).unwrap()).collect();
    let last = events.last().unwrap();
    assert_eq!((last["event"].as_str(), last["written"].as_u64()), (Some("done"), Some(1)));
    assert_eq!(last["failed"].as_u64(), Some(2));
    let device = |kind: &str| events.iter().find(|event| event["event"] == kind).unwrap()["device"].as_str().unwrap();
    assert!(
        device("file").starts_with("CPU") && device("file") == device("device"),
        "the event names what made the file"
    );
    assert_eq!(tree(&folder.path().join("out")), ["b.png"]);
}

#[test]
fn losses_are_told_and_animations_refused() {
    let folder = tempdir().unwrap();
    enlarger(folder.path());
    picture(&folder.path().join("a.png"), ColorType::Rgba8);
    upscale(folder.path(), &["a.png", "--format", "jpg"]).expect(0).mentions(&["a.png: ", "transparen"]);
    let mut gif = Vec::new();
    let mut encoder = image::codecs::gif::GifEncoder::new(&mut gif);
    for value in [0, 200] {
        let frame = image::RgbaImage::from_pixel(12, 12, image::Rgba([value, 0, 0, 255]));
        encoder.encode_frame(image::Frame::new(frame)).unwrap();
    }
    drop(encoder);
    fs::write(folder.path().join("moving.gif"), gif).unwrap();
    upscale(folder.path(), &["moving.gif"]).expect(1).mentions(&["moving.gif", "animation"]);
    upscale(folder.path(), &["moving.gif", "--first-frame"]).expect(0).mentions(&["first frame"]);
    assert!(folder.path().join("moving_x2.png").exists());
}

#[cfg(target_os = "linux")]
#[test]
fn names_that_are_no_text_work() {
    use std::os::unix::ffi::OsStrExt;
    let folder = tempdir().unwrap();
    enlarger(folder.path());
    picture(&folder.path().join("a.png"), ColorType::L8);
    let name = std::ffi::OsStr::from_bytes(b"\xff\xfe.png");
    fs::rename(folder.path().join("a.png"), folder.path().join(name)).unwrap();
    let arguments = ["upscale", "-m", "model/best.safetensors"].map(std::ffi::OsStr::new);
    wgrad(folder.path(), arguments.into_iter().chain([name])).expect(0);
    assert!(folder.path().join(std::ffi::OsStr::from_bytes(b"\xff\xfe_x2.png")).exists());
}
