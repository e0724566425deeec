//! The numbers the executor computes with: `f32` in use, `f64` as the oracle of the tests.

use std::fmt::Debug;
use std::iter::Sum;
use std::ops::{Add, AddAssign, Div, Mul, MulAssign, Neg, Sub};

use gemm::Parallelism;

/// A floating-point type that every operator is written for.
pub trait Real:
    Copy
    + Debug
    + Default
    + PartialOrd
    + Send
    + Sync
    + Sum
    + Add<Output = Self>
    + Sub<Output = Self>
    + Mul<Output = Self>
    + Div<Output = Self>
    + Neg<Output = Self>
    + AddAssign
    + MulAssign
    + 'static
{
    /// 0
    const ZERO: Self;
    /// 1
    const ONE: Self;
    /// Not a number: what poisoned memory holds.
    const NAN: Self;
    /// For the device's name.
    const NAME: &'static str;
    /// Nearest value.
    fn of(x: f64) -> Self;
    /// A constant that a person wrote: see `decimal`.
    fn constant(x: f32) -> Self;
    /// Widened, exactly.
    fn wide(self) -> f64;
    /// Nearest `f32`.
    fn narrow(self) -> f32;
    /// Absolute value.
    fn abs(self) -> Self;
    /// Square root.
    fn sqrt(self) -> Self;
    /// Natural exponential.
    fn exp(self) -> Self;
    /// `exp(x) - 1`, accurate near 0.
    fn exp_m1(self) -> Self;
    /// Natural logarithm.
    fn ln(self) -> Self;
    /// `ln(1 + x)`, accurate near 0.
    fn ln_1p(self) -> Self;
    /// Hyperbolic tangent.
    fn tanh(self) -> Self;
    /// Complementary error function, accurate in both tails.
    fn erfc(self) -> Self;
    /// `C = A B`, or `C += A B`.
    ///
    /// # Safety
    /// Every element that the extents and strides (row, column) reach must lie inside its buffer.
    unsafe fn gemm(
        extents: [usize; 3],
        c: (*mut Self, usize),
        a: (*const Self, usize, usize),
        b: (*const Self, usize, usize),
        add: bool,
        parallelism: Parallelism,
    );

    /// The larger; NaN when `self` is NaN.
    #[inline(always)]
    fn at_least(self, floor: Self) -> Self {
        if self < floor { floor } else { self }
    }
}

macro_rules! gemm_call {
    ($extents:ident, $c:ident, $a:ident, $b:ident, $add:ident, $parallelism:ident) => {{
        let [m, n, k] = $extents;
        let stride = |s: usize| s as isize;
        let alpha = if $add { 1.0 } else { 0.0 };
        // SAFETY: the caller vouches for extents and strides.
        unsafe {
            gemm::gemm(
                m,
                n,
                k,
                $c.0,
                1,
                stride($c.1),
                $add,
                $a.0,
                stride($a.2),
                stride($a.1),
                $b.0,
                stride($b.2),
                stride($b.1),
                alpha,
                1.0,
                false,
                false,
                false,
                $parallelism,
            )
        }
    }};
}

impl Real for f32 {
    const ZERO: Self = 0.0;
    const ONE: Self = 1.0;
    const NAN: Self = f32::NAN;
    const NAME: &'static str = "f32";

    #[inline(always)]
    fn of(x: f64) -> Self {
        x as f32
    }
    #[inline(always)]
    fn constant(x: f32) -> Self {
        x
    }
    #[inline(always)]
    fn wide(self) -> f64 {
        f64::from(self)
    }
    #[inline(always)]
    fn narrow(self) -> f32 {
        self
    }
    #[inline(always)]
    fn abs(self) -> Self {
        f32::abs(self)
    }
    #[inline(always)]
    fn sqrt(self) -> Self {
        f32::sqrt(self)
    }

    /// Polynomial of Cephes' `expf`, relative error below 2e-7; free of branches, so that loops vectorise.
    #[inline(always)]
    fn exp(self) -> Self {
        const ROUND: f32 = 12_582_912.0; // 1.5 * 2^23: adding it leaves the nearest integer in the low bits
        let x = self.clamp(-104.0, 89.0);
        let shifted = x * std::f32::consts::LOG2_E + ROUND;
        let n = shifted - ROUND;
        let r = x - n * 0.693_359_4 + n * 2.121_944_4e-4;
        let p = 1.987_569_1e-4;
        let p = p * r + 1.398_199_9e-3;
        let p = p * r + 8.333_452e-3;
        let p = p * r + 4.166_579_6e-2;
        let p = p * r + 1.666_666_5e-1;
        let p = p * r + 5e-1;
        let y = p * r * r + r + 1.0;
        // 2^n in two factors: each exponent stays in range where the result is subnormal or infinite.
        let n = (shifted.to_bits() as i32).wrapping_sub(ROUND.to_bits() as i32);
        let half = n >> 1;
        let power = |e: i32| f32::from_bits((e.wrapping_add(127) << 23) as u32);
        y * power(half) * power(n.wrapping_sub(half))
    }
    #[inline(always)]
    fn exp_m1(self) -> Self {
        f32::exp_m1(self)
    }
    #[inline(always)]
    fn ln(self) -> Self {
        f32::ln(self)
    }
    #[inline(always)]
    fn ln_1p(self) -> Self {
        f32::ln_1p(self)
    }

    /// Cephes' `tanhf`: an odd polynomial near 0, from `exp` beyond.
    #[inline(always)]
    fn tanh(self) -> Self {
        let z = self * self;
        let p = -5.704_988_7e-3;
        let p = p * z + 2.063_909e-2;
        let p = p * z - 5.373_971_6e-2;
        let p = p * z + 1.333_144_2e-1;
        let p = p * z - 3.333_328_3e-1;
        let near = p * z * self + self;
        let far = 1.0 - 2.0 / (Real::exp(2.0 * f32::abs(self)) + 1.0);
        if f32::abs(self) < 0.625 { near } else { far.copysign(self) }
    }

    /// Rational Chebyshev fit of Numerical Recipes (`erfcc`), relative error below 1.2e-7 before rounding.
    #[inline(always)]
    fn erfc(self) -> Self {
        let z = f32::abs(self);
        let t = 1.0 / (1.0 + 0.5 * z);
        let p = 0.170_872_77;
        let p = p * t - 0.822_152_23;
        let p = p * t + 1.488_515_9;
        let p = p * t - 1.135_204;
        let p = p * t + 0.278_868_07;
        let p = p * t - 0.186_288_06;
        let p = p * t + 0.096_784_18;
        let p = p * t + 0.374_091_96;
        let p = p * t + 1.000_023_7;
        let p = p * t - 1.265_512_2;
        let tail = t * Real::exp(p - z * z);
        if self < 0.0 { 2.0 - tail } else { tail }
    }

    unsafe fn gemm(
        extents: [usize; 3],
        c: (*mut Self, usize),
        a: (*const Self, usize, usize),
        b: (*const Self, usize, usize),
        add: bool,
        parallelism: Parallelism,
    ) {
        gemm_call!(extents, c, a, b, add, parallelism)
    }
}

impl Real for f64 {
    const ZERO: Self = 0.0;
    const ONE: Self = 1.0;
    const NAN: Self = f64::NAN;
    const NAME: &'static str = "f64";

    fn of(x: f64) -> Self {
        x
    }
    fn constant(x: f32) -> Self {
        decimal(x)
    }
    fn wide(self) -> f64 {
        self
    }
    fn narrow(self) -> f32 {
        self as f32
    }
    fn abs(self) -> Self {
        f64::abs(self)
    }
    fn sqrt(self) -> Self {
        f64::sqrt(self)
    }
    fn exp(self) -> Self {
        f64::exp(self)
    }
    fn exp_m1(self) -> Self {
        f64::exp_m1(self)
    }
    fn ln(self) -> Self {
        f64::ln(self)
    }
    fn ln_1p(self) -> Self {
        f64::ln_1p(self)
    }
    fn tanh(self) -> Self {
        f64::tanh(self)
    }

    /// Series of positive terms below 2.5, continued fraction (Lentz) beyond: Abramowitz & Stegun 7.1.6 and 7.1.14.
    fn erfc(self) -> Self {
        let z = f64::abs(self);
        let gauss = f64::exp(-z * z);
        let tail = if z < 2.5 {
            let (mut term, mut sum, mut n) = (z, z, 1.0);
            while term > 1e-18 * sum {
                term *= 2.0 * z * z / (2.0 * n + 1.0);
                sum += term;
                n += 1.0;
            }
            1.0 - std::f64::consts::FRAC_2_SQRT_PI * gauss * sum
        } else {
            let fraction = (1..=80).rev().fold(z, |f, n| z + 0.5 * f64::from(n) / f);
            gauss * std::f64::consts::FRAC_2_SQRT_PI / (2.0 * fraction)
        };
        if self < 0.0 { 2.0 - tail } else { tail }
    }

    unsafe fn gemm(
        extents: [usize; 3],
        c: (*mut Self, usize),
        a: (*const Self, usize, usize),
        b: (*const Self, usize, usize),
        add: bool,
        parallelism: Parallelism,
    ) {
        gemm_call!(extents, c, a, b, add, parallelism)
    }
}

/// The number a person meant: `0.999f32` was written 0.999, and `1 - 0.999` must not inherit its rounding.
pub(super) fn decimal(x: f32) -> f64 {
    let mut text = [0u8; 64];
    let mut rest = &mut text[..];
    let written = std::io::Write::write_fmt(&mut rest, format_args!("{x}"));
    let left = rest.len();
    let digits = std::str::from_utf8(&text[..64 - left]).ok().filter(|_| written.is_ok());
    digits.and_then(|d| d.parse().ok()).unwrap_or(f64::from(x))
}

#[cfg(test)]
mod tests {
    use super::{Real, decimal};

    #[test]
    fn fast_functions_keep_six_digits_and_handle_the_extremes() {
        let close = |a: f32, b: f64| ((f64::from(a) - b) / b.abs().max(1e-37)).abs() < 1e-6;
        for i in -8700..8800 {
            let x = i as f32 * 0.01;
            assert!(close(Real::exp(x), f64::exp(x.into())), "exp {x}");
            if i != 0 {
                assert!(close(Real::tanh(x), f64::tanh(x.into())), "tanh {x}");
            }
            if (-800..800).contains(&i) {
                assert!(close(Real::erfc(x), Real::erfc(f64::from(x))) || x > 3.0, "erfc {x}");
            }
        }
        assert_eq!((Real::exp(200f32), Real::exp(-200f32)), (f32::INFINITY, 0.0));
        assert!(Real::exp(f32::NAN).is_nan() && Real::tanh(f32::NAN).is_nan());
        assert_eq!(Real::tanh(100f32), 1.0);
    }

    #[test]
    fn both_branches_of_the_wide_erfc_meet() {
        for (x, want) in
            [(0.5, 0.479_500_122_186_953_5), (2.0, 0.004_677_734_981_047_266), (3.0, 2.209_049_699_858_544e-5)]
        {
            assert!((Real::erfc(x) / want - 1.0f64).abs() < 1e-12, "{x}");
        }
        assert!((Real::erfc(2.5 - 1e-12) / Real::erfc(2.5f64) - 1.0).abs() < 1e-10);
    }

    #[test]
    fn decimals_are_what_was_written() {
        assert_eq!((decimal(0.999), decimal(0.05), decimal(1e-8)), (0.999, 0.05, 1e-8));
    }
}
