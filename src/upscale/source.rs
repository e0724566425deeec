//! What a picture gives: planes for networks and for interpolation, row by row.

use std::ops::Range;

use rayon::prelude::*;

use crate::image::alpha::Bleed;
use crate::image::{Pixels, colour};

/// Which planes of a picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    /// Grey, or luma of a colour picture.
    Luma,
    /// Red, green and blue; grey three times.
    Colour,
    /// Cb and Cr.
    Chroma,
    /// Opacity, so many times.
    Opacity(usize),
}

/// A picture, and the colour that stands under its transparent pixels.
pub(super) struct Source<P> {
    pub picture: P,
    bleed: Option<Bleed>,
}

impl<P: Pixels> Source<P> {
    pub fn new(picture: P) -> Self {
        let bleed = Bleed::of(&picture);
        Source { picture, bleed }
    }

    /// Rows of a part, a vector per plane.
    pub fn rows(&self, part: Part, rows: Range<usize>) -> Vec<Vec<f32>> {
        let colours = self.picture.colours();
        match part {
            Part::Opacity(count) => vec![self.read(colours, rows); count],
            Part::Luma if colours == 1 => self.colours(rows),
            Part::Colour if colours == 1 => vec![self.colours(rows).swap_remove(0); 3],
            Part::Colour => self.colours(rows),
            Part::Luma => self.components(&[0], rows),
            Part::Chroma => self.components(&[1, 2], rows),
        }
    }

    fn colours(&self, rows: Range<usize>) -> Vec<Vec<f32>> {
        match &self.bleed {
            Some(bleed) => bleed.rows(&self.picture, rows).into_iter().map(|plane| plane.data).collect(),
            None => (0..self.picture.colours()).map(|channel| self.read(channel, rows.clone())).collect(),
        }
    }

    fn components(&self, which: &[usize], rows: Range<usize>) -> Vec<Vec<f32>> {
        let (rgb, width) = (self.colours(rows), self.picture.width());
        let component = |&which: &usize| {
            let mut out = vec![0.0; rgb[0].len()];
            out.par_chunks_mut(width).enumerate().for_each(|(y, out)| {
                let row = |channel: usize| &rgb[channel][y * width..][..width];
                colour::component_row(which, [row(0), row(1), row(2)], out);
            });
            out
        };
        which.iter().map(component).collect()
    }

    fn read(&self, channel: usize, rows: Range<usize>) -> Vec<f32> {
        let width = self.picture.width();
        let mut out = vec![0.0; width * rows.len()];
        let lines = out.par_chunks_mut(width).enumerate();
        lines.for_each(|(y, row)| self.picture.read(channel, rows.start + y, row));
        out
    }
}
