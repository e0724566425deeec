//! Sums over rows.

use super::parallel::{self, partial_sums};
use super::real::Real;

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
