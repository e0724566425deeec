//! How runs learn: gradients of several batches at once, schedules, the end of patience, the checkpoints that stay; and that
//! a killed run with any of them goes on bit for bit.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use crate::support::cli::{Run, command, fixture, tree, wgrad};
use tempfile::tempdir;
use wgrad::graph::{Activation, Loss, Update};
use wgrad::internal::cpu::Cpu;
use wgrad::internal::data::{PairOptions, lessons, procedural};
use wgrad::internal::executor::Executor;
use wgrad::internal::network::{Network, Skip, Weights};
use wgrad::internal::train::{Resident, Room, Setup, Trainer};

/// Losses and weights after some steps.
fn learn(setup: &Setup, data: &Resident, steps: u64) -> (Vec<f32>, Weights) {
    let executor: Box<dyn Executor> = Box::new(Cpu::<f32>::new());
    let mut trainer = Trainer::new(executor, setup.clone(), data, Room::of(data)).unwrap();
    trainer.advance(steps, |_| 1e-2).unwrap();
    (trainer.losses().unwrap(), trainer.weights().unwrap())
}

/// Whether two runs are the same within rounding; the largest difference of a weight.
fn close(one: &(Vec<f32>, Weights), other: &(Vec<f32>, Weights)) -> f32 {
    assert_eq!(one.0.len(), other.0.len());
    for (a, b) in one.0.iter().zip(&other.0) {
        assert!((a - b).abs() < 1e-5 * a.abs().max(1.0), "losses {:?} and {:?}", one.0, other.0);
    }
    let pairs = one.1.iter().zip(other.1.iter());
    let differences = pairs.flat_map(|((_, a), (_, b))| a.values.iter().zip(&b.values).map(|(a, b)| (a - b).abs()));
    differences.fold(0.0, f32::max)
}

#[test]
fn accumulated_gradients_are_those_of_the_larger_batch() {
    let rows = Resident::Rows(lessons::spirals(3, 200, 3, 0.02));
    let mlp = Network::Mlp { sizes: vec![2, 16, 3], activation: Activation::Tanh, dropout: 0.0 };
    let pictures = procedural::pictures(5, 3, 40, &PairOptions::new(2, 1, 12)).unwrap();
    let compact =
        |expand| Network::Compact { scale: 2, channels: 1, features: 4, convolutions: 3, expand, skip: Skip::Bilinear };
    let pictures = Resident::Pictures(pictures);
    let cases = [
        (mlp, Loss::CrossEntropy(0.1), rows),
        (compact(0), Loss::Mse, pictures.clone()),
        (compact(6), Loss::Charbonnier(1e-3), pictures),
    ];
    for (network, loss, data) in cases {
        for clip in [None, Some(0.05)] {
            let rule = Update::Sgd { momentum: 0.9, nesterov: false, decay: 1e-3 };
            let whole = Setup {
                network: network.clone(),
                loss,
                rule,
                clip,
                average: Some(0.9),
                batch: 24,
                accumulate: 1,
                seed: 4,
            };
            let at_once = learn(&whole, &data, 12);
            for (batch, accumulate) in [(12, 2), (8, 3), (3, 8)] {
                let parts = Setup { batch, accumulate, ..whole.clone() };
                let difference = close(&at_once, &learn(&parts, &data, 12));
                assert!(difference < 1e-5, "{network:?} in {accumulate} parts: {difference}");
            }
            let fewer = learn(&Setup { batch: 12, ..whole.clone() }, &data, 12);
            assert_ne!(at_once.0, fewer.0, "a smaller batch is another run");
        }
    }
}

/// Two batch normalisations over different batches are different networks, and both learn.
#[test]
fn batch_normalisation_sees_each_part_by_itself() {
    let text = r#"{ "kind": "sequential", "input": [2], "layers": [{ "layer": "linear", "out": 16 }, { "layer": "batch_norm" },
        { "layer": "activation", "function": "relu" }, { "layer": "dropout", "rate": 0.2 }, { "layer": "linear", "out": 3 }] }"#;
    let network: Network = serde_json::from_str(text).unwrap();
    let data = Resident::Rows(lessons::spirals(3, 300, 3, 0.02));
    let rule = Update::Adam { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, decay: 0.0, decoupled: false };
    let loss = Loss::CrossEntropy(0.0);
    let whole = Setup { network, loss, rule, clip: None, average: None, batch: 60, accumulate: 1, seed: 4 };
    let parts = Setup { batch: 20, accumulate: 3, ..whole.clone() };
    let (one, three) = (learn(&whole, &data, 100), learn(&parts, &data, 100));
    assert_ne!(one.0[0], three.0[0]);
    for (losses, weights) in [&one, &three] {
        assert!(losses[99] < 0.9 * losses[0], "{losses:?}");
        assert!(weights.find("1.running_var").unwrap().values.iter().all(|v| v.is_finite() && *v > 0.0));
    }
    // Running statistics have seen every part.
    assert_ne!(one.1.find("1.running_mean"), three.1.find("1.running_mean"));
}

const SPIRALS: &str = "steps=240 batch=8 data.kind=spirals data.points=200 optimizer.lr=1e-2 validate.every=4";
const MLP: &str = "network.kind=mlp network.sizes=[2,16,3] network.dropout=0.1";

fn settings(text: &str) -> Vec<String> {
    text.split_whitespace().flat_map(|setting| ["--set".to_string(), setting.to_string()]).collect()
}

fn train(folder: &Path, out: &str, text: &str) -> Run {
    let start = ["train", "--quiet", "--out", out].map(String::from);
    wgrad(folder, start.into_iter().chain(settings(text)))
}

/// What a run leaves, without the times.
fn left(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let names = tree(folder).into_iter().filter(|name| !name.ends_with(".svg"));
    let read = |name: String| {
        let mut bytes = fs::read(folder.join(&name)).unwrap();
        if name == "metrics.csv" {
            let text = String::from_utf8(bytes).unwrap();
            let fields = |line: &str| {
                line.split(',').enumerate().filter(|(i, _)| *i != 3).map(|f| f.1.to_string() + ",").collect()
            };
            bytes = text.lines().map(fields).collect::<Vec<String>>().join("\n").into_bytes();
        }
        (name, bytes)
    };
    names.map(read).collect()
}

/// Starts the run `killed`, and kills it once its table has some lines.
#[cfg(unix)]
fn killed(folder: &Path, text: &str) {
    let mut child = command(folder);
    child.args(["train", "--quiet", "--out", "killed"]).args(settings(text));
    let mut child = child.spawn().unwrap();
    let begun = Instant::now();
    let lines = || fs::read_to_string(folder.join("killed/metrics.csv")).map_or(0, |text| text.lines().count());
    while lines() < 6 && child.try_wait().unwrap().is_none() {
        assert!(begun.elapsed() < Duration::from_secs(60));
        std::thread::sleep(Duration::from_millis(1));
    }
    child.kill().unwrap();
    child.wait().unwrap();
}

#[cfg(unix)]
#[test]
fn a_killed_run_goes_on_bit_for_bit_with_every_way_to_learn() {
    let norm = "network={kind=\"sequential\",input=[2],layers=[{layer=\"linear\",out=16},{layer=\"batch_norm\"},\
                {layer=\"activation\",function=\"relu\"},{layer=\"dropout\",rate=0.2},{layer=\"linear\",out=3}]}";
    for (network, more) in [
        (MLP, "schedule.kind=one_cycle optimizer.accumulate=3"),
        (norm, "schedule.kind=step schedule.every=30 optimizer.accumulate=2 validate.keep=3 optimizer.kind=adamw"),
        (MLP, "schedule.kind=linear validate.patience=9 validate.keep=2 optimizer.kind=rmsprop optimizer.lr=1e-3"),
        (norm, "optimizer.kind=sgd optimizer.momentum=0.9 optimizer.clip=0.5 validate.patience=1000"),
    ] {
        let folder = tempdir().unwrap();
        let text = format!("{SPIRALS} {network} {more}");
        train(folder.path(), "straight", &text).expect(0);
        killed(folder.path(), &text);
        wgrad(folder.path(), ["train", "--resume", "--quiet", "--out", "killed"]).expect(0);
        let [straight, killed] = ["straight", "killed"].map(|name| left(&folder.path().join(name)));
        let names = |files: &[(String, Vec<u8>)]| files.iter().map(|file| file.0.clone()).collect::<Vec<_>>();
        assert_eq!(names(&straight), names(&killed), "{more}");
        for (one, other) in straight.iter().zip(&killed) {
            assert!(one.1 == other.1, "{more}: {} differs", one.0);
        }
    }
}

/// Random labels, whose score gets no better for long.
fn noise(folder: &Path, out: &str, more: &str) -> Run {
    fixture(folder, "training/leak.csv");
    let text = format!(
        "batch=16 network.kind=mlp network.sizes=[8,16,2] data.kind=csv data.path=leak.csv validate.every=5 {more}"
    );
    train(folder, out, &text)
}

fn rows(folder: &Path) -> Vec<(u64, f64, f64)> {
    let text = fs::read_to_string(folder.join("metrics.csv")).unwrap();
    let number = |line: &str, i: usize| line.split(',').nth(i).unwrap().parse::<f64>().unwrap();
    text.lines().skip(1).map(|line| (number(line, 0) as u64, number(line, 4), number(line, 5))).collect()
}

#[test]
fn a_run_ends_when_patience_does_and_stays_at_its_end() {
    let folder = tempdir().unwrap();
    noise(folder.path(), "run", "steps=5000 validate.patience=4").expect(0);
    let path = folder.path().join("run");
    let all = rows(&path);
    let last = all.last().unwrap().0;
    assert!(last < 5000, "{last}");
    let better = |a: &(u64, f64, f64), b: &(u64, f64, f64)| a.1 > b.1 || (a.1 == b.1 && a.2 < b.2);
    let best = all.iter().fold(all[0], |best, row| if better(row, &best) { *row } else { best });
    assert_eq!((last - best.0) / 5, 4, "{all:?}");
    let resume = |more: &str| {
        let start = ["train", "--resume", "--out", "run"].map(String::from);
        wgrad(folder.path(), start.into_iter().chain(settings(more))).expect(0)
    };
    resume("").mentions(&["no better score in 4 validations"]);
    assert_eq!(rows(&path).len(), all.len());
    resume("validate.patience=6");
    assert!(rows(&path).len() >= all.len() + 2);
}

#[test]
fn the_best_checkpoints_stay() {
    let folder = tempdir().unwrap();
    noise(folder.path(), "run", "steps=100 validate.keep=3").expect(0);
    let path = folder.path().join("run");
    let mut all = rows(&path);
    all.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.2.total_cmp(&b.2)));
    let mut names: Vec<String> = all[..3].iter().map(|row| format!("step-{}.safetensors", row.0)).collect();
    let best = fs::read(path.join("kept").join(&names[0])).unwrap();
    assert!(best == fs::read(path.join("best.safetensors")).unwrap());
    names.sort();
    assert_eq!(tree(&path.join("kept")), names);
    let run = wgrad(folder.path(), ["info", &format!("run/kept/{}", names[0])]).expect(0);
    assert!(run.stdout.contains("validation: accuracy"), "{}", run.stdout);
}

#[test]
fn a_learning_rate_is_suggested_that_learns() {
    let folder = tempdir().unwrap();
    let text = format!("{SPIRALS} {MLP} network.dropout=0");
    let start = ["train", "--find-lr"].map(String::from);
    let run = wgrad(folder.path(), start.into_iter().chain(settings(&text))).expect(0);
    assert_eq!(tree(folder.path()), ["runs/quickstart-lr/lr.csv", "runs/quickstart-lr/lr.svg"]);
    let table = fs::read_to_string(folder.path().join("runs/quickstart-lr/lr.csv")).unwrap();
    assert!(table.starts_with("lr,loss,smoothed_loss\n1.000000e-7,") && table.lines().count() > 100, "{table}");
    let rate = run.stdout.trim().strip_prefix("optimizer.lr = ").unwrap_or_else(|| panic!("{}", run.stdout));
    let value: f64 = rate.parse().unwrap();
    assert!((1e-4..=1.0).contains(&value), "{value}");
    let accuracy = |rate: &str| -> f64 {
        let run = train(folder.path(), &format!("at-{rate}"), &format!("{text} optimizer.lr={rate}")).expect(0);
        run.stdout.split_whitespace().nth(1).unwrap().parse().unwrap()
    };
    assert!(accuracy(rate) > accuracy("1e-6") + 10.0);
    let resume = ["train", "--find-lr", "--resume", "--out", "x"];
    wgrad(folder.path(), resume).expect(2);
}
