//! Draws cases of contractions with what is fused behind them, and the plain loop in f64 that judges them.

use super::super::launch::Launch;
use super::harness::Gpu;
use super::{Class, Tile, lower};
use crate::graph::{Activation, Graph, Op, Options, Plan, Shape, Step, TensorId, Window};
use crate::random::Draws;

/// What follows the operator, fused behind it.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Behind {
    bias: bool,
    activation: Option<Activation>,
    prelu: bool,
    residual: bool,
    derivative: Option<Activation>,
}

/// One step, planned, with values for all it reads.
pub(super) struct ContractionCase {
    pub plan: Plan,
    pub step: Step,
    pub inputs: Vec<(TensorId, Vec<f32>)>,
    pub behind: Behind,
    /// Operands are values of f16, so that kernels which round to it lose nothing.
    pub narrow: bool,
}

impl ContractionCase {
    /// The same with operands rounded to f16.
    pub(super) fn narrow(mut self) -> ContractionCase {
        for (tensor, values) in &mut self.inputs {
            if self.step.inputs.contains(tensor) {
                values.iter_mut().for_each(|v| *v = half::f16::from_f32(*v).to_f32());
            }
        }
        ContractionCase { narrow: true, ..self }
    }

    pub(super) fn new(random: &mut Draws, op: Op, shapes: &[&[usize]], behind: Behind) -> ContractionCase {
        let mut graph = Graph::new();
        let operands: Vec<_> =
            shapes.iter().enumerate().map(|(i, s)| graph.input(&format!("x{i}"), s).expect("a shape")).collect();
        let mut y = graph.push(op, &operands).expect("the case is well-formed");
        let shape = graph.shape(y);
        let columns = [shape.columns()];
        let extra = |graph: &mut Graph, name: &str, op: Op, y: TensorId, extents: &[usize]| {
            let x = graph.input(name, extents).expect("a shape");
            graph.push(op, &[y, x]).expect("an epilogue fits")
        };
        if behind.bias {
            y = extra(&mut graph, "bias", Op::BiasAdd, y, &columns);
        }
        if let Some(f) = behind.activation {
            y = graph.push(Op::Activate(f), &[y]).expect("elementwise");
        }
        if behind.prelu {
            y = extra(&mut graph, "slopes", Op::Prelu, y, &columns);
        }
        if behind.residual {
            y = extra(&mut graph, "residual", Op::Add, y, shape.extents());
        }
        if let Some(f) = behind.derivative {
            y = extra(&mut graph, "saved", Op::ActivateGrad(f), y, shape.extents());
        }
        graph.output(y);
        let plan = Plan::new(&graph, Options::default()).expect("the case can be planned");
        let fusable = !matches!(op, Op::Conv2dWeightGrad(_));
        assert!(plan.steps.len() == 1 || !fusable, "all is fused: {:?}", plan.steps);
        let step = plan.steps[0].clone();
        let inputs = step.reads().map(|t| (t, random.values(plan.shape(t).len()))).collect();
        ContractionCase { plan, step, inputs, behind, narrow: false }
    }

    pub(super) fn values(&self, tensor: TensorId) -> &[f32] {
        &self.inputs.iter().find(|i| i.0 == tensor).expect("an operand has values").1
    }

    fn shape(&self, operand: usize) -> Shape {
        self.plan.shape(self.step.inputs[operand])
    }

    /// The contraction alone: each element's sum and sum of magnitudes.
    pub(super) fn contraction(&self) -> (Vec<f64>, Vec<f64>) {
        let output = self.plan.shape(self.step.output.expect("an output"));
        let (a, b) = (self.values(self.step.inputs[0]), self.values(self.step.inputs[1]));
        let (mut sums, mut sizes) = (vec![0.0; output.len()], vec![0.0; output.len()]);
        let mut term = |to: usize, i: usize, j: usize| {
            let product = f64::from(a[i]) * f64::from(b[j]);
            sums[to] += product;
            sizes[to] += product.abs();
        };
        match self.step.op {
            Op::MatMul { ta, tb } => {
                let (m, n) = output.matrix().expect("a matrix");
                let k = self.shape(0).len() / m;
                for (r, c, t) in (0..m).flat_map(|r| (0..n).flat_map(move |c| (0..k).map(move |t| (r, c, t)))) {
                    term(r * n + c, if ta { t * m + r } else { r * k + t }, if tb { c * k + t } else { t * n + c });
                }
            }
            Op::Conv2d(window) => window_terms(self.shape(0), output, window, |x, w, y| term(y, x, w)),
            Op::Conv2dInputGrad { window, .. } => {
                window_terms(output, self.shape(0), window, |x, w, y| term(x, y, w));
            }
            Op::Conv2dWeightGrad(window) => {
                window_terms(self.shape(0), self.shape(1), window, |x, w, y| term(w, x, y));
            }
            other => unreachable!("{other:?}"),
        }
        (sums, sizes)
    }

    /// Checks a result of the launches against the loop. Returns the largest error in units of the tolerance.
    pub(super) fn check(&self, got: &[f32], what: &str) {
        let (sums, sizes) = self.contraction();
        let columns = self.plan.shape(self.step.output.expect("an output")).columns();
        let epilogue = self.step.epilogue;
        assert_eq!(got.len(), sums.len());
        for i in 0..got.len() {
            let operand = |t: Option<TensorId>, at: usize| t.map_or(0.0, |t| f64::from(self.values(t)[at]));
            let before = sums[i] + operand(epilogue.bias, i % columns);
            let mut want = match self.behind.activation {
                Some(f) => activation(f, before),
                None if self.behind.prelu && before <= 0.0 => operand(epilogue.slopes, i % columns) * before,
                None => before,
            };
            want += operand(epilogue.residual, i);
            if let Some((f, saved)) = epilogue.derivative {
                want *= derivative(f, f64::from(self.values(saved)[i]));
            }
            // Activations here have slopes of at most 1.1; one rounding per term and a few for the epilogue.
            // Matrix units may align the terms of a block before they add them.
            let rounding = if self.narrow { 2e-5 } else { 2e-6 };
            let tolerance = rounding * sizes[i] + 1e-6 * (1.0 + want.abs());
            let difference = (f64::from(got[i]) - want).abs();
            assert!(
                difference <= tolerance,
                "{what}: {:?} of {:?} {:?} with {:?}: [{i}] is {} instead of {want}",
                self.step.op,
                self.shape(0),
                self.shape(1),
                self.behind,
                got[i],
            );
        }
    }

    pub(super) fn launches(&self, class: Class, tile: Option<Tile>) -> Vec<Launch> {
        lower(&self.plan, &self.step, class, tile)
    }

    pub(super) fn run(&self, gpu: &Gpu, class: Class, tile: Option<Tile>) -> Vec<f32> {
        gpu.run(&self.plan, &self.launches(class, tile), &self.inputs, self.step.output.expect("an output"))
    }
}

/// All products of a convolution: indices into `x`, `w` and `y`.
fn window_terms(x: Shape, y: Shape, window: Window, mut term: impl FnMut(usize, usize, usize)) {
    let (_, h, w, ci) = x.image().expect("an image");
    let (n, oh, ow, co) = y.image().expect("an image");
    let k = window.kernel;
    for at in 0..n * oh * ow * k * k {
        let (pixel, tap) = (at / (k * k), at % (k * k));
        let (image, oy, ox) = (pixel / ow / oh, pixel / ow % oh, pixel % ow);
        let iy = (oy * window.stride + tap / k).wrapping_sub(window.padding);
        let ix = (ox * window.stride + tap % k).wrapping_sub(window.padding);
        if iy < h && ix < w {
            for (i, o) in (0..ci).flat_map(|i| (0..co).map(move |o| (i, o))) {
                term(((image * h + iy) * w + ix) * ci + i, (tap * ci + i) * co + o, pixel * co + o);
            }
        }
    }
}

fn activation(f: Activation, x: f64) -> f64 {
    match f {
        Activation::Relu => x.max(0.0),
        Activation::LeakyRelu(slope) => {
            if x > 0.0 {
                x
            } else {
                f64::from(slope) * x
            }
        }
        Activation::Tanh => x.tanh(),
        Activation::Silu => x / (1.0 + (-x).exp()),
        other => unreachable!("{other:?} is not among the cases"),
    }
}

fn derivative(f: Activation, saved: f64) -> f64 {
    match f {
        Activation::Relu => f64::from(u8::from(saved > 0.0)),
        Activation::LeakyRelu(slope) => {
            if saved > 0.0 {
                1.0
            } else {
                f64::from(slope)
            }
        }
        Activation::Tanh => 1.0 - saved * saved,
        Activation::Silu => {
            let s = 1.0 / (1.0 + (-saved).exp());
            s * (1.0 + saved * (1.0 - s))
        }
        other => unreachable!("{other:?} is not among the cases"),
    }
}

fn behind(random: &mut Draws) -> Behind {
    let functions = [
        None,
        Some(Activation::Relu),
        Some(Activation::LeakyRelu(0.2)),
        Some(Activation::Tanh),
        Some(Activation::Silu),
    ];
    let activation = random.pick(&functions);
    Behind {
        bias: random.size(0, 2 - 1) == 0,
        activation,
        prelu: activation.is_none() && random.size(0, 2 - 1) == 0,
        residual: random.size(0, 2 - 1) == 0,
        derivative: random.pick(&functions),
    }
}

pub(super) fn product(random: &mut Draws) -> ContractionCase {
    let extents = [1, 2, 3, 4, 5, 8, 10, 12, 16, 17, 31, 32, 40, 64, 65, 100, 130];
    let [m, n, k] = [0; 3].map(|_| random.pick(&extents));
    // Long sums are split.
    let k = if random.size(0, 4 - 1) == 0 { random.pick(&[600, 1023]) } else { k };
    let (ta, tb) = (random.size(0, 2 - 1) == 0, random.size(0, 2 - 1) == 0);
    let behind = behind(random);
    let (a, b) = (if ta { [k, m] } else { [m, k] }, if tb { [n, k] } else { [k, n] });
    ContractionCase::new(random, Op::MatMul { ta, tb }, &[&a, &b], behind)
}

pub(super) fn convolution(random: &mut Draws, kind: usize) -> ContractionCase {
    let channels = [1, 2, 3, 4, 5, 8, 12, 13, 16, 20, 33];
    let [ci, co] = [0; 2].map(|_| random.pick(&channels));
    let kernel = random.pick(&[1, 2, 3, 3, 4, 5, 9]);
    let window = Window { kernel, stride: random.pick(&[1, 1, 2, 3, 4]), padding: random.size(0, kernel + 1 - 1) };
    let least = kernel.saturating_sub(2 * window.padding).max(1);
    let [h, w] = [0; 2].map(|_| least + random.size(0, 9 - 1));
    let n = 1 + random.size(0, 3 - 1);
    let [oh, ow] = [h, w].map(|extent| window.output(extent).expect("at least one window fits"));
    let (x, weights, y) = ([n, h, w, ci], [kernel, kernel, ci, co], [n, oh, ow, co]);
    let behind = behind(random);
    match kind {
        0 => ContractionCase::new(random, Op::Conv2d(window), &[&x, &weights], behind),
        1 => ContractionCase::new(random, Op::Conv2dInputGrad { window, size: [h, w] }, &[&y, &weights], behind),
        _ => ContractionCase::new(random, Op::Conv2dWeightGrad(window), &[&x, &y], Behind::default()),
    }
}
