//! Matrix products.

use super::super::launch::{Launch, Operand, Scalar, fold};
use super::tile::Lanes;
use super::{Exit, PARTIAL, Tile, reduce, split};
use crate::graph::{Plan, Step};

/// Launches of `A B`.
pub(super) fn lower(plan: &Plan, step: &Step, ta: bool, tb: bool, tile: Tile) -> Vec<Launch> {
    let (rows, inner) = plan.shape(step.inputs[0]).matrix().expect("checked when the graph was built");
    let (m, k) = if ta { (inner, rows) } else { (rows, inner) };
    let n = plan.shape(step.output.expect("a product has an output")).columns();
    let quads = |extent: usize| u32::from(extent.is_multiple_of(4) && k.is_multiple_of(4));
    let (va, vb) = (quads(if ta { m } else { k }), quads(if tb { k } else { n }));
    let (a, b) = (Operand::Tensor(step.inputs[0]), Operand::Tensor(step.inputs[1]));
    let mut constants = vec![("TA", u32::from(ta)), ("TB", u32::from(tb)), ("VA", va), ("VB", vb)];
    let mut bindings = vec![(if va == 1 { "a4" } else { "a" }, a), (if vb == 1 { "b4" } else { "b" }, b)];
    let (shader, high, wide, enough) = match tile {
        Tile::Register { rows, columns } => {
            // Reading element by element takes much code, and software drivers compile all of it.
            let (rows, columns) =
                (if va == 1 { rows } else { rows.min(8) }, if vb == 1 { columns } else { columns.min(16) });
            let lanes = Lanes::new(rows, columns, n);
            constants.extend(lanes.constants());
            ("matmul_register", lanes.tm * lanes.lm, lanes.tn * lanes.ln, 16)
        }
        Tile::Shared { rows, columns, depth, each } => {
            constants.extend([("BM", rows), ("BN", columns), ("BK", depth), ("TM", each[0]), ("TN", each[1])]);
            ("matmul_shared", rows, columns, 256)
        }
    };
    let across = n.div_ceil(wide as usize);
    let tiles = across * m.div_ceil(high as usize);
    // Only products with few results and many terms gain: the gradients of weights.
    let (parts, chunk) = split(tiles, k, enough, 256);
    let exit = match parts {
        1 => Exit::finished(step, n),
        _ => Exit::raw(Operand::Scratch { index: PARTIAL, elements: parts * m * n }, n),
    };
    constants.extend(exit.constants);
    bindings.extend(exit.bindings);
    let params = [("m", m), ("n", n), ("k", k), ("columns", across), ("tiles", tiles), ("chunk", chunk)];
    let [x, y, _] = fold(tiles);
    let product = Launch {
        shader,
        entry: "main",
        constants,
        bindings,
        params: params.map(|(name, value)| (name, Scalar::size(value))).to_vec(),
        groups: [x, y, parts as u32],
        once: false,
    };
    match parts {
        1 => vec![product],
        _ => vec![product, reduce(step, parts, m, n)],
    }
}
