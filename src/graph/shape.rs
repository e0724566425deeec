//! Shapes of up to four dimensions, row-major: `[rows, columns]`, or `[batch, height, width, channels]` for images.

use std::fmt;

/// The extents of a tensor, outermost first. Never empty; no extent is zero, and there are at most [`Shape::MOST`] elements.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Shape {
    extents: [usize; 4],
    rank: usize,
}

impl Shape {
    /// Most elements of a tensor, 2^31 - 1: kernels count them in 32 bits.
    pub const MOST: usize = i32::MAX as usize;

    /// A shape of one to four extents.
    ///
    /// # Errors
    /// When there are none or more than four, when one is zero, or when there are more than [`Shape::MOST`] elements.
    pub fn new(extents: &[usize]) -> Result<Self, String> {
        let rank = extents.len();
        if !(1..=4).contains(&rank) {
            return Err(format!("a shape has one to four extents, not {rank}"));
        }
        let mut all = [1; 4];
        all[..rank].copy_from_slice(extents);
        let shape = Shape { extents: all, rank };
        match all.iter().try_fold(1usize, |n, &extent| n.checked_mul(extent)) {
            Some(0) => Err(format!("a tensor of {shape} would be empty")),
            Some(1..=Self::MOST) => Ok(shape),
            _ => Err(format!("a tensor of {shape} has more than {} elements", Self::MOST)),
        }
    }

    /// `[len]`, for a `len` that an extent of a shape is, or was.
    pub(crate) fn vector(len: usize) -> Self {
        Shape { extents: [len, 1, 1, 1], rank: 1 }
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

    /// Never: an empty shape cannot be made.
    pub fn is_empty(&self) -> bool {
        false
    }

    /// The innermost extent: columns or channels.
    pub fn columns(&self) -> usize {
        self.extents[self.rank - 1]
    }

    /// All but the innermost extent, multiplied.
    pub fn rows(&self) -> usize {
        self.len() / self.columns()
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
    ///
    /// # Errors
    /// As [`Shape::new`].
    pub fn with_columns(mut self, columns: usize) -> Result<Self, String> {
        self.extents[self.rank - 1] = columns;
        Shape::new(self.extents())
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
        let shape = Shape::new(&[2, 3, 4, 5]).unwrap();
        assert_eq!((shape.rows(), shape.columns(), shape.len()), (24, 5, 120));
        assert_eq!(shape.to_string(), "2x3x4x5");
        assert_eq!(shape.with_columns(7), Shape::new(&[2, 3, 4, 7]));
        assert!(shape.with_columns(0).is_err() && shape.with_columns(usize::MAX).is_err());
    }

    #[test]
    fn what_kernels_cannot_count_is_no_shape() {
        for extents in [&[][..], &[1; 5], &[3, 0], &[1 << 31], &[1 << 40, 1 << 40], &[1 << 16, 1 << 15]] {
            assert!(Shape::new(extents).is_err(), "{extents:?}");
        }
        assert_eq!(Shape::new(&[(1 << 31) - 1]).unwrap().len(), Shape::MOST);
    }
}
