//! Lesson 2: a hidden layer solves XOR.
//!
//! A second layer sees what the first one makes of the input. With a bend `s` between them,
//!
//! ```text
//! h = s(x W1 + b1)      z = h W2 + b2      p = sigmoid(z)      s = sigmoid
//! ```
//!
//! each hidden value is a soft line, and the second layer combines them: "above the first line, but not above the
//! second" is XOR. The sigmoid `1 / (1 + exp(-z))` is a step with a slope, so that now there is a gradient to follow. What
//! is minimised is binary cross-entropy (log loss): `-log p` where the answer is 1, `-log(1 - p)` where it is 0, averaged.
//!
//! Without the bend, `(x W1 + b1) W2 + b2` is one line again, whatever the number of layers. The best such a network can
//! say of XOR is `p = 1/2` everywhere, at a loss of `log 2 = 0.693`.

mod common;

use anyhow::Result;
use clap::Parser;
use wgrad::graph::{Activation, Loss, Update};
use wgrad::{Device, Network, Picture, Plane, Predictor, Resident, Room, Rows, Samples, SaveOptions, Setup, Trainer};

/// Trains 2-8-1 with `bend` between the layers; losses of all steps, and the network for use.
fn learn(device: &Device, bend: Activation, steps: u64) -> Result<(Vec<f32>, Predictor)> {
    let data = Resident::Rows(Rows {
        features: Samples::Floats(vec![0., 0., 0., 1., 1., 0., 1., 1.]),
        width: 2,
        targets: vec![0., 1., 1., 0.],
        target_width: 1,
        classes: None,
    });
    let network = Network::Mlp { sizes: vec![2, 8, 1], activation: bend, dropout: 0.0 };
    let setup = Setup {
        network: network.clone(),
        loss: Loss::BceWithLogits, // takes z: the sigmoid and the logarithm together lose no digits
        rule: Update::Adam { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, decay: 0.0, decoupled: false },
        clip: None,
        average: None,
        batch: 4,
        accumulate: 1,
        seed: 1,
    };
    let mut trainer = Trainer::new(device.executor()?, setup, &data, Room::of(&data))?;
    trainer.advance(steps, |_| 0.03)?;
    let losses = trainer.losses()?;
    let weights = trainer.weights()?;
    Ok((losses, Predictor::on(device, &network, &weights)?))
}

fn probability(z: f32) -> f32 {
    1.0 / (1.0 + (-z).exp())
}

fn main() -> Result<()> {
    let lesson = common::Lesson::parse();
    let (device, folder) = (lesson.device()?, lesson.folder("xor")?);
    let steps = lesson.pick(1000, 3000);
    let (losses, mut bent) = learn(&device, Activation::Sigmoid, steps)?;
    let (straight_losses, mut straight) = learn(&device, Activation::Identity, steps)?;

    println!(" x1  x2   XOR   with a bend   without");
    let inputs = [0., 0., 0., 1., 1., 0., 1., 1.];
    let (given, lines) = (bent.run(4, [1, 1], &inputs)?, straight.run(4, [1, 1], &inputs)?);
    let mut right = 0;
    for (row, x) in inputs.chunks(2).enumerate() {
        let truth = x[0] != x[1];
        let (p, q) = (probability(given[row]), probability(lines[row]));
        right += usize::from((p > 0.5) == truth);
        println!("{:3} {:3} {:5} {p:13.3} {q:9.3}", x[0], x[1], u8::from(truth));
    }
    let last = losses[losses.len() - 1];
    let least = straight_losses.iter().copied().fold(f32::MAX, f32::min);
    println!("\nloss with a bend {last:.4}; without, never below {least:.4} (log 2 = {:.4})", 2f32.ln());

    let curve = |losses: &[f32]| losses.iter().enumerate().map(|(i, &l)| (i as f64, f64::from(l))).collect();
    let curves = [("sigmoid between the layers".into(), curve(&losses)), ("nothing".into(), curve(&straight_losses))];
    common::plot(&folder.join("loss.svg"), "XOR", ["step", "loss"], &curves)?;

    // The answer over the square from (-0.5, -0.5) to (1.5, 1.5), x1 to the right, x2 upwards.
    let side = 128;
    let at = |i: usize| 2.0 * (i as f32 + 0.5) / side as f32 - 0.5;
    let grid: Vec<f32> = (0..side * side).flat_map(|i| [at(i % side), at(side - 1 - i / side)]).collect();
    let shades = bent.run(side * side, [1, 1], &grid)?.into_iter().map(|z| 255.0 * probability(z)).collect();
    let options = SaveOptions { overwrite: true, ..SaveOptions::default() };
    Picture::new(vec![Plane::new(side, side, shades)]).save(folder.join("answers.png"), &options)?;
    println!("wrote {}", folder.join("answers.png").display());

    assert_eq!(right, 4, "a hidden layer with a bend solves XOR");
    assert!(last < 0.05, "and is sure of it: the loss is {last}");
    assert!(least > 2f32.ln() - 1e-3, "a straight network cannot beat log 2: it reached {least}");
    Ok(())
}
