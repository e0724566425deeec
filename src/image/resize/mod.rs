//! Bicubic resizing as MATLAB's `imresize(a, scale, 'bicubic')` does it.
//!
//! Keys' cubic convolution kernel with a = -0.5 (R. Keys, "Cubic convolution interpolation for digital image processing",
//! 1981); when shrinking, the kernel is stretched by 1/scale (antialiasing); samples beyond a border are mirrored, the
//! border sample repeated. The vertical pass runs first, then the horizontal one, as MATLAB does for equal scales.
//! Sums are f64; a pixel costs its taps only (4 enlarging, 4/scale shrinking).
//!
//! The same two passes serve the other kernels that pictures are reduced with ([`resize`]) and symmetric blurs ([`convolve`]).

mod taps;

use super::plane::round_to_byte;
use super::{Picture, Plane};
use rayon::prelude::*;
use std::ops::Range;
pub use taps::Kernel;
use taps::Taps;
pub(crate) use taps::{mirror, sinc};

/// Whether samples are rounded to 8 bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rounding {
    /// Not at all, as MATLAB does for floating-point pictures. Overshoot beyond 0..=255 stays.
    None,
    /// After each of the two passes, half away from zero, saturated to 0..=255, as MATLAB does for `uint8` pictures.
    Eight,
}

/// Rows that travel together: the horizontal pass runs over them side by side, so that it vectorises whatever the taps.
pub(crate) const LANES: usize = 8;

/// What sums are made in: f64 where MATLAB's figures are repeated, f32 where rows stream.
pub(crate) trait Sum: Copy + std::ops::AddAssign + std::ops::Mul<Output = Self> + Send {
    const ZERO: Self;
    fn of(value: f64) -> Self;
    fn sample(value: f32) -> Self;
    fn wide(self) -> f64;
    fn narrow(self) -> f32;
}

impl Sum for f64 {
    const ZERO: f64 = 0.0;
    #[inline]
    fn of(value: f64) -> f64 {
        value
    }
    #[inline]
    fn sample(value: f32) -> f64 {
        value.into()
    }
    #[inline]
    fn wide(self) -> f64 {
        self
    }
    #[inline]
    fn narrow(self) -> f32 {
        self as f32
    }
}

impl Sum for f32 {
    const ZERO: f32 = 0.0;
    #[inline]
    fn of(value: f64) -> f32 {
        value as f32
    }
    #[inline]
    fn sample(value: f32) -> f32 {
        value
    }
    #[inline]
    fn wide(self) -> f64 {
        self.into()
    }
    #[inline]
    fn narrow(self) -> f32 {
        self
    }
}

/// One resizing, row by row.
#[derive(Clone, Debug)]
pub(crate) struct Resizer {
    vertical: Taps,
    horizontal: Taps,
    rounding: Rounding,
}

/// Working memory of [`Resizer::block`].
#[derive(Default)]
pub(crate) struct Scratch<S> {
    line: Vec<S>,
    block: Vec<[S; LANES]>,
}

impl Resizer {
    /// From `[width, height]` to `[width, height]`; `scale` is that of both axes.
    pub fn new(from: [usize; 2], to: [usize; 2], scale: [f64; 2], rounding: Rounding) -> Resizer {
        Resizer {
            vertical: Taps::new(from[1], to[1], scale[1], Kernel::Bicubic),
            horizontal: Taps::new(from[0], to[0], scale[0], Kernel::Bicubic),
            rounding,
        }
    }

    /// The input rows that output rows are made of.
    pub fn reach(&self, rows: Range<usize>) -> Range<usize> {
        self.vertical.reach(rows)
    }

    /// Makes at most [`LANES`] output rows from `first` on: `out` is of whole rows, `input` gives a row.
    pub fn block<'a, S: Sum>(
        &self,
        first: usize,
        input: impl Fn(usize) -> &'a [f32],
        out: &mut [f32],
        scratch: &mut Scratch<S>,
    ) {
        let width = self.horizontal.outputs();
        let round = |v: S| match self.rounding {
            Rounding::Eight => S::of(round_to_byte(v.wide())),
            Rounding::None => v,
        };
        let Scratch { line, block } = scratch;
        for (lane, y) in (first..first + out.len() / width).enumerate() {
            line.clear();
            for &(row, weight) in self.vertical.of(y) {
                let row = input(row);
                line.resize(row.len(), S::ZERO);
                let weight = S::of(weight);
                line.iter_mut().zip(row).for_each(|(sum, &sample)| *sum += weight * S::sample(sample));
            }
            block.resize(line.len(), [S::ZERO; LANES]);
            block.iter_mut().zip(line.iter()).for_each(|(column, &sum)| column[lane] = round(sum));
        }
        for x in 0..width {
            let mut sums = [S::ZERO; LANES];
            for &(column, weight) in self.horizontal.of(x) {
                let weight = S::of(weight);
                sums.iter_mut().zip(&block[column]).for_each(|(sum, &sample)| *sum += weight * sample);
            }
            for (row, &sum) in out.chunks_exact_mut(width).zip(&sums) {
                row[x] = round(sum).narrow();
            }
        }
    }
}

/// `plane` resized to `out_width` by `out_height`.
///
/// `scale` is output samples per input sample along both axes; it sets the kernel and the sample positions, while the
/// output size says only how many samples are made (MATLAB: `ceil(scale * size)`).
///
/// # Panics
/// When the plane is empty, or `scale` is not a positive number.
pub fn imresize(plane: &Plane, out_width: usize, out_height: usize, scale: f64, rounding: Rounding) -> Plane {
    assert!(plane.width > 0 && plane.height > 0, "an empty plane cannot be resized");
    assert!(scale > 0.0 && scale.is_finite(), "scale {scale}");
    let taps = |inputs, outputs| Taps::new(inputs, outputs, scale, Kernel::Bicubic);
    filter(
        plane,
        Resizer { vertical: taps(plane.height, out_height), horizontal: taps(plane.width, out_width), rounding },
    )
}

/// `plane` resized to `width` by `height` with any kernel, unrounded. The two scales follow from the sizes.
///
/// # Panics
/// When the plane or the result is empty.
pub fn resize(plane: &Plane, width: usize, height: usize, kernel: Kernel) -> Plane {
    assert!(plane.width.min(plane.height).min(width).min(height) > 0, "an empty plane cannot be resized");
    let taps = |inputs, outputs| Taps::new(inputs, outputs, outputs as f64 / inputs as f64, kernel);
    let (vertical, horizontal) = (taps(plane.height, height), taps(plane.width, width));
    filter(plane, Resizer { vertical, horizontal, rounding: Rounding::None })
}

/// `plane` convolved along both axes with `weights`, an odd number of them that sum to 1; borders mirrored, unrounded.
///
/// # Panics
/// When the plane is empty or the number of weights even.
pub fn convolve(plane: &Plane, weights: &[f64]) -> Plane {
    assert!(plane.width.min(plane.height) > 0 && weights.len() % 2 == 1, "{} weights", weights.len());
    let (vertical, horizontal) = (Taps::around(plane.height, weights), Taps::around(plane.width, weights));
    filter(plane, Resizer { vertical, horizontal, rounding: Rounding::None })
}

/// The vertical pass, then the horizontal one.
fn filter(plane: &Plane, resizer: Resizer) -> Plane {
    let (out_width, out_height) = (resizer.horizontal.outputs(), resizer.vertical.outputs());
    let mut data = vec![0.0f32; out_width * out_height];
    if data.is_empty() {
        return Plane::new(out_width, out_height, data);
    }
    data.par_chunks_mut(LANES * out_width).enumerate().for_each_init(Scratch::<f64>::default, |scratch, (i, out)| {
        resizer.block(i * LANES, |y| plane.row(y), out, scratch);
    });
    Plane::new(out_width, out_height, data)
}

/// `plane` cropped at the right and bottom to a multiple of `scale`.
///
/// # Panics
/// When `scale` is zero.
pub fn modcrop(plane: &Plane, scale: usize) -> Plane {
    plane.crop(0, 0, plane.width - plane.width % scale, plane.height - plane.height % scale)
}

/// `plane` cropped to a multiple of `scale`, then shrunk `scale` times.
///
/// # Panics
/// When `scale` is zero or the plane is smaller than `scale` along an axis.
pub fn downscale(plane: &Plane, scale: usize, rounding: Rounding) -> Plane {
    let plane = modcrop(plane, scale);
    imresize(&plane, plane.width / scale, plane.height / scale, 1.0 / scale as f64, rounding)
}

/// `plane` enlarged `scale` times.
///
/// # Panics
/// When `scale` is zero or the plane is empty.
pub fn upscale(plane: &Plane, scale: usize, rounding: Rounding) -> Plane {
    imresize(plane, plane.width * scale, plane.height * scale, scale as f64, rounding)
}

/// [`modcrop`] of every plane of a picture, alpha included.
///
/// # Panics
/// When `scale` is zero.
pub fn modcrop_picture(picture: &Picture, scale: usize) -> Picture {
    picture.map(|plane| modcrop(plane, scale))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rounding_happens_after_each_pass() {
        // The vertical pass alone overshoots 255; rounded, it saturates before the horizontal pass sees it.
        let plane = Plane::from_fn(9, 9, |x, y| if x > 3 && y > 3 { 255.0 } else { 0.0 });
        let floating = upscale(&plane, 2, Rounding::None);
        let eight = upscale(&plane, 2, Rounding::Eight);
        assert!(floating.data.iter().any(|&v| v > 255.0) && floating.data.iter().any(|&v| v < 0.0));
        assert!(eight.data.iter().all(|&v| (0.0..=255.0).contains(&v) && v.fract() == 0.0));
        assert_ne!(eight, floating.to_eight_bits());
    }

    #[test]
    fn axes_are_treated_alike() {
        let plane = Plane::from_fn(13, 17, |x, y| ((x * 37 + y * 91 + x * y) % 256) as f32);
        let transposed = Plane::from_fn(17, 13, |x, y| plane.at(y, x));
        for scale in [1.0 / 3.0, 0.7, 2.0] {
            let a = imresize(&plane, 9, 11, scale, Rounding::None);
            let b = imresize(&transposed, 11, 9, scale, Rounding::None);
            for y in 0..11 {
                for x in 0..9 {
                    assert!((a.at(x, y) - b.at(y, x)).abs() < 1e-3, "x{scale} at {x},{y}");
                }
            }
        }
    }

    #[test]
    fn what_changes_nothing_is_the_plane() {
        let plane = Plane::from_fn(9, 7, |x, y| (x * y) as f32);
        assert_eq!(resize(&plane, 9, 7, Kernel::Area), plane, "nothing to do");
        assert_eq!(convolve(&plane, &[0.0, 1.0, 0.0]), plane);
    }
}
