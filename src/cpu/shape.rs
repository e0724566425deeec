//! Columns put together and taken apart.

use super::parallel;
use super::real::Real;

/// Columns of `a`, then columns of `b`.
pub(super) fn concat<T: Real>(out: &mut [T], a: (&[T], usize), b: (&[T], usize)) {
    let columns = a.1 + b.1;
    parallel::rows(out, columns, |at, block| {
        let rows = a.0[at / columns * a.1..].chunks_exact(a.1).zip(b.0[at / columns * b.1..].chunks_exact(b.1));
        for (out, (left, right)) in block.chunks_exact_mut(columns).zip(rows) {
            out[..a.1].copy_from_slice(left);
            out[a.1..].copy_from_slice(right);
        }
    });
}

/// Columns `start..start + len` of rows of `columns`.
pub(super) fn slice<T: Real>(out: &mut [T], x: &[T], columns: usize, start: usize, len: usize) {
    parallel::rows(out, len, |at, block| {
        let rows = x[at / len * columns..].chunks_exact(columns);
        block.chunks_exact_mut(len).zip(rows).for_each(|(out, x)| out.copy_from_slice(&x[start..start + len]));
    });
}

/// Rows of `len` columns at `start` in rows of `columns`, zero elsewhere.
pub(super) fn pad<T: Real>(out: &mut [T], x: &[T], len: usize, start: usize, columns: usize) {
    parallel::rows(out, columns, |at, block| {
        let rows = x[at / columns * len..].chunks_exact(len);
        for (out, x) in block.chunks_exact_mut(columns).zip(rows) {
            out.fill(T::ZERO);
            out[start..start + len].copy_from_slice(x);
        }
    });
}
