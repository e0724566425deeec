//! One thing that befalls a picture, and doing it.

use jpeg_encoder::{ChromaSubsamplingMethod, ColorType, Encoder, SamplingFactor};

use crate::data::Raster;
use crate::image::resize::{self, Kernel};
use crate::image::{Picture, Plane};
use crate::{Error, Result};

const NOISE_STREAM: u32 = 0x4e4f_4953;

/// A stage with its strengths.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(in crate::internal::data) enum Stage {
    /// A round Gaussian of standard deviation `sigma` pixels.
    Blur { sigma: f32 },
    /// A Gaussian whose longer axis (standard deviation `along`) is `angle`, within an eighth of a turn, off the vertical.
    Slant { along: f32, across: f32, angle: f32 },
    /// A low pass at `cutoff` of the highest frequency, steep enough to leave rings.
    Ring { cutoff: f32 },
    /// To a size in pixels, width first.
    Resize { size: [usize; 2], kernel: Kernel },
    /// Unsharp mask.
    Sharpen { amount: f32, sigma: f32 },
    /// Normal noise.
    Noise { sigma: f32, grey: bool, poisson: bool, seed: u32 },
    /// To 8 bits.
    Round,
    /// Compressed and read again.
    Jpeg { quality: u8, subsampled: bool },
}

impl Stage {
    /// Does it.
    ///
    /// # Errors
    /// When a picture cannot be a JPEG: more than 65,535 pixels a side.
    pub(in crate::internal::data) fn apply(&self, picture: Picture) -> Result<Picture> {
        Ok(match *self {
            Stage::Blur { sigma } => {
                let weights = gaussian(sigma);
                picture.map(|plane| resize::convolve(plane, &weights))
            }
            Stage::Slant { along, across, angle } => picture.map(|plane| slant(plane, along, across, angle)),
            Stage::Ring { cutoff } => {
                let weights = low_pass(cutoff);
                picture.map(|plane| resize::convolve(plane, &weights))
            }
            Stage::Resize { size: [width, height], kernel } => {
                picture.map(|plane| resize::resize(plane, width, height, kernel))
            }
            Stage::Sharpen { amount, sigma } => {
                let weights = gaussian(sigma);
                picture.map(|plane| {
                    let mut sharp = resize::convolve(plane, &weights);
                    sharp.data.iter_mut().zip(&plane.data).for_each(|(soft, &v)| *soft = v + amount * (v - *soft));
                    sharp
                })
            }
            Stage::Noise { sigma, grey, poisson, seed } => noise(picture, sigma, grey, poisson, seed),
            Stage::Round => picture.map(Plane::to_eight_bits),
            Stage::Jpeg { quality, subsampled } => jpeg(&picture, quality, subsampled)?,
        })
    }
}

/// A Gaussian, cut off at three standard deviations and normalised.
fn gaussian(sigma: f32) -> Vec<f64> {
    let (sigma, radius) = (f64::from(sigma), (3.0 * f64::from(sigma)).ceil() as i64);
    normalised((-radius..=radius).map(|x| (-0.5 * (x as f64 / sigma).powi(2)).exp()).collect())
}

/// A sinc with zeros every `1 / cutoff` pixels, ended after six of them by a Lanczos window.
fn low_pass(cutoff: f32) -> Vec<f64> {
    let (cutoff, reach) = (f64::from(cutoff), 6.0 / f64::from(cutoff));
    let radius = reach.ceil() as i64;
    let weight = |x: f64| if x.abs() < reach { resize::sinc(cutoff * x) * resize::sinc(x / reach) } else { 0.0 };
    normalised((-radius..=radius).map(|x| weight(x as f64)).collect())
}

fn normalised(mut weights: Vec<f64>) -> Vec<f64> {
    let sum: f64 = weights.iter().sum();
    weights.iter_mut().for_each(|weight| *weight /= sum);
    weights
}

/// An elongated Gaussian at an angle as two passes: along rows, and along lines that lean from the vertical (J. Geusebroek
/// et al., "Fast anisotropic Gauss filtering", 2003). With the longer axis near the vertical the lines lean by at most one
/// column a row; the other half of the circle comes from the transpositions that patches are drawn with.
fn slant(plane: &Plane, along: f32, across: f32, angle: f32) -> Plane {
    let (sin, cos) = angle.sin_cos();
    let (long, short) = (along * along, across * across);
    // Covariance: of columns, of rows, of both.
    let (xx, yy, xy) =
        (long * sin * sin + short * cos * cos, long * cos * cos + short * sin * sin, (long - short) * sin * cos);
    // Interpolation between columns blurs by a variance of 1/6 in the mean.
    let lean = xy / yy;
    let rows = (xx - xy * lean - if lean.abs() > 1e-3 { 1.0 / 6.0 } else { 0.0 }).max(0.0).sqrt();
    let (vertical, radius) = (gaussian(yy.sqrt()), (3.0 * yy.sqrt()).ceil() as i64);
    let horizontal = if rows < 0.1 { vec![1.0] } else { gaussian(rows) };
    let (width, height) = (plane.width, plane.height);
    let pad = radius as usize + 1;
    // Rows blurred and continued to both sides by mirroring, so that leaning lines stay inside.
    let span = width + 2 * pad;
    let mut padded = vec![0.0f32; span * height];
    let reach = horizontal.len() / 2;
    let mut line = vec![0.0f32; span + 2 * reach];
    for y in 0..height {
        let row = plane.row(y);
        for (at, value) in line.iter_mut().enumerate() {
            *value = row[resize::mirror(at as i64 - (pad + reach) as i64, width)];
        }
        let out = &mut padded[y * span..][..span];
        for (tap, &weight) in horizontal.iter().enumerate() {
            out.iter_mut().zip(&line[tap..]).for_each(|(sum, &v)| *sum += weight as f32 * v);
        }
    }
    let mut data = vec![0.0f32; width * height];
    for y in 0..height {
        let out = &mut data[y * width..][..width];
        for (&weight, step) in vertical.iter().zip(-radius..) {
            let from = resize::mirror(y as i64 + step, height);
            let shift = lean * step as f32;
            let (whole, part) = (shift.floor(), shift - shift.floor());
            let row = &padded[from * span + (pad as i64 + whole as i64) as usize..];
            let (near, far) = (weight as f32 * (1.0 - part), weight as f32 * part);
            for ((sum, &a), &b) in out.iter_mut().zip(row).zip(&row[1..]) {
                *sum += near * a + far * b;
            }
        }
    }
    Plane { data, ..*plane }
}

fn noise(mut picture: Picture, sigma: f32, grey: bool, poisson: bool, seed: u32) -> Picture {
    for (channel, plane) in picture.planes.iter_mut().enumerate() {
        let lane = if grey { 0 } else { channel as u32 };
        for (at, value) in plane.data.iter_mut().enumerate() {
            let random = crate::random::pcg4d([seed, at as u32, lane, NOISE_STREAM]);
            let sigma = if poisson { sigma * (value.max(0.0) / 128.0).sqrt() } else { sigma };
            *value += sigma * crate::random::normal(random[0], random[1]);
        }
    }
    picture
}

/// Compresses and reads again, with libjpeg's tables. A grey picture has no chroma to make smaller.
fn jpeg(picture: &Picture, quality: u8, subsampled: bool) -> Result<Picture> {
    let name = "a training picture";
    let raster = Raster::from_picture(&picture.map(Plane::to_eight_bits));
    let size = |side: usize| {
        u16::try_from(side).map_err(|_| Error::input(format!("{name}: {side} pixels a side are too many for a JPEG")))
    };
    let (width, height) = (size(raster.width)?, size(raster.height)?);
    let mut bytes = Vec::new();
    let mut encoder = Encoder::new(&mut bytes, quality);
    encoder.set_sampling_factor(if subsampled { SamplingFactor::F_2_2 } else { SamplingFactor::F_1_1 });
    encoder.set_chroma_subsampling_method(ChromaSubsamplingMethod::Average);
    let colour = if raster.channels == 1 { ColorType::Luma } else { ColorType::Rgb };
    let encoded = encoder.encode(&raster.data, width, height, colour);
    encoded.map_err(|error| Error::input(format!("{name}: cannot be a JPEG: {error}")))?;
    Picture::decode(&bytes, name)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Mean, and covariance of columns, of rows, of both.
    fn moments(plane: &Plane) -> [f64; 5] {
        let mut sums = [0.0f64; 6];
        for y in 0..plane.height {
            for (x, &v) in plane.row(y).iter().enumerate() {
                let (x, y, v) = (x as f64, y as f64, f64::from(v));
                for (sum, part) in sums.iter_mut().zip([1.0, x, y, x * x, y * y, x * y]) {
                    *sum += v * part;
                }
            }
        }
        let [total, x, y, xx, yy, xy] = sums;
        let (x, y) = (x / total, y / total);
        [x, y, xx / total - x * x, yy / total - y * y, xy / total - x * y]
    }

    fn impulse() -> Picture {
        Picture::new(vec![Plane::from_fn(61, 61, |x, y| if (x, y) == (30, 30) { 1000.0 } else { 0.0 })])
    }

    #[test]
    fn blurs_have_the_shape_asked_for_and_move_nothing() {
        let blurred = Stage::Blur { sigma: 2.0 }.apply(impulse()).unwrap();
        let [x, y, xx, yy, xy] = moments(&blurred.planes[0]);
        assert!((x - 30.0).abs() < 1e-3 && (y - 30.0).abs() < 1e-3, "{x} {y}");
        assert!((xx - 4.0).abs() < 0.2 && (yy - 4.0).abs() < 0.2 && xy.abs() < 1e-3, "{xx} {yy} {xy}");
        for angle in [-0.7f32, -0.3, 0.0, 0.4, 0.78] {
            let slanted = Stage::Slant { along: 4.0, across: 1.2, angle }.apply(impulse()).unwrap();
            let [x, y, xx, yy, xy] = moments(&slanted.planes[0]);
            let (sin, cos) = f64::from(angle).sin_cos();
            let expected =
                [16.0 * sin * sin + 1.44 * cos * cos, 16.0 * cos * cos + 1.44 * sin * sin, 14.56 * sin * cos];
            assert!((x - 30.0).abs() < 0.01 && (y - 30.0).abs() < 0.01, "{x} {y}");
            for (found, expected) in [xx, yy, xy].into_iter().zip(expected) {
                assert!((found - expected).abs() < 0.5, "angle {angle}: {found} and not {expected}");
            }
        }
    }

    #[test]
    fn flat_pictures_stay_flat() {
        let flat = Picture::new(vec![Plane::filled(9, 5, 90.0)]);
        for stage in [
            Stage::Blur { sigma: 3.0 },
            Stage::Slant { along: 4.0, across: 1.0, angle: 0.5 },
            Stage::Ring { cutoff: 0.4 },
            Stage::Sharpen { amount: 2.0, sigma: 1.0 },
            Stage::Resize { size: [5, 7], kernel: Kernel::Area },
            Stage::Jpeg { quality: 60, subsampled: true },
        ] {
            let done = stage.apply(flat.clone()).unwrap();
            assert!(done.planes[0].data.iter().all(|v| (v - 90.0).abs() < 1.01), "{stage:?}");
        }
    }

    #[test]
    fn sharpening_and_low_pass_overshoot_at_an_edge() {
        let edge = Picture::new(vec![Plane::from_fn(60, 8, |x, _| if x < 30 { 60.0 } else { 180.0 })]);
        for stage in [Stage::Sharpen { amount: 0.6, sigma: 0.8 }, Stage::Ring { cutoff: 0.5 }] {
            let row = stage.apply(edge.clone()).unwrap().planes[0].row(4).to_vec();
            let (least, most) = row.iter().fold((f32::MAX, f32::MIN), |(l, m), &v| (l.min(v), m.max(v)));
            assert!(least < 55.0 && most > 185.0, "{stage:?}: {least} to {most}");
        }
    }

    #[test]
    fn noise_has_the_deviation_asked_for() {
        let grey = |value: f32| Picture::new(vec![Plane::filled(160, 160, value); 3]);
        let deviation = |picture: &Picture, channel: usize, value: f32| {
            let plane = &picture.planes[channel].data;
            (plane.iter().map(|v| (v - value).powi(2)).sum::<f32>() / plane.len() as f32).sqrt()
        };
        let noise = |grey, poisson| Stage::Noise { sigma: 10.0, grey, poisson, seed: 3 };
        let plain = noise(false, false).apply(grey(128.0)).unwrap();
        assert!((0..3).all(|c| (deviation(&plain, c, 128.0) - 10.0).abs() < 0.2));
        assert_ne!(plain.planes[0], plain.planes[1]);
        let alike = noise(true, false).apply(grey(128.0)).unwrap();
        assert_eq!(alike.planes[0], alike.planes[2]);
        let (dark, light) = (noise(false, true).apply(grey(32.0)), noise(false, true).apply(grey(128.0)));
        assert!((deviation(&dark.unwrap(), 0, 32.0) - 5.0).abs() < 0.15);
        assert!((deviation(&light.unwrap(), 0, 128.0) - 10.0).abs() < 0.2);
    }

    #[test]
    fn half_size_chroma_loses_colour_and_not_luma() {
        let picture = Picture::new(vec![
            Plane::from_fn(64, 64, |x, _| if x % 3 == 0 { 220.0 } else { 60.0 }),
            Plane::filled(64, 64, 110.0),
            Plane::from_fn(64, 64, |x, _| if x % 3 == 0 { 40.0 } else { 200.0 }),
        ]);
        let error = |subsampled, planes: fn(&Picture) -> Plane| {
            let done = Stage::Jpeg { quality: 95, subsampled }.apply(picture.clone()).unwrap();
            let (a, b) = (planes(&done), planes(&picture));
            a.data.iter().zip(&b.data).map(|(a, b)| (a - b).abs()).sum::<f32>() / 4096.0
        };
        let difference = |p: &Picture| {
            let values = p.planes[0].data.iter().zip(&p.planes[2].data).map(|(r, b)| r - b).collect();
            Plane::new(p.width(), p.height(), values)
        };
        let luma = |p: &Picture| crate::image::colour::luma_unrounded(p);
        assert!(error(true, difference) > 4.0 * error(false, difference));
        assert!(error(true, luma) < 3.0 && error(false, luma) < 3.0);
    }

    #[test]
    fn lower_quality_is_further_away() {
        let picture = crate::data::procedural::dead_leaves(4, 96, 80).to_picture();
        let error = |quality| {
            let done = Stage::Jpeg { quality, subsampled: true }.apply(picture.clone()).unwrap();
            let squares = done
                .planes
                .iter()
                .zip(&picture.planes)
                .flat_map(|(a, b)| a.data.iter().zip(&b.data).map(|(a, b)| (a - b).powi(2)).collect::<Vec<_>>());
            squares.sum::<f32>()
        };
        assert!(error(30) > error(60) && error(60) > error(90));
    }
}
