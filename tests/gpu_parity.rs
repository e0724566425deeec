//! Every operator on the GPU against the oracle in f64: random odd shapes, random cotangents, results filled with NaN
//! beforehand, guard zones behind buffers.

#[path = "gpu/cases.rs"]
mod cases;
mod support;

use cases::{Case, Noise};
use support::gpu;
use support::tolerance::{Family, Precision, Tolerance};
use wgrad::cpu::Cpu;
use wgrad::graph::{Activation, Axis, Interpolation, Loss, Op, Options, Pooling, TensorId};

const PLAIN: Options = Options { fuse: false, share: false };
/// Random shapes per operator.
const ROUNDS: u64 = 4;

/// Runs what `make` builds on both and reports all failures together.
fn compare(seed: u64, make: impl Fn(&mut Noise) -> Vec<Case>) {
    let Some(mut device) = gpu::open_inspected() else { return };
    let mut failures = String::new();
    for round in 0..ROUNDS {
        for case in make(&mut Noise(seed * 1000 + round)) {
            let want = case.run(&mut Cpu::<f64>::new(), PLAIN, &case.inputs, |_, _| {});
            let got = case.run(&mut device, Options::default(), &case.inputs, |device, plan| {
                device.check_guards(plan).unwrap_or_else(|e| panic!("{}: {e}", case.name));
            });
            let scales: Vec<Vec<f64>> = if case.linear {
                let sizes = |values: &[f32]| values.iter().map(|v| v.abs()).collect();
                let inputs: Vec<(TensorId, Vec<f32>)> = case.inputs.iter().map(|(t, v)| (*t, sizes(v))).collect();
                let sums = case.run(&mut Cpu::<f64>::new(), PLAIN, &inputs, |_, _| {});
                sums.into_iter().map(|s| s.into_iter().map(|v| f64::from(v.abs())).collect()).collect()
            } else {
                let largest = |values: &[f32]| values.iter().fold(0.0, |m: f64, v| m.max(f64::from(v.abs())));
                want.iter().map(|w| vec![largest(w).max(1e-3); w.len()]).collect()
            };
            for (i, ((got, want), scale)) in got.iter().zip(&want).zip(&scales).enumerate() {
                if let Err(why) = Tolerance::of(case.family, Precision::F32).check(got, want, scale) {
                    let shapes: Vec<String> =
                        case.inputs.iter().map(|(t, _)| case.graph.shape(*t).to_string()).collect();
                    failures += &format!("\n  {} {shapes:?}, result {i}: {why}", case.name);
                }
            }
        }
    }
    assert!(failures.is_empty(), "{failures}");
}

fn table(noise: &mut Noise) -> [usize; 2] {
    let wide = [1, 3, 7, 64, 257, 300];
    [noise.size(1, 70), wide[noise.size(0, wide.len() - 1)]]
}

fn image(noise: &mut Noise, height: usize, width: usize, channels: usize) -> [usize; 4] {
    [noise.size(1, 3), height, width, channels]
}

const ACTIVATIONS: [Activation; 11] = [
    Activation::Identity,
    Activation::Step,
    Activation::Relu,
    Activation::LeakyRelu(0.2),
    Activation::Sigmoid,
    Activation::Tanh,
    Activation::Gelu,
    Activation::GeluTanh,
    Activation::Silu,
    Activation::Softplus,
    Activation::Elu,
];

#[test]
fn activations() {
    compare(1, |noise| {
        let mut cases = Vec::new();
        for f in ACTIVATIONS {
            let mut case = Case::new(&format!("{f:?}"), Family::Transcendental, noise);
            let n = noise.size(1, 2000);
            let mut values: Vec<f32> = noise.values(n).iter().map(|v| 4.0 * v).collect();
            // The ends, where formulas overflow.
            values.extend([0.0, -0.0, 30.0, -30.0, 100.0, -100.0, 1e-6, -1e-6, 20.0, 20.01, 1e30, -1e30]);
            if matches!(f, Activation::GeluTanh | Activation::Gelu) {
                values.truncate(values.len() - 2);
            }
            case.given(&[values.len()], values);
            cases.push(case.with_gradients(Op::Activate(f), noise));
        }
        cases
    });
}

#[test]
fn elementwise() {
    compare(2, |noise| {
        let mut cases = Vec::new();
        for (name, op) in [("add", Op::Add), ("bias", Op::BiasAdd), ("multiply", Op::Multiply), ("prelu", Op::Prelu)] {
            let shape = table(noise);
            let mut case = Case::new(name, Family::Contraction, noise);
            case.input(&shape, noise);
            case.input(if op == Op::Add { &shape } else { &shape[1..] }, noise);
            cases.push(if op == Op::Prelu { case } else { case.linear() }.with_gradients(op, noise));
        }
        for (name, op) in [("scale", Op::Scale(-0.3)), ("dropout", Op::Dropout { rate: 0.3, stream: 5 })] {
            let shape = table(noise);
            let mut case = Case::new(name, Family::Elementwise, noise);
            case.input(&shape, noise);
            cases.push(case.with_gradients(op, noise));
        }
        cases
    });
}

#[test]
fn sums_over_many_rows() {
    compare(3, |noise| {
        let mut cases = Vec::new();
        for columns in [1, 3, 64, 130, 256, 300] {
            for op in [Op::ColumnSum, Op::ColumnDot, Op::PreluSlopeGrad] {
                let shape = [noise.size(1000, 9000), columns];
                // Magnitudes of inputs tell nothing of the slope's terms, which are those with negative inputs: it is
                // judged by its result, with room for the terms that cancelled.
                let slopes = op == Op::PreluSlopeGrad;
                let family = if slopes { Family::Training } else { Family::Contraction };
                let mut case = Case::new(&format!("{op:?}"), family, noise);
                case.linear = !slopes;
                case.input(&shape, noise);
                if op != Op::ColumnSum {
                    case.input(&shape, noise);
                }
                cases.push(case.apply(op).0);
            }
        }
        cases
    });
}

#[test]
fn softmax_and_normalisation() {
    compare(4, |noise| {
        let mut cases = Vec::new();
        for log in [false, true] {
            let mut case = Case::new(if log { "log softmax" } else { "softmax" }, Family::Transcendental, noise);
            let shape = table(noise);
            let values = noise.values(shape.iter().product()).iter().map(|v| 8.0 * v).collect();
            case.given(&shape, values);
            cases.push(case.with_gradients(Op::Softmax { log }, noise));
        }
        for axis in [Axis::Rows, Axis::Columns] {
            for many in [false, true] {
                let columns = table(noise)[1].max(2);
                let shape = [noise.size(2, if many { 3000 } else { 40 }), columns];
                // The gradient is a difference of sums about as large as the cotangent.
                let mut case = Case::new(&format!("normalize {axis:?}"), Family::Training, noise);
                let values = noise.values(shape.iter().product()).iter().map(|v| v + 0.5).collect();
                case.given(&shape, values);
                cases.push(case.with_gradients(Op::Normalize { axis, epsilon: 1e-2 }, noise));
            }
        }
        cases
    });
}

#[test]
fn losses() {
    compare(5, |noise| {
        let mut cases = Vec::new();
        let all = [Loss::Mse, Loss::Mae, Loss::Huber(0.5), Loss::Charbonnier(1e-3), Loss::Bce, Loss::BceWithLogits];
        for loss in all {
            for n in [noise.size(1, 50), noise.size(5000, 30000)] {
                let mut case = Case::new(&format!("{loss:?}"), Family::Loss, noise);
                let (mut x, mut t) = (noise.values(n), noise.values(n));
                if matches!(loss, Loss::Bce | Loss::BceWithLogits) {
                    t.iter_mut().for_each(|t| *t = f32::from(*t > 0.0));
                }
                if loss == Loss::Bce {
                    x.iter_mut().for_each(|x| *x = 1.0 / (1.0 + (-2.0 * *x).exp()));
                }
                let (x, t) = (case.given(&[n], x), case.given(&[n], t));
                let y = case.push(Op::Loss(loss), &[x, t]);
                let slope = case.push(Op::LossGrad(loss), &[x, t]);
                case.outputs.extend([y, slope]);
                cases.push(case);
            }
        }
        for smoothing in [0.0, 0.1] {
            for rows in [noise.size(1, 40), noise.size(4500, 9000)] {
                let classes = noise.size(2, 120);
                let mut case = Case::new("cross-entropy", Family::Loss, noise);
                let values = noise.values(rows * classes).iter().map(|v| 5.0 * v).collect();
                let x = case.given(&[rows, classes], values);
                let labels = (0..rows).map(|_| noise.size(0, classes - 1) as f32).collect();
                let t = case.given(&[rows], labels);
                let y = case.push(Op::Loss(Loss::CrossEntropy(smoothing)), &[x, t]);
                let slope = case.push(Op::LossGrad(Loss::CrossEntropy(smoothing)), &[x, t]);
                case.outputs.extend([y, slope]);
                cases.push(case);
            }
        }
        cases
    });
}

#[test]
fn pixels() {
    compare(6, |noise| {
        let mut cases = Vec::new();
        for r in 2..=4 {
            let [h, w, c] = [noise.size(1, 7), noise.size(1, 7), noise.size(1, 5)];
            let mut case = Case::new("depth to space", Family::Copy, noise);
            let shape = image(noise, h, w, c * r * r);
            case.input(&shape, noise);
            cases.push(case.with_gradients(Op::DepthToSpace(r), noise));
            for mode in [Interpolation::Nearest, Interpolation::Bilinear] {
                let mut case = Case::new(&format!("{mode:?} {r}"), Family::Contraction, noise).linear();
                let shape = image(noise, h, w, c);
                case.input(&shape, noise);
                cases.push(case.with_gradients(Op::Resize { mode, scale: r }, noise));
            }
        }
        for kind in [Pooling::Max, Pooling::Average] {
            for ties in [false, true] {
                let kernel = [noise.size(1, 4), noise.size(1, 4)];
                let [h, w, c] = [noise.size(4, 11), noise.size(4, 11), noise.size(1, 5)];
                let mut case = Case::new(&format!("{kind:?} pool"), Family::Contraction, noise);
                let shape = image(noise, h, w, c);
                let mut values = noise.values(shape.iter().product());
                if ties {
                    values.iter_mut().for_each(|v| *v = v.round());
                }
                case.given(&shape, values);
                case.linear = kind == Pooling::Average;
                cases.push(case.with_gradients(Op::Pool { kind, kernel, stride: noise.size(1, 3) }, noise));
            }
        }
        cases
    });
}

#[test]
fn columns_joined_and_cut() {
    compare(7, |noise| {
        let rows = noise.size(1, 500);
        let [a, b] = [noise.size(1, 20), noise.size(1, 20)];
        let mut join = Case::new("concat", Family::Copy, noise);
        join.input(&[rows, a], noise);
        join.input(&[rows, b], noise);
        let start = noise.size(0, a - 1);
        let len = noise.size(1, a - start);
        let mut cut = Case::new("slice", Family::Copy, noise);
        cut.input(&[rows, a], noise);
        let mut pad = Case::new("pad", Family::Copy, noise);
        pad.input(&[rows, a], noise);
        vec![
            join.with_gradients(Op::Concat, noise),
            cut.with_gradients(Op::Slice { start, len }, noise),
            pad.with_gradients(Op::Pad { start: b, columns: a + 2 * b }, noise),
        ]
    });
}
