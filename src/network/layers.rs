//! Layers for networks written out one by one.

use serde::{Deserialize, Serialize};

use super::Mode;
use super::builder::Builder;
use crate::graph::{Activation, Axis, Interpolation, Op, Pooling, TensorId, WeightLayout, Window};
use crate::{Error, Result};

/// One layer of [`super::Network::Sequential`]. In a recipe: `{ layer = "conv", out = 32, kernel = 3 }`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "layer", rename_all = "snake_case", deny_unknown_fields)]
pub enum Layer {
    /// `x w + b`; a picture is flattened first, in PyTorch's order (channels, rows, columns).
    Linear {
        /// Width of the result.
        out: usize,
    },
    /// Convolution and bias.
    Conv {
        /// Channels of the result.
        out: usize,
        /// Side of the kernel.
        kernel: usize,
        /// Step of the window.
        #[serde(default = "one")]
        stride: usize,
        /// Zeros beyond the border; half the kernel when not given, which keeps the size at stride 1.
        #[serde(skip_serializing_if = "Option::is_none")]
        padding: Option<usize>,
    },
    /// Transposed convolution and bias.
    ConvTranspose {
        /// Channels of the result.
        out: usize,
        /// Side of the kernel.
        kernel: usize,
        /// Enlargement.
        #[serde(default = "one")]
        stride: usize,
        /// As in PyTorch.
        #[serde(default)]
        padding: usize,
        /// As in PyTorch.
        #[serde(default)]
        output_padding: usize,
    },
    /// An elementwise function.
    Activation {
        /// Which one.
        function: Activation,
    },
    /// ReLU with a learned slope per channel.
    Prelu {},
    /// Softmax over classes.
    Softmax {},
    /// Max pooling.
    MaxPool {
        /// Side of the window.
        kernel: usize,
        /// Step; the kernel's side when not given.
        #[serde(skip_serializing_if = "Option::is_none")]
        stride: Option<usize>,
    },
    /// Average pooling.
    AveragePool {
        /// Side of the window.
        kernel: usize,
        /// Step; the kernel's side when not given.
        #[serde(skip_serializing_if = "Option::is_none")]
        stride: Option<usize>,
    },
    /// The mean of each channel.
    GlobalPool {},
    /// Drops values while training.
    Dropout {
        /// Probability of zero.
        rate: f32,
    },
    /// Layer normalisation with learned scale and shift.
    LayerNorm {},
    /// Batch normalisation with learned scale and shift and running statistics.
    BatchNorm {},
    /// Pixel shuffle.
    PixelShuffle {
        /// Enlargement.
        scale: usize,
    },
    /// Enlarges by repeating pixels or linearly.
    Upsample {
        /// Enlargement.
        scale: usize,
        /// Linear instead of nearest.
        #[serde(default)]
        bilinear: bool,
    },
    /// Adds its input to the result of the layers inside, which keep the shape.
    Residual {
        /// The layers inside.
        layers: Vec<Layer>,
    },
    /// Appends the result of the layers inside to its input as further channels.
    Dense {
        /// The layers inside.
        layers: Vec<Layer>,
    },
}

const EPSILON: f32 = 1e-5;

impl Layer {
    /// Appends the layer; `name` is its prefix in checkpoints.
    pub(super) fn build(&self, b: &mut Builder<'_>, x: TensorId, name: &str) -> Result<TensorId> {
        b.graph.layer(name);
        match self {
            Layer::Linear { out } => {
                let (x, kind) = flatten(b, x)?;
                b.linear(x, *out, name, kind)
            }
            Layer::Conv { out, kernel, stride, padding } => {
                let padding = padding.unwrap_or(kernel / 2);
                b.conv(x, *out, Window { kernel: *kernel, stride: *stride, padding }, name, 1.0)
            }
            Layer::ConvTranspose { out, kernel, stride, padding, output_padding } => {
                let window = Window { kernel: *kernel, stride: *stride, padding: *padding };
                b.conv_transpose(x, *out, window, *output_padding, name)
            }
            Layer::Activation { function } => b.graph.activate(x, *function),
            Layer::Prelu {} => b.prelu(x, name),
            Layer::Softmax {} => b.graph.push(Op::Softmax { log: false }, &[x]),
            Layer::MaxPool { kernel, stride } => pool(b, x, Pooling::Max, *kernel, *stride),
            Layer::AveragePool { kernel, stride } => pool(b, x, Pooling::Average, *kernel, *stride),
            Layer::GlobalPool {} => {
                let (n, h, w, c) = image(b, x, name)?;
                let y = b.graph.push(Op::Pool { kind: Pooling::Average, kernel: [h, w], stride: 1 }, &[x])?;
                b.graph.reshape(y, &[n, c])
            }
            Layer::Dropout { rate } => b.dropout(x, *rate),
            Layer::LayerNorm {} => {
                let y = b.graph.push(Op::Normalize { axis: Axis::Rows, epsilon: EPSILON }, &[x])?;
                b.scale_and_shift(y, name)
            }
            Layer::BatchNorm {} => {
                let columns = b.graph.shape(x).columns();
                let statistics = b.graph.statistics(name, columns)?;
                let y = match b.mode {
                    Mode::Train => {
                        b.graph.push_effect(Op::TrackStatistics { momentum: 0.1 }, &[x, statistics])?;
                        b.graph.push(Op::Normalize { axis: Axis::Columns, epsilon: EPSILON }, &[x])?
                    }
                    Mode::Infer => b.graph.push(Op::Standardize { epsilon: EPSILON }, &[x, statistics])?,
                };
                b.scale_and_shift(y, name)
            }
            Layer::PixelShuffle { scale } => b.graph.push(Op::DepthToSpace(*scale), &[x]),
            Layer::Upsample { scale, bilinear } => {
                let mode = if *bilinear { Interpolation::Bilinear } else { Interpolation::Nearest };
                b.graph.push(Op::Resize { mode, scale: *scale }, &[x])
            }
            Layer::Residual { layers } => {
                let y = stack(layers, b, x, &format!("{name}."))?;
                b.graph.layer(name);
                b.graph.push(Op::Add, &[y, x])
            }
            Layer::Dense { layers } => {
                let y = stack(layers, b, x, &format!("{name}."))?;
                b.graph.layer(name);
                b.graph.push(Op::Concat, &[x, y])
            }
        }
    }
}

/// Layers one after the other, numbered as in `nn.Sequential`.
pub(super) fn stack(layers: &[Layer], b: &mut Builder<'_>, x: TensorId, prefix: &str) -> Result<TensorId> {
    layers.iter().enumerate().try_fold(x, |x, (i, layer)| layer.build(b, x, &format!("{prefix}{i}")))
}

fn pool(b: &mut Builder<'_>, x: TensorId, kind: Pooling, kernel: usize, stride: Option<usize>) -> Result<TensorId> {
    b.graph.push(Op::Pool { kind, kernel: [kernel, kernel], stride: stride.unwrap_or(kernel) }, &[x])
}

fn flatten(b: &mut Builder<'_>, x: TensorId) -> Result<(TensorId, WeightLayout)> {
    match b.graph.shape(x).image() {
        Some((n, h, w, c)) => Ok((b.graph.reshape(x, &[n, h * w * c])?, WeightLayout::LinearOfImage([h, w, c]))),
        None => Ok((x, WeightLayout::Linear)),
    }
}

fn image(b: &Builder<'_>, x: TensorId, name: &str) -> Result<(usize, usize, usize, usize)> {
    let shape = b.graph.shape(x);
    shape.image().ok_or_else(|| Error::input(format!("layer `{name}`: needs pictures, gets {shape}")))
}

fn one() -> usize {
    1
}
