//! Zero mean and unit variance, over rows or columns, and running statistics.

use super::parallel::{self, partial_sums};
use super::real::{Real, decimal};
use super::reduction::fold_columns;
use crate::graph::Axis;

/// Elements of shared working memory that any function here needs for `columns` columns.
pub(super) fn shared(columns: usize) -> usize {
    (2 * parallel::PARTS + 4) * columns
}

/// Mean and biased variance of a row.
fn row_moments<T: Real>(row: &[T]) -> (T, T) {
    let n = T::of(row.len() as f64);
    let mean = row.iter().copied().sum::<T>() / n;
    let squares: T = row.iter().map(|&v| (v - mean) * (v - mean)).sum();
    (mean, squares / n)
}

/// Mean and biased variance of each column, in two passes so that large means cost no digits.
fn column_moments<T: Real>(x: &[T], mean: &mut [T], variance: &mut [T], partials: &mut [T]) {
    let columns = mean.len();
    let rows = x.len() / columns;
    let share = T::of(1.0 / rows as f64);
    fold_columns(mean, x, x, partials, |a, _| a);
    mean.iter_mut().for_each(|m| *m *= share);
    let mean = &*mean;
    partial_sums(variance, partials, rows, grain(columns), |range, sum| {
        for x in x[range.start * columns..range.end * columns].chunks_exact(columns) {
            for ((s, &x), &m) in sum.iter_mut().zip(x).zip(mean) {
                *s += (x - m) * (x - m);
            }
        }
    });
    variance.iter_mut().for_each(|v| *v *= share);
}

fn grain(columns: usize) -> usize {
    (parallel::GRAIN / columns).max(16)
}

/// `(x - mean) / sqrt(variance + epsilon)` along `axis`.
pub(super) fn normalize<T: Real>(out: &mut [T], x: &[T], columns: usize, axis: Axis, epsilon: f32, shared: &mut [T]) {
    let epsilon = T::constant(epsilon);
    match axis {
        Axis::Rows => parallel::rows(out, columns, |at, block| {
            for (o, x) in block.chunks_exact_mut(columns).zip(x[at..].chunks_exact(columns)) {
                let (mean, variance) = row_moments(x);
                let scale = T::ONE / (variance + epsilon).sqrt();
                o.iter_mut().zip(x).for_each(|(o, &x)| *o = (x - mean) * scale);
            }
        }),
        Axis::Columns => {
            let (moments, partials) = shared.split_at_mut(2 * columns);
            let (mean, variance) = moments.split_at_mut(columns);
            column_moments(x, mean, variance, partials);
            standardized(out, x, mean, variance, epsilon);
        }
    }
}

fn standardized<T: Real>(out: &mut [T], x: &[T], mean: &[T], variance: &[T], epsilon: T) {
    let columns = mean.len();
    parallel::rows(out, columns, |at, block| {
        for (o, x) in block.chunks_exact_mut(columns).zip(x[at..].chunks_exact(columns)) {
            for ((o, &x), (&m, &v)) in o.iter_mut().zip(x).zip(mean.iter().zip(variance)) {
                *o = (x - m) / (v + epsilon).sqrt();
            }
        }
    });
}

/// `(x - mean) / sqrt(variance + epsilon)` with given statistics, mean then variance.
pub(super) fn standardize<T: Real>(out: &mut [T], x: &[T], statistics: &[T], epsilon: f32) {
    let (mean, variance) = statistics.split_at(statistics.len() / 2);
    standardized(out, x, mean, variance, T::constant(epsilon));
}

/// Gradient in the input of [`normalize`]: `dx = (dy - mean(dy) - z mean(dy z)) / sqrt(variance + epsilon)`, where `z`
/// is the output.
pub(super) fn normalize_grad<T: Real>(
    out: &mut [T],
    dy: &[T],
    x: &[T],
    columns: usize,
    axis: Axis,
    epsilon: f32,
    shared: &mut [T],
) {
    let epsilon = T::constant(epsilon);
    match axis {
        Axis::Rows => parallel::rows(out, columns, |at, block| {
            let n = T::of(columns as f64);
            let rows = dy[at..].chunks_exact(columns).zip(x[at..].chunks_exact(columns));
            for (o, (dy, x)) in block.chunks_exact_mut(columns).zip(rows) {
                let (mean, variance) = row_moments(x);
                let scale = T::ONE / (variance + epsilon).sqrt();
                let flat = dy.iter().copied().sum::<T>() / n;
                let along = dy.iter().zip(x).map(|(&d, &x)| d * (x - mean)).sum::<T>() * scale / n;
                for (o, (&d, &x)) in o.iter_mut().zip(dy.iter().zip(x)) {
                    *o = (d - flat - (x - mean) * scale * along) * scale;
                }
            }
        }),
        Axis::Columns => {
            let rows = T::of((x.len() / columns) as f64);
            let (moments, rest) = shared.split_at_mut(2 * columns);
            let (sums, partials) = rest.split_at_mut(2 * columns);
            let (mean, variance) = moments.split_at_mut(columns);
            column_moments(x, mean, variance, partials);
            let mean = &*mean;
            partial_sums(sums, partials, x.len() / columns, grain(columns), |range, sum| {
                let (flat, along) = sum.split_at_mut(columns);
                let range = range.start * columns..range.end * columns;
                for (dy, x) in dy[range.clone()].chunks_exact(columns).zip(x[range].chunks_exact(columns)) {
                    for (((f, a), (&d, &x)), &m) in flat.iter_mut().zip(&mut *along).zip(dy.iter().zip(x)).zip(mean) {
                        *f += d;
                        *a += d * (x - m);
                    }
                }
            });
            let (flat, along) = sums.split_at(columns);
            let variance = &*variance;
            parallel::rows(out, columns, |at, block| {
                for (i, o) in block.iter_mut().enumerate() {
                    let j = i % columns;
                    let scale = T::ONE / (variance[j] + epsilon).sqrt();
                    let z = (x[at + i] - mean[j]) * scale;
                    *o = (dy[at + i] - flat[j] / rows - z * along[j] * scale / rows) * scale;
                }
            });
        }
    }
}

/// Moves running statistics towards the batch's mean and unbiased variance.
pub(super) fn track<T: Real>(statistics: &mut [T], x: &[T], momentum: f32, shared: &mut [T]) {
    let columns = statistics.len() / 2;
    let rows = (x.len() / columns) as f64;
    let (moments, partials) = shared.split_at_mut(2 * columns);
    let (mean, variance) = moments.split_at_mut(columns);
    column_moments(x, mean, variance, partials);
    let unbiased = T::of(rows / (rows - 1.0));
    variance.iter_mut().for_each(|v| *v *= unbiased);
    let momentum = decimal(momentum);
    let (keep, take) = (T::of(1.0 - momentum), T::of(momentum));
    statistics.iter_mut().zip(moments.iter()).for_each(|(s, &new)| *s = keep * *s + take * new);
}
