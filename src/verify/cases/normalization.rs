//! Zero mean and unit variance, and running statistics.

use super::{Case, Draws, Family, Scale, table};
use crate::graph::{Axis, Op};

/// Shapes of tables whose means and variances are worth taking, along both axes.
fn normalised(draws: &mut Draws) -> Vec<(Axis, [usize; 2])> {
    let mut all = Vec::new();
    for axis in [Axis::Rows, Axis::Columns] {
        for most in [40, 3000] {
            all.push((axis, [draws.size(2, most), draws.pick(&[2, 3, 7, 64, 130])]));
        }
    }
    all
}

fn off_centre(n: usize, draws: &mut Draws) -> Vec<f32> {
    draws.values(n).iter().map(|v| v + 0.5).collect()
}

pub(super) fn normalize(draws: &mut Draws) -> Vec<Case> {
    let mut cases = Vec::new();
    for (axis, shape) in normalised(draws) {
        let mut case = Case::new(Family::Statistics, Scale::Largest, draws);
        let values = off_centre(shape[0] * shape[1], draws);
        case.given(&shape, values);
        cases.push(case.of(Op::Normalize { axis, epsilon: 1e-2 }));
    }
    cases
}

pub(super) fn normalize_gradients(draws: &mut Draws) -> Vec<Case> {
    let mut cases = Vec::new();
    for (axis, shape) in normalised(draws) {
        let mut case = Case::new(Family::Statistics, Scale::Largest, draws);
        case.input(&shape, draws);
        let values = off_centre(shape[0] * shape[1], draws);
        case.given(&shape, values);
        cases.push(case.of(Op::NormalizeGrad { axis, epsilon: 1e-2 }));
    }
    cases
}

pub(super) fn standardize(draws: &mut Draws) -> Vec<Case> {
    let shape = table(draws);
    let mut case = Case::new(Family::Statistics, Scale::Largest, draws);
    case.input(&shape, draws);
    let mut statistics = draws.values(2 * shape[1]);
    statistics[shape[1]..].iter_mut().for_each(|v| *v = v.abs() + 0.1);
    case.given(&[2, shape[1]], statistics);
    vec![case.of(Op::Standardize { epsilon: 1e-3 })]
}

pub(super) fn statistics(draws: &mut Draws) -> Vec<Case> {
    let mut cases = Vec::new();
    for most in [9, 2000] {
        let (rows, columns) = (draws.size(2, most), 7);
        let mut case = Case::new(Family::Statistics, Scale::One, draws);
        let values = draws.values(rows * columns).iter().map(|v| v + 0.5).collect();
        let x = case.given(&[rows, columns], values);
        let statistics = case.graph.statistics("norm", columns).expect("the operands of a case are tensors");
        case.graph.push_effect(Op::TrackStatistics { momentum: 0.1 }, &[x, statistics]).expect("operands fit");
        super::optimizer::fill(&mut case, draws);
        cases.push(case);
    }
    cases
}
