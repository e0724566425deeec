//! The folder of a run: who has it, and the checkpoints in it.

use std::path::{Path, PathBuf};

use super::report::Report;
use crate::checkpoint::{Checkpoint, FloatFormat, Standing};
use crate::files::{self, Lock};
use crate::{Error, Result};

/// Where pictures go.
const SAMPLES: &str = "samples";
/// Where the best weights are, if more than one of them stays.
const KEPT: &str = "kept";

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
                [SAMPLES, KEPT].iter().for_each(|folder| files::clear(&path.join(folder)));
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

    /// Where the weights of a step go that is among the best; the folder is there then.
    ///
    /// # Errors
    /// When it cannot be made.
    pub(super) fn kept(&self, step: u64) -> Result<PathBuf> {
        let folder = self.path.join(KEPT);
        std::fs::create_dir_all(&folder).map_err(|e| Error::io(&folder, e))?;
        Ok(folder.join(kept_name(step)))
    }

    /// Puts the best weights back from those that were kept, where they are gone; where none were, the next validation is the
    /// best so far. Returns how the run stands then.
    ///
    /// # Errors
    /// When they cannot be written.
    pub(super) fn mend_best(&self, standing: Standing, report: &mut dyn Report) -> Result<Standing> {
        let Some(mark) = standing.best.first().filter(|_| !self.best().exists()) else { return Ok(standing) };
        let (name, step) = ("best.safetensors", mark.step);
        match std::fs::read(self.path.join(KEPT).join(kept_name(step))) {
            Ok(bytes) => {
                files::replace(&self.best(), &bytes)?;
                report.note(&format!("{name} was gone: it is that of step {step} again, which was kept"));
                Ok(standing)
            }
            Err(_) => {
                report.note(&format!("{name} of step {step} is gone: the next validation is the best so far"));
                Ok(Standing::default())
            }
        }
    }

    /// Removes kept weights of steps that are not, or no longer, among the best: also those that a run left behind which
    /// was killed before its checkpoint knew of them. One that cannot be removed does no harm.
    pub(super) fn prune(&self, standing: &Standing) {
        for entry in std::fs::read_dir(self.path.join(KEPT)).into_iter().flatten().flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            let step =
                name.strip_prefix("step-").and_then(|rest| rest.strip_suffix(".safetensors")?.parse::<u64>().ok());
            if step.is_some_and(|step| standing.best.iter().all(|mark| mark.step != step)) {
                let _ = std::fs::remove_file(entry.path());
            }
        }
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
        let bytes = checkpoint.encode(FloatFormat::F32)?;
        let path = self.checkpoint();
        if path.exists() {
            files::keep(&path, &self.previous())?;
        }
        files::replace(&path, &bytes)
    }
}

/// The name of the weights of a step that are kept.
fn kept_name(step: u64) -> String {
    format!("step-{step}.safetensors")
}
