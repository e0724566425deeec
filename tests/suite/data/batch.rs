//! The arithmetic that draws samples: known answers, bijection, uniformity, alignment.

use crate::support::property;
use proptest::prelude::*;
use wgrad::internal::data::batch;
use wgrad::internal::data::batch::PATCH_STREAM;
use wgrad::internal::data::{PictureEntry, Pictures};

#[test]
fn hashes_give_known_answers() {
    // From a separate implementation with Python's integers.
    assert_eq!(wgrad::internal::random::pcg4d([0; 4]), [0x0f02_f829, 0x2d56_8769, 0x32b0_c43b, 0xd325_48ea]);
    assert_eq!(wgrad::internal::random::pcg4d([1, 2, 3, 4]), [0x3622_cd16, 0xf114_71d8, 0xe110_9b3f, 0x02b9_4c2f]);
    assert_eq!(wgrad::internal::random::pcg4d([u32::MAX; 4]), [0x974e_d892, 0xc015_dc67, 0x9f95_5760, 0xa1bb_a208]);
    let patch = wgrad::internal::random::pcg4d([0xdead_beef, 7, 42, PATCH_STREAM]);
    assert_eq!(patch, [0x9411_d606, 0x3758_f39d, 0xb824_a05b, 0xf873_75ef]);
    assert_eq!([0, 1, u32::MAX].map(wgrad::internal::random::pcg), [0x07bb_2fe2, 0xa8be_ea3c, 0xe62a_4902]);
}

fn assert_bijection(seed: u32, count: u32, epoch: u32) {
    let mut seen = vec![false; count as usize];
    for position in 0..count {
        let row = batch::row(seed, count, epoch, position) as usize;
        assert!(!std::mem::replace(&mut seen[row], true), "row {row} of {count} came twice");
    }
}

#[test]
fn every_small_count_is_permuted() {
    for count in 1..=1030 {
        assert_bijection(count * 77, count, count % 3);
    }
    assert_bijection(1, 60_000, 0);
}

proptest! {
    #![proptest_config(property::config(256))]

    #[test]
    fn rows_are_permuted(seed: u32, count in 1u32..20_000, epoch: u32) {
        assert_bijection(seed, count, epoch);
    }

    #[test]
    fn huge_counts_stay_in_range(seed: u32, count in 0x7fff_fff0u32.., epoch: u32, share in 0.0..1.0f64) {
        let position = (f64::from(count) * share) as u32;
        prop_assert!(batch::row(seed, count, epoch, position) < count);
        prop_assert!(batch::batch_row(seed, count, epoch, position, 1_000_000) < count);
    }

    #[test]
    fn a_batch_goes_on_with_the_next_epoch(seed: u32, count in 1u32..500, step in 0u64..1000, share in 0.0..1.0f64) {
        let size = 1 + (f64::from(count - 1) * share) as u32;
        let (epoch, offset) = batch::cursor(step, size, count);
        for index in 0..size {
            let (e, o) = batch::cursor(step * u64::from(size) + u64::from(index), 1, count);
            prop_assert_eq!(batch::batch_row(seed, count, epoch, offset, index), batch::row(seed, count, e, o));
        }
    }
}

/// Pearson's chi-square against equal chances.
fn chi_square(counts: &[u32]) -> f64 {
    let expected = counts.iter().map(|&n| f64::from(n)).sum::<f64>() / counts.len() as f64;
    counts.iter().map(|&n| (f64::from(n) - expected).powi(2) / expected).sum()
}

/// Far beyond chance: mean + 6 standard deviations of the chi-square distribution.
fn limit(cells: usize) -> f64 {
    let freedom = (cells - 1) as f64;
    freedom + 6.0 * (2.0 * freedom).sqrt()
}

#[test]
fn each_row_stands_anywhere_alike() {
    for count in [2u32, 3, 5, 16, 17, 100] {
        let cells = (count * count) as usize;
        let mut counts = vec![0; cells];
        for epoch in 0..20 * count.max(50) {
            for position in 0..count {
                counts[(position * count + batch::row(9, count, epoch, position)) as usize] += 1;
            }
        }
        let found = chi_square(&counts);
        assert!(found < limit(cells), "count {count}: {found} over {cells} cells");
    }
}

#[test]
fn neighbours_do_not_stay_together() {
    // The step from one row to the next, modulo the count: uniform but for the step 0, which cannot occur.
    let count = 64u32;
    let mut counts = vec![0; count as usize];
    for epoch in 0..2000 {
        for position in 1..count {
            let (a, b) = (batch::row(3, count, epoch, position - 1), batch::row(3, count, epoch, position));
            counts[((b + count - a) % count) as usize] += 1;
        }
    }
    assert_eq!(counts.remove(0), 0);
    let found = chi_square(&counts);
    assert!(found < limit(counts.len()), "{found} over {} steps", counts.len());
}

/// A table of pictures of the given sizes for patches of `side`.
fn table(sizes: &[(u32, u32)], side: u32) -> Vec<PictureEntry> {
    let mut end = 0;
    let entry = |&(width, height): &(u32, u32)| {
        end += (width - side + 1) * (height - side + 1);
        PictureEntry { end, width, height, low: 0, high: 0 }
    };
    sizes.iter().map(entry).collect()
}

#[test]
fn every_position_and_transform_is_drawn_alike() {
    let (side, sizes) = (4, [(9, 4), (4, 4), (6, 8), (5, 5)]);
    let table = table(&sizes, side);
    let total = table[3].end as usize;
    assert_eq!(total, 6 + 1 + 15 + 4);
    let mut counts = vec![0; total * 8];
    for step in 0..1000 {
        for index in 0..64 {
            let patch = batch::patch(5, step, index, &table, side);
            let (width, height) = sizes[patch.picture as usize];
            assert!(patch.x + side <= width && patch.y + side <= height, "{patch:?}");
            let before = if patch.picture == 0 { 0 } else { table[patch.picture as usize - 1].end };
            let place = before + patch.y * (width - side + 1) + patch.x;
            counts[(place * 8 + patch.transform) as usize] += 1;
        }
    }
    let found = chi_square(&counts);
    assert!(found < limit(counts.len()), "{found} over {} cells", counts.len());
}

#[test]
fn transforms_are_the_eight_symmetries_of_the_square() {
    let side = 3;
    let images: std::collections::BTreeSet<Vec<(u32, u32)>> = (0..8)
        .map(|k| (0..9).map(|at| batch::transform(k, at / side, at % side, side)).collect::<Vec<_>>())
        .inspect(|image| {
            let distinct: std::collections::BTreeSet<_> = image.iter().collect();
            assert_eq!(distinct.len(), 9, "a bijection of the pixels");
            assert_eq!(image[4], (1, 1), "the centre stays");
        })
        .collect();
    assert_eq!(images.len(), 8, "all different");
    assert_eq!(batch::transform(0, 1, 2, 3), (1, 2));
    assert_eq!(batch::transform(1, 1, 2, 3), (1, 0), "bit 0 mirrors the column");
    assert_eq!(batch::transform(2, 0, 1, 3), (2, 1), "bit 1 mirrors the row");
    assert_eq!(batch::transform(4, 0, 1, 3), (1, 0), "bit 2 swaps");
    assert_eq!(batch::transform(5, 0, 2, 3), (2, 2), "first the swap, then the mirror");
}

#[test]
fn low_and_high_patches_stay_aligned_under_every_transform() {
    // The low picture holds the mean of each 2x2 block of the high one.
    let (scale, side, channels) = (2usize, 3usize, 3usize);
    let (width, height) = (7usize, 5usize);
    let high: Vec<u8> =
        (0..width * height * 4 * channels).map(|at| wgrad::internal::random::pcg(at as u32) as u8).collect();
    let mean = |x: usize, y: usize, c: usize| {
        let at = |dx, dy| u32::from(high[((y * 2 + dy) * width * 2 + x * 2 + dx) * channels + c]);
        ((at(0, 0) + at(1, 0) + at(0, 1) + at(1, 1)) / 4) as u8
    };
    let low =
        (0..width * height * channels).map(|at| mean(at / channels % width, at / channels / width, at % channels));
    let low = low.collect();
    let table = table(&[(width as u32, height as u32)], side as u32);
    let pictures = Pictures { scale, channels, patch: side, low, high: high.clone(), table };
    let mut seen = [false; 8];
    for index in 0..200 {
        let patch = batch::patch(1, 2, index, &pictures.table, side as u32);
        seen[patch.transform as usize] = true;
        let (low, high) = pictures.cut(patch);
        let big = side * scale;
        for (at, &value) in low.iter().enumerate() {
            let (i, j, c) = (at / channels / side, at / channels % side, at % channels);
            let at = |di, dj| u32::from(high[((i * 2 + di) * big + j * 2 + dj) * channels + c]);
            assert_eq!(u32::from(value), (at(0, 0) + at(1, 0) + at(0, 1) + at(1, 1)) / 4, "{patch:?} at {i},{j}");
        }
    }
    assert_eq!(seen, [true; 8]);
}
