//! Trying what may hang or crash, in a process of its own: the report asks, that process answers line by line, and what it
//! had not answered in time is known.

use std::ffi::{c_char, c_void};
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

/// This program, to be started once more: by the dynamic loader with the same libraries where that started it.
fn itself() -> std::io::Result<Command> {
    let mut command = Command::new(std::env::current_exe()?);
    #[cfg(target_os = "linux")]
    if let Ok(line) = std::fs::read("/proc/self/cmdline") {
        use std::os::unix::ffi::OsStrExt;
        let words: Vec<&[u8]> = line.split(|&byte| byte == 0).collect();
        // The last word is empty; what a loader was told stands before the program's own words, of which it is the first.
        let more = (words.len() - 1).saturating_sub(std::env::args_os().count());
        if more > 0 {
            command.args(words[1..=more].iter().map(|word| std::ffi::OsStr::from_bytes(word)));
        }
    }
    Ok(command)
}

/// Starts this program to look at one thing; what it does not end well is a finding too.
fn ask(what: &std::ffi::OsStr) -> Vec<Finding> {
    let failed = |why: String| vec![Finding::tried("process", Err(why))];
    let mut command = match itself() {
        Ok(command) => command,
        Err(error) => return failed(error.to_string()),
    };
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

/// Asks a driver for the function that every program begins with. In containers some load and have none: libraries of the
/// window system are missing, or the vendor's tool was not asked for graphics.
fn makes_instances(library: &libloading::Library) -> std::result::Result<(), String> {
    type Find = unsafe extern "system" fn(*const c_void, *const c_char) -> *const c_void;
    type Agree = unsafe extern "system" fn(*mut u32) -> i32;
    // SAFETY: these are the types of both functions in Vulkan's interface between loader and drivers.
    let (agree, find) = unsafe {
        let agree = library.get::<Agree>(b"vk_icdNegotiateLoaderICDInterfaceVersion");
        (agree, library.get::<Find>(b"vk_icdGetInstanceProcAddr"))
    };
    let find = find.map_err(|_| "it loads, and is no Vulkan driver")?;
    if let Ok(agree) = agree {
        let mut version = 5;
        // SAFETY: the loader calls it so before anything else.
        unsafe { agree(&raw mut version) };
    }
    // SAFETY: without an instance the driver is asked for the functions that make one.
    let found = unsafe { find(std::ptr::null(), c"vkCreateInstance".as_ptr()) };
    match found.is_null() {
        false => Ok(()),
        true => Err("it loads, and makes no instance; in a container it may lack libraries (libxext6, libegl1) or \
                     NVIDIA_DRIVER_CAPABILITIES=all"
            .into()),
    }
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
            let result = loaded.map_err(|e| e.to_string()).and_then(|library| {
                let instances = makes_instances(&library);
                // It is not unloaded: some drivers do not survive that.
                std::mem::forget(library);
                instances.map(|()| String::new())
            });
            tell(Finding::tried("driver", result))?;
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
