//! Whether the device still works, and how long it is waited for. A device that failed once is not used again: every
//! later call gives the same error at once.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::Fault;

/// The shortest limit of a wait: drivers compile, desktops draw, and other programs use the device too.
const LEAST: Duration = Duration::from_secs(5);
/// How many times as long as expected the device may take.
const PATIENCE: f64 = 10.0;
/// Added for each pipeline that runs for the first time, when some drivers compile it; and for all of them together.
const COMPILING: Duration = Duration::from_secs(1);
const COMPILING_ALL: Duration = Duration::from_secs(20);
/// What a wait is for.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Expected {
    /// How long the work should take.
    pub(super) seconds: f64,
    /// Pipelines in it that run for the first time.
    pub(super) fresh: u32,
}

impl Expected {
    /// The longest wait for it.
    pub(super) fn limit(self) -> Duration {
        let work = Duration::try_from_secs_f64(PATIENCE * self.seconds.max(0.0)).unwrap_or(Duration::MAX);
        LEAST.saturating_add(work).saturating_add(COMPILING.saturating_mul(self.fresh).min(COMPILING_ALL))
    }
}

/// What went wrong on a device so far.
#[derive(Debug, Default)]
struct State {
    /// The first failure that nobody has heard of yet.
    news: Option<String>,
    /// Why the device is given up, once it is.
    dead: Option<(Fault, String)>,
}

/// What a device reported, from whatever thread it did.
#[derive(Clone, Debug, Default)]
pub(super) struct Health(Arc<Mutex<State>>);

impl Health {
    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A failure after which the device may still work: an invalid command, too little memory.
    pub(super) fn report(&self, message: String) {
        self.state().news.get_or_insert(message);
    }

    /// The end of the device.
    pub(super) fn lose(&self, message: String) {
        self.state().dead.get_or_insert((Fault::Lost, message));
    }

    /// The device does not answer.
    pub(super) fn hang(&self, message: String) {
        self.state().dead.get_or_insert((Fault::Hangs, message));
    }

    /// Whether the device is given up.
    pub(super) fn is_dead(&self) -> bool {
        self.state().dead.is_some()
    }

    pub(super) fn take(&self) -> Option<(Fault, String)> {
        let mut state = self.state();
        let dead = state.dead.clone();
        dead.or_else(|| Some((Fault::Work, state.news.take()?)))
    }

    /// What a failure at this moment says of the device.
    pub(super) fn fault(&self) -> Fault {
        self.state().dead.as_ref().map_or(Fault::Work, |dead| dead.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_follows_from_the_work() {
        let limit = |seconds, fresh| Expected { seconds, fresh }.limit().as_secs_f64();
        assert_eq!([limit(0.0, 0), limit(0.1, 0), limit(30.0, 0)], [5.0, 6.0, 305.0]);
        assert_eq!([limit(0.0, 3), limit(0.0, 300)], [8.0, 25.0]);
        assert!(limit(f64::INFINITY, 1) > 1e9 && limit(f64::NAN, 0) == 5.0);
    }

    #[test]
    fn a_device_that_is_lost_stays_lost_and_other_failures_are_told_once() {
        let health = Health::default();
        health.report("first".into());
        health.report("second".into());
        assert_eq!((health.take(), health.take()), (Some((Fault::Work, "first".into())), None));
        health.lose("gone".into());
        health.lose("gone again".into());
        assert_eq!([health.take(), health.take()], [0; 2].map(|_| Some((Fault::Lost, "gone".to_string()))));
        assert_eq!(health.fault(), Fault::Lost);
    }
}
