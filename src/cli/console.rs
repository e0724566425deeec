//! Standard error: notes, progress, errors, as bars, lines or JSON.

use std::cell::RefCell;
use std::io::{IsTerminal, Write};
use std::sync::OnceLock;

use crate::Result;
use crate::device::{Device, Failure};
use crate::executor::Precision;
use crate::gpu;
use crate::watch::Event;
use clap::ValueEnum;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde_json::{Value, json};

use super::Common;

/// How progress is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Style {
    /// A bar on a terminal, lines elsewhere
    Auto,
    /// Lines
    Plain,
    /// One JSON object per line
    Json,
    /// None
    None,
}

/// How progress is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// A bar.
    Bar,
    /// Lines every few seconds.
    Plain,
    /// One JSON object per line.
    Json,
    /// Errors only.
    Silent,
}

/// Writes a line to standard error; one that is closed takes nothing, and there is nobody to tell.
pub fn say(line: &str) {
    let _ = writeln!(std::io::stderr().lock(), "{line}");
}

/// Tells what a driver or its loader said.
pub fn driver(line: &str) {
    match MODE.get() {
        Some(Mode::Json) => say(&json!({ "event": "driver", "text": line }).to_string()),
        _ => say(&format!("driver: {line}")),
    }
}

/// How this process shows progress, for what is told from other threads.
static MODE: OnceLock<Mode> = OnceLock::new();

/// Tells what a device does that a person may wonder about.
pub fn on_event(event: &Event) {
    match MODE.get() {
        Some(Mode::Bar | Mode::Plain) => say(&event.to_string()),
        Some(Mode::Json) => say(&fields(event).to_string()),
        Some(Mode::Silent) | None => {}
    }
}

fn fields(event: &Event) -> Value {
    let text = event.to_string();
    match event {
        Event::Waiting { device, step, waited, limit } => json!({
            "event": "waiting", "text": text, "device": device, "step": step,
            "seconds": waited.as_secs_f64(), "limit": limit.as_secs_f64(),
        }),
        Event::Compiling { device, done, all } => {
            json!({ "event": "compiling", "text": text, "device": device, "done": done, "all": all })
        }
    }
}

/// Where a command says what it does.
pub struct Console {
    mode: Mode,
    bar: RefCell<Option<ProgressBar>>,
}

impl Console {
    /// A console in the style asked for.
    pub fn new(style: Style, quiet: bool) -> Self {
        let mode = match style {
            _ if quiet => Mode::Silent,
            Style::Auto if std::io::stderr().is_terminal() => Mode::Bar,
            Style::Auto | Style::Plain => Mode::Plain,
            Style::Json => Mode::Json,
            Style::None => Mode::Silent,
        };
        let _ = MODE.set(mode);
        Console { mode, bar: RefCell::new(None) }
    }

    /// How progress is shown.
    pub fn mode(&self) -> Mode {
        self.mode
    }

    /// Says something worth a line.
    pub fn note(&self, line: &str) {
        match self.mode {
            Mode::Silent => {}
            Mode::Json => self.event("note", json!({ "text": line })),
            Mode::Bar | Mode::Plain => self.above(line),
        }
    }

    /// Says a line that has an event of its own for machines.
    pub fn line(&self, line: &str) {
        if matches!(self.mode, Mode::Bar | Mode::Plain) {
            self.above(line);
        }
    }

    /// Tells machines; others hear nothing.
    pub fn event(&self, event: &str, mut fields: Value) {
        if self.mode == Mode::Json {
            fields["event"] = event.into();
            say(&fields.to_string());
        }
    }

    /// Says what failed, in one line, whatever the mode.
    pub fn error(&self, message: &str) {
        let message = message.split_whitespace().collect::<Vec<_>>().join(" ");
        match self.mode {
            Mode::Json => self.event("error", json!({ "text": message })),
            _ => self.above(&format!("error: {message}")),
        }
    }

    /// A line above the bar, if one is shown.
    fn above(&self, line: &str) {
        match &*self.bar.borrow() {
            Some(bar) => bar.suspend(|| say(line)),
            None => say(line),
        }
    }

    /// Shows where a bar stands; does nothing in other modes.
    pub fn bar(&self, done: u64, all: u64, template: &str, message: String) {
        if self.mode != Mode::Bar {
            return;
        }
        let mut slot = self.bar.borrow_mut();
        let bar = slot.get_or_insert_with(|| {
            let bar = ProgressBar::with_draw_target(Some(all), ProgressDrawTarget::stderr());
            let style = ProgressStyle::with_template(template).expect("templates are constants");
            bar.set_style(style.progress_chars("=> "));
            // Steps of an earlier run took none of this one's time.
            bar.set_position(done);
            bar.reset_eta();
            bar
        });
        bar.set_length(all);
        bar.set_message(message);
        bar.set_position(done);
    }

    /// Takes the bar away.
    pub fn clear(&self) {
        if let Some(bar) = self.bar.borrow_mut().take() {
            bar.finish_and_clear();
        }
    }

    /// Says that a device failed, and what goes on; machines hear `more` beside it.
    pub fn device_failed(&self, failure: &Failure, mut more: Value) {
        let (text, Failure { device, why, then }) = (failure.to_string(), failure);
        self.line(&text);
        let fields = [("text", &text), ("device", device), ("why", why), ("then", then)];
        fields.into_iter().for_each(|(name, value)| more[name] = value.as_str().into());
        self.event("device_failed", more);
    }

    /// Finds the device that was asked for and says which it is.
    ///
    /// # Errors
    /// When nothing fits the request.
    pub fn device(&self, common: &Common) -> Result<Device> {
        self.device_for(common, Precision::F32)
    }

    /// As `device`, for work that asks for `precision` where the command line does not.
    ///
    /// # Errors
    /// When nothing fits the request.
    pub fn device_for(&self, common: &Common, precision: Precision) -> Result<Device> {
        let mut failed = false;
        let mut device = Device::choose(&common.device, common.kernels(), &mut |failure| {
            failed = true;
            self.device_failed(&failure, json!({}));
        })?;
        if device == Device::Cpu && common.is_auto() && !failed && self.mode != Mode::Silent {
            self.note(&match gpu::adapters().first() {
                None => "no GPU adapter found, using the CPU".to_string(),
                Some(adapter) => {
                    let name = &adapter.name;
                    format!("only a software adapter found ({name}), slower than the CPU: using the CPU")
                }
            });
        }
        match device.clone().with_precision(common.precision.unwrap_or(precision)) {
            Ok(able) => device = able,
            Err(why) => self.note(&format!("{why}; using f32")),
        }
        self.line(&format!("device: {}", device.describe()));
        self.event("device", json!({ "device": device.describe() }));
        Ok(device)
    }
}
