//! One value from the values at the same place.

use super::{Case, Family, Noise, Scale, table};
use crate::graph::Op;

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
