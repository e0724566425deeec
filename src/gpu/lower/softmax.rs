//! `softmax.wgsl`: each row by itself.

use super::{Launch, Lowering};

impl Lowering<'_> {
    pub(super) fn softmax(&self, log: bool) -> Vec<Launch> {
        vec![self.rows_of("softmax", "softmax").constant("LOG", u32::from(log)).tensor("a", self.input(0))]
    }

    /// Operands of the step are dy and y.
    pub(super) fn softmax_grad(&self, log: bool) -> Vec<Launch> {
        let launch = self.rows_of("softmax", "softmax_grad").constant("LOG", u32::from(log));
        vec![launch.tensor("a", self.input(1)).tensor("dy", self.input(0))]
    }

    /// A launch of `shader::entry`, a workgroup per row, or an invocation per row where rows are short.
    pub(super) fn rows_of(&self, shader: &'static str, entry: &'static str) -> Launch {
        let (rows, columns) = (self.shape(0).rows(), self.shape(0).columns());
        let narrow = columns <= 32;
        let lanes = if narrow { 1 } else { 64 };
        let launch = Launch::new(shader, entry)
            .constant("LANES", lanes)
            .constant("ROWS", 64 / lanes)
            .tensor("y", self.output())
            .size("rows", rows)
            .size("columns", columns);
        launch.over(rows, (64 / lanes) as usize)
    }
}
