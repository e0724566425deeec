//! Rows as a training set: in shards that fit a budget, drawn as often as their class asks for, changed anew in each pass.

use std::borrow::Cow;

use super::{Rows, Samples, batch};
use crate::{Error, Result};

/// Fourth word of the hash that draws changes of pictures.
const CHANGE_STREAM: u32 = 0x4348_414e;

/// What befalls rows that are pictures, anew in each pass.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Augmentation {
    /// Every other picture is mirrored, left to right.
    pub flip: bool,
    /// Pictures move by up to so many pixels in each direction; edges are repeated.
    pub shift: usize,
    /// Height, width, channels of a row.
    pub size: [usize; 3],
}

impl Augmentation {
    /// Whether nothing changes.
    pub fn is_none(&self) -> bool {
        !self.flip && self.shift == 0
    }

    /// The row as one pass has it.
    fn change<T: Copy>(&self, row: &[T], draw: [u32; 4], out: &mut Vec<T>) {
        let [height, width, channels] = self.size;
        let mirrored = self.flip && draw[0] >> 31 == 1;
        let span = 2 * self.shift as u32 + 1;
        let source =
            |at: usize, draw: u32, side: usize| (at + (draw % span) as usize).saturating_sub(self.shift).min(side - 1);
        for y in 0..height {
            let y = source(y, draw[1], height);
            for x in 0..width {
                let x = source(if mirrored { width - 1 - x } else { x }, draw[2], width);
                let pixel = (y * width + x) * channels;
                out.extend_from_slice(&row[pixel..pixel + channels]);
            }
        }
    }
}

/// A training set made of rows.
#[derive(Clone, Debug)]
pub struct RowShards {
    rows: Rows,
    /// Rows in the order in which they are counted, some more than once; all of them once where there is none.
    picks: Option<Vec<u32>>,
    augmentation: Augmentation,
    shards: usize,
    seed: u32,
}

impl RowShards {
    /// Divides rows into as few shards as hold them within `budget` bytes each, of equal size but for one row. With
    /// `weights`, one for each class, a row stands in the set as many times as its class' weight is larger than the least,
    /// on average.
    ///
    /// # Errors
    /// When one row exceeds the budget, or the weights are not as many as the classes.
    pub fn new(
        rows: Rows,
        budget: usize,
        weights: Option<&[f64]>,
        augmentation: Augmentation,
        seed: u32,
    ) -> Result<Self> {
        let row = rows.bytes().div_ceil(rows.count().max(1)).max(1);
        if row > budget {
            return Err(Error::key("data.budget_mib", format!("one row takes {row} bytes, of {budget}; raise it")));
        }
        let picks = weights.map(|weights| picks(&rows, weights)).transpose()?;
        let count = picks.as_ref().map_or(rows.count(), Vec::len);
        let shards = count.div_ceil(budget / row).max(1);
        Ok(RowShards { rows, picks, augmentation, shards, seed })
    }

    /// All rows, each once.
    pub fn into_rows(self) -> Rows {
        self.rows
    }

    /// Rows of a pass, repeated ones as often as they come.
    pub fn count(&self) -> usize {
        self.picks.as_ref().map_or(self.rows.count(), Vec::len)
    }

    /// Number of shards.
    pub fn shards(&self) -> usize {
        self.shards
    }

    /// Rows of the smallest shard and of the largest.
    pub fn room(&self) -> [usize; 2] {
        [self.count() / self.shards, self.count().div_ceil(self.shards)]
    }

    /// Whether every [`RowShards::shard`] is the same.
    pub fn is_fixed(&self) -> bool {
        self.shards == 1 && self.augmentation.is_none()
    }

    /// The rows of the shard to train on `number`th, from 0 without end. Each pass divides them anew.
    pub fn indices(&self, number: u64) -> Vec<usize> {
        let (count, shards) = (self.count(), self.shards as u64);
        let (pass, shard) = ((number / shards) as u32, (number % shards) as usize);
        let range = shard * count / self.shards..(shard + 1) * count / self.shards;
        // Another seed than that of the draws within a shard, which would pair with it.
        let seed = crate::random::pcg(self.seed);
        let at = |position: usize| match self.shards {
            1 => position,
            _ => batch::row(seed, count as u32, pass, position as u32) as usize,
        };
        range.map(|position| self.picks.as_ref().map_or(at(position), |picks| picks[at(position)] as usize)).collect()
    }

    /// The `number`th shard. The same number gives the same bytes.
    pub fn shard(&self, number: u64) -> Cow<'_, Rows> {
        if self.is_fixed() && self.picks.is_none() {
            return Cow::Borrowed(&self.rows);
        }
        let indices = self.indices(number);
        if self.augmentation.is_none() {
            return Cow::Owned(self.rows.select(&indices));
        }
        let pass = (number / self.shards as u64) as u32;
        let targets =
            indices.iter().flat_map(|&i| &self.rows.targets[i * self.rows.target_width..][..self.rows.target_width]);
        let features = match &self.rows.features {
            Samples::Bytes(values) => Samples::Bytes(self.changed(values, &indices, pass)),
            Samples::Floats(values) => Samples::Floats(self.changed(values, &indices, pass)),
        };
        Cow::Owned(Rows { features, targets: targets.copied().collect(), ..self.rows })
    }

    fn changed<T: Copy>(&self, values: &[T], indices: &[usize], pass: u32) -> Vec<T> {
        let width = self.rows.width;
        let mut out = Vec::with_capacity(indices.len() * width);
        for (i, &row) in indices.iter().enumerate() {
            // By the place in the shard too: a row that stands in it twice is changed twice.
            let draw =
                crate::random::pcg4d([self.seed, pass, crate::random::pcg(row as u32) ^ i as u32, CHANGE_STREAM]);
            self.augmentation.change(&values[row * width..(row + 1) * width], draw, &mut out);
        }
        out
    }
}

/// Each row as often as its class' weight is larger than the least, fractions spread over the rows of a class.
fn picks(rows: &Rows, weights: &[f64]) -> Result<Vec<u32>> {
    let classes = rows.classes.unwrap_or(0);
    if weights.len() != classes {
        let why = format!("{} weights, and there are {classes} classes", weights.len());
        return Err(Error::key("data.class_weights", why));
    }
    let least = weights.iter().copied().fold(f64::INFINITY, f64::min);
    let mut seen = vec![0u64; classes];
    let mut picks = Vec::new();
    for (row, &class) in rows.targets.iter().enumerate() {
        let (class, before) = (class as usize, seen[class as usize]);
        seen[class] += 1;
        let upto = |rows: u64| (rows as f64 * weights[class] / least + 1e-9).floor() as u64;
        picks.extend((upto(before)..upto(before + 1)).map(|_| row as u32));
    }
    match u32::try_from(picks.len()) {
        Ok(_) => Ok(picks),
        Err(_) => Err(Error::key("data.class_weights", "they make more than 2^32 rows; bring them nearer together")),
    }
}

/// Weights by which each class comes equally often: one over its rows.
pub fn balanced(rows: &Rows) -> Vec<f64> {
    let mut counts = vec![0u64; rows.classes.unwrap_or(0)];
    rows.targets.iter().for_each(|&class| counts[class as usize] += 1);
    counts.iter().map(|&count| 1.0 / count.max(1) as f64).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::lessons;

    fn plain(rows: Rows, budget: usize) -> RowShards {
        RowShards::new(rows, budget, None, Augmentation::default(), 3).unwrap()
    }

    #[test]
    fn a_pass_has_every_row_once_within_the_budget_and_each_divides_anew() {
        for count in [1, 7, 97, 300] {
            let rows = lessons::blobs(1, count, 3, 0.1);
            for budget in [12, 100, 1000, 1 << 20] {
                let shards = plain(rows.clone(), budget);
                let pass = |p: u64| -> Vec<Vec<usize>> {
                    let n = shards.shards() as u64;
                    (p * n..(p + 1) * n).map(|number| shards.indices(number)).collect()
                };
                let mut all = pass(0).concat();
                all.sort_unstable();
                assert_eq!(all, (0..count).collect::<Vec<_>>());
                let [least, most] = shards.room();
                for (number, shard) in pass(0).iter().enumerate() {
                    assert!(shards.shard(number as u64).bytes() <= budget);
                    assert!((least..=most).contains(&shard.len()) && least > 0);
                }
                assert_eq!(pass(0), pass(0));
                if shards.shards() > 1 && count > 90 {
                    assert_ne!(pass(0), pass(1));
                }
            }
        }
        let rows = lessons::blobs(1, 9, 3, 0.1);
        let refused = RowShards::new(rows, 5, None, Augmentation::default(), 0).unwrap_err().to_string();
        assert!(refused.contains("data.budget_mib"), "{refused}");
    }

    #[test]
    fn classes_come_as_often_as_their_weights_say_and_no_row_is_lost() {
        let targets: Vec<f32> = (0..110).map(|k| f32::from(k % 11 == 0)).collect();
        let features = Samples::Floats((0..110).map(|k| k as f32).collect());
        let rows = Rows { features, width: 1, targets, target_width: 1, classes: Some(2) };
        let made = |weights: &[f64]| RowShards::new(rows.clone(), 1 << 20, Some(weights), Augmentation::default(), 1);
        for (weights, second) in [(balanced(&rows), 100), (vec![1.0, 2.5], 25), (vec![3.0, 3.0], 10)] {
            let shard = made(&weights).unwrap().shard(0).into_owned();
            let ones = shard.targets.iter().filter(|&&t| t == 1.0).count();
            assert_eq!((shard.count() - ones, ones), (100, second));
            let Samples::Floats(values) = &shard.features else { panic!("floats") };
            let distinct: std::collections::BTreeSet<u32> = values.iter().map(|&v| v as u32).collect();
            assert_eq!(distinct.len(), 110);
        }
        assert!(made(&[1.0]).unwrap_err().to_string().contains("1 weights, and there are 2 classes"));
    }

    #[test]
    fn pictures_are_mirrored_and_moved_and_stay_what_they_are() {
        let size = [3, 4, 2];
        let row: Vec<u8> = (0..24).collect();
        let rows = |count: usize| Rows {
            features: Samples::Bytes(row.repeat(count)),
            width: 24,
            targets: vec![0.0; count],
            target_width: 1,
            classes: Some(1),
        };
        let pictures = |flip, shift| {
            let shards = RowShards::new(rows(64), 1 << 20, None, Augmentation { flip, shift, size }, 7).unwrap();
            let one = |number| match shards.shard(number).into_owned().features {
                Samples::Bytes(bytes) => bytes,
                Samples::Floats(_) => panic!("bytes"),
            };
            assert_ne!(one(0), one(1), "each pass anew");
            assert_eq!(one(1), one(1));
            one(0).chunks(24).map(<[u8]>::to_vec).collect::<std::collections::BTreeSet<_>>()
        };
        let mirrored: Vec<u8> = row.chunks(8).flat_map(|line| line.chunks(2).rev().flatten()).copied().collect();
        assert_eq!(pictures(true, 0), [row.clone(), mirrored].into_iter().collect());
        let moved = pictures(false, 1);
        assert_eq!(moved.len(), 9);
        // One pixel down and right: the first line and column come twice.
        let down_right: Vec<u8> =
            [[0, 1, 0, 1, 2, 3, 4, 5], [0, 1, 0, 1, 2, 3, 4, 5], [8, 9, 8, 9, 10, 11, 12, 13]].concat();
        assert!(moved.contains(&down_right) && moved.contains(&row));
    }
}
