//! What the proof tests share: golden files, one tolerance policy, and harnesses over any executor.
#![allow(clippy::neg_cmp_op_on_partial_ord, reason = "`!(error <= bound)` fails on NaN, `error > bound` does not")]

pub mod cli;
pub mod files;
pub mod gpu;
pub mod gradients;
pub mod operators;
pub mod pictures;
pub mod property;
pub mod skip;
pub mod tolerance;
pub mod training;

use std::sync::Arc;

use wgrad::graph::{Graph, Options, Plan, StepParams, TensorId};
use wgrad::internal::cpu::Cpu;
use wgrad::internal::executor::{Executor, PlanId};

use tolerance::Precision;

/// An executor under test: how it is named in failures, what plan it gets, how exact it is.
pub struct Subject {
    pub name: &'static str,
    pub make: fn() -> Box<dyn Executor>,
    pub options: Options,
    pub precision: Precision,
}

/// The executors that every golden and parity test runs on, the first GPU adapter among them if there is one: without,
/// that is said, and is a failure where `WGRAD_REQUIRE_GPU=1`.
pub fn subjects() -> Vec<Subject> {
    let plain = Options { fuse: false, share: false };
    let oracle = || Box::new(Cpu::<f64>::new().poisoned()) as Box<dyn Executor>;
    let single = || Box::new(Cpu::<f32>::new().poisoned()) as Box<dyn Executor>;
    let mut subjects = vec![
        Subject { name: "f64, plain plan", make: oracle, options: plain, precision: Precision::F64 },
        Subject { name: "f64, fused plan", make: oracle, options: Options::default(), precision: Precision::F64 },
        Subject { name: "f32, fused plan", make: single, options: Options::default(), precision: Precision::F32 },
    ];
    if gpu::open_inspected().is_some() {
        let make = || Box::new(gpu::open_inspected().expect("it opened before")) as Box<dyn Executor>;
        for (name, options) in [("GPU, plain plan", plain), ("GPU, fused plan", Options::default())] {
            subjects.push(Subject { name, make, options, precision: Precision::F32 });
        }
    }
    subjects
}

/// A clock that scales nothing.
pub fn clock(step: u32, learning_rate: f32) -> StepParams {
    StepParams { step, learning_rate, loss_scale: 1.0, ..StepParams::default() }
}

/// Loads a graph, writes inputs, runs once and reads `wanted`, which must be outputs of the graph.
pub fn evaluate(
    executor: &mut dyn Executor,
    graph: &Graph,
    options: Options,
    inputs: &[(TensorId, Vec<f32>)],
    wanted: &[TensorId],
) -> Vec<Vec<f32>> {
    let plan = load(executor, graph, options);
    for (tensor, values) in inputs {
        executor.write(plan, *tensor, values).expect("the input fits");
    }
    executor.run(plan, &[clock(1, 0.0)]).expect("the plan runs");
    wanted.iter().map(|&t| executor.read(plan, t).expect("an output can be read")).collect()
}

/// Lowers and loads a graph.
pub fn load(executor: &mut dyn Executor, graph: &Graph, options: Options) -> PlanId {
    let plan = Plan::new(graph, options).expect("the graph can be lowered");
    executor.load(Arc::new(plan)).expect("the plan can be loaded")
}
