//! What else happens to a low-resolution picture before a network sees it: blur, noise, JPEG.
//!
//! The order is the classic one: blur, reduce, add noise, compress. The strength of each is drawn anew for each picture
//! and each time it is prepared, uniformly from its range, from a seed: the same seed gives the same bytes.

use super::batch;
use crate::image::{Format, Picture, Plane};
use crate::{Error, Result};

/// Ranges to draw from, lowest and highest; nothing is done where there is none. The default does nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Degradation {
    /// Standard deviation of a Gaussian blur, high-resolution pixels, 0 to 20.
    pub blur: Option<[f32; 2]>,
    /// Standard deviation of Gaussian noise, in units of 0..255, independent per pixel and channel.
    pub noise: Option<[f32; 2]>,
    /// JPEG quality, 1 to 100.
    pub jpeg: Option<[u8; 2]>,
}

const DEGRADE_STREAM: u32 = 0x4445_4752;
const NOISE_STREAM: u32 = 0x4e4f_4953;

impl Degradation {
    /// Whether there is anything to do.
    pub fn is_none(&self) -> bool {
        *self == Degradation::default()
    }

    /// Checks the ranges; the error names the one that is wrong.
    pub fn check(&self) -> Result<()> {
        let range = |name: &str, range: Option<[f32; 2]>, most: f32| match range {
            Some([low, high]) if !(low >= 0.0 && low <= high && high <= most) => {
                Err(Error::input(format!("{name} = [{low}, {high}]: needs 0 <= lowest <= highest <= {most}")))
            }
            _ => Ok(()),
        };
        range("blur", self.blur, 20.0)?;
        range("noise", self.noise, 255.0)?;
        match self.jpeg {
            Some([low, high]) if !(1 <= low && low <= high && high <= 100) => {
                Err(Error::input(format!("jpeg = [{low}, {high}]: needs 1 <= lowest <= highest <= 100")))
            }
            _ => Ok(()),
        }
    }

    /// The strengths for one picture: `key` says which picture, which time and with which seed.
    pub(super) fn draw(&self, key: [u32; 3]) -> Drawn {
        let random = batch::pcg4d([key[0], key[1], key[2], DEGRADE_STREAM]);
        let between = |[low, high]: [f32; 2], lane: usize| low + (high - low) * batch::unit(random[lane]);
        Drawn {
            blur: self.blur.map_or(0.0, |range| between(range, 0)),
            noise: self.noise.map_or(0.0, |range| between(range, 1)),
            jpeg: self.jpeg.map(|[low, high]| low + (random[2] % (u32::from(high - low) + 1)) as u8),
            seed: random[3],
        }
    }
}

/// The strengths drawn for one picture.
#[derive(Clone, Copy, Debug)]
pub(super) struct Drawn {
    /// Standard deviation of the blur; little of it is none.
    pub blur: f32,
    noise: f32,
    jpeg: Option<u8>,
    seed: u32,
}

impl Drawn {
    /// Adds the noise to a low-resolution picture, rounds it to 8 bits and compresses it.
    pub(super) fn finish(&self, mut picture: Picture) -> Result<Picture> {
        if self.noise > 0.0 {
            for (channel, plane) in picture.planes.iter_mut().enumerate() {
                for (at, value) in plane.data.iter_mut().enumerate() {
                    let random = batch::pcg4d([self.seed, at as u32, channel as u32, NOISE_STREAM]);
                    *value += self.noise * batch::normal(random[0], random[1]);
                }
            }
        }
        let picture = picture.map(Plane::to_eight_bits);
        match self.jpeg {
            Some(quality) => Picture::decode(&picture.encode(Format::Jpeg, quality)?, "a compressed training picture"),
            None => Ok(picture),
        }
    }
}

/// A Gaussian blur of standard deviation `sigma` pixels, cut off at three of them and normalised; borders mirrored.
pub(super) fn blur(plane: &Plane, sigma: f32) -> Plane {
    let radius = (3.0 * sigma).ceil() as i64;
    let mut kernel: Vec<f32> = (-radius..=radius).map(|x| (-0.5 * (x as f32 / sigma).powi(2)).exp()).collect();
    let sum: f32 = kernel.iter().sum();
    kernel.iter_mut().for_each(|weight| *weight /= sum);
    let mirror = |position: i64, size: usize| {
        let folded = position.rem_euclid(2 * size as i64) as usize;
        if folded < size { folded } else { 2 * size - 1 - folded }
    };
    let along = |at: usize, size: usize, value: &dyn Fn(usize) -> f32| {
        kernel.iter().zip(-radius..).map(|(w, offset)| w * value(mirror(at as i64 + offset, size))).sum()
    };
    let rows = Plane::from_fn(plane.width, plane.height, |x, y| along(x, plane.width, &|x| plane.at(x, y)));
    Plane::from_fn(plane.width, plane.height, |x, y| along(y, plane.height, &|y| rows.at(x, y)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blur_keeps_the_mean_and_has_the_variance_asked_for() {
        let impulse = Plane::from_fn(41, 41, |x, y| if (x, y) == (20, 20) { 1.0 } else { 0.0 });
        let blurred = blur(&impulse, 2.0);
        let sum: f32 = blurred.data.iter().sum();
        let variance: f32 = (0..41).map(|x| blurred.row(20)[x] * (x as f32 - 20.0).powi(2)).sum::<f32>()
            / blurred.row(20).iter().sum::<f32>();
        assert!((sum - 1.0).abs() < 1e-4 && (variance - 4.0).abs() < 0.2, "{sum} {variance}");
        let flat = blur(&Plane::filled(5, 3, 7.0), 4.0);
        assert!(flat.data.iter().all(|v| (v - 7.0).abs() < 1e-4), "mirrored borders keep a flat picture");
    }

    #[test]
    fn noise_has_the_deviation_asked_for() {
        let drawn = Degradation { noise: Some([10.0, 10.0]), ..Degradation::default() }.draw([1, 2, 3]);
        let noisy = drawn.finish(Picture::new(vec![Plane::filled(200, 200, 128.0)])).unwrap();
        let deviations: Vec<f32> = noisy.planes[0].data.iter().map(|v| v - 128.0).collect();
        let mean = deviations.iter().sum::<f32>() / 40_000.0;
        let deviation = (deviations.iter().map(|d| d * d).sum::<f32>() / 40_000.0).sqrt();
        assert!(mean.abs() < 0.3 && (deviation - 10.0).abs() < 0.2, "{mean} {deviation}");
    }

    #[test]
    fn strengths_fill_their_range() {
        let ranges = Degradation { blur: Some([0.5, 2.0]), noise: None, jpeg: Some([30, 32]) };
        let drawn: Vec<Drawn> = (0..300).map(|k| ranges.draw([1, 0, k])).collect();
        assert!(drawn.iter().all(|d| (0.5..=2.0).contains(&d.blur)));
        assert!(drawn.iter().any(|d| d.blur < 0.6) && drawn.iter().any(|d| d.blur > 1.9));
        assert!((30..=32).all(|quality| drawn.iter().any(|d| d.jpeg == Some(quality))));
    }

    #[test]
    fn wrong_ranges_are_refused() {
        let none = Degradation::default();
        for wrong in [
            Degradation { blur: Some([2.0, 1.0]), ..none },
            Degradation { blur: Some([0.0, f32::NAN]), ..none },
            Degradation { noise: Some([-1.0, 1.0]), ..none },
            Degradation { jpeg: Some([0, 50]), ..none },
            Degradation { jpeg: Some([60, 50]), ..none },
        ] {
            assert!(wrong.check().is_err(), "{wrong:?}");
        }
        assert!(none.check().is_ok());
    }
}
