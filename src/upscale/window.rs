//! The rows of planes that are in memory at a time.

use std::ops::Range;

/// Consecutive rows of some planes, of which the first are dropped as others are added.
pub(super) struct Window {
    width: usize,
    planes: Vec<Vec<f32>>,
    /// Row of the picture that is the first in `planes`.
    base: usize,
    /// First row that is still wanted.
    first: usize,
}

impl Window {
    pub fn new(width: usize, planes: usize) -> Window {
        Window { width, planes: vec![Vec::new(); planes], base: 0, first: 0 }
    }

    /// Row after the last.
    pub fn end(&self) -> usize {
        self.base + self.planes[0].len() / self.width
    }

    pub fn planes(&self) -> usize {
        self.planes.len()
    }

    /// Adds rows, a vector per plane.
    pub fn push(&mut self, rows: Vec<Vec<f32>>) {
        for (plane, rows) in self.planes.iter_mut().zip(rows) {
            if plane.is_empty() { *plane = rows } else { plane.extend_from_slice(&rows) }
        }
    }

    /// Rows before `row` are wanted no more. They go once they are the larger part, so that each row moves once at most.
    pub fn drop_before(&mut self, row: usize) {
        self.first = row.max(self.first);
        let gone = (self.first - self.base).min(self.planes[0].len() / self.width);
        if 2 * gone * self.width >= self.planes[0].len() {
            self.planes.iter_mut().for_each(|plane| drop(plane.drain(..gone * self.width)));
            self.base += gone;
        }
    }

    pub fn row(&self, plane: usize, y: usize) -> &[f32] {
        &self.planes[plane][(y - self.base) * self.width..][..self.width]
    }

    /// Samples `columns` of row `y`.
    pub fn part(&self, plane: usize, y: usize, columns: Range<usize>) -> &[f32] {
        &self.row(plane, y)[columns]
    }
}
