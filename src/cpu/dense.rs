//! Matrix products, softmax, and sums over rows.

use gemm::Parallelism;

use super::activation::Finish;
use super::parallel::{self, partial_sums};
use super::product::{View, multiply};
use super::real::Real;
use crate::graph::Shape;

/// `C = A B`, finished; `ta` and `tb` as in [`crate::graph::Op::MatMul`].
pub(super) fn matmul<T: Real>(c: &mut [T], shape: Shape, a: (&[T], Shape, bool), b: (&[T], bool), finish: &Finish<T>) {
    let ((m, n), (rows, columns)) = (shape.matrix().expect("checked"), a.1.matrix().expect("checked"));
    let k = if a.2 { rows } else { columns };
    let view = |data, width, transposed| match transposed {
        false => View { data, row: width, column: 1 },
        true => View { data, row: 1, column: width },
    };
    let left = view(a.0, columns, a.2);
    let right = view(b.0, if b.1 { k } else { n }, b.1);
    multiply((&mut *c, n), [m, n, k], left, right, false, Parallelism::Rayon(0));
    if !finish.is_none() {
        parallel::rows(c, n, |at, block| finish.apply(block, at, n));
    }
}

/// `out[j] = sum over rows of f(a[i, j], b[i, j])`
pub(super) fn fold_columns<T: Real>(out: &mut [T], a: &[T], b: &[T], partials: &mut [T], f: impl Fn(T, T) -> T + Sync) {
    let columns = out.len();
    let grain = (parallel::GRAIN / columns).max(16);
    partial_sums(out, partials, a.len() / columns, grain, |rows, sum| {
        let (a, b) = (&a[rows.start * columns..rows.end * columns], &b[rows.start * columns..rows.end * columns]);
        if columns < 16 {
            return fold_narrow(sum, a, b, &f);
        }
        for (a, b) in a.chunks_exact(columns).zip(b.chunks_exact(columns)) {
            for ((s, &a), &b) in sum.iter_mut().zip(a).zip(b) {
                *s += f(a, b);
            }
        }
    });
}

/// The same for few columns: several rows at once fill the vector units.
fn fold_narrow<T: Real>(sum: &mut [T], a: &[T], b: &[T], f: &impl Fn(T, T) -> T) {
    let columns = sum.len();
    let width = 32 / columns * columns;
    let mut wide = [T::ZERO; 32];
    let (a, b) = (a.chunks(width), b.chunks(width));
    for (a, b) in a.zip(b) {
        for ((s, &a), &b) in wide.iter_mut().zip(a).zip(b) {
            *s += f(a, b);
        }
    }
    for row in wide[..width].chunks_exact(columns) {
        sum.iter_mut().zip(row).for_each(|(s, &w)| *s += w);
    }
}

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
