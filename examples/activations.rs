//! Lesson 3: the bend decides whether a deep network learns.
//!
//! By the chain rule, the gradient that reaches layer `l` of a deep network `h[l+1] = f(h[l] W[l] + b[l])` is a product
//! with one factor per layer above it:
//!
//! ```text
//! dL/dh[l] = dL/dh[l+1] * f'(z[l]) W[l]^T
//! ```
//!
//! The slope of the sigmoid is nowhere above 1/4, so each layer takes away three quarters of the gradient or more, and
//! the first layers of a deep network hear nothing: the gradient vanishes (Hochreiter 1991). The slope of tanh is 1 at
//! the origin, that of ReLU `max(x, 0)` is 1 on half of all inputs. With weights drawn with variance `2 / inputs` (He et
//! al. 2015), ReLU's gradient keeps its size through any number of layers.
//!
//! Ten hidden layers look at drawn digits, with one bend after the other and the same weights at the start. We read
//! the gradient of each layer's weights before anything is learned, and then see who learns.

mod common;

use anyhow::Result;
use clap::Parser;
use common::Program;
use wgrad::graph::{Activation, Arena, Graph, Init, Loss, Op, Update, WeightLayout, differentiate, optimize};
use wgrad::{Device, lessons};

const HIDDEN: usize = 10;
const WIDTH: usize = 64;
const BATCH: usize = 250;

/// The norm of each layer's weight gradient at the start, and the losses of `steps` steps of gradient descent.
fn learn(device: &Device, bend: Activation, steps: u32) -> Result<(Vec<f64>, Vec<f32>)> {
    let mut graph = Graph::new();
    let (x, t) = (graph.input("x", &[BATCH, 784]).unwrap(), graph.input("t", &[BATCH]).unwrap());
    let mut h = x;
    for layer in 0..=HIDDEN {
        graph.layer(format!("layer {}", layer + 1));
        let (rows, columns) = (graph.shape(h).columns(), if layer == HIDDEN { 10 } else { WIDTH });
        let init = Init::Normal((2.0 / rows as f32).sqrt());
        let w = graph.parameter(&format!("{layer}.weight"), &[rows, columns], init, WeightLayout::Linear)?;
        let b = graph.parameter(&format!("{layer}.bias"), &[columns], Init::Constant(0.0), WeightLayout::Plain)?;
        h = graph.linear(h, w, b)?;
        if layer < HIDDEN {
            h = graph.activate(h, bend)?;
        }
    }
    let loss = graph.push(Op::Loss(Loss::CrossEntropy(0.0)), &[h, t])?;
    differentiate(&mut graph, loss, None, &[])?;
    optimize(&mut graph, Update::Sgd { momentum: 0.0, nesterov: false, decay: 0.0 }, None, None)?;

    let mut program = Program::load(device, &graph, 1)?;
    let digits = lessons::digits(1, BATCH);
    let pixels: Vec<f32> = (0..digits.features.len()).map(|i| digits.features.value(i)).collect();
    program.executor.write(program.id, x, &pixels)?;
    program.executor.write(program.id, t, &digits.targets)?;

    // A learning rate of 0 leaves the weights where they are; the gradients are there to be read.
    program.run(1, 0.0)?;
    let gradients = program.executor.read_state(Arena::Gradients)?;
    let weights = program.plan.layout().segments(Arena::Parameters).iter().filter(|p| p.name.ends_with("weight"));
    let norm = |values: &[f32]| values.iter().map(|&g| f64::from(g).powi(2)).sum::<f64>().sqrt();
    let norms = weights.map(|p| norm(&gradients[p.offset..][..p.shape.len()])).collect();
    program.run(steps, 0.05)?;
    Ok((norms, program.executor.losses()?))
}

fn main() -> Result<()> {
    let lesson = common::Lesson::parse();
    let (device, folder) = (lesson.device()?, lesson.folder("activations")?);
    let steps = lesson.pick(150, 400);
    let bends = [
        ("sigmoid", Activation::Sigmoid),
        ("tanh", Activation::Tanh),
        ("relu", Activation::Relu),
        ("leaky relu", Activation::LeakyRelu(0.1)),
        ("gelu", Activation::Gelu),
    ];
    let mut results = Vec::new();
    for (name, bend) in bends {
        results.push((name, learn(&device, bend, steps)?));
    }

    println!("norm of the gradient at the start");
    println!("layer   {}", bends.map(|b| format!("{:>12}", b.0)).concat());
    for layer in 0..=HIDDEN {
        let row: Vec<String> = results.iter().map(|(_, (norms, _))| format!("{:12.2e}", norms[layer])).collect();
        println!("{:5}   {}", layer + 1, row.concat());
    }
    let last = |losses: &[f32]| losses[losses.len() - 1];
    let row: Vec<String> = results.iter().map(|(_, (_, losses))| format!("{:12.3}", last(losses))).collect();
    println!("loss after {steps} steps (guessing: {:.3})\n        {}", 10f32.ln(), row.concat());

    let curves: Vec<common::Curve> = results
        .iter()
        .map(|(name, (norms, _))| {
            (name.to_string(), norms.iter().enumerate().map(|(i, n)| ((i + 1) as f64, n.log10())).collect())
        })
        .collect();
    let axes = ["layer, 1 is nearest to the input", "log10 of the gradient's norm"];
    common::plot(&folder.join("gradients.svg"), "Gradients before learning", axes, &curves)?;
    let curves: Vec<common::Curve> = results
        .iter()
        .map(|(name, (_, losses))| {
            (name.to_string(), losses.iter().enumerate().map(|(i, &l)| (i as f64, f64::from(l))).collect())
        })
        .collect();
    common::plot(&folder.join("losses.svg"), "Learning", ["step", "loss"], &curves)?;

    // What arrives at the first layer, as a share of what the last one gets.
    let share = |i: usize| results[i].1.0[0] / results[i].1.0[HIDDEN];
    let (sigmoid, relu) = (share(0), share(2));
    println!("\nfirst layer against last: sigmoid {sigmoid:.1e}, relu {relu:.1e}");
    assert!(sigmoid < 1e-3, "the sigmoid's gradient vanishes on its way down: {sigmoid}");
    assert!(relu > 0.1, "ReLU's gradient arrives: {relu}");
    let (sigmoid, relu) = (last(&results[0].1.1), last(&results[2].1.1));
    assert!(sigmoid > 2.0 && relu < 1.0, "so ReLU learns ({relu}) and the sigmoid guesses ({sigmoid})");
    Ok(())
}
