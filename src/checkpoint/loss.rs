//! What a network was trained to make small, as recipes and checkpoints write it.

use serde::{Deserialize, Serialize};

use crate::graph::Loss;

/// What is minimised. In a recipe: `[loss]` with `kind = "charbonnier"`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum LossSpec {
    /// Mean squared error.
    Mse {},
    /// Mean absolute error.
    Mae {},
    /// Huber's loss.
    Huber {
        /// Where the square turns into a line.
        #[serde(default = "one")]
        delta: f32,
    },
    /// `sqrt(d^2 + epsilon^2)`
    Charbonnier {
        /// Rounds the corner at zero.
        #[serde(default = "thousandth")]
        epsilon: f32,
    },
    /// Softmax cross-entropy, for classes.
    CrossEntropy {
        /// Label smoothing.
        #[serde(default)]
        smoothing: f32,
    },
    /// Binary cross-entropy of probabilities.
    Bce {},
    /// Binary cross-entropy of logits.
    BceWithLogits {},
}

fn one() -> f32 {
    1.0
}
fn thousandth() -> f32 {
    1e-3
}

impl LossSpec {
    /// Its `kind`.
    pub fn name(self) -> &'static str {
        match self {
            LossSpec::Mse {} => "mse",
            LossSpec::Mae {} => "mae",
            LossSpec::Huber { .. } => "huber",
            LossSpec::Charbonnier { .. } => "charbonnier",
            LossSpec::CrossEntropy { .. } => "cross_entropy",
            LossSpec::Bce {} => "bce",
            LossSpec::BceWithLogits {} => "bce_with_logits",
        }
    }

    /// Whether it is a binary cross-entropy.
    pub fn is_binary(self) -> bool {
        matches!(self, LossSpec::Bce {} | LossSpec::BceWithLogits {})
    }

    /// The operator's loss.
    pub fn loss(self) -> Loss {
        match self {
            LossSpec::Mse {} => Loss::Mse,
            LossSpec::Mae {} => Loss::Mae,
            LossSpec::Huber { delta } => Loss::Huber(delta),
            LossSpec::Charbonnier { epsilon } => Loss::Charbonnier(epsilon),
            LossSpec::CrossEntropy { smoothing } => Loss::CrossEntropy(smoothing),
            LossSpec::Bce {} => Loss::Bce,
            LossSpec::BceWithLogits {} => Loss::BceWithLogits,
        }
    }
}
