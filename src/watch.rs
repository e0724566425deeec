//! What goes on between a person and a device that works: how long it is waited for, who hears of it, and who may end it.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// Asks work to finish its step, save and leave.
#[derive(Debug, Default)]
pub struct CancelToken(AtomicBool);

impl CancelToken {
    /// A request that nobody has made yet.
    pub const fn new() -> Self {
        CancelToken(AtomicBool::new(false))
    }

    /// Makes the request.
    pub fn request(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Whether it was made.
    pub fn requested(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// What a device is doing that a person may wonder about.
#[derive(Clone, Debug)]
pub enum Event {
    /// The device has not answered for a while.
    Waiting {
        /// The device.
        device: String,
        /// What is waited for.
        step: String,
        /// How long it has been waited for.
        waited: Duration,
        /// When it counts as hung.
        limit: Duration,
    },
    /// Kernels have been compiled for a while, which drivers do once for each.
    Compiling {
        /// The device.
        device: String,
        /// Kernels that are ready.
        done: usize,
        /// Kernels in all.
        all: usize,
    },
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Event::Waiting { device, step, waited, limit } => {
                let (waited, limit) = (waited.as_secs(), limit.as_secs_f64().ceil());
                write!(f, "waiting for the device: {device}, {step}, {waited} s; given up after {limit} s")
            }
            Event::Compiling { device, done, all } => write!(f, "compiling kernels for {device}: {done} of {all}"),
        }
    }
}

/// How a device is waited for. The default waits as long as the work should take by far, tells nobody, and cannot be asked
/// to stop.
#[derive(Clone, Copy, Default)]
pub struct Watch {
    /// Longest wait, instead of one that follows from the work.
    pub limit: Option<Duration>,
    /// Ends a wait that has lasted two seconds.
    pub stop: Option<&'static CancelToken>,
    /// Hears what happens.
    pub on_event: Option<fn(&Event)>,
}

impl Watch {
    /// Tells whoever hears.
    pub(crate) fn tell(&self, event: &Event) {
        if let Some(on_event) = self.on_event {
            on_event(event);
        }
    }

    /// Whether the work was asked to stop.
    pub(crate) fn stopped(&self) -> bool {
        self.stop.is_some_and(CancelToken::requested)
    }
}

impl fmt::Debug for Watch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watch").field("limit", &self.limit).finish_non_exhaustive()
    }
}

/// Equal when they wait alike: who hears of it makes no other device.
impl PartialEq for Watch {
    fn eq(&self, other: &Self) -> bool {
        self.limit == other.limit
    }
}

impl Eq for Watch {}
