//! What drivers, their loader and wgpu say: shown with `--verbose`, and the last of it kept for reports.

use std::sync::{Mutex, PoisonError};

use log::{Level, LevelFilter, Metadata, Record};

use super::console;

/// Lines that are kept.
const KEPT: usize = 40;

static LINES: Mutex<Vec<String>> = Mutex::new(Vec::new());

/// Takes everything that the `log` crate brings.
struct Listener {
    verbose: bool,
}

/// Begins to listen.
pub fn listen(verbose: bool) {
    let listener = Box::leak(Box::new(Listener { verbose }));
    // A second logger in one process is an error, and there is none.
    if log::set_logger(listener).is_ok() {
        log::set_max_level(LevelFilter::Debug);
    }
}

/// The last that was said and matters: warnings, errors, and why an interface is not there.
pub fn said() -> Vec<String> {
    LINES.lock().unwrap_or_else(PoisonError::into_inner).clone()
}

impl log::Log for Listener {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        // Compilers of shaders tell of every step.
        metadata.level() <= Level::Debug && !metadata.target().starts_with("naga")
    }

    fn log(&self, record: &Record<'_>) {
        if !self.enabled(record.metadata()) {
            return;
        }
        let text = record.args().to_string();
        // What a message is about, on lines of their own: handles that mean nothing to a person.
        if text.starts_with('\t') {
            return;
        }
        let matters = record.level() <= Level::Warn || text.contains("failed to create");
        let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
        if matters {
            let mut lines = LINES.lock().unwrap_or_else(PoisonError::into_inner);
            if !lines.contains(&text) {
                lines.push(text.clone());
            }
            if lines.len() > KEPT {
                lines.remove(0);
            }
        }
        if self.verbose && (matters || record.level() <= Level::Info) {
            console::driver(&text);
        }
    }

    fn flush(&self) {}
}
