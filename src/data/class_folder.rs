//! Pictures in a folder per class.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use rayon::prelude::*;
use xxhash_rust::xxh3::xxh3_64;

use super::{Raster, Rows, Samples, files};
use crate::image::fit::{self, Fit};
use crate::image::{DecodeOptions, Picture};
use crate::{Error, Result};

/// Pictures of several classes, brought to one size.
#[derive(Clone, Debug)]
pub struct ClassFolder {
    /// The pictures as bytes, row after row, channels together; each with the index of its class.
    pub rows: Rows,
    /// The names of the folders, by class.
    pub names: Vec<String>,
    /// The file of each row.
    pub paths: Vec<PathBuf>,
    /// A hash of each row's pixels.
    pub hashes: Vec<u64>,
    /// Pictures that cannot be read, or not whole, and why.
    pub failed: Vec<(PathBuf, String)>,
    /// What else a person should know, a sentence each.
    pub notes: Vec<String>,
}

/// Reads the pictures of every folder in `path`; the folders' names are the classes. `size` is height, width and channels.
///
/// # Errors
/// When there is no folder, or none has a picture.
pub fn load(path: &Path, size: [usize; 3], how: Fit) -> Result<ClassFolder> {
    let (names, mut notes) = folders(path)?;
    notes.extend(check_below(path, &names)?);
    let mut found: Vec<(PathBuf, usize)> = Vec::new();
    for (class, name) in names.iter().enumerate() {
        let listing = files::list(&[path.join(name)])?;
        found.extend(listing.files.into_iter().map(|file| (file, class)));
        if let Some((file, why)) = listing.left_out.first() {
            let (count, file) = (listing.left_out.len(), file.display());
            notes.push(format!("{count} other files in class {name} are not taken ({file}: {why})"));
        }
    }
    let read = |(file, class): &(PathBuf, usize)| (file.clone(), *class, pixels(file, size, how));
    let (mut bytes, mut targets) = (Vec::new(), Vec::new());
    let (mut paths, mut hashes, mut failed) = (Vec::new(), Vec::new(), Vec::new());
    let mut seen: BTreeMap<u64, usize> = BTreeMap::new();
    // In portions, so that decoded pictures do not pile up.
    for portion in found.chunks(256) {
        for (file, class, raster) in portion.par_iter().map(read).collect::<Vec<_>>() {
            let raster = match raster {
                Ok(raster) => raster,
                Err(error) => {
                    failed.push((file, error.to_string()));
                    continue;
                }
            };
            let hash = xxh3_64(&raster.data);
            let first = *seen.entry(hash).or_insert(targets.len());
            if let Some(&other) = targets.get(first).filter(|&&other| other != class as f32) {
                let (one, first, other) =
                    (file.display(), paths.get(first).map(|p: &PathBuf| p.display()), other as usize);
                let first = first.map_or(String::new(), |p| p.to_string());
                notes.push(format!("{one} is the same picture as {first}, of class {}", names[other]));
            }
            bytes.extend(raster.data);
            targets.push(class as f32);
            paths.push(file);
            hashes.push(hash);
        }
    }
    if targets.is_empty() {
        let why = failed.first().map_or("they hold none".into(), |(_, why)| why.clone());
        return Err(Error::input(format!("{}: no picture in its folders can be read: {why}", path.display())));
    }
    let (width, classes) = (size.iter().product(), Some(names.len()));
    let rows = Rows { features: Samples::Bytes(bytes), width, targets, target_width: 1, classes };
    Ok(ClassFolder { rows, names, paths, hashes, failed, notes })
}

/// What is worth saying of folders within classes, whose pictures are of the class.
///
/// # Errors
/// When the folders are parts of a data set rather than classes: several of them hold folders of the same names.
fn check_below(path: &Path, names: &[String]) -> Result<Vec<String>> {
    let (mut notes, mut seen): (Vec<String>, BTreeMap<String, &String>) = Default::default();
    for name in names {
        let entries = std::fs::read_dir(path.join(name)).map_err(|e| Error::io(path.join(name), e))?;
        let folder = |entry: std::fs::DirEntry| {
            let name = entry.file_name().to_string_lossy().into_owned();
            (!name.starts_with('.') && entry.path().is_dir()).then_some(name)
        };
        let mut below: Vec<String> = entries.flatten().filter_map(folder).collect();
        below.sort();
        for folder in &below {
            if let Some(other) = seen.insert(folder.clone(), name) {
                let (path, one) = (path.display(), path.join(other));
                let why =
                    format!("its folders {other} and {name} both hold a folder {folder}, so that they are no classes");
                let remedy = format!("name the one whose folders are the classes, such as {}", one.display());
                return Err(Error::input(format!("{path}: {why}; {remedy}")));
            }
        }
        if !below.is_empty() {
            let (count, first) = (below.len(), &below[0]);
            notes.push(format!("class {name} holds {count} folders ({first} first): their pictures are of that class"));
        }
    }
    Ok(notes)
}

/// Whether there are folders in a folder.
///
/// # Errors
/// When it cannot be read.
pub fn is_one(path: &Path) -> Result<bool> {
    let entries = std::fs::read_dir(path).map_err(|e| Error::io(path, e))?;
    Ok(entries.flatten().any(|entry| entry.path().is_dir()))
}

/// The names of the folders in a folder, and what else is there.
fn folders(path: &Path) -> Result<(Vec<String>, Vec<String>)> {
    let (mut names, mut others) = (Vec::new(), 0);
    for entry in std::fs::read_dir(path).map_err(|e| Error::io(path, e))? {
        let entry = entry.map_err(|e| Error::io(path, e))?;
        let name = entry.file_name();
        // Folders of tools, such as .ipynb_checkpoints, are no classes.
        if name.as_encoded_bytes().starts_with(b".") {
            continue;
        }
        if !entry.path().is_dir() {
            others += 1;
            continue;
        }
        let name = name.into_string().map_err(|name| {
            Error::input(format!("{}: the name of a class is UTF-8 text; rename it", path.join(name).display()))
        })?;
        names.push(name);
    }
    names.sort();
    if names.is_empty() {
        return Err(Error::input(format!("{}: holds no folders; each class is a folder of pictures", path.display())));
    }
    let note = format!("{}: {others} files that are in no folder have no class and are not taken", path.display());
    Ok((names, if others > 0 { vec![note] } else { Vec::new() }))
}

fn pixels(file: &Path, [height, width, channels]: [usize; 3], how: Fit) -> Result<Raster> {
    let picture = Picture::open_with(file, &DecodeOptions::truth())?;
    let planes = fit::planes(&picture, channels);
    let fitted: Vec<_> = planes.iter().map(|plane| fit::fit(plane, width, height, how)).collect();
    Ok(Raster::from_planes(&fitted))
}
