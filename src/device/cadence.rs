//! When a device's work is looked at again.

use std::time::{Duration, Instant};

/// When a check is due.
#[derive(Debug)]
pub(crate) struct Cadence {
    always: bool,
    last: Option<Instant>,
    cost: Duration,
}

impl Cadence {
    /// No check was made yet; `always` makes each one due.
    pub(crate) fn new(always: bool) -> Self {
        Cadence { always, last: None, cost: Duration::ZERO }
    }

    /// Whether a check is due that may take `share` of all time: the first one is.
    pub(crate) fn is_due(&self, share: f64) -> bool {
        self.always || self.last.is_none_or(|last| last.elapsed().as_secs_f64() * share >= self.cost.as_secs_f64())
    }

    /// A check was made, and took as long as it did since `begun`.
    pub(crate) fn done(&mut self, begun: Instant) {
        (self.last, self.cost) = (Some(Instant::now()), begun.elapsed());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checks_take_a_share_of_the_time() {
        let mut cadence = Cadence::new(false);
        assert!(cadence.is_due(0.01));
        cadence.done(Instant::now() - Duration::from_secs(5));
        assert!(!cadence.is_due(0.01) && Cadence { always: true, ..cadence }.is_due(0.01));
    }
}
