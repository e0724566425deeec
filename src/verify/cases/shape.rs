//! Columns put together and taken apart; other shapes of the same values.

use super::{Case, Family, Noise, Scale, table};
use crate::graph::Op;

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
