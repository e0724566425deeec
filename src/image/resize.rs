//! Bicubic resizing as MATLAB's `imresize(a, scale, 'bicubic')` does it.
//!
//! Keys' cubic convolution kernel with a = -0.5 (R. Keys, "Cubic convolution interpolation for digital image processing",
//! 1981); when shrinking, the kernel is stretched by 1/scale (antialiasing); samples beyond a border are mirrored, the
//! border sample repeated. The vertical pass runs first, then the horizontal one, as MATLAB does for equal scales.
//! Sums are f64; a pixel costs its taps only (4 enlarging, 4/scale shrinking).
//!
//! The same two passes serve the other kernels that pictures are reduced with ([`resize`]) and symmetric blurs ([`convolve`]).

use super::plane::round_to_byte;
use super::{Picture, Plane};
use rayon::prelude::*;
use std::ops::Range;

/// Whether samples are rounded to 8 bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rounding {
    /// Not at all, as MATLAB does for floating-point pictures. Overshoot beyond 0..=255 stays.
    None,
    /// After each of the two passes, half away from zero, saturated to 0..=255, as MATLAB does for `uint8` pictures.
    Eight,
}

/// What a sample is interpolated with; all but [`Kernel::Nearest`] are stretched when shrinking (antialiasing).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kernel {
    /// Keys' cubic, a = -0.5: MATLAB, Pillow.
    Bicubic,
    /// The mean of the pixels that an output pixel covers (Pillow's BOX); enlarging, the nearest.
    Area,
    /// The triangle.
    Bilinear,
    /// The windowed sinc with three lobes (C. Duchon, "Lanczos filtering in one and two dimensions", 1979).
    Lanczos,
    /// The sample at or before the position, none other: output `i` is input `floor(i / scale)`, as OpenCV and PyTorch do.
    Nearest,
}

impl Kernel {
    /// Where the kernel ends, on either side.
    fn radius(self) -> f64 {
        match self {
            Kernel::Bicubic => 2.0,
            Kernel::Area | Kernel::Nearest => 0.5,
            Kernel::Bilinear => 1.0,
            Kernel::Lanczos => 3.0,
        }
    }

    fn weight(self, x: f64) -> f64 {
        match self {
            Kernel::Bicubic => cubic(x),
            // Half open, so that a sample on the border of two output pixels counts once.
            Kernel::Area | Kernel::Nearest => f64::from(u8::from((-0.5..0.5).contains(&x))),
            Kernel::Bilinear => (1.0 - x.abs()).max(0.0),
            Kernel::Lanczos if x.abs() < 3.0 => sinc(x) * sinc(x / 3.0),
            Kernel::Lanczos => 0.0,
        }
    }
}

/// `sin(pi x) / (pi x)`
pub(crate) fn sinc(x: f64) -> f64 {
    let angle = std::f64::consts::PI * x;
    if angle == 0.0 { 1.0 } else { angle.sin() / angle }
}

/// The sparse rows of one axis' resize matrix: output sample `i` is the sum of `weight * input[index]` over its taps.
#[derive(Clone, Debug)]
struct Taps {
    /// `starts[i]..starts[i + 1]` are the entries of output `i`.
    starts: Vec<usize>,
    /// Input index and weight; within one output the indices ascend and are distinct, and the weights sum to 1.
    entries: Vec<(usize, f64)>,
}

impl Taps {
    fn new(inputs: usize, outputs: usize, scale: f64, kernel: Kernel) -> Self {
        if kernel == Kernel::Nearest {
            let entry = |output: usize| (((output as f64 / scale) as usize).min(inputs - 1), 1.0);
            return Self { starts: (0..=outputs).collect(), entries: (0..outputs).map(entry).collect() };
        }
        let stretch = scale.min(1.0);
        let width = 2.0 * kernel.radius() / stretch;
        let count = width.ceil() as usize + 2;
        let mut starts = vec![0];
        let mut entries: Vec<(usize, f64)> = Vec::with_capacity(outputs * count);
        let mut row: Vec<(usize, f64)> = Vec::with_capacity(count);
        for output in 1..=outputs {
            // Centre of the output sample in input coordinates; both count from 1, as in MATLAB.
            let centre = output as f64 / scale + 0.5 * (1.0 - 1.0 / scale);
            let left = (centre - width / 2.0).floor();
            row.clear();
            let mut total = 0.0;
            for tap in 0..count {
                let position = left + tap as f64;
                let weight = stretch * kernel.weight(stretch * (centre - position));
                total += weight;
                row.push((mirror(position as i64 - 1, inputs), weight));
            }
            row.sort_by_key(|&(index, _)| index);
            let start = entries.len();
            for &(index, weight) in row.iter().filter(|&&(_, weight)| weight != 0.0) {
                match entries[start..].last_mut() {
                    Some(last) if last.0 == index => last.1 += weight / total,
                    _ => entries.push((index, weight / total)),
                }
            }
            starts.push(entries.len());
        }
        Self { starts, entries }
    }

    /// Every sample of `count` becomes the weighted sum of those around it; `weights` has the middle one in its middle.
    fn around(count: usize, weights: &[f64]) -> Self {
        let middle = weights.len() as i64 / 2;
        let row = |at: usize| weights.iter().zip(-middle..).map(move |(&w, k)| (mirror(at as i64 + k, count), w));
        Self { starts: (0..=count).map(|at| at * weights.len()).collect(), entries: (0..count).flat_map(row).collect() }
    }

    fn of(&self, output: usize) -> &[(usize, f64)] {
        &self.entries[self.starts[output]..self.starts[output + 1]]
    }
}

/// Keys' kernel, a = -0.5; zero beyond 2.
fn cubic(x: f64) -> f64 {
    let x = x.abs();
    let (square, cube) = (x * x, x * x * x);
    if x <= 1.0 {
        1.5 * cube - 2.5 * square + 1.0
    } else if x <= 2.0 {
        -0.5 * cube + 2.5 * square - 4.0 * x + 2.0
    } else {
        0.0
    }
}

/// The sample that stands at `position` when `0..count` is continued as `count-1..=0`, `0..count`, ...
pub(crate) fn mirror(position: i64, count: usize) -> usize {
    let folded = position.rem_euclid(2 * count as i64) as usize;
    if folded < count { folded } else { 2 * count - 1 - folded }
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
    fn of(value: f64) -> f64 {
        value
    }
    fn sample(value: f32) -> f64 {
        value.into()
    }
    fn wide(self) -> f64 {
        self
    }
    fn narrow(self) -> f32 {
        self as f32
    }
}

impl Sum for f32 {
    const ZERO: f32 = 0.0;
    fn of(value: f64) -> f32 {
        value as f32
    }
    fn sample(value: f32) -> f32 {
        value
    }
    fn wide(self) -> f64 {
        self.into()
    }
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
        let taps = &self.vertical.entries[self.vertical.starts[rows.start]..self.vertical.starts[rows.end]];
        let (first, last) = (taps.iter().map(|t| t.0).min(), taps.iter().map(|t| t.0).max());
        first.unwrap_or(0)..last.map_or(0, |last| last + 1)
    }

    /// Makes at most [`LANES`] output rows from `first` on: `out` is of whole rows, `input` gives a row.
    pub fn block<'a, S: Sum>(
        &self,
        first: usize,
        input: impl Fn(usize) -> &'a [f32],
        out: &mut [f32],
        scratch: &mut Scratch<S>,
    ) {
        let width = self.horizontal.starts.len() - 1;
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
    let (out_width, out_height) = (resizer.horizontal.starts.len() - 1, resizer.vertical.starts.len() - 1);
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

    fn row(inputs: usize, outputs: usize, scale: f64, output: usize) -> Vec<f64> {
        let mut row = vec![0.0; inputs];
        for &(index, weight) in Taps::new(inputs, outputs, scale, Kernel::Bicubic).of(output) {
            row[index] += weight;
        }
        row
    }

    #[test]
    fn known_rows_of_matlab() {
        let up = row(8, 16, 2.0, 7);
        assert_eq!(up, [0.0, 0.0, -0.0703125, 0.8671875, 0.2265625, -0.0234375, 0.0, 0.0]);
        let down = row(16, 8, 0.5, 3);
        let expected = [-3.0, -9.0, 29.0, 111.0, 111.0, 29.0, -9.0, -3.0].map(|v| v / 256.0);
        assert_eq!(down[3..11], expected);
        assert!(down[..3].iter().chain(&down[11..]).all(|&w| w == 0.0));
    }

    #[test]
    fn rows_sum_to_one_and_indices_ascend() {
        for (inputs, scale) in [(30, 0.5), (31, 1.0 / 3.0), (12, 2.0), (10, 4.0), (1, 3.0), (2, 0.25)] {
            let outputs = (inputs as f64 * scale - 1e-9).ceil() as usize;
            for kernel in [Kernel::Bicubic, Kernel::Area, Kernel::Bilinear, Kernel::Lanczos, Kernel::Nearest] {
                let taps = Taps::new(inputs, outputs, scale, kernel);
                for output in 0..outputs {
                    let sum: f64 = taps.of(output).iter().map(|t| t.1).sum();
                    assert!((sum - 1.0).abs() < 1e-12, "{inputs} x{scale}, {kernel:?}, row {output}: {sum}");
                    assert!(taps.of(output).windows(2).all(|pair| pair[0].0 < pair[1].0));
                }
            }
        }
    }

    #[test]
    fn half_the_size_by_other_kernels() {
        let row = |kernel| Taps::new(16, 8, 0.5, kernel).of(3).to_vec();
        assert_eq!(row(Kernel::Area), [(6, 0.5), (7, 0.5)]);
        assert_eq!(row(Kernel::Bilinear), [(5, 0.125), (6, 0.375), (7, 0.375), (8, 0.125)]);
        assert_eq!(row(Kernel::Nearest), [(6, 1.0)]);
        assert_eq!(row(Kernel::Lanczos).len(), 12);
        let plane = Plane::from_fn(9, 7, |x, y| (x * y) as f32);
        assert_eq!(resize(&plane, 9, 7, Kernel::Area), plane, "nothing to do");
        assert_eq!(convolve(&plane, &[0.0, 1.0, 0.0]), plane);
    }

    #[test]
    fn borders_are_mirrored_with_the_border_sample_repeated() {
        let folded: Vec<usize> = (-4..8).map(|i| mirror(i, 3)).collect();
        assert_eq!(folded, [2, 2, 1, 0, 0, 1, 2, 2, 1, 0, 0, 1]);
    }

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
}
