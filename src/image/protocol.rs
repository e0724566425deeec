//! The protocol of super-resolution papers: how low-resolution inputs are made and outputs are scored.
//!
//! Ground truth is cropped at the right and bottom to a multiple of the scale; the input is its bicubic reduction,
//! rounded to 8 bits (MATLAB's `imresize` of a `uint8` picture, bit for bit). Scores compare 8-bit luma (BT.601, 16..=235)
//! with `scale` pixels left out at every border. A set's figure is the mean over its pictures. For a fraction such as 3/2
//! the multiple is that of its numerator, and borders are rounded up.
//!
//! A grey file is taken as luma as it stands; an RGB file with equal channels is colour, and its luma is 16..=235. Alpha
//! takes no part. 16-bit pictures are rounded to 8 bits first. NaN anywhere makes the figures NaN.

use std::fmt;
use std::str::FromStr;

use super::resize::{Rounding, imresize, modcrop};
use super::score::{Score, score};
use super::{Depth, Picture, Plane, colour};
use crate::{Error, Result};

/// An enlargement as a fraction in lowest terms: 2, or 3/2 for 1.5.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Factor {
    above: usize,
    below: usize,
}

impl Factor {
    /// As a number.
    pub fn value(self) -> f64 {
        self.above as f64 / self.below as f64
    }

    /// The whole number that it is, if it is one.
    pub fn whole(self) -> Option<usize> {
        (self.below == 1).then_some(self.above)
    }

    /// Pixels that are left out at each border: the factor, rounded up.
    fn border(self) -> usize {
        self.above.div_ceil(self.below.max(1))
    }

    /// Pixels of the low-resolution side for those of the ground truth's, a multiple of the fraction's numerator.
    fn reduce(self, side: usize) -> usize {
        side / self.above * self.below
    }

    fn down(self, plane: &Plane, rounding: Rounding) -> Plane {
        let plane = modcrop(plane, self.above);
        let [width, height] = [plane.width, plane.height].map(|side| self.reduce(side));
        imresize(&plane, width, height, self.below as f64 / self.above as f64, rounding)
    }

    fn up(self, plane: &Plane, rounding: Rounding) -> Plane {
        let [width, height] = [plane.width, plane.height].map(|side| side / self.below * self.above);
        imresize(plane, width, height, self.value(), rounding)
    }
}

impl From<usize> for Factor {
    fn from(scale: usize) -> Factor {
        Factor { above: scale, below: 1 }
    }
}

impl FromStr for Factor {
    type Err = Error;

    /// From 1 to 4, in halves, thirds (`1.333`), quarters or fifths: finer fractions would crop too much of the ground truth.
    fn from_str(text: &str) -> Result<Factor> {
        let bad =
            || Error::input(format!("{text:?} is no factor above 1 up to 4 in halves, thirds, quarters or fifths"));
        let value: f64 = text.parse().map_err(|_| bad())?;
        let fits = |&below: &usize| {
            let above = value * below as f64;
            // 1.333 means four thirds.
            (above - above.round()).abs() < 2e-3 * below as f64 && (below == 3 || (above - above.round()).abs() < 1e-9)
        };
        let below = (1..=5).find(fits).filter(|_| value > 1.0 && value <= 4.0).ok_or_else(bad)?;
        Ok(Factor { above: (value * below as f64).round() as usize, below })
    }
}

impl fmt::Display for Factor {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let text = format!("{:.3}", self.value());
        f.write_str(text.trim_end_matches('0').trim_end_matches('.'))
    }
}

/// In what the bicubic baseline is computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Baseline {
    /// 8-bit luma is reduced and enlarged in floating point and rounded at the end: the published bicubic rows.
    Luma,
    /// The picture is reduced and enlarged as an 8-bit picture, rounded at every pass: what a program does that reads
    /// the low-resolution file and writes a picture. The baseline to put beside [`compare`].
    Rgb,
}

/// The low-resolution input made of a ground-truth picture: 8 bits, grey or RGB as the picture is, without alpha.
///
/// # Errors
/// When the scale is zero or the picture is smaller than it.
pub fn low_resolution(truth: &Picture, factor: impl Into<Factor>) -> Result<Picture> {
    let factor = factor.into();
    check(truth, factor)?;
    let planes = truth.planes.iter().map(|p| factor.down(&p.to_eight_bits(), Rounding::Eight)).collect();
    Ok(Picture { depth: Depth::Eight, ..truth.with_pixels(planes, None) })
}

/// The score of bicubic enlargement of the low-resolution input.
///
/// # Errors
/// When the scale is zero or the picture is too small for it: SSIM needs 11x11 pixels after shaving.
pub fn bicubic(truth: &Picture, factor: impl Into<Factor>, baseline: Baseline) -> Result<Score> {
    let factor = factor.into();
    check(truth, factor)?;
    match baseline {
        Baseline::Luma => {
            let truth = modcrop(&colour::luma(&eight(truth)), factor.above);
            let low = factor.down(&truth, Rounding::None);
            score(&factor.up(&low, Rounding::None).to_eight_bits(), &truth, factor.border())
        }
        Baseline::Rgb => {
            let low = low_resolution(truth, factor)?;
            let planes = low.planes.iter().map(|p| factor.up(p, Rounding::Eight)).collect();
            compare(&low.with_pixels(planes, None), truth, factor)
        }
    }
}

/// The score of a super-resolved picture against its ground truth.
///
/// `output` has the size of the truth, or of the truth cropped to a multiple of the scale. Where the truth is grey and
/// the output RGB, the mean of the output's channels is its grey value; where the truth is RGB and the output grey, the
/// output counts as three equal channels.
///
/// # Errors
/// When sizes do not fit, the scale is zero, or fewer than 11x11 pixels are left after shaving.
pub fn compare(output: &Picture, truth: &Picture, factor: impl Into<Factor>) -> Result<Score> {
    let factor = factor.into();
    check(truth, factor)?;
    let full = colour::luma(&eight(truth));
    let truth_luma = modcrop(&full, factor.above);
    let (width, height) = (truth_luma.width, truth_luma.height);
    let size = (output.width(), output.height());
    if size != (full.width, full.height) && size != (width, height) {
        return Err(Error::input(format!(
            "the picture is {}x{}, but its ground truth cropped to a multiple of {} is {width}x{height}",
            size.0, size.1, factor.above
        )));
    }
    let output = eight(output);
    let luma = match (truth.is_grey(), output.is_grey()) {
        (true, false) => mean(&output.planes).to_eight_bits(),
        (false, true) => colour::luma(&Picture::new(vec![output.planes[0].clone(); 3])),
        _ => colour::luma(&output),
    };
    score(&luma.crop(0, 0, width, height), &truth_luma, factor.border())
}

fn check(truth: &Picture, factor: Factor) -> Result<()> {
    let least = factor.above;
    if least == 0 || truth.width() < least || truth.height() < least {
        return Err(Error::input(format!(
            "a picture of {}x{} pixels cannot be reduced {factor} times",
            truth.width(),
            truth.height()
        )));
    }
    Ok(())
}

/// The colour planes rounded to 8 bits.
fn eight(picture: &Picture) -> Picture {
    Picture::new(picture.planes.iter().map(Plane::to_eight_bits).collect())
}

/// The mean of three 8-bit planes.
fn mean(planes: &[Plane]) -> Plane {
    let [r, g, b] = planes else { unreachable!("a colour picture has three planes") };
    // Sums of bytes are exact in f32; a third of them never ties, so f32 rounds as f64 does.
    let data = r.data.iter().zip(&g.data).zip(&b.data).map(|((r, g), b)| (r + g + b) / 3.0).collect();
    Plane { data, ..*r }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grey() -> Plane {
        Plane::from_fn(35, 33, |x, y| ((x * 11 + y * 17 + (x / 5) * (y / 7) * 23) % 256) as f32)
    }

    #[test]
    fn the_truth_scores_perfectly_cropped_or_not() {
        let truth = Picture::new(vec![grey(); 3]);
        for output in [truth.clone(), truth.map(|p| modcrop(p, 4))] {
            let score = compare(&output, &truth, 4).unwrap();
            assert_eq!(score.psnr, f64::INFINITY);
            assert!((score.ssim - 1.0).abs() < 1e-12);
        }
    }

    #[test]
    fn grey_rules() {
        let (one, three) = (Picture::new(vec![grey()]), Picture::new(vec![grey(); 3]));
        assert_eq!(compare(&three, &one, 2).unwrap().psnr, f64::INFINITY);
        assert_eq!(compare(&one, &three, 2).unwrap().psnr, f64::INFINITY);
        // Not the same figure: as luma as it stands, and as luma in 16..=235.
        let (as_grey, as_rgb) =
            (bicubic(&one, 2, Baseline::Luma).unwrap(), bicubic(&three, 2, Baseline::Luma).unwrap());
        assert!(as_rgb.psnr - as_grey.psnr > 1.0, "{as_grey:?} {as_rgb:?}");
    }

    #[test]
    fn factors_are_fractions_in_lowest_terms() {
        let cases =
            [("2", 2, 1), ("1.5", 3, 2), ("2.50", 5, 2), ("1.25", 5, 4), ("1.333", 4, 3), ("3.6", 18, 5), ("4", 4, 1)];
        for (text, above, below) in cases {
            assert_eq!(text.parse::<Factor>().unwrap(), Factor { above, below }, "{text}");
            assert_eq!(text.trim_end_matches('0'), text.parse::<Factor>().unwrap().to_string(), "{text}");
        }
        for text in ["1", "0.5", "4.5", "1.4142", "NaN", "x2"] {
            assert!(text.parse::<Factor>().unwrap_err().to_string().contains(text), "{text}");
        }
    }

    #[test]
    fn a_fraction_is_reduced_and_compared_at_its_numerators_multiple() {
        let truth = Picture::new(vec![grey()]);
        let factor: Factor = "1.5".parse().unwrap();
        let low = low_resolution(&truth, factor).unwrap();
        assert_eq!((low.width(), low.height()), (22, 22));
        let exact = truth.map(|p| modcrop(p, 3));
        assert_eq!(compare(&exact, &truth, factor).unwrap().psnr, f64::INFINITY);
        // Less is lost than at 2.
        let of = |factor: Factor| bicubic(&truth, factor, Baseline::Luma).unwrap().psnr;
        assert!(of(factor) > of(2.into()) + 0.5);
    }

    #[test]
    fn wrong_sizes_are_errors() {
        let truth = Picture::new(vec![grey()]);
        let output = Picture::new(vec![Plane::filled(36, 33, 0.0)]);
        assert!(compare(&output, &truth, 2).unwrap_err().to_string().contains("34x32"));
        assert!(low_resolution(&truth, 0).is_err() && low_resolution(&truth, 34).is_err());
        assert!(bicubic(&truth, 12, Baseline::Luma).is_err());
    }
}
