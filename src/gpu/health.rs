//! Whether the device still works, and how long it is waited for. A device that failed once is not used again: every
//! later call gives the same error at once.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::AdapterKind;
use super::context::Context;
use super::guard::guarded;
use super::patience::Patience;
use crate::watch::Event;
use crate::{Error, Fault, Result};

/// The shortest limit of a wait: drivers compile, desktops draw, and other programs use the device too.
const LEAST: Duration = Duration::from_secs(5);
/// How many times as long as expected the device may take.
const PATIENCE: f64 = 10.0;
/// Added for each pipeline that runs for the first time, when some drivers compile it; and for all of them together.
const COMPILING: Duration = Duration::from_secs(1);
const COMPILING_ALL: Duration = Duration::from_secs(20);
/// After so long a person is told, again after as much more, and may end the wait.
const TELL: Duration = Duration::from_secs(2);
const AGAIN: Duration = Duration::from_secs(5);
/// How often a wait looks whether it was asked to end.
const LOOK: Duration = Duration::from_millis(50);

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
    fn limit(self) -> Duration {
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
    fn hang(&self, message: String) {
        self.state().dead.get_or_insert((Fault::Hangs, message));
    }

    /// Whether the device is given up.
    pub(super) fn is_dead(&self) -> bool {
        self.state().dead.is_some()
    }

    fn take(&self) -> Option<(Fault, String)> {
        let mut state = self.state();
        let dead = state.dead.clone();
        dead.or_else(|| Some((Fault::Work, state.news.take()?)))
    }

    /// What a failure at this moment says of the device.
    pub(super) fn fault(&self) -> Fault {
        self.state().dead.as_ref().map_or(Fault::Work, |dead| dead.0)
    }
}

impl Context {
    /// The first failure the device has reported, as an error of `step`.
    pub(super) fn check(&self, step: &str) -> Result<()> {
        match self.health.take() {
            None => Ok(()),
            Some((fault, message)) => Err(Error::faulty(step, message, fault).on(&self.info.title())),
        }
    }

    /// Waits for a submission (the last one without an index). The limit follows from what is expected of it.
    ///
    /// # Errors
    /// When the device reports a failure, is lost meanwhile, or does not answer in time; when the work is asked to stop
    /// and the device has not answered for two seconds.
    pub(super) fn wait(&self, submission: Option<wgpu::SubmissionIndex>, step: &str, expected: Expected) -> Result<()> {
        self.check(step)?;
        let watch = self.options.watch;
        let mut patience = match watch.limit {
            Some(limit) => Patience::new(limit, false),
            None => Patience::new(expected.limit(), self.info.kind == AdapterKind::Software),
        };
        let mut tell = TELL;
        loop {
            let timeout = Some(LOOK.min(patience.end().saturating_sub(patience.waited())));
            let wait = wgpu::PollType::Wait { submission_index: submission.clone(), timeout };
            // The device that is lost while it is waited for is a panic inside of wgpu.
            match guarded(|| self.device.poll(wait)) {
                Ok(Ok(_)) => return self.check(step),
                Ok(Err(wgpu::PollError::Timeout)) => self.check(step)?,
                Ok(Err(error @ wgpu::PollError::WrongSubmissionIndex(..))) => {
                    self.check(step)?;
                    return Err(Error::execution(step, error.to_string()).on(&self.info.title()));
                }
                Err(panic) => {
                    let after = patience.waited().as_secs_f64();
                    self.health.lose(format!("the device was lost after {after:.1} s: {panic}"));
                    return self.check(step);
                }
            }
            let over = patience.look();
            let (waited, limit) = (patience.waited(), patience.end());
            if over {
                self.health.hang(format!("the device hangs: no answer within {:.0} s", waited.as_secs_f64()));
                return self.check(step);
            }
            if waited >= TELL && watch.stopped() {
                self.health.hang("interrupted while the device did not answer".into());
                return Err(Error::Interrupted { step: step.into() });
            }
            if waited >= tell {
                tell = waited + AGAIN;
                let device = self.info.name.clone();
                watch.tell(&Event::Waiting { device, step: step.into(), waited, limit });
            }
        }
    }
}

impl Drop for Context {
    fn drop(&mut self) {
        // Closing a lost device may panic inside of wgpu, and closing one that hangs may never end.
        if self.health.is_dead() {
            std::mem::forget((self.device.clone(), self.queue.clone()));
        }
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
