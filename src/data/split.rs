//! Which samples are held out: by a hash of what they are, so that samples that are added never change sides.

use std::cmp::Reverse;

use xxhash_rust::xxh3::{Xxh3, xxh3_64_with_seed};

use crate::{Error, Result};

/// The two sides, as indices in ascending order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sides {
    /// Samples to learn from.
    pub learnt: Vec<usize>,
    /// Samples to be judged by.
    pub held: Vec<usize>,
    /// Those that are not where their hash puts them, since a side or a class would have been without samples.
    pub moved: Vec<usize>,
}

/// A 64-bit hash (XXH3) of the cells of a row, as they are written.
pub fn cells<'a>(cells: impl IntoIterator<Item = &'a str>) -> u64 {
    let mut hash = Xxh3::new();
    for cell in cells {
        // Each with its length, so that no cell passes for the end of another.
        hash.update(&(cell.len() as u64).to_le_bytes());
        hash.update(cell.as_bytes());
    }
    hash.digest()
}

/// A hash of all rows together, from their own.
pub fn all(hashes: &[u64]) -> u64 {
    let mut all = Xxh3::new();
    hashes.iter().for_each(|hash| all.update(&hash.to_le_bytes()));
    all.digest()
}

/// Divides samples: those whose hash with `seed` lies in the lowest `share` of all hashes are held out. Equal samples are on
/// one side. `hashes` has a hash per sample, `classes` its class, where it has one.
///
/// Where a side would have no sample, or none of a class that has two or more, those nearest the threshold change sides; a
/// class with one sample is learned from.
///
/// # Errors
/// When there are fewer than two samples, or the share is not inside 0..1.
pub fn sides(hashes: &[u64], classes: Option<&[f32]>, share: f64, seed: u32) -> Result<Sides> {
    let count = hashes.len();
    if count < 2 || !(share > 0.0 && share < 1.0) {
        return Err(Error::key("data.holdout", format!("cannot hold out a share of {share} of {count} samples")));
    }
    let keys: Vec<u64> = hashes.iter().map(|hash| xxh3_64_with_seed(&hash.to_le_bytes(), u64::from(seed))).collect();
    let threshold = (share * 2f64.powi(64)) as u64;
    let mut held: Vec<bool> = keys.iter().map(|&key| key < threshold).collect();
    let mut moved = Vec::new();
    let groups = match classes {
        None => vec![(0..count).collect()],
        Some(classes) => groups(classes),
    };
    // Classes first: a side with a sample of each class is not empty.
    for group in groups.into_iter().chain([(0..count).collect()]) {
        let there = group.iter().filter(|&&i| held[i]).count();
        let nearest = match (group.len(), there) {
            (1, 0) => None,
            (_, 0) => group.iter().min_by_key(|&&i| (keys[i], i)),
            (size, there) if there == size => group.iter().min_by_key(|&&i| (Reverse(keys[i]), i)),
            _ => None,
        };
        if let Some(&i) = nearest {
            held[i] = !held[i];
            moved.push(i);
        }
    }
    moved.sort_unstable();
    let (held, learnt) = (0..count).partition(|&i| held[i]);
    Ok(Sides { learnt, held, moved })
}

/// The samples of each class.
fn groups(classes: &[f32]) -> Vec<Vec<usize>> {
    let mut groups: std::collections::BTreeMap<u32, Vec<usize>> = Default::default();
    for (i, &class) in classes.iter().enumerate() {
        groups.entry(class as u32).or_default().push(i);
    }
    groups.into_values().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(count: usize) -> Vec<u64> {
        (0..count).map(|i| cells([format!("{i}").as_str(), "x"])).collect()
    }

    #[test]
    fn added_rows_leave_the_others_where_they_are() {
        let all = rows(2000);
        let (few, many) = (sides(&all[..1000], None, 0.2, 3).unwrap(), sides(&all, None, 0.2, 3).unwrap());
        assert_eq!(few.held, many.held.iter().copied().filter(|&i| i < 1000).collect::<Vec<_>>());
        assert!((300..500).contains(&many.held.len()) && many.moved.is_empty(), "{}", many.held.len());
        assert_ne!(many.held, sides(&all, None, 0.2, 4).unwrap().held);
    }

    #[test]
    fn equal_rows_are_on_one_side_and_cells_do_not_run_together() {
        let twice: Vec<u64> = rows(500).into_iter().flat_map(|hash| [hash, hash]).collect();
        let sides = sides(&twice, None, 0.3, 0).unwrap();
        assert!(sides.held.chunks(2).all(|pair| pair[0] + 1 == pair[1]));
        assert_ne!(cells(["ab", "c"]), cells(["a", "bc"]));
    }

    #[test]
    fn no_side_is_left_without_rows_or_a_class() {
        for seed in 0..50 {
            for share in [1e-9, 0.01, 0.5, 0.99, 1.0 - 1e-9] {
                let classes: Vec<f32> = [0., 0., 1., 1., 1., 2.].to_vec();
                let parts = sides(&rows(6), Some(&classes), share, seed).unwrap();
                for class in [0., 1.] {
                    for side in [&parts.learnt, &parts.held] {
                        assert!(side.iter().any(|&i| classes[i] == class), "{parts:?}");
                    }
                }
                assert!(parts.learnt.contains(&5), "a class of one is learned from");
                let pair = sides(&rows(2), None, share, seed).unwrap();
                assert_eq!((pair.learnt.len(), pair.held.len()), (1, 1));
            }
        }
        assert!(sides(&rows(1), None, 0.5, 0).is_err() && sides(&rows(9), None, f64::NAN, 0).is_err());
    }
}
