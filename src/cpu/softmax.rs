//! Softmax over the columns of each row, its logarithm, and their gradients.

use super::parallel;
use super::real::Real;

/// The largest of a row and the sum of `exp(x - largest)`; sums in f64 keep long rows exact.
pub(super) fn log_sum_exp<T: Real>(row: &[T]) -> (T, T) {
    let top = row.iter().fold(row[0], |m, &v| if v > m { v } else { m });
    let sum: f64 = row.iter().map(|&v| (v - top).exp().wide()).sum();
    (top, T::of(sum))
}

/// Softmax of each row, or its logarithm.
pub(super) fn softmax<T: Real>(out: &mut [T], x: &[T], columns: usize, log: bool) {
    parallel::rows(out, columns, |at, block| {
        for (o, x) in block.chunks_exact_mut(columns).zip(x[at..].chunks_exact(columns)) {
            let (top, sum) = log_sum_exp(x);
            if log {
                let shift = top + sum.ln();
                o.iter_mut().zip(x).for_each(|(o, &x)| *o = x - shift);
            } else {
                o.iter_mut().zip(x).for_each(|(o, &x)| *o = (x - top).exp() / sum);
            }
        }
    });
}

/// `dx = y (dy - sum(dy y))`, or `dy - exp(y) sum(dy)` for the logarithm.
pub(super) fn softmax_grad<T: Real>(out: &mut [T], dy: &[T], y: &[T], columns: usize, log: bool) {
    parallel::rows(out, columns, |at, block| {
        let rows = dy[at..].chunks_exact(columns).zip(y[at..].chunks_exact(columns));
        for (o, (dy, y)) in block.chunks_exact_mut(columns).zip(rows) {
            let pairs = dy.iter().zip(y);
            if log {
                let sum: T = dy.iter().copied().sum();
                o.iter_mut().zip(pairs).for_each(|(o, (&d, &y))| *o = d - y.exp() * sum);
            } else {
                let dot: T = pairs.clone().map(|(&d, &y)| d * y).sum();
                o.iter_mut().zip(pairs).for_each(|(o, (&d, &y))| *o = y * (d - dot));
            }
        }
    });
}
