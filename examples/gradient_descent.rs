//! Lesson 5: ways down a narrow valley.
//!
//! The surface is the simplest that is hard, a long narrow bowl turned by 30 degrees:
//!
//! ```text
//! f(p) = 1/2 |p A - b|^2        curvatures 1 along the valley, 100 across it
//! ```
//!
//! | rule | step |
//! |---|---|
//! | gradient descent | `p -= r g` |
//! | momentum (Polyak 1964) | `v = m v + g`, `p -= r v` |
//! | Nesterov (1983) | the same, looking ahead: `p -= r (g + m v)` |
//! | RMSprop (2012) | `s = d s + (1 - d) g^2`, `p -= r g / sqrt(s)` |
//! | Adam (2015) | momentum over RMSprop's scale, both corrected for their start at zero |
//!
//! Gradient descent must keep `r` below 2 / 100, or it climbs the walls; along the valley it then crawls, by a factor of
//! `1 - r` a step. Momentum lets the swings across cancel and the steps along add up: where gradient descent needs some
//! 100 steps, it needs some `sqrt(100)`.
//!
//! RMSprop and Adam make steps of about the length `r` whatever the slope, each coordinate on its own scale. That saves
//! networks whose layers have very different gradients. Here the valley lies askew, so no scale of the coordinates
//! straightens it: RMSprop must make small steps, since it would circle around the bottom with larger ones, and Adam is
//! carried by its momentum.

mod common;

use anyhow::Result;
use clap::Parser;
use common::{Curve, Program};
use wgrad::Device;
use wgrad::graph::{Graph, Init, Loss, Op, Update, WeightLayout, differentiate, optimize};

const ACROSS: f64 = 10.0; // the root of the curvature across the valley; 1 along it
const TURN: f64 = std::f64::consts::PI / 6.0;
const BOTTOM: [f64; 2] = [3.0, 1.0]; // where f is 0
const START: [f32; 2] = [-4.0, 2.0];
const GOAL: f64 = 1e-2;
const STEPS: usize = 1000; // quick enough for --quick as well

/// `A = R D`: a turn, then a stretch of the second axis. Row vectors, so `p A`.
fn matrix() -> [[f64; 2]; 2] {
    let (sin, cos) = TURN.sin_cos();
    [[cos, -sin * ACROSS], [sin, cos * ACROSS]]
}

/// Points and heights.
type Descent = (Vec<(f64, f64)>, Vec<f64>);

/// The points and heights of `steps` steps of a rule.
fn descend(device: &Device, rule: Update, rate: f32, steps: usize) -> Result<Descent> {
    let mut graph = Graph::new();
    let p = graph.parameter("p", &[1, 2], Init::Constant(0.0), WeightLayout::Linear)?;
    let (a, b) = (graph.input("A", &[2, 2]).unwrap(), graph.input("b", &[1, 2]).unwrap());
    let pa = graph.push(Op::MatMul { ta: false, tb: false }, &[p, a])?;
    let f = graph.push(Op::Loss(Loss::Mse), &[pa, b])?; // the mean of two squares: half their sum
    differentiate(&mut graph, f, None, &[])?;
    optimize(&mut graph, rule, None, None)?;

    let mut program = Program::load(device, &graph, 0)?;
    let m = matrix();
    let target: Vec<f32> = (0..2).map(|j| (BOTTOM[0] * m[0][j] + BOTTOM[1] * m[1][j]) as f32).collect();
    program.executor.write(program.id, a, &m.as_flattened().iter().map(|&v| v as f32).collect::<Vec<_>>())?;
    program.executor.write(program.id, b, &target)?;
    let mut state = program.executor.read_state(wgrad::graph::Arena::Parameters)?;
    state[..2].copy_from_slice(&START);
    program.executor.write_state(wgrad::graph::Arena::Parameters, &state)?;

    let mut path = vec![(f64::from(START[0]), f64::from(START[1]))];
    for _ in 0..steps {
        program.run(1, rate)?;
        let at = program.executor.read(program.id, p)?;
        path.push((f64::from(at[0]), f64::from(at[1])));
    }
    let heights = program.executor.losses()?.into_iter().map(f64::from).collect(); // each before its step
    Ok((path, heights))
}

/// The points where `f = height`.
fn level(height: f64) -> Curve {
    let point = |i: usize| {
        let (sin, cos) = (std::f64::consts::TAU * i as f64 / 90.0).sin_cos();
        let (along, across) = ((2.0 * height).sqrt() * cos, (2.0 * height).sqrt() * sin / ACROSS);
        let (s, c) = TURN.sin_cos();
        (BOTTOM[0] + along * c - across * s, BOTTOM[1] + along * s + across * c)
    };
    (format!("f = {height}"), (0..=90).map(point).collect())
}

fn main() -> Result<()> {
    let lesson = common::Lesson::parse();
    let (device, folder) = (lesson.device()?, lesson.folder("gradient_descent")?);
    let sgd = |momentum, nesterov| Update::Sgd { momentum, nesterov, decay: 0.0 };
    let adam = Update::Adam { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, decay: 0.0, decoupled: false };
    let rules = [
        ("gradient descent", sgd(0.0, false), 0.012),
        ("momentum 0.8", sgd(0.8, false), 0.012),
        ("Nesterov 0.8", sgd(0.8, true), 0.012),
        ("RMSprop", Update::RmsProp { rho: 0.9, epsilon: 1e-8, decay: 0.0 }, 0.01),
        ("Adam", adam, 1.0),
    ];
    println!("rule                  rate   steps to f < {GOAL}");
    let (mut paths, mut curves, mut needed) = (Vec::new(), Vec::new(), Vec::new());
    for (name, rule, rate) in rules {
        let (path, heights) = descend(&device, rule, rate, STEPS)?;
        // From here on it stays below the goal.
        let reached = heights.iter().rposition(|&f| f >= GOAL).map_or(0, |i| i + 1);
        println!("{name:18} {rate:7} {reached:8}");
        needed.push(reached);
        paths.push((name.to_string(), path));
        let log = |(i, f): (usize, &f64)| (i as f64, f.max(1e-9).log10());
        curves.push((name.to_string(), heights.iter().take(400).enumerate().map(log).collect()));
    }
    let (_, wild) = descend(&device, sgd(0.0, false), 0.021, 100)?;
    println!("gradient descent with rate 0.021 > 2 / 100: f goes from {:.0} to {:.0}", wild[0], wild[99]);

    paths.extend([0.5, 5.0, 20.0].map(level));
    common::plot(&folder.join("paths.svg"), "Ways down", ["p1", "p2"], &paths)?;
    common::plot(&folder.join("heights.svg"), "Heights", ["step", "log10 f"], &curves)?;

    let [plain, momentum, nesterov, _, adam] = needed[..] else { unreachable!("five rules") };
    assert!(needed.iter().all(|&n| n < STEPS), "every rule reaches the bottom");
    assert!(2 * momentum < plain, "momentum is far faster: {momentum} steps against {plain}");
    assert!(2 * nesterov < plain, "and so is Nesterov's: {nesterov}");
    assert!(adam < plain, "Adam is faster too: {adam}");
    assert!(wild[99] > 10.0 * wild[0], "too large a rate climbs the walls");
    Ok(())
}
