//! Which sample goes where in a batch: the arithmetic that the sampling kernels and the CPU share.
//!
//! Everything here is 32-bit unsigned arithmetic that wraps, so that the WGSL twin draws the same samples bit for
//! bit. Nothing is remembered between draws: a sample follows from `(seed, step, index)` or `(seed, epoch, position)`
//! alone, which is what lets a resumed run draw what the uninterrupted one would have drawn.

use super::PictureEntry;
use crate::random::{pcg, pcg4d};

/// Fourth word of the hash that draws patches; it keeps the streams of [`patch`] and [`row`] apart.
pub const PATCH_STREAM: u32 = 0x5041_5443;
/// Fourth word of the hash that makes the round keys of [`row`].
pub const ROW_STREAM: u32 = 0x524f_5753;

/// The row at `position` of the shuffled order of epoch `epoch`: for each `(seed, epoch)` a bijection of `0..count`.
///
/// A Feistel network of six rounds on the smallest even number of bits, `2 * half`, whose range covers `count`, walked
/// until it falls inside `0..count` (fewer than four turns on average, as the range is less than four times `count`).
/// A step of the network maps `(left, right)` to `(right, left ^ (pcg(right ^ key) & mask))`; the keys are the four
/// lanes of `pcg4d(seed, epoch, 0, ROW_STREAM)` and the first two lanes of `pcg4d(seed, epoch, 1, ROW_STREAM)`.
///
/// `position` must be below `count`. A `count` of 0 or 1 gives 0.
pub fn row(seed: u32, count: u32, epoch: u32, position: u32) -> u32 {
    if count <= 1 {
        return 0;
    }
    let half = (33 - (count - 1).leading_zeros()) / 2;
    let mask = (1u32 << half) - 1;
    let [k0, k1, k2, k3] = pcg4d([seed, epoch, 0, ROW_STREAM]);
    let [k4, k5, _, _] = pcg4d([seed, epoch, 1, ROW_STREAM]);
    let keys = [k0, k1, k2, k3, k4, k5];
    let mut value = position;
    loop {
        let (mut left, mut right) = (value >> half, value & mask);
        for key in keys {
            (left, right) = (right, left ^ (pcg(right ^ key) & mask));
        }
        value = (left << half) | right;
        // A position inside the range lies on a cycle that comes back to it, so the walk ends; a position outside
        // (a caller's error) might not, hence the first test.
        if value < count || position >= count {
            return value.min(count - 1);
        }
    }
}

/// Where step `step` begins: `(epoch, offset)` with `offset < count`, each step taking `batch` rows.
///
/// For the host alone (64 bits); a kernel receives the pair. The epoch wraps at 2^32. Panics if `count` is 0.
pub fn cursor(step: u64, batch: u32, count: u32) -> (u32, u32) {
    let taken = u128::from(step) * u128::from(batch);
    ((taken / u128::from(count)) as u32, (taken % u128::from(count)) as u32)
}

/// Row `index` of a batch that begins at [`cursor`]'s `(epoch, offset)`: past the last row it goes on with the next
/// epoch's order. Needs `offset < count` and `index < batch <= count`.
pub fn batch_row(seed: u32, count: u32, epoch: u32, offset: u32, index: u32) -> u32 {
    // Not `offset + index >= count`: that sum overflows for tables of more than 2^31 rows.
    let left = count - offset;
    if index < left {
        row(seed, count, epoch, offset + index)
    } else {
        row(seed, count, epoch.wrapping_add(1), index - left)
    }
}

/// A patch drawn from the table of a [`super::Pictures`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Patch {
    /// Row of the table.
    pub picture: u32,
    /// First column, low-resolution pixels.
    pub x: u32,
    /// First row, low-resolution pixels.
    pub y: u32,
    /// Flip and rotation, 0..8: see [`transform`].
    pub transform: u32,
}

/// Draws patch `index` of step `step`: every position in every picture alike, each of the eight transforms alike.
///
/// With `h = pcg4d(seed, step, index, PATCH_STREAM)`: the position is `h[0] % total`, where `total` is the last `end`
/// of the table (so a position's chance is uneven by at most `total / 2^32`); its picture is the first whose `end`
/// exceeds it; what remains after the previous picture's `end` counts along rows of `width - side + 1` positions; the
/// transform is `h[1] >> 29`. `side` is the patch side that the table was counted for. Panics on an empty table.
pub fn patch(seed: u32, step: u32, index: u32, table: &[PictureEntry], side: u32) -> Patch {
    let h = pcg4d([seed, step, index, PATCH_STREAM]);
    let position = h[0] % table[table.len() - 1].end;
    let (mut first, mut last) = (0, table.len() as u32 - 1);
    while first < last {
        let middle = first + (last - first) / 2;
        if position < table[middle as usize].end { last = middle } else { first = middle + 1 }
    }
    let before = if first == 0 { 0 } else { table[first as usize - 1].end };
    let columns = table[first as usize].width - side + 1;
    let rest = position - before;
    Patch { picture: first, x: rest % columns, y: rest / columns, transform: h[1] >> 29 }
}

/// The pixel that output pixel `(i, j)` (row, column) of a patch of `side` pixels is taken from, under element `k` of
/// the symmetries of the square: bit 2 of `k` swaps row and column, then bit 1 mirrors the row and bit 0 the column.
///
/// The same `k` on the low-resolution patch with `side` and the high-resolution patch with `scale * side` keeps the
/// two aligned: block `(i, j)` of the high one comes from the block of the pixel that `(i, j)` of the low one is.
pub fn transform(k: u32, i: u32, j: u32, side: u32) -> (u32, u32) {
    let (mut row, mut column) = if k & 4 == 0 { (i, j) } else { (j, i) };
    if k & 2 != 0 {
        row = side - 1 - row;
    }
    if k & 1 != 0 {
        column = side - 1 - column;
    }
    (row, column)
}
