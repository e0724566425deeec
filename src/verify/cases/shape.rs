//! Columns put together and taken apart; other shapes of the same values.

use super::{Case, Draws, Family, Scale, table};
use crate::graph::Op;

pub(super) fn concat(draws: &mut Draws) -> Vec<Case> {
    let (rows, a, b) = (draws.size(1, 500), draws.size(1, 20), draws.size(1, 20));
    vec![Case::random(Op::Concat, &[&[rows, a], &[rows, b]], Family::Copy, Scale::Magnitudes, draws)]
}

pub(super) fn slice(draws: &mut Draws) -> Vec<Case> {
    let (rows, columns) = (draws.size(1, 500), draws.size(1, 20));
    let start = draws.size(0, columns - 1);
    let len = draws.size(1, columns - start);
    vec![Case::random(Op::Slice { start, len }, &[&[rows, columns]], Family::Copy, Scale::Magnitudes, draws)]
}

pub(super) fn pad(draws: &mut Draws) -> Vec<Case> {
    let (rows, len, start) = (draws.size(1, 500), draws.size(1, 20), draws.size(0, 20));
    let columns = start + len + draws.size(0, 20);
    vec![Case::random(Op::Pad { start, columns }, &[&[rows, len]], Family::Copy, Scale::Magnitudes, draws)]
}

pub(super) fn reshape(draws: &mut Draws) -> Vec<Case> {
    let [rows, columns] = table(draws);
    let mut case = Case::new(Family::Elementwise, Scale::Magnitudes, draws);
    let x = case.input(&[rows, columns], draws);
    let y = case.push(Op::Scale(0.5), &[x]);
    let y = case.graph.reshape(y, &[columns, rows]).expect("as many elements");
    let z = case.push(Op::Scale(3.0), &[y]);
    case.outputs.extend([y, z]);
    vec![case]
}
