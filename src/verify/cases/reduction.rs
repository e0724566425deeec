//! Sums over rows.

use super::{Case, Draws, Family, Scale};
use crate::graph::Op;

/// Sums over rows, few and many.
pub(super) fn sums(op: Op, draws: &mut Draws) -> Vec<Case> {
    let mut cases = Vec::new();
    for (columns, most) in [(1, 9000), (3, 9000), (64, 2000), (130, 60), (256, 2), (300, 1500)] {
        let shape = [draws.size(most / 2, most), columns];
        let mut case = Case::new(Family::Contraction, Scale::Magnitudes, draws);
        case.input(&shape, draws);
        if op != Op::ColumnSum {
            case.input(&shape, draws);
        }
        if op == Op::PreluSlopeGrad {
            // Its terms are those whose input is not positive: magnitudes of `dy` and negative inputs sum to no less.
            let mut scale = Case::new(Family::Contraction, Scale::One, draws);
            for ((_, values), sign) in case.inputs.iter().zip([1.0, -1.0]) {
                scale.given(&shape, values.iter().map(|v| sign * v.abs()).collect());
            }
            case.scale = Scale::Program(Box::new(scale.of(op)));
        }
        cases.push(case.of(op));
    }
    cases
}
