//! Waiting for the device, no longer than its work should take.

use std::time::Duration;

use super::AdapterKind;
use super::context::Context;
use super::guard::guarded;
use super::health::Expected;
use super::patience::Patience;
use crate::watch::Event;
use crate::{Error, Result};

/// After so long a person is told, again after as much more, and may end the wait.
const TELL: Duration = Duration::from_secs(2);
const AGAIN: Duration = Duration::from_secs(5);
/// How often a wait looks whether it was asked to end.
const LOOK: Duration = Duration::from_millis(50);

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
