//! The one error type of the library.

use std::path::{Path, PathBuf};

/// `Result` with [`enum@Error`].
pub type Result<T> = std::result::Result<T, Error>;

/// What can go wrong. Every message names the file, key, layer or tensor and, where there is one, the remedy.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// What a person gave does not fit: a recipe, a declaration, a data file, a checkpoint, an argument.
    #[error("{0}")]
    Input(String),
    /// A file could not be read or written.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// No device fits the request, or it lacks what the plan needs.
    #[error("{0}")]
    Device(String),
    /// The device failed while it worked: validation, memory, loss, a wait that never ended.
    #[error("{step}: {message}")]
    Execution {
        /// The step or layer that was running.
        step: String,
        /// What the driver said.
        message: String,
    },
    /// Numbers stopped being numbers.
    #[error("{0}")]
    NonFinite(String),
}

impl Error {
    /// An [`Error::Input`].
    pub fn input(message: impl Into<String>) -> Self {
        Error::Input(message.into())
    }

    /// Wraps an I/O error with the path it concerns.
    pub fn io(path: impl AsRef<Path>, source: std::io::Error) -> Self {
        Error::Io { path: path.as_ref().to_path_buf(), source }
    }
}
