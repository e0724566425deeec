//! Files that appear whole or not at all, and folders that one process has for itself.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

use crate::{Error, Result};

/// How names of files in the making begin.
const UNFINISHED: &str = ".wgrad-";
/// The file that stands for a folder in use.
const LOCK: &str = ".lock";

/// Writes a temporary sibling, syncs it, renames it over `path` and syncs the folder: after a crash there is the old file
/// or the new one. Its permissions are those of any new file.
///
/// # Errors
/// Naming the path; what was there before is untouched then.
pub fn replace(path: &Path, bytes: &[u8]) -> Result<()> {
    let folder = folder_of(path);
    let fail = |e| Error::io(path, e);
    let mut file = unfinished().tempfile_in(folder).map_err(fail)?;
    file.write_all(bytes).map_err(fail)?;
    file.as_file().sync_all().map_err(fail)?;
    file.persist(path).map_err(|e| fail(e.error))?;
    sync(folder);
    Ok(())
}

/// Keeps the file `path` under the name `other` beside it as well, in place of what is called so.
///
/// # Errors
/// Naming the path.
pub fn keep(path: &Path, other: &Path) -> Result<()> {
    let fail = |e| Error::io(other, e);
    // A second name costs nothing; where a file has one name only, it is copied.
    let link = |at: &Path| std::fs::hard_link(path, at).or_else(|_| std::fs::copy(path, at).map(|_| ()));
    let named = unfinished().make_in(folder_of(other), link).map_err(fail)?;
    let spare = named.path().to_path_buf();
    named.persist(other).map_err(|e| fail(e.error))?;
    // A rename of one name of a file over another of the same file does nothing.
    let _ = std::fs::remove_file(spare);
    Ok(())
}

fn unfinished() -> tempfile::Builder<'static, 'static> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(UNFINISHED);
    // Temporary files are private by default; these become results, as readable as any other file.
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    builder
}

fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// A rename outlives a crash once the folder is synced; where folders cannot be opened, it is left to the system.
fn sync(folder: &Path) {
    #[cfg(unix)]
    if let Ok(folder) = File::open(folder) {
        let _ = folder.sync_all();
    }
    #[cfg(not(unix))]
    let _ = folder;
}

/// A folder that no other process locks: the operating system lets go of it when this one ends, however it ends.
#[derive(Debug)]
pub struct Lock {
    path: PathBuf,
    _file: File,
}

impl Lock {
    /// Locks a folder and removes what a process that was killed left unfinished in it; none where another has it.
    ///
    /// # Errors
    /// When the folder cannot be written to.
    pub fn take(folder: &Path) -> Result<Option<Lock>> {
        let path = folder.join(LOCK);
        let fail = |e| Error::io(&path, e);
        loop {
            let file = OpenOptions::new().write(true).create(true).truncate(false).open(&path).map_err(fail)?;
            match file.try_lock() {
                Ok(()) => {}
                Err(TryLockError::WouldBlock) => return Ok(None),
                // A file system without locks: better a run than none.
                Err(TryLockError::Error(e)) if e.kind() == ErrorKind::Unsupported => {}
                Err(TryLockError::Error(e)) => return Err(fail(e)),
            }
            // Its owner may have removed the file in between: a lock on that keeps nobody out.
            let mine = same_file::Handle::from_file(file.try_clone().map_err(fail)?).map_err(fail)?;
            if same_file::Handle::from_path(&path).is_ok_and(|there| there == mine) {
                clear(folder);
                return Ok(Some(Lock { path, _file: file }));
            }
        }
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        // While it is locked still, so that nobody is in a folder whose lock is removed.
        let _ = std::fs::remove_file(&self.path);
    }
}

/// Removes unfinished files of a folder that is locked. One that cannot be removed does no harm.
pub fn clear(folder: &Path) {
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let is_file = entry.file_type().is_ok_and(|kind| kind.is_file());
        if is_file && entry.file_name().as_encoded_bytes().starts_with(UNFINISHED.as_bytes()) {
            let _ = std::fs::remove_file(entry.path());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_at_a_time_has_a_folder_and_finds_it_clean() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        std::fs::write(path(".wgrad-a1b2"), "half").unwrap();
        std::fs::write(path("whole"), "whole").unwrap();
        let lock = Lock::take(folder.path()).unwrap();
        assert!(lock.is_some() && Lock::take(folder.path()).unwrap().is_none());
        assert!(!path(".wgrad-a1b2").exists() && path("whole").exists());
        drop(lock);
        assert!(Lock::take(folder.path()).unwrap().is_some());
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "nothing stays");
    }

    #[test]
    fn a_file_is_kept_under_another_name_when_it_is_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let [now, before] = ["now", "before"].map(|name| folder.path().join(name));
        for number in 0..4u8 {
            if now.exists() {
                keep(&now, &before).unwrap();
                keep(&now, &before).unwrap();
            }
            replace(&now, &[number]).unwrap();
        }
        assert_eq!((std::fs::read(&now).unwrap(), std::fs::read(&before).unwrap()), (vec![3], vec![2]));
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 2);
    }

    #[cfg(unix)]
    #[test]
    fn permissions_are_those_of_any_new_file() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let [ours, theirs] = ["ours", "theirs"].map(|name| folder.path().join(name));
        replace(&ours, b"x").unwrap();
        std::fs::write(&theirs, b"x").unwrap();
        let mode = |path: &Path| path.metadata().unwrap().permissions().mode();
        assert_eq!(mode(&ours), mode(&theirs));
    }
}
