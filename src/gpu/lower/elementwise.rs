//! `elementwise.wgsl`: one value from the values at the same place.

use super::{Launch, Lowering, One};

impl Lowering<'_> {
    /// A launch of `elementwise::entry` over all elements, four to an invocation.
    pub(super) fn map(&self, entry: &'static str) -> One {
        let shape = self.shape(0);
        let launch = Launch::new("elementwise", entry)
            .tensor("a", self.input(0))
            .tensor("y", self.output())
            .size("count", shape.len())
            .size("columns", shape.columns())
            .over(shape.len().div_ceil(4), 256);
        One(launch)
    }

    pub(super) fn broadcast(&self) -> Vec<Launch> {
        let (len, columns) = (self.made().len(), self.made().columns());
        let launch = Launch::new("elementwise", "broadcast").tensor("v", self.input(0)).tensor("y", self.output());
        vec![launch.size("count", len).size("columns", columns).over(len.div_ceil(4), 256)]
    }

    pub(super) fn dropout(&self, rate: f32, stream: u32) -> Vec<Launch> {
        // The mask compares integers so that every device draws the same; the cast saturates.
        let threshold = (f64::from(rate) * 4_294_967_296.0) as u32;
        let factor = if rate < 1.0 { 1.0 / (1.0 - rate) } else { 0.0 };
        self.map("dropout")
            .map(|l| l.size("stream", stream as usize).size("threshold", threshold as usize).float("factor", factor))
    }
}
