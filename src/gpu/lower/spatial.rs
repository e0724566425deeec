//! `spatial.wgsl`: pixel shuffles, resizing, pooling.

use super::{Launch, Lowering};
use crate::graph::{Interpolation, Pooling, Shape};

impl Lowering<'_> {
    /// A launch of `spatial::entry` with an invocation per output element; `low` and `high` are the small and the large
    /// image of the pair.
    fn pixels(&self, entry: &'static str, low: Shape, high: Shape) -> Launch {
        let (low, high) = (low.extents(), high.extents());
        let (shape, made) = (self.shape(0), self.made());
        Launch::new("spatial", entry)
            .tensor("a", self.input(0))
            .tensor("y", self.output())
            .size("count", made.len())
            .size("channels", if entry.contains("depth") { high[3] } else { shape.columns() })
            .size("low_height", low[1])
            .size("low_width", low[2])
            .size("high_height", high[1])
            .size("high_width", high[2])
            .over(made.len(), 256)
    }

    /// `high` is the enlarged image.
    pub(super) fn shuffle(&self, entry: &'static str, r: usize, high: Shape) -> Vec<Launch> {
        let low = if entry == "depth_to_space" { self.shape(0) } else { self.made() };
        vec![self.pixels(entry, low, high).size("scale", r)]
    }

    pub(super) fn resize(&self, mode: Interpolation, scale: usize) -> Vec<Launch> {
        let entry = match mode {
            Interpolation::Nearest => "nearest",
            Interpolation::Bilinear => "bilinear",
        };
        vec![self.pixels(entry, self.shape(0), self.made()).size("scale", scale)]
    }

    pub(super) fn resize_grad(&self, mode: Interpolation, scale: usize) -> Vec<Launch> {
        let entry = match mode {
            Interpolation::Nearest => "nearest_grad",
            Interpolation::Bilinear => "bilinear_grad",
        };
        vec![self.pixels(entry, self.made(), self.shape(0)).size("scale", scale)]
    }

    pub(super) fn pool(&self, kind: Pooling, kernel: [usize; 2], stride: usize) -> Vec<Launch> {
        let launch = self.pixels("pool", self.made(), self.shape(0));
        vec![window(launch, kind, kernel, stride)]
    }

    /// Operands of the step are dy and x.
    pub(super) fn pool_grad(&self, kind: Pooling, kernel: [usize; 2], stride: usize) -> Vec<Launch> {
        let (low, high) = (self.shape(0), self.made());
        let launch = match kind {
            Pooling::Max => self.pixels("max_pool_grad", low, high).tensor("b", self.input(1)),
            Pooling::Average => self.pixels("average_pool_grad", low, high),
        };
        vec![window(launch, kind, kernel, stride)]
    }
}

fn window(launch: Launch, kind: Pooling, kernel: [usize; 2], stride: usize) -> Launch {
    launch
        .constant("AVERAGE", u32::from(kind == Pooling::Average))
        .size("kernel_height", kernel[0])
        .size("kernel_width", kernel[1])
        .size("stride", stride)
}
