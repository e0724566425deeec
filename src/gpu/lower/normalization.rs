//! `normalization_rows.wgsl`, each row by itself, and `normalization_columns.wgsl`, once the sums over rows are there.

use super::reduction::{Columns, Finish};
use super::{Launch, Lowering, scratch};
use crate::graph::{Axis, TensorId};

impl Lowering<'_> {
    pub(super) fn normalize(&self, axis: Axis, epsilon: f32) -> Vec<Launch> {
        match axis {
            Axis::Rows => vec![
                self.rows_of("normalization_rows", "normalize").tensor("a", self.input(0)).float("epsilon", epsilon),
            ],
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
                let launch = self.rows_of("normalization_rows", "normalize_grad").tensor("a", x).tensor("dy", dy);
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
        Launch::new("normalization_columns", entry)
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
        let last = Launch::new("normalization_columns", "track")
            .bind("mean", scratch(1, columns))
            .bind("inverse", scratch(2, columns))
            .tensor("y", self.input(1))
            .size("columns", columns)
            .float("momentum", momentum)
            .over(columns, 64);
        all.push(last);
        all
    }
}
