//! Colour under transparency.
//!
//! Colour that nobody sees (black or white under alpha 0, as most programs leave it) is pulled into visible pixels by any
//! filter wider than a pixel: a dark or light fringe. [`bleed`] replaces it by colour from nearby visible pixels, so that
//! planes and alpha can be resized separately.
//!
//! The fill is push-pull (Gortler et al., "The Lumigraph", 1996): averages weighted by alpha go down a pyramid of halved
//! pictures, and what a level lacks is filled from the next coarser one on the way up. Linear in the number of pixels,
//! whatever the size of the hole.
//!
//! Colour comes from at most [`REACH`] pixels away, so that a picture can be filled in bands of rows: the pyramid's
//! coarsest level has cells of [`CELL`] pixels, whose grid begins with the picture, and a cell far from all that can be
//! seen takes the mean of all visible colour.

use super::{Picture, Pixels, Plane};
use rayon::prelude::*;
use std::ops::Range;

/// Alpha from which on a pixel's own colour stands as it is. Below, it is blended with its surroundings in proportion:
/// hardly visible, and in many files rounded to a few levels by a division by alpha.
const TRUSTED: f32 = 32.0;

/// Levels of the pyramid.
const LEVELS: usize = 6;

/// Side of the coarsest cells, pixels.
pub const CELL: usize = 1 << LEVELS;

/// From how far a transparent pixel's colour may come: its coarsest cell and the neighbouring ones.
pub const REACH: usize = 2 * CELL;

/// How the colour of one picture is filled.
pub(crate) struct Bleed {
    /// Mean of all visible colour, a value per channel.
    mean: Vec<f32>,
}

impl Bleed {
    /// Looks at a picture once; none where nothing is to be filled: without alpha, all opaque enough, or nothing visible.
    pub fn of(picture: &impl Pixels) -> Option<Bleed> {
        let (width, colours) = (picture.width(), picture.colours());
        if !picture.has_alpha() {
            return None;
        }
        // Sums of rows, added in their order: the same bits on any number of threads.
        let rows = (0..picture.height()).into_par_iter().map_init(
            || (vec![0.0; width], vec![0.0; width]),
            |(alpha, colour), y| {
                picture.read(colours, y, alpha);
                let total: f64 = alpha.iter().map(|&a| f64::from(a)).sum();
                let faint = alpha.iter().any(|&a| a < TRUSTED);
                let mut sums = vec![0.0f64; colours];
                for (channel, sum) in sums.iter_mut().enumerate() {
                    picture.read(channel, y, colour);
                    *sum = colour.iter().zip(&*alpha).map(|(&c, &a)| f64::from(c) * f64::from(a)).sum();
                }
                (total, faint, sums)
            },
        );
        let rows: Vec<(f64, bool, Vec<f64>)> = rows.collect();
        let total: f64 = rows.iter().map(|row| row.0).sum();
        if total <= 0.0 || !rows.iter().any(|row| row.1) {
            return None;
        }
        let mean = |channel: usize| (rows.iter().map(|row| row.2[channel]).sum::<f64>() / total) as f32;
        Some(Bleed { mean: (0..colours).map(mean).collect() })
    }

    /// The colours of some rows, filled: a plane per channel, without opacity. The same whatever rows are asked for at once.
    pub fn rows(&self, picture: &impl Pixels, rows: Range<usize>) -> Vec<Plane> {
        let first = (rows.start / CELL).saturating_sub(1) * CELL;
        let end = (rows.end.div_ceil(CELL) * CELL + CELL).min(picture.height());
        let band = |channel: usize| {
            let mut plane = Plane::filled(picture.width(), end - first, 0.0);
            let lines = plane.data.chunks_mut(picture.width());
            lines.enumerate().for_each(|(y, row)| picture.read(channel, first + y, row));
            plane
        };
        let alpha = band(self.mean.len());
        let filled = self.mean.par_iter().enumerate().map(|(channel, &mean)| {
            fill(&band(channel), &alpha, mean).crop(0, rows.start - first, picture.width(), rows.len())
        });
        filled.collect()
    }
}

/// `picture` with the colour of transparent pixels taken from nearby visible ones.
///
/// Pixels with alpha of 32 and up keep their colour exactly; alpha itself never changes. A picture without alpha, or
/// without any visible pixel, is returned as it is.
pub fn bleed(picture: &Picture) -> Picture {
    match Bleed::of(picture) {
        Some(bleed) => picture.with_pixels(bleed.rows(picture, 0..picture.height()), picture.alpha.clone()),
        None => picture.clone(),
    }
}

/// One level of the pyramid: colour, and how much of it is known (0 unknown).
struct Level {
    colour: Plane,
    weight: Plane,
}

fn fill(plane: &Plane, alpha: &Plane, mean: f32) -> Plane {
    let mut levels = vec![halve(plane, alpha)];
    while levels.len() < LEVELS {
        let last = &levels[levels.len() - 1];
        let next = halve(&last.colour, &last.weight);
        levels.push(next);
    }
    let last = levels.pop().expect("at least one level");
    let known = last.colour.data.iter().zip(&last.weight.data);
    let data = known.map(|(&colour, &weight)| if weight > 0.0 { colour } else { mean }).collect();
    let mut coarse = Plane { data, ..last.colour };
    while let Some(level) = levels.pop() {
        coarse = blend(&level.colour, &coarse, |i| if level.weight.data[i] > 0.0 { 1.0 } else { 0.0 });
    }
    blend(plane, &coarse, |i| (alpha.data[i] / TRUSTED).clamp(0.0, 1.0))
}

/// Averages of 2x2 samples, weighted; the weight of the result is the mean weight.
fn halve(colour: &Plane, weight: &Plane) -> Level {
    let (width, height) = (colour.width.div_ceil(2), colour.height.div_ceil(2));
    let mut out = Level { colour: Plane::filled(width, height, 0.0), weight: Plane::filled(width, height, 0.0) };
    let rows = out.colour.data.par_chunks_mut(width).zip(out.weight.data.par_chunks_mut(width));
    rows.enumerate().for_each(|(y, (colours, weights))| {
        let lines = [2 * y, (2 * y + 1).min(colour.height - 1)];
        for x in 0..width {
            let columns = [2 * x, (2 * x + 1).min(colour.width - 1)];
            let (mut sum, mut total) = (0.0f32, 0.0f32);
            for line in lines {
                for column in columns {
                    let i = line * colour.width + column;
                    sum += weight.data[i] * colour.data[i];
                    total += weight.data[i];
                }
            }
            weights[x] = total / 4.0;
            colours[x] = if total > 0.0 { sum / total } else { 0.0 };
        }
    });
    out
}

/// `own` where `trust(index)` is 1, `coarse` enlarged twice (bilinear) where it is 0, and in between in proportion.
fn blend(own: &Plane, coarse: &Plane, trust: impl Fn(usize) -> f32 + Sync) -> Plane {
    let mut out = own.clone();
    out.data.par_chunks_mut(own.width).enumerate().for_each(|(y, row)| {
        let (near_row, far_row) = neighbours(y, coarse.height);
        for (x, sample) in row.iter_mut().enumerate() {
            let trust = trust(y * own.width + x);
            if trust < 1.0 {
                let (near, far) = neighbours(x, coarse.width);
                let line = |y: usize| 0.75 * coarse.at(near, y) + 0.25 * coarse.at(far, y);
                let around = 0.75 * line(near_row) + 0.25 * line(far_row);
                *sample = if trust > 0.0 { trust * *sample + (1.0 - trust) * around } else { around };
            }
        }
    });
    out
}

/// The coarse sample that covers fine sample `i`, and the next nearest one.
fn neighbours(i: usize, count: usize) -> (usize, usize) {
    let near = i / 2;
    let far = if i.is_multiple_of(2) { near.saturating_sub(1) } else { (near + 1).min(count - 1) };
    (near, far)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::resize::{Rounding, upscale};

    /// A disc of one colour over black that is fully transparent.
    fn disc(value: f32) -> Picture {
        let inside = |x: usize, y: usize| (x as f32 - 20.0).hypot(y as f32 - 17.0) < 9.0;
        let plane = Plane::from_fn(41, 37, |x, y| if inside(x, y) { value } else { 0.0 });
        let alpha = Plane::from_fn(41, 37, |x, y| if inside(x, y) { 255.0 } else { 0.0 });
        Picture { alpha: Some(alpha), ..Picture::new(vec![plane]) }
    }

    #[test]
    fn no_fringe_after_enlarging() {
        let fringe = |picture: &Picture| {
            let (plane, alpha) = (
                upscale(&picture.planes[0], 2, Rounding::None),
                upscale(picture.alpha.as_ref().unwrap(), 2, Rounding::None),
            );
            let visible = plane.data.iter().zip(&alpha.data).filter(|(_, a)| **a > 1.0);
            visible.map(|(v, _)| (v - 200.0).abs()).fold(0.0, f32::max)
        };
        assert!(fringe(&disc(200.0)) > 50.0);
        assert!(fringe(&bleed(&disc(200.0))) < 0.01);
    }

    #[test]
    fn visible_colour_and_alpha_stay_exactly() {
        let mut picture = disc(200.0);
        picture.planes[0].data.iter_mut().enumerate().for_each(|(i, v)| *v = (i * 31 % 256) as f32);
        let alpha = picture.alpha.as_mut().unwrap();
        alpha.data[0] = 32.0;
        alpha.data[1] = 8.0;
        let bled = bleed(&picture);
        assert_eq!(bled.alpha, picture.alpha);
        for (i, &a) in bled.alpha.as_ref().unwrap().data.iter().enumerate() {
            assert!(a < TRUSTED || bled.planes[0].data[i] == picture.planes[0].data[i]);
        }
        assert_ne!(bled.planes[0].data[1], picture.planes[0].data[1]);
        assert!(bled.planes[0].data.iter().all(|v| (0.0..=255.0).contains(v)));
    }

    #[test]
    fn the_nearer_colour_wins() {
        let plane = Plane::from_fn(64, 4, |x, _| {
            if x < 4 {
                50.0
            } else if x >= 60 {
                250.0
            } else {
                0.0
            }
        });
        let alpha = Plane::from_fn(64, 4, |x, _| if (4..60).contains(&x) { 0.0 } else { 255.0 });
        let bled = bleed(&Picture { alpha: Some(alpha), ..Picture::new(vec![plane]) });
        assert!((bled.planes[0].at(5, 1) - 50.0).abs() < 20.0, "{:?}", bled.planes[0].row(1));
        assert!((bled.planes[0].at(58, 1) - 250.0).abs() < 20.0);
        assert!(bled.planes[0].row(2).windows(2).all(|pair| pair[0] <= pair[1] + 1e-3));
    }

    #[test]
    fn bands_of_any_height_are_the_same() {
        // Holes larger than the reach, and visible spots far apart.
        let (width, height) = (150, 700);
        let seen = |x: usize, y: usize| (x % 97 < 3 && y % 331 < 4) || (y > 690 && x > 140);
        let plane = |k: usize| Plane::from_fn(width, height, |x, y| ((x * 31 + y * 57 + k * 71) % 256) as f32);
        let alpha = Plane::from_fn(width, height, |x, y| if seen(x, y) { (x + y) as f32 % 256.0 } else { 0.0 });
        let picture = Picture { alpha: Some(alpha), ..Picture::new((0..3).map(plane).collect()) };
        let (whole, bleed) = (super::bleed(&picture), Bleed::of(&picture).unwrap());
        for step in [1, 63, 64, 100, 257] {
            for first in (0..height).step_by(step.max(37)) {
                let rows = first..(first + step).min(height);
                for (band, plane) in bleed.rows(&picture, rows.clone()).iter().zip(&whole.planes) {
                    assert!(*band == plane.crop(0, rows.start, width, rows.len()), "rows {rows:?}");
                }
            }
        }
    }

    #[test]
    fn nothing_to_do() {
        let opaque =
            Picture { alpha: Some(Plane::filled(3, 3, 255.0)), ..Picture::new(vec![Plane::filled(3, 3, 9.0)]) };
        let invisible =
            Picture { alpha: Some(Plane::filled(3, 3, 0.0)), ..Picture::new(vec![Plane::filled(3, 3, 9.0)]) };
        assert_eq!(bleed(&opaque), opaque);
        assert_eq!(bleed(&invisible), invisible);
        let one = Picture { alpha: Some(Plane::filled(1, 1, 3.0)), ..Picture::new(vec![Plane::filled(1, 1, 9.0)]) };
        assert_eq!(bleed(&one).planes[0].data, [9.0]);
    }
}
