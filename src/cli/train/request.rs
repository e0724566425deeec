//! What a person asked for: which recipe, and which folder.

use std::path::{Path, PathBuf};

use crate::train::Recipe;
use crate::{Error, Result};

use super::Arguments;

/// Where runs go that nobody named.
const RUNS: &str = "runs";

/// The quick start's name.
const QUICK_START: &str = "quickstart";

/// The run's folder: the one given, the next free one, or, to resume, the last one.
///
/// # Errors
/// When there is none to resume.
pub fn folder(arguments: &Arguments) -> Result<PathBuf> {
    if let Some(folder) = &arguments.out {
        return Ok(folder.clone());
    }
    let stem = arguments.recipe.as_deref().and_then(Path::file_stem).unwrap_or(QUICK_START.as_ref());
    let numbered = |number: usize| {
        let mut name = stem.to_os_string();
        name.push(if arguments.find_lr { "-lr" } else { "" });
        if number > 1 {
            name.push(format!("-{number}"));
        }
        Path::new(RUNS).join(name)
    };
    let free = (1..).find(|&n| !taken(&numbered(n))).expect("numbers do not end");
    match arguments.resume {
        false => Ok(numbered(free)),
        true if free > 1 => Ok(numbered(free - 1)),
        true => {
            let missing = numbered(1);
            Err(Error::input(format!("{}: no run to resume; name its folder by --out", missing.display())))
        }
    }
}

/// Whether a folder holds something.
fn taken(folder: &Path) -> bool {
    std::fs::read_dir(folder).map_or_else(|_| folder.exists(), |mut entries| entries.next().is_some())
}

/// The recipe: the file given, the resumed run's own, or the quick start. Its paths are absolute, so that the copy in
/// the run's folder means the same files.
///
/// # Errors
/// Naming the file and the key.
pub fn recipe(arguments: &Arguments, folder: &Path) -> Result<Recipe> {
    let mut recipe = match &arguments.recipe {
        Some(path) => Recipe::open(path, &arguments.set)?,
        None if arguments.resume && !folder.join("recipe.toml").exists() => {
            return Err(Error::input(format!("{}: no run to resume", folder.display())));
        }
        None if arguments.resume => Recipe::open(&folder.join("recipe.toml"), &arguments.set)?,
        None => quick_start(&arguments.set)?,
    };
    for (_, path) in recipe.paths() {
        *path = std::path::absolute(&*path).map_err(|e| Error::io(&*path, e))?;
        if path.to_str().is_none() {
            let path = path.display();
            return Err(Error::input(format!("{path}: a recipe is UTF-8 text, and this path is not; rename it")));
        }
    }
    Ok(recipe)
}

/// The built-in recipe with overrides. A section whose `kind` is overridden starts empty: the quick start's keys are
/// another kind's.
fn quick_start(overrides: &[String]) -> Result<Recipe> {
    let mut table: toml::Table = Recipe::default().to_toml().parse().expect("a recipe is TOML");
    for section in ["network", "data"] {
        let mut keys = overrides.iter().filter_map(|o| o.split_once('=')).map(|(key, _)| key.trim());
        if keys.any(|key| key == section || key.strip_suffix(".kind") == Some(section)) {
            table.remove(section);
        }
    }
    Recipe::parse(&table.to_string(), "quick start", overrides)
}
