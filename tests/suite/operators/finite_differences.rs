//! Every adjoint against central differences in f64: odd random shapes, random cotangents, off the kinks.

use crate::support::gradients::{Claim, Draw};
use wgrad::graph::{Activation, Axis, Graph, Interpolation, Loss, Op, Pooling, TensorId, Window};

/// A graph under construction with the values of its inputs.
struct Build {
    graph: Graph,
    inputs: Vec<(TensorId, Vec<f64>)>,
    draw: Draw,
}

impl Build {
    fn new(seed: u32) -> Self {
        Build { graph: Graph::new(), inputs: Vec::new(), draw: Draw::new(seed) }
    }

    fn input(&mut self, shape: &[usize]) -> TensorId {
        let values = self.draw.values(shape.iter().product());
        self.with(shape, values)
    }

    fn with(&mut self, shape: &[usize], values: Vec<f64>) -> TensorId {
        let tensor = self.graph.input("input", shape).unwrap();
        self.inputs.push((tensor, values));
        tensor
    }

    fn size(&mut self) -> usize {
        self.draw.whole(1, 5)
    }

    fn image(&mut self) -> TensorId {
        let shape = [self.draw.whole(1, 2), self.draw.whole(3, 6), self.draw.whole(3, 6), self.draw.whole(1, 4)];
        self.input(&shape)
    }

    fn push(&mut self, op: Op, inputs: &[TensorId]) -> TensorId {
        self.graph.push(op, inputs).unwrap_or_else(|e| panic!("{e}"))
    }

    fn verify(mut self, y: TensorId, wanted: &[TensorId]) {
        let claim = Claim::new(self.graph, self.inputs, y, wanted, &mut self.draw);
        if let Err(why) = claim.verify() {
            let ops: Vec<Op> = claim.graph.nodes().iter().map(|n| n.op).collect();
            panic!("{ops:?}: {why}");
        }
    }
}

/// Verifies a function for several seeds; it returns its result and what to differentiate in.
fn each(function: impl Fn(&mut Build) -> (TensorId, Vec<TensorId>)) {
    for seed in 0..8 {
        let mut build = Build::new(seed);
        let (y, wanted) = function(&mut build);
        build.verify(y, &wanted);
    }
}

/// An operator of one image.
fn of_image(op: impl Fn(&mut Draw) -> Op) {
    each(|b| {
        let x = b.image();
        let op = op(&mut b.draw);
        (b.push(op, &[x]), vec![x])
    });
}

#[test]
fn matrix_products() {
    for (ta, tb) in [(false, false), (false, true), (true, false), (true, true)] {
        each(|b| {
            let (m, k, n) = (b.size(), b.size(), b.size());
            let a = b.input(&if ta { [k, m] } else { [m, k] });
            let c = b.input(&if tb { [n, k] } else { [k, n] });
            (b.push(Op::MatMul { ta, tb }, &[a, c]), vec![a, c])
        });
    }
}

fn window(draw: &mut Draw) -> Window {
    let kernel = draw.whole(1, 4);
    Window { kernel, stride: draw.whole(1, 3), padding: draw.whole(0, kernel) }
}

#[test]
fn convolutions() {
    each(|b| {
        let window = window(&mut b.draw);
        let (ci, co) = (b.size(), b.size());
        let x = [b.draw.whole(1, 2), b.draw.whole(4, 7), b.draw.whole(4, 7), ci];
        let (x, w) = (b.input(&x), b.input(&[window.kernel, window.kernel, ci, co]));
        (b.push(Op::Conv2d(window), &[x, w]), vec![x, w])
    });
}

#[test]
fn transposed_convolutions() {
    each(|b| {
        let mut window = window(&mut b.draw);
        window.padding = window.padding.min((window.kernel - 1) / 2);
        let (ci, co) = (b.size(), b.size());
        let x = [b.draw.whole(1, 2), b.draw.whole(2, 4), b.draw.whole(2, 4), ci];
        let (x, w) = (b.input(&x), b.input(&[window.kernel, window.kernel, co, ci]));
        let extra = b.draw.whole(0, window.stride - 1);
        let y = b.graph.conv_transpose2d(x, w, window, extra).unwrap_or_else(|e| panic!("{e}"));
        (y, vec![x, w])
    });
}

#[test]
fn activations() {
    use Activation::*;
    let all = [Identity, Step, Relu, LeakyRelu(0.1), Sigmoid, Tanh, Gelu, GeluTanh, Silu, Softplus, Elu, Exp];
    for f in all {
        of_image(|_| Op::Activate(f));
    }
    each(|b| {
        let values = (0..12).map(|_| 0.2 + b.draw.unit()).collect();
        let x = b.with(&[3, 4], values);
        (b.push(Op::Activate(Log), &[x]), vec![x])
    });
}

#[test]
fn column_vectors() {
    for op in [Op::BiasAdd, Op::Prelu, Op::ColumnScale] {
        each(|b| {
            let x = b.image();
            let columns = b.graph.shape(x).columns();
            let v = b.input(&[columns]);
            (b.push(op, &[x, v]), vec![x, v])
        });
    }
}

#[test]
fn softmax() {
    for log in [false, true] {
        of_image(|_| Op::Softmax { log });
    }
}

#[test]
fn sums_and_scales() {
    each(|b| {
        let x = b.image();
        let shape = b.graph.shape(x).extents().to_vec();
        let other = b.input(&shape);
        let scaled = b.push(Op::Scale(-1.75), &[x]);
        let sum = b.push(Op::Add, &[scaled, other]);
        // Used twice: its gradient adds up.
        (b.push(Op::Add, &[sum, x]), vec![x, other])
    });
}

#[test]
fn products_means_and_repeated_rows() {
    each(|b| {
        let x = b.image();
        let shape = b.graph.shape(x).extents().to_vec();
        let other = b.input(&shape);
        let product = b.push(Op::Multiply, &[x, other]);
        // A factor twice: its gradient adds up.
        (b.push(Op::Multiply, &[product, x]), vec![x, other])
    });
    each(|b| {
        let shape = [b.size(), b.size()];
        let (x, v) = (b.input(&shape), b.input(&shape[1..]));
        let sums = b.push(Op::ColumnSum, &[x]);
        let both = b.push(Op::Add, &[sums, v]);
        (b.push(Op::Broadcast { rows: 3 }, &[both]), vec![x, v])
    });
    each(|b| {
        let x = b.image();
        (b.graph.mean(x).unwrap(), vec![x])
    });
}

/// `log cosh (x - t)`, put together from operators of the set.
#[test]
fn a_loss_of_ones_own() {
    each(|b| {
        let shape = [b.size(), b.size()];
        let (x, t) = (b.input(&shape), b.input(&shape));
        let minus = b.push(Op::Scale(-1.0), &[t]);
        let d = b.push(Op::Add, &[x, minus]);
        let back = b.push(Op::Scale(-1.0), &[d]);
        let [up, down] = [d, back].map(|d| b.push(Op::Activate(Activation::Exp), &[d]));
        let sum = b.push(Op::Add, &[up, down]);
        let log = b.push(Op::Activate(Activation::Log), &[sum]);
        (b.push(Op::Loss(Loss::Mean), &[log]), vec![x, t])
    });
}

#[test]
fn pixel_shuffles() {
    for r in [1, 2, 3] {
        each(|b| {
            let shape = [b.size(), b.size(), b.size(), r * r * b.draw.whole(1, 3)];
            let x = b.input(&shape);
            (b.push(Op::DepthToSpace(r), &[x]), vec![x])
        });
        each(|b| {
            let shape = [b.size(), r * b.draw.whole(1, 3), r * b.draw.whole(1, 3), b.size()];
            let x = b.input(&shape);
            (b.push(Op::SpaceToDepth(r), &[x]), vec![x])
        });
    }
}

#[test]
fn resizing() {
    for mode in [Interpolation::Nearest, Interpolation::Bilinear] {
        of_image(|draw| Op::Resize { mode, scale: draw.whole(1, 4) });
    }
}

#[test]
fn pooling() {
    for kind in [Pooling::Max, Pooling::Average] {
        of_image(|draw| Op::Pool { kind, kernel: [draw.whole(1, 3), draw.whole(1, 3)], stride: draw.whole(1, 3) });
    }
}

#[test]
fn columns_together_and_apart() {
    each(|b| {
        let (rows, left, right) = (b.size(), b.size(), b.size());
        let (x, y) = (b.input(&[rows, left]), b.input(&[rows, right]));
        let both = b.push(Op::Concat, &[x, y]);
        let start = b.draw.whole(0, left + right - 1);
        let len = b.draw.whole(1, left + right - start);
        let part = b.push(Op::Slice { start, len }, &[both]);
        let part = b.push(Op::Pad { start: 2, columns: len + 3 }, &[part]);
        // The other end, so that both operands always matter.
        let both = b.push(Op::Pad { start: 0, columns: len + 3 + left + right }, &[part]);
        let all = b.push(Op::Concat, &[y, x]);
        let all = b.push(Op::Pad { start: len + 3, columns: len + 3 + left + right }, &[all]);
        (b.push(Op::Add, &[both, all]), vec![x, y])
    });
}

#[test]
fn dropout() {
    of_image(|_| Op::Dropout { rate: 0.3, stream: 5 });
}

#[test]
fn normalisation() {
    for axis in [Axis::Rows, Axis::Columns] {
        each(|b| {
            let shape = [b.draw.whole(3, 9), b.draw.whole(3, 9)];
            let x = b.input(&shape);
            (b.push(Op::Normalize { axis, epsilon: 1e-3 }, &[x]), vec![x])
        });
    }
}

#[test]
fn reshapes() {
    each(|b| {
        let x = b.image();
        let len = b.graph.shape(x).len();
        let flat = b.graph.reshape(x, &[len]).expect("as many elements");
        let flat = b.push(Op::Activate(Activation::Tanh), &[flat]);
        let y = b.graph.reshape(flat, &[1, len]).expect("as many elements");
        (b.push(Op::Scale(2.0), &[y]), vec![x])
    });
}

#[test]
fn losses() {
    let elementwise = [Loss::Mse, Loss::Mae, Loss::Huber(1.0), Loss::Charbonnier(0.1), Loss::Bce, Loss::BceWithLogits];
    for loss in elementwise {
        each(|b| {
            let shape = [b.size(), b.size(), b.size()];
            let len = shape.iter().product();
            let probability = matches!(loss, Loss::Bce);
            let binary = matches!(loss, Loss::Bce | Loss::BceWithLogits);
            let x: Vec<f64> =
                (0..len).map(|_| if probability { 0.1 + 0.8 * b.draw.unit() } else { b.draw.value() }).collect();
            let differ = |b: &mut Build, x: f64| {
                let d = b.draw.value();
                // Off Huber's second kink, too.
                x + if (d.abs() - 1.0).abs() < 0.05 { 1.2 * d } else { d }
            };
            let t = x.iter().map(|&x| if binary { b.draw.unit().round() } else { differ(b, x) }).collect();
            let (x, t) = (b.with(&shape, x), b.with(&shape, t));
            (b.push(Op::Loss(loss), &[x, t]), vec![x])
        });
    }
    for smoothing in [0.0, 0.1] {
        each(|b| {
            let (rows, classes) = (b.size(), b.draw.whole(2, 6));
            let x = b.input(&[rows, classes]);
            let t = (0..rows).map(|_| b.draw.whole(0, classes - 1) as f64).collect();
            let t = b.with(&[rows], t);
            (b.push(Op::Loss(Loss::CrossEntropy(smoothing)), &[x, t]), vec![x])
        });
    }
}

/// A claim about `relu(x w + b)` with square operands, whose gradient in `x` is `wrong` made of `dy`, `y` and `w`.
fn planted(wrong: impl Fn(&mut Graph, TensorId, TensorId, TensorId) -> TensorId) -> Result<(), String> {
    let mut b = Build::new(3);
    let (x, w, bias) = (b.input(&[4, 4]), b.input(&[4, 4]), b.input(&[4]));
    let z = b.graph.linear(x, w, bias).expect("shapes fit");
    let y = b.push(Op::Activate(Activation::Relu), &[z]);
    let mut claim = Claim { graph: Graph::new(), inputs: b.inputs, y, cotangent: Vec::new(), gradients: Vec::new() };
    let dy = claim.give_cotangent(&mut b.graph, &mut b.draw);
    let gradient = wrong(&mut b.graph, dy, y, w);
    claim.gradients.push((x, gradient));
    claim.graph = b.graph;
    claim.verify()
}

#[test]
fn the_checker_fails_on_planted_errors() {
    let through = |g: &mut Graph, dy, y| g.push(Op::ActivateGrad(Activation::Relu), &[dy, y]).expect("shapes fit");
    let product = |g: &mut Graph, dz, w, tb| g.push(Op::MatMul { ta: false, tb }, &[dz, w]).expect("shapes fit");
    let right = planted(|g, dy, y, w| {
        let dz = through(g, dy, y);
        product(g, dz, w, true)
    });
    assert_eq!(right, Ok(()));
    let transposed = planted(|g, dy, y, w| {
        let dz = through(g, dy, y);
        product(g, dz, w, false)
    });
    assert!(transposed.is_err(), "a transposed gradient went unnoticed");
    let dropped = planted(|g, dy, _, w| product(g, dy, w, true));
    assert!(dropped.is_err(), "a dropped derivative went unnoticed");
    let nan = planted(|g, dy, y, w| {
        let dz = through(g, dy, y);
        let dx = product(g, dz, w, true);
        g.push(Op::Scale(f32::NAN), &[dx]).expect("any tensor")
    });
    assert!(nan.is_err(), "NaN went unnoticed");
}
