//! The part of a picture that a page shows: chosen before the work, kept as its rows pass by.

use crate::Result;
use crate::image::resize::{Kernel, resize};
use crate::image::tiles::Rect;
use crate::image::{Bitmap, Depth, Metadata, Picture, Pixels, Plane, Rows};
use rayon::prelude::*;

/// How far from the middle a part is moved so that pixels of input and result begin together, as nearly as sizes allow.
const SLACK: usize = 64;

/// The same part of a picture before and after.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part {
    /// Of the input.
    pub from: Rect,
    /// Of the result.
    pub to: Rect,
}

impl Part {
    /// The middle of a picture, at most so many pixels of the result, or all of it.
    pub fn middle(from: [usize; 2], to: [usize; 2], most: usize) -> Part {
        let shrink = (most as f64 / (to[0] * to[1]) as f64).sqrt().min(1.0);
        let axis = |axis: usize| {
            let (all, factor) = (from[axis], to[axis] as f64 / from[axis] as f64);
            let length = ((all as f64 * shrink) as usize).clamp(all.min(8), all);
            let middle = (all - length) / 2;
            let begins = |at: usize| (at as f64 * factor).round();
            let off = |at: usize| (at as f64 * factor - begins(at)).abs();
            let near = middle.saturating_sub(SLACK)..=(middle + SLACK).min(all - length);
            // What is off by less than a rounding is exact.
            let rank = |at: usize| ((off(at) * 1e6) as usize, at.abs_diff(middle));
            let at = near.min_by_key(|&at| rank(at)).unwrap_or(middle);
            let first = begins(at) as usize;
            (at, length, first, ((length as f64 * factor).round() as usize).clamp(1, to[axis] - first))
        };
        let ((x, width, left, wide), (y, height, top, high)) = (axis(0), axis(1));
        Part { from: Rect { x, y, width, height }, to: Rect { x: left, y: top, width: wide, height: high } }
    }

    /// That of the input, in 8 bits, with what says how its colours are meant.
    pub fn before(&self, source: &Bitmap) -> Picture {
        let Rect { x, y, width, height } = self.from;
        let mut row = vec![0.0; source.width];
        let mut plane = |channel: usize| {
            let mut data = Vec::with_capacity(width * height);
            for y in y..y + height {
                source.read(channel, y, &mut row);
                data.extend_from_slice(&row[x..x + width]);
            }
            Plane::new(width, height, data)
        };
        let planes = (0..source.colours).map(&mut plane).collect();
        let alpha = source.alpha.then(|| plane(source.colours));
        let Metadata { icc, colours, .. } = source.metadata.clone();
        Picture { alpha, metadata: Metadata { icc, colours, ..Metadata::default() }, ..Picture::new(planes) }
    }

    /// What bicubic interpolation makes of [`Part::before`].
    pub fn bicubic(&self, before: &Picture) -> Picture {
        before.map(|plane| resize(plane, self.to.width, self.to.height, Kernel::Bicubic))
    }
}

/// Rows that pass by on their way to a file, of which a part is kept.
pub struct Watched<'a, R> {
    rows: &'a mut R,
    part: Rect,
    width: usize,
    channels: usize,
    y: usize,
    band: Vec<f32>,
    kept: Vec<Plane>,
}

impl<'a, R: Rows> Watched<'a, R> {
    /// Rows of a picture of a width and number of channels.
    pub fn new(rows: &'a mut R, part: Rect, width: usize, channels: usize) -> Self {
        let kept = vec![Plane::new(part.width, 0, Vec::new()); channels];
        Watched { rows, part, width, channels, y: 0, band: Vec::new(), kept }
    }

    /// The part, as `like` in all else; the rows were taken to their end.
    pub fn picture(self, like: &Picture) -> Picture {
        let mut planes = self.kept;
        let alpha = like.alpha.as_ref().and_then(|_| planes.pop());
        Picture { depth: Depth::Eight, ..like.with_pixels(planes, alpha) }
    }
}

impl<R: Rows> Rows for Watched<'_, R> {
    fn next<T: Send>(
        &mut self,
        out: &mut [T],
        row: usize,
        convert: &(impl Fn(&[&[f32]], &mut [T]) + Sync),
    ) -> Result<usize> {
        let (width, all) = (self.width, self.width * self.channels);
        self.band.resize(out.len() / row * all, 0.0);
        let count = self.rows.next(&mut self.band, all, &|planes, out| {
            out.chunks_exact_mut(width).zip(planes).for_each(|(out, row)| out.copy_from_slice(row));
        })?;
        let band = self.band[..count * all].par_chunks_exact(all);
        band.zip(out.par_chunks_mut(row)).for_each(|(values, out)| {
            let planes: Vec<&[f32]> = values.chunks_exact(width).collect();
            convert(&planes, out);
        });
        let Rect { x, y, width: wide, height } = self.part;
        for values in self.band[..count * all].chunks_exact(all) {
            if (y..y + height).contains(&self.y) {
                for (plane, row) in self.kept.iter_mut().zip(values.chunks_exact(width)) {
                    plane.data.extend_from_slice(&row[x..x + wide]);
                    plane.height += 1;
                }
            }
            self.y += 1;
        }
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pixels_of_both_begin_together() {
        for (from, to) in [([4000, 3000], [8000, 6000]), ([4001, 2999], [6002, 4499]), ([1234, 777], [1920, 1209])] {
            let part = Part::middle(from, to, 200_000);
            let (a, b) = (part.from, part.to);
            assert!(b.width * b.height <= 205_000 && b.width > 300, "{b:?}");
            assert!(b.x + b.width <= to[0] && b.y + b.height <= to[1] && a.x + a.width <= from[0]);
            let middle = (from[0] - a.width) / 2;
            assert!(a.x.abs_diff(middle) <= SLACK);
            // As near as any place within reach; where the factor is whole, exactly.
            let begins = |at: usize| at as f64 * to[0] as f64 / from[0] as f64;
            let least = (middle - SLACK..=middle + SLACK).map(|at| (begins(at) - begins(at).round()).abs());
            let off = (begins(a.x) - b.x as f64).abs();
            assert!(off <= least.fold(f64::INFINITY, f64::min) + 2e-6, "{off}");
        }
        let all = Part::middle([30, 20], [60, 40], 1 << 20);
        assert_eq!((all.from.width, all.to), (30, Rect { x: 0, y: 0, width: 60, height: 40 }));
    }
}
