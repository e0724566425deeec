//! Tile geometry: how a picture is cut into overlapping tiles and put together again.
//!
//! A network that sees `overlap` pixels around each output pixel computes, from a tile, exactly what it would compute
//! from the whole picture, wherever it looks at least `overlap` pixels away from the tile's cut edges. Edges of the
//! picture are no cuts: padding belongs there. So tiles at the borders shift inward, rather than being padded, and all
//! tiles have one size: one plan serves them all.

use crate::{Error, Result};

/// A rectangle of pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rect {
    /// Leftmost column.
    pub x: usize,
    /// Topmost row.
    pub y: usize,
    /// Columns.
    pub width: usize,
    /// Rows.
    pub height: usize,
}

/// One tile: what to read and what to keep of the result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tile {
    /// Pixels to read, in picture coordinates.
    pub source: Rect,
    /// Pixels to keep, in picture coordinates; inside `source`. The kept rectangles of all tiles partition the picture.
    pub keep: Rect,
}

impl Tile {
    /// `keep` in coordinates of the tile: the offset of its corner from that of `source`.
    pub fn keep_in_source(&self) -> Rect {
        Rect { x: self.keep.x - self.source.x, y: self.keep.y - self.source.y, ..self.keep }
    }
}

impl Rect {
    /// This rectangle in a picture enlarged `scale` times.
    pub fn scaled(&self, scale: usize) -> Rect {
        Rect { x: self.x * scale, y: self.y * scale, width: self.width * scale, height: self.height * scale }
    }
}

/// How a picture is cut: rows and columns of equal tiles.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grid {
    /// Columns of every source.
    pub width: usize,
    /// Rows of every source.
    pub height: usize,
    columns: Vec<Span>,
    rows: Vec<Span>,
}

impl Grid {
    /// Cuts a picture of `width` by `height` pixels into tiles of at most `most` by `most` pixels, all alike.
    ///
    /// `overlap` is the receptive radius in pixels: every kept pixel is at least so far from each edge of its source that is
    /// not an edge of the picture.
    ///
    /// # Errors
    /// When the picture is empty, or must be cut and `most` leaves nothing to keep (`most <= 2 * overlap`).
    pub fn within(width: usize, height: usize, most: usize, overlap: usize) -> Result<Grid> {
        let least = overlap.saturating_mul(2).saturating_add(1);
        if most < least && (most < width || most < height) {
            return Err(Error::input(format!(
                "tiles of {most} pixels are too small for a network that sees {overlap} pixels around each: use at least {least}"
            )));
        }
        let count = |size: usize| if size <= most { 1 } else { size.div_ceil(most - 2 * overlap) };
        Grid::new(width, height, [count(width), count(height)], overlap)
    }

    /// Cuts a picture into tiles of at most `area` pixels so that as few pixels as possible are computed twice; where
    /// nothing fits, into the smallest there are.
    ///
    /// # Errors
    /// When the picture is empty.
    pub fn of_area(width: usize, height: usize, area: usize, overlap: usize) -> Result<Grid> {
        let side = |size: usize, count: usize| size.min(size.div_ceil(count) + if count > 1 { 2 * overlap } else { 0 });
        // A part thinner than the overlap is mostly overlap.
        let most = |size: usize| size.div_ceil(overlap.max(1)).max(1);
        let fitting = (1..=most(width)).filter_map(|columns| {
            let wide = side(width, columns);
            let rows = (1..=most(height)).find(|&rows| wide * side(height, rows) <= area)?;
            // A tile costs its pixels and, for its own overhead, some more.
            Some((columns * rows * (wide * side(height, rows) + 4096), [columns, rows]))
        });
        let counts = fitting.min().map_or([most(width), most(height)], |(_, counts)| counts);
        Grid::new(width, height, counts, overlap)
    }

    fn new(width: usize, height: usize, [columns, rows]: [usize; 2], overlap: usize) -> Result<Grid> {
        if width == 0 || height == 0 {
            return Err(Error::input(format!("a picture of {width}x{height} pixels has no tiles")));
        }
        let (wide, columns) = cut(width, columns, overlap);
        let (high, rows) = cut(height, rows, overlap);
        Ok(Grid { width: wide, height: high, columns, rows })
    }

    /// Number of rows of tiles.
    pub fn rows(&self) -> usize {
        self.rows.len()
    }

    /// Number of tiles.
    pub fn count(&self) -> usize {
        self.rows.len() * self.columns.len()
    }

    /// The tiles of a row, from left to right.
    pub fn row(&self, row: usize) -> impl Iterator<Item = Tile> {
        let row = self.rows[row];
        self.columns.iter().map(move |column| Tile {
            source: Rect { x: column.source, y: row.source, width: self.width, height: self.height },
            keep: Rect { x: column.keep, y: row.keep, width: column.length, height: row.length },
        })
    }
}

impl Tile {
    /// This tile as two, cut across its longer side; none when the halves would read nearly as much as the whole.
    pub fn halves(&self, overlap: usize) -> Option<[Tile; 2]> {
        let Rect { x, y, width, height } = self.keep;
        let across = width >= height;
        let half = if across { width } else { height } / 2;
        if half <= 2 * overlap.max(4) {
            return None;
        }
        let part = |from: usize, length: usize| {
            let keep = match across {
                true => Rect { x: x + from, width: length, ..self.keep },
                false => Rect { y: y + from, height: length, ..self.keep },
            };
            let (source, right, bottom) =
                (self.source, self.source.x + self.source.width, self.source.y + self.source.height);
            let (left, top) =
                (keep.x.saturating_sub(overlap).max(source.x), keep.y.saturating_sub(overlap).max(source.y));
            let width = (keep.x + keep.width + overlap).min(right) - left;
            let height = (keep.y + keep.height + overlap).min(bottom) - top;
            Tile { source: Rect { x: left, y: top, width, height }, keep }
        };
        let rest = if across { width } else { height } - half;
        Some([part(0, half), part(half, rest)])
    }
}

/// One axis of a tile: where its source starts, and which part is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Span {
    source: usize,
    keep: usize,
    length: usize,
}

/// Cuts one axis into `count` parts of equal length but for a pixel, whose sources are all of the length that is returned.
fn cut(size: usize, count: usize, overlap: usize) -> (usize, Vec<Span>) {
    let count = count.min(size);
    let length = if count == 1 { size } else { size.min(size.div_ceil(count) + 2 * overlap) };
    let at = |i: usize| (i as u128 * size as u128 / count as u128) as usize;
    let span = |i: usize| {
        let (keep, end) = (at(i), at(i + 1));
        // Sources at the borders begin or end with the picture.
        Span { source: keep.saturating_sub(overlap).min(size - length), keep, length: end - keep }
    };
    (length, (0..count).map(span).collect())
}
