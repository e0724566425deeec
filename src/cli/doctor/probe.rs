//! Trying what may hang or crash, in a process of its own: the report asks, that process answers line by line, and what it
//! had not answered in time is known.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::Duration;

use crate::{Error, Result};
use serde_json::{Value, json};

use super::{Finding, Mark, device};
use crate::cli::{Outcome, output};

/// Longest time for one answer.
const PATIENCE: Duration = Duration::from_secs(40);

/// Whether a driver's library can be loaded.
///
/// # Errors
/// What the system said.
pub fn driver(library: &Path) -> std::result::Result<(), String> {
    let mut what = std::ffi::OsString::from("driver:");
    what.push(library);
    match &ask(&what)[..] {
        [] => Err("loading it ends the program".into()),
        [finding] if finding.mark == Mark::Works => Ok(()),
        [first, ..] => Err(first.text.clone()),
    }
}

/// Everything that a device was tried with.
pub fn device(index: usize) -> Vec<Finding> {
    ask(format!("device:{index}").as_ref())
}

/// Starts this program to look at one thing; what it does not end well is a finding too.
fn ask(what: &std::ffi::OsStr) -> Vec<Finding> {
    let failed = |why: String| vec![Finding::tried("process", Err(why))];
    let program = match std::env::current_exe() {
        Ok(program) => program,
        Err(error) => return failed(error.to_string()),
    };
    let mut command = Command::new(program);
    command.args(["doctor", "--quiet", "--probe"]).arg(what);
    let child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn();
    let mut child = match child {
        Ok(child) => child,
        Err(error) => return failed(error.to_string()),
    };
    let (sender, answers) = mpsc::channel();
    let lines = BufReader::new(child.stdout.take().expect("it was asked for")).lines();
    std::thread::spawn(move || lines.map_while(std::result::Result::ok).try_for_each(|line| sender.send(line)));
    let (mut findings, mut next) = (Vec::new(), "start".to_string());
    loop {
        match answers.recv_timeout(PATIENCE) {
            Ok(line) => {
                let json: Value = serde_json::from_str(&line).unwrap_or_default();
                let word = |key: &str| json[key].as_str().unwrap_or_default().to_string();
                match json["works"].as_bool() {
                    None => next = word("begins"),
                    Some(works) => {
                        let text = word("text");
                        findings.push(Finding::tried(word("name"), if works { Ok(text) } else { Err(text) }));
                    }
                }
            }
            Err(RecvTimeoutError::Timeout) => {
                let _ = child.kill();
                let _ = child.wait();
                findings.push(Finding::tried(next, Err(format!("no answer within {} s", PATIENCE.as_secs()))));
                return findings;
            }
            Err(RecvTimeoutError::Disconnected) => break,
        }
    }
    match child.wait() {
        Ok(status) if status.success() => {}
        Ok(status) => findings.push(Finding::tried(next, Err(format!("ended the process: {status}")))),
        Err(error) => findings.push(Finding::tried(next, Err(error.to_string()))),
    }
    findings
}

/// Answers for the report.
///
/// # Errors
/// When nobody listens, or the question is none.
pub fn answer(what: &str) -> Result<Outcome> {
    let mut tell = |finding: Finding| output::line(&finding.json().to_string());
    match what.split_once(':') {
        Some(("driver", library)) => {
            // SAFETY: the loader does the same to the file in every program that uses a GPU; this process has no other task.
            let loaded = unsafe { libloading::Library::new(library) };
            // It is not unloaded: some drivers do not survive that.
            let loaded = loaded.map(std::mem::forget).map(|()| String::new()).map_err(|e| e.to_string());
            tell(Finding::tried("driver", loaded))?;
        }
        Some(("device", index)) => {
            let index = index.parse().map_err(|_| Error::input(format!("{index}: no index of a device")))?;
            let mut begin = |step: &str| output::line(&json!({ "begins": step }).to_string());
            device::examine(index, &mut begin, &mut tell)?;
        }
        _ => return Err(Error::input(format!("--probe {what}: driver:FILE or device:INDEX"))),
    }
    Ok(Outcome::Done)
}
