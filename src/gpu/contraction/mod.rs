//! Lowers products and convolutions, with what is fused behind them, to launches.
//!
//! Families of kernels, since no one form is fast everywhere: [`Class::Software`] adapters want register tiles without
//! workgroup memory, GPUs want tiles shared in workgroup memory, multiplied by matrix units where mixed precision is asked
//! for; products too small for any tile have kernels of their own. All but matrix units sum each element's terms in the same
//! order, one after the other: taps in row order, channels within. So an output pixel's value depends neither on where
//! it stands in the picture nor on the tile shape. Long sums of weight gradients and products are split, by shape alone
//! and alike for all tiles of a class, and the parts are then added in order: within a class, no choice of tile changes
//! a bit.

#[cfg(test)]
mod cases;
mod conv;
#[cfg(test)]
mod harness;
mod matmul;
mod shapes;
mod small;
#[cfg(test)]
mod tests;
mod tile;

use super::launch::{Launch, Operand, Scalar};
use crate::executor::Precision;
use crate::graph::{Epilogue, Op, Plan, Step, TensorId};

pub(super) use shapes::Shapes;
pub(super) use small::{is_small, lower as lower_small, lower_backward, sums_rows_of};
pub(super) use tile::{Class, MatrixUnit, Tile, default, suited, tiles};

/// Names of all tile shapes that products and convolutions can be made with in a precision; each computes the same on
/// any device.
pub fn tile_names(precision: Precision) -> Vec<String> {
    let all = match precision {
        Precision::F32 => [tile::REGISTER, tile::SHARED].concat(),
        Precision::Mixed => tile::MATRIX.to_vec(),
    };
    all.into_iter().map(Tile::name).collect()
}

/// Scratch buffers of a contraction's stages.
const PACKED: usize = 0;
const PARTIAL: usize = 1;

/// The launches of a product or convolution. `tile` is one of [`tiles`], or the default: no tile for small products.
///
/// # Panics
/// For any other operator.
pub(super) fn lower(plan: &Plan, step: &Step, class: Class, tile: Option<Tile>) -> Vec<Launch> {
    if tile.is_none() && is_small(plan, step, class) {
        return vec![lower_small(plan, step, class, None)];
    }
    let tile = tile.unwrap_or_else(|| tile::default(plan, step, class));
    match step.op {
        Op::MatMul { ta, tb } => matmul::lower(plan, step, [ta, tb], class, tile),
        Op::Conv2d(window) => conv::lower(step, &conv::ConvGeometry::forward(plan, step, window), class, tile),
        Op::Conv2dInputGrad { window, size } => {
            conv::lower(step, &conv::ConvGeometry::input_gradient(plan, step, window, size), class, tile)
        }
        Op::Conv2dWeightGrad(window) => conv::weight_gradient(plan, step, window, class, tile),
        other => unreachable!("{other:?} is no contraction"),
    }
}

/// How a kernel's results leave it: bindings and constants of `matmul_epilogue.wgsl`.
struct Exit {
    constants: Vec<(&'static str, u32)>,
    bindings: Vec<(&'static str, Operand)>,
}

impl Exit {
    /// Through the step's epilogue into its output, whose innermost extent is `columns`.
    fn finished(step: &Step, columns: usize) -> Exit {
        let output = Operand::Tensor(step.output.expect("a contraction has an output"));
        let mut exit = Exit::raw(output, columns);
        let vector = columns.is_multiple_of(4);
        let Epilogue { bias, activation, slopes, residual, derivative } = step.epilogue;
        let mut bind = |name: &'static str, constant: &'static str, tensor: Option<TensorId>| {
            exit.constants.push((constant, u32::from(tensor.is_some())));
            exit.bindings.extend(tensor.map(|t| (name, Operand::Tensor(t))));
        };
        bind("bias", "BIAS", bias);
        bind("slopes", "PRELU", slopes);
        bind(if vector { "residual4" } else { "residual" }, "RESIDUAL", residual);
        let (code, slope) = if slopes.is_some() { (0, 0.0) } else { activation.code() };
        exit.constants.extend([("ACTIVATION", code), ("ACTIVATION_SLOPE", f32::to_bits(slope))]);
        if let Some((activation, saved)) = derivative {
            let (code, slope) = activation.code();
            exit.constants.extend([("DERIVATIVE", code), ("DERIVATIVE_SLOPE", f32::to_bits(slope))]);
            // The derivative of the identity (code 0) is not computed and its operand not read.
            if code != 0 {
                exit.bindings.push((if vector { "saved4" } else { "saved" }, Operand::Tensor(saved)));
            }
        }
        exit
    }

    /// As they are.
    fn raw(output: Operand, columns: usize) -> Exit {
        let vector = columns.is_multiple_of(4);
        Exit {
            constants: vec![("VECTOR", u32::from(vector))],
            bindings: vec![(if vector { "out4" } else { "out" }, output)],
        }
    }
}

/// Adds `parts` partial results of `rows x columns` in order and finishes them.
fn reduce(step: &Step, parts: usize, rows: usize, columns: usize) -> Launch {
    let Exit { mut constants, mut bindings } = Exit::finished(step, columns);
    let vector = columns.is_multiple_of(4);
    let partial = Operand::Scratch { index: PARTIAL, elements: parts * rows * columns };
    bindings.push((if vector { "partial4" } else { "partial" }, partial));
    let quads = rows * columns.div_ceil(4);
    constants.push(("VP", u32::from(vector)));
    Launch {
        shader: "matmul_reduce",
        entry: "main",
        constants,
        bindings,
        params: vec![("rows", Scalar::size(rows)), ("columns", Scalar::size(columns)), ("parts", Scalar::size(parts))],
        groups: super::launch::fold(quads.div_ceil(64)),
        once: false,
    }
}

/// How many ways to split `terms`, for about `groups` of them with at least `least` terms each, and the terms of each.
fn split(groups: usize, terms: usize, least: usize) -> (usize, usize) {
    let parts = groups.min(terms / least).clamp(1, 256);
    let chunk = terms.div_ceil(parts).next_multiple_of(4);
    (terms.div_ceil(chunk), chunk)
}
