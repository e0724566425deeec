//! The last stage: what networks made of luma and opacity, and interpolation of chroma, become rows of a picture.

use std::sync::Arc;
use std::sync::mpsc::Receiver;

use rayon::prelude::*;

use super::source::{Part, Source};
use super::window::Window;
use crate::image::alpha::CELL;
use crate::image::colour::Inverse;
use crate::image::resize::{LANES, Resizer, Scratch};
use crate::image::{Pixels, Rows};
use crate::{Error, Result};

/// What comes from the side that runs the networks.
pub(super) enum Message {
    /// Rows of luma, grey or colours.
    Colour(Vec<Vec<f32>>),
    /// Rows of opacity.
    Opacity(Vec<Vec<f32>>),
    /// Nothing more, and why.
    Failed(Error),
}

/// The rows of an enlarged picture, as they are made; see [`super::Upscaler::begin`].
pub struct Enlarged<P> {
    pub(super) source: Arc<Source<P>>,
    pub(super) receiver: Receiver<Message>,
    pub(super) colour: Window,
    pub(super) opacity: Option<Window>,
    pub(super) chroma: Option<Chroma>,
    pub(super) size: [usize; 2],
    pub(super) y: usize,
}

/// The interpolation of Cb and Cr.
pub(super) struct Chroma {
    pub resizer: Resizer,
    pub window: Window,
    pub inverse: Inverse,
}

/// One thread's rows.
#[derive(Default)]
struct Lane {
    scratch: Scratch<f32>,
    blue: Vec<f32>,
    red: Vec<f32>,
    planes: Vec<Vec<f32>>,
}

impl<P: Pixels> Enlarged<P> {
    /// Width and height of the enlarged picture.
    pub fn size(&self) -> [usize; 2] {
        self.size
    }

    /// The picture it is made of.
    pub fn picture(&self) -> &P {
        &self.source.picture
    }

    /// Waits until there is a row `y` of everything; returns the end of what there is.
    fn wait(&mut self) -> Result<usize> {
        loop {
            let opacity = self.opacity.as_ref().map_or(usize::MAX, Window::end);
            let end = self.colour.end().min(opacity);
            if end > self.y {
                return Ok(end);
            }
            match (self.receiver.recv(), &mut self.opacity) {
                (Ok(Message::Colour(rows)), _) => self.colour.push(rows),
                (Ok(Message::Opacity(rows)), Some(opacity)) => opacity.push(rows),
                (Ok(Message::Failed(error)), _) => return Err(error),
                (Ok(Message::Opacity(_)), None) => unreachable!("opacity of a picture without"),
                (Err(_), _) => return Err(Error::input("the picture was not enlarged to its end")),
            }
        }
    }
}

impl<P: Pixels> Rows for Enlarged<P> {
    fn next<T: Send>(
        &mut self,
        out: &mut [T],
        row: usize,
        convert: &(impl Fn(&[&[f32]], &mut [T]) + Sync),
    ) -> Result<usize> {
        let (first, [width, height]) = (self.y, self.size);
        if first == height {
            return Ok(0);
        }
        let end = self.wait()?.min(height).min(first + out.len() / row);
        if let Some(Chroma { resizer, window, .. }) = &mut self.chroma {
            let reach = resizer.reach(first..end);
            window.drop_before(reach.start);
            while window.end() < reach.end {
                let rows = window.end()..(window.end() + CELL).min(self.source.picture.height());
                window.push(self.source.rows(Part::Chroma, rows));
            }
        }
        let grey = self.source.picture.colours() == 1;
        let (colour, opacity, chroma) = (&self.colour, &self.opacity, &self.chroma);
        let blocks = out[..(end - first) * row].par_chunks_mut(LANES * row).enumerate();
        blocks.for_each_init(Lane::default, |lane, (i, out)| {
            let (first, count) = (first + i * LANES, out.len() / row);
            let Lane { scratch, blue, red, planes } = lane;
            if let Some(Chroma { resizer, window, .. }) = chroma {
                for (plane, rows) in [&mut *blue, &mut *red].into_iter().enumerate() {
                    rows.resize(count * width, 0.0);
                    resizer.block(first, |y| window.row(plane, y), rows, scratch);
                }
            }
            planes.resize(4, Vec::new());
            planes.iter_mut().for_each(|plane| plane.resize(width, 0.0));
            for (k, out) in out.chunks_exact_mut(row).enumerate() {
                let y = first + k;
                let [a, b, c, d] = &mut planes[..] else { unreachable!("four planes") };
                let colours = match chroma {
                    Some(Chroma { inverse, .. }) => {
                        a.copy_from_slice(colour.row(0, y));
                        let part = k * width..(k + 1) * width;
                        b.copy_from_slice(&blue[part.clone()]);
                        c.copy_from_slice(&red[part]);
                        inverse.rows(a, b, c);
                        3
                    }
                    None if grey => {
                        mean(colour, y, a);
                        1
                    }
                    None => {
                        for (plane, row) in [&mut *a, &mut *b, &mut *c].into_iter().enumerate() {
                            saturated(colour.row(plane, y), row);
                        }
                        3
                    }
                };
                if let Some(opacity) = opacity {
                    mean(opacity, y, d);
                }
                let [a, b, c, d] = &planes[..] else { unreachable!("four planes") };
                let all: [&[f32]; 4] = if colours == 1 { [a, d, d, d] } else { [a, b, c, d] };
                convert(&all[..colours + usize::from(opacity.is_some())], out);
            }
        });
        self.colour.drop_before(end);
        self.opacity.iter_mut().for_each(|window| window.drop_before(end));
        self.y = end;
        Ok(end - first)
    }
}

fn saturated(from: &[f32], row: &mut [f32]) {
    row.iter_mut().zip(from).for_each(|(out, &v)| *out = v.clamp(0.0, 255.0));
}

/// One plane, or the mean of three.
fn mean(window: &Window, y: usize, row: &mut [f32]) {
    if window.planes() == 1 {
        return saturated(window.row(0, y), row);
    }
    row.fill(0.0);
    for plane in 0..window.planes() {
        row.iter_mut().zip(window.row(plane, y)).for_each(|(sum, &v)| *sum += v);
    }
    row.iter_mut().for_each(|sum| *sum = (*sum / window.planes() as f32).clamp(0.0, 255.0));
}
