//! Whether two pictures show the same: as a whole at any size, or one as a piece of the other, mirrored or turned as well.
//!
//! A picture is known by three things: a hash of its pixels, the means of 24 x 24 cells (copies of any size have the same),
//! and a grid of brightness in which pieces of other pictures are looked for. A piece is compared as 8 or more cells a side:
//! roughly at every place that has its mean brightness, then more and more exactly where it fits.

use super::Raster;
use super::batch::transform;
use super::grid::{Cells, Grid};
use super::raster::THUMBNAIL;

/// Thumbnails whose cells differ by less than this on average (of 0..255) show the same picture. Measured: no two
/// different pictures among T91, BSDS500, 37 photographs and the test sets come closer than 9; copies at 0.37 of the
/// size and JPEG quality 40 stay within 1.6, and two crops of one portrait by a few pixels differ by 2.
const SAME: f32 = 4.0;
/// Thumbnails with less contrast than this (mean difference from their mean) say nothing.
const FLAT: f32 = 4.0;
/// Cells along the longer side of a picture in which a piece is looked for, from large pieces to small ones: the smallest
/// has an eighth of the longer side.
const COARSE: [usize; 5] = [16, 23, 32, 45, 64];
/// Least cells along the shorter side of a piece.
const PIECE: usize = 8;
/// Pixels of the whole for a pixel of the piece: pieces that were cut out, and those that were reduced as well.
const REDUCED: [f64; 6] = [1.0, 4.0 / 3.0, 1.5, 2.0, 3.0, 4.0];
/// Correlation of cells at a rough place, and at the exact one.
const ROUGH: f32 = 0.75;
const EXACT: f32 = 0.95;
/// Correlation of what remains of the cells without the mean of their neighbours: skies and walls all agree in the large.
const DETAIL: f32 = 0.6;
/// Mean of that remainder below which there is nothing to compare.
const SMOOTH: f32 = 1.0;
/// Correlation of the thumbnails of a picture and a copy in other light, and of what remains of them without the mean of
/// their neighbours. Measured on 646 pictures of T91, BSDS500, Set5, Set14 and photographs: no two different ones come above
/// 0.52 in both; grey copies at 0.7 of the contrast and 60 brighter, saturated, stay above 0.91.
const SHADED: f32 = 0.85;
/// Rough places that are looked at exactly.
const PLACES: usize = 6;

/// What tells a picture from others; taken before any reduction.
pub(super) struct Mark {
    /// Of its pixels.
    pub(super) hash: u64,
    thumbnail: Vec<f32>,
    /// Pixels.
    width: usize,
    height: usize,
    /// Mean brightness of each cell of the grid.
    means: Vec<u8>,
}

impl Mark {
    pub(super) fn new(raster: &Raster) -> Self {
        let (width, height) = (raster.width, raster.height);
        let [columns, rows] = Grid::cells(width, height);
        let means = raster.cells(columns, rows).into_iter().map(|mean| (mean + 0.5) as u8).collect();
        Mark { hash: raster.hash(), thumbnail: raster.thumbnail(), width, height, means }
    }
}

/// A picture in which others are looked for, and which is looked for in others.
pub(super) struct Sight {
    hash: u64,
    thumbnail: Vec<f32>,
    grid: Grid,
    /// Cell means at every half cell, for each of [`COARSE`].
    levels: Vec<Level>,
}

/// How one picture is like another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Likeness {
    /// The same pixels.
    Equal,
    /// The same as a whole.
    Copy,
    /// A piece of the other.
    Piece,
    /// The other is a piece of it.
    Whole,
}

impl Likeness {
    /// As in "a.png ... b.png".
    pub(super) fn words(self) -> &'static str {
        match self {
            Likeness::Equal => "is the same picture as",
            Likeness::Copy => "looks like a copy of",
            Likeness::Piece => "looks like a piece of",
            Likeness::Whole => "looks as if it held",
        }
    }
}

impl Sight {
    pub(super) fn new(mark: &Mark) -> Self {
        let grid = Grid::new([mark.width, mark.height], &mark.means);
        let longer = grid.width.max(grid.height);
        let levels = COARSE.iter().map(|&cells| Level::new(&grid, longer / cells as f64)).collect();
        Sight { hash: mark.hash, thumbnail: mark.thumbnail.clone(), grid, levels }
    }

    /// How this picture is like the other, if at all.
    pub(super) fn likeness(&self, other: &Sight) -> Option<Likeness> {
        if self.hash == other.hash {
            return Some(Likeness::Equal);
        }
        if self.is_copy(other) {
            return Some(Likeness::Copy);
        }
        if other.holds(self) {
            return Some(Likeness::Piece);
        }
        self.holds(other).then_some(Likeness::Whole)
    }

    fn is_copy(&self, other: &Sight) -> bool {
        let count = self.thumbnail.len() as f32;
        let mean = self.thumbnail.iter().sum::<f32>() / count;
        let contrast = self.thumbnail.iter().map(|v| (v - mean).abs()).sum::<f32>() / count;
        let distance = |k: u32| {
            let cell = |i: usize| {
                let side = THUMBNAIL as u32;
                let (row, column) = transform(k, i as u32 / side, i as u32 % side, side);
                other.thumbnail[(row * side + column) as usize]
            };
            self.thumbnail.iter().enumerate().map(|(i, v)| (v - cell(i)).abs()).sum::<f32>() / count
        };
        contrast >= FLAT && ((0..8).any(|k| distance(k) < SAME) || self.is_shaded(other))
    }

    /// Whether the other is this one in other light: brighter, paler, or without its colours.
    fn is_shaded(&self, other: &Sight) -> bool {
        let cells = |values: &[f32]| Cells { columns: THUMBNAIL, rows: THUMBNAIL, values: values.to_vec() };
        let (one, other) = (cells(&self.thumbnail), cells(&other.thumbnail));
        let is_it = |other: Cells| {
            one.correlation(&other) > SHADED && {
                let (one, other) = (one.detail(), other.detail());
                one.contrast().min(other.contrast()) > SMOOTH && one.correlation(&other) > SHADED
            }
        };
        (0..8).any(|turn| is_it(other.turned(turn)))
    }

    /// Whether the other is a piece of this one.
    fn holds(&self, piece: &Sight) -> bool {
        REDUCED.iter().any(|&factor| self.holds_at(piece, factor))
    }

    /// Whether the other is, where a pixel of it is `factor` pixels of this one.
    fn holds_at(&self, piece: &Sight, factor: f64) -> bool {
        let (width, height) = (piece.grid.width * factor, piece.grid.height * factor);
        let fits = |w: f64, h: f64| w <= self.grid.width && h <= self.grid.height;
        if !fits(width, height) && !fits(height, width) {
            return false;
        }
        let cells = |level: &&Level| (width.min(height) / level.cell) as usize >= PIECE;
        let Some(level) = self.levels.iter().find(cells) else { return false };
        let (columns, rows) = ((width / level.cell) as usize, (height / level.cell) as usize);
        let template = Cells::sample(&piece.grid, [0.0, 0.0], level.cell / factor, [columns, rows]);
        if template.contrast() < FLAT {
            return false;
        }
        let turned: Vec<Cells> = (0..8).map(|k| template.turned(k)).collect();
        let mut places = Vec::new();
        // The first four have the template's sides, the others have them swapped.
        for (first, group) in turned.chunks(4).enumerate() {
            level.places(&self.grid, group, 4 * first, &mut places);
        }
        places.sort_by(|a, b| b.correlation.total_cmp(&a.correlation));
        places.truncate(PLACES);
        places.iter().any(|place| self.is_there(piece, factor, level.cell, [columns, rows], place, &turned[place.turn]))
    }

    /// Whether a piece that is roughly at a place is exactly there.
    fn is_there(&self, piece: &Sight, factor: f64, cell: f64, size: [usize; 2], place: &Place, rough: &Cells) -> bool {
        let [mut x, mut y] = place.at;
        let mut step = cell / 4.0;
        for _ in 0..4 {
            let around = (0..9).map(|k| [x + step * (f64::from(k % 3) - 1.0), y + step * (f64::from(k / 3) - 1.0)]);
            let fit =
                |at: &[f64; 2]| rough.correlation(&Cells::sample(&self.grid, *at, cell, [rough.columns, rough.rows]));
            let best = around.map(|at| (fit(&at), at)).max_by(|a, b| a.0.total_cmp(&b.0));
            [x, y] = best.map_or([x, y], |(_, at)| at);
            step /= 2.0;
        }
        // Twice as many cells, as far as both grids tell them.
        let finest = self.grid.cell.max(piece.grid.cell * factor);
        let parts = if cell / 2.0 >= finest { 2 } else { 1 };
        let (cell, [columns, rows]) = (cell / parts as f64, size.map(|side| side * parts));
        let template = Cells::sample(&piece.grid, [0.0, 0.0], cell / factor, [columns, rows]).turned(place.turn);
        let found = Cells::sample(&self.grid, [x, y], cell, [template.columns, template.rows]);
        let (one, other) = (template.detail(), found.detail());
        (template.mean() - found.mean()).abs() < SAME
            && template.correlation(&found) > EXACT
            && one.contrast().min(other.contrast()) > SMOOTH
            && one.correlation(&other) > DETAIL
    }
}

/// A place at which a piece may be.
struct Place {
    correlation: f32,
    /// Upper left corner, pixels.
    at: [f64; 2],
    /// Which symmetry of the square, see [`transform`].
    turn: usize,
}

/// Means of cells at every half cell of a picture.
struct Level {
    /// Pixels per side of a cell.
    cell: f64,
    means: Cells,
}

impl Level {
    fn new(grid: &Grid, cell: f64) -> Self {
        let count = |side: f64| (2.0 * side / cell) as usize;
        let (columns, rows) = (count(grid.width).max(2) - 1, count(grid.height).max(2) - 1);
        let at = |i: usize| [(i % columns) as f64 * cell / 2.0, (i / columns) as f64 * cell / 2.0];
        let values = (0..columns * rows).map(|i| grid.mean(at(i), cell)).collect();
        Level { cell, means: Cells { columns, rows, values } }
    }

    /// Adds the places at which one of the templates, of one size, roughly fits; `first` is the number of the first.
    fn places(&self, grid: &Grid, templates: &[Cells], first: usize, places: &mut Vec<Place>) {
        let Cells { columns, rows, .. } = templates[0];
        let (Some(right), Some(down)) =
            ((self.means.columns + 1).checked_sub(2 * columns), (self.means.rows + 1).checked_sub(2 * rows))
        else {
            return;
        };
        let (mean, contrast) = (templates[0].mean(), templates[0].deviation());
        let mut window = Cells { columns, rows, values: vec![0.0; columns * rows] };
        let size = [columns, rows].map(|side| side as f64 * self.cell);
        for top in 0..=down {
            for left in 0..=right {
                let at = [left, top].map(|half| half as f64 * self.cell / 2.0);
                // Most places go by this.
                if (grid.rectangle(at, size) - mean).abs() > 2.0 * SAME {
                    continue;
                }
                for row in 0..rows {
                    let line = &self.means.values[(top + 2 * row) * self.means.columns + left..];
                    let to = &mut window.values[row * columns..(row + 1) * columns];
                    to.iter_mut().zip(line.iter().step_by(2)).for_each(|(to, &v)| *to = v);
                }
                let ratio = window.deviation() / contrast;
                if !(0.7..1.4).contains(&ratio) {
                    continue;
                }
                for (k, template) in templates.iter().enumerate() {
                    let correlation = template.correlation(&window);
                    if correlation > ROUGH {
                        places.push(Place { correlation, at, turn: first + k });
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::procedural;
    use crate::image::resize::{Rounding, imresize};

    fn see(raster: &Raster) -> Sight {
        Sight::new(&Mark::new(raster))
    }

    fn crop(raster: &Raster, [x, y, width, height]: [usize; 4]) -> Raster {
        Raster::from_picture(&raster.to_picture().map(|plane| plane.crop(x, y, width, height)))
    }

    fn reduced(raster: &Raster, factor: f64) -> Raster {
        let size = |side: usize| (side as f64 * factor).ceil() as usize;
        let (width, height) = (size(raster.width), size(raster.height));
        Raster::from_picture(&raster.to_picture().map(|p| imresize(p, width, height, factor, Rounding::Eight)))
    }

    fn turned(raster: &Raster, turn: usize) -> Raster {
        let planes = raster.to_picture().planes;
        let planes = planes.into_iter().map(|plane| {
            let cells = Cells { columns: plane.width, rows: plane.height, values: plane.data }.turned(turn);
            crate::image::Plane::new(cells.columns, cells.rows, cells.values)
        });
        Raster::from_picture(&crate::image::Picture::new(planes.collect()))
    }

    #[test]
    fn copies_pieces_and_their_mirror_images_are_found() {
        for seed in 0..6 {
            let whole = procedural::dead_leaves(seed, 300, 220);
            let mark = see(&whole);
            let like = |raster: &Raster| see(raster).likeness(&mark);
            assert_eq!(like(&whole), Some(Likeness::Equal));
            for factor in [0.5, 0.37] {
                assert_eq!(like(&reduced(&whole, factor)), Some(Likeness::Copy), "reduced to {factor}");
            }
            for (gain, shift) in [(1.0, 40.0), (0.7, 0.0), (0.6, 70.0)] {
                let light = |value: u8| (f32::from(value) * gain + shift).clamp(0.0, 255.0) as u8;
                let shaded = Raster { data: whole.data.iter().map(|&v| light(v)).collect(), ..whole.clone() };
                for turn in [0, 3] {
                    let like = like(&turned(&shaded, turn));
                    assert_eq!(like, Some(Likeness::Copy), "times {gain} plus {shift}, turn {turn}");
                }
            }
            let grey = |pixel: &[u8]| match *pixel {
                [red, green, blue] => (299 * u32::from(red) + 587 * u32::from(green) + 114 * u32::from(blue)) / 1000,
                _ => u32::from(pixel[0]),
            };
            let data = whole.data.chunks(whole.channels).map(|pixel| grey(pixel) as u8).collect();
            assert_eq!(like(&Raster { channels: 1, data, ..whole.clone() }), Some(Likeness::Copy));
            let piece = crop(&whole, [83, 41, 150, 110]);
            let small = crop(&whole, [151, 97, 71, 80]);
            for turn in 0..8 {
                assert!(like(&turned(&whole, turn)).is_some(), "turn {turn}");
                assert_eq!(like(&turned(&piece, turn)), Some(Likeness::Piece), "piece, turn {turn}");
                assert_eq!(like(&turned(&small, turn)), Some(Likeness::Piece), "small piece, turn {turn}");
                assert_eq!(like(&reduced(&turned(&piece, turn), 0.5)), Some(Likeness::Piece), "half a piece, {turn}");
            }
            assert_eq!(mark.likeness(&see(&piece)), Some(Likeness::Whole));
        }
    }

    #[test]
    fn other_pictures_are_not_like_it() {
        let pictures: Vec<Raster> = (0..16).map(|seed| procedural::dead_leaves(100 + seed, 240, 180)).collect();
        let pieces = pictures.iter().map(|picture| crop(picture, [30, 20, 120, 100]));
        let marks: Vec<Sight> = pictures.iter().map(see).collect();
        for (i, piece) in pieces.enumerate() {
            let mark = see(&piece);
            for (k, other) in marks.iter().enumerate() {
                assert_eq!(mark.likeness(other).is_some(), i == k, "{i} {k}");
            }
        }
        let flat = Raster { width: 100, height: 80, channels: 1, data: vec![90; 8000] };
        let shade = Raster { width: 100, height: 80, channels: 1, data: (0..8000).map(|i| (i % 100) as u8).collect() };
        let steep =
            Raster { width: 60, height: 60, channels: 1, data: (0..3600).map(|i| (i % 60) as u8 + 20).collect() };
        for one in [&flat, &shade, &steep] {
            for other in [&flat, &shade, &steep] {
                let alike = see(one).likeness(&see(other));
                assert!(alike.is_none() || std::ptr::eq(one, other), "{alike:?}");
            }
        }
    }
}
