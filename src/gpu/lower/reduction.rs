//! `reduction.wgsl`: sums over rows.

use super::{Launch, Lowering, Operand, scratch};
use crate::graph::TensorId;

/// What is done to a finished sum.
#[derive(Clone, Copy)]
pub(super) struct Finish {
    pub factor: f32,
    pub offset: f32,
    /// Takes the inverse root.
    pub root: bool,
}

impl Finish {
    const NONE: Finish = Finish { factor: 1.0, offset: 0.0, root: false };

    fn is_none(self) -> bool {
        self.factor == 1.0 && self.offset == 0.0 && !self.root
    }
}

/// Operands of a sum over rows.
pub(super) struct Columns {
    pub mode: u32,
    pub a: TensorId,
    pub b: Option<TensorId>,
    pub v: Option<Operand>,
    pub w: Option<Operand>,
}

impl Lowering<'_> {
    pub(super) fn column_sum(&self, mode: u32) -> Vec<Launch> {
        let b = self.step.inputs.get(1).copied();
        let what = Columns { mode, a: self.input(0), b, v: None, w: None };
        self.over_rows(&what, Operand::Tensor(self.output()), Finish::NONE)
    }

    /// Sums over rows into `to`: one stage where the rows fit one workgroup, blocks and a second stage where not.
    pub(super) fn over_rows(&self, what: &Columns, to: Operand, finish: Finish) -> Vec<Launch> {
        let shape = self.plan.shape(what.a);
        let (rows, columns) = (shape.rows(), shape.columns());
        let abreast = 256 / columns.min(256);
        let wide = columns.div_ceil(256);
        // Blocks of at least 16 rows per lane; enough of them to fill a device, few enough for the second stage.
        // So few rows that a second dispatch costs more than it saves are one block.
        let few = rows <= 64 * abreast;
        let parts = if few { 1 } else { rows.div_ceil(16 * abreast).min((1024 / wide).clamp(1, 256)) };
        let block = rows.div_ceil(parts);
        let parts = rows.div_ceil(block);
        let single = parts == 1 && finish.is_none();
        let middle = if single { to } else { scratch(0, parts * columns) };
        let mut part = Launch::new("reduction", "columns_part")
            .constant("MODE", what.mode)
            .tensor("a", what.a)
            .bind("y", middle)
            .size("rows", rows)
            .size("columns", columns)
            .size("block", block)
            .groups([wide, parts, 1]);
        if let Some(b) = what.b {
            part = part.tensor("b", b);
        }
        for (name, operand) in [("v", what.v), ("w", what.w)] {
            if let Some(operand) = operand {
                part = part.bind(name, operand);
            }
        }
        if single {
            return vec![part];
        }
        let last = Launch::new("reduction", "columns_finish")
            .bind("a", middle)
            .bind("y", to)
            .size("columns", columns)
            .size("parts", parts)
            .float("factor", finish.factor)
            .float("offset", finish.offset)
            .size("mode", usize::from(finish.root))
            .over(columns, 64);
        vec![part, last]
    }
}
