//! `wgrad train --resume`: a run goes on as the run it was, or is refused with words.

use std::fs;
use std::path::Path;

use crate::support::cli::{Run, wgrad};
use tempfile::tempdir;
use wgrad::internal::checkpoint::{Checkpoint, FloatFormat, TrainingState};
use wgrad::internal::data::procedural;
use wgrad::internal::image::SaveOptions;

/// A table of the fixtures, in a folder of its own.
fn table(folder: &Path, name: &str) {
    let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/training").join(name);
    fs::copy(from, folder.join(name)).unwrap();
}

/// Trains by a table, with settings in words.
fn train(folder: &Path, settings: &str) -> Run {
    let settings = settings.split_whitespace().flat_map(|setting| ["--set", setting]);
    wgrad(folder, ["train", "--out", "run"].into_iter().chain(settings))
}

/// Goes on with it.
fn resume(folder: &Path, settings: &str) -> Run {
    let settings = settings.split_whitespace().flat_map(|setting| ["--set", setting]);
    wgrad(folder, ["train", "--resume", "--out", "run"].into_iter().chain(settings))
}

const LEAK: &str = "steps=100 batch=16 network.kind=mlp network.sizes=[8,32,2] optimizer.lr=1e-2 data.kind=csv \
                    data.path=leak.csv validate.every=50";

fn accuracy(run: &Run) -> f64 {
    let word = run.stdout.split_whitespace().nth(1).unwrap_or_else(|| panic!("{}", run.stdout));
    word.parse().unwrap()
}

/// The files of a run that decide about it.
fn files(folder: &Path) -> Vec<Vec<u8>> {
    let names = ["checkpoint.safetensors", "best.safetensors", "recipe.toml", "metrics.csv", "record.json"];
    names.map(|name| fs::read(folder.join("run").join(name)).unwrap()).into()
}

#[test]
fn another_seed_or_split_never_makes_held_out_rows_known() {
    let folder = tempdir().unwrap();
    table(folder.path(), "leak.csv");
    train(folder.path(), LEAK).expect(0);
    let before = files(folder.path());
    resume(folder.path(), "seed=2 steps=101").expect(2).mentions(&["seed was 1, is 2", "resume.allow=[\"seed\"]"]);
    let run = resume(folder.path(), "data.split_seed=7 data.holdout=0.3 steps=101").expect(2);
    run.mentions(&["data.split_seed was 0, is 7", "data.holdout was 0.2, is 0.3", "resume.allow=[\"split\"]"]);
    assert!(before == files(folder.path()), "a refused run leaves everything as it was");
    // Another seed draws other batches; what is held out stays so, and random labels stay unknown.
    let run = resume(folder.path(), "seed=2 steps=600 resume.allow=[\"seed\"]").expect(0);
    let run = run.mentions(&["allowed: seed was 1, is 2"]);
    assert!((20.0..80.0).contains(&accuracy(&run)), "{}", run.stdout);
    // Allowed once is not allowed for ever.
    resume(folder.path(), "seed=3 steps=601").expect(2).mentions(&["seed was 2, is 3"]);
}

#[test]
fn rows_that_are_added_are_noticed_and_a_class_that_is_added_by_name() {
    let folder = tempdir().unwrap();
    table(folder.path(), "cls.csv");
    let first =
        "steps=60 batch=16 network.kind=mlp network.sizes=[2,16,3] data.kind=csv data.path=cls.csv validate.every=30";
    train(folder.path(), first).expect(0);
    let path = folder.path().join("cls.csv");
    let text = fs::read_to_string(&path).unwrap();
    let row = text.lines().last().unwrap();
    fs::write(&path, format!("{text}{row}\n")).unwrap();
    let run = resume(folder.path(), "steps=70").expect(2);
    run.mentions(&["cls.csv changed", "learnt + held out: ", "resume.allow=[\"data\"]"]);
    let extra = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/training/extra_row.txt");
    fs::write(&path, format!("{text}{}", fs::read_to_string(extra).unwrap())).unwrap();
    let run = resume(folder.path(), "steps=70").expect(2);
    run.mentions(&[
        "cls.csv changed",
        "the classes were ",
        "their indices moved",
        "resume.allow=[\"data\", \"classes\"]",
    ]);
    // The same cells in another dress are the same data.
    fs::write(&path, text.replace('\n', "\r\n")).unwrap();
    fs::rename(&path, folder.path().join("moved.csv")).unwrap();
    resume(folder.path(), "steps=70 data.path=moved.csv").expect(0);
}

#[test]
fn another_optimizer_batch_loss_or_network_is_refused_and_goes_on_when_allowed() {
    let folder = tempdir().unwrap();
    let first = "steps=40 batch=16 network.kind=mlp network.sizes=[2,16,3] data.kind=spirals data.points=300 \
                 optimizer.kind=sgd optimizer.momentum=0.9 optimizer.lr=1e-2 validate.every=20";
    train(folder.path(), first).expect(0);
    let recipe = folder.path().join("run/recipe.toml");
    let text = fs::read_to_string(&recipe).unwrap();
    let other = text.replace("kind = \"sgd\"", "kind = \"rmsprop\"").replace("momentum = 0.9", "rho = 0.9");
    fs::write(folder.path().join("other.toml"), other).unwrap();
    let with = |settings: &[&str]| {
        let start = ["train", "other.toml", "--resume", "--out", "run", "--set", "steps=60"];
        wgrad(folder.path(), start.iter().chain(settings))
    };
    with(&[]).expect(2).mentions(&["optimizer.kind was sgd, is rmsprop", "optimizer.momentum", "[\"optimizer\"]"]);
    for (setting, word) in [
        ("batch=8", "batch was 16, is 8"),
        ("network.sizes=[2,8,3]", "network.sizes was [2,16,3], is [2,8,3]; begin a new run, with `start`"),
        ("network.dropout=0.5", "network.dropout was 0.0, is 0.5"),
        ("loss={kind=\"cross_entropy\",smoothing=0.1}", "loss.smoothing was 0.0, is 0.1"),
        ("data.points=301", "data.points was 300, is 301"),
        ("optimizer.average=0.5", "optimizer.average was 0.99, is 0.5"),
    ] {
        resume(folder.path(), &format!("{setting} steps=60")).expect(2).mentions(&[word, "resume.allow"]);
    }
    // Weights that do not fit are none the better for being allowed.
    let run = resume(folder.path(), "network.sizes=[2,8,3] resume.allow=[\"network\"] steps=60").expect(2);
    run.mentions(&["checkpoint.safetensors", "0.weight"]);
    with(&["--set", "resume.allow=[\"optimizer\"]"]).expect(0).mentions(&["start from zero", "goes on from step 40"]);
}

#[test]
fn steps_rate_and_schedule_may_change_and_the_rate_is_told() {
    let folder = tempdir().unwrap();
    let first = "steps=100 batch=16 network.kind=mlp network.sizes=[2,16,3] data.kind=spirals data.points=300 \
                 optimizer.lr=1e-2 schedule.warmup=0 validate.every=50";
    train(folder.path(), first).expect(0);
    let run = resume(folder.path(), "steps=200").expect(0);
    run.mentions(&[
        "the learning rate goes from 2.000e-5 (step 100) to 4.971e-3",
        "(step 101) and to 2.000e-5 at step 200",
    ]);
    let run = resume(folder.path(), "steps=210 schedule.kind=constant optimizer.lr=1e-3").expect(0);
    run.mentions(&["goes from 2.000e-5 (step 200) to 1.000e-3 (step 201)"]);
    let run = resume(folder.path(), "steps=220").expect(0);
    assert!(!run.stderr.contains("learning rate goes"), "a constant rate stays: {}", run.stderr);
}

#[test]
fn a_lost_or_edited_record_is_said() {
    let folder = tempdir().unwrap();
    table(folder.path(), "leak.csv");
    train(folder.path(), LEAK).expect(0);
    let path = folder.path().join("run/record.json");
    let text = fs::read_to_string(&path).unwrap();
    let value: serde_json::Value = serde_json::from_str(&text).unwrap();
    let record = &value[0]["record"];
    assert_eq!((record["seed"].as_u64(), record["batch"].as_u64()), (Some(1), Some(16)));
    assert_eq!(record["learnt"].as_u64().unwrap() + record["held"].as_u64().unwrap(), 120, "{text}");
    assert!(record["files"][0]["hash"].as_str().unwrap().starts_with("xxh3:"));
    fs::write(&path, text.replace("\"batch\": 16", "\"batch\": 17")).unwrap();
    resume(folder.path(), "steps=110").expect(2).mentions(&["record.json", "resume.allow=[\"record\"]"]);
    fs::remove_file(&path).unwrap();
    resume(folder.path(), "steps=110").expect(2).mentions(&["record.json", "put it back"]);
    let run = resume(folder.path(), "steps=110 resume.allow=[\"record\"]").expect(0);
    run.mentions(&["no record of its data"]);
    resume(folder.path(), "steps=120").expect(0);
}

/// Changes the state in the run's checkpoint.
fn with_state(folder: &Path, change: impl FnOnce(&mut TrainingState)) {
    let path = folder.join("run/checkpoint.safetensors");
    let mut checkpoint = Checkpoint::open(&path).unwrap();
    change(checkpoint.training.as_mut().unwrap());
    checkpoint.save(&path, FloatFormat::F32).unwrap();
}

#[test]
fn a_run_of_an_earlier_program_goes_on_and_what_is_unknown_is_said() {
    let folder = tempdir().unwrap();
    table(folder.path(), "leak.csv");
    train(folder.path(), LEAK).expect(0);
    with_state(folder.path(), |state| state.record = None);
    fs::remove_file(folder.path().join("run/record.json")).unwrap();
    resume(folder.path(), "seed=2 steps=110").expect(2).mentions(&["seed was 1, is 2"]);
    resume(folder.path(), "optimizer.weight_decay=0.1 steps=110")
        .expect(2)
        .mentions(&["optimizer.weight_decay was 0.0"]);
    resume(folder.path(), "steps=110").expect(0).mentions(&["no record of its data", "goes on from step 100"]);
    // From here on it has one.
    resume(folder.path(), "data.holdout=0.4 steps=120").expect(2).mentions(&["data.holdout was 0.2, is 0.4"]);
}

#[test]
fn another_device_is_said() {
    let folder = tempdir().unwrap();
    train(folder.path(), "steps=20 batch=8 network.kind=mlp network.sizes=[2,4,3] data.kind=spirals").expect(0);
    with_state(folder.path(), |state| state.device = "Some GPU (vulkan)".into());
    resume(folder.path(), "steps=30").expect(0).mentions(&["it ran on Some GPU (vulkan) and goes on on CPU"]);
    let run = resume(folder.path(), "steps=40").expect(0);
    assert!(!run.stderr.contains("it ran on"), "{}", run.stderr);
}

#[test]
fn pictures_that_changed_are_named() {
    let folder = tempdir().unwrap();
    let save = |name: &str, seed: u64| {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        let options = SaveOptions { overwrite: true, ..SaveOptions::default() };
        procedural::dead_leaves(seed, 64, 48).to_picture().save(path, &options).unwrap();
    };
    for seed in 0..4 {
        save(&format!("pictures/{seed}.png"), seed);
    }
    save("judged/a.png", 9);
    let first = "steps=10 batch=2 network.features=4 network.convolutions=3 \
                 data={kind=\"images\",train=[\"pictures\"],patch=8} validate={every=5,folders=[\"judged\"]}";
    train(folder.path(), first).expect(0);
    // The same pixels in another file are the same picture.
    fs::rename(folder.path().join("pictures"), folder.path().join("elsewhere")).unwrap();
    resume(folder.path(), "data.train=[\"elsewhere\"] steps=12").expect(0);
    save("elsewhere/2.png", 12);
    save("elsewhere/5.png", 13);
    let run = resume(folder.path(), "data.train=[\"elsewhere\"] steps=14").expect(2);
    run.mentions(&["2.png changed", "5.png new", "learnt + held out: 4 + 1, now 5 + 1", "resume.allow=[\"data\"]"]);
    fs::remove_file(folder.path().join("elsewhere/5.png")).unwrap();
    save("elsewhere/2.png", 2);
    save("judged/a.png", 10);
    resume(folder.path(), "steps=14").expect(2).mentions(&["a.png changed"]);
    let run = resume(folder.path(), "steps=14 resume.allow=[\"data\"]").expect(0);
    run.mentions(&["allowed: ", "the next validation is the best so far"]);
}
