//! The workloads: products, two perceptrons, two super-resolution networks in training, one in use.

use crate::Result;
use crate::graph::{
    Activation, Graph, Init, Interpolation, Layout, Loss, Op, TensorId, Update, WeightLayout, Window, differentiate,
    optimize,
};

/// A piece of work with a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Workload {
    /// A square matrix product of this side.
    Matmul(usize),
    /// A training step of 784-512-512-10 with ReLU, cross-entropy and Adam on a batch of this many.
    Mlp(usize),
    /// A training step of 2-32-32-1 with ReLU, BCE and SGD, batch 32.
    Tiny,
    /// A training step of FSRCNN x2 (56, 12, 4) on 16 patches 1x32x32, MSE, Adam.
    Fsrcnn,
    /// A training step of a 32-channel pixel-shuffle network on 16 patches 3x48x48, L1, Adam.
    Shuffle,
    /// The pixel-shuffle network on one picture of this height and width.
    Infer(usize, usize),
}

/// All workloads, in the order of the table.
pub fn workloads() -> Vec<Workload> {
    use Workload::*;
    let mut all: Vec<Workload> = [256, 1024, 2048].map(Matmul).to_vec();
    all.extend([64, 256, 1024].map(Mlp));
    all.extend([Tiny, Fsrcnn, Shuffle, Infer(256, 256), Infer(360, 640)]);
    all
}

/// What a workload runs.
pub struct Program {
    /// The graph, with differentiation and update where something is learned.
    pub graph: Graph,
    /// Values of the inputs.
    pub inputs: Vec<(TensorId, Vec<f32>)>,
    /// What can be read afterwards where nothing is learned.
    pub output: TensorId,
    /// Number of each parameter in PyTorch's order, which decides its values.
    order: Vec<usize>,
}

impl Workload {
    /// Name in tables and on the command line.
    pub fn name(self) -> String {
        match self {
            Workload::Matmul(n) => format!("W1 matmul {n}"),
            Workload::Mlp(n) => format!("W2 mlp b{n}"),
            Workload::Tiny => "W3 tiny mlp".into(),
            Workload::Fsrcnn => "W4 fsrcnn train".into(),
            Workload::Shuffle => "W5 shuffle train".into(),
            Workload::Infer(h, w) => format!("W6 shuffle infer {w}x{h}"),
        }
    }

    /// Learning rate of the step.
    pub fn learning_rate(self) -> f32 {
        match self {
            Workload::Tiny => 0.1,
            _ => 1e-3,
        }
    }

    /// Builds the workload.
    ///
    /// # Errors
    /// Never, unless a shape is zero.
    pub fn program(self) -> Result<Program> {
        let mut b = Builder::default();
        match self {
            Workload::Matmul(n) => {
                let (x, w) = (b.input(1, &[n, n], &[n, n])?, b.input(2, &[n, n], &[n, n])?);
                let y = b.graph.push(Op::MatMul { ta: false, tb: false }, &[x, w])?;
                Ok(b.finish(y))
            }
            Workload::Mlp(n) => {
                let x = b.input(1000, &[n, 784], &[n, 784])?;
                let y = b.mlp(x, &[784, 512, 512, 10])?;
                let labels = (0..n).map(|i| (i * 7 % 10) as f32).collect();
                let t = b.given(&[n], labels)?;
                b.train(y, t, Loss::CrossEntropy(0.0), ADAM)
            }
            Workload::Tiny => {
                let x = b.input(1000, &[32, 2], &[32, 2])?;
                let y = b.mlp(x, &[2, 32, 32, 1])?;
                let t = b.given(&[32, 1], (0..32).map(|i| (i % 2) as f32).collect())?;
                b.train(y, t, Loss::BceWithLogits, Update::Sgd { momentum: 0.0, nesterov: false, decay: 0.0 })
            }
            Workload::Fsrcnn => {
                let mut h = b.input(1000, &[16, 32, 32, 1], &[16, 1, 32, 32])?;
                let mut layers = vec![(1, 56, 5), (56, 12, 1)];
                layers.extend([(12, 12, 3); 4]);
                layers.push((12, 56, 1));
                for (i, (ci, co, k)) in layers.into_iter().enumerate() {
                    h = b.conv(h, [ci, co, k], 2 * i)?;
                    let slopes = b.vector(co, 14 + i)?;
                    h = b.graph.push(Op::Prelu, &[h, slopes])?;
                }
                let w = b.parameter(&[9, 9, 1, 56], WeightLayout::ConvTranspose, 21)?;
                let y = b.graph.conv_transpose2d(h, w, Window { kernel: 9, stride: 2, padding: 4 }, 1)?;
                let bias = b.vector(1, 22)?;
                let y = b.graph.push(Op::BiasAdd, &[y, bias])?;
                let t = b.input(1001, &[16, 64, 64, 1], &[16, 1, 64, 64])?;
                b.train(y, t, Loss::Mse, ADAM)
            }
            Workload::Shuffle => {
                let x = b.input(1000, &[16, 48, 48, 3], &[16, 3, 48, 48])?;
                let y = b.shuffle(x)?;
                let t = b.input(1001, &[16, 96, 96, 3], &[16, 3, 96, 96])?;
                b.train(y, t, Loss::Mae, ADAM)
            }
            Workload::Infer(h, w) => {
                let x = b.input(1000, &[1, h, w, 3], &[1, 3, h, w])?;
                let y = b.shuffle(x)?;
                Ok(b.finish(y))
            }
        }
    }
}

const ADAM: Update = Update::Adam { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, decay: 0.0, decoupled: false };

impl Program {
    /// First values of the parameters: 0.1 for vectors, else uniform in `+-1/sqrt(fan_in)`, as one flat arena.
    pub fn parameters(&self, layout: &Layout) -> Vec<f32> {
        let mut weights = crate::network::Weights::default();
        for (parameter, &index) in self.graph.parameters.iter().zip(&self.order) {
            let shape = parameter.file_shape();
            let count: usize = shape.iter().product();
            let values = match shape.len() {
                1 => vec![0.1; count],
                _ => fill(index as u32, count, (count as f64 / shape[0] as f64).powf(-0.5)),
            };
            weights.insert(parameter.name.clone(), crate::network::Array { shape, values });
        }
        weights.to_parameters(&self.graph, layout).expect("built from the same parameters")
    }
}

/// The same pseudo-random numbers in `(-scale, scale)` in every program.
fn fill(seed: u32, count: usize, scale: f64) -> Vec<f32> {
    (0..count as u32)
        .map(|i| {
            let mut h = i.wrapping_mul(2_654_435_761).wrapping_add(seed.wrapping_mul(40_503));
            h = (h ^ (h >> 15)).wrapping_mul(2_246_822_519);
            h ^= h >> 13;
            (h as f32 / 4_294_967_296.0 * 2.0 - 1.0) * scale as f32
        })
        .collect()
}

#[derive(Default)]
struct Builder {
    graph: Graph,
    inputs: Vec<(TensorId, Vec<f32>)>,
    order: Vec<usize>,
}

impl Builder {
    /// An input filled in the order of the other programs' layout (NCHW for pictures).
    fn input(&mut self, seed: u32, shape: &[usize], theirs: &[usize]) -> Result<TensorId> {
        let values = fill(seed, shape.iter().product(), 1.0);
        let values = match *theirs {
            [n, c, h, w] => {
                let at = |i: usize| {
                    let (rest, channel) = (i / c, i % c);
                    let (picture, pixel) = (rest / (h * w), rest % (h * w));
                    values[(picture * c + channel) * h * w + pixel]
                };
                (0..n * c * h * w).map(at).collect()
            }
            _ => values,
        };
        self.given(shape, values)
    }

    fn given(&mut self, shape: &[usize], values: Vec<f32>) -> Result<TensorId> {
        let tensor = self.graph.input(&format!("input {}", self.inputs.len()), shape)?;
        self.inputs.push((tensor, values));
        Ok(tensor)
    }

    fn parameter(&mut self, shape: &[usize], kind: WeightLayout, index: usize) -> Result<TensorId> {
        self.order.push(index);
        self.graph.parameter(&format!("p{index}"), shape, Init::Constant(0.0), kind)
    }

    fn vector(&mut self, len: usize, index: usize) -> Result<TensorId> {
        self.parameter(&[len], WeightLayout::Plain, index)
    }

    fn mlp(&mut self, x: TensorId, sizes: &[usize]) -> Result<TensorId> {
        let mut h = x;
        for (i, pair) in sizes.windows(2).enumerate() {
            self.graph.layer(format!("layer {i}"));
            let w = self.parameter(pair, WeightLayout::Linear, 2 * i)?;
            let b = self.vector(pair[1], 2 * i + 1)?;
            h = self.graph.linear(h, w, b)?;
            if i + 2 < sizes.len() {
                h = self.graph.activate(h, Activation::Relu)?;
            }
        }
        Ok(h)
    }

    fn conv(&mut self, x: TensorId, [ci, co, k]: [usize; 3], index: usize) -> Result<TensorId> {
        self.graph.layer(format!("conv {index}"));
        let w = self.parameter(&[k, k, ci, co], WeightLayout::Conv, index)?;
        let b = self.vector(co, index + 1)?;
        self.graph.conv2d(x, w, b, Window { kernel: k, stride: 1, padding: k / 2 })
    }

    fn shuffle(&mut self, x: TensorId) -> Result<TensorId> {
        let mut h = self.conv(x, [3, 32, 3], 0)?;
        for i in 0..4 {
            h = self.conv(h, [32, 32, 3], 2 + 2 * i)?;
            h = self.graph.activate(h, Activation::Relu)?;
        }
        h = self.conv(h, [32, 12, 3], 10)?;
        h = self.graph.push(Op::DepthToSpace(2), &[h])?;
        let base = self.graph.push(Op::Resize { mode: Interpolation::Nearest, scale: 2 }, &[x])?;
        self.graph.push(Op::Add, &[h, base])
    }

    fn train(mut self, y: TensorId, t: TensorId, loss: Loss, rule: Update) -> Result<Program> {
        let loss = self.graph.push(Op::Loss(loss), &[y, t])?;
        differentiate(&mut self.graph, loss, None, &[])?;
        optimize(&mut self.graph, rule, None, None)?;
        Ok(self.finish(loss))
    }

    fn finish(mut self, output: TensorId) -> Program {
        self.graph.output(output);
        Program { graph: self.graph, inputs: self.inputs, output, order: self.order }
    }
}
