//! Layers with their parameters, added to a graph one by one.

use super::{Mode, Skip};
use crate::graph::{Graph, Init, Op, TensorId, WeightLayout, Window};
use crate::{Error, Result};

/// A window that keeps the size.
pub(super) fn same(kernel: usize) -> Window {
    Window { kernel, stride: 1, padding: kernel / 2 }
}

/// Weights of one output channel, exact as far as any tensor goes; what is too large is refused when its tensor is made.
fn taps(kernel: usize, channels: usize) -> f64 {
    kernel as f64 * kernel as f64 * channels as f64
}

/// Adds layers with their parameters.
pub(super) struct Builder<'a> {
    pub(super) graph: &'a mut Graph,
    pub(super) mode: Mode,
    pub(super) dropouts: u32,
}

impl Builder<'_> {
    /// PyTorch's default for linear layers: weights and biases uniform in `+-1/sqrt(in)`.
    pub(super) fn linear(&mut self, x: TensorId, out: usize, name: &str, kind: WeightLayout) -> Result<TensorId> {
        self.graph.layer(name);
        let width = self.graph.shape(x).columns();
        let init = Init::Uniform((width as f32).sqrt().recip());
        let w = self.graph.parameter(&format!("{name}.weight"), &[width, out], init, kind)?;
        let b = self.graph.parameter(&format!("{name}.bias"), &[out], init, WeightLayout::Plain)?;
        self.graph.linear(x, w, b)
    }

    /// He et al. 2015 (normal, variance `2 / fan_in`) times `gain`; biases start at zero.
    pub(super) fn conv(&mut self, x: TensorId, out: usize, window: Window, name: &str, gain: f32) -> Result<TensorId> {
        self.graph.layer(name);
        let input = self.channels(x)?;
        let k = window.kernel;
        let init = Init::Normal(gain * (2.0 / taps(k, input) as f32).sqrt());
        let w = self.graph.parameter(&format!("{name}.weight"), &[k, k, input, out], init, WeightLayout::Conv)?;
        let b = self.bias(name, out)?;
        self.graph.conv2d(x, w, b, window)
    }

    /// A 3x3 convolution whose kernel is `base + expand x project` while training (0: plain).
    pub(super) fn collapsible(
        &mut self,
        x: TensorId,
        out: usize,
        expand: usize,
        name: &str,
        gain: f32,
    ) -> Result<TensorId> {
        if expand == 0 || self.mode == Mode::Infer {
            return self.conv(x, out, same(3), name, gain);
        }
        self.graph.layer(name);
        let input = self.channels(x)?;
        let fan = (9 * input) as f32;
        let base = Init::Normal(gain * (2.0 / fan).sqrt());
        let base = self.graph.parameter(&format!("{name}.weight"), &[3, 3, input, out], base, WeightLayout::Conv)?;
        let wide = Init::Normal(fan.sqrt().recip());
        let wide = self.graph.parameter(&format!("{name}.expand"), &[3, 3, input, expand], wide, WeightLayout::Conv)?;
        let narrow = Init::Normal(0.1 * gain / (expand as f32).sqrt());
        let narrow = self.graph.parameter(&format!("{name}.project"), &[expand, out], narrow, WeightLayout::Linear)?;
        let wide = self.graph.reshape(wide, &[9 * input, expand])?;
        let product = self.graph.push(Op::MatMul { ta: false, tb: false }, &[wide, narrow])?;
        let product = self.graph.reshape(product, &[3, 3, input, out])?;
        let kernel = self.graph.push(Op::Add, &[product, base])?;
        let bias = self.bias(name, out)?;
        self.graph.conv2d(x, kernel, bias, same(3))
    }

    pub(super) fn conv_transpose(
        &mut self,
        x: TensorId,
        out: usize,
        window: Window,
        output_padding: usize,
        name: &str,
    ) -> Result<TensorId> {
        self.graph.layer(name);
        let (input, k) = (self.channels(x)?, window.kernel);
        // Each output pixel sums about k^2 / stride^2 taps.
        let fan = taps(k, input) as f32 / taps(window.stride, 1) as f32;
        let init = Init::Normal(0.1 * fan.sqrt().recip());
        let w =
            self.graph.parameter(&format!("{name}.weight"), &[k, k, out, input], init, WeightLayout::ConvTranspose)?;
        let b = self.bias(name, out)?;
        let y = self.graph.conv_transpose2d(x, w, window, output_padding)?;
        self.graph.push(Op::BiasAdd, &[y, b])
    }

    pub(super) fn conv_prelu(
        &mut self,
        x: TensorId,
        out: usize,
        kernel: usize,
        part: &str,
        index: usize,
    ) -> Result<TensorId> {
        let h = self.conv(x, out, same(kernel), &format!("{part}.{index}"), 1.0)?;
        self.prelu(h, &format!("{part}.{}", index + 1))
    }

    pub(super) fn prelu(&mut self, x: TensorId, name: &str) -> Result<TensorId> {
        self.graph.layer(name);
        let columns = self.graph.shape(x).columns();
        let slopes =
            self.graph.parameter(&format!("{name}.weight"), &[columns], Init::Constant(0.25), WeightLayout::Plain)?;
        self.graph.push(Op::Prelu, &[x, slopes])
    }

    pub(super) fn dropout(&mut self, x: TensorId, rate: f32) -> Result<TensorId> {
        if rate == 0.0 || self.mode == Mode::Infer {
            return Ok(x);
        }
        self.dropouts += 1;
        self.graph.push(Op::Dropout { rate, stream: self.dropouts }, &[x])
    }

    pub(super) fn scale_and_shift(&mut self, x: TensorId, name: &str) -> Result<TensorId> {
        let columns = self.graph.shape(x).columns();
        let scale =
            self.graph.parameter(&format!("{name}.weight"), &[columns], Init::Constant(1.0), WeightLayout::Plain)?;
        let shift = self.bias(name, columns)?;
        let y = self.graph.push(Op::ColumnScale, &[x, scale])?;
        self.graph.push(Op::BiasAdd, &[y, shift])
    }

    pub(super) fn add_enlarged(&mut self, y: TensorId, x: TensorId, skip: Skip, scale: usize) -> Result<TensorId> {
        let Some(mode) = skip.interpolation() else { return Ok(y) };
        self.graph.layer("skip");
        let base = self.graph.push(Op::Resize { mode, scale }, &[x])?;
        self.graph.push(Op::Add, &[y, base])
    }

    fn bias(&mut self, name: &str, out: usize) -> Result<TensorId> {
        self.graph.parameter(&format!("{name}.bias"), &[out], Init::Constant(0.0), WeightLayout::Plain)
    }

    fn channels(&self, x: TensorId) -> Result<usize> {
        let shape = self.graph.shape(x);
        match shape.image() {
            Some((.., channels)) => Ok(channels),
            None => Err(Error::input(format!("a convolution needs pictures [n, h, w, c], not {shape}"))),
        }
    }
}
