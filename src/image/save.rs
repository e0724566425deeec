//! Writing a picture to a file that is there whole or not at all.

use super::{DEFAULT_QUALITY, Format, Picture};
use crate::{Error, Result};
use std::io::{ErrorKind, Write};
use std::path::Path;

/// How a picture is saved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SaveOptions {
    /// The format; from the name's extension if `None`.
    pub format: Option<Format>,
    /// JPEG quality, 1 to 100.
    pub quality: u8,
    /// Replace a file of that name.
    pub overwrite: bool,
}

impl Default for SaveOptions {
    fn default() -> Self {
        Self { format: None, quality: DEFAULT_QUALITY, overwrite: false }
    }
}

impl Picture {
    /// Saves to `path` and returns what the format could not hold, as [`Picture::losses`].
    ///
    /// The file is written under another name in the same folder, synced, and renamed: no reader meets half a picture, and
    /// a failure leaves what was there. Without `overwrite` an existing file is refused, even one that appears meanwhile.
    ///
    /// # Errors
    /// As [`Picture::encode`]; when the file exists, or cannot be written. The message names the file.
    pub fn save(&self, path: impl AsRef<Path>, options: &SaveOptions) -> Result<Vec<String>> {
        let path = path.as_ref();
        // Before the work of encoding; the rename below checks again.
        if !options.overwrite && path.symlink_metadata().is_ok() {
            return Err(exists(path));
        }
        let format = options.format.map_or_else(|| Format::from_path(path), Ok)?;
        let bytes = self.encode_named(format, options.quality, path)?;
        write_by_rename(path, &bytes, options.overwrite)?;
        Ok(self.losses(format))
    }
}

fn exists(path: &Path) -> Error {
    Error::input(format!("{}: exists already; pass --overwrite to replace it, or give another name", path.display()))
}

fn write_by_rename(path: &Path, bytes: &[u8], overwrite: bool) -> Result<()> {
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    let fail = |source: std::io::Error| Error::io(path, source);
    let mut builder = tempfile::Builder::new();
    builder.prefix(".wgrad-").suffix(".tmp");
    // Temporary files are private by default; this one becomes the picture, with the permissions of any new file.
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    let mut file = builder.tempfile_in(folder).map_err(fail)?;
    file.write_all(bytes).and_then(|()| file.as_file().sync_all()).map_err(fail)?;
    let renamed = if overwrite { file.persist(path) } else { file.persist_noclobber(path) };
    renamed.map_err(
        |error| if error.error.kind() == ErrorKind::AlreadyExists { exists(path) } else { fail(error.error) },
    )?;
    // The rename itself outlives a crash once the folder is synced; where folders cannot be opened, it is left to the system.
    #[cfg(unix)]
    if let Ok(folder) = std::fs::File::open(folder) {
        let _ = folder.sync_all();
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_appears_meanwhile_is_not_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.png");
        std::fs::write(&path, b"theirs").unwrap();
        let error = write_by_rename(&path, b"ours", false).unwrap_err().to_string();
        assert!(error.contains("--overwrite"), "{error}");
        assert_eq!(std::fs::read(&path).unwrap(), b"theirs");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
        write_by_rename(&path, b"ours", true).unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"ours");
    }
}
