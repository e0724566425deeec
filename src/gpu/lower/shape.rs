//! `shape.wgsl`: columns put together and taken apart.

use super::{Launch, Lowering};

impl Lowering<'_> {
    pub(super) fn concat(&self) -> Vec<Launch> {
        let launch = self.column_copy("concat", 0, 0).tensor("b", self.input(1));
        vec![launch.size("columns_b", self.shape(1).columns())]
    }

    /// Column `c` of the result is column `c + from - to` of the operand, zero where it has none.
    pub(super) fn columns(&self, from: usize, to: usize) -> Vec<Launch> {
        vec![self.column_copy("columns", from, to)]
    }

    fn column_copy(&self, entry: &'static str, from: usize, to: usize) -> Launch {
        let made = self.made();
        Launch::new("shape", entry)
            .tensor("a", self.input(0))
            .tensor("y", self.output())
            .size("count", made.len())
            .size("columns", made.columns())
            .size("columns_a", self.shape(0).columns())
            .size("start", from)
            .size("at", to)
            .over(made.len(), 256)
    }
}
