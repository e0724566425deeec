//! One channel of a picture.

use rayon::prelude::*;

/// One channel: `height` rows of `width` samples, row after row, in units of 0..=255.
///
/// Samples of 16-bit pictures are `sample / 257`, with fractions. Values outside 0..=255 may stand in a plane (a bicubic
/// overshoot); they saturate on encoding.
#[derive(Clone, Debug, PartialEq)]
pub struct Plane {
    /// Samples per row.
    pub width: usize,
    /// Number of rows.
    pub height: usize,
    /// `width * height` samples, row-major.
    pub data: Vec<f32>,
}

impl Plane {
    /// A plane of the given samples.
    ///
    /// # Panics
    /// When `data` does not hold `width * height` samples.
    pub fn new(width: usize, height: usize, data: Vec<f32>) -> Self {
        assert_eq!(data.len(), width * height, "a {width}x{height} plane");
        Self { width, height, data }
    }

    /// A plane whose sample at column `x`, row `y` is `f(x, y)`.
    pub fn from_fn(width: usize, height: usize, mut f: impl FnMut(usize, usize) -> f32) -> Self {
        let mut data = Vec::with_capacity(width * height);
        for y in 0..height {
            data.extend((0..width).map(|x| f(x, y)));
        }
        Self { width, height, data }
    }

    /// A plane that holds `value` everywhere.
    pub fn filled(width: usize, height: usize, value: f32) -> Self {
        Self { width, height, data: vec![value; width * height] }
    }

    /// The sample at column `x`, row `y`.
    ///
    /// # Panics
    /// Outside the plane.
    pub fn at(&self, x: usize, y: usize) -> f32 {
        self.row(y)[x]
    }

    /// Row `y`.
    ///
    /// # Panics
    /// Below the last row.
    pub fn row(&self, y: usize) -> &[f32] {
        &self.data[y * self.width..][..self.width]
    }

    /// The part of `width` by `height` samples whose top left corner is at column `x`, row `y`.
    ///
    /// # Panics
    /// When that part reaches beyond the plane.
    pub fn crop(&self, x: usize, y: usize, width: usize, height: usize) -> Plane {
        assert!(
            x + width <= self.width && y + height <= self.height,
            "crop beyond a {}x{} plane",
            self.width,
            self.height
        );
        let mut data = Vec::with_capacity(width * height);
        for row in y..y + height {
            data.extend_from_slice(&self.row(row)[x..x + width]);
        }
        Plane { width, height, data }
    }

    /// Samples rounded to whole numbers, half away from zero, saturated to 0..=255: MATLAB's `uint8()`. NaN stays NaN.
    pub fn to_eight_bits(&self) -> Plane {
        let data = self.data.par_iter().with_min_len(1 << 14).map(|&v| round_to_byte(f64::from(v)) as f32).collect();
        Plane { data, ..*self }
    }
}

/// MATLAB's `uint8()`: half away from zero, saturating. Below zero saturation makes half up the same as half away. NaN
/// stays NaN.
pub(crate) fn round_to_byte(value: f64) -> f64 {
    (value + 0.5).floor().clamp(0.0, 255.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rounding_is_half_up_and_saturates() {
        let plane = Plane::new(7, 1, vec![-3.0, -0.5, 0.49, 0.5, 254.5, 300.0, f32::NAN]);
        let rounded = plane.to_eight_bits();
        assert_eq!(rounded.data[..6], [0.0, 0.0, 0.0, 1.0, 255.0, 255.0]);
        assert!(rounded.data[6].is_nan());
    }

    #[test]
    fn crop_takes_the_named_part() {
        let plane = Plane::from_fn(5, 4, |x, y| (10 * y + x) as f32);
        assert_eq!(plane.crop(1, 2, 3, 2).data, [21.0, 22.0, 23.0, 31.0, 32.0, 33.0]);
    }
}
