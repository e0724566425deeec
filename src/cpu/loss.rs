//! Losses and their derivatives.

use super::activation::sigmoid;
use super::parallel::{self, total};
use super::real::{Real, decimal};
use super::softmax::log_sum_exp;
use crate::graph::Loss;

/// Mean of an elementwise loss. Sums run in f64, in blocks of a fixed size.
fn mean<T: Real>(x: &[T], t: &[T], partials: &mut [f64], f: impl Fn(T, T) -> T + Sync) -> T {
    let sum = total(x.len(), partials, |range| {
        let pairs = x[range.clone()].iter().zip(&t[range]);
        pairs.map(|(&x, &t)| f(x, t).wide()).sum()
    });
    T::of(sum / x.len() as f64)
}

/// PyTorch's clamp of logarithms in binary cross-entropy.
const LOG_FLOOR: f64 = -100.0;

/// The loss of `x [rows, columns]` against `t`, which is not looked at where the loss has no target.
pub(super) fn value<T: Real>(loss: Loss, x: &[T], t: &[T], columns: usize, partials: &mut [f64]) -> T {
    match loss {
        Loss::Mse => mean(x, t, partials, |x, t| (x - t) * (x - t)),
        Loss::Mae => mean(x, t, partials, |x, t| (x - t).abs()),
        Loss::Huber(delta) => {
            let (delta, half) = (T::constant(delta), T::of(0.5));
            mean(x, t, partials, |x, t| {
                let d = (x - t).abs();
                if d <= delta { half * d * d } else { delta * (d - half * delta) }
            })
        }
        Loss::Charbonnier(epsilon) => {
            let square = T::of(decimal(epsilon).powi(2));
            mean(x, t, partials, |x, t| ((x - t) * (x - t) + square).sqrt())
        }
        Loss::CrossEntropy(smoothing) => {
            let rows = x.len() / columns;
            let smoothing = decimal(smoothing);
            let sum = total(rows, partials, |range| {
                range.map(|r| cross_entropy(&x[r * columns..][..columns], t[r], smoothing)).sum()
            });
            T::of(sum / rows as f64)
        }
        Loss::Bce => {
            let floor = T::of(LOG_FLOOR);
            mean(x, t, partials, |x, t| {
                let (yes, no) = (x.ln().at_least(floor), (T::ONE - x).ln().at_least(floor));
                -(t * yes + (T::ONE - t) * no)
            })
        }
        Loss::BceWithLogits => mean(x, t, partials, |x, t| x.at_least(T::ZERO) - x * t + (-x.abs()).exp().ln_1p()),
        Loss::Mean => mean(x, x, partials, |x, _| x),
    }
}

/// `-sum of q log softmax(x)`, where `q` is the class's one-hot, smoothed.
fn cross_entropy<T: Real>(row: &[T], class: T, smoothing: f64) -> f64 {
    let (top, sum) = log_sum_exp(row);
    let shift = top.wide() + sum.wide().ln();
    let own = class_index(class, row.len()).map_or(f64::NAN, |c| shift - row[c].wide());
    if smoothing == 0.0 {
        return own;
    }
    let all: f64 = row.iter().map(|v| shift - v.wide()).sum();
    (1.0 - smoothing) * own + smoothing / row.len() as f64 * all
}

/// The class that a target names, if there is one: a bad label makes the loss NaN rather than reading elsewhere.
fn class_index<T: Real>(class: T, classes: usize) -> Option<usize> {
    let class = class.wide();
    (class >= 0.0 && class < classes as f64).then_some(class as usize)
}

/// Derivative of the loss in `x`, times `scale`.
pub(super) fn gradient<T: Real>(loss: Loss, out: &mut [T], x: &[T], t: &[T], columns: usize, scale: f32) {
    let scale = f64::from(scale);
    let each = T::of(scale / x.len() as f64);
    match loss {
        Loss::Mse => {
            let each = T::of(2.0 * scale / x.len() as f64);
            parallel::zip(out, x, t, |x, t| each * (x - t));
        }
        Loss::Mae => parallel::zip(out, x, t, |x, t| {
            let d = x - t;
            if d > T::ZERO {
                each
            } else if d < T::ZERO {
                -each
            } else {
                d * each
            }
        }),
        Loss::Huber(delta) => {
            let delta = T::constant(delta);
            parallel::zip(out, x, t, |x, t| {
                let d = x - t;
                each * if d > delta {
                    delta
                } else if d < -delta {
                    -delta
                } else {
                    d
                }
            });
        }
        Loss::Charbonnier(epsilon) => {
            let square = T::of(decimal(epsilon).powi(2));
            parallel::zip(out, x, t, |x, t| {
                let d = x - t;
                each * d / (d * d + square).sqrt()
            });
        }
        Loss::CrossEntropy(smoothing) => {
            let each = T::of(scale * columns as f64 / x.len() as f64);
            let own = T::of(1.0 - decimal(smoothing));
            let other = T::of(decimal(smoothing) / columns as f64);
            parallel::rows(out, columns, |at, block| {
                let rows = x[at..].chunks_exact(columns).zip(&t[at / columns..]);
                for (o, (x, &class)) in block.chunks_exact_mut(columns).zip(rows) {
                    let (top, sum) = log_sum_exp(x);
                    o.iter_mut().zip(x).for_each(|(o, &x)| *o = each * ((x - top).exp() / sum - other));
                    match class_index(class, columns) {
                        Some(class) => o[class] = o[class] - each * own,
                        None => o.fill(T::NAN),
                    }
                }
            });
        }
        Loss::Bce => {
            // PyTorch bounds the denominator below at 1e-12.
            let floor = T::of(1e-12);
            parallel::zip(out, x, t, |x, t| each * (x - t) / ((T::ONE - x) * x).at_least(floor));
        }
        Loss::BceWithLogits => parallel::zip(out, x, t, |x, t| each * (sigmoid(x) - t)),
        Loss::Mean => out.fill(each),
    }
}
