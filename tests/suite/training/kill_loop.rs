//! Runs that are killed at random moments, again and again, and end bit for bit as the one that was left alone. Long: run by
//! `cargo test --release --test suite kill_loop -- --ignored --nocapture`.

#![cfg(unix)]

use crate::support::skip;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use tempfile::tempdir;
use wgrad::internal::random::pcg;

/// What a run leaves that says what it learned.
const FILES: [&str; 4] = ["checkpoint.safetensors", "best.safetensors", "recipe.toml", "record.json"];

fn train(folder: &Path, device: &str, out: &str, resume: bool) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_wgrad"));
    command.current_dir(folder).env("WGRAD_CACHE", "").args(["--device", device, "--quiet", "--no-tune", "train"]);
    let recipe = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/training/killrecipe.toml");
    command.args([recipe, "--out", out]).stdout(Stdio::null());
    if resume {
        command.arg("--resume");
    }
    command
}

/// Kills `runs` runs one to three times each; returns how many kills there were, and how often a run had begun to save.
fn loop_of_kills(device: &str, runs: u32) -> [u32; 2] {
    let folder = tempdir().unwrap();
    let begun = Instant::now();
    let status = train(folder.path(), device, "straight", false).status().unwrap();
    assert!(status.success(), "{status}");
    let whole = begun.elapsed();
    let read = |out: &str, file: &str| fs::read(folder.path().join(out).join(file)).unwrap();
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let mut word = now.subsec_nanos() ^ now.as_secs() as u32;
    println!("{runs} runs of {:.2} s on {device}, drawn from {word}", whole.as_secs_f64());
    let mut draw = || {
        word = pcg(word);
        f64::from(word) / f64::from(u32::MAX)
    };
    let [mut kills, mut saved] = [0; 2];
    for run in 0..runs {
        let out = format!("run-{run}");
        let checkpoint = folder.path().join(&out).join("checkpoint.safetensors");
        for _ in 0..1 + (3.0 * draw()) as u32 {
            let mut child = train(folder.path(), device, &out, checkpoint.exists()).spawn().unwrap();
            std::thread::sleep(Duration::from_secs_f64(draw() * whole.as_secs_f64()));
            child.kill().unwrap();
            let status = child.wait().unwrap();
            kills += u32::from(!status.success());
            saved += u32::from(checkpoint.exists());
            assert!(status.code().is_none_or(|code| code == 0), "run {run}: {status}");
        }
        let status = train(folder.path(), device, &out, checkpoint.exists()).status().unwrap();
        assert!(status.success(), "run {run}: {status}");
        for file in FILES {
            assert!(read("straight", file) == read(&out, file), "run {run}: {file} differs");
        }
        let left = fs::read_dir(folder.path().join(&out)).unwrap().flatten();
        let left = left.filter(|entry| entry.file_name().as_encoded_bytes().starts_with(b"."));
        assert_eq!(left.count(), 0, "run {run} left something behind");
        fs::remove_dir_all(folder.path().join(&out)).unwrap();
    }
    println!("{kills} kills, {saved} of them after a checkpoint; all {runs} runs ended as the straight one");
    [kills, saved]
}

#[test]
#[ignore = "minutes"]
fn forty_runs_on_the_processor_end_as_the_straight_one() {
    let [kills, saved] = loop_of_kills("cpu", 40);
    assert!(kills > 20 && saved > 10, "{kills} {saved}: the moments were badly drawn");
}

#[test]
#[ignore = "minutes"]
fn six_runs_on_a_software_adapter_end_as_the_straight_one() {
    let device = "llvmpipe";
    if wgrad::internal::device::Device::find(device).is_err() {
        return skip::no_adapter();
    }
    loop_of_kills(device, 6);
}
