//! The proof as a feature: every operator on a device against the formula in f64, on random data.
//!
//! Each operator runs on random odd shapes, contractions also with everything that can be fused behind them and with
//! every tile shape that a tuner may choose. The oracle interprets the unfused plan without sharing memory. Where the
//! executor allows it, results are filled with NaN beforehand and guard zones stand behind buffers, so that a kernel
//! that writes too little or too much is found too.

mod case;
mod cases;
mod known;
pub mod tolerance;

use crate::executor::Executor;
use crate::gpu::{Gpu, GpuOptions};
use crate::graph::{Layout, Options};
use crate::random::Draws;
use crate::{Error, Fault, Result};
use case::Case;
use cases::{OPERATORS, Operator};
pub use known::known_answers;

/// What to try.
#[derive(Clone, Debug)]
pub struct Effort {
    /// Parts of operators' names; all operators when there is none.
    pub only: Vec<String>,
    /// Decides shapes and values.
    pub seed: u64,
    /// How many times each operator's cases are drawn.
    pub rounds: u64,
}

impl Default for Effort {
    fn default() -> Self {
        Effort { only: Vec::new(), seed: 1, rounds: 1 }
    }
}

impl Effort {
    /// The operators wanted, with numbers that choose their draws.
    fn operators(&self) -> Vec<(u64, &'static Operator)> {
        let wanted = |name: &str| self.only.is_empty() || self.only.iter().any(|part| name.contains(part.as_str()));
        (0..).zip(OPERATORS).filter(|(_, operator)| wanted(operator.name)).collect()
    }
}

/// What was found of one operator.
#[derive(Clone, Debug)]
pub struct Row {
    /// The operator.
    pub operator: &'static str,
    /// The tile shape, where it was forced; otherwise the device's own choice.
    pub tile: Option<String>,
    /// Cases tried.
    pub cases: usize,
    /// Largest error relative to the sum of magnitudes that went into the element.
    pub error: f64,
    /// Bound on it; the loosest where cases have different ones.
    pub tolerance: f64,
    /// Largest error in units of its own case's bound.
    pub ratio: f64,
    /// The first thing that was wrong.
    pub failure: Option<String>,
}

impl Row {
    /// Whether every case was within its bound.
    pub fn passed(&self) -> bool {
        self.failure.is_none() && self.cases > 0
    }

    /// Tries a case; says when the device is not to be used any more.
    fn add(&mut self, case: &Case, executor: &mut dyn Executor) -> Option<Fault> {
        self.cases += 1;
        self.tolerance = self.tolerance.max(case.tolerance(executor).relative());
        let mut fault = None;
        let why = match case.judge(executor) {
            Err(error) => {
                fault = error.fault();
                error.to_string()
            }
            Ok(Err(why)) => why,
            Ok(Ok(worst)) => {
                self.error = self.error.max(worst.error);
                self.ratio = self.ratio.max(worst.ratio);
                if worst.ratio <= 1.0 {
                    return None;
                }
                worst.note()
            }
        };
        self.fail(&format!("{} of {}: {why}", case.what(), case.shapes()));
        fault
    }

    fn fail(&mut self, why: &str) {
        self.ratio = if self.ratio > 1.0 { self.ratio } else { f64::INFINITY };
        self.failure.get_or_insert_with(|| why.to_string());
    }
}

/// Opens an executor, on which a tile shape is forced where one is given.
pub type Make<'a> = dyn Fn(Option<&str>) -> Result<Box<dyn Executor>> + 'a;

/// The names of all operators.
pub fn operators() -> Vec<&'static str> {
    OPERATORS.iter().map(|operator| operator.name).collect()
}

/// Runs every operator's cases, those of contractions again with each of `tiles`, and tells each row as it is done.
///
/// # Errors
/// When no executor can be opened. What fails later is in the rows.
pub fn run(make: &Make<'_>, tiles: &[String], effort: &Effort, on_row: &mut dyn FnMut(&Row)) -> Result<Vec<Row>> {
    let operators = effort.operators();
    if operators.is_empty() {
        let names = self::operators();
        return Err(Error::input(format!("no operator has that name; there are {}", names.join(", "))));
    }
    let mut rows = Vec::new();
    let mut hangs = false;
    let mut bench = Bench { make, tile: None, open: Vec::new(), hangs: &mut hangs };
    bench.executor(&Layout::default())?;
    for &(number, operator) in &operators {
        let row = bench.row(operator.name, operator.cases, effort, number);
        on_row(&row);
        rows.push(row);
    }
    drop(bench);
    for (nth, tile) in (1..).zip(tiles) {
        let mut bench = Bench { make, tile: Some(tile), open: Vec::new(), hangs: &mut hangs };
        for &(number, operator) in &operators {
            let Some(cases) = operator.tiled else { continue };
            let row = bench.row(operator.name, cases, effort, 100 * nth + number);
            on_row(&row);
            rows.push(row);
        }
    }
    Ok(rows)
}

/// Executors by the state they hold.
struct Bench<'a> {
    make: &'a Make<'a>,
    tile: Option<&'a str>,
    open: Vec<(Layout, Box<dyn Executor>)>,
    /// The device does not answer: what it was given is still there, and each wait for it would be as long.
    hangs: &'a mut bool,
}

impl Bench<'_> {
    fn executor(&mut self, layout: &Layout) -> Result<&mut dyn Executor> {
        let at = match self.open.iter().position(|(l, _)| l == layout) {
            Some(at) => at,
            None => {
                self.open.push((layout.clone(), (self.make)(self.tile)?));
                self.open.len() - 1
            }
        };
        Ok(&mut *self.open[at].1)
    }

    fn row(&mut self, operator: &'static str, make: fn(&mut Draws) -> Vec<Case>, effort: &Effort, stream: u64) -> Row {
        let tile = self.tile.map(String::from);
        let mut row = Row { operator, tile, cases: 0, error: 0.0, tolerance: 0.0, ratio: 0.0, failure: None };
        for round in 0..effort.rounds {
            let mut draws = Draws::new(effort.seed.wrapping_mul(1_000_003).wrapping_add(round << 32 | stream));
            for case in make(&mut draws) {
                if !case.graph.nodes.iter().any(|node| node.op.name() == operator) {
                    row.fail("a case without the operator itself");
                }
                if *self.hangs {
                    row.fail("not tried: the device hangs");
                    continue;
                }
                let layout = case.plan(Options::default()).map(|plan| plan.layout);
                match layout.and_then(|layout| self.executor(&layout)) {
                    Ok(executor) => {
                        let fault = row.add(&case, executor);
                        *self.hangs |= fault == Some(Fault::Hangs);
                    }
                    Err(error) => row.fail(&error.to_string()),
                }
            }
        }
        row
    }
}

/// What [`run`] takes to open adapter number `index` with `options`, inspected.
pub fn on_gpu(index: usize, options: GpuOptions) -> impl Fn(Option<&str>) -> Result<Box<dyn Executor>> {
    move |tile| {
        let tile = tile.map(String::from).or_else(|| options.tile.clone());
        let options = GpuOptions { inspect: true, tile, ..options.clone() };
        Ok(Box::new(Gpu::with_options(index, options)?))
    }
}
