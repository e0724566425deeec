//! A decoder's failure is its file's alone: panics and work without end become messages.

use super::Message;
use std::sync::Once;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::Duration;

/// What the threads of decoders are called; their panics are told as errors of the file, not as the program's.
const NAME: &str = "wgrad-decoder";

/// How long a decoder may take for a file of this many bytes: some hundred times what it needs on a busy machine.
pub(super) fn patience(bytes: usize) -> Duration {
    Duration::from_secs(120 + (bytes >> 16) as u64)
}

/// Does `work` on a thread of its own and gives its result, unless it panics or takes longer than `patience`; then the
/// thread is left to itself. `work` must not wait for rayon's threads: all of them may be waiting here.
pub(super) fn supervise<T: Send + 'static>(
    patience: Duration,
    work: impl FnOnce() -> Result<T, Message> + Send + 'static,
) -> Result<T, Message> {
    silence();
    let (sender, receiver) = mpsc::sync_channel(1);
    let thread = std::thread::Builder::new().name(NAME.to_owned()).stack_size(8 << 20);
    let handle = thread
        .spawn(move || {
            // Nobody listens any more when it comes too late.
            let _ = sender.send(work());
        })
        .map_err(|error| format!("no thread to decode it on: {error}"))?;
    match receiver.recv_timeout(patience) {
        Ok(result) => result,
        Err(RecvTimeoutError::Timeout) => {
            Err(format!("damaged: its decoder did not come to an end within {} s", patience.as_secs()))
        }
        Err(RecvTimeoutError::Disconnected) => {
            let why = handle.join().err().map(|panic| said(&*panic)).unwrap_or_default();
            Err(format!("damaged, or of a kind that its decoder cannot read ({why})"))
        }
    }
}

/// What a panic said.
fn said(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str).or_else(|| panic.downcast_ref::<&str>().copied());
    text.unwrap_or("no reason given").split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Keeps the panics of decoders from standard error; all others are told as before.
fn silence() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            if std::thread::current().name() != Some(NAME) {
                before(panic);
            }
        }));
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn panics_and_endless_work_are_messages() {
        let long = Duration::from_secs(600);
        assert_eq!(supervise(long, || Ok(7)), Ok(7));
        assert_eq!(supervise::<()>(long, || Err("no".to_owned())), Err("no".to_owned()));
        let panic = supervise::<()>(long, || panic!("index {}\nout of bounds", 3)).unwrap_err();
        assert!(panic.contains("index 3 out of bounds"), "{panic}");
        let endless = supervise::<()>(Duration::from_millis(20), || {
            loop {
                std::thread::sleep(Duration::from_millis(1));
            }
        });
        assert!(endless.unwrap_err().contains("did not come to an end"));
    }
}
