//! `sampling.wgsl`: batches from the resident dataset.

use super::{Launch, Lowering};
use crate::graph::{DatasetBuffer, TensorSource};

impl Lowering<'_> {
    /// Whether the table that is drawn from holds bytes.
    pub(super) fn bytes(&self) -> bool {
        let source = self.plan.tensors[self.input(0).0].source;
        matches!(source, TensorSource::Dataset(DatasetBuffer::FeatureBytes | DatasetBuffer::Low | DatasetBuffer::High))
    }

    pub(super) fn sample_rows(&self, batch: usize, first: usize) -> Vec<Launch> {
        let columns = self.made().len() / batch;
        let narrow = columns <= 8;
        let launch = Launch::new("sampling", if narrow { "narrow_rows" } else { "rows" })
            .constant("BYTES", u32::from(self.bytes()))
            .tensor("words", self.input(0))
            .tensor("y", self.output())
            .size("columns", columns)
            .size("first", first)
            .size("batch", batch);
        vec![launch.over(batch, if narrow { 64 } else { 1 })]
    }

    pub(super) fn sample_patches(&self, batch: usize, patch: usize, scale: usize, high: bool) -> Launch {
        let launch = Launch::new("sampling", "patches")
            .constant("BYTES", u32::from(self.bytes()))
            .tensor("words", self.input(0))
            .tensor("table", self.input(1))
            .tensor("y", self.output())
            .size("columns", self.shape(0).columns())
            .size("side", patch)
            .size("scale", scale)
            .size("high", usize::from(high))
            .size("batch", batch);
        launch.over(batch, 1)
    }
}
