//! Runs on data and with settings that once spoiled them: what they leave, and what they say.

use std::fs;
use std::path::{Path, PathBuf};

use crate::support::cli::{Run, command, fixture, wgrad};
use tempfile::tempdir;

fn case(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/training").join(name)
}

/// Trains in `folder/run`, with a recipe or `--resume` and settings in words.
fn train(folder: &Path, first: &[&str], settings: &str) -> Run {
    let settings = settings.split_whitespace().flat_map(|setting| ["--set", setting]);
    wgrad(folder, ["train", "--quiet", "--out", "run"].into_iter().chain(first.iter().copied()).chain(settings))
}

#[test]
fn constant_data_are_learned_from_drawn_and_end() {
    for (table, batch) in [("constant_target.csv", 8), ("one_held_out_row.csv", 2)] {
        let folder = tempdir().unwrap();
        let settings = format!(
            "steps=40 batch={batch} network.kind=mlp network.sizes=[2,4,1] data.kind=csv data.path={table} \
             data.classes=false validate.every=20"
        );
        fixture(folder.path(), &format!("training/{table}"));
        train(folder.path(), &[], &settings).expect(0);
        assert!(fs::read_to_string(folder.path().join("run/curves.svg")).unwrap().contains("validation R2"));
        // A finished run whose table is gone ends as well.
        fs::remove_file(folder.path().join("run/metrics.csv")).unwrap();
        train(folder.path(), &["--resume"], "").expect(0);
    }
}

#[test]
fn a_flat_picture_is_judged_and_drawn() {
    let folder = tempdir().unwrap();
    fixture(folder.path(), "training/train_pics");
    fixture(folder.path(), "training/val_flat");
    let settings = "steps=4 batch=2 network.features=4 network.convolutions=3 \
                    data={kind=\"images\",train=[\"train_pics\"],patch=8} validate={every=2,folders=[\"val_flat\"]}";
    let run = train(folder.path(), &[], settings).expect(0);
    assert!(run.stdout.contains("bicubic inf dB"), "{}", run.stdout);
    assert!(folder.path().join("run/curves.svg").exists());
}

#[test]
fn a_bad_step_leaves_the_checkpoint_and_is_named() {
    let folder = tempdir().unwrap();
    let recipe = case("spirals.toml");
    train(folder.path(), &[recipe.to_str().unwrap()], "steps=100").expect(0);
    let path = folder.path().join("run/checkpoint.safetensors");
    let good = fs::read(&path).unwrap();
    let bad = "steps=200 optimizer.lr=1e38 schedule.kind=constant validate.every=1";
    let run = train(folder.path(), &["--resume"], bad).expect(1);
    run.mentions(&[
        "step 102: ",
        " of layer `",
        "its batch: ",
        "lower optimizer.lr",
        "checkpoint of step 100 is untouched",
    ]);
    assert!(good == fs::read(&path).unwrap());
    train(folder.path(), &["--resume"], "steps=110 optimizer.lr=1e-2 schedule.kind=cosine").expect(0);
}

#[test]
fn a_torn_table_costs_a_line_and_nothing_else() {
    let folder = tempdir().unwrap();
    let recipe = case("spirals.toml");
    train(folder.path(), &[recipe.to_str().unwrap()], "steps=100").expect(0);
    let path = folder.path().join("run/metrics.csv");
    let bytes = fs::read(&path).unwrap();
    fs::write(&path, &bytes[..bytes.len() - 12]).unwrap();
    train(folder.path(), &["--resume"], "steps=110").expect(0);
    let text = fs::read_to_string(&path).unwrap();
    let steps: Vec<&str> = text.lines().map(|line| line.split(',').next().unwrap()).collect();
    assert_eq!(steps[19..], ["95", "105", "110"], "{text}");
}

#[cfg(unix)]
#[test]
fn a_folder_has_one_run_at_a_time() {
    let folder = tempdir().unwrap();
    let recipe = case("spirals.toml");
    let mut first = command(folder.path());
    first.args(["train", "--quiet", "--out", "run", "--set", "steps=100000000"]).arg(&recipe);
    let mut first = first.spawn().unwrap();
    let begun = std::time::Instant::now();
    while !folder.path().join("run/checkpoint.safetensors").exists() {
        assert!(begun.elapsed().as_secs() < 60);
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    let second = train(folder.path(), &["--resume"], "seed=2");
    let other = train(folder.path(), &[recipe.to_str().unwrap()], "seed=2");
    first.kill().unwrap();
    first.wait().unwrap();
    for run in [second, other] {
        run.expect(2).says(&["another run writes to it"]);
    }
}
