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

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_small_picture_is_one_tile() {
        let all = Rect { x: 0, y: 0, width: 20, height: 10 };
        assert_eq!(tiles(20, 10, 32, 30).unwrap(), [Tile { source: all, keep: all }]);
    }

    #[test]
    fn the_last_tile_shifts_inward() {
        let cut: Vec<_> = tiles(10, 1, 6, 1).unwrap().iter().map(|t| (t.source.x, t.keep.x, t.keep.width)).collect();
        assert_eq!(cut, [(0, 0, 5), (4, 5, 5)]);
        let cut: Vec<_> = tiles(11, 1, 6, 1).unwrap().iter().map(|t| (t.source.x, t.keep.x, t.keep.width)).collect();
        assert_eq!(cut, [(0, 0, 5), (4, 5, 4), (5, 9, 2)]);
    }

    #[test]
    fn too_small_a_tile_is_an_error_that_names_the_least() {
        assert!(tiles(100, 100, 14, 7).unwrap_err().to_string().contains("at least 15"));
        assert!(tiles(100, 100, 0, 0).is_err());
        assert!(tiles(0, 5, 8, 1).is_err());
        assert!(tiles(10, 10, 10, 7).is_ok());
    }

    proptest! {
        #[test]
        fn kept_rectangles_partition_the_picture_away_from_cuts(
            width in 1usize..140, height in 1usize..140, overlap in 0usize..9, extra in 1usize..40,
        ) {
            let side = 2 * overlap + extra;
            let mut covered = vec![0u8; width * height];
            for tile in tiles(width, height, side, overlap).unwrap() {
                let Tile { source, keep } = tile;
                prop_assert_eq!((source.width, source.height), (side.min(width), side.min(height)));
                prop_assert!(source.x + source.width <= width && source.y + source.height <= height);
                prop_assert!(keep.width > 0 && keep.height > 0);
                for (start, length, from, size, end) in [
                    (keep.x, keep.width, source.x, source.width, width),
                    (keep.y, keep.height, source.y, source.height, height),
                ] {
                    prop_assert!(start >= from && (from == 0 || start >= from + overlap));
                    prop_assert!(from + size == end || start + length + overlap <= from + size);
                    prop_assert!(start + length <= from + size);
                }
                let inside = tile.keep_in_source();
                prop_assert_eq!((inside.x + source.x, inside.y + source.y), (keep.x, keep.y));
                for y in keep.y..keep.y + keep.height {
                    for x in keep.x..keep.x + keep.width {
                        covered[y * width + x] += 1;
                    }
                }
            }
            prop_assert!(covered.iter().all(|&count| count == 1));
        }
    }
}
