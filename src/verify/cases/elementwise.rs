//! One value from the values at the same place.

use super::{Case, Draws, Family, Scale, table};
use crate::graph::Op;

/// Operators with a vector over columns.
pub(super) fn by_column(op: Op, draws: &mut Draws) -> Vec<Case> {
    let shape = table(draws);
    vec![Case::random(op, &[&shape, &shape[1..]], Family::Elementwise, Scale::Magnitudes, draws)]
}

/// Operators of two tensors of one shape.
pub(super) fn pair(op: Op, draws: &mut Draws) -> Vec<Case> {
    let shape = table(draws);
    vec![Case::random(op, &[&shape, &shape], Family::Elementwise, Scale::Magnitudes, draws)]
}

pub(super) fn broadcast(draws: &mut Draws) -> Vec<Case> {
    let [rows, columns] = table(draws);
    vec![Case::random(Op::Broadcast { rows }, &[&[columns]], Family::Copy, Scale::Magnitudes, draws)]
}

pub(super) fn scale(draws: &mut Draws) -> Vec<Case> {
    let shape = table(draws);
    vec![Case::random(Op::Scale(-0.3), &[&shape], Family::Elementwise, Scale::Magnitudes, draws)]
}

pub(super) fn dropout(draws: &mut Draws) -> Vec<Case> {
    let (shape, stream) = (table(draws), draws.word() % 100);
    let op = Op::Dropout { rate: 0.3, stream };
    vec![Case::random(op, &[&shape], Family::Elementwise, Scale::Magnitudes, draws)]
}
