//! Softmax over the columns of each row.

use super::{Case, Draws, Family, Scale, table};
use crate::graph::Op;

pub(super) fn softmax(draws: &mut Draws) -> Vec<Case> {
    let mut cases = Vec::new();
    for log in [false, true] {
        let shape = table(draws);
        let mut case = Case::new(Family::Transcendental, Scale::Largest, draws);
        let values = draws.values(shape.iter().product()).iter().map(|v| 8.0 * v).collect();
        case.given(&shape, values);
        cases.push(case.of(Op::Softmax { log }));
    }
    cases
}

pub(super) fn softmax_gradients(draws: &mut Draws) -> Vec<Case> {
    let mut cases = Vec::new();
    for log in [false, true] {
        let shape = table(draws);
        // Of the logarithm: the cotangent less a part of its sum, which may cancel.
        let scale = if log { Scale::One } else { Scale::Largest };
        let mut case = Case::new(Family::Transcendental, scale, draws);
        case.input(&shape, draws);
        // What the forward operator may have left: rows of probabilities, or their logarithms.
        let values: Vec<f32> = draws.values(shape.iter().product());
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
