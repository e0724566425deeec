//! Stages that make planes from top to bottom, each from the rows of the one before.

use std::sync::Arc;

use rayon::prelude::*;

use super::engine::Engine;
use super::source::{Part, Source};
use super::window::Window;
use crate::Result;
use crate::image::Pixels;
use crate::image::alpha::CELL;
use crate::image::resize::{LANES, Resizer, Rounding, Scratch};
use crate::image::tiles::Grid;

/// What stages work with.
pub(super) struct Work<'a> {
    pub engines: &'a mut [Engine],
    /// Called after each tile; an error ends the work.
    pub tile: &'a mut dyn FnMut() -> Result<()>,
}

/// Planes that are made from top to bottom.
pub(super) trait Stage: Send {
    /// Width and height of the planes.
    fn size(&self) -> [usize; 2];

    /// How many planes there are.
    fn planes(&self) -> usize;

    /// Tiles that networks run, in this stage and those before.
    fn tiles(&self) -> usize;

    /// The next rows, a vector per plane; there are some, and all have equally many.
    fn next(&mut self, work: &mut Work) -> Result<Vec<Vec<f32>>>;
}

/// A part of the picture as it is.
pub(super) struct Feed<P> {
    pub source: Arc<Source<P>>,
    pub part: Part,
    pub y: usize,
}

impl<P: Pixels> Stage for Feed<P> {
    fn size(&self) -> [usize; 2] {
        [self.source.picture.width(), self.source.picture.height()]
    }

    fn planes(&self) -> usize {
        match self.part {
            Part::Luma => 1,
            Part::Chroma => 2,
            Part::Colour => 3,
            Part::Opacity(count) => count,
        }
    }

    fn tiles(&self) -> usize {
        0
    }

    fn next(&mut self, _: &mut Work) -> Result<Vec<Vec<f32>>> {
        // Whole cells of what fills the colour of transparent pixels.
        let rows = self.y..(self.y + CELL).min(self.source.picture.height());
        self.y = rows.end;
        Ok(self.source.rows(self.part, rows))
    }
}

/// One pass of a network.
pub(super) struct Enlarge<'a> {
    input: Box<dyn Stage + 'a>,
    engine: usize,
    scale: usize,
    grid: Grid,
    row: usize,
    window: Window,
}

impl<'a> Enlarge<'a> {
    pub fn new(input: Box<dyn Stage + 'a>, engine: usize, scale: usize, grid: Grid) -> Self {
        let window = Window::new(input.size()[0], input.planes());
        Enlarge { input, engine, scale, grid, row: 0, window }
    }
}

impl Stage for Enlarge<'_> {
    fn size(&self) -> [usize; 2] {
        self.input.size().map(|side| side * self.scale)
    }

    fn planes(&self) -> usize {
        self.input.planes()
    }

    fn tiles(&self) -> usize {
        self.input.tiles() + self.grid.count()
    }

    fn next(&mut self, work: &mut Work) -> Result<Vec<Vec<f32>>> {
        let tiles: Vec<_> = self.grid.row(self.row).collect();
        let (source, keep) = (tiles[0].source, tiles[0].keep);
        while self.window.end() < source.y + source.height {
            self.window.push(self.input.next(work)?);
        }
        let [width, _] = self.size();
        let mut out = vec![vec![0.0; width * keep.height * self.scale]; self.planes()];
        for tile in tiles {
            work.engines[self.engine].enlarge(&self.window, &tile, &mut out, width, keep.y)?;
            (work.tile)()?;
        }
        self.row += 1;
        if self.row < self.grid.rows() {
            let next = self.grid.row(self.row).next().expect("a row has tiles");
            self.window.drop_before(next.source.y);
        }
        Ok(out)
    }
}

/// Interpolation to another size.
pub(super) struct Resize<'a> {
    input: Box<dyn Stage + 'a>,
    to: [usize; 2],
    resizer: Resizer,
    rounding: Rounding,
    y: usize,
    window: Window,
}

impl<'a> Resize<'a> {
    pub fn new(input: Box<dyn Stage + 'a>, to: [usize; 2], rounding: Rounding) -> Self {
        let from = input.size();
        let resizer = Resizer::new(from, to, [0, 1].map(|i| to[i] as f64 / from[i] as f64), rounding);
        let window = Window::new(from[0], input.planes());
        Resize { input, to, resizer, rounding, y: 0, window }
    }
}

impl Stage for Resize<'_> {
    fn size(&self) -> [usize; 2] {
        self.to
    }

    fn planes(&self) -> usize {
        self.input.planes()
    }

    fn tiles(&self) -> usize {
        self.input.tiles()
    }

    fn next(&mut self, work: &mut Work) -> Result<Vec<Vec<f32>>> {
        let rows = self.y..(self.y + 8 * LANES).min(self.to[1]);
        let reach = self.resizer.reach(rows.clone());
        self.window.drop_before(reach.start);
        while self.window.end() < reach.end {
            self.window.push(self.input.next(work)?);
        }
        let (window, resizer, width, first) = (&self.window, &self.resizer, self.to[0], self.y);
        let eight = self.rounding == Rounding::Eight;
        let plane = |plane: usize| {
            let mut out = vec![0.0; rows.len() * width];
            let blocks = out.par_chunks_mut(LANES * width).enumerate();
            blocks.for_each_init(Default::default, |(wide, narrow): &mut (Scratch<f64>, Scratch<f32>), (i, block)| {
                let (first, row) = (first + i * LANES, |y: usize| window.row(plane, y));
                // What is rounded to whole numbers is so as MATLAB does it.
                match eight {
                    true => resizer.block(first, row, block, wide),
                    false => resizer.block(first, row, block, narrow),
                }
            });
            out
        };
        self.y = rows.end;
        Ok((0..self.planes()).map(plane).collect())
    }
}
