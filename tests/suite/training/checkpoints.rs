//! Stored checkpoints of every format still open and mean what they meant; what they say of data is held to.

use std::fs;
use std::path::{Path, PathBuf};

use crate::support::cli::wgrad;
use tempfile::tempdir;
use wgrad::internal::checkpoint::{Checkpoint, LossSpec};
use wgrad::internal::device::Device;
use wgrad::internal::image::{Picture, Plane};
use wgrad::internal::interface::{Colour, InputSpec, Interface, OutputSpec, Pixels, Scores};
use wgrad::internal::network::{Array, Mode, Network, Skip, Weights, initial};
use wgrad::internal::predict::Predictor;
use wgrad::internal::train::layout;
use wgrad::internal::upscale::{UpscaleOptions, Upscaler};

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/checkpoints").join(name)
}

fn open(name: &str) -> Checkpoint {
    Checkpoint::open(&fixture(name)).unwrap()
}

/// The likeliest class and its probability in tenths of a percent, for rows of `a,b`.
fn answers(checkpoint: &Checkpoint, rows: &[[f32; 2]]) -> Vec<(String, i64)> {
    let executor = Device::Cpu.executor().unwrap();
    let mut predictor = Predictor::new(executor, &checkpoint.network, &checkpoint.weights).unwrap();
    let outputs = predictor.run(rows.len(), [1, 1], rows.as_flattened()).unwrap();
    let output = &checkpoint.interface.output;
    let read = |row: &[f32]| {
        let class = output.class(row);
        let wgrad::internal::interface::Reading::Classes(p) = output.read(row) else { panic!("classes") };
        (output.classes()[class].clone(), (1000.0 * p[class]).round() as i64)
    };
    outputs.chunks(outputs.len() / rows.len()).map(read).collect()
}

#[test]
fn format_1_opens_with_what_it_knew() {
    let classes = open("format-1-classes.safetensors");
    assert_eq!(classes.interface.output.classes(), ["dog", "mouse"]);
    assert_eq!(classes.loss, Some(LossSpec::CrossEntropy { smoothing: 0.0 }));
    // The program that wrote it said so, but shared the probability with a third output that had no name.
    let said = answers(&classes, &[[0.0409, 0.4649], [-0.4609, 0.3526], [0.9262, 0.4113], [1.5621, -0.8851]]);
    assert_eq!(said.iter().map(|s| s.0.as_str()).collect::<Vec<_>>(), ["mouse", "mouse", "dog", "dog"]);
    let picture = open("format-1-picture.safetensors");
    let input = InputSpec::Picture { pixels: Pixels::plain(Colour::Luma), enlarged: false };
    assert_eq!(picture.interface.input, input);
    // Classes without names were called by their numbers.
    let training = open("format-1-training.safetensors");
    assert_eq!(training.interface.output, OutputSpec::numbered(3, Scores::Logits));
    assert_eq!(training.training.unwrap().step, 300);
}

#[test]
fn format_2_opens_with_names_and_statistics() {
    let classes = open("format-2-classes.safetensors");
    let InputSpec::Columns { columns, named: true } = &classes.interface.input else { panic!("named columns") };
    assert_eq!(columns.iter().map(|c| c.name.as_str()).collect::<Vec<_>>(), ["a", "b"]);
    assert_eq!(classes.interface.output.columns(), ["y"]);
    assert_eq!(classes.interface.output.classes(), ["dog", "mouse"]);
}

#[test]
fn a_flipped_bit_of_a_stored_file_is_refused() {
    let bytes = fs::read(fixture("format-2-classes.safetensors")).unwrap();
    for k in 0..60 {
        let mut damaged = bytes.clone();
        let bit = k * (8 * bytes.len() - 1) / 59;
        damaged[bit / 8] ^= 1 << (bit % 8);
        let error = Checkpoint::decode(&damaged, "flipped").unwrap_err().to_string();
        assert!(error.starts_with("flipped: ") && error.lines().count() == 1, "{error}");
    }
}

/// A network whose output is its input enlarged: all weights of the path beside it are zero.
fn plain(pixels: Pixels) -> Checkpoint {
    let network =
        Network::Compact { scale: 2, channels: 3, features: 4, convolutions: 2, expand: 0, skip: Skip::Nearest };
    let (graph, places) = layout(&network, Mode::Infer).unwrap();
    let mut weights = Weights::default();
    for (name, array) in Weights::from_state(&graph, &places, &initial(&graph, &places, 1)).iter() {
        weights.insert(name, Array { shape: array.shape.clone(), values: vec![0.0; array.values.len()] });
    }
    let interface = Interface {
        input: InputSpec::Picture { pixels: pixels.clone(), enlarged: false },
        output: OutputSpec::Picture { pixels },
    };
    Checkpoint::new(network, weights, interface)
}

#[test]
fn pictures_go_in_and_come_out_in_the_networks_numbers() {
    let plane = |k: usize| Plane::from_fn(7, 5, |x, y| ((x * 31 + y * 57 + k * 71) % 256) as f32);
    let picture = Picture::new((0..3).map(plane).collect());
    let result = |pixels: Pixels| {
        let mut upscaler = Upscaler::new(&Device::Cpu, &plain(pixels), UpscaleOptions::default()).unwrap();
        upscaler.upscale(&picture, &mut |_, _| {}).unwrap()
    };
    let shifted = Pixels { colour: Colour::Rgb, white: 255.0, mean: vec![114.4, 111.5, 103.0] };
    let (plain, shifted) = (result(Pixels::plain(Colour::Rgb)), result(shifted.clone()));
    for (a, b) in plain.picture.planes.iter().zip(&shifted.picture.planes) {
        let worst = a.data.iter().zip(&b.data).map(|(a, b)| (a - b).abs()).fold(0.0f32, f32::max);
        assert!(worst < 1e-3, "{worst}");
    }
    // What is subtracted before is added after, and not forgotten: another mean on one side shows.
    let mut lopsided = self::plain(Pixels::plain(Colour::Rgb));
    let OutputSpec::Picture { pixels } = &mut lopsided.interface.output else { panic!("a picture") };
    pixels.mean = vec![0.1; 3];
    let mut upscaler = Upscaler::new(&Device::Cpu, &lopsided, UpscaleOptions::default()).unwrap();
    let brighter = upscaler.upscale(&picture, &mut |_, _| {}).unwrap();
    assert!((brighter.picture.planes[0].at(0, 0) - plain.picture.planes[0].at(0, 0) - 25.5).abs() < 1e-3);
}

#[test]
fn tables_are_scored_by_the_names_of_their_classes() {
    let folder = tempdir().unwrap();
    let run = |line: &str| wgrad(folder.path(), line.split_whitespace());
    run(
        "train -q --out run --set steps=400 --set network.kind=mlp --set network.sizes=[2,8,3] --set data.kind=spirals",
    )
    .expect(0);
    // Points of a grid, labelled by the network itself; those it calls 0 are left out.
    let grid = (0..64).map(|k| format!("{},{}", f64::from(k % 8) / 4.0 - 0.9, f64::from(k / 8) / 4.0 - 0.9));
    let grid: Vec<String> = grid.collect();
    fs::write(folder.path().join("grid.csv"), grid.join("\n")).unwrap();
    let answers: serde_json::Value =
        serde_json::from_str(&run("predict run/best.safetensors grid.csv --json -q").expect(0).stdout).unwrap();
    let class = |k: usize| answers[k]["classes"][0]["class"].as_str().unwrap().to_string();
    let labelled: Vec<String> =
        (0..64).filter(|&k| class(k) != "0").map(|k| format!("{},{}", grid[k], class(k))).collect();
    assert!(labelled.iter().any(|l| l.ends_with(",1")) && labelled.iter().any(|l| l.ends_with(",2")), "{labelled:?}");
    fs::write(folder.path().join("some.csv"), labelled.join("\n")).unwrap();
    let scores = run("eval run/best.safetensors --data some.csv --json -q").expect(0).stdout;
    let scores: serde_json::Value = serde_json::from_str(&scores).unwrap();
    assert_eq!(scores["accuracy"], 1.0, "{scores}");
    // Other classes: both lists.
    fs::write(folder.path().join("other.csv"), "0.1,0.2,oak\n0.3,0.1,1\n0.2,0.2,7\n").unwrap();
    run("eval run/best.safetensors --data other.csv --header false -q").expect(2).says(&[
        "other.csv",
        "0, 1, 2",
        "1, 7, oak",
    ]);
}
