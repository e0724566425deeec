//! `wgrad train`: what a run leaves behind, how it goes on, and how it refuses.

use crate::support::cli::{SMALL, command, finish, small, tree, wgrad};
use std::fs;
use tempfile::tempdir;

#[test]
fn a_run_leaves_all_its_files_and_says_what_comes_next() {
    let folder = tempdir().unwrap();
    let run = small(folder.path(), "run", &["--set", "steps=20"]).expect(0);
    let files = [
        "best.safetensors",
        "checkpoint-previous.safetensors",
        "checkpoint.safetensors",
        "curves.svg",
        "metrics.csv",
        "recipe.toml",
        "record.json",
        "samples/bicubic-network-truth.png",
    ];
    assert_eq!(tree(&folder.path().join("run")), files);
    assert!(run.stdout.contains("PSNR") && run.stdout.contains("bicubic") && run.stdout.contains("SSIM"));
    assert_eq!(run.stdout.lines().count(), 1, "{}", run.stdout);
    run.mentions(&["device: CPU", "wgrad upscale", "run/best.safetensors"]);
    let metrics = fs::read_to_string(folder.path().join("run/metrics.csv")).unwrap();
    assert_eq!(metrics.lines().count(), 3, "{metrics}");
}

#[test]
fn a_resumed_run_is_the_straight_one_bit_for_bit() {
    let folder = tempdir().unwrap();
    let constant = ["--set", "schedule.kind=constant", "--quiet"];
    let steps = |steps: &'static str| constant.into_iter().chain(["--set", steps]).collect::<Vec<_>>();
    small(folder.path(), "straight", &steps("steps=40")).expect(0);
    small(folder.path(), "parts", &steps("steps=20")).expect(0);
    wgrad(folder.path(), ["train", "--resume", "--out", "parts", "--set", "steps=40", "--quiet"]).expect(0);
    let read = |name: &str| fs::read(folder.path().join(name)).unwrap();
    for file in ["checkpoint.safetensors", "best.safetensors", "recipe.toml"] {
        assert!(read(&format!("straight/{file}")) == read(&format!("parts/{file}")), "{file} differs");
    }
    let metrics = |name: &str| -> Vec<Vec<String>> {
        let text = String::from_utf8(read(&format!("{name}/metrics.csv"))).unwrap();
        let fields = |line: &str| line.split(',').enumerate().filter(|(i, _)| *i != 3).map(|f| f.1.into()).collect();
        text.lines().map(fields).collect()
    };
    assert_eq!(metrics("straight"), metrics("parts"));
    assert_eq!(metrics("parts").len(), 5);
}

#[test]
fn runs_without_a_name_are_numbered_and_never_mixed() {
    let folder = tempdir().unwrap();
    fs::write(folder.path().join("mine.toml"), "steps = 2\n").unwrap();
    for _ in 0..2 {
        let arguments = SMALL.iter().chain(&["mine.toml", "--set", "network.kind=compact", "--set", "network.scale=2"]);
        let data = ["--set", "data.kind=procedural", "--quiet"];
        wgrad(folder.path(), arguments.chain(&data)).expect(0);
    }
    let names: Vec<String> = tree(&folder.path().join("runs")).into_iter().filter(|n| n.ends_with("toml")).collect();
    assert_eq!(names, ["mine-2/recipe.toml", "mine/recipe.toml"]);
    small(folder.path(), "runs/mine", &["--set", "steps=2"]).expect(2).mentions(&["runs/mine", "--resume"]);
}

#[test]
fn bad_requests_end_with_one_line_and_nothing_written() {
    let folder = tempdir().unwrap();
    let refuse = |arguments: &[&str], words: &[&str]| {
        wgrad(folder.path(), arguments).expect(2).says(words);
        assert!(tree(folder.path()).iter().all(|name| name.ends_with(".toml")), "{:?}", tree(folder.path()));
    };
    refuse(&["train", "--set", "setps=5"], &["`setps`", "`steps`?"]);
    refuse(&["train", "--set", "network.featurs=5"], &["`featurs`", "`features`?"]);
    refuse(&["train", "--set", "batch=0"], &["batch"]);
    refuse(&["train", "none.toml"], &["none.toml"]);
    refuse(&["train", "--resume"], &["quickstart", "--out"]);
    fs::write(folder.path().join("bad.toml"), "seed = 1\nsteps = \n").unwrap();
    refuse(&["train", "bad.toml"], &["bad.toml: line 2 (steps =): "]);
    fs::write(folder.path().join("bad.toml"), "steps = 5\n\nsteps = 6\n").unwrap();
    refuse(&["train", "bad.toml"], &["bad.toml: line 3 (steps = 6): duplicate key"]);
    fs::write(folder.path().join("bad.toml"), "[data]\nkind=\"csv\"\npath=\"C:\\data\\x.csv\"\n").unwrap();
    refuse(&["train", "bad.toml"], &["bad.toml: line 3 ", "single quotes"]);
}

#[test]
fn words_and_types_that_do_not_fit_name_their_key() {
    let folder = tempdir().unwrap();
    let csv = ["data.kind=csv", "data.path=t.csv", "network.kind=mlp", "network.sizes=[1,2]"];
    for (settings, key) in [
        (&["optimizer.kind=foo"][..], "optimizer.kind: unknown variant `foo`"),
        (&["schedule.kind=foo"], "schedule.kind: "),
        (&["network.kind=foo"], "network.kind: unknown variant `foo`"),
        (&["data.kind=foo"], "data.kind: unknown variant `foo`"),
        (&["loss.kind=foo"], "loss.kind: unknown variant `foo`"),
        (&["precision=foo"], "precision: unknown variant `foo`"),
        (&["validate.best=foo"], "validate.best: unknown variant `foo`"),
        (&["resume.allow=seed"], "resume.allow: invalid type"),
        (&["resume.allow=['seed','foo']"], "resume.allow[1]: unknown variant `foo`"),
        (&["network=5"], "network: invalid type"),
        (&["steps=[]"], "steps: invalid type"),
        (&["start=5"], "start: invalid type"),
        (&["optimizer.betas=0"], "optimizer.betas: "),
        (&["optimizer.nesterov=1"], "optimizer.nesterov: invalid type"),
        (&["loss.smoothing=0.1"], "loss: missing field `kind`"),
        (&["data.classes=yes"], "data.classes: invalid type"),
        (&["data.header=maybe"], "data.header: invalid type"),
        (&["data.path=5"], "data.path: invalid type"),
        (&["data.separator=colon"], "data.separator: unknown variant `colon`"),
        (&["data.empty=ignore"], "data.empty: unknown variant `ignore`"),
        (&["data.target=true"], "data.target: invalid type"),
        (&["network.activation=foo"], "network.activation: unknown variant `foo`"),
    ] {
        let settings = csv.iter().chain(settings).flat_map(|setting| ["--set", setting]);
        wgrad(folder.path(), ["train"].into_iter().chain(settings)).expect(2).says(&[key]);
    }
    let layers = "network={kind='sequential',input=[4],layers=[{layer='linear',out=2},{layer='foo'}]}";
    let settings = ["--set", layers, "--set", "data.kind=csv", "--set", "data.path=t.csv"];
    wgrad(folder.path(), ["train"].iter().chain(&settings))
        .expect(2)
        .says(&["network.layers[1].layer: unknown variant"]);
}

#[test]
fn missing_and_truncated_data_are_named() {
    let folder = tempdir().unwrap();
    let mlp = ["train", "--quiet", "--set", "network.kind=mlp", "--set", "network.sizes=[4, 2]"];
    let with = |more: &[&str]| wgrad(folder.path(), mlp.iter().chain(more));
    with(&["--set", "data.kind=csv", "--set", "data.path=none.csv"]).expect(2).says(&["none.csv"]);
    let idx = ["--set", "data.kind=idx", "--set", "data.path=digits"];
    with(&idx).expect(2).says(&["digits"]);
    let digits = folder.path().join("digits");
    fs::create_dir(&digits).unwrap();
    for part in ["train", "t10k"] {
        fs::write(digits.join(format!("{part}-labels-idx1-ubyte")), [0, 0, 8, 1, 0, 0, 0, 2, 0, 1]).unwrap();
        let cut = [0, 0, 8, 3, 0, 0, 0, 2, 0, 0, 0, 2, 0, 0, 0, 2, 1, 2, 3];
        fs::write(digits.join(format!("{part}-images-idx3-ubyte")), cut).unwrap();
    }
    with(&idx).expect(2).says(&["train-images-idx3-ubyte", "truncated"]);
    assert!(!folder.path().join("runs").exists());
}

#[test]
fn what_cannot_be_resumed_is_refused() {
    let folder = tempdir().unwrap();
    small(folder.path(), "run", &["--set", "steps=2", "--quiet"]).expect(0);
    let resume = ["train", "--quiet", "--resume", "--out", "run", "--set"];
    let with = |setting: &str| wgrad(folder.path(), resume.iter().chain(&[setting]));
    with("network.features=8").expect(2).says(&["run/checkpoint.safetensors", "network.features was 4, is 8"]);
    let path = folder.path().join("run/checkpoint.safetensors");
    let bytes = fs::read(&path).unwrap();
    for cut in [0, 7, bytes.len() / 2, bytes.len() - 1] {
        fs::write(&path, &bytes[..cut]).unwrap();
        with("steps=4").expect(2).says(&["run/checkpoint.safetensors", "damaged"]);
    }
    fs::copy(folder.path().join("run/best.safetensors"), &path).unwrap();
    with("steps=4").expect(2).says(&["weights only"]);
}

#[test]
fn a_folder_that_cannot_be_made_is_named() {
    let folder = tempdir().unwrap();
    fs::write(folder.path().join("file"), "").unwrap();
    small(folder.path(), "file/run", &["--set", "steps=2", "--quiet"]).expect(2).says(&["file/run"]);
}

#[test]
fn progress_for_machines_parses() {
    let folder = tempdir().unwrap();
    let run = small(folder.path(), "run", &["--set", "steps=20", "--progress", "json"]).expect(0);
    let events: Vec<serde_json::Value> = run.stderr.lines().map(|l| serde_json::from_str(l).unwrap()).collect();
    let count = |name: &str| events.iter().filter(|e| e["event"] == name).count();
    assert_eq!((count("device"), count("validation"), count("done")), (1, 2, 1), "{}", run.stderr);
    assert!(count("progress") > 0);
    let last = events.last().unwrap();
    assert_eq!((last["step"].as_u64(), last["stopped"].as_bool()), (Some(20), Some(false)));
    let failed = wgrad(folder.path(), ["train", "--set", "x=1", "--progress", "json"]).expect(2);
    assert_eq!(serde_json::from_str::<serde_json::Value>(&failed.stderr).unwrap()["event"], "error");
}

#[cfg(unix)]
#[test]
fn an_interrupted_run_saves_and_goes_on() {
    use std::io::{BufRead, BufReader};
    let folder = tempdir().unwrap();
    let mut started = command(folder.path());
    started.args(SMALL.iter().chain(&["--out", "run", "--set", "steps=100000000", "--progress", "json"]));
    let mut child = started.stderr(std::process::Stdio::piped()).stdout(std::process::Stdio::null()).spawn().unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
    assert!(lines.any(|line| line.unwrap().contains("\"progress\"")));
    let status = std::process::Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    assert!(status.success());
    let rest: Vec<String> = lines.map(|line| line.unwrap()).collect();
    assert_eq!(child.wait().unwrap().code(), Some(130), "{rest:?}");
    let events: Vec<serde_json::Value> = rest.iter().map(|line| serde_json::from_str(line).unwrap()).collect();
    let done = events.last().unwrap();
    assert_eq!(done["stopped"], true);
    let more = format!("steps={}", done["step"].as_u64().unwrap() + 5);
    wgrad(folder.path(), ["train", "--resume", "--out", "run", "--quiet", "--set", &more]).expect(0);
}

#[test]
fn a_path_on_the_command_line_starts_where_one_stands_and_one_in_a_recipe_beside_it() {
    let folder = tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    fs::create_dir_all(at("recipes")).unwrap();
    let table = |slope: i32| (0..40).map(|k| format!("{k},{}\n", k * slope)).collect::<String>();
    fs::write(at("t.csv"), table(1)).unwrap();
    fs::write(at("recipes/t.csv"), table(2)).unwrap();
    let recipe = "steps = 2\nbatch = 4\n[network]\nkind = 'mlp'\nsizes = [1, 1]\n\
                  [data]\nkind = 'csv'\npath = 't.csv'\nclasses = false\n";
    fs::write(at("recipes/r.toml"), recipe).unwrap();
    let path = |name: &str, more: &[&str]| {
        let start = ["train", "recipes/r.toml", "--quiet", "--out", name];
        wgrad(folder.path(), start.iter().chain(more)).expect(0);
        let text = fs::read_to_string(at(name).join("recipe.toml")).unwrap();
        text.lines().find(|line| line.starts_with("path = ")).unwrap().to_string()
    };
    assert!(path("a", &[]).ends_with("recipes/t.csv\""));
    assert!(!path("b", &["--set", "data.path=t.csv"]).contains("recipes"));
    let whole = "data={kind='csv',path='t.csv',classes=false}";
    assert!(!path("c", &["--set", whole]).contains("recipes"));
}

#[test]
fn data_that_no_memory_holds_are_not_drawn() {
    let folder = tempdir().unwrap();
    let recipe = "steps = 1\n[network]\nkind = 'mlp'\nsizes = [784, 10]\n[data]\nkind = 'digits'\npictures = 100000";
    fs::write(folder.path().join("large.toml"), recipe).unwrap();
    let mut command = command(folder.path());
    command.args(["train", "large.toml", "--out", "run"]).env("WGRAD_MEMORY", "64");
    finish(command, &[]).expect(2).mentions(&["data: drawing so much takes 180", "draw less"]);
    assert!(!folder.path().join("run").exists());
}

/// A handler that is put there and taken back lets a hangup through in between, one run in a few.
#[cfg(unix)]
#[test]
fn a_hangup_that_was_ignored_from_outside_is_never_heard() {
    use nix::sys::signal::{SigHandler, Signal, signal};
    use std::os::unix::process::{CommandExt, ExitStatusExt};
    use std::process::{Command, Stdio};
    let folder = tempdir().unwrap();
    for run in 0..5 {
        let mut started = command(folder.path());
        started
            .args(SMALL)
            .args(["--quiet", "--set", "steps=60", "--out", &format!("run-{run}")])
            .stdout(Stdio::null());
        // SAFETY: between fork and exec the child makes one system call.
        unsafe { started.pre_exec(|| Ok(signal(Signal::SIGHUP, SigHandler::SigIgn).map(drop)?)) };
        let mut child = started.spawn().unwrap();
        let hang_up = || Command::new("kill").args(["-HUP", &child.id().to_string()]).stderr(Stdio::null()).status();
        for _ in 0..40 {
            hang_up().unwrap();
        }
        let status = child.wait().unwrap();
        assert_eq!((status.code(), status.signal()), (Some(0), None), "run {run}");
    }
}

/// Numbers that once trained, aborted or went on as NaN.
#[test]
fn what_no_number_may_be_is_refused_in_one_line() {
    let folder = tempdir().unwrap();
    let recipe = "steps = 5\n[network]\nkind = 'mlp'\nsizes = [2, 8, 3]\n[data]\nkind = 'spirals'";
    fs::write(folder.path().join("spirals.toml"), recipe).unwrap();
    for (setting, key) in [
        ("optimizer.weight_decay=nan", "optimizer.weight_decay"),
        ("optimizer.betas=[-1,2]", "optimizer.betas"),
        ("optimizer.lr=abc", "optimizer.lr"),
        ("schedule.last=-5", "schedule.last"),
        ("loss.smoothing=2", "loss.smoothing"),
        ("batch=1000000000000", "batch"),
        ("data.classes=0", "data.classes"),
        ("network.sizes=[1099511627776,1099511627776,3]", "network.sizes"),
    ] {
        let run = wgrad(folder.path(), ["train", "spirals.toml", "--out", "run", "--set", setting]);
        run.expect(2).says(&[key]);
        assert!(!folder.path().join("run").exists(), "{setting}");
    }
}
