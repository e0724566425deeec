//! The folder of a run: who has it, and the checkpoints in it.

use std::path::{Path, PathBuf};

use super::{Checkpoint, Storage};
use crate::files::{self, Lock};
use crate::{Error, Result};

/// Where pictures go.
const SAMPLES: &str = "samples";

/// A folder that this run alone writes to.
pub(super) struct RunFolder {
    path: PathBuf,
    _lock: Lock,
}

impl RunFolder {
    /// Locks the folder; none when there is no such folder yet.
    ///
    /// # Errors
    /// When another run has it, or it cannot be written to.
    pub(super) fn find(path: &Path) -> Result<Option<Self>> {
        if !path.is_dir() {
            return Ok(None);
        }
        match Lock::take(path)? {
            Some(lock) => {
                files::clear(&path.join(SAMPLES));
                Ok(Some(RunFolder { path: path.into(), _lock: lock }))
            }
            None => {
                let path = path.display();
                Err(Error::input(format!("{path}: another run writes to it; wait for its end, or pass another --out")))
            }
        }
    }

    /// Makes the folder, and locks it.
    ///
    /// # Errors
    /// When it cannot be made, or another run has come first.
    pub(super) fn create(path: &Path) -> Result<Self> {
        std::fs::create_dir_all(path).map_err(|e| Error::io(path, e))?;
        let found = RunFolder::find(path)?.ok_or_else(|| Error::file(path, "no folder"))?;
        found.vacant()?;
        Ok(found)
    }

    /// Its path.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Refuses a folder with a run in it.
    pub(super) fn vacant(&self) -> Result<()> {
        let folder = self.path.display();
        match self.checkpoint().exists() {
            true => Err(Error::input(format!("{folder}: holds a run already; pass --resume, or another --out"))),
            false => Ok(()),
        }
    }

    /// Where the newest checkpoint is.
    pub(super) fn checkpoint(&self) -> PathBuf {
        self.path.join("checkpoint.safetensors")
    }

    /// Where the one before it is.
    pub(super) fn previous(&self) -> PathBuf {
        self.path.join("checkpoint-previous.safetensors")
    }

    /// Where the best weights are.
    pub(super) fn best(&self) -> PathBuf {
        self.path.join("best.safetensors")
    }

    /// Where pictures go.
    pub(super) fn samples(&self) -> PathBuf {
        self.path.join(SAMPLES)
    }

    /// The checkpoint to go on from.
    ///
    /// # Errors
    /// When there is none, or it is damaged: then with the one before it, where there is one.
    pub(super) fn resume(&self) -> Result<Checkpoint> {
        let path = self.checkpoint();
        if !path.exists() {
            return Err(Error::file(path, "no checkpoint to resume from"));
        }
        Checkpoint::open(&path).map_err(|error| match Checkpoint::open(&self.previous()) {
            Ok(_) => {
                let previous = self.previous();
                let name = previous.file_name().unwrap_or_default().to_string_lossy();
                Error::input(format!("{error}; to go on from the one before it, copy {name} over it"))
            }
            Err(_) => error,
        })
    }

    /// Saves a checkpoint; the newest so far becomes the one before it.
    pub(super) fn save(&self, checkpoint: &Checkpoint) -> Result<()> {
        let bytes = checkpoint.encode(Storage::F32)?;
        let path = self.checkpoint();
        if path.exists() {
            files::keep(&path, &self.previous())?;
        }
        files::replace(&path, &bytes)
    }
}
