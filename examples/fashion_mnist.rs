//! Lesson 6: a whole training run, from the pictures to the accuracy.
//!
//! ```text
//! dataset -> sample -> forward -> loss -> backward -> update -> metrics
//! ```
//!
//! Pictures of 28 x 28 pixels, ten classes, and the network 784-512-512-10 with ReLU: 669,706 numbers to learn. The
//! pictures lie on the device; every step draws a batch there, each picture once an epoch in a new order. Adam starts
//! at a rate of 0.001, which a cosine lowers to zero, so that the last steps settle rather than wander.
//!
//! What counts is the accuracy on pictures that nothing was learned from. The accuracy on the training pictures is
//! higher, and the gap between them is what the network knows by heart.
//!
//! `--data DIR` takes a folder with the four files of Fashion-MNIST (or MNIST), plain or gzipped. Without it, digits
//! are drawn.

mod common;

use std::path::PathBuf;
use std::time::Instant;

use anyhow::Result;
use clap::Parser;
use wgrad::graph::{Activation, Loss, Update};
use wgrad::{Network, OutputSpec, Predictor, Resident, Room, Rows, Scores, Setup, Trainer, idx, lessons, predict_rows};

#[derive(Parser)]
struct Arguments {
    #[command(flatten)]
    lesson: common::Lesson,
    /// Folder with the files of Fashion-MNIST.
    #[arg(long)]
    data: Option<PathBuf>,
}

const LOSS: Loss = Loss::CrossEntropy(0.0);

/// Share of the rows whose class the network names.
fn accuracy(predictor: &mut Predictor, rows: &Rows) -> Result<f64> {
    let outputs = predict_rows(predictor, rows)?;
    let answer = OutputSpec::numbered(10, Scores::Logits);
    let named = outputs.chunks(10).zip(&rows.targets).filter(|(z, t)| answer.class(z) == **t as usize);
    Ok(named.count() as f64 / rows.count() as f64)
}

fn main() -> Result<()> {
    let Arguments { lesson, data } = Arguments::parse();
    let (device, folder) = (lesson.device()?, lesson.folder("fashion_mnist")?);
    let (train, test, epochs, bar) = match &data {
        Some(data) => {
            let (train, test) =
                (idx::load(data, idx::Split::Train, Some(10))?, idx::load(data, idx::Split::Test, Some(10))?);
            let few: Vec<usize> = (0..20_000.min(train.count())).collect();
            let train = if lesson.quick { train.select(&few) } else { train };
            (train, test, lesson.pick(3, 10), lesson.pick(0.82, 0.88))
        }
        None => (lessons::digits(1, lesson.pick(5000, 20_000)), lessons::digits(2, 2000), lesson.pick(3, 5), 0.95),
    };
    println!("{} pictures to learn from, {} to be judged by", train.count(), test.count());

    let network = Network::Mlp { sizes: vec![784, 512, 512, 10], activation: Activation::Relu, dropout: 0.0 };
    let setup = Setup {
        network: network.clone(),
        loss: LOSS,
        rule: Update::Adam { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, decay: 0.0, decoupled: false },
        clip: None,
        average: None,
        batch: 100,
        accumulate: 1,
        seed: 1,
    };
    let known = train.select(&(0..test.count().min(train.count())).collect::<Vec<_>>());
    let data = Resident::Rows(train);
    let mut trainer = Trainer::new(device.executor()?, setup, &data, Room::of(&data))?;
    let mut predictor = Predictor::on(&device, &network, &trainer.weights()?)?;
    let epoch_steps = data.count() as u64 / 100;
    let steps = epochs * epoch_steps;
    let rate = |step: u64| 0.0005 * (1.0 + (std::f32::consts::PI * step as f32 / steps as f32).cos());

    println!("epoch     loss   accuracy   on training pictures   seconds");
    let (mut judged, mut by_heart, mut seconds) = (Vec::new(), Vec::new(), 0.0);
    for epoch in 1..=epochs {
        let begun = Instant::now();
        trainer.advance(epoch_steps, rate)?;
        let losses = trainer.losses()?;
        seconds += begun.elapsed().as_secs_f64();
        predictor.set_weights(&network, &trainer.weights()?)?;
        let (new, old) = (accuracy(&mut predictor, &test)?, accuracy(&mut predictor, &known)?);
        let mean = losses.iter().sum::<f32>() / losses.len() as f32;
        println!("{epoch:5} {mean:8.4} {:8.2} % {:20.2} % {seconds:11.1}", 100.0 * new, 100.0 * old);
        judged.push((epoch as f64, 100.0 * new));
        by_heart.push((epoch as f64, 100.0 * old));
    }
    let rate = (steps * 100) as f64 / seconds;
    println!("\n{rate:.0} pictures a second, {:.1} GFLOP/s", trainer.plan().macs() as f64 * 2e-11 * rate);

    let curves = [("new pictures".into(), judged.clone()), ("training pictures".into(), by_heart)];
    common::plot(&folder.join("accuracy.svg"), "Accuracy", ["epoch", "right answers, %"], &curves)?;
    let reached = judged.last().map_or(0.0, |p| p.1) / 100.0;
    assert!(reached >= bar, "{:.2} % of new pictures are named rightly, at least {bar} were expected", 100.0 * reached);
    Ok(())
}
