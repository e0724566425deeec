//! How an axis is resized: the weights of each output sample.

use std::ops::Range;

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
pub(super) struct Taps {
    /// `starts[i]..starts[i + 1]` are the entries of output `i`.
    starts: Vec<usize>,
    /// Input index and weight; within one output the indices ascend and are distinct, and the weights sum to 1.
    entries: Vec<(usize, f64)>,
}

impl Taps {
    pub fn new(inputs: usize, outputs: usize, scale: f64, kernel: Kernel) -> Self {
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
    pub fn around(count: usize, weights: &[f64]) -> Self {
        let middle = weights.len() as i64 / 2;
        let row = |at: usize| weights.iter().zip(-middle..).map(move |(&w, k)| (mirror(at as i64 + k, count), w));
        Self { starts: (0..=count).map(|at| at * weights.len()).collect(), entries: (0..count).flat_map(row).collect() }
    }

    /// How many output samples there are.
    pub fn outputs(&self) -> usize {
        self.starts.len() - 1
    }

    /// Input index and weight of the samples that an output sample is made of.
    #[inline]
    pub fn of(&self, output: usize) -> &[(usize, f64)] {
        &self.entries[self.starts[output]..self.starts[output + 1]]
    }

    /// The input samples that output samples are made of.
    pub fn reach(&self, outputs: Range<usize>) -> Range<usize> {
        let taps = &self.entries[self.starts[outputs.start]..self.starts[outputs.end]];
        let (first, last) = (taps.iter().map(|t| t.0).min(), taps.iter().map(|t| t.0).max());
        first.unwrap_or(0)..last.map_or(0, |last| last + 1)
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
    }

    #[test]
    fn borders_are_mirrored_with_the_border_sample_repeated() {
        let folded: Vec<usize> = (-4..8).map(|i| mirror(i, 3)).collect();
        assert_eq!(folded, [2, 2, 1, 0, 0, 1, 2, 2, 1, 0, 0, 1]);
    }
}
