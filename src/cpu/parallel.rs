//! Work in blocks of fixed size, on as many threads as there are.
//!
//! Blocks depend on shapes alone and partial results are added in block order, so neither the number of threads nor
//! their timing changes a bit. Small work stays on the calling thread: waking another costs more than it saves.

use std::ops::Range;
use std::sync::Mutex;

use rayon::prelude::*;

use super::real::Real;

/// Elements in one block of elementwise work.
pub(super) const GRAIN: usize = 16 * 1024;

/// Working memory, one buffer per thread, sized when plans are loaded.
#[derive(Default)]
pub(super) struct Lanes<T> {
    lanes: Vec<Mutex<Vec<T>>>,
}

impl<T: Real> Lanes<T> {
    /// Makes every thread's buffer at least `len` long.
    pub fn reserve(&mut self, threads: usize, len: usize) {
        self.lanes.resize_with(threads + 1, Mutex::default);
        for lane in &mut self.lanes {
            let lane = lane.get_mut().expect("no thread panicked");
            if lane.len() < len {
                lane.resize(len, T::ZERO);
            }
        }
    }

    /// Lends the calling thread its buffer's first `len` elements, contents unspecified.
    pub fn with<R>(&self, len: usize, work: impl FnOnce(&mut [T]) -> R) -> R {
        let last = self.lanes.len() - 1;
        let mine = rayon::current_thread_index().map_or(last, |i| i.min(last));
        let mut lane = self.lanes[mine].lock().expect("no thread panicked");
        work(&mut lane[..len])
    }

    /// Elements of all buffers.
    pub fn len(&self) -> usize {
        self.lanes.iter().map(|l| l.lock().expect("no thread panicked").len()).sum()
    }
}

/// Runs `work(first element, block)` over blocks that hold whole rows of `columns`.
pub(super) fn rows<T: Real>(out: &mut [T], columns: usize, work: impl Fn(usize, &mut [T]) + Sync) {
    blocks(out, (GRAIN / columns).max(1) * columns, work);
}

/// Runs `work(first element, block)` over blocks of `size` elements.
pub(super) fn blocks<T: Real>(out: &mut [T], size: usize, work: impl Fn(usize, &mut [T]) + Sync) {
    if out.len() <= size {
        work(0, out);
    } else {
        out.par_chunks_mut(size).enumerate().for_each(|(i, block)| work(i * size, block));
    }
}

/// Elementwise `out = f(a)`.
pub(super) fn map<T: Real>(out: &mut [T], a: &[T], f: impl Fn(T) -> T + Sync) {
    blocks(out, GRAIN, |at, block| {
        for (o, &a) in block.iter_mut().zip(&a[at..]) {
            *o = f(a);
        }
    });
}

/// Elementwise `out = f(a, b)`.
pub(super) fn zip<T: Real>(out: &mut [T], a: &[T], b: &[T], f: impl Fn(T, T) -> T + Sync) {
    blocks(out, GRAIN, |at, block| {
        for ((o, &a), &b) in block.iter_mut().zip(&a[at..]).zip(&b[at..]) {
            *o = f(a, b);
        }
    });
}

/// `out = f(x, v[column])` over rows of `v.len()` columns.
pub(super) fn by_column<T: Real>(out: &mut [T], x: &[T], v: &[T], f: impl Fn(T, T) -> T + Sync) {
    rows(out, v.len(), |at, block| {
        let x = &x[at..at + block.len()];
        for (o, x) in block.chunks_mut(v.len()).zip(x.chunks(v.len())) {
            for ((o, &x), &v) in o.iter_mut().zip(x).zip(v) {
                *o = f(x, v);
            }
        }
    });
}

/// At most this many partial results in [`partial_sums`].
pub(super) const PARTS: usize = 64;

/// The fixed ranges that [`partial_sums`] splits `items` into, `grain` at least in each but the last.
pub(super) fn part(items: usize, grain: usize) -> usize {
    grain.max(items.div_ceil(PARTS)).max(1)
}

/// Adds up vectors of `out.len()` elements: `work(range of items, sum)` adds its share to a zeroed sum; the shares are
/// added in order. `partials` has room for [`PARTS`] sums.
pub(super) fn partial_sums<T: Real>(
    out: &mut [T],
    partials: &mut [T],
    items: usize,
    grain: usize,
    work: impl Fn(Range<usize>, &mut [T]) + Sync,
) {
    let size = part(items, grain);
    let range = |i: usize| i * size..items.min((i + 1) * size);
    let parts = items.div_ceil(size);
    out.fill(T::ZERO);
    if parts <= 1 {
        work(0..items, out);
        return;
    }
    let partials = &mut partials[..parts * out.len()];
    partials.par_chunks_mut(out.len()).enumerate().for_each(|(i, sum)| {
        sum.fill(T::ZERO);
        work(range(i), sum);
    });
    let partials = &*partials;
    let len = out.len();
    blocks(out, GRAIN / 4, |at, block| {
        for sum in partials.chunks_exact(len) {
            for (o, &s) in block.iter_mut().zip(&sum[at..]) {
                *o += s;
            }
        }
    });
}

/// Sum of `f(range)` over blocks of [`GRAIN`] items, in order. `f` sees each block once.
pub(super) fn total(items: usize, partials: &mut [f64], f: impl Fn(Range<usize>) -> f64 + Sync) -> f64 {
    let size = part(items, GRAIN);
    let parts = items.div_ceil(size);
    if parts <= 1 {
        return f(0..items);
    }
    let partials = &mut partials[..parts];
    partials.par_iter_mut().enumerate().for_each(|(i, p)| *p = f(i * size..items.min((i + 1) * size)));
    partials.iter().sum()
}
