//! Graphs of one operator and its gradients, on random inputs, for comparison with the oracle.

#![allow(dead_code, reason = "each test program uses a part")]

use wgrad::executor::Executor;
use wgrad::graph::{Clock, Graph, Op, Options, TensorId, differentiate};

use crate::support::load;
use crate::support::tolerance::Family;

/// Draws that repeat: a linear congruential generator.
pub struct Noise(pub u64);

impl Noise {
    pub fn word(&mut self) -> u32 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as u32
    }

    /// In `from ..= to`.
    pub fn size(&mut self, from: usize, to: usize) -> usize {
        from + self.word() as usize % (to - from + 1)
    }

    /// About normal, mean 0, deviation 1.
    pub fn value(&mut self) -> f32 {
        (0..3).map(|_| self.word() as f32 / 2_147_483_648.0 * 2.0 - 1.0).sum()
    }

    pub fn values(&mut self, n: usize) -> Vec<f32> {
        (0..n).map(|_| self.value()).collect()
    }
}

/// A graph with the values of its inputs.
pub struct Case {
    pub name: String,
    pub family: Family,
    pub graph: Graph,
    pub inputs: Vec<(TensorId, Vec<f32>)>,
    pub outputs: Vec<TensorId>,
    pub clock: Clock,
    /// Linear in every input: errors are measured against the result of the inputs' magnitudes.
    pub linear: bool,
}

impl Case {
    pub fn new(name: &str, family: Family, noise: &mut Noise) -> Self {
        let mut graph = Graph::new();
        graph.layer(name);
        let (inputs, outputs) = (Vec::new(), Vec::new());
        let (step, seed, loss_scale) = (noise.word() % 1000 + 1, noise.word(), 8.0);
        let clock = Clock { step, seed, loss_scale, learning_rate: 0.01, ..Clock::default() };
        Case { name: name.into(), family, graph, inputs, outputs, clock, linear: false }
    }

    pub fn linear(mut self) -> Self {
        self.linear = true;
        self
    }

    pub fn input(&mut self, shape: &[usize], noise: &mut Noise) -> TensorId {
        let values = noise.values(shape.iter().product());
        self.given(shape, values)
    }

    pub fn given(&mut self, shape: &[usize], values: Vec<f32>) -> TensorId {
        let tensor = self.graph.input("x", shape).unwrap();
        self.inputs.push((tensor, values));
        tensor
    }

    pub fn push(&mut self, op: Op, inputs: &[TensorId]) -> TensorId {
        self.graph.push(op, inputs).unwrap()
    }

    /// `op` of the inputs so far, kept.
    pub fn apply(mut self, op: Op) -> (Self, TensorId) {
        let inputs: Vec<TensorId> = self.inputs.iter().map(|i| i.0).collect();
        let y = self.push(op, &inputs);
        self.outputs.push(y);
        (self, y)
    }

    /// Adds the gradients in `wanted` of `y` under a random cotangent.
    pub fn gradients(mut self, y: TensorId, wanted: &[TensorId], noise: &mut Noise) -> Self {
        let shape = self.graph.shape(y);
        let dy = self.input(shape.extents(), noise);
        let grads = differentiate(&mut self.graph, y, Some(dy), wanted).unwrap();
        self.outputs.extend(grads);
        self
    }

    /// `op` of the inputs so far with the gradients in all of them.
    pub fn with_gradients(self, op: Op, noise: &mut Noise) -> Self {
        let wanted: Vec<TensorId> = self.inputs.iter().map(|i| i.0).collect();
        let (case, y) = self.apply(op);
        case.gradients(y, &wanted, noise)
    }

    /// Runs on an executor; afterwards the plan is unloaded, `check` between.
    pub fn run<E: Executor>(
        &self,
        executor: &mut E,
        options: Options,
        inputs: &[(TensorId, Vec<f32>)],
        check: impl FnOnce(&mut E, wgrad::executor::PlanId),
    ) -> Vec<Vec<f32>> {
        let mut graph = self.graph.clone();
        self.outputs.iter().for_each(|&t| graph.output(t));
        let plan = load(executor, &graph, options);
        for (tensor, values) in inputs {
            executor.write(plan, *tensor, values).expect("the input fits");
        }
        executor.run(plan, &[self.clock]).expect("the plan runs");
        let results = self.outputs.iter().map(|&t| executor.read(plan, t).expect("an output can be read")).collect();
        check(executor, plan);
        executor.unload(plan).expect("it was loaded");
        results
    }
}
