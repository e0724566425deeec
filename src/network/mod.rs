//! The declaration of a network: what a person writes in a recipe, and what every checkpoint carries.
//!
//! A declaration builds its graph; parameter names and file layouts are PyTorch's, so that other tools open the weights.

mod architectures;
mod builder;
mod collapse;
mod initial;
mod layers;
mod weights;

use serde::{Deserialize, Serialize};

use crate::graph::{Activation, Interpolation, Shape};
use crate::{Error, Result, ranges};

pub use initial::initial;
pub use layers::Layer;
pub use weights::{Array, State, Weights};

/// A network by declaration. In a recipe: `[network]` with `kind = "mlp"` and the fields below.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Network {
    /// Linear layers with an activation between them: `nn.Sequential(Linear, act, Linear, ...)`.
    Mlp {
        /// Width of the input, of each hidden layer, and of the output.
        sizes: Vec<usize>,
        /// Between the layers.
        #[serde(default = "relu")]
        activation: Activation,
        /// Probability of dropping a hidden value while training.
        #[serde(default)]
        dropout: f32,
    },
    /// SRCNN (Dong et al. 2014) 9-1-5: refines a picture that bicubic interpolation enlarged.
    Srcnn {
        /// Enlargement.
        #[serde(default = "two")]
        scale: usize,
        /// 1 (luma) or 3 (RGB).
        #[serde(default = "one")]
        channels: usize,
        /// Channels of the two hidden layers.
        #[serde(default = "srcnn_features")]
        features: [usize; 2],
    },
    /// ESPCN (Shi et al. 2016) 5-3-3 with tanh and pixel shuffle.
    Espcn {
        /// Enlargement.
        #[serde(default = "two")]
        scale: usize,
        /// 1 (luma) or 3 (RGB).
        #[serde(default = "one")]
        channels: usize,
        /// Channels of the two hidden layers.
        #[serde(default = "espcn_features")]
        features: [usize; 2],
    },
    /// FSRCNN(d, s, m) (Dong et al. 2016): extract, shrink, map, expand, transposed convolution.
    Fsrcnn {
        /// Enlargement.
        #[serde(default = "two")]
        scale: usize,
        /// 1 (luma) or 3 (RGB).
        #[serde(default = "one")]
        channels: usize,
        /// `d`: channels outside.
        #[serde(default = "fsrcnn_features")]
        features: usize,
        /// `s`: channels of the mapping layers.
        #[serde(default = "fsrcnn_shrink")]
        shrink: usize,
        /// `m`: mapping layers.
        #[serde(default = "fsrcnn_maps")]
        maps: usize,
    },
    /// A plain stack of 3x3 convolutions with PReLU and pixel shuffle over an enlarged input; SRVGGNetCompact's names.
    Compact {
        /// Enlargement.
        #[serde(default = "two")]
        scale: usize,
        /// 1 (luma) or 3 (RGB).
        #[serde(default = "one")]
        channels: usize,
        /// Channels of the body.
        #[serde(default = "compact_features")]
        features: usize,
        /// Convolutions in all, the first and the last included.
        #[serde(default = "compact_convolutions")]
        convolutions: usize,
        /// While training, each convolution's kernel is `base + expand x project` with this many channels between, which
        /// trains better; checkpoints for use hold the collapsed kernel and 0 here.
        #[serde(default)]
        expand: usize,
        /// How the input is enlarged before it is added to the output.
        #[serde(default = "bilinear")]
        skip: Skip,
    },
    /// Residual blocks without normalisation and a long skip (EDSR's body and names), pixel shuffle over an enlarged
    /// input.
    Residual {
        /// Enlargement.
        #[serde(default = "two")]
        scale: usize,
        /// 1 (luma) or 3 (RGB).
        #[serde(default = "one")]
        channels: usize,
        /// Channels of the body.
        #[serde(default = "residual_features")]
        features: usize,
        /// Residual blocks of two convolutions.
        #[serde(default = "residual_blocks")]
        blocks: usize,
        /// Inside each block.
        #[serde(default = "relu")]
        activation: Activation,
        /// How the input is enlarged before it is added to the output.
        #[serde(default = "bilinear")]
        skip: Skip,
    },
    /// Layers one after the other, as written.
    Sequential {
        /// Extents of one input: `[features]`, or `[height, width, channels]`.
        input: Vec<usize>,
        /// The layers.
        layers: Vec<Layer>,
    },
}

/// How the input of a super-resolution network reaches its output.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Skip {
    /// Not at all.
    None,
    /// Enlarged by repeating pixels.
    Nearest,
    /// Enlarged linearly.
    Bilinear,
}

impl Skip {
    fn interpolation(self) -> Option<Interpolation> {
        match self {
            Skip::None => None,
            Skip::Nearest => Some(Interpolation::Nearest),
            Skip::Bilinear => Some(Interpolation::Bilinear),
        }
    }
}

/// Whether a graph is built to learn or to be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Dropout drops, batch statistics normalise, over-parameterised kernels are products.
    Train,
    /// Dropout passes, running statistics normalise.
    Infer,
}

/// What goes into a network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Input {
    /// Rows of this many features.
    Rows(usize),
    /// Pictures of fixed `[height, width, channels]`.
    Image([usize; 3]),
    /// Pictures of any size, to be enlarged.
    Picture {
        /// 1 (luma) or 3 (RGB).
        channels: usize,
        /// Enlargement.
        scale: usize,
        /// The input is enlarged by bicubic interpolation beforehand.
        prepared: bool,
    },
}

impl Input {
    /// Values of one row or image; of a picture of any size, 0.
    pub fn width(&self) -> usize {
        match self {
            Input::Rows(width) => *width,
            Input::Image([height, width, channels]) => height * width * channels,
            Input::Picture { .. } => 0,
        }
    }
}

impl Network {
    /// Checks what types cannot: numbers outside their [`crate::ranges`], lists that are too short.
    ///
    /// # Errors
    /// Naming the key of `[network]` and what it may be.
    pub fn check(&self) -> Result<()> {
        ranges::check(&serde_json::to_value(self).expect("a declaration is plain data"), "network")?;
        let bad = |key: &str, why: &str| Err(Error::key(format!("network.{key}"), why));
        match self {
            Network::Mlp { sizes, .. } if sizes.len() < 2 => bad("sizes", "at least an input and an output width"),
            Network::Sequential { input, .. } if !matches!(input.len(), 1 | 3) => {
                bad("input", "[features] or [height, width, channels]")
            }
            Network::Sequential { input, .. } if Shape::new(input).is_err() => {
                bad("input", &format!("at most {} values in all", Shape::MOST))
            }
            Network::Sequential { layers, .. } if layers.is_empty() => bad("layers", "at least one layer"),
            network => match network.input() {
                Input::Picture { channels: 2, .. } => bad("channels", "1 (luma) or 3 (RGB), not 2"),
                Input::Picture { .. } | Input::Rows(_) | Input::Image(_) => Ok(()),
            },
        }
    }

    /// What the network takes.
    pub fn input(&self) -> Input {
        match self {
            Network::Mlp { sizes, .. } => Input::Rows(sizes[0]),
            Network::Sequential { input, .. } => match input[..] {
                [height, width, channels] => Input::Image([height, width, channels]),
                _ => Input::Rows(input[0]),
            },
            Network::Srcnn { scale, channels, .. } => {
                Input::Picture { channels: *channels, scale: *scale, prepared: true }
            }
            Network::Espcn { scale, channels, .. }
            | Network::Fsrcnn { scale, channels, .. }
            | Network::Compact { scale, channels, .. }
            | Network::Residual { scale, channels, .. } => {
                Input::Picture { channels: *channels, scale: *scale, prepared: false }
            }
        }
    }

    /// Values that come out for one row or image.
    ///
    /// # Errors
    /// When the layers do not fit together, naming the one.
    pub fn outputs(&self) -> Result<usize> {
        let batch = 2;
        let (graph, _, y) = self.graph(batch, [16, 16], Mode::Infer)?;
        Ok(graph.shape(y).len() / batch)
    }

    /// Whether the last layer makes probabilities.
    pub(crate) fn ends_in_probabilities(&self) -> bool {
        let Network::Sequential { layers, .. } = self else { return false };
        matches!(layers.last(), Some(Layer::Activation { function: Activation::Sigmoid } | Layer::Softmax {}))
    }

    /// Pixels of the input around an output pixel that it depends on: tiles overlap by as many.
    pub fn radius(&self) -> usize {
        let skip = |skip: &Skip| usize::from(*skip == Skip::Bilinear);
        match self {
            Network::Mlp { .. } | Network::Sequential { .. } => 0,
            Network::Srcnn { .. } => 4 + 2,
            Network::Espcn { .. } => 2 + 1 + 1,
            // The 9x9 transposed convolution reaches at most 4 / scale, rounded up, input pixels further.
            Network::Fsrcnn { scale, maps, .. } => 2 + maps + 4usize.div_ceil(*scale),
            Network::Compact { convolutions, skip: s, .. } => (*convolutions).max(skip(s)),
            Network::Residual { blocks, .. } => 1 + 2 * blocks + 1 + 1,
        }
    }
}

fn relu() -> Activation {
    Activation::Relu
}
fn one() -> usize {
    1
}
fn two() -> usize {
    2
}
fn compact_features() -> usize {
    16
}
fn compact_convolutions() -> usize {
    5
}
fn residual_features() -> usize {
    32
}
fn residual_blocks() -> usize {
    8
}
fn srcnn_features() -> [usize; 2] {
    [64, 32]
}
fn espcn_features() -> [usize; 2] {
    [64, 32]
}
fn fsrcnn_features() -> usize {
    56
}
fn fsrcnn_shrink() -> usize {
    12
}
fn fsrcnn_maps() -> usize {
    4
}
fn bilinear() -> Skip {
    Skip::Bilinear
}
