//! Writing a picture to a file that is there whole or not at all.

use super::{Compression, DEFAULT_QUALITY, EncodeOptions, Format, Header, Picture, Rows, encode};
use crate::{Error, Result};
use std::io::{BufWriter, ErrorKind, Seek, Write};
use std::path::{Path, PathBuf};

/// How a picture is saved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SaveOptions {
    /// The format; from the name's extension if `None`.
    pub format: Option<Format>,
    /// JPEG quality, 1 to 100.
    pub quality: u8,
    /// Of PNG.
    pub compression: Compression,
    /// Replace a file of that name.
    pub overwrite: bool,
}

impl Default for SaveOptions {
    fn default() -> Self {
        Self { format: None, quality: DEFAULT_QUALITY, compression: Compression::default(), overwrite: false }
    }
}

impl SaveOptions {
    /// The format that `path` is written in.
    ///
    /// # Errors
    /// As [`Format::from_path`].
    pub fn format_of(&self, path: &Path) -> Result<Format> {
        self.format.map_or_else(|| Format::from_path(path), Ok)
    }

    fn encoding(&self) -> EncodeOptions {
        EncodeOptions { quality: self.quality, compression: self.compression }
    }
}

/// Saves a picture whose rows are made meanwhile, as `encode` and [`Picture::save`] do.
///
/// # Errors
/// As these.
pub fn save(path: &Path, header: &Header, options: &SaveOptions, rows: &mut impl Rows) -> Result<Vec<String>> {
    let format = options.format_of(path)?;
    by_rename(path, options.overwrite, |out| encode(header, format, &options.encoding(), rows, out, path))
}

impl Picture {
    /// Saves to `path` and returns what the format could not hold, as [`Picture::losses`].
    ///
    /// A link is followed; into a pipe or device is written. The file is written under another name in the same folder and renamed: no reader meets half a picture, and
    /// a failure leaves what was there. Without `overwrite` an existing file is refused, even one that appears meanwhile.
    /// Nothing waits for the disk: a picture can be made again, and waiting costs more than making a small one.
    ///
    /// # Errors
    /// As [`Picture::encode`]; when the file exists, or cannot be written. The message names the file.
    pub fn save(&self, path: impl AsRef<Path>, options: &SaveOptions) -> Result<Vec<String>> {
        let path = path.as_ref();
        let format = options.format_of(path)?;
        by_rename(path, options.overwrite, |out| self.encode_to(format, &options.encoding(), out, path))
    }
}

fn exists(path: &Path) -> Error {
    Error::file(path, "exists already; pass --overwrite to replace it, or give another name")
}

/// Whether a name is that of a pipe or device, which is written into and never replaced.
pub fn is_special(path: impl AsRef<Path>) -> bool {
    std::fs::metadata(path).is_ok_and(|metadata| !metadata.is_file() && !metadata.is_dir())
}

/// The file that a link leads to, even if it is not there yet; any other path as it is.
fn followed(path: &Path) -> PathBuf {
    let mut at = path.to_path_buf();
    // As many as systems follow.
    for _ in 0..40 {
        let Ok(to) = std::fs::read_link(&at) else { break };
        at = at.parent().map_or(to.clone(), |folder| folder.join(&to));
    }
    at
}

/// Makes a file elsewhere and puts its bytes into what has this name.
fn into_special<T>(path: &Path, write: impl FnOnce(&mut BufWriter<&mut std::fs::File>) -> Result<T>) -> Result<T> {
    let fail = |source: std::io::Error| Error::io(path, source);
    let mut file = tempfile::tempfile().map_err(fail)?;
    let mut out = BufWriter::with_capacity(1 << 16, &mut file);
    let result = write(&mut out)?;
    out.flush().map_err(fail)?;
    drop(out);
    file.rewind().map_err(fail)?;
    let mut to = std::fs::File::options().write(true).open(path).map_err(fail)?;
    std::io::copy(&mut file, &mut to).map_err(fail)?;
    Ok(result)
}

fn by_rename<T>(
    path: &Path,
    overwrite: bool,
    write: impl FnOnce(&mut BufWriter<&mut std::fs::File>) -> Result<T>,
) -> Result<T> {
    // Before the work; the rename below checks again.
    if !overwrite && path.symlink_metadata().is_ok() {
        return Err(exists(path));
    }
    if is_special(path) {
        return into_special(path, write);
    }
    let path = &*followed(path);
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
    let mut out = BufWriter::with_capacity(1 << 16, file.as_file_mut());
    let result = write(&mut out)?;
    out.flush().map_err(fail)?;
    drop(out);
    let renamed = if overwrite { file.persist(path) } else { file.persist_noclobber(path) };
    renamed.map_err(
        |error| if error.error.kind() == ErrorKind::AlreadyExists { exists(path) } else { fail(error.error) },
    )?;
    Ok(result)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_appears_meanwhile_is_not_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.png");
        let ours = |out: &mut BufWriter<&mut std::fs::File>| out.write_all(b"ours").map_err(|e| Error::io("ours", e));
        let error = by_rename(&path, false, |out| {
            std::fs::write(&path, b"theirs").unwrap();
            ours(out)
        });
        let error = error.unwrap_err().to_string();
        assert!(error.contains("--overwrite"), "{error}");
        assert_eq!(std::fs::read(&path).unwrap(), b"theirs");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
        by_rename(&path, true, ours).unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"ours");
    }

    #[cfg(unix)]
    #[test]
    fn links_are_followed_and_devices_stay() {
        use std::os::unix::fs::{FileTypeExt, symlink};
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        let ours = |out: &mut BufWriter<&mut std::fs::File>| out.write_all(b"ours").map_err(|e| Error::io("ours", e));
        std::fs::create_dir(path("below")).unwrap();
        std::fs::write(path("below/there.png"), b"theirs").unwrap();
        symlink("below/there.png", path("link.png")).unwrap();
        symlink("below/not_yet.png", path("dangling.png")).unwrap();
        for (link, file) in [("link.png", "below/there.png"), ("dangling.png", "below/not_yet.png")] {
            by_rename(&path(link), true, ours).unwrap();
            assert!(path(link).symlink_metadata().unwrap().is_symlink(), "{link}");
            assert_eq!(std::fs::read(path(file)).unwrap(), b"ours");
        }
        let pipe = path("pipe.png");
        assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        let reader = std::thread::spawn({
            let pipe = pipe.clone();
            move || std::fs::read(pipe).unwrap()
        });
        by_rename(&pipe, true, ours).unwrap();
        assert_eq!(reader.join().unwrap(), b"ours");
        assert!(pipe.symlink_metadata().unwrap().file_type().is_fifo());
    }
}
