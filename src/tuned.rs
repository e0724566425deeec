//! Which tile shapes a device was fastest with, from one run to the next: a TOML file per adapter in the user's cache.
//!
//! Nothing depends on it but time: a file that is missing, damaged, or written under another driver or by other kernels
//! counts as empty, and is replaced when something is measured.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use etcetera::BaseStrategy;
use serde::{Deserialize, Serialize};

use crate::{Error, Result, files};

/// What measurements are true of: all three must be equal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// The adapter, with the interface it is reached through.
    pub adapter: String,
    /// Its driver and the driver's version.
    pub driver: String,
    /// A hash of the kernels' text.
    pub kernels: String,
}

impl Identity {
    /// Name of the file for it: `NVIDIA H100 (vulkan)` has `nvidia-h100-vulkan.toml`.
    pub(crate) fn file(&self) -> String {
        let words = self.adapter.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
        format!("{}.toml", words.collect::<Vec<_>>().join("-").to_ascii_lowercase())
    }
}

/// What was found for one kind of step.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Choice {
    /// The tile shape to use.
    pub tile: String,
    /// Microseconds that a step took with it.
    pub microseconds: f64,
    /// The shape that is taken without measuring.
    pub default: String,
    /// Microseconds that a step took with that.
    pub default_microseconds: f64,
}

impl Choice {
    /// How many times as fast as the default it is.
    pub fn gain(&self) -> f64 {
        self.default_microseconds / self.microseconds
    }
}

type Choices = BTreeMap<String, Choice>;

/// A file as it is written.
#[derive(Serialize, Deserialize)]
struct Contents {
    #[serde(flatten)]
    identity: Identity,
    #[serde(default)]
    choices: Choices,
}

/// The choices for one adapter. All methods may be called from several threads.
#[derive(Debug)]
pub struct Memory {
    identity: Identity,
    path: Option<PathBuf>,
    choices: Mutex<Choices>,
    failure: Mutex<Option<String>>,
}

impl Memory {
    /// Reads what is known for an adapter from `folder`, which need not exist; without a folder nothing is kept.
    pub fn open(folder: Option<&Path>, identity: Identity) -> Memory {
        let path = folder.map(|folder| folder.join(identity.file()));
        let choices = path.as_deref().and_then(|path| read(path, &identity)).unwrap_or_default();
        Memory { identity, path, choices: Mutex::new(choices), failure: Mutex::new(None) }
    }

    /// The file that choices are kept in, if there is one.
    pub fn path(&self) -> Option<&Path> {
        self.path.as_deref()
    }

    /// What was found for a key.
    pub fn get(&self, key: &str) -> Option<Choice> {
        held(&self.choices).get(key).cloned()
    }

    /// Keeps what was found for a key, beside what other runs have written since. That it cannot be written stops
    /// nobody: [`Memory::failure`] tells.
    pub fn insert(&self, key: &str, choice: Choice) {
        let mut choices = held(&self.choices);
        choices.insert(key.into(), choice);
        let Some(path) = &self.path else { return };
        for (key, choice) in read(path, &self.identity).unwrap_or_default() {
            choices.entry(key).or_insert(choice);
        }
        let contents = Contents { identity: self.identity.clone(), choices: choices.clone() };
        *held(&self.failure) = write(path, &contents).err().map(|error| error.to_string());
    }

    /// Why the last choice could not be written.
    pub fn failure(&self) -> Option<String> {
        held(&self.failure).clone()
    }

    /// Forgets everything and removes the file.
    ///
    /// # Errors
    /// When the file is there and cannot be removed.
    pub fn forget(&self) -> Result<()> {
        held(&self.choices).clear();
        match self.path.as_deref().map(|path| (path, std::fs::remove_file(path))) {
            Some((path, Err(error))) if error.kind() != std::io::ErrorKind::NotFound => Err(Error::io(path, error)),
            _ => Ok(()),
        }
    }
}

/// Where choices are kept: `tiles` in the folder that `WGRAD_CACHE` names, or in `wgrad` in the user's cache. None where
/// that variable is empty or the system knows no such folder.
pub fn folder() -> Option<PathBuf> {
    let ours = match std::env::var_os("WGRAD_CACHE") {
        Some(folder) if folder.is_empty() => return None,
        Some(folder) => PathBuf::from(folder),
        None => etcetera::choose_base_strategy().ok()?.cache_dir().join("wgrad"),
    };
    Some(ours.join("tiles"))
}

/// A thread that panicked leaves a whole map behind: entries are inserted in one step.
fn held<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn read(path: &Path, identity: &Identity) -> Option<Choices> {
    let contents: Contents = toml::from_str(&std::fs::read_to_string(path).ok()?).ok()?;
    (contents.identity == *identity).then_some(contents.choices)
}

fn write(path: &Path, contents: &Contents) -> Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    std::fs::create_dir_all(folder).map_err(|error| Error::io(folder, error))?;
    let text = toml::to_string(contents).map_err(|error| Error::file(path, error.to_string()))?;
    files::replace(path, text.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn identity() -> Identity {
        Identity { adapter: "Card 9000 (LLVM 15.0, vulkan)".into(), driver: "Mesa 1".into(), kernels: "ab".into() }
    }

    fn choice(tile: &str) -> Choice {
        Choice { tile: tile.into(), microseconds: 10.5, default: "d".into(), default_microseconds: 21.0 }
    }

    #[test]
    fn what_was_found_is_there_again_for_the_same_adapter_driver_and_kernels() {
        let folder = tempfile::tempdir().unwrap();
        let cache = folder.path().join("not yet there");
        let open = |identity| Memory::open(Some(&cache), identity);
        let memory = open(identity());
        memory.insert("matmul ta 1x2x3", choice("a"));
        memory.insert("conv2d 3x3/1 4x5 6", choice("b"));
        assert_eq!(memory.failure(), None);
        assert_eq!(memory.path(), Some(cache.join("card-9000-llvm-15-0-vulkan.toml").as_path()));
        assert_eq!(open(identity()).get("matmul ta 1x2x3"), Some(choice("a")));
        assert_eq!(open(identity()).get("matmul"), None);
        assert_eq!(choice("a").gain(), 2.0);
        let others = [
            Identity { driver: "Mesa 2".into(), ..identity() },
            Identity { kernels: "ac".into(), ..identity() },
            Identity { adapter: "Card 9000 LLVM 15.0 vulkan".into(), ..identity() },
        ];
        for other in others {
            assert_eq!(open(other.clone()).get("matmul ta 1x2x3"), None, "{other:?}");
        }
        // What another driver's run left is replaced as a whole.
        let newer = open(Identity { driver: "Mesa 2".into(), ..identity() });
        newer.insert("new", choice("c"));
        assert_eq!(open(identity()).get("matmul ta 1x2x3"), None);
        newer.forget().unwrap();
        newer.forget().unwrap();
        assert!(!newer.path().unwrap().exists() && newer.get("new").is_none());
    }

    #[test]
    fn a_damaged_file_is_empty_and_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let open = || Memory::open(Some(folder.path()), identity());
        open().insert("a", choice("a"));
        let path = open().path().unwrap().to_path_buf();
        let whole = std::fs::read_to_string(&path).unwrap();
        let half = &whole[..whole.len() - 8];
        for text in ["", "[", half, &whole.replace("microseconds", "seconds"), &format!("{whole}\0")] {
            std::fs::write(&path, text).unwrap();
            let memory = open();
            assert_eq!(memory.get("a"), None, "{text:?}");
            memory.insert("b", choice("b"));
            assert_eq!((open().get("a"), open().get("b")), (None, Some(choice("b"))), "{text:?}");
        }
    }

    #[test]
    fn two_runs_at_once_keep_what_both_found() {
        let folder = tempfile::tempdir().unwrap();
        let [one, two] = [0; 2].map(|_| Memory::open(Some(folder.path()), identity()));
        one.insert("a", choice("a"));
        two.insert("b", choice("b"));
        let later = Memory::open(Some(folder.path()), identity());
        assert!(later.get("a").is_some() && later.get("b").is_some());
    }

    #[test]
    fn a_folder_that_cannot_be_written_costs_only_the_memory() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        std::fs::write(&file, "").unwrap();
        let memory = Memory::open(Some(&file), identity());
        memory.insert("a", choice("a"));
        assert!(memory.failure().is_some_and(|why| why.contains("file")));
        assert_eq!(memory.get("a"), Some(choice("a")));
        let nowhere = Memory::open(None, identity());
        nowhere.insert("a", choice("a"));
        assert_eq!((nowhere.failure(), nowhere.path()), (None, None));
    }
}
