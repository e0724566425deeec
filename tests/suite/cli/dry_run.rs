//! `upscale --dry-run` says what a run does, and does nothing.

use crate::support::cli::{enlarger, tree, wgrad};
use std::fs;
use std::path::Path;
use tempfile::tempdir;

fn picture(folder: &Path, name: &str, width: u32, height: u32) {
    let value = |x: u32, y: u32, c: u32| ((x * 11 + y * 7 + (x / 9) * (y / 5) * 13 + c * 60) % 256) as u8;
    let image = image::RgbImage::from_fn(width, height, |x, y| image::Rgb([0, 1, 2].map(|c| value(x, y, c))));
    fs::create_dir_all(folder.join("in")).unwrap();
    image.save(folder.join("in").join(name)).unwrap();
}

fn events(stderr: &str) -> Vec<serde_json::Value> {
    stderr.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn what_it_says_is_what_a_run_does() {
    let folder = tempdir().unwrap();
    enlarger(folder.path());
    for (name, width, height) in [("a.png", 40, 30), ("b.jpg", 120, 80), ("c.bmp", 33, 47)] {
        picture(folder.path(), name, width, height);
    }
    fs::write(folder.path().join("in/broken.png"), b"\x89PNG\r\n\x1a\n and no more").unwrap();
    fs::write(folder.path().join("in/notes.txt"), "no picture").unwrap();
    picture(folder.path(), "d.png", 64, 64);
    let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/animated.png");
    fs::copy(fixture, folder.path().join("in/moving.png")).unwrap();
    let before = tree(folder.path());
    let arguments = ["upscale", "in", "-o", "out", "-m", "model/best.safetensors", "-s", "2.5", "--tile", "32"];
    let json = ["--progress", "json"];
    let run = |more: &[&str]| wgrad(folder.path(), arguments.iter().chain(&json).chain(more));
    let dry = run(&["--dry-run"]).expect(1);
    assert_eq!(tree(folder.path()), before, "nothing is written, and no folder made");
    assert_eq!(dry.stdout, "");
    let wet = run(&[]).expect(1);
    let (dry, wet) = (events(&dry.stderr), events(&wet.stderr));
    let of = |events: &[serde_json::Value], kind: &str, fields: &[&str]| -> Vec<String> {
        let of_kind = events.iter().filter(|event| event["event"] == kind);
        let mut found: Vec<String> = of_kind.map(|e| fields.iter().map(|f| format!("{} ", e[*f])).collect()).collect();
        found.sort();
        found
    };
    let fields = ["input", "output", "width", "height"];
    assert_eq!(of(&dry, "planned", &fields), of(&wet, "file", &fields));
    assert_eq!(of(&dry, "planned", &fields).len(), 4);
    // Damaged, animated, no picture: refused with the words of a run.
    assert_eq!(of(&dry, "failed", &["input", "text"]), of(&wet, "failed", &["input", "text"]));
    assert_eq!(of(&dry, "failed", &["input"]).len(), 3);
    for event in dry.iter().filter(|event| event["event"] == "planned") {
        assert_eq!(event["passes"], serde_json::json!([2, 2]));
        let tile = event["tile"][0].as_u64().unwrap().max(event["tile"][1].as_u64().unwrap());
        assert!(tile <= 32 && event["tiles"].as_u64().unwrap() >= 2, "{event}");
        assert!(event["memory"].as_u64().unwrap() > 1 << 20 && event["seconds"].as_f64().unwrap() > 0.0, "{event}");
    }
    let done = dry.last().unwrap();
    assert_eq!(
        (done["planned"].as_u64(), done["failed"].as_u64(), done["written"].as_u64()),
        (Some(4), Some(3), Some(0))
    );
}

#[test]
fn a_table_for_people_and_the_codes_of_a_run() {
    let folder = tempdir().unwrap();
    enlarger(folder.path());
    picture(folder.path(), "a.png", 40, 30);
    let run = |more: &[&str]| {
        let all = ["upscale", "in/a.png", "-m", "model/best.safetensors", "--dry-run"];
        wgrad(folder.path(), all.iter().chain(more))
    };
    let out = run(&["-q"]).expect(0);
    for word in ["in/a.png", "40x30", "in/a_x2.png", "80x60", "x2", "1 of 40x30", "MiB", " s"] {
        assert!(out.stdout.contains(word), "no {word:?} in {}", out.stdout);
    }
    run(&["--width", "20"]).expect(1).mentions(&["a.png", "1 to 16"]);
    run(&["--max-memory", "10"]).expect(1).mentions(&["a.png", "--max-memory 10"]);
    run(&["-o", "a.txt"]).expect(2).says(&["a.txt"]);
    run(&["-o", "in/a.png/out/"]).expect(2).says(&["in/a.png/out"]);
    fs::write(folder.path().join("in/a_x2.png"), "mine").unwrap();
    run(&[]).expect(2).says(&["a_x2.png", "--overwrite"]);
    assert_eq!(tree(&folder.path().join("in")), ["a.png", "a_x2.png"]);
}
