//! Rows of pictures on their way to a file: where they come from, and how they become samples.

use std::sync::atomic::{AtomicBool, Ordering};

use rayon::prelude::*;

use super::{Depth, Format, Header, Picture};
use crate::Result;

/// A picture that is made from top to bottom.
pub trait Rows {
    /// Makes the next rows, at most as many as `out` has room for rows of `row` elements; returns how many, 0 past the end.
    ///
    /// `convert` takes the channels of a row (colours, then opacity, in units of 0..=255) to the row's elements. Rows are
    /// independent of each other, so it may be called from several threads.
    ///
    /// # Errors
    /// When what makes the rows fails.
    fn next<T: Send>(
        &mut self,
        out: &mut [T],
        row: usize,
        convert: &(impl Fn(&[&[f32]], &mut [T]) + Sync),
    ) -> Result<usize>;
}

/// The rows of a picture that is there.
pub(super) struct PictureRows<'a> {
    picture: &'a Picture,
    y: usize,
}

impl<'a> PictureRows<'a> {
    pub fn new(picture: &'a Picture) -> Self {
        PictureRows { picture, y: 0 }
    }
}

impl Rows for PictureRows<'_> {
    fn next<T: Send>(
        &mut self,
        out: &mut [T],
        row: usize,
        convert: &(impl Fn(&[&[f32]], &mut [T]) + Sync),
    ) -> Result<usize> {
        let (picture, first) = (self.picture, self.y);
        let count = (out.len() / row).min(picture.height() - first);
        out[..count * row].par_chunks_mut(row).enumerate().for_each(|(i, out)| {
            let planes: Vec<&[f32]> =
                picture.planes.iter().chain(&picture.alpha).map(|plane| plane.row(first + i)).collect();
            convert(&planes, out);
        });
        self.y += count;
        Ok(count)
    }
}

/// How a format takes the samples of a picture.
pub(super) struct Layout {
    /// Colours that are there.
    colours: usize,
    /// Whether opacity is there.
    alpha: bool,
    /// Samples per pixel that are written.
    pub channels: usize,
    /// 16 bits per sample, not 8.
    pub sixteen: bool,
    /// Transparency is composed over white.
    over_white: bool,
}

impl Layout {
    pub fn new(header: &Header, format: Format) -> Layout {
        let over_white = header.alpha && !format.has_alpha();
        let colours = if header.colours == 1 && format.has_grey(header.alpha) { 1 } else { 3 };
        Layout {
            colours: header.colours,
            alpha: header.alpha,
            channels: colours + usize::from(header.alpha && !over_white),
            sixteen: header.depth == Depth::Sixteen && format.has_sixteen_bits(),
            over_white,
        }
    }

    /// Takes one row of channels to interleaved samples: composed, repeated and rounded. Returns whether it has any
    /// transparency.
    fn row<T: Sample>(&self, planes: &[&[f32]], out: &mut [T]) -> bool {
        let written = if self.over_white { self.channels } else { self.channels - usize::from(self.alpha) };
        for channel in 0..written {
            let plane = planes[channel.min(self.colours - 1)];
            let samples = out[channel..].iter_mut().step_by(self.channels);
            if self.over_white {
                for ((sample, &v), &a) in samples.zip(plane).zip(planes[self.colours]) {
                    *sample = T::of(255.0 + (v - 255.0) * (a / 255.0).clamp(0.0, 1.0));
                }
            } else {
                samples.zip(plane).for_each(|(sample, &v)| *sample = T::of(v));
            }
        }
        if self.alpha && !self.over_white {
            let samples = out[self.channels - 1..].iter_mut().step_by(self.channels);
            samples.zip(planes[self.colours]).for_each(|(sample, &v)| *sample = T::of(v));
        }
        // What rounds to opaque is opaque.
        self.alpha && planes[self.colours].iter().any(|&a| a < 254.5)
    }
}

/// A sample as files hold it.
pub(super) trait Sample: Copy + Default + Send {
    /// From units of 0..=255: half up, saturated. NaN, which nobody passes, would be 0.
    fn of(value: f32) -> Self;
}

impl Sample for u8 {
    #[inline]
    fn of(value: f32) -> u8 {
        (value + 0.5) as u8
    }
}

impl Sample for u16 {
    /// A sample of 16 bits is 257 times one of 8.
    #[inline]
    fn of(value: f32) -> u16 {
        (value * 257.0 + 0.5) as u16
    }
}

/// Rows as samples of a file.
pub(super) struct Sampled<'a, R> {
    rows: &'a mut R,
    pub layout: Layout,
    pub width: usize,
    /// Rows that are still to come.
    left: usize,
    /// Whether any pixel so far was not opaque.
    transparent: AtomicBool,
}

impl<'a, R: Rows> Sampled<'a, R> {
    pub fn new(header: &Header, format: Format, rows: &'a mut R) -> Self {
        let layout = Layout::new(header, format);
        Sampled { rows, layout, width: header.width, left: header.height, transparent: AtomicBool::new(false) }
    }

    pub fn transparent(&self) -> bool {
        self.transparent.load(Ordering::Relaxed)
    }

    /// Samples per row.
    pub fn row(&self) -> usize {
        self.width * self.layout.channels
    }

    /// A number of rows that make about a megabyte.
    pub fn handful(&self) -> usize {
        let bytes = self.row() * if self.layout.sixteen { 2 } else { 1 };
        ((1 << 20) / bytes).clamp(8, 512) / 8 * 8
    }

    /// The next `rows` rows, fewer at the end, none past it.
    pub fn read<T: Sample>(&mut self, rows: usize, out: &mut Vec<T>) -> Result<()> {
        let (row, layout, transparent) = (self.row(), &self.layout, &self.transparent);
        let convert = |planes: &[&[f32]], out: &mut [T]| {
            if layout.row(planes, out) {
                transparent.store(true, Ordering::Relaxed);
            }
        };
        out.resize(rows.min(self.left) * row, T::default());
        let mut at = 0;
        while at < out.len() {
            let made = self.rows.next(&mut out[at..], row, &convert)?;
            assert!(made > 0, "rows end before the picture does");
            at += made * row;
            self.left -= made;
        }
        Ok(())
    }
}
