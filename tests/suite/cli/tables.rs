//! `wgrad eval`, `predict`, `info`, `devices`, `completions`: what they print.

use crate::support::cli::{enlarger, tree, wgrad};
use serde_json::Value;
use std::fs;
use std::path::Path;
use tempfile::tempdir;
use wgrad::internal::data::{Samples, lessons, procedural};
use wgrad::internal::image::protocol::{Baseline, bicubic};

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|e| panic!("{e}: {text}"))
}

/// Trains a classifier of drawn digits.
fn classifier(folder: &Path) {
    let arguments = "train --quiet --out digits --set steps=200 --set network.kind=mlp --set network.sizes=[784,32,10] \
                     --set data.kind=digits --set data.pictures=500";
    wgrad(folder, arguments.split_whitespace()).expect(0);
}

/// Drawn digits as an IDX file; picture `k` shows `k % 10`.
fn digits(path: &Path, count: usize) -> Vec<u8> {
    let Samples::Bytes(bytes) = lessons::digits(99, count).features else { panic!("digits are bytes") };
    let mut file = vec![0, 0, 8, 3];
    [count, 28, 28].iter().for_each(|&n| file.extend((n as u32).to_be_bytes()));
    file.extend(&bytes);
    fs::write(path, file).unwrap();
    bytes
}

#[test]
fn eval_puts_bicubic_first_with_the_protocols_figures() {
    let folder = tempdir().unwrap();
    enlarger(folder.path());
    fs::create_dir(folder.path().join("Set5")).unwrap();
    let truth = procedural::dead_leaves(7, 60, 50).to_picture();
    truth.save(folder.path().join("Set5/leaves.png"), &Default::default()).unwrap();
    let expected = bicubic(&truth, 2, Baseline::Luma).unwrap();
    let eval = ["eval", "--hr", "Set5", "-s", "2", "-m", "model/best.safetensors", "--quiet"];
    let with = |more: &[&str]| wgrad(folder.path(), eval.iter().chain(more)).expect(0).stdout;
    let rows = json(&with(&["--json", "--published", "--save", "out"]));
    assert_eq!((rows[0]["model"].as_str(), rows[1]["published"].as_bool()), (Some("bicubic"), Some(false)));
    assert!((rows[0]["psnr"].as_f64().unwrap() - expected.psnr).abs() < 1e-9);
    assert!((rows[0]["ssim"].as_f64().unwrap() - expected.ssim).abs() < 1e-9);
    let published = rows.as_array().unwrap().iter().filter(|row| row["published"] == true).count();
    assert_eq!(published, 6);
    assert_eq!(tree(&folder.path().join("out")), ["model-best/Set5/leaves.png"]);
    let text = with(&["--published", "--per-image"]);
    assert!(text.contains(&format!("{:.2}", expected.psnr)) && text.contains("FSRCNN (published)"), "{text}");
    assert!(text.contains("Set5/leaves.png"), "{text}");
    let table = with(&["--csv"]);
    let mut reader = csv::Reader::from_reader(table.as_bytes());
    assert_eq!(reader.records().map(|r| r.unwrap().len()).collect::<Vec<_>>(), [10; 4]);
    wgrad(folder.path(), ["eval", "--hr", "none", "-s", "2"]).expect(2).says(&["none"]);
    wgrad(folder.path(), ["eval", "--hr", "Set5", "-s", "3", "-m", "model/best.safetensors"]).expect(2).says(&["-s 3"]);
}

#[test]
fn predict_knows_the_digits_it_learned() {
    let folder = tempdir().unwrap();
    classifier(folder.path());
    let bytes = digits(&folder.path().join("some-idx3-ubyte"), 50);
    let run = wgrad(folder.path(), ["predict", "digits/best.safetensors", "some-idx3-ubyte", "--json", "--top", "3"]);
    let rows = json(&run.expect(0).stdout);
    let rows = rows.as_array().unwrap();
    assert_eq!(rows.len(), 50);
    let class = |row: &Value| row["classes"][0]["class"].as_str().unwrap().parse::<usize>().unwrap();
    let right = rows.iter().enumerate().filter(|(k, row)| class(row) == k % 10).count();
    assert!(right >= 40, "{right} of 50");
    assert_eq!(rows[0]["classes"].as_array().unwrap().len(), 3);
    // The same rows as a table with a column more, and as a picture, dark on light.
    let line = |k: usize| -> String {
        let values = bytes[k * 784..(k + 1) * 784].iter().map(|&b| (f32::from(b) / 255.0).to_string());
        values.chain([format!("{}", k % 10)]).collect::<Vec<_>>().join(",")
    };
    fs::write(folder.path().join("t.csv"), (0..5).map(line).collect::<Vec<_>>().join("\n")).unwrap();
    let table = ["predict", "digits/best.safetensors", "t.csv", "--json"];
    let same = json(&wgrad(folder.path(), table.iter().chain(&["--target", "-1"])).expect(0).stdout);
    (0..5).for_each(|k| assert_eq!(class(&same[k]), class(&rows[k])));
    wgrad(folder.path(), table.iter().chain(&["--quiet"])).expect(2).says(&["t.csv", "785", "--target"]);
    let dark = bytes[..784].iter().map(|b| 255 - b).collect();
    image::GrayImage::from_raw(28, 28, dark).unwrap().save(folder.path().join("0.png")).unwrap();
    let picture = ["predict", "digits/best.safetensors", "0.png"];
    wgrad(folder.path(), picture).expect(0).mentions(&["--invert"]);
    let one = wgrad(folder.path(), picture.iter().chain(&["--invert"])).expect(0).stdout;
    assert!(one.starts_with(&format!("0.png  {} ", class(&rows[0]))), "{one}");
    for empty in [[0u32, 1 << 31, 1 << 31, 4], [2, 28, 0, 28]] {
        let sizes: Vec<u8> = empty.iter().flat_map(|size| size.to_be_bytes()).collect();
        fs::write(folder.path().join("empty"), [&[0, 0, 8, 4], &sizes[..]].concat()).unwrap();
        let run = wgrad(folder.path(), ["predict", "digits/best.safetensors", "empty"]);
        run.expect(2).mentions(&["empty: holds no value"]);
    }
    wgrad(folder.path(), picture.iter().chain(&["none.csv"])).expect(1).mentions(&["none.csv"]);
    wgrad(folder.path(), ["upscale", "0.png", "-m", "digits/best.safetensors"]).expect(2).says(&["wgrad predict"]);
}

#[test]
fn eval_scores_a_classifier_and_keeps_class_names() {
    let folder = tempdir().unwrap();
    let row = |k: u32| format!("{},{},{}", f64::from(k % 7) / 7.0, f64::from(k % 5), ["hare", "fox"][(k % 2) as usize]);
    let rows: Vec<String> = (0..60).map(row).collect();
    fs::write(folder.path().join("t.csv"), format!("a,b,beast\n{}\n", rows.join("\n"))).unwrap();
    let arguments = "train --quiet --out run --set steps=20 --set network.kind=mlp --set network.sizes=[2,4,2] \
                     --set data.kind=csv --set data.path=t.csv";
    wgrad(folder.path(), arguments.split_whitespace()).expect(0);
    let eval = ["eval", "run/best.safetensors", "--data", "t.csv", "--json", "--quiet"];
    let scores = json(&wgrad(folder.path(), eval).expect(0).stdout);
    assert!((0.0..=1.0).contains(&scores["accuracy"].as_f64().unwrap()) && scores["loss"].is_f64());
    let predict = ["predict", "run/best.safetensors", "t.csv", "--target", "beast", "--quiet"];
    let lines = wgrad(folder.path(), predict).expect(0).stdout;
    assert!(lines.lines().all(|l| l.contains(" hare ") || l.contains(" fox ")), "{lines}");
    wgrad(folder.path(), ["eval", "run/best.safetensors"]).expect(2);
}

#[test]
fn info_devices_and_completions_print_what_they_should() {
    let folder = tempdir().unwrap();
    enlarger(folder.path());
    let text = wgrad(folder.path(), ["info", "model/checkpoint.safetensors"]).expect(0).stdout;
    for word in ["compact", "2 times", "luma", "step 10", "body.0.weight", "4x1x3x3", "MACs"] {
        assert!(text.contains(word), "no {word} in {text}");
    }
    let value = json(&wgrad(folder.path(), ["info", "--json", "model/checkpoint.safetensors"]).expect(0).stdout);
    assert_eq!((value["scale"].as_u64(), value["training"]["step"].as_u64()), (Some(2), Some(10)));
    wgrad(folder.path(), ["info", "model/metrics.csv"]).expect(2).says(&["model/metrics.csv"]);
    let devices = json(&wgrad(folder.path(), ["devices", "--json"]).expect(0).stdout);
    let chosen = devices.as_array().unwrap().iter().filter(|d| d["auto"] == true).count();
    assert_eq!((chosen, devices.as_array().unwrap().last().unwrap()["name"].as_str()), (1, Some("cpu")));
    assert!(wgrad(folder.path(), ["completions", "bash"]).expect(0).stdout.contains("upscale"));
    assert!(wgrad(folder.path(), ["nonesuch"]).expect(2).stdout.is_empty());
}

#[cfg(unix)]
#[test]
fn a_reader_that_leaves_is_no_error() {
    use std::process::Stdio;
    let folder = tempdir().unwrap();
    enlarger(folder.path());
    let mut command = crate::support::cli::command(folder.path());
    command.args(["info", "model/best.safetensors"]).stdout(Stdio::piped()).stderr(Stdio::piped());
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let output = command.stdout(writer).spawn().unwrap().wait_with_output().unwrap();
    assert_eq!((output.status.code(), output.stderr.len()), (Some(0), 0));
}

#[test]
fn bench_times_one_workload_from_nothing() {
    let folder = tempdir().unwrap();
    let cold = json(&wgrad(folder.path(), "bench W3 --cold --json".split(' ')).expect(0).stdout);
    assert!(cold["first_ms"].as_f64().unwrap() > 0.0 && cold["next_9_ms"].as_f64().unwrap() > 0.0, "{cold}");
    assert!((cold["check"].as_f64().unwrap() - 0.690978).abs() < 1e-5, "the loss of the tenth step: {cold}");
    let refused = wgrad(folder.path(), "bench W2 --cold".split(' ')).expect(2);
    assert!(refused.stderr.contains("--cold times one workload; these fit: W2 mlp b64"), "{}", refused.stderr);
}
