//! How far a result may be from what is expected. One policy for goldens, parity and property tests.
//!
//! The error of a sum is measured against the sum of magnitudes, not against the result, which may cancel: each check
//! gets a `scale` per element, the largest of the result's magnitude and the sum of the magnitudes that went into it.
//! The bound is `factor * unit * scale`, `unit` being the precision's rounding and `factor` the operator's row below.
//! A comparison is written `!(error <= bound)`, so that NaN on either side fails.

/// What the executor computes in.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Precision {
    /// Results are exact up to the rounding of stored values to f32 and of reading them back.
    F64,
    /// Results carry f32's rounding at every operation.
    F32,
}

/// What kind of arithmetic made the result.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Family {
    /// Values moved, not computed.
    Copy,
    /// A few additions and products per element.
    Elementwise,
    /// Exponentials and their kin, by polynomial on some devices.
    Transcendental,
    /// Sums of products: matrix products, convolutions, reductions.
    Contraction,
    /// Means of elementwise losses, and their derivatives.
    Loss,
    /// Steps of an update rule on given gradients.
    Update,
    /// Whole training runs: every step builds on the rounding of those before.
    Training,
}

impl Family {
    /// Units of f32 rounding allowed, relative to the scale.
    fn factor(self) -> f64 {
        match self {
            Family::Copy => 0.0,
            Family::Elementwise => 4.0,
            Family::Transcendental => 16.0,
            Family::Contraction => 8.0,
            Family::Loss => 16.0,
            Family::Update => 32.0,
            Family::Training => 4096.0,
        }
    }
}

/// Half an f32 unit in the last place, relative.
const UNIT: f64 = 1.0 / (1u64 << 24) as f64;

/// The bound for one family at one precision.
#[derive(Clone, Copy, Debug)]
pub struct Tolerance {
    relative: f64,
}

impl Tolerance {
    /// The policy.
    pub fn of(family: Family, precision: Precision) -> Self {
        let relative = match precision {
            // What remains is f64's rounding, magnified by long sums or by a training run.
            Precision::F64 => 1e-6 * UNIT * family.factor(),
            Precision::F32 => UNIT * family.factor(),
        };
        Tolerance { relative }
    }

    /// Compares element by element; `scale` may be empty when results do not cancel.
    ///
    /// # Errors
    /// Names the worst element when one is out of bounds, or the lengths when they differ.
    pub fn check(&self, got: &[f32], want: &[f32], scale: &[f64]) -> Result<(), String> {
        if got.len() != want.len() || !(scale.is_empty() || scale.len() == want.len()) {
            return Err(format!("{} values, {} expected, {} scales", got.len(), want.len(), scale.len()));
        }
        let mut worst: Option<(f64, String)> = None;
        for (i, (&g, &w)) in got.iter().zip(want).enumerate() {
            let (g, w) = (f64::from(g), f64::from(w));
            let scale = scale.get(i).copied().unwrap_or(0.0).max(w.abs());
            // Both sides were rounded to f32 once, and may have been flushed where they were subnormal.
            let bound = self.relative * scale + 2.0 * UNIT * w.abs() + 1e-37;
            let error = (g - w).abs();
            if !(error <= bound) {
                let excess = if error.is_nan() { f64::INFINITY } else { error / bound };
                if worst.as_ref().is_none_or(|(e, _)| excess > *e) {
                    worst = Some((
                        excess,
                        format!("element {i}: {g:e}, expected {w:e}; {excess:.3} times the bound {bound:e}"),
                    ));
                }
            }
        }
        worst.map_or(Ok(()), |(_, message)| Err(message))
    }
}
