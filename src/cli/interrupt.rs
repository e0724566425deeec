//! Ctrl-C: the first finishes what must be finished, the second kills.

use crate::train::CancelToken;
use serde_json::json;

use super::console::{Console, Mode, say};

/// The exit code of an interrupted command.
pub const CODE: u8 = 130;

/// Asked for by the first Ctrl-C.
pub static STOP: CancelToken = CancelToken::new();

/// Listens for Ctrl-C and for requests to terminate; `first` is what the first one says.
pub fn listen(first: &str, console: &Console) {
    let line = match console.mode() {
        Mode::Bar | Mode::Plain => Some(first.to_string()),
        Mode::Json => Some(json!({ "event": "note", "text": first }).to_string()),
        Mode::Silent => None,
    };
    requests(move || {
        if STOP.requested() {
            std::process::exit(CODE.into());
        }
        STOP.request();
        line.iter().for_each(|line| say(line));
    });
}

/// Has `act` done at Ctrl-C and at every request to end. A program that cannot listen still ends at them.
#[cfg(unix)]
fn requests(act: impl Fn() + Send + 'static) {
    use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
    let mut signals = vec![SIGINT, SIGTERM];
    // The terminal is closed: unless the program was started to outlive that (`nohup`). A handler that is put there and
    // taken back would let one through in between.
    if !is_ignored(SIGHUP) {
        signals.push(SIGHUP);
    }
    let Ok(mut signals) = signal_hook::iterator::Signals::new(signals) else { return };
    let listen = move || signals.forever().for_each(|_| act());
    let _ = std::thread::Builder::new().name("signals".into()).spawn(listen);
}

/// Whether a signal is ignored, as whoever started the program wants it.
#[cfg(unix)]
fn is_ignored(signal: i32) -> bool {
    // SAFETY: without a new action the call only fills in `action`, which is plain data.
    unsafe {
        let mut action: nix::libc::sigaction = std::mem::zeroed();
        nix::libc::sigaction(signal, std::ptr::null(), &raw mut action) == 0
            && action.sa_sigaction == nix::libc::SIG_IGN
    }
}

/// Has `act` done at Ctrl-C and at every request to end. A program that cannot listen still ends at them.
#[cfg(not(unix))]
fn requests(act: impl Fn() + Send + 'static) {
    let _ = ctrlc::set_handler(act);
}
