//! How pictures are cut into tiles: nothing left out, nothing twice, seams away from what a window sees.

#[path = "support/property.rs"]
mod property;

use proptest::prelude::*;
use wgrad::image::tiles::{Rect, Tile, tiles};

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
    #![proptest_config(property::config(256))]

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
