//! The one error type of the library.

use std::fmt;
use std::path::{Path, PathBuf};

/// `Result` with [`enum@Error`].
pub type Result<T> = std::result::Result<T, Error>;

/// What can go wrong. Every message names the file, key, layer or tensor and, where there is one, the remedy; those that a
/// caller may want to match stand in fields as well.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// What a person gave does not fit: a recipe, a declaration, a data file, a checkpoint, an argument.
    #[error("{}", input(file.as_deref(), key.as_deref(), tensor.as_deref(), why))]
    Input {
        /// The file that it stands in.
        file: Option<PathBuf>,
        /// The key of a recipe or declaration, `section.key`.
        key: Option<String>,
        /// The tensor, by its name in the graph or checkpoint.
        tensor: Option<String>,
        /// What does not fit, and the remedy.
        why: String,
    },
    /// A file could not be read or written.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// No device fits the request, or it lacks what the plan needs.
    #[error("{}{why}", prefix(device.as_deref()))]
    Device {
        /// The device, where one was found.
        device: Option<String>,
        /// What it lacks, and the remedy.
        why: String,
    },
    /// The device failed while it worked: validation, memory, loss, a wait that never ended.
    #[error("{}{step}: {message}", prefix(device.as_deref()))]
    Execution {
        /// The device, where it is its fault.
        device: Option<String>,
        /// The step or layer that was running.
        step: String,
        /// What the driver said.
        message: String,
        /// What is to be thought of the device.
        fault: Fault,
    },
    /// The work was asked to stop while the device did not answer.
    #[error("{step}: interrupted while the device did not answer")]
    Interrupted {
        /// The step or layer that was running.
        step: String,
    },
    /// Whoever asked for the work ended it.
    #[error("interrupted")]
    Stopped,
    /// Numbers stopped being numbers.
    #[error("{0}")]
    NonFinite(String),
}

/// What an [`Error::Execution`] says of its device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// This work failed; other work may not: too little memory, an invalid command.
    Work,
    /// The device was lost: nothing more comes from it until it is opened again.
    Lost,
    /// The device does not answer. One that does so is not opened again: what it was given is still there.
    Hangs,
    /// The device computes wrong numbers.
    Wrong,
}

impl Error {
    /// An [`Error::Input`] that says all in its text.
    pub fn input(why: impl Into<String>) -> Self {
        Error::Input { file: None, key: None, tensor: None, why: why.into() }
    }

    /// An [`Error::Input`] about a file: `file: why`.
    pub fn file(file: impl AsRef<Path>, why: impl Into<String>) -> Self {
        Error::input(why).in_file(file)
    }

    /// An [`Error::Input`] about a key: `section.key: why`.
    pub fn key(key: impl Into<String>, why: impl Into<String>) -> Self {
        Error::Input { file: None, key: Some(key.into()), tensor: None, why: why.into() }
    }

    /// An [`Error::Input`] about a tensor: ``tensor `name` why``.
    pub fn tensor(tensor: impl Into<String>, why: impl Into<String>) -> Self {
        Error::Input { file: None, key: None, tensor: Some(tensor.into()), why: why.into() }
    }

    /// An [`Error::Device`]; [`Error::on`] says which.
    pub fn device(why: impl Into<String>) -> Self {
        Error::Device { device: None, why: why.into() }
    }

    /// An [`Error::Execution`]; [`Error::on`] says on which device.
    pub fn execution(step: impl Into<String>, message: impl Into<String>) -> Self {
        Error::Execution { device: None, step: step.into(), message: message.into(), fault: Fault::Work }
    }

    /// An [`Error::Execution`] that says more of the device.
    pub fn faulty(step: impl Into<String>, message: impl Into<String>, fault: Fault) -> Self {
        Error::Execution { device: None, step: step.into(), message: message.into(), fault }
    }

    /// What this says of a device that is not to be worked with any more: it was lost, hangs, or computes wrong numbers.
    pub fn fault(&self) -> Option<Fault> {
        match self {
            Error::Execution { fault: fault @ (Fault::Lost | Fault::Hangs | Fault::Wrong), .. } => Some(*fault),
            _ => None,
        }
    }

    /// Wraps an I/O error with the path it concerns.
    pub fn io(path: impl AsRef<Path>, source: std::io::Error) -> Self {
        Error::Io { path: path.as_ref().to_path_buf(), source }
    }

    /// The same with the file that an [`Error::Input`] stands in, where it names none yet.
    #[must_use]
    pub fn in_file(mut self, name: impl AsRef<Path>) -> Self {
        if let Error::Input { file: file @ None, .. } = &mut self {
            *file = Some(name.as_ref().to_path_buf());
        }
        self
    }

    /// The same with the device's name, where a device is at fault and none is named yet.
    #[must_use]
    pub fn on(mut self, name: &str) -> Self {
        if let Error::Device { device: device @ None, .. } | Error::Execution { device: device @ None, .. } = &mut self
        {
            *device = Some(name.to_string());
        }
        self
    }
}

/// `file: key: tensor why`, of which any but the last may be missing.
fn input(file: Option<&Path>, key: Option<&str>, tensor: Option<&str>, why: &str) -> String {
    let mut text = String::new();
    let mut put = |part: fmt::Arguments<'_>| fmt::Write::write_fmt(&mut text, part).expect("a string takes any text");
    if let Some(file) = file {
        put(format_args!("{}: ", file.display()));
    }
    if let Some(key) = key {
        put(format_args!("{key}: "));
    }
    if let Some(tensor) = tensor {
        put(format_args!("tensor `{tensor}` "));
    }
    put(format_args!("{why}"));
    text
}

/// `device: `, or nothing.
fn prefix(device: Option<&str>) -> String {
    device.map_or(String::new(), |device| format!("{device}: "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_error_is_about_can_be_matched_and_is_in_its_text() {
        let error = Error::tensor("0.bias", "holds 3 values, not 4").in_file("a.safetensors").in_file("not again");
        assert_eq!(error.to_string(), "a.safetensors: tensor `0.bias` holds 3 values, not 4");
        let Error::Input { file: Some(file), key: None, tensor: Some(tensor), .. } = error else { panic!() };
        assert_eq!((file.to_str(), tensor.as_str()), (Some("a.safetensors"), "0.bias"));
        let error = Error::key("optimizer.lr", "a number above 0").in_file("r.toml");
        assert_eq!(error.to_string(), "r.toml: optimizer.lr: a number above 0");
        let error = Error::execution("step 3", "out of memory").on("a GPU").in_file("r.toml");
        assert_eq!(error.to_string(), "a GPU: step 3: out of memory");
    }
}
