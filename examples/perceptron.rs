//! Lesson 1: the perceptron, and what it cannot do.
//!
//! Rosenblatt's perceptron (1958) draws a straight line and answers on which side of it a point lies:
//!
//! ```text
//! y = step(x w + b)          step(z) = 1 where z >= 0, else 0
//! ```
//!
//! It learns from its mistakes, one example at a time: `w <- w + (t - y) x`, `b <- b + (t - y)`, where `t` is the right
//! answer. If a line separates the classes, this rule finds one after finitely many mistakes (Novikoff 1962).
//!
//! The step has no useful derivative, so this is no gradient descent on an error. Yet the rule has the same form: a
//! "gradient" `y - t` arrives at `z = x w + b`, flows back to `w` and `b` by the chain rule, and a step of length 1 is
//! taken against it. So we hand `y - t` to `differentiate` as the gradient of `z`, and leave the rest to the library.
//!
//! AND can be separated. XOR cannot: its ones lie on one diagonal of a square and its zeros on the other, and every line
//! that has both ones on one side has a zero there too. Lesson 2 shows the way out.

mod common;

use std::sync::Arc;

use anyhow::Result;
use clap::Parser;
use wgrad::Device;
use wgrad::graph::{
    Activation, Graph, Init, Op, Options, Plan, StepParams, TensorId, Update, WeightLayout, differentiate, optimize,
};

const POINTS: [[f32; 2]; 4] = [[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]];

/// `z = x w + b` and `y = step(z)` for any number of rows.
fn perceptron(graph: &mut Graph, x: TensorId) -> Result<[TensorId; 2]> {
    graph.layer("perceptron");
    let w = graph.parameter("weight", &[2, 1], Init::Constant(0.0), WeightLayout::Linear)?;
    let b = graph.parameter("bias", &[1], Init::Constant(0.0), WeightLayout::Plain)?;
    let z = graph.linear(x, w, b)?;
    let y = graph.activate(z, Activation::Step)?;
    Ok([z, y])
}

/// Right answers out of four after each epoch.
fn learn(device: &Device, targets: [f32; 4], epochs: u32) -> Result<Vec<usize>> {
    // One plan learns from one point: forward, y - t, backward, update.
    let mut graph = Graph::new();
    let (x, t) = (graph.input("x", &[1, 2]).unwrap(), graph.input("t", &[1, 1]).unwrap());
    let [z, y] = perceptron(&mut graph, x)?;
    let minus_t = graph.push(Op::Scale(-1.0), &[t])?;
    let mistake = graph.push(Op::Add, &[y, minus_t])?;
    differentiate(&mut graph, z, Some(mistake), &[])?;
    optimize(&mut graph, Update::Sgd { momentum: 0.0, nesterov: false, decay: 0.0 }, None, None)?;
    let learn = Arc::new(Plan::new(&graph, Options::default())?);

    // Another plan answers for all four. Both are loaded into one executor, which holds one `w` and one `b` for both.
    let mut graph = Graph::new();
    let all = graph.input("x", &[4, 2]).unwrap();
    let [_, answers] = perceptron(&mut graph, all)?;
    graph.output(answers);
    let answer = Arc::new(Plan::new(&graph, Options::default())?);

    // State begins as zeros, which is how this perceptron begins too.
    let mut executor = device.executor()?;
    let (learn, answer) = (executor.load(learn)?, executor.load(answer)?);
    executor.write(answer, all, POINTS.as_flattened())?;
    let clock = StepParams { step: 1, learning_rate: 1.0, loss_scale: 1.0, ..StepParams::default() };
    let mut right = Vec::new();
    for _ in 0..epochs {
        for (point, target) in POINTS.iter().zip(targets) {
            executor.write(learn, x, point)?;
            executor.write(learn, t, &[target])?;
            executor.run(learn, &[clock])?;
        }
        executor.run(answer, &[clock])?;
        let given = executor.read(answer, answers)?;
        right.push(given.iter().zip(targets).filter(|(y, t)| **y == *t).count());
    }
    Ok(right)
}

fn main() -> Result<()> {
    let lesson = common::Lesson::parse();
    let (device, folder) = (lesson.device()?, lesson.folder("perceptron")?);
    let epochs = lesson.pick(30, 200);
    let and = learn(&device, [0.0, 0.0, 0.0, 1.0], epochs)?;
    let xor = learn(&device, [0.0, 1.0, 1.0, 0.0], epochs)?;

    println!("right answers of 4\n epoch   AND   XOR");
    for epoch in [1, 2, 4, 6, 8, 10, 20, 30] {
        println!("{epoch:6} {:5} {:5}", and[epoch - 1], xor[epoch - 1]);
    }
    let curve = |right: &[usize]| right.iter().take(30).enumerate().map(|(i, &n)| ((i + 1) as f64, n as f64)).collect();
    let curves = [("AND".into(), curve(&and)), ("XOR".into(), curve(&xor))];
    common::plot(&folder.join("perceptron.svg"), "Perceptron", ["epoch", "right answers of 4"], &curves)?;

    let solved = and.iter().position(|&n| n == 4).map(|i| i + 1);
    let best = xor.iter().max().copied().unwrap_or(0);
    assert_eq!(and.last(), Some(&4), "AND is separated by a line, so the perceptron must have found one");
    assert!(best < 4, "no line separates XOR, so not all four answers can be right");
    println!("\nAND: all right from epoch {} on. XOR: at most {best} right in {epochs} epochs.", solved.unwrap_or(0));
    Ok(())
}
