//! Lesson 4: what a loss rewards, and what a score sees.
//!
//! A network makes small what we tell it to, so the choice of the loss is the choice of the mistakes we would forgive.
//!
//! ```text
//! MSE   mean (x - t)^2       its best constant is the mean; one wild value pulls it far
//! MAE   mean |x - t|         its best constant is the median; a wild value counts as one value
//! PSNR  10 log10(255^2 / MSE) dB: MSE on another scale, nothing more
//! SSIM  compares means, spreads and correlation in small windows: closer to what people see
//! ```
//!
//! For classes, softmax `p[i] = exp(z[i]) / sum exp(z)` makes probabilities of a network's outputs, and cross-entropy
//! `-log p[right class]` is the surprise at the truth. Accuracy only counts who is right; cross-entropy (log loss) also
//! asks how sure one was. With two classes it is the binary cross-entropy of the difference of the outputs.

mod common;

use anyhow::Result;
use clap::Parser;
use common::Program;
use wgrad::graph::{Graph, Loss, Op, Update};
use wgrad::{
    Device, Network, Picture, Plane, Resident, Room, Rows, Samples, SaveOptions, Setup, Trainer, colour, procedural,
    psnr, resize, ssim,
};

/// One picture damaged in three ways, all of the same MSE; returns PSNR and SSIM of each.
fn pictures(path: &std::path::Path) -> Result<Vec<(f64, f64)>> {
    // Drawn small and enlarged, so that it has smooth places, as photographs do.
    let drawn = colour::luma(&procedural::dead_leaves(1, 80, 80).to_picture());
    let truth = resize::upscale(&drawn, 2, resize::Rounding::Eight);
    let (w, h) = (truth.width, truth.height);
    let mean = |x: usize, y: usize| {
        let near = |i: usize, end: usize| i.saturating_sub(2)..(i + 3).min(end);
        let cells: Vec<f32> = near(y, h).flat_map(|y| truth.row(y)[near(x, w)].iter().copied()).collect();
        cells.iter().sum::<f32>() / cells.len() as f32
    };
    let blurred = Plane::from_fn(w, h, mean);
    let mse: f64 = truth.data.iter().zip(&blurred.data).map(|(a, b)| f64::from(a - b).powi(2)).sum::<f64>()
        / truth.data.len() as f64;
    let lighter = Plane::from_fn(w, h, |x, y| truth.at(x, y) + mse.sqrt() as f32);
    // Uniform noise in +-a has the variance a^2 / 3.
    let unit = |x: usize, y: usize| wgrad::random::pcg((y * w + x) as u32) as f32 / u32::MAX as f32;
    let noisy = Plane::from_fn(w, h, |x, y| truth.at(x, y) + (2.0 * unit(x, y) - 1.0) * (3.0 * mse).sqrt() as f32);

    println!("damage     PSNR / dB   SSIM");
    let mut scores = Vec::new();
    for (name, plane) in [("lighter", &lighter), ("blurred", &blurred), ("noisy", &noisy)] {
        scores.push((psnr(plane, &truth), ssim(plane, &truth)?));
        println!("{name:8} {:10.2} {:8.3}", scores[scores.len() - 1].0, scores[scores.len() - 1].1);
    }
    let strip = Plane::from_fn(4 * w, h, |x, y| [&truth, &lighter, &blurred, &noisy][x / w].at(x % w, y));
    Picture::new(vec![strip]).save(path, &SaveOptions { overwrite: true, ..SaveOptions::default() })?;
    println!("wrote {}: the truth, then the three in this order\n", path.display());
    Ok(scores)
}

/// Fits a line to points; slope and intercept.
fn line(device: &Device, points: &[(f64, f64)], loss: Loss, steps: u64) -> Result<[f64; 2]> {
    let data = Resident::Rows(Rows {
        features: Samples::Floats(points.iter().map(|p| p.0 as f32).collect()),
        width: 1,
        targets: points.iter().map(|p| p.1 as f32).collect(),
        target_width: 1,
        classes: None,
    });
    let setup = Setup {
        network: Network::Mlp { sizes: vec![1, 1], activation: wgrad::graph::Activation::Identity, dropout: 0.0 },
        loss,
        rule: Update::Adam { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, decay: 0.0, decoupled: false },
        clip: None,
        average: None,
        batch: points.len(),
        accumulate: 1,
        seed: 1,
    };
    let mut trainer = Trainer::new(device.executor()?, setup, &data, Room::of(&data))?;
    trainer.advance(steps, |step| 0.05 * (1.0 - step as f32 / steps as f32))?;
    let weights = trainer.weights()?;
    Ok(["0.weight", "0.bias"].map(|name| weights.find(name).map_or(f64::NAN, |array| f64::from(array.values[0]))))
}

/// The loss of `rows` rows of outputs against targets, on the device.
fn loss_of(device: &Device, loss: Loss, outputs: &[f32], shape: &[usize], targets: &[f32]) -> Result<f32> {
    let mut graph = Graph::new();
    let by_class = matches!(loss, Loss::CrossEntropy(_));
    let (x, t) =
        (graph.input("x", shape).unwrap(), graph.input("t", if by_class { &shape[..1] } else { shape }).unwrap());
    graph.push(Op::Loss(loss), &[x, t])?;
    let mut program = Program::load(device, &graph, 0)?;
    program.executor.write(program.id, x, outputs)?;
    program.executor.write(program.id, t, targets)?;
    program.run(1, 0.0)?;
    Ok(program.executor.losses()?[0])
}

fn main() -> Result<()> {
    let lesson = common::Lesson::parse();
    let (device, folder) = (lesson.device()?, lesson.folder("losses_and_scores")?);

    let scores = pictures(&folder.join("same-mse.png"))?;

    // The line y = 2 x + 1; every fifth point is wild.
    let wild = |i: usize| if i % 5 == 4 { 4.0 + (i % 3) as f64 } else { 0.0 };
    let points: Vec<(f64, f64)> =
        (0..31).map(|i| i as f64 / 30.0).zip(0..31).map(|(x, i)| (x, 2.0 * x + 1.0 + wild(i))).collect();
    let steps = lesson.pick(1000, 4000);
    let (square, absolute) = (line(&device, &points, Loss::Mse, steps)?, line(&device, &points, Loss::Mae, steps)?);
    println!("line        slope  intercept   (truth: 2, 1; 6 of 31 points are wild)");
    println!("by MSE {:10.3} {:10.3}\nby MAE {:10.3} {:10.3}", square[0], square[1], absolute[0], absolute[1]);
    let drawn = |[slope, intercept]: [f64; 2]| [0.0, 1.0].map(|x| (x, slope * x + intercept)).to_vec();
    let curves = [("points".into(), points), ("by MSE".into(), drawn(square)), ("by MAE".into(), drawn(absolute))];
    common::plot(&folder.join("lines.svg"), "Outliers", ["x", "y"], &curves)?;

    // Two classifiers with three right answers and one wrong (the last): one doubts, one is sure.
    let truth = [0.0, 1.0, 2.0, 0.0];
    let doubting = [2., 0., 0., 0., 2., 0., 0., 0., 2., 0., 0.5, 0.];
    let sure = doubting.map(|z| 8.0 * z);
    let right = |z: &[f32]| z.chunks(3).zip(truth).filter(|(z, t)| z.iter().all(|v| *v <= z[*t as usize])).count();
    let cross = Loss::CrossEntropy(0.0);
    let [doubt, sureness] =
        [loss_of(&device, cross, &doubting, &[4, 3], &truth)?, loss_of(&device, cross, &sure, &[4, 3], &truth)?];
    println!("\nclassifier   right   cross-entropy");
    println!("doubting {:6} of 4 {doubt:12.3}\nsure     {:6} of 4 {sureness:12.3}", right(&doubting), right(&sure));
    let two = loss_of(&device, cross, &[0.0, 1.5, 0.0, -0.5], &[2, 2], &[1.0, 1.0])?;
    let binary = loss_of(&device, Loss::BceWithLogits, &[1.5, -0.5], &[2, 1], &[1.0, 1.0])?;
    println!("two classes: softmax and cross-entropy {two:.6}, sigmoid and log loss {binary:.6}");

    let [lighter, blurred, noisy] = scores[..] else { unreachable!("three pictures") };
    assert!((blurred.0 - noisy.0).abs() < 0.1 && (blurred.0 - lighter.0).abs() < 0.1, "equal MSE is equal PSNR");
    assert!(blurred.1 > noisy.1 + 0.05, "SSIM tells blur from noise: {} and {}", blurred.1, noisy.1);
    assert!(lighter.1 > blurred.1.max(noisy.1) + 0.05, "and forgives a change of brightness: {}", lighter.1);
    assert!((absolute[0] - 2.0).abs() + (absolute[1] - 1.0).abs() < 0.1, "MAE finds the line: {absolute:?}");
    assert!(square[1] > 1.5, "MSE is pulled up by the wild points: {square:?}");
    assert_eq!(right(&doubting), right(&sure), "the same answers are right");
    assert!(sureness > 2.0 * doubt, "but to be sure and wrong costs: {sureness} against {doubt}");
    assert!((two - binary).abs() < 1e-5, "log loss is cross-entropy of two classes");
    Ok(())
}
