//! What works on tables of rows: elementwise functions, sums over rows, softmax, normalisation, losses.

use super::{Case, Family, Noise, Scale, functions, saved};
use crate::graph::{Activation, Axis, Loss, Op, TensorId};

fn table(noise: &mut Noise) -> [usize; 2] {
    [noise.size(1, 70), noise.pick(&[1, 3, 7, 64, 257, 300])]
}

/// Operators with a vector over columns.
pub(super) fn by_column(op: Op, noise: &mut Noise) -> Vec<Case> {
    let shape = table(noise);
    vec![Case::random(op, &[&shape, &shape[1..]], Family::Elementwise, Scale::Magnitudes, noise)]
}

/// Operators of two tensors of one shape.
pub(super) fn pair(op: Op, noise: &mut Noise) -> Vec<Case> {
    let shape = table(noise);
    vec![Case::random(op, &[&shape, &shape], Family::Elementwise, Scale::Magnitudes, noise)]
}

pub(super) fn broadcast(noise: &mut Noise) -> Vec<Case> {
    let [rows, columns] = table(noise);
    vec![Case::random(Op::Broadcast { rows }, &[&[columns]], Family::Copy, Scale::Magnitudes, noise)]
}

pub(super) fn scale(noise: &mut Noise) -> Vec<Case> {
    let shape = table(noise);
    vec![Case::random(Op::Scale(-0.3), &[&shape], Family::Elementwise, Scale::Magnitudes, noise)]
}

pub(super) fn dropout(noise: &mut Noise) -> Vec<Case> {
    let (shape, stream) = (table(noise), noise.word() % 100);
    let op = Op::Dropout { rate: 0.3, stream };
    vec![Case::random(op, &[&shape], Family::Elementwise, Scale::Magnitudes, noise)]
}

pub(super) fn reshape(noise: &mut Noise) -> Vec<Case> {
    let [rows, columns] = table(noise);
    let mut case = Case::new(Family::Elementwise, Scale::Magnitudes, noise);
    let x = case.input(&[rows, columns], noise);
    let y = case.push(Op::Scale(0.5), &[x]);
    let y = case.graph.reshape(y, &[columns, rows]).expect("as many elements");
    let z = case.push(Op::Scale(3.0), &[y]);
    case.outputs.extend([y, z]);
    vec![case]
}

pub(super) fn prelu_gradients(noise: &mut Noise) -> Vec<Case> {
    let shape = table(noise);
    let shapes: [&[usize]; 3] = [&shape, &shape, &shape[1..]];
    vec![Case::random(Op::PreluGrad, &shapes, Family::Elementwise, Scale::Largest, noise)]
}

pub(super) fn activations(noise: &mut Noise) -> Vec<Case> {
    let mut cases = Vec::new();
    for f in functions() {
        let mut case = Case::new(Family::Transcendental, Scale::One, noise);
        let n = noise.size(1, 2000);
        let mut values: Vec<f32> = noise.values(n).iter().map(|v| 4.0 * v).collect();
        // The ends, where formulas overflow, and both zeros.
        values.extend([0.0, -0.0, 30.0, -30.0, 100.0, -100.0, 1e-6, -1e-6, 20.0, 20.01, 1e10, -1e10]);
        // exp beyond f32 is infinite in f32 alone, log below 0 is NaN: neither can be compared.
        match f {
            Activation::Exp => values.iter_mut().for_each(|v| *v = v.clamp(-80.0, 80.0)),
            Activation::Log => values.iter_mut().for_each(|v| *v = v.abs().max(1e-30)),
            _ => {}
        }
        case.given(&[values.len()], values);
        cases.push(case.of(Op::Activate(f)));
    }
    cases
}

pub(super) fn activation_gradients(noise: &mut Noise) -> Vec<Case> {
    let mut cases = Vec::new();
    for f in functions() {
        let mut case = Case::new(Family::Transcendental, Scale::Largest, noise);
        let n = noise.size(1, 2000);
        case.input(&[n], noise);
        let mut values = noise.values(n);
        values[0] = 0.0;
        case.given(&[n], saved(f, values));
        cases.push(case.of(Op::ActivateGrad(f)));
    }
    cases
}

/// Sums over rows, few and many.
pub(super) fn sums(op: Op, noise: &mut Noise) -> Vec<Case> {
    let mut cases = Vec::new();
    for (columns, most) in [(1, 9000), (3, 9000), (64, 2000), (130, 60), (256, 2), (300, 1500)] {
        let shape = [noise.size(most / 2, most), columns];
        let mut case = Case::new(Family::Contraction, Scale::Magnitudes, noise);
        case.input(&shape, noise);
        if op != Op::ColumnSum {
            case.input(&shape, noise);
        }
        if op == Op::PreluSlopeGrad {
            // Its terms are those whose input is not positive: magnitudes of `dy` and negative inputs sum to no less.
            let mut scale = Case::new(Family::Contraction, Scale::One, noise);
            for ((_, values), sign) in case.inputs.iter().zip([1.0, -1.0]) {
                scale.given(&shape, values.iter().map(|v| sign * v.abs()).collect());
            }
            case.scale = Scale::Program(Box::new(scale.of(op)));
        }
        cases.push(case.of(op));
    }
    cases
}

pub(super) fn softmax(noise: &mut Noise) -> Vec<Case> {
    let mut cases = Vec::new();
    for log in [false, true] {
        let shape = table(noise);
        let mut case = Case::new(Family::Transcendental, Scale::Largest, noise);
        let values = noise.values(shape.iter().product()).iter().map(|v| 8.0 * v).collect();
        case.given(&shape, values);
        cases.push(case.of(Op::Softmax { log }));
    }
    cases
}

pub(super) fn softmax_gradients(noise: &mut Noise) -> Vec<Case> {
    let mut cases = Vec::new();
    for log in [false, true] {
        let shape = table(noise);
        // Of the logarithm: the cotangent less a part of its sum, which may cancel.
        let scale = if log { Scale::One } else { Scale::Largest };
        let mut case = Case::new(Family::Transcendental, scale, noise);
        case.input(&shape, noise);
        // What the forward operator may have left: rows of probabilities, or their logarithms.
        let values: Vec<f32> = noise.values(shape.iter().product());
        let rows = values.chunks(shape[1]).flat_map(|row| {
            let sum: f32 = row.iter().map(|v| v.exp()).sum();
            row.iter().map(move |v| if log { v - sum.ln() } else { v.exp() / sum })
        });
        let rows = rows.collect();
        case.given(&shape, rows);
        cases.push(case.of(Op::SoftmaxGrad { log }));
    }
    cases
}

/// Shapes of tables whose means and variances are worth taking, along both axes.
fn normalised(noise: &mut Noise) -> Vec<(Axis, [usize; 2])> {
    let mut all = Vec::new();
    for axis in [Axis::Rows, Axis::Columns] {
        for most in [40, 3000] {
            all.push((axis, [noise.size(2, most), noise.pick(&[2, 3, 7, 64, 130])]));
        }
    }
    all
}

fn off_centre(n: usize, noise: &mut Noise) -> Vec<f32> {
    noise.values(n).iter().map(|v| v + 0.5).collect()
}

pub(super) fn normalize(noise: &mut Noise) -> Vec<Case> {
    let mut cases = Vec::new();
    for (axis, shape) in normalised(noise) {
        let mut case = Case::new(Family::Statistics, Scale::Largest, noise);
        let values = off_centre(shape[0] * shape[1], noise);
        case.given(&shape, values);
        cases.push(case.of(Op::Normalize { axis, epsilon: 1e-2 }));
    }
    cases
}

pub(super) fn normalize_gradients(noise: &mut Noise) -> Vec<Case> {
    let mut cases = Vec::new();
    for (axis, shape) in normalised(noise) {
        let mut case = Case::new(Family::Statistics, Scale::Largest, noise);
        case.input(&shape, noise);
        let values = off_centre(shape[0] * shape[1], noise);
        case.given(&shape, values);
        cases.push(case.of(Op::NormalizeGrad { axis, epsilon: 1e-2 }));
    }
    cases
}

pub(super) fn standardize(noise: &mut Noise) -> Vec<Case> {
    let shape = table(noise);
    let mut case = Case::new(Family::Statistics, Scale::Largest, noise);
    case.input(&shape, noise);
    let mut statistics = noise.values(2 * shape[1]);
    statistics[shape[1]..].iter_mut().for_each(|v| *v = v.abs() + 0.1);
    case.given(&[2, shape[1]], statistics);
    vec![case.of(Op::Standardize { epsilon: 1e-3 })]
}

pub(super) fn concat(noise: &mut Noise) -> Vec<Case> {
    let (rows, a, b) = (noise.size(1, 500), noise.size(1, 20), noise.size(1, 20));
    vec![Case::random(Op::Concat, &[&[rows, a], &[rows, b]], Family::Copy, Scale::Magnitudes, noise)]
}

pub(super) fn slice(noise: &mut Noise) -> Vec<Case> {
    let (rows, columns) = (noise.size(1, 500), noise.size(1, 20));
    let start = noise.size(0, columns - 1);
    let len = noise.size(1, columns - start);
    vec![Case::random(Op::Slice { start, len }, &[&[rows, columns]], Family::Copy, Scale::Magnitudes, noise)]
}

pub(super) fn pad(noise: &mut Noise) -> Vec<Case> {
    let (rows, len, start) = (noise.size(1, 500), noise.size(1, 20), noise.size(0, 20));
    let columns = start + len + noise.size(0, 20);
    vec![Case::random(Op::Pad { start, columns }, &[&[rows, len]], Family::Copy, Scale::Magnitudes, noise)]
}

/// Every loss on few and many elements, or its derivative, alone and beside the loss as in training.
pub(super) fn losses(derivative: bool, noise: &mut Noise) -> Vec<Case> {
    let of = |mut case: Case, loss: Loss, both: bool| {
        let ops = if both { vec![Op::Loss(loss), Op::LossGrad(loss)] } else { vec![Op::LossGrad(loss)] };
        let ops = if derivative { ops } else { vec![Op::Loss(loss)] };
        let operands: Vec<TensorId> = case.inputs.iter().map(|input| input.0).collect();
        for op in ops {
            let y = case.push(op, &operands);
            case.outputs.push(y);
        }
        case
    };
    let mut cases = Vec::new();
    let all =
        [Loss::Mse, Loss::Mae, Loss::Huber(0.5), Loss::Charbonnier(1e-3), Loss::Bce, Loss::BceWithLogits, Loss::Mean];
    for loss in all {
        for n in [noise.size(1, 50), noise.size(5000, 20000)] {
            let mut case = Case::new(Family::Loss, Scale::Largest, noise);
            let (mut x, mut t) = (noise.values(n), noise.values(n));
            match loss {
                Loss::Bce | Loss::BceWithLogits => t.iter_mut().for_each(|t| *t = f32::from(*t > 0.0)),
                Loss::Mse | Loss::Mae | Loss::Huber(_) | Loss::Charbonnier(_) | Loss::CrossEntropy(_) | Loss::Mean => {}
            }
            if loss == Loss::Bce {
                x.iter_mut().for_each(|x| *x = 1.0 / (1.0 + (-*x).exp()));
            }
            case.given(&[n], x);
            if loss != Loss::Mean {
                case.given(&[n], t);
            }
            cases.push(of(case, loss, n > 50 || noise.size(0, 1) == 0));
        }
    }
    for smoothing in [0.0, 0.1] {
        for (rows, most) in [(noise.size(1, 40), 120), (noise.size(4500, 6000), 12)] {
            let classes = noise.size(2, most);
            let mut case = Case::new(Family::Loss, Scale::Largest, noise);
            let values = noise.values(rows * classes).iter().map(|v| 5.0 * v).collect();
            case.given(&[rows, classes], values);
            let labels = (0..rows).map(|_| noise.size(0, classes - 1) as f32).collect();
            case.given(&[rows], labels);
            cases.push(of(case, Loss::CrossEntropy(smoothing), smoothing > 0.0));
        }
    }
    cases
}
