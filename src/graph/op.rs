//! The closed set of operators.
//!
//! What an operator means stands in three tables that match on [`Op`] without a catch-all: operands and formula here,
//! the shape rule in `shapes`, the adjoint rule in `adjoint`. The CPU and GPU executors implement the same set.
//!
//! Images are NHWC, convolution weights `[kernel, kernel, in, out]`, matrices row-major. `rows x columns` splits any
//! tensor at its innermost extent.

use serde::{Deserialize, Serialize};

use super::{Loss, Shape};

/// An elementwise function.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Activation {
    /// `x`
    Identity,
    /// `1` where `x >= 0`, else `0`; its derivative is taken as 0.
    Step,
    /// `max(x, 0)`; derivative 0 at 0.
    Relu,
    /// `x` where `x > 0`, else `slope * x`, for `slope > 0`.
    LeakyRelu(f32),
    /// `1 / (1 + exp(-x))`
    Sigmoid,
    /// `tanh(x)`
    Tanh,
    /// `x * Phi(x)` with the normal distribution function (Hendrycks & Gimpel 2016).
    Gelu,
    /// `x/2 * (1 + tanh(sqrt(2/pi) * (x + 0.044715 x^3)))`
    GeluTanh,
    /// `x * sigmoid(x)`
    Silu,
    /// `log(1 + exp(x))`, linear above 20 as PyTorch has it.
    Softplus,
    /// `x` where `x > 0`, else `exp(x) - 1`
    Elu,
    /// `exp(x)`
    Exp,
    /// `log(x)`, the natural logarithm; NaN below 0.
    Log,
}

impl Activation {
    /// Whether the derivative is computed from the output (true) or needs the input (false).
    ///
    /// From the output, the input need not be kept: the activation can be fused into its producer.
    pub fn derivative_from_output(self) -> bool {
        use Activation::*;
        match self {
            Identity | Step | Relu | LeakyRelu(_) | Sigmoid | Tanh | Elu | Exp => true,
            Gelu | GeluTanh | Silu | Softplus | Log => false,
        }
    }

    /// Number the kernels know it by, and its parameter.
    pub fn code(self) -> (u32, f32) {
        use Activation::*;
        match self {
            Identity => (0, 0.0),
            Step => (1, 0.0),
            Relu => (2, 0.0),
            LeakyRelu(slope) => (3, slope),
            Sigmoid => (4, 0.0),
            Tanh => (5, 0.0),
            Gelu => (6, 0.0),
            GeluTanh => (7, 0.0),
            Silu => (8, 0.0),
            Softplus => (9, 0.0),
            Elu => (10, 0.0),
            Exp => (11, 0.0),
            Log => (12, 0.0),
        }
    }
}

/// A square window that slides over an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Window {
    /// Side of the kernel, pixels.
    pub kernel: usize,
    /// Step between window positions, pixels.
    pub stride: usize,
    /// Zeros imagined beyond every border, pixels.
    pub padding: usize,
}

impl Window {
    /// Output extent for an input extent, if at least one window fits and the padded extent is one that kernels count to.
    pub fn output(&self, input: usize) -> Option<usize> {
        let padded = self.padding.checked_mul(2)?.checked_add(input).filter(|&n| n <= Shape::MOST)?;
        padded.checked_sub(self.kernel)?.checked_div(self.stride).map(|rest| rest + 1)
    }
}

/// How pixels between samples are made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Interpolation {
    /// The sample whose cell holds the position.
    Nearest,
    /// Linear along both axes, half-pixel centres (`align_corners = false`), clamped at borders.
    Bilinear,
}

/// What a pooling window yields.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Pooling {
    /// The largest value; its gradient goes to the first largest in row order.
    Max,
    /// The mean.
    Average,
}

/// Over what a tensor is brought to zero mean and unit variance (biased, `epsilon` added to the variance).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Axis {
    /// Over the columns of each row: layer normalisation.
    Rows,
    /// Over the rows of each column: batch normalisation with the batch's own statistics.
    Columns,
}

/// A rule that moves parameters along their gradients `g`, with PyTorch's conventions.
///
/// The learning rate and the step number come with each step's clock.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Update {
    /// `v = momentum v + g` (from the first step on, `v = g`); `p -= lr v`, or `lr (g + momentum v)` for Nesterov.
    /// Weight decay adds `decay p` to `g`.
    Sgd {
        /// Share of the velocity that is kept.
        momentum: f32,
        /// Looks ahead along the velocity.
        nesterov: bool,
        /// L2 penalty.
        decay: f32,
    },
    /// `s = rho s + (1 - rho) g^2`; `p -= lr g / (sqrt(s) + epsilon)`. Weight decay adds to `g`.
    RmsProp {
        /// Share of the mean square that is kept.
        rho: f32,
        /// Added outside the root.
        epsilon: f32,
        /// L2 penalty.
        decay: f32,
    },
    /// Kingma & Ba 2015: `m = b1 m + (1-b1) g`, `v = b2 v + (1-b2) g^2`,
    /// `p -= lr (m / (1-b1^t)) / (sqrt(v / (1-b2^t)) + epsilon)`.
    Adam {
        /// Decay of the first moment.
        beta1: f32,
        /// Decay of the second moment.
        beta2: f32,
        /// Added outside the root.
        epsilon: f32,
        /// Weight decay.
        decay: f32,
        /// AdamW (Loshchilov & Hutter 2019): decay applies to the parameter, `p -= lr decay p`, not to the gradient.
        decoupled: bool,
    },
}

impl Update {
    /// Gradient descent with this momentum, 0 for none.
    pub fn sgd(momentum: f32) -> Self {
        Update::Sgd { momentum, nesterov: false, decay: 0.0 }
    }

    /// RMSprop as PyTorch has it by default.
    pub fn rmsprop() -> Self {
        Update::RmsProp { rho: 0.99, epsilon: 1e-8, decay: 0.0 }
    }

    /// Adam as its authors and PyTorch have it by default.
    pub fn adam() -> Self {
        Update::Adam { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, decay: 0.0, decoupled: false }
    }

    /// [`Update::adam`] with decoupled weight decay.
    pub fn adamw(decay: f32) -> Self {
        Update::Adam { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, decay, decoupled: true }
    }

    /// How many moment buffers the rule keeps: 0, 1 or 2.
    pub fn moments(self) -> usize {
        match self {
            Update::Sgd { momentum, .. } => usize::from(momentum != 0.0),
            Update::RmsProp { .. } => 1,
            Update::Adam { .. } => 2,
        }
    }
}

/// An operator. Operands are listed in order; each has one output unless it says otherwise.
///
/// The families have the same names everywhere: here, in `cpu/`, `shaders/`, `gpu/lower/` and `verify/cases/`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Op {
    // elementwise
    /// `x [rows, columns] + b [columns]`
    BiasAdd,
    /// `a + b`, equal shapes.
    Add,
    /// `factor x`
    Scale(f32),
    /// `a * b` elementwise, equal shapes.
    Multiply,
    /// `x [rows, columns]` times `s [columns]`.
    ColumnScale,
    /// `v [columns]` -> `[rows, columns]`, the same in every row: the adjoint of [`Op::ColumnSum`].
    Broadcast {
        /// Rows of the result.
        rows: usize,
    },
    /// Keeps a value with probability `1 - rate`, scaled by its inverse; its own adjoint. The mask is a function of the
    /// seed, the step, the stream and the element.
    Dropout {
        /// Probability of zero.
        rate: f32,
        /// Tells dropout layers of one network apart.
        stream: u32,
    },

    // activation
    /// `f(x)`
    Activate(Activation),
    /// `dy f'`, operands `dy` and the output (or input, see [`Activation::derivative_from_output`]).
    ActivateGrad(Activation),
    /// `x [rows, columns]`, slopes `[columns]`: `x` where `x > 0`, else `slope x` (He et al. 2015).
    Prelu,
    /// `dy`, `x`, slopes -> gradient in `x`.
    PreluGrad,

    // matmul
    /// `A B` for `[m, k]` and `[k, n]`; a flag says that the operand is stored transposed.
    MatMul {
        /// `A` is stored `[k, m]`.
        ta: bool,
        /// `B` is stored `[n, k]`.
        tb: bool,
    },

    // conv
    /// `x [n, h, w, ci]`, `w [k, k, ci, co]` -> `[n, h', w', co]`, cross-correlation as in PyTorch.
    Conv2d(Window),
    /// Adjoint of [`Op::Conv2d`] in `x`: `dy`, `w` -> `[n, h, w, ci]`. Also the transposed convolution itself.
    Conv2dInputGrad {
        /// The window of the convolution whose adjoint this is.
        window: Window,
        /// Height and width of the result.
        size: [usize; 2],
    },
    /// Adjoint of [`Op::Conv2d`] in `w`: `x`, `dy` -> `[k, k, ci, co]`.
    Conv2dWeightGrad(Window),

    // normalization
    /// Zero mean and unit variance along an axis.
    Normalize {
        /// Over what.
        axis: Axis,
        /// Added to the variance.
        epsilon: f32,
    },
    /// `dy`, `x` -> gradient in the input of [`Op::Normalize`].
    NormalizeGrad {
        /// As in the forward operator.
        axis: Axis,
        /// As in the forward operator.
        epsilon: f32,
    },
    /// `x`, statistics `[2, columns]` (mean, variance) -> `(x - mean) / sqrt(variance + epsilon)`: batch normalisation
    /// when not training.
    Standardize {
        /// Added to the variance.
        epsilon: f32,
    },
    /// `x`, statistics `[2, columns]`: moves the statistics towards those of the batch (unbiased variance) by `momentum`.
    /// No output.
    TrackStatistics {
        /// Share of the new value.
        momentum: f32,
    },

    // softmax
    /// Softmax over the columns of each row, or its logarithm.
    Softmax {
        /// Yields the logarithm.
        log: bool,
    },
    /// `dy`, `y` -> gradient in the input of [`Op::Softmax`].
    SoftmaxGrad {
        /// As in the forward operator.
        log: bool,
    },

    // reduction
    /// `x [rows, columns]` -> sums over rows, `[columns]`: the adjoint of adding a bias.
    ColumnSum,
    /// `dy`, `x` -> sums over rows of their product, `[columns]`: the adjoint of [`Op::ColumnScale`] in `s`.
    ColumnDot,
    /// `dy`, `x` -> gradient in the slopes, `[columns]`.
    PreluSlopeGrad,

    // spatial
    /// Pixel shuffle (Shi et al. 2016): `[n, h, w, c r^2]` -> `[n, h r, w r, c]`; channel `c r^2 + i r + j` becomes the
    /// pixel `(i, j)` of its cell.
    DepthToSpace(usize),
    /// The inverse, and the adjoint, of [`Op::DepthToSpace`].
    SpaceToDepth(usize),
    /// Enlarges an image by a whole factor.
    Resize {
        /// How pixels are made.
        mode: Interpolation,
        /// Output pixels per input pixel.
        scale: usize,
    },
    /// Adjoint of [`Op::Resize`].
    ResizeGrad {
        /// As in the forward operator.
        mode: Interpolation,
        /// As in the forward operator.
        scale: usize,
    },
    /// Pools `height x width` windows without padding.
    Pool {
        /// What a window yields.
        kind: Pooling,
        /// Height and width of the window.
        kernel: [usize; 2],
        /// Step along both axes.
        stride: usize,
    },
    /// `dy`, `x` -> gradient in the input of [`Op::Pool`].
    PoolGrad {
        /// As in the forward operator.
        kind: Pooling,
        /// As in the forward operator.
        kernel: [usize; 2],
        /// As in the forward operator.
        stride: usize,
    },

    // shape
    /// Columns of `a`, then columns of `b`.
    Concat,
    /// Columns `start .. start + len`.
    Slice {
        /// First column.
        start: usize,
        /// Number of columns.
        len: usize,
    },
    /// Adjoint of [`Op::Slice`]: the columns land at `start` in a tensor of `columns` columns, zero elsewhere.
    Pad {
        /// First column.
        start: usize,
        /// Columns of the result.
        columns: usize,
    },
    /// The same values under another shape.
    Reshape,

    // loss
    /// `x`, `t` (`x` alone for [`Loss::Mean`]) -> `[1]`
    Loss(Loss),
    /// The operands of [`Op::Loss`] -> derivative of the loss in `x`, times the clock's loss scale.
    LossGrad(Loss),

    // optimizer
    /// All gradients -> `[1]`, their global Euclidean norm after unscaling by the clock's loss scale.
    GradientNorm,
    /// All gradients (and the norm, when it clips): moves every parameter. No output.
    Update {
        /// The rule.
        rule: Update,
        /// Largest global norm; larger gradients are scaled down to it.
        clip: Option<f32>,
    },
    /// Moves the averaged weights towards the parameters, `a = keep a + (1 - keep) p`, where `keep` is the smaller of `decay`
    /// and `(1 + t) / (10 + t)` at update `t`: early averages would be of initial weights otherwise. No operands, no output.
    Average {
        /// Share that is kept in the long run.
        decay: f32,
    },

    // sampling
    /// A batch of rows from a resident table: `store` -> `[batch, columns]` (or `[batch]`).
    SampleRows {
        /// Rows to draw.
        batch: usize,
        /// Rows that the step draws before them.
        first: usize,
    },
    /// A batch of patches from resident pictures: `store`, `table` -> `[batch, patch r, patch r, channels]`.
    SamplePatches {
        /// Patches to draw.
        batch: usize,
        /// Side of the low-resolution patch that the table counts positions for.
        patch: usize,
        /// Pixels of this store per low-resolution pixel, 1 for the low-resolution store itself.
        scale: usize,
        /// Which offset of the table's rows to use: the high-resolution store.
        high: bool,
        /// Patches that the step draws before them.
        first: usize,
    },
}
