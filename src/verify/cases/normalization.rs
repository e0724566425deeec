//! Zero mean and unit variance, and running statistics.

use super::{Case, Family, Noise, Scale, table};
use crate::graph::{Axis, Op};

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

pub(super) fn statistics(noise: &mut Noise) -> Vec<Case> {
    let mut cases = Vec::new();
    for most in [9, 2000] {
        let (rows, columns) = (noise.size(2, most), 7);
        let mut case = Case::new(Family::Statistics, Scale::One, noise);
        let values = noise.values(rows * columns).iter().map(|v| v + 0.5).collect();
        let x = case.given(&[rows, columns], values);
        let statistics = case.graph.statistics("norm", columns).expect("the operands of a case are tensors");
        case.graph.push_effect(Op::TrackStatistics { momentum: 0.1 }, &[x, statistics]).expect("operands fit");
        super::optimizer::fill(&mut case, noise);
        cases.push(case);
    }
    cases
}
