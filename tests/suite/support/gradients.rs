//! Central differences in f64 against the gradients that differentiation appended.

use std::sync::Arc;

use wgrad::graph::{Graph, Options, Plan, TensorId, differentiate};
use wgrad::internal::cpu::Cpu;
use wgrad::internal::executor::Executor;
use wgrad::internal::random::pcg4d;

use super::clock;

/// A stream of random numbers for tests.
pub struct Draw {
    seed: u32,
    count: u32,
}

impl Draw {
    pub fn new(seed: u32) -> Self {
        Draw { seed, count: 0 }
    }

    /// Uniform in [0, 1).
    pub fn unit(&mut self) -> f64 {
        self.count += 1;
        f64::from(pcg4d([self.seed, self.count, 7, 11])[0]) / 4_294_967_296.0
    }

    /// A whole number of `low..=high`.
    pub fn whole(&mut self, low: usize, high: usize) -> usize {
        low + (self.unit() * (high - low + 1) as f64) as usize
    }

    /// Either sign, magnitude in [0.1, 2): away from the kinks at 0.
    pub fn value(&mut self) -> f64 {
        let sign = if self.unit() < 0.5 { -1.0 } else { 1.0 };
        sign * (0.1 + 1.9 * self.unit())
    }

    pub fn values(&mut self, len: usize) -> Vec<f64> {
        (0..len).map(|_| self.value()).collect()
    }
}

/// A function of some inputs, and what claims to be its gradients under a cotangent.
pub struct Claim {
    pub graph: Graph,
    /// Inputs and their values.
    pub inputs: Vec<(TensorId, Vec<f64>)>,
    pub y: TensorId,
    /// The cotangent's values; 1 for a loss.
    pub cotangent: Vec<f64>,
    /// `(input, gradient)` pairs to verify.
    pub gradients: Vec<(TensorId, TensorId)>,
}

impl Claim {
    /// Differentiates `y` in `wanted` under a random cotangent (a loss takes none).
    pub fn new(
        mut graph: Graph,
        inputs: Vec<(TensorId, Vec<f64>)>,
        y: TensorId,
        wanted: &[TensorId],
        draw: &mut Draw,
    ) -> Self {
        let loss = graph.nodes().last().is_some_and(|n| matches!(n.op, wgrad::graph::Op::Loss(_)));
        let mut claim = Claim { inputs, y, cotangent: vec![1.0], gradients: Vec::new(), graph: Graph::new() };
        let dy = (!loss).then(|| claim.give_cotangent(&mut graph, draw));
        let grads = differentiate(&mut graph, y, dy, wanted).expect("every operator here has an adjoint");
        claim.gradients = wanted.iter().copied().zip(grads).collect();
        claim.graph = graph;
        claim
    }

    /// Adds a random cotangent of `y` as an input.
    pub fn give_cotangent(&mut self, graph: &mut Graph, draw: &mut Draw) -> TensorId {
        let dy = graph.input("dy", graph.shape(self.y).extents()).unwrap();
        self.cotangent = draw.values(graph.shape(self.y).len());
        self.inputs.push((dy, self.cotangent.clone()));
        dy
    }

    /// Compares every element of every claimed gradient with a central difference.
    ///
    /// # Errors
    /// Names the first element that differs.
    pub fn verify(&self) -> Result<(), String> {
        let mut graph = self.graph.clone();
        graph.output(self.y);
        self.gradients.iter().for_each(|g| graph.output(g.1));
        let mut cpu = Cpu::<f64>::new().poisoned();
        let plan = Plan::new(&graph, Options { fuse: false, share: false }).map_err(|e| e.to_string())?;
        let plan = cpu.load(Arc::new(plan)).map_err(|e| e.to_string())?;
        for (tensor, values) in &self.inputs {
            cpu.set_values(plan, *tensor, values).map_err(|e| e.to_string())?;
        }
        let run = |cpu: &mut Cpu<f64>| cpu.run(plan, &[clock(1, 0.0)]).expect("the plan runs");
        run(&mut cpu);
        let claimed: Vec<Vec<f64>> = self.gradients.iter().map(|g| cpu.values(plan, g.1).expect("an output")).collect();
        for (&(input, _), claimed) in self.gradients.iter().zip(&claimed) {
            let (_, values) = self.inputs.iter().find(|i| i.0 == input).expect("gradients are of inputs");
            for i in 0..values.len() {
                let step = 1e-5;
                let mut at = |offset: f64| {
                    let mut moved = values.clone();
                    moved[i] += offset;
                    cpu.set_values(plan, input, &moved).expect("an input");
                    run(&mut cpu);
                    let y = cpu.values(plan, self.y).expect("an output");
                    y.iter().zip(&self.cotangent).map(|(y, d)| y * d).sum::<f64>()
                };
                let (up, down) = (at(step), at(-step));
                let slope = (up - down) / (2.0 * step);
                // Rounding of the two sums, over the step, and the third derivative times its square.
                let bound = 1e-6 * (1.0 + slope.abs()) + 1e-10 * up.abs();
                if !((claimed[i] - slope).abs() <= bound) {
                    return Err(format!("element {i} of the gradient in {input:?} is {}, not {slope}", claimed[i]));
                }
            }
            cpu.set_values(plan, input, values).expect("an input");
        }
        Ok(())
    }
}
