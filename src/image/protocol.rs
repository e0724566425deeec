//! The protocol of super-resolution papers: how low-resolution inputs are made and outputs are scored.
//!
//! Ground truth is cropped at the right and bottom to a multiple of the scale; the input is its bicubic reduction,
//! rounded to 8 bits (MATLAB's `imresize` of a `uint8` picture, bit for bit). Scores compare 8-bit luma (BT.601, 16..=235)
//! with `scale` pixels left out at every border. A set's figure is the mean over its pictures.
//!
//! A grey file is taken as luma as it stands; an RGB file with equal channels is colour, and its luma is 16..=235. Alpha
//! takes no part. 16-bit pictures are rounded to 8 bits first. NaN anywhere makes the figures NaN.

use super::resize::{Rounding, downscale, modcrop, upscale};
use super::score::{Score, score};
use super::{Depth, Picture, Plane, colour};
use crate::{Error, Result};

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
pub fn low_resolution(truth: &Picture, scale: usize) -> Result<Picture> {
    check(truth, scale)?;
    let planes = truth.planes.iter().map(|p| downscale(&p.to_eight_bits(), scale, Rounding::Eight)).collect();
    Ok(Picture { depth: Depth::Eight, ..truth.with_pixels(planes, None) })
}

/// The score of bicubic enlargement of the low-resolution input.
///
/// # Errors
/// When the scale is zero or the picture is too small for it: SSIM needs 11x11 pixels after shaving.
pub fn bicubic(truth: &Picture, scale: usize, baseline: Baseline) -> Result<Score> {
    check(truth, scale)?;
    match baseline {
        Baseline::Luma => {
            let truth = modcrop(&colour::luma(&eight(truth)), scale);
            let low = downscale(&truth, scale, Rounding::None);
            score(&upscale(&low, scale, Rounding::None).to_eight_bits(), &truth, scale)
        }
        Baseline::Rgb => {
            let low = low_resolution(truth, scale)?;
            let planes = low.planes.iter().map(|p| upscale(p, scale, Rounding::Eight)).collect();
            compare(&low.with_pixels(planes, None), truth, scale)
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
pub fn compare(output: &Picture, truth: &Picture, scale: usize) -> Result<Score> {
    check(truth, scale)?;
    let full = colour::luma(&eight(truth));
    let truth_luma = modcrop(&full, scale);
    let (width, height) = (truth_luma.width, truth_luma.height);
    let size = (output.width(), output.height());
    if size != (full.width, full.height) && size != (width, height) {
        return Err(Error::input(format!(
            "the picture is {}x{}, but its ground truth cropped to a multiple of {scale} is {width}x{height}",
            size.0, size.1
        )));
    }
    let output = eight(output);
    let luma = match (truth.is_grey(), output.is_grey()) {
        (true, false) => mean(&output.planes).to_eight_bits(),
        (false, true) => colour::luma(&Picture::new(vec![output.planes[0].clone(); 3])),
        _ => colour::luma(&output),
    };
    score(&luma.crop(0, 0, width, height), &truth_luma, scale)
}

fn check(truth: &Picture, scale: usize) -> Result<()> {
    if scale == 0 || truth.width() < scale || truth.height() < scale {
        return Err(Error::input(format!(
            "a picture of {}x{} pixels cannot be reduced {scale} times",
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
    fn wrong_sizes_are_errors() {
        let truth = Picture::new(vec![grey()]);
        let output = Picture::new(vec![Plane::filled(36, 33, 0.0)]);
        assert!(compare(&output, &truth, 2).unwrap_err().to_string().contains("34x32"));
        assert!(low_resolution(&truth, 0).is_err() && low_resolution(&truth, 34).is_err());
        assert!(bicubic(&truth, 12, Baseline::Luma).is_err());
    }
}
