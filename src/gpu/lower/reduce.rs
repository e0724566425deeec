//! Sums over rows, softmax, normalisation, losses.

use super::{Launch, Lowering, Operand, scratch};
use crate::graph::{Axis, Loss, TensorId};

/// What is done to a finished sum.
#[derive(Clone, Copy)]
struct Finish {
    factor: f32,
    offset: f32,
    /// Takes the inverse root.
    root: bool,
}

impl Finish {
    const NONE: Finish = Finish { factor: 1.0, offset: 0.0, root: false };

    fn is_none(self) -> bool {
        self.factor == 1.0 && self.offset == 0.0 && !self.root
    }
}

/// Operands of a sum over rows.
struct Columns {
    mode: u32,
    a: TensorId,
    b: Option<TensorId>,
    v: Option<Operand>,
    w: Option<Operand>,
}

impl Lowering<'_> {
    pub(super) fn column_sum(&self, mode: u32) -> Vec<Launch> {
        let b = self.step.inputs.get(1).copied();
        let what = Columns { mode, a: self.input(0), b, v: None, w: None };
        self.over_rows(&what, Operand::Tensor(self.output()), Finish::NONE)
    }

    /// Sums over rows into `to`: one stage where the rows fit one workgroup, blocks and a second stage where not.
    fn over_rows(&self, what: &Columns, to: Operand, finish: Finish) -> Vec<Launch> {
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
        let mut part = Launch::new("reduce", "columns_part")
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
        let last = Launch::new("reduce", "columns_finish")
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

    pub(super) fn softmax(&self, log: bool) -> Vec<Launch> {
        vec![self.rows_of("softmax").constant("LOG", u32::from(log)).tensor("a", self.input(0))]
    }

    /// Operands of the step are dy and y.
    pub(super) fn softmax_grad(&self, log: bool) -> Vec<Launch> {
        let launch = self.rows_of("softmax_grad").constant("LOG", u32::from(log));
        vec![launch.tensor("a", self.input(1)).tensor("dy", self.input(0))]
    }

    /// A launch of `rows::entry`, a workgroup per row, or an invocation per row where rows are short.
    fn rows_of(&self, entry: &'static str) -> Launch {
        let (rows, columns) = (self.shape(0).rows(), self.shape(0).columns());
        let narrow = columns <= 32;
        let lanes = if narrow { 1 } else { 64 };
        let launch = Launch::new("rows", entry)
            .constant("LANES", lanes)
            .constant("ROWS", 64 / lanes)
            .tensor("y", self.output())
            .size("rows", rows)
            .size("columns", columns);
        launch.over(rows, (64 / lanes) as usize)
    }

    pub(super) fn normalize(&self, axis: Axis, epsilon: f32) -> Vec<Launch> {
        match axis {
            Axis::Rows => vec![self.rows_of("normalize").tensor("a", self.input(0)).float("epsilon", epsilon)],
            Axis::Columns => {
                let mut all = self.moments(self.input(0), epsilon);
                all.push(self.column_map("normalize").tensor("a", self.input(0)));
                all
            }
        }
    }

    /// Operands of the step are dy and x.
    pub(super) fn normalize_grad(&self, axis: Axis, epsilon: f32) -> Vec<Launch> {
        let (dy, x) = (self.input(0), self.input(1));
        match axis {
            Axis::Rows => {
                let launch = self.rows_of("normalize_grad").tensor("a", x).tensor("dy", dy);
                vec![launch.float("epsilon", epsilon)]
            }
            Axis::Columns => {
                let columns = self.shape(0).columns();
                let mean = Finish { factor: 1.0 / self.shape(0).rows() as f32, offset: 0.0, root: false };
                let mut all = self.moments(x, epsilon);
                let sum = Columns { mode: 0, a: dy, b: None, v: None, w: None };
                all.extend(self.over_rows(&sum, scratch(3, columns), mean));
                let (v, w) = (Some(scratch(1, columns)), Some(scratch(2, columns)));
                let dot = Columns { mode: 4, a: dy, b: Some(x), v, w };
                all.extend(self.over_rows(&dot, scratch(4, columns), mean));
                let last = self.column_map("normalize_grad").tensor("a", x).tensor("dy", dy);
                all.push(last.bind("mean_dy", scratch(3, columns)).bind("mean_dot", scratch(4, columns)));
                all
            }
        }
    }

    /// Column means into scratch 1 and inverse standard deviations into scratch 2, the variance in a second pass over
    /// the data: `E[x^2] - E[x]^2` would cancel.
    fn moments(&self, x: TensorId, epsilon: f32) -> Vec<Launch> {
        let columns = self.plan.shape(x).columns();
        let factor = 1.0 / self.plan.shape(x).rows() as f32;
        let mean = Columns { mode: 0, a: x, b: None, v: None, w: None };
        let mut all = self.over_rows(&mean, scratch(1, columns), Finish { factor, offset: 0.0, root: false });
        let spread = Columns { mode: 3, a: x, b: None, v: Some(scratch(1, columns)), w: None };
        all.extend(self.over_rows(&spread, scratch(2, columns), Finish { factor, offset: epsilon, root: true }));
        all
    }

    fn column_map(&self, entry: &'static str) -> Launch {
        let (len, columns) = (self.shape(0).len(), self.shape(0).columns());
        Launch::new("columns", entry)
            .bind("mean", scratch(1, columns))
            .bind("inverse", scratch(2, columns))
            .tensor("y", self.output())
            .size("count", len)
            .size("columns", columns)
            .over(len, 256)
    }

    pub(super) fn track(&self, momentum: f32) -> Vec<Launch> {
        let (x, shape) = (self.input(0), self.shape(0));
        let (rows, columns) = (shape.rows() as f32, shape.columns());
        let mean = Columns { mode: 0, a: x, b: None, v: None, w: None };
        let factor = 1.0 / rows;
        let mut all = self.over_rows(&mean, scratch(1, columns), Finish { factor, offset: 0.0, root: false });
        let spread = Columns { mode: 3, a: x, b: None, v: Some(scratch(1, columns)), w: None };
        // Running statistics keep the unbiased variance, as PyTorch's do.
        let unbiased = Finish { factor: 1.0 / (rows - 1.0), offset: 0.0, root: false };
        all.extend(self.over_rows(&spread, scratch(2, columns), unbiased));
        let last = Launch::new("columns", "track")
            .bind("mean", scratch(1, columns))
            .bind("inverse", scratch(2, columns))
            .tensor("y", self.input(1))
            .size("columns", columns)
            .float("momentum", momentum)
            .over(columns, 64);
        all.push(last);
        all
    }

    pub(super) fn loss(&self, loss: Loss) -> Vec<Launch> {
        let items = self.items(loss);
        let parts = items.div_ceil(4096).clamp(1, 256);
        let entry = if parts == 1 { "loss_all" } else { "loss_part" };
        let block = items.div_ceil(parts);
        let parts = items.div_ceil(block);
        let first = self.loss_launch(entry, loss).size("block", block);
        // A loss that only the ring takes has no place of its own: its slot may be the derivative's.
        let read = self.step.output.filter(|&y| self.plan.is_read(y));
        let into = |launch: Launch| {
            let launch = match self.step.output.and_then(|y| self.plan.term(y)) {
                None => launch.constant("TOLD", 0),
                Some(term) => {
                    let launch = launch.bind("ring", Operand::Ring);
                    launch.size("add", usize::from(!term.first)).float("share", term.share)
                }
            };
            read.into_iter().fold(launch, |launch, y| launch.tensor("y", y))
        };
        if parts == 1 {
            return vec![into(first)];
        }
        let last = into(Launch::new("loss", "loss_finish"))
            .bind("x", scratch(0, parts))
            .size("count", items)
            .size("parts", parts);
        vec![first.bind("y", scratch(0, parts)).groups([parts, 1, 1]), last]
    }

    pub(super) fn loss_grad(&self, loss: Loss) -> Vec<Launch> {
        vec![self.loss_launch("loss_grad", loss).tensor("dx", self.output()).over(self.items(loss), 64)]
    }

    /// Elements, or rows for cross-entropy.
    fn items(&self, loss: Loss) -> usize {
        match loss {
            Loss::CrossEntropy(_) => self.shape(0).rows(),
            Loss::Mse
            | Loss::Mae
            | Loss::Huber(_)
            | Loss::Charbonnier(_)
            | Loss::Bce
            | Loss::BceWithLogits
            | Loss::Mean => self.shape(0).len(),
        }
    }

    fn loss_launch(&self, entry: &'static str, loss: Loss) -> Launch {
        let (kind, value) = loss.code();
        let launch = Launch::new("loss", entry)
            .constant("KIND", kind)
            .tensor("x", self.input(0))
            .size("count", self.items(loss))
            .size("classes", self.shape(0).columns())
            .float("value", value);
        self.step.inputs.get(1).into_iter().fold(launch, |launch, &t| launch.tensor("t", t))
    }
}
