//! Lesson 7: a network that is a picture.
//!
//! A network learns the function `(x, y) -> (red, green, blue)` of a single picture; ask it for every pixel, and it
//! paints the picture from memory. Fed with plain coordinates it paints fog: networks learn slow functions first, and
//! fine detail hardly ever. Fed with waves of many directions and lengths,
//!
//! ```text
//! features = [sin(2 pi B p), cos(2 pi B p)]       B drawn from a normal distribution, p = (x, y)
//! ```
//!
//! it paints edges as well (Tancik et al., "Fourier features let networks learn high frequency functions in low
//! dimensional domains", 2020). The waves are made here, on the host; the network is an ordinary MLP that minimises MSE,
//! which is to say that it maximises PSNR.

mod common;

use anyhow::Result;
use clap::Parser;
use wgrad::graph::{Activation, Loss, Update};
use wgrad::{
    Device, Network, Picture, Plane, Predictor, Raster, Resident, Room, Rows, Samples, SaveOptions, Setup, Trainer,
    predict_rows, procedural, psnr,
};

/// About normally distributed: the sum of four numbers from a hash, of mean 2 and variance 1/3.
fn normal(index: u32) -> f32 {
    let sum: f32 = wgrad::random::pcg4d([index, 0, 0, 7]).iter().map(|&word| word as f32 / u32::MAX as f32).sum();
    (sum - 2.0) * 3f32.sqrt()
}

/// Waves of a point in the unit square; the point itself when there are none.
fn features(point: [f32; 2], waves: u32) -> Vec<f32> {
    if waves == 0 {
        return point.to_vec();
    }
    let deviation = 6.0; // waves per picture
    let phase = |i: u32| normal(2 * i) * point[0] + normal(2 * i + 1) * point[1];
    let phases = (0..waves).map(|i| std::f32::consts::TAU * deviation * phase(i));
    phases.flat_map(|phase| [phase.sin(), phase.cos()]).collect()
}

/// Learns a picture and paints it.
fn paint(device: &Device, truth: &Raster, waves: u32, steps: u64) -> Result<Picture> {
    let (side, pixels) = (truth.width, truth.width * truth.height);
    let point = |i: usize| [i % side, i / side].map(|k| (k as f32 + 0.5) / side as f32);
    let inputs: Vec<f32> = (0..pixels).flat_map(|i| features(point(i), waves)).collect();
    let width = inputs.len() / pixels;
    let rows = Rows {
        features: Samples::Floats(inputs),
        width,
        targets: truth.data.iter().map(|&byte| f32::from(byte) / 255.0).collect(),
        target_width: 3,
        classes: None,
    };
    let network = Network::Mlp { sizes: vec![width, 128, 128, 3], activation: Activation::Relu, dropout: 0.0 };
    let setup = Setup {
        network: network.clone(),
        loss: Loss::Mse,
        rule: Update::Adam { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, decay: 0.0, decoupled: false },
        clip: None,
        average: None,
        batch: 512,
        accumulate: 1,
        seed: 1,
    };
    let data = Resident::Rows(rows.clone());
    let mut trainer = Trainer::new(device.executor()?, setup, &data, Room::of(&data))?;
    trainer.advance(steps, |step| 0.003 * (1.0 - step as f32 / steps as f32))?;
    trainer.losses()?;
    let mut predictor = Predictor::on(device, &network, &trainer.weights()?)?;
    let painted = predict_rows(&mut predictor, &rows)?;
    let plane = |c: usize| Plane::from_fn(side, truth.height, |x, y| 255.0 * painted[3 * (y * side + x) + c]);
    Ok(Picture::new((0..3).map(|c| plane(c).to_eight_bits()).collect()))
}

/// PSNR over all three channels.
fn quality(painted: &Picture, truth: &Picture) -> f64 {
    let joined =
        |p: &Picture| Plane::new(p.width(), 3 * p.height(), p.planes.iter().flat_map(|q| q.data.clone()).collect());
    psnr(&joined(painted), &joined(truth))
}

fn main() -> Result<()> {
    let lesson = common::Lesson::parse();
    let (device, folder) = (lesson.device()?, lesson.folder("fit_image")?);
    let (side, steps) = lesson.pick((48, 600), (96, 4000));
    let raster = procedural::dead_leaves(5, side, side);
    let truth = raster.to_picture();

    let fog = paint(&device, &raster, 0, steps)?;
    let sharp = paint(&device, &raster, 64, steps)?;
    let (plain, waves) = (quality(&fog, &truth), quality(&sharp, &truth));
    println!("input              PSNR\nx and y      {plain:7.2} dB\n64 waves     {waves:7.2} dB");

    let options = SaveOptions { overwrite: true, ..SaveOptions::default() };
    let strip =
        |c: usize| Plane::from_fn(3 * side, side, |x, y| [&fog, &sharp, &truth][x / side].planes[c].at(x % side, y));
    Picture::new((0..3).map(strip).collect()).save(folder.join("picture.png"), &options)?;
    println!("wrote {}: by x and y, by waves, the truth", folder.join("picture.png").display());

    assert!(waves > 25.0, "with waves, the network has the picture by heart: {waves:.2} dB");
    assert!(waves > plain + 3.0, "and without them it has not: {plain:.2} dB");
    Ok(())
}
