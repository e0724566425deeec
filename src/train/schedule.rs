//! The learning rate over time.

use serde::{Deserialize, Serialize};

/// How the learning rate moves from step to step. In a recipe: `[schedule]`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Schedule {
    /// The shape of the curve after the warm-up.
    pub kind: Curve,
    /// Steps over which the rate rises linearly from zero (all but one_cycle).
    pub warmup: u64,
    /// Share of the rate that is left at the last step (cosine, linear, one_cycle).
    pub last: f32,
    /// Share of the rate at the first step (one_cycle).
    pub first: f32,
    /// Share of the steps in which the rate rises (one_cycle).
    pub rise: f32,
    /// Steps between cuts (step).
    pub every: u64,
    /// Factor of each cut (step).
    pub factor: f32,
}

/// Shape of a learning-rate curve.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Curve {
    /// Always the same.
    Constant,
    /// Half a cosine down to `last` (Loshchilov & Hutter 2017, without restarts).
    Cosine,
    /// A straight line down to `last`.
    Linear,
    /// Multiplied by `factor` after every `every` steps.
    Step,
    /// Half a cosine up from `first`, half a cosine down to `last` (Smith & Topin 2017).
    OneCycle,
}

impl Default for Schedule {
    fn default() -> Self {
        Schedule { kind: Curve::Cosine, warmup: 50, last: 0.002, first: 0.04, rise: 0.3, every: 1000, factor: 0.5 }
    }
}

impl Schedule {
    /// The rate of step `step` (from 1) of `steps`, for the base rate `rate`.
    pub fn rate(&self, rate: f32, step: u64, steps: u64) -> f32 {
        let (rate, last) = (f64::from(rate), f64::from(self.last));
        let half_cosine =
            |from: f64, to: f64, done: f64| to + (from - to) * 0.5 * (1.0 + (std::f64::consts::PI * done).cos());
        if self.kind == Curve::OneCycle {
            // As torch.optim.lr_scheduler.OneCycleLR counts: the top is step `rise * steps`.
            let (at, end) = ((step - 1) as f64, steps as f64 - 1.0);
            let top = (f64::from(self.rise) * steps as f64 - 1.0).clamp(0.0, end.max(0.0));
            let share = match at < top {
                true => half_cosine(f64::from(self.first), 1.0, at / top),
                false => half_cosine(1.0, last, ((at - top) / (end - top).max(1.0)).min(1.0)),
            };
            return (rate * share) as f32;
        }
        if step <= self.warmup {
            return (rate * step as f64 / self.warmup as f64) as f32;
        }
        let done = (step - self.warmup - 1) as f64 / (steps.saturating_sub(self.warmup + 1)).max(1) as f64;
        let done = done.min(1.0);
        let share = match self.kind {
            Curve::Constant => 1.0,
            Curve::Cosine | Curve::OneCycle => half_cosine(1.0, last, done),
            Curve::Linear => last + (1.0 - last) * (1.0 - done),
            Curve::Step => f64::from(self.factor).powf(((step - 1) / self.every) as f64),
        };
        (rate * share) as f32
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cosine_starts_at_the_rate_and_ends_at_the_last_share() {
        let schedule = Schedule { kind: Curve::Cosine, warmup: 10, last: 0.01, ..Schedule::default() };
        assert!((schedule.rate(1.0, 5, 100) - 0.5).abs() < 1e-6);
        assert!((schedule.rate(1.0, 11, 100) - 1.0).abs() < 1e-6);
        assert!((schedule.rate(1.0, 100, 100) - 0.01).abs() < 1e-6);
        assert!(schedule.rate(1.0, 60, 100) < schedule.rate(1.0, 59, 100));
    }

    #[test]
    fn one_cycle_rises_to_the_rate_and_falls_to_the_last_share() {
        // torch.optim.lr_scheduler.OneCycleLR(max_lr=1, total_steps=10, pct_start=0.3, div_factor=25, final_div_factor=1e4)
        let schedule = Schedule { kind: Curve::OneCycle, last: 4e-6, rise: 0.3, ..Schedule::default() };
        let rates: Vec<f32> = (1..=10).map(|step| schedule.rate(1.0, step, 10)).collect();
        for (at, rate) in [(0, 0.04), (1, 0.52), (2, 1.0), (9, 4e-6)] {
            assert!((rates[at] - rate).abs() < 1e-6, "{rates:?}");
        }
        assert!(rates[2..].windows(2).all(|pair| pair[0] > pair[1]), "{rates:?}");
        assert!((1..=3).all(|steps| (1..=steps).all(|step| schedule.rate(1.0, step, steps).is_finite())));
        for rise in [0.0, 1.0] {
            let schedule = Schedule { rise, ..schedule.clone() };
            assert!((1..=11).all(|step| (0.0..=1.0).contains(&schedule.rate(1.0, step, 11))));
        }
    }

    #[test]
    fn steps_cut_by_the_factor() {
        let schedule = Schedule { kind: Curve::Step, warmup: 0, every: 10, factor: 0.5, ..Schedule::default() };
        assert_eq!([1, 10, 11, 21].map(|s| schedule.rate(1.0, s, 100)), [1.0, 1.0, 0.5, 0.25]);
    }
}
