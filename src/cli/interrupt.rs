//! Ctrl-C: the first finishes what must be finished, the second kills.

use serde_json::json;
use wgrad::train::Stop;

use super::console::{Console, Mode, say};

/// The exit code of an interrupted command.
pub const CODE: u8 = 130;

/// Asked for by the first Ctrl-C.
pub static STOP: Stop = Stop::new();

/// Listens for Ctrl-C and for requests to terminate; `first` is what the first one says.
pub fn listen(first: &str, console: &Console) {
    let line = match console.mode() {
        Mode::Bar | Mode::Plain => Some(first.to_string()),
        Mode::Json => Some(json!({ "event": "note", "text": first }).to_string()),
        Mode::Silent => None,
    };
    let outlives = hangup::ignored();
    // A second handler in one process is an error, and a program without one still ends on Ctrl-C.
    let _ = ctrlc::set_handler(move || {
        if STOP.requested() {
            std::process::exit(CODE.into());
        }
        STOP.request();
        line.iter().for_each(|line| say(line));
    });
    if outlives {
        // The handler took it, as it takes every request to end.
        hangup::ignore();
    }
}

/// A request to end when the terminal is closed, unless the program was started to outlive it (`nohup`).
mod hangup {
    #[cfg(unix)]
    use nix::sys::signal::{SigHandler, Signal, signal};

    /// Whether it is ignored. Asking ignores it.
    #[cfg(unix)]
    pub fn ignored() -> bool {
        // SAFETY: an ignored signal runs no code.
        matches!(unsafe { signal(Signal::SIGHUP, SigHandler::SigIgn) }, Ok(SigHandler::SigIgn))
    }

    /// Ignores it.
    #[cfg(unix)]
    pub fn ignore() {
        ignored();
    }

    #[cfg(not(unix))]
    pub fn ignored() -> bool {
        false
    }

    #[cfg(not(unix))]
    pub fn ignore() {}
}
