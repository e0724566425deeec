//! Pictures as people have them, through the commands: one bad file fails alone, nothing is left out without a word, and
//! nothing is read without end.

use crate::support::cli::{Run, enlarger, small, tree, wgrad, with_input};
use std::fs;
use std::path::Path;
use tempfile::{TempDir, tempdir};

const CASES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/pictures");

/// A folder with a model and these cases.
fn folder(cases: &[&str]) -> TempDir {
    let folder = tempdir().unwrap();
    enlarger(folder.path());
    for case in cases {
        copy(&Path::new(CASES).join(case), &folder.path().join(case));
    }
    folder
}

fn copy(from: &Path, to: &Path) {
    if from.is_dir() {
        fs::create_dir_all(to).unwrap();
        for entry in fs::read_dir(from).unwrap() {
            let entry = entry.unwrap();
            copy(&entry.path(), &to.join(entry.file_name()));
        }
    } else {
        fs::write(to, fs::read(from).unwrap()).unwrap();
    }
}

fn upscale(folder: &Path, arguments: &[&str]) -> Run {
    wgrad(folder, ["upscale", "-m", "model/best.safetensors"].iter().chain(arguments))
}

/// A GIF that its decoder cannot read to the end, among two pictures.
fn with_damage(folder: &Path, name: &str) {
    copy(&Path::new(CASES).join("batch_with_panic"), &folder.join(name));
    fs::write(
        folder.join(name).join("n.gif"),
        b"GIF89a\x10\0\x10\0\x80\0\0\0\0\0\xff\xff\xff,\0\0\0\0\x10\0\x10\0\0\x02\x16",
    )
    .unwrap();
}

#[test]
fn a_bad_file_fails_alone_in_upscale_eval_and_train() {
    let folder = folder(&[]);
    with_damage(folder.path(), "in");
    let run = upscale(folder.path(), &["in", "-o", "out"]).expect(1).mentions(&["n.gif"]);
    assert!(!run.stderr.contains("panicked"), "{}", run.stderr);
    let out = tree(&folder.path().join("out"));
    assert!(out.contains(&"a.png".into()) && out.contains(&"z.png".into()), "{out:?}");

    let eval = ["eval", "--hr", "in", "-s", "2", "-m", "model/best.safetensors", "--json"];
    let run = wgrad(folder.path(), eval).expect(1).mentions(&["n.gif"]);
    assert!(run.stdout.contains("psnr") && !run.stderr.contains("panicked"), "{}{}", run.stdout, run.stderr);

    let (train, validate) = (
        "data={ kind = \"images\", train = [\"in\"], patch = 8, exclude = [] }",
        "validate={ every = 2, folders = [\"in\"] }",
    );
    let run = wgrad(
        folder.path(),
        ["train", "--out", "run", "--set", "steps=2", "--set", "batch=1", "--set", train, "--set", validate],
    );
    // The same pictures may not be judged by and learned from: what is asked here is only that reading goes on.
    run.mentions(&["same picture"]);
    let validate = ["--set", "steps=2", "--set", "validate={ every = 2, folders = [\"in\"] }"];
    let run = small(folder.path(), "judged", &validate).expect(1).mentions(&["n.gif", "left out"]);
    assert!(!run.stderr.contains("panicked"), "{}", run.stderr);
}

#[test]
fn a_folder_names_what_it_leaves_out() {
    let folder = folder(&["folder"]);
    fs::write(folder.path().join("folder/picture.dat"), fs::read(Path::new(CASES).join("plain.png")).unwrap()).unwrap();
    fs::write(folder.path().join("folder/notes.txt"), "no picture").unwrap();
    let run = upscale(folder.path(), &["folder", "-o", "out"]).expect(1);
    let run = run.mentions(&["c.avif", "AVIF", "e.heic", "HEIC", "JPEG", "notes.txt", "picture.dat", ".png"]);
    assert!(!run.stderr.contains("folder/a.png: left"), "{}", run.stderr);
    assert_eq!(tree(&folder.path().join("out")), ["a.png", "b.jfif", "d.png"]);
    upscale(folder.path(), &["folder/e.heic"]).expect(1).mentions(&["e.heic", "HEIC", "JPEG"]);
}

#[test]
fn two_inputs_for_one_output_fail_and_the_others_are_done() {
    let folder = folder(&["same_stem", "plain.png"]);
    let run = upscale(folder.path(), &["same_stem", "-o", "out", "--format", "png"]).expect(1);
    run.mentions(&["same_stem/a.jpg", "same_stem/a.png", "both"]);
    assert_eq!(tree(&folder.path().join("out")), ["b.png"]);
    // One picture named twice is one picture.
    upscale(folder.path(), &["plain.png", "./plain.png"]).expect(0);
    assert!(folder.path().join("plain_x2.png").exists());
}

#[test]
fn one_name_is_not_for_two_pictures() {
    let folder = folder(&["plain.png", "half.jpg", "folder"]);
    let before = tree(folder.path());
    upscale(folder.path(), &["plain.png", "half.jpg", "-o", "one.png"]).expect(2).says(&["one.png", "folder"]);
    upscale(folder.path(), &["folder", "-o", "one.jpeg"]).expect(2).says(&["one.jpeg"]);
    assert_eq!(tree(folder.path()), before);
    upscale(folder.path(), &["plain.png", "half.jpg", "-o", "one.png/"]).expect(0);
    assert_eq!(tree(&folder.path().join("one.png")), ["half.jpg", "plain.png"]);
}

#[test]
fn limits_of_the_output_are_checked_before_the_work() {
    let folder = folder(&["wide.webp"]);
    let run =
        upscale(folder.path(), &["wide.webp", "--progress", "json"]).expect(1).mentions(&["wide.webp", "16383", "png"]);
    assert!(!run.stderr.contains("\"tile\""), "no tile was computed: {}", run.stderr);
    upscale(folder.path(), &["wide.webp", "-o", "wide.png"]).expect(0);
}

#[test]
fn endless_inputs_end() {
    let folder = folder(&["plain.png"]);
    let mut endless = fs::read(folder.path().join("plain.png")).unwrap();
    endless.resize(80 << 20, b'x');
    let arguments = ["upscale", "-", "-m", "model/best.safetensors"];
    with_input(folder.path(), arguments, &endless).expect(1).mentions(&["standard input", "64 MiB"]);
    #[cfg(target_os = "linux")]
    upscale(folder.path(), &["/dev/zero", "-o", "zero.png"]).expect(1).mentions(&["/dev/zero"]);
    let bounded = upscale(folder.path(), &["plain.png", "--max-pixels", "100"]).expect(1);
    bounded.mentions(&["plain.png", "limit of 100 pixels"]);
}

#[test]
fn half_a_picture_is_told_and_is_no_ground_truth() {
    let folder = folder(&["half.jpg"]);
    upscale(folder.path(), &["half.jpg"]).expect(0).mentions(&["half.jpg", "cut short"]);
    let eval = ["eval", "--hr", "half.jpg", "-s", "2", "-m", "model/best.safetensors"];
    wgrad(folder.path(), eval).expect(2).mentions(&["half.jpg", "cut short"]);
}
