//! The same work on every device: what `wgrad bench` measures.
//!
//! Parameters and data come from an integer hash, so that other programs can do the same work; the loss of the tenth
//! step tells whether they did.

mod workloads;

use std::sync::Arc;
use std::time::Instant;

use crate::Result;
use crate::executor::{Executor, PlanId};
use crate::graph::{Arena, Options, Plan, StepParams, TensorId};

pub use workloads::{Program, Workload, workloads};

/// How long to measure.
#[derive(Clone, Copy, Debug)]
pub struct Effort {
    /// Timed repeats; their median is reported.
    pub repeats: usize,
    /// Seconds of each repeat, as far as whole steps allow.
    pub seconds: f64,
    /// Seconds of warm-up before the first repeat.
    pub warm_up: f64,
    /// Steps queued before the device is waited for.
    pub steps_per_wait: usize,
}

impl Default for Effort {
    fn default() -> Self {
        Effort { repeats: 7, seconds: 0.3, warm_up: 1.0, steps_per_wait: 1 }
    }
}

/// One workload on one device.
#[derive(Clone, Debug)]
pub struct Measurement {
    /// Milliseconds per step of each repeat, ascending.
    pub milliseconds: Vec<f64>,
    /// Loss of the tenth step; the mean absolute output where nothing is learned.
    pub check: f64,
    /// Floating-point operations of a step, products and convolutions only.
    pub flops: f64,
    /// Bytes the executor holds.
    pub bytes: u64,
}

impl Measurement {
    /// The middle repeat, milliseconds per step.
    pub fn median(&self) -> f64 {
        self.milliseconds[self.milliseconds.len() / 2]
    }

    /// Half the distance between the quartiles, as a share of the median.
    pub fn spread(&self) -> f64 {
        let n = self.milliseconds.len();
        (self.milliseconds[3 * n / 4] - self.milliseconds[n / 4]) / 2.0 / self.median()
    }

    /// Billions of operations per second at the median.
    pub fn gflops(&self) -> f64 {
        self.flops / self.median() / 1e6
    }
}

/// Runs a workload on an executor of its own: warm, and waiting for the device after every
/// [`Effort::steps_per_wait`] steps.
///
/// # Errors
/// When the device cannot hold the workload or fails.
pub fn measure(workload: &Workload, executor: &mut dyn Executor, effort: Effort) -> Result<Measurement> {
    let mut runner = Runner::new(workload, executor)?;
    let check = runner.check(10)?;
    let begun = Instant::now();
    let mut steps = 0usize;
    while steps < 3 || begun.elapsed().as_secs_f64() < effort.warm_up {
        runner.go(effort.steps_per_wait)?;
        steps += effort.steps_per_wait;
    }
    let per_step = begun.elapsed().as_secs_f64() / steps as f64;
    let waits = ((effort.seconds / per_step / effort.steps_per_wait as f64) as usize).max(1);
    let mut milliseconds = Vec::with_capacity(effort.repeats);
    for _ in 0..effort.repeats {
        let begun = Instant::now();
        for _ in 0..waits {
            runner.go(effort.steps_per_wait)?;
        }
        milliseconds.push(1e3 * begun.elapsed().as_secs_f64() / (waits * effort.steps_per_wait) as f64);
    }
    milliseconds.sort_by(f64::total_cmp);
    Ok(Measurement { milliseconds, check, flops: 2.0 * runner.plan.macs() as f64, bytes: runner.executor.allocated() })
}

/// A workload from nothing: what a person waits for who starts the program once.
#[derive(Clone, Copy, Debug)]
pub struct Cold {
    /// Milliseconds from the start of the program to the first loss; with nothing to learn, to the end of the first run.
    pub first: f64,
    /// Milliseconds of the nine steps after it.
    pub next: f64,
    /// As [`Measurement::check`].
    pub check: f64,
}

/// Runs the first ten steps of a workload on an executor that was opened for it, waiting after each; `started` is when
/// the program began.
///
/// # Errors
/// When the device cannot hold the workload or fails.
pub fn cold(workload: &Workload, executor: &mut dyn Executor, started: Instant) -> Result<Cold> {
    let mut runner = Runner::new(workload, executor)?;
    runner.check(1)?;
    let first = 1e3 * started.elapsed().as_secs_f64();
    let begun = Instant::now();
    let check = runner.check(9)?;
    Ok(Cold { first, next: 1e3 * begun.elapsed().as_secs_f64(), check })
}

struct Runner<'a> {
    executor: &'a mut dyn Executor,
    plan: Arc<Plan>,
    id: PlanId,
    output: TensorId,
    step: u32,
    rate: f32,
    scale: f32,
}

impl<'a> Runner<'a> {
    /// The workload, ready for its first step.
    fn new(workload: &Workload, executor: &'a mut dyn Executor) -> Result<Self> {
        let program = workload.program()?;
        let plan = Arc::new(Plan::new(&program.graph, Options::default())?);
        let id = executor.load(Arc::clone(&plan))?;
        for (tensor, values) in &program.inputs {
            executor.write(id, *tensor, values)?;
        }
        if !plan.layout.is_empty() {
            executor.write_state(Arena::Parameters, &program.parameters(&plan.layout))?;
        }
        let scale = executor.precision().loss_scale(&plan);
        Ok(Runner { executor, plan, id, output: program.output, step: 0, rate: workload.learning_rate(), scale })
    }

    /// Some steps with a wait after each: the last one's loss, or the mean absolute output where nothing is learned.
    fn check(&mut self, steps: usize) -> Result<f64> {
        let mut loss = 0.0;
        for _ in 0..steps {
            loss = f64::from(self.go(1)?.last().copied().unwrap_or(0.0));
        }
        if self.plan.loss().is_some() {
            return Ok(loss);
        }
        let output = self.executor.read(self.id, self.output)?;
        Ok(output.iter().map(|&v| f64::from(v.abs())).sum::<f64>() / output.len() as f64)
    }

    /// Some steps, then a wait.
    fn go(&mut self, steps: usize) -> Result<Vec<f32>> {
        let clocks: Vec<StepParams> = (0..steps as u32)
            .map(|i| StepParams {
                step: self.step + 1 + i,
                learning_rate: self.rate,
                loss_scale: self.scale,
                ..StepParams::default()
            })
            .collect();
        self.executor.run(self.id, &clocks)?;
        self.step += steps as u32;
        self.executor.losses()
    }
}
