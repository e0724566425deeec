//! How pictures are cut into tiles: nothing left out, nothing twice, seams away from what a window sees.

use crate::support::property;
use proptest::prelude::*;
use wgrad::internal::image::tiles::{Grid, Rect, Tile};

#[test]
fn a_small_picture_is_one_tile() {
    let all = Rect { x: 0, y: 0, width: 20, height: 10 };
    for grid in [Grid::within(20, 10, 32, 30).unwrap(), Grid::of_area(20, 10, 200, 30).unwrap()] {
        assert_eq!(grid.row(0).collect::<Vec<_>>(), [Tile { source: all, keep: all }]);
        assert_eq!(grid.count(), 1);
    }
}

#[test]
fn tiles_are_equal_and_waste_little() {
    let grid = Grid::within(640, 480, 512, 9).unwrap();
    assert_eq!((grid.count(), grid.width, grid.height), (2, 338, 480));
    // 800x600 in halves of 512 would be 2.2 times its pixels.
    let grid = Grid::of_area(800, 600, 1 << 18, 9).unwrap();
    assert!(grid.count() * grid.width * grid.height < 800 * 600 * 11 / 10, "{grid:?}");
    let spans: Vec<_> =
        Grid::within(11, 1, 6, 1).unwrap().row(0).map(|t| (t.source.x, t.keep.x, t.keep.width)).collect();
    assert_eq!(spans, [(0, 0, 3), (2, 3, 4), (5, 7, 4)]);
}

#[test]
fn too_small_a_tile_is_an_error_that_names_the_least() {
    assert!(Grid::within(100, 100, 14, 7).unwrap_err().to_string().contains("at least 15"));
    assert!(Grid::within(100, 100, 0, 0).is_err());
    assert!(Grid::within(0, 5, 8, 1).is_err());
    assert!(Grid::within(10, 10, 10, 7).is_ok());
    assert!(Grid::of_area(5, 0, 8, 1).is_err());
}

proptest! {
    #![proptest_config(property::config(256))]

    #[test]
    fn kept_rectangles_partition_the_picture_away_from_cuts(
        width in 1usize..140, height in 1usize..140, overlap in 0usize..9, extra in 1usize..40, by_area: bool, halve: bool,
    ) {
        let side = 2 * overlap + extra;
        let grid = match by_area {
            true => Grid::of_area(width, height, side * side, overlap).unwrap(),
            false => Grid::within(width, height, side, overlap).unwrap(),
        };
        prop_assert!(by_area || grid.width <= side && grid.height <= side);
        let mut tiles: Vec<Tile> = (0..grid.rows()).flat_map(|row| grid.row(row)).collect();
        prop_assert_eq!(tiles.len(), grid.count());
        if halve {
            tiles = tiles.iter().flat_map(|t| t.halves(overlap).map_or(vec![*t], |halves| halves.to_vec())).collect();
        } else {
            prop_assert!(tiles.iter().all(|t| (t.source.width, t.source.height) == (grid.width, grid.height)));
        }
        let mut covered = vec![0u8; width * height];
        for tile in tiles {
            let Tile { source, keep } = tile;
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
