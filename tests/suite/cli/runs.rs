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
    // The settings that came to nothing are not those that the run goes on with.
    let recipe = fs::read_to_string(folder.path().join("run/recipe.toml")).unwrap();
    assert!(recipe.contains("steps = 100\n") && !recipe.contains("1e38"), "{recipe}");
    train(folder.path(), &["--resume"], "steps=110").expect(0);
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

#[test]
fn best_weights_that_are_gone_are_put_back_or_found_anew() {
    let folder = tempdir().unwrap();
    let recipe = case("spirals.toml");
    let keep = "steps=100 validate.every=20 validate.keep=9";
    train(folder.path(), &[recipe.to_str().unwrap()], keep).expect(0);
    let best = folder.path().join("run/best.safetensors");
    let bytes = fs::read(&best).unwrap();
    fs::remove_file(&best).unwrap();
    let loud = ["train", "--resume", "--out", "run"];
    wgrad(folder.path(), loud).expect(0).mentions(&["best.safetensors was gone", "which was kept"]);
    assert!(fs::read(&best).unwrap() == bytes);
    fs::remove_file(&best).unwrap();
    fs::remove_dir_all(folder.path().join("run/kept")).unwrap();
    let again = wgrad(folder.path(), loud.iter().chain(&["--set", "steps=120"])).expect(0);
    again.mentions(&["is gone: the next validation is the best so far", "step 120"]);
    let info = wgrad(folder.path(), ["info", "run/best.safetensors"]).expect(0).stdout;
    assert!(info.contains("120"), "{info}");
}

#[test]
fn a_damaged_record_is_named_and_can_be_done_without() {
    let folder = tempdir().unwrap();
    let recipe = case("spirals.toml");
    train(folder.path(), &[recipe.to_str().unwrap()], "steps=100").expect(0);
    let at = folder.path().join("run");
    fs::write(at.join("record.json"), "{bad").unwrap();
    let before = fs::read(at.join("recipe.toml")).unwrap();
    let refused = train(folder.path(), &["--resume"], "steps=110").expect(2);
    refused.says(&["record.json", "is damaged", "resume.allow=[\"record\"]"]);
    assert!(before == fs::read(at.join("recipe.toml")).unwrap());
    train(folder.path(), &["--resume"], "steps=110 resume.allow=[\"record\"]").expect(0);
    train(folder.path(), &["--resume"], "steps=120").expect(0);
}

#[test]
fn a_run_that_goes_on_says_what_is_so() {
    let folder = tempdir().unwrap();
    let recipe = case("spirals.toml");
    let patience = "steps=1000 validate.every=1 validate.patience=1 optimizer.lr=1e-30";
    train(folder.path(), &[recipe.to_str().unwrap()], patience).expect(0);
    let spent = wgrad(folder.path(), ["train", "--resume", "--out", "run"]).expect(0);
    spent.mentions(&["validate.patience is spent", "validate.patience=0"]);
    // Its own weights are what it goes on with.
    fs::copy(folder.path().join("run/best.safetensors"), folder.path().join("other.safetensors")).unwrap();
    let more = ["--set", "start=other.safetensors", "--set", "validate.patience=0", "--set", "steps=9"];
    let resumed = wgrad(folder.path(), ["train", "--resume", "--out", "run"].iter().chain(&more)).expect(0);
    assert!(!resumed.stderr.contains("weights from"), "{}", resumed.stderr);
    wgrad(folder.path(), ["train", "--resume", "--out", "none"]).expect(2).says(&["none: no run to resume"]);
}

#[cfg(unix)]
#[test]
fn a_run_that_is_stopped_before_its_first_step_leaves_no_network() {
    let folder = tempdir().unwrap();
    // A pipe for a table: the run waits for it, and is interrupted meanwhile.
    let pipe = folder.path().join("pipe.csv");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let settings = "data.kind=csv data.path=pipe.csv data.classes=false network.kind=mlp network.sizes=[1,8,1] batch=4";
    let mut run = command(folder.path());
    run.args(["train", "--out", "run"]).args(settings.split(' ').flat_map(|setting| ["--set", setting]));
    let mut run = run.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped()).spawn().unwrap();
    let mut table = fs::OpenOptions::new().write(true).open(&pipe).unwrap();
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(run.id() as i32), nix::sys::signal::Signal::SIGINT).unwrap();
    let mut said = std::io::BufReader::new(run.stderr.take().unwrap());
    let mut heard = String::new();
    while !heard.contains("finishing the step") {
        assert!(std::io::BufRead::read_line(&mut said, &mut heard).unwrap() > 0, "{heard}");
    }
    let rows: String = (0..40).map(|k| format!("{k},{}\n", 2 * k)).collect();
    std::io::Write::write_all(&mut table, format!("a,b\n{rows}").as_bytes()).unwrap();
    drop(table);
    std::io::Read::read_to_string(&mut said, &mut heard).unwrap();
    let (code, said) = (run.wait().unwrap().code(), heard);
    assert_eq!(code, Some(130), "{said}");
    assert!(said.contains("stopped before the first step") && !said.contains("--resume"), "{said}");
    assert!(!folder.path().join("run/best.safetensors").exists());
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
