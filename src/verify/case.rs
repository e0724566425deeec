//! One program on random data, run on two executors and compared.

use std::sync::Arc;

use super::tolerance::{Family, Precision, Tolerance, Worst};
use crate::Result;
use crate::cpu::Cpu;
use crate::executor::{Executor, PlanId};
use crate::graph::{Arena, DatasetBuffer, Graph, Op, Options, Plan, StepParams, TensorId};
use crate::random::Draws;

/// The plan of the oracle: nothing fused, no slot shared, so that a planner's error shows.
const PLAIN: Options = Options { fuse: false, share: false };

/// What the error of a result is measured against.
pub(super) enum Scale {
    /// The same program on the operands' magnitudes: for what is linear in each of them.
    Magnitudes,
    /// The magnitudes that another program yields.
    Program(Box<Case>),
    /// The result's largest magnitude.
    Largest,
    /// A magnitude for each result, where it comes of terms that may cancel; no less than the result's own.
    Each(Vec<f64>),
    /// The result's own magnitude, and no less than 1.
    One,
}

/// A program with the values of all it reads.
pub(super) struct Case {
    pub graph: Graph,
    pub inputs: Vec<(TensorId, Vec<f32>)>,
    pub state: Vec<(Arena, Vec<f32>)>,
    pub stores: Vec<(DatasetBuffer, Vec<u8>)>,
    pub outputs: Vec<TensorId>,
    pub clocks: Vec<StepParams>,
    pub family: Family,
    pub scale: Scale,
}

impl Case {
    pub fn new(family: Family, scale: Scale, draws: &mut Draws) -> Self {
        let (step, seed, loss_scale) = (draws.word() % 1000 + 1, draws.word(), 8.0);
        let clock = StepParams { step, seed, loss_scale, learning_rate: 0.1, ..StepParams::default() };
        Case {
            graph: Graph::new(),
            inputs: Vec::new(),
            state: Vec::new(),
            stores: Vec::new(),
            outputs: Vec::new(),
            clocks: vec![clock],
            family,
            scale,
        }
    }

    /// An operand with these values.
    pub fn given(&mut self, shape: &[usize], values: Vec<f32>) -> TensorId {
        let tensor = self.graph.input("x", shape).expect("the operands of a case are tensors");
        self.inputs.push((tensor, values));
        tensor
    }

    /// An operand with random values.
    pub fn input(&mut self, shape: &[usize], draws: &mut Draws) -> TensorId {
        let values = draws.values(shape.iter().product());
        self.given(shape, values)
    }

    pub fn push(&mut self, op: Op, operands: &[TensorId]) -> TensorId {
        self.graph.push(op, operands).expect("the operands of a case fit")
    }

    /// `op` of all operands so far, kept.
    pub fn of(mut self, op: Op) -> Self {
        let operands: Vec<TensorId> = self.inputs.iter().map(|i| i.0).collect();
        let y = self.push(op, &operands);
        self.outputs.push(y);
        self
    }

    /// `op` of random operands of these shapes.
    pub fn random(op: Op, shapes: &[&[usize]], family: Family, scale: Scale, draws: &mut Draws) -> Self {
        let mut case = Case::new(family, scale, draws);
        for shape in shapes {
            case.input(shape, draws);
        }
        case.of(op)
    }

    /// The same program on magnitudes.
    fn magnitudes(&self) -> Case {
        let sizes = |values: &[f32]| values.iter().map(|v| v.abs()).collect();
        Case {
            graph: self.graph.clone(),
            inputs: self.inputs.iter().map(|(t, v)| (*t, sizes(v))).collect(),
            state: self.state.clone(),
            stores: self.stores.clone(),
            outputs: self.outputs.clone(),
            clocks: self.clocks.clone(),
            family: self.family,
            scale: Scale::One,
        }
    }

    /// Its operators, for messages.
    pub fn what(&self) -> String {
        let ops: Vec<String> = self.graph.nodes.iter().map(|n| format!("{:?}", n.op)).collect();
        ops.join(", ")
    }

    /// Shapes of the operands, for messages.
    pub fn shapes(&self) -> String {
        let shapes: Vec<String> = self.inputs.iter().map(|(t, _)| format!("[{}]", self.graph.shape(*t))).collect();
        shapes.join(" ")
    }

    pub fn plan(&self, options: Options) -> Result<Plan> {
        let mut graph = self.graph.clone();
        self.outputs.iter().for_each(|&t| graph.output(t));
        Plan::new(&graph, options)
    }

    /// Runs on an executor and leaves it as it was, state aside.
    fn run(&self, executor: &mut dyn Executor, plan: Plan) -> Result<Vec<Vec<f32>>> {
        let id = executor.load(Arc::new(plan))?;
        let results = self.results(executor, id);
        executor.unload(id).and(results)
    }

    fn results(&self, executor: &mut dyn Executor, id: PlanId) -> Result<Vec<Vec<f32>>> {
        for (arena, values) in &self.state {
            executor.write_state(*arena, values)?;
        }
        for (store, bytes) in &self.stores {
            executor.write_store(*store, bytes)?;
        }
        for (tensor, values) in &self.inputs {
            executor.write(id, *tensor, values)?;
        }
        executor.run(id, &self.clocks)?;
        executor.losses()?;
        let mut results = Vec::new();
        for &tensor in &self.outputs {
            results.push(executor.read(id, tensor)?);
        }
        for (arena, _) in &self.state {
            results.push(executor.read_state(*arena)?);
        }
        executor.intact(id)?;
        Ok(results)
    }

    fn oracle(&self) -> Result<Vec<Vec<f32>>> {
        self.run(&mut Cpu::<f64>::new().poisoned(), self.plan(PLAIN)?)
    }

    /// The bound for results of an executor. What is fused behind a product carries the product's rounding.
    pub fn tolerance(&self, executor: &dyn Executor) -> Tolerance {
        let precision = Precision::of(executor);
        let narrow = precision == Precision::Mixed && self.graph.nodes.iter().any(|node| node.op.is_contraction());
        Tolerance::of(if narrow { Family::Contraction } else { self.family }, precision)
    }

    /// The worst element on an executor, in units of its bound.
    pub fn judge(&self, executor: &mut dyn Executor) -> Result<std::result::Result<Worst, String>> {
        let want = self.oracle()?;
        let scales: Vec<Vec<f64>> = match &self.scale {
            Scale::Magnitudes => sizes(self.magnitudes().oracle()?),
            Scale::Program(other) => sizes(other.oracle()?),
            Scale::Largest => {
                let largest = |w: &Vec<f32>| w.iter().fold(1e-3, |m: f64, v| m.max(f64::from(v.abs())));
                want.iter().map(|w| vec![largest(w); w.len()]).collect()
            }
            Scale::Each(least) => {
                let largest = |w: &Vec<f32>, least: f64| w.iter().fold(least, |m, v| m.max(f64::from(v.abs())));
                want.iter().zip(least).map(|(w, &least)| vec![largest(w, least); w.len()]).collect()
            }
            Scale::One => want.iter().map(|w| vec![1.0; w.len()]).collect(),
        };
        let got = self.run(executor, self.plan(Options::default())?)?;
        let tolerance = self.tolerance(executor);
        let mut worst = Worst::default();
        for ((got, want), scale) in got.iter().zip(&want).zip(&scales) {
            match tolerance.compare(got, want, scale) {
                Ok(one) if one.ratio > worst.ratio => worst = one,
                Ok(_) => {}
                Err(why) => return Ok(Err(why)),
            }
        }
        Ok(Ok(worst))
    }
}

fn sizes(results: Vec<Vec<f32>>) -> Vec<Vec<f64>> {
    results.into_iter().map(|s| s.into_iter().map(|v| f64::from(v.abs())).collect()).collect()
}
