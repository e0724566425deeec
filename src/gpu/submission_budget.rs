//! How much goes into one submission: as many steps as take about the time it aims for, so that no watchdog fires and
//! no desktop freezes, or a part of a step where one takes longer.

/// Most steps of a submission: entries of the clock and loss rings.
pub(super) const RING: usize = 64;

/// Measured time of a plan's steps.
#[derive(Clone, Copy, Debug)]
pub(super) struct SubmissionBudget {
    /// Seconds that a submission aims for.
    target: f64,
    /// Seconds per step: an estimate until it is measured.
    seconds: f64,
    /// Submissions measured; the first holds the driver's compilation and counts for little.
    measured: usize,
    /// Steps of the last submission measured.
    last: usize,
}

impl SubmissionBudget {
    /// Nothing measured yet, and a step estimated to take `seconds`; a submission aims for `target` seconds.
    pub(super) fn new(target: f64, seconds: f64) -> Self {
        SubmissionBudget { target: target.max(1e-9), seconds, measured: 0, last: 0 }
    }

    /// Seconds that a step should take.
    pub(super) fn seconds(&self) -> f64 {
        self.seconds
    }

    /// Whether the host should wait for this submission to learn its time.
    pub(super) fn learning(&self) -> bool {
        self.measured < 4
    }

    /// Steps to submit next.
    pub(super) fn steps(&self) -> usize {
        if self.measured == 0 {
            return 1;
        }
        let fitting = (self.target / self.seconds.max(1e-9)) as usize;
        // Grows step by step: the first measures are the least certain.
        fitting.min(self.last.max(1) * 8).clamp(1, RING)
    }

    /// Submissions that one step is spread over.
    pub(super) fn pieces(&self) -> usize {
        (self.seconds / self.target).round().clamp(1.0, 256.0) as usize
    }

    /// Takes in that `steps` took `seconds`.
    pub(super) fn learn(&mut self, steps: usize, seconds: f64) {
        let each = seconds / steps.max(1) as f64;
        self.seconds = if self.measured > 1 { 0.5 * (self.seconds + each) } else { each };
        self.measured += 1;
        self.last = steps;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_steps_are_gathered_and_long_ones_cut() {
        let mut pace = SubmissionBudget::new(0.1, 1e-6);
        assert_eq!((pace.steps(), pace.pieces()), (1, 1));
        pace.learn(1, 1.5);
        pace.learn(1, 0.001);
        assert_eq!(pace.steps(), 8);
        pace.learn(8, 0.008);
        assert_eq!((pace.steps(), pace.pieces()), (64, 1));
        let mut slow = SubmissionBudget::new(0.1, 3.0);
        assert_eq!((slow.steps(), slow.pieces()), (1, 30), "the first step is cut by the estimate");
        slow.learn(1, 1.0);
        assert_eq!((slow.steps(), slow.pieces()), (1, 10));
    }
}
