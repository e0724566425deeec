//! Draws: batches from the resident dataset, and dropout masks. The arithmetic stands in [`crate::data::batch`].

use super::parallel;
use super::real::Real;
use crate::data::PictureEntry;
use crate::data::batch::{batch_row, patch, transform};
use crate::graph::{DatasetBuffer, Shape, StepParams};
use crate::random::pcg4d;

/// The resident dataset.
#[derive(Default)]
pub(super) struct Stores {
    features: Vec<f32>,
    feature_bytes: Vec<u8>,
    targets: Vec<f32>,
    low: Vec<u8>,
    high: Vec<u8>,
    table: Vec<PictureEntry>,
}

impl Stores {
    /// Makes room for `len` elements.
    pub fn reserve(&mut self, store: DatasetBuffer, len: usize) {
        fn grow<E: Clone>(vec: &mut Vec<E>, len: usize, zero: E) {
            if vec.len() < len {
                vec.resize(len, zero);
            }
        }
        let none = PictureEntry { end: 0, width: 0, height: 0, low: 0, high: 0 };
        match store {
            DatasetBuffer::Features => grow(&mut self.features, len, 0.0),
            DatasetBuffer::FeatureBytes => grow(&mut self.feature_bytes, len, 0),
            DatasetBuffer::Targets => grow(&mut self.targets, len, 0.0),
            DatasetBuffer::Low => grow(&mut self.low, len, 0),
            DatasetBuffer::High => grow(&mut self.high, len, 0),
            DatasetBuffer::Table => grow(&mut self.table, len / 5, none),
        }
    }

    /// A store's bytes.
    pub fn bytes(&mut self, store: DatasetBuffer) -> &mut [u8] {
        match store {
            DatasetBuffer::Features => bytemuck::cast_slice_mut(&mut self.features),
            DatasetBuffer::FeatureBytes => &mut self.feature_bytes,
            DatasetBuffer::Targets => bytemuck::cast_slice_mut(&mut self.targets),
            DatasetBuffer::Low => &mut self.low,
            DatasetBuffer::High => &mut self.high,
            DatasetBuffer::Table => bytemuck::cast_slice_mut(&mut self.table),
        }
    }

    /// Bytes of all stores.
    pub fn len(&self) -> usize {
        let small = self.feature_bytes.len() + self.low.len() + self.high.len();
        small + 4 * (self.features.len() + self.targets.len()) + size_of::<PictureEntry>() * self.table.len()
    }
}

#[inline(always)]
fn unit<T: Real>(byte: u8) -> T {
    T::of(f64::from(byte)) / T::of(255.0)
}

/// Rows of so many columns of a table, in the shuffled order of the clock's epoch, after the first ones of the step.
pub(super) fn rows<T: Real>(
    out: &mut [T],
    stores: &Stores,
    store: DatasetBuffer,
    size: (usize, usize),
    clock: &StepParams,
) {
    let (columns, first) = size;
    parallel::rows(out, columns, |at, block| {
        for (i, out) in block.chunks_exact_mut(columns).enumerate() {
            let index = (first + at / columns + i) as u32;
            let row = batch_row(clock.seed, clock.count, clock.epoch, clock.offset, index) as usize * columns;
            let floats = |out: &mut [T], from: &[f32]| {
                out.iter_mut().zip(&from[row..row + columns]).for_each(|(o, &v)| *o = T::of(v.into()));
            };
            let bytes = |out: &mut [T], from: &[u8]| {
                out.iter_mut().zip(&from[row..row + columns]).for_each(|(o, &v)| *o = unit(v));
            };
            match store {
                DatasetBuffer::Features => floats(out, &stores.features),
                DatasetBuffer::Targets => floats(out, &stores.targets),
                DatasetBuffer::FeatureBytes => bytes(out, &stores.feature_bytes),
                DatasetBuffer::Low => bytes(out, &stores.low),
                DatasetBuffer::High => bytes(out, &stores.high),
                DatasetBuffer::Table => out.fill(T::NAN), // an index, not a number to learn from
            }
        }
    });
}

/// How [`patches`] reads its store.
#[derive(Clone, Copy)]
pub(super) struct Patches {
    pub store: DatasetBuffer,
    pub patch: usize,
    pub scale: usize,
    pub high: bool,
    pub first: usize,
}

/// Patches of shape `shape`, drawn, flipped and rotated.
pub(super) fn patches<T: Real>(out: &mut [T], stores: &Stores, shape: Shape, how: Patches, clock: &StepParams) {
    let (_, side, _, channels) = shape.image().expect("checked by the graph");
    let bytes = match how.store {
        DatasetBuffer::Low => &stores.low,
        DatasetBuffer::High => &stores.high,
        DatasetBuffer::FeatureBytes => &stores.feature_bytes,
        DatasetBuffer::Features | DatasetBuffer::Targets | DatasetBuffer::Table => return out.fill(T::NAN),
    };
    let table = &stores.table[..(clock.count as usize).min(stores.table.len())];
    let size = side * side * channels;
    parallel::rows(out, size, |at, block| {
        for (i, out) in block.chunks_exact_mut(size).enumerate() {
            let index = (how.first + at / size + i) as u32;
            let drawn = patch(clock.seed, clock.step, index, table, how.patch as u32);
            let entry = table[drawn.picture as usize];
            let start = if how.high { entry.high } else { entry.low } as usize;
            let width = entry.width as usize * how.scale;
            let (x, y) = (drawn.x as usize * how.scale, drawn.y as usize * how.scale);
            for (p, pixel) in out.chunks_exact_mut(channels).enumerate() {
                let (i, j) = transform(drawn.transform, (p / side) as u32, (p % side) as u32, side as u32);
                let from = start + ((y + i as usize) * width + x + j as usize) * channels;
                pixel.iter_mut().zip(&bytes[from..from + channels]).for_each(|(o, &v)| *o = unit(v));
            }
        }
    });
}

/// Zeros a share `rate` of the elements and scales the others by `1 / (1 - rate)`.
pub(super) fn dropout<T: Real>(out: &mut [T], x: &[T], rate: f32, stream: u32, clock: &StepParams) {
    let below = (f64::from(rate) * 4_294_967_296.0) as u32;
    let scale = T::of(1.0 / (1.0 - f64::from(rate)));
    parallel::blocks(out, parallel::GRAIN, |at, block| {
        for (i, (o, &x)) in block.iter_mut().zip(&x[at..]).enumerate() {
            let draw = pcg4d([(at + i) as u32, stream, clock.step, clock.seed])[0];
            *o = if draw >= below { x * scale } else { T::ZERO };
        }
    });
}
