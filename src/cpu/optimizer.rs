//! What moves parameters: gradient norm, update rules, weight average.
//!
//! Whole arenas move at once: the gaps between segments hold zeros and stay zero under every rule.

use rayon::prelude::*;

use super::parallel::{GRAIN, PARTS, total};
use super::real::{Real, decimal};
use crate::graph::{Segment, StepParams, Update};

/// Euclidean norm of all gradients after unscaling.
pub(super) fn norm<T: Real>(gradients: &[T], segments: &[Segment], clock: &StepParams) -> T {
    let mut partials = [0.0; PARTS];
    let each = segments.iter().map(|s| {
        let g = &gradients[s.offset..s.offset + s.shape.len()];
        total(g.len(), &mut partials, |range| g[range].iter().map(|v| v.wide() * v.wide()).sum())
    });
    T::of(each.sum::<f64>().sqrt() / f64::from(clock.loss_scale))
}

/// The arenas that a rule moves or reads; moments it does not keep are empty.
pub(super) struct Arenas<'a, T> {
    pub parameters: &'a mut [T],
    pub gradients: &'a [T],
    pub first: &'a mut [T],
    pub second: &'a mut [T],
}

/// Factor on the gradients, or none when the update is skipped: their norm is no number or infinite.
pub(super) fn factor<T: Real>(clip: Option<f32>, norm: Option<T>, clock: &StepParams) -> Option<f64> {
    let unscale = 1.0 / f64::from(clock.loss_scale);
    match (clip, norm) {
        (Some(clip), Some(norm)) => {
            let norm = norm.wide();
            norm.is_finite().then(|| unscale * (decimal(clip) / (norm + 1e-6)).min(1.0))
        }
        _ => Some(unscale),
    }
}

/// One update of all parameters with gradients times `factor`.
pub(super) fn update<T: Real>(rule: Update, arenas: Arenas<T>, factor: f64, clock: &StepParams) {
    let rate = T::constant(clock.learning_rate).wide();
    let (lr, factor) = (T::of(rate), T::of(factor));
    let of = |x: f32| T::of(decimal(x));
    let Arenas { parameters: p, gradients: g, first, second } = arenas;
    match rule {
        Update::Sgd { momentum, nesterov, decay } => {
            let (mu, decay) = (of(momentum), of(decay));
            if momentum == 0.0 {
                return one(p, g, |p, g| *p = *p - lr * (g * factor + decay * *p));
            }
            two(p, g, first, |p, g, v| {
                let g = g * factor + decay * *p;
                *v = mu * *v + g;
                *p = *p - lr * if nesterov { g + mu * *v } else { *v };
            });
        }
        Update::RmsProp { rho, epsilon, decay } => {
            let (keep, take) = (of(rho), T::of(1.0 - decimal(rho)));
            let (epsilon, decay) = (of(epsilon), of(decay));
            two(p, g, first, |p, g, s| {
                let g = g * factor + decay * *p;
                *s = keep * *s + take * g * g;
                *p = *p - lr * g / (s.sqrt() + epsilon);
            });
        }
        Update::Adam { beta1, beta2, epsilon, decay, decoupled } => {
            let (b1, b2) = (decimal(beta1), decimal(beta2));
            let t = f64::from(clock.step);
            let (keep1, take1, keep2, take2) = (T::of(b1), T::of(1.0 - b1), T::of(b2), T::of(1.0 - b2));
            let step = T::of(rate / (1.0 - b1.powf(t)));
            let root = T::of(1.0 / (1.0 - b2.powf(t)).sqrt());
            let epsilon = of(epsilon);
            let coupled = if decoupled { T::ZERO } else { of(decay) };
            let shrink = if decoupled { T::of(1.0 - rate * decimal(decay)) } else { T::ONE };
            three(p, g, first, second, |p, g, m, v| {
                let g = g * factor + coupled * *p;
                *m = keep1 * *m + take1 * g;
                *v = keep2 * *v + take2 * g * g;
                *p = shrink * *p - step * *m / (v.sqrt() * root + epsilon);
            });
        }
    }
}

/// `average = keep average + (1 - keep) parameters`, with `keep` as [`crate::graph::Op::Average`] says.
pub(super) fn average<T: Real>(average: &mut [T], parameters: &[T], decay: f32, clock: &StepParams) {
    let past = 10.0 + f64::from(clock.step);
    let keep = T::of(decimal(decay).min(1.0 - 9.0 / past));
    let take = T::of((1.0 - decimal(decay)).max(9.0 / past));
    one(average, parameters, |a, p| *a = keep * *a + take * p);
}

fn one<T: Real>(p: &mut [T], g: &[T], f: impl Fn(&mut T, T) + Sync) {
    let block = |(p, g): (&mut [T], &[T])| p.iter_mut().zip(g).for_each(|(p, &g)| f(p, g));
    if p.len() <= GRAIN {
        return block((p, g));
    }
    p.par_chunks_mut(GRAIN).zip(g.par_chunks(GRAIN)).for_each(block);
}

fn two<T: Real>(p: &mut [T], g: &[T], v: &mut [T], f: impl Fn(&mut T, T, &mut T) + Sync) {
    let block = |((p, g), v): ((&mut [T], &[T]), &mut [T])| {
        p.iter_mut().zip(g).zip(v).for_each(|((p, &g), v)| f(p, g, v));
    };
    if p.len() <= GRAIN {
        return block(((p, g), v));
    }
    p.par_chunks_mut(GRAIN).zip(g.par_chunks(GRAIN)).zip(v.par_chunks_mut(GRAIN)).for_each(block);
}

fn three<T: Real>(p: &mut [T], g: &[T], m: &mut [T], v: &mut [T], f: impl Fn(&mut T, T, &mut T, &mut T) + Sync) {
    let block = |p: &mut [T], g: &[T], m: &mut [T], v: &mut [T]| {
        p.iter_mut().zip(g).zip(m.iter_mut().zip(v)).for_each(|((p, &g), (m, v))| f(p, g, m, v));
    };
    if p.len() <= GRAIN {
        return block(p, g, m, v);
    }
    let moments = m.par_chunks_mut(GRAIN).zip(v.par_chunks_mut(GRAIN));
    let blocks = p.par_chunks_mut(GRAIN).zip(g.par_chunks(GRAIN)).zip(moments);
    blocks.for_each(|((p, g), (m, v))| block(p, g, m, v));
}
