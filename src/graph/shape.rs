//! Shapes of up to four dimensions, row-major: `[rows, columns]`, or `[batch, height, width, channels]` for images.

use std::fmt;

/// The extents of a tensor, outermost first. Never empty; no extent is zero.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Shape {
    extents: [usize; 4],
    rank: usize,
}

impl Shape {
    /// A shape of one to four extents.
    ///
    /// # Panics
    /// When there are none or more than four: callers build shapes from checked declarations.
    pub fn new(extents: &[usize]) -> Self {
        assert!((1..=4).contains(&extents.len()), "a shape has one to four extents, not {}", extents.len());
        let mut all = [1; 4];
        all[..extents.len()].copy_from_slice(extents);
        Shape { extents: all, rank: extents.len() }
    }

    /// The extents, outermost first.
    pub fn extents(&self) -> &[usize] {
        &self.extents[..self.rank]
    }

    /// How many extents there are.
    pub fn rank(&self) -> usize {
        self.rank
    }

    /// Number of elements.
    pub fn len(&self) -> usize {
        self.extents.iter().product()
    }

    /// Whether there are no elements, which no checked graph allows.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The innermost extent: columns or channels.
    pub fn columns(&self) -> usize {
        self.extents[self.rank - 1]
    }

    /// All but the innermost extent, multiplied.
    pub fn rows(&self) -> usize {
        self.len() / self.columns().max(1)
    }

    /// `(batch, height, width, channels)` of an image tensor.
    pub fn image(&self) -> Option<(usize, usize, usize, usize)> {
        let [n, h, w, c] = self.extents;
        (self.rank == 4).then_some((n, h, w, c))
    }

    /// `(rows, columns)` of a matrix.
    pub fn matrix(&self) -> Option<(usize, usize)> {
        (self.rank == 2).then_some((self.extents[0], self.extents[1]))
    }

    /// The same shape with another innermost extent.
    pub fn with_columns(mut self, columns: usize) -> Self {
        self.extents[self.rank - 1] = columns;
        self
    }
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, extent) in self.extents().iter().enumerate() {
            write!(f, "{}{extent}", if i == 0 { "" } else { "x" })?;
        }
        Ok(())
    }
}

impl fmt::Debug for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::Shape;

    #[test]
    fn rows_and_columns_split_an_image_at_its_channels() {
        let shape = Shape::new(&[2, 3, 4, 5]);
        assert_eq!((shape.rows(), shape.columns(), shape.len()), (24, 5, 120));
        assert_eq!(shape.to_string(), "2x3x4x5");
        assert_eq!(shape.with_columns(7), Shape::new(&[2, 3, 4, 7]));
    }
}
