//! Tells of a run while it goes on.

use std::time::{Duration, Instant};

use crate::device::Failure;
use crate::train::{Progress, Report, Validation};
use serde_json::json;

use crate::cli::console::{Console, Mode};

/// Time between two lines of plain progress.
const PLAIN: Duration = Duration::from_secs(5);

const BAR: &str = "{bar:30} {pos}/{len}  {per_sec}  {eta} left  {msg}";

/// Passes what a run reports to the console.
pub struct ProgressReporter<'a> {
    console: &'a Console,
    spoke: Instant,
    score: String,
}

impl<'a> ProgressReporter<'a> {
    /// A reporter that has said nothing yet.
    pub fn new(console: &'a Console) -> Self {
        ProgressReporter { console, spoke: Instant::now(), score: String::new() }
    }
}

impl Report for ProgressReporter<'_> {
    fn note(&mut self, line: &str) {
        self.console.note(line);
    }

    fn progress(&mut self, progress: &Progress) {
        let Progress { step, steps, loss, rate } = *progress;
        let left = (steps - step) as f64 / rate.max(1e-9);
        match self.console.mode() {
            Mode::Bar => self.console.bar(step, steps, BAR, format!("loss {loss:.5}  {}", self.score)),
            Mode::Json => {
                let fields = json!({ "step": step, "steps": steps, "loss": loss, "rate": rate, "seconds_left": left });
                self.console.event("progress", fields);
            }
            Mode::Plain if self.spoke.elapsed() >= PLAIN => {
                self.spoke = Instant::now();
                let left = Duration::from_secs(left as u64);
                let left = indicatif::HumanDuration(left);
                self.console.line(&format!("step {step}/{steps}  loss {loss:.5}  {rate:.1} steps/s  {left} left"));
            }
            Mode::Plain | Mode::Silent => {}
        }
    }

    fn validated(&mut self, validation: &Validation) {
        let best = if validation.best { ", the best so far" } else { "" };
        self.console.line(&format!("step {}: {}{best}", validation.step, validation.line()));
        self.score = validation.scores.first().map_or(String::new(), |(name, value)| format!("{name} {value:.3}"));
        let map = |scores: &[(String, f64)]| -> serde_json::Map<String, serde_json::Value> {
            scores.iter().map(|(name, value)| (name.clone(), json!(value))).collect()
        };
        let fields = json!({ "step": validation.step, "scores": map(&validation.scores),
                             "baseline": map(&validation.baseline), "best": validation.best });
        self.console.event("validation", fields);
    }

    fn device_failed(&mut self, failure: &Failure, step: u64) {
        self.console.device_failed(failure, json!({ "step": step }));
    }
}
