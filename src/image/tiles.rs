//! Tile geometry: how a picture is cut into overlapping tiles and put together again.
//!
//! A network that sees `overlap` pixels around each output pixel computes, from a tile, exactly what it would compute
//! from the whole picture, wherever it looks at least `overlap` pixels away from the tile's cut edges. Edges of the
//! picture are no cuts: padding belongs there. So tiles at the right and bottom shift inward, rather than being padded,
//! and all tiles have one size: one plan serves them all.

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

/// Cuts a picture of `width` by `height` pixels into tiles, row after row.
///
/// `tile` is the side of the tiles and `overlap` the receptive radius, both in pixels. Every source is
/// `min(tile, width)` by `min(tile, height)`; every kept pixel is at least `overlap` pixels from each edge of its source
/// that is not an edge of the picture.
///
/// # Errors
/// When the picture is empty, or must be cut and `tile` leaves nothing to keep (`tile <= 2 * overlap`).
pub fn tiles(width: usize, height: usize, tile: usize, overlap: usize) -> Result<Vec<Tile>> {
    if width == 0 || height == 0 {
        return Err(Error::input(format!("a picture of {width}x{height} pixels has no tiles")));
    }
    let least = overlap.saturating_mul(2).saturating_add(1);
    if tile < least && (tile < width || tile < height) {
        return Err(Error::input(format!(
            "tiles of {tile} pixels are too small for a network that sees {overlap} pixels around each: use at least {least}"
        )));
    }
    let columns = cut(width, tile, overlap);
    let rows = cut(height, tile, overlap);
    let tile = |row: &Span, column: &Span| Tile {
        source: Rect { x: column.source, y: row.source, width: tile.min(width), height: tile.min(height) },
        keep: Rect { x: column.keep, y: row.keep, width: column.length, height: row.length },
    };
    Ok(rows.iter().flat_map(|row| columns.iter().map(move |column| tile(row, column))).collect())
}

/// One axis of a tile: where its source starts, and which part is kept.
struct Span {
    source: usize,
    keep: usize,
    length: usize,
}

fn cut(size: usize, tile: usize, overlap: usize) -> Vec<Span> {
    if size <= tile {
        return vec![Span { source: 0, keep: 0, length: size }];
    }
    let mut spans = Vec::new();
    let mut keep = 0;
    while keep < size {
        // The last tile shifts inward until it ends with the picture; then it keeps all that is left.
        let source = keep.saturating_sub(overlap).min(size - tile);
        let end = if source + tile == size { size } else { source + tile - overlap };
        spans.push(Span { source, keep, length: end - keep });
        keep = end;
    }
    spans
}
