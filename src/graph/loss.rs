//! What is minimised: all that is known of a loss beside its formulas in `cpu/loss.rs` and `shaders/loss.wgsl`.

use super::Shape;
use super::shapes::{fits, matrix, same};
use super::table::{above_zero, real, share};

/// A scalar to minimise, from a prediction `x` and a target `t`. All are means over elements (rows for cross-entropy).
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Loss {
    /// Mean squared error, `(x - t)^2`.
    Mse,
    /// Mean absolute error, `|x - t|`; derivative 0 at 0.
    Mae,
    /// `d^2 / 2` where `|d| <= delta`, else `delta (|d| - delta / 2)`.
    Huber(f32),
    /// `sqrt(d^2 + epsilon^2)` (Charbonnier et al. 1994).
    Charbonnier(f32),
    /// Softmax cross-entropy of logits `[rows, classes]` against class indices `[rows]`, with label smoothing.
    CrossEntropy(f32),
    /// Binary cross-entropy (log loss) of probabilities; logarithms are clamped at -100 as in PyTorch.
    Bce,
    /// Binary cross-entropy of logits: `max(x, 0) - x t + log(1 + exp(-|x|))`.
    BceWithLogits,
    /// `x` itself, which has no target: the last step of a loss that is put together from other operators.
    Mean,
}

impl Loss {
    /// How many operands it has: what is judged and, for most, a target.
    pub fn operands(self) -> usize {
        match self {
            Loss::Mean => 1,
            _ => 2,
        }
    }

    /// Number the kernels know it by, and its parameter.
    pub fn code(self) -> (u32, f32) {
        match self {
            Loss::Mse => (0, 0.0),
            Loss::Mae => (1, 0.0),
            Loss::Huber(delta) => (2, delta),
            Loss::Charbonnier(epsilon) => (3, epsilon),
            Loss::CrossEntropy(smoothing) => (4, smoothing),
            Loss::Bce => (5, 0.0),
            Loss::BceWithLogits => (6, 0.0),
            Loss::Mean => (7, 0.0),
        }
    }

    /// What is wrong with its parameter.
    pub(super) fn check(self) -> Result<(), String> {
        match self {
            Loss::Huber(delta) => above_zero("delta", delta),
            // Its square is added to that of a difference of zero, whose root is divided by.
            Loss::Charbonnier(epsilon) => {
                let fits = epsilon > 0.0 && (epsilon * epsilon).is_normal();
                real("epsilon", epsilon, fits, "a number above 0 whose square is not lost in f32")
            }
            Loss::CrossEntropy(smoothing) => share("smoothing", smoothing),
            Loss::Mse | Loss::Mae | Loss::Bce | Loss::BceWithLogits | Loss::Mean => Ok(()),
        }
    }

    /// Whether what is judged and the target go together.
    pub(super) fn check_operands(self, operands: &[Shape]) -> Result<(), String> {
        let (x, t) = (operands[0], operands.last().copied().unwrap_or(operands[0]));
        match self {
            Loss::CrossEntropy(_) => {
                let (rows, _) = matrix(x)?;
                fits(t == Shape::vector(rows), || format!("{rows} class indices are needed, not {t}"))
            }
            Loss::Mse | Loss::Mae | Loss::Huber(_) | Loss::Charbonnier(_) | Loss::Bce | Loss::BceWithLogits => {
                same(x, t)
            }
            Loss::Mean => Ok(()),
        }
    }

    /// What its mean is taken over, for what is judged: elements, or rows for cross-entropy.
    pub(crate) fn items(self, x: Shape) -> usize {
        match self {
            Loss::CrossEntropy(_) => x.rows(),
            Loss::Mse
            | Loss::Mae
            | Loss::Huber(_)
            | Loss::Charbonnier(_)
            | Loss::Bce
            | Loss::BceWithLogits
            | Loss::Mean => x.len(),
        }
    }
}
