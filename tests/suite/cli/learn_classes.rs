//! Pictures in a folder per class, from the files to the answers.

use std::fs;
use std::path::Path;

use crate::support::cli::{Run, wgrad};
use image::{DynamicImage, Rgba, RgbaImage};
use serde_json::Value;
use tempfile::tempdir;

/// A picture of stripes, lying or standing, in any size and colours; where `alpha`, dark ones over what is transparent.
fn stripes(lying: bool, k: usize, alpha: bool) -> DynamicImage {
    let (width, height) = (20 + (k * 7 % 23) as u32, 18 + (k * 5 % 29) as u32);
    let period = 4 + (k % 3) as u32;
    let shade = |on: bool| match (on, alpha) {
        (true, _) => Rgba([(k * 40 % 90) as u8, (k * 70 % 60) as u8, 40, 255]),
        (false, true) => Rgba([0, 0, 0, 0]),
        (false, false) => Rgba([230, 240, (200 + k * 30 % 50) as u8, 255]),
    };
    let at = |x, y| shade(((if lying { y } else { x }) + k as u32) % period < period / 2);
    let picture = DynamicImage::ImageRgba8(RgbaImage::from_fn(width, height, at));
    if alpha { picture } else { DynamicImage::ImageRgb8(picture.to_rgb8()) }
}

/// Sixty pictures of each kind, an eighth of them transparent; some grey.
fn folders(at: &Path) {
    for (class, lying) in [("lying", true), ("standing", false)] {
        fs::create_dir_all(at.join(class)).unwrap();
        for k in 0..60 {
            let picture = stripes(lying, k, k % 8 == 3);
            let picture = if k % 10 == 4 { DynamicImage::ImageLuma8(picture.to_luma8()) } else { picture };
            picture.save(at.join(class).join(format!("{k}.png"))).unwrap();
        }
    }
}

fn run(folder: &Path, line: &str) -> Run {
    wgrad(folder, line.split_whitespace())
}

const TRAIN: &str = "train --set steps=120 --set batch=16 --set data.kind=classes --set data.path=pictures --set optimizer.lr=1e-2 \
                     --set validate.every=60 --set network.kind=sequential --set network.input=[16,16,3] \
                     --set network.layers=[{layer='conv',out=8,kernel=3},{layer='batch_norm'},{layer='activation',function='relu'},{layer='max_pool',kernel=2},{layer='conv',out=8,kernel=3},{layer='activation',function='relu'},{layer='global_pool'},{layer='linear',out=2}]";

#[test]
fn kinds_of_pictures_are_learned_from_folders_and_told_apart() {
    let folder = tempdir().unwrap();
    let at = folder.path();
    folders(&at.join("pictures"));
    fs::write(at.join("pictures/lying/broken.png"), b"\x89PNG\r\n\x1a\nand nothing").unwrap();
    fs::write(at.join("pictures/lying/notes.txt"), "none").unwrap();
    fs::write(at.join("pictures/read.me"), "none").unwrap();
    fs::create_dir(at.join("pictures/.ipynb_checkpoints")).unwrap();
    let trained = run(at, &format!("{TRAIN} -o run --set data.flip=true --set data.shift=2")).expect(1);
    for said in
        ["broken.png", "notes.txt", "in no folder", "120 pictures: lying 60, standing 60", "1 pictures could not"]
    {
        assert!(trained.stderr.contains(said), "no {said:?} in {}", trained.stderr);
    }
    assert!(trained.stdout.contains("accuracy"), "{}", trained.stdout);
    let mut right = 0;
    for k in 60..80 {
        for (class, lying) in [("lying", true), ("standing", false)] {
            stripes(lying, k, k % 8 == 3).save(at.join("new.png")).unwrap();
            let answer = run(at, "predict run/best.safetensors new.png --json -q").expect(0).stdout;
            let answer: Value = serde_json::from_str(&answer).unwrap();
            right += usize::from(answer[0]["classes"][0]["class"] == class);
        }
    }
    assert!(right >= 38, "{right} of 40");
    // Folders of the same classes are scored, others named; a picture that cannot be read fails alone.
    let eval = |line: &str| run(at, &format!("eval run/best.safetensors --json -q --data {line}"));
    let scores: Value = serde_json::from_str(&eval("pictures").expect(1).stdout).unwrap();
    assert!(scores["rows"] == 120 && scores["accuracy"].as_f64().unwrap() > 0.95, "{scores}");
    fs::create_dir_all(at.join("others/oak")).unwrap();
    stripes(true, 1, false).save(at.join("others/oak/1.png")).unwrap();
    eval("others").expect(2).says(&["others", "\"oak\"", "it knows lying, standing"]);
    // Goes on bit for bit, whatever pass its pictures are in.
    let calm = TRAIN.replace("steps=120", "steps=30");
    run(at, &format!("{calm} -q -o whole --set data.flip=true --set schedule.kind=constant")).expect(1);
    run(at, &format!("{} -q -o parts --set data.flip=true --set schedule.kind=constant", calm.replace("=30", "=13")))
        .expect(1);
    run(at, "train -q -o parts --resume --set steps=30").expect(1);
    let weights = |out: &str| {
        wgrad::internal::checkpoint::Checkpoint::open(&at.join(out).join("checkpoint.safetensors")).unwrap().weights
    };
    assert!(weights("whole") == weights("parts"));
}

#[test]
fn what_is_no_folder_of_classes_is_said() {
    let folder = tempdir().unwrap();
    let at = folder.path();
    run(at, &format!("{TRAIN} -q -o run")).expect(2).says(&["pictures"]);
    fs::create_dir_all(at.join("pictures/one")).unwrap();
    run(at, &format!("{TRAIN} -q -o run")).expect(2).says(&["pictures", "no picture"]);
    stripes(true, 1, false).save(at.join("pictures/one/1.png")).unwrap();
    stripes(true, 2, false).save(at.join("pictures/one/2.png")).unwrap();
    run(at, &format!("{TRAIN} -q -o run")).expect(2).says(&["class \"one\" only"]);
    // One picture in two classes is named.
    fs::create_dir_all(at.join("pictures/two")).unwrap();
    stripes(false, 1, false).save(at.join("pictures/two/3.png")).unwrap();
    stripes(true, 1, false).save(at.join("pictures/two/4.png")).unwrap();
    let twice = run(at, &format!("{TRAIN} -o run --set steps=1 --set batch=1")).expect(0);
    twice.mentions(&["two/4.png", "is the same picture as", "one/1.png"]);
    let flat = TRAIN.replace("[16,16,3]", "[16,16,2]");
    run(at, &format!("{flat} -q -o none")).expect(2).says(&["network.input"]);
}
