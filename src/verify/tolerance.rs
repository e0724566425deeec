//! How far a result may be from what is expected. One policy for goldens, parity and property tests.
//!
//! The error of a sum is measured against the sum of magnitudes, not against the result, which may cancel: each check
//! gets a `scale` per element, the largest of the result's magnitude and the sum of the magnitudes that went into it.
//! The bound is `factor * unit * scale`, `unit` being the precision's rounding and `factor` the operator's row below.
//! A comparison is written `!(error <= bound)`, so that NaN on either side fails.

#![allow(clippy::neg_cmp_op_on_partial_ord, reason = "`!(error <= bound)` fails on NaN, `error > bound` does not")]

use crate::executor::{self, Executor};

/// What the executor computes in.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Precision {
    /// Results are exact up to the rounding of stored values to f32 and of reading them back.
    F64,
    /// Results carry f32's rounding at every operation.
    F32,
    /// Operands of products and convolutions are rounded to f16; everything else is f32.
    Mixed,
}

impl Precision {
    /// What an executor of f32 computes in.
    pub fn of(executor: &dyn Executor) -> Self {
        match executor.precision() {
            executor::Precision::F32 => Precision::F32,
            executor::Precision::Mixed => Precision::Mixed,
        }
    }
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
    /// Means and variances, and what is divided by them: differences of sums that are larger than their result.
    Statistics,
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
            Family::Statistics => 256.0,
            Family::Loss => 16.0,
            Family::Update => 32.0,
            Family::Training => 4096.0,
        }
    }
}

/// Half an f32 unit in the last place, relative.
const UNIT: f64 = 1.0 / (1u64 << 24) as f64;

/// Half an f16 unit in the last place, relative.
const NARROW: f64 = 1.0 / (1u64 << 11) as f64;

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
            // Two operands, each off by half a unit of f16's 11 bits at most; activations and their derivatives behind them
            // have slopes of up to 1.13.
            Precision::Mixed if family == Family::Contraction => 2.0 * NARROW * 1.13 * 1.13 + UNIT * family.factor(),
            Precision::F32 | Precision::Mixed => UNIT * family.factor(),
        };
        Tolerance { relative }
    }

    /// The bound relative to the scale, for people to read.
    pub fn relative(&self) -> f64 {
        self.relative + 2.0 * UNIT
    }

    /// Compares element by element; `scale` may be empty when results do not cancel.
    ///
    /// # Errors
    /// Names the worst element when one is out of bounds, or the lengths when they differ.
    pub fn check(&self, got: &[f32], want: &[f32], scale: &[f64]) -> Result<(), String> {
        let worst = self.compare(got, want, scale)?;
        if !(worst.ratio <= 1.0) { Err(worst.note()) } else { Ok(()) }
    }

    /// The element that is worst in units of its bound.
    ///
    /// # Errors
    /// When the lengths differ.
    pub fn compare(&self, got: &[f32], want: &[f32], scale: &[f64]) -> Result<Worst, String> {
        if got.len() != want.len() || !(scale.is_empty() || scale.len() == want.len()) {
            return Err(format!("{} values, {} expected, {} scales", got.len(), want.len(), scale.len()));
        }
        let mut worst = Worst::default();
        for (i, (&g, &w)) in got.iter().zip(want).enumerate() {
            let (g, w) = (f64::from(g), f64::from(w));
            let scale = scale.get(i).copied().unwrap_or(0.0).max(w.abs());
            // Both sides were rounded to f32 once, and may have been flushed where they were subnormal.
            let bound = self.relative * scale + 2.0 * UNIT * w.abs() + 1e-37;
            let error = if g == w { 0.0 } else { (g - w).abs() };
            let ratio = error / bound;
            // A bound that is no finite number would excuse everything.
            let ratio = if bound.is_finite() && !ratio.is_nan() || error == 0.0 { ratio } else { f64::INFINITY };
            if !(ratio <= worst.ratio) || i == 0 {
                let ratio = if error == 0.0 { 0.0 } else { ratio };
                worst = Worst { ratio, error: error / scale.max(1e-37), element: i, got: g, want: w, bound };
            }
        }
        Ok(worst)
    }
}

/// The worst element of a comparison.
#[derive(Clone, Copy, Debug, Default)]
pub struct Worst {
    /// Its error in units of the bound; infinite where something is not finite. At most 1 is good.
    pub ratio: f64,
    /// Its error relative to the scale.
    pub error: f64,
    element: usize,
    got: f64,
    want: f64,
    bound: f64,
}

impl Worst {
    /// What was found and what was expected.
    pub fn note(&self) -> String {
        let Worst { ratio, element, got, want, bound, .. } = self;
        format!("element {element}: {got:e}, expected {want:e}; {ratio:.3} times the bound {bound:e}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_finite_excuses_nothing() {
        let tolerance = Tolerance::of(Family::Elementwise, Precision::F32);
        let inf = f32::INFINITY;
        assert!(tolerance.check(&[1.0, inf, -inf], &[1.0, inf, -inf], &[]).is_ok());
        for (got, want) in [(f32::NAN, 0.0), (0.0, f32::NAN), (f32::NAN, f32::NAN), (1.0, inf), (inf, 1.0), (inf, -inf)]
        {
            assert!(tolerance.check(&[0.0, got, 0.0], &[0.0, want, 0.0], &[]).is_err(), "{got} for {want}");
        }
        for scale in [f64::INFINITY, f64::NAN] {
            assert!(tolerance.check(&[1.0, 2.0], &[1.0, 1.0], &[1.0, scale]).is_err(), "{scale}");
        }
        assert!(tolerance.check(&[1.0], &[1.0, 1.0], &[]).is_err());
        let worst = tolerance.compare(&[1.0, 1.1, f32::NAN, 1.2], &[1.0; 4], &[]).unwrap();
        assert!(worst.ratio.is_infinite() && worst.note().contains("element 2"), "{}", worst.note());
    }
}
