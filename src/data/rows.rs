//! Tables of rows: counting, checking, selecting, dividing.

use super::{Rows, Samples, batch};
use crate::{Error, Result};
use xxhash_rust::xxh3::Xxh3;

impl Samples {
    /// Number of values.
    pub fn len(&self) -> usize {
        match self {
            Samples::Bytes(values) => values.len(),
            Samples::Floats(values) => values.len(),
        }
    }

    /// Whether there is no value.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Bytes that the values take where they are stored.
    pub fn bytes(&self) -> usize {
        match self {
            Samples::Bytes(values) => values.len(),
            Samples::Floats(values) => values.len() * size_of::<f32>(),
        }
    }

    /// Value `index` as the network sees it: bytes divided by 255.
    pub fn value(&self, index: usize) -> f32 {
        match self {
            Samples::Bytes(values) => f32::from(values[index]) / 255.0,
            Samples::Floats(values) => values[index],
        }
    }
}

impl Rows {
    /// Number of rows.
    pub fn count(&self) -> usize {
        self.features.len() / self.width.max(1)
    }

    /// Bytes that features and targets take where they are stored.
    pub fn bytes(&self) -> usize {
        self.features.bytes() + self.targets.len() * size_of::<f32>()
    }

    /// A hash of all values, the same for the same rows on any machine (XXH3).
    pub fn hash(&self) -> u64 {
        let mut hash = Xxh3::new();
        match &self.features {
            Samples::Bytes(bytes) => hash.update(bytes),
            Samples::Floats(floats) => hash.update(bytemuck::cast_slice(floats)),
        }
        hash.update(bytemuck::cast_slice(&self.targets));
        hash.digest()
    }

    /// Checks that the lengths agree, that there is a row, that values are finite and class indices whole and in
    /// range. An error names what is wrong and where.
    pub fn check(&self) -> Result<()> {
        let count = self.count();
        if count == 0 || self.features.len() != count * self.width {
            return Err(Error::input(format!(
                "{} feature values do not make rows of {}",
                self.features.len(),
                self.width
            )));
        }
        if self.targets.len() != count * self.target_width {
            return Err(Error::input(format!(
                "{} target values for {count} rows of {}",
                self.targets.len(),
                self.target_width
            )));
        }
        if let Samples::Floats(values) = &self.features
            && let Some(at) = values.iter().position(|value| !value.is_finite())
        {
            return Err(Error::input(format!("row {}: feature {} is not finite", at / self.width, at % self.width)));
        }
        for (at, &target) in self.targets.iter().enumerate() {
            if !target.is_finite() {
                return Err(Error::input(format!("row {}: the target is not finite", at / self.target_width)));
            }
            if let Some(classes) = self.classes
                && (target < 0.0 || target >= classes as f32 || target.fract() != 0.0)
            {
                let row = at / self.target_width;
                return Err(Error::input(format!("row {row}: {target} is not a class of 0..{classes}")));
            }
        }
        Ok(())
    }

    /// The rows at `indices`, in that order. Panics if an index is out of range.
    pub fn select(&self, indices: &[usize]) -> Rows {
        fn gather<T: Copy>(from: &[T], width: usize, indices: &[usize]) -> Vec<T> {
            let mut out = Vec::with_capacity(indices.len() * width);
            indices.iter().for_each(|&row| out.extend_from_slice(&from[row * width..(row + 1) * width]));
            out
        }
        Rows {
            features: match &self.features {
                Samples::Bytes(values) => Samples::Bytes(gather(values, self.width, indices)),
                Samples::Floats(values) => Samples::Floats(gather(values, self.width, indices)),
            },
            targets: gather(&self.targets, self.target_width, indices),
            ..*self
        }
    }
}

/// `0..count` in the random order that [`batch::row`] gives for `(seed, epoch)`.
pub(super) fn shuffled(count: usize, seed: u32, epoch: u32) -> Result<Vec<usize>> {
    let count = u32::try_from(count).map_err(|_| Error::input(format!("{count} samples: at most 2^32 - 1")))?;
    Ok((0..count).map(|position| batch::row(seed, count, epoch, position) as usize).collect())
}
