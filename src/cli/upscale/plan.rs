//! Which picture goes where, decided before any work.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use wgrad::image::Format;
use wgrad::{Error, Result, data};

use super::Arguments;

/// Where a picture comes from or goes to.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// A file.
    File(PathBuf),
    /// Standard input or output.
    Stream,
}

/// One picture.
#[derive(Clone, Debug)]
pub struct Job {
    /// Where it is.
    pub from: Place,
    /// Where it goes.
    pub to: Place,
    /// In which format.
    pub format: Format,
}

/// What is to be done.
pub struct Plan {
    /// Pictures to enlarge, in the order given.
    pub jobs: Vec<Job>,
    /// Inputs that cannot be taken, and why.
    pub refused: Vec<(PathBuf, Error)>,
    /// How many were left out because their output exists.
    pub skipped: usize,
}

/// A picture file, the folder of the inputs it was found in, and whether it was named itself.
struct Found {
    path: PathBuf,
    below: PathBuf,
    named: bool,
}

/// The name of standard input and output.
const STREAM: &str = "-";

/// Finds the pictures and names their outputs.
///
/// # Errors
/// When two inputs would be written to one file, or a stream and files are mixed.
pub fn plan(arguments: &Arguments, scale: usize) -> Result<Plan> {
    let mut refused = Vec::new();
    let out = arguments.out.as_deref();
    if arguments.input.iter().any(|input| input.as_os_str() == STREAM) {
        if arguments.input.len() > 1 {
            return Err(Error::input("-: standard input is one picture; give it alone"));
        }
        let to = out.filter(|out| out.as_os_str() != STREAM).map_or(Place::Stream, |out| Place::File(out.into()));
        let job = Job { from: Place::Stream, format: format(arguments, None, &to)?, to };
        return finish(arguments, vec![(job, true)], refused);
    }
    let mut found = Vec::new();
    for input in &arguments.input {
        match pictures(input, arguments.recursive) {
            Ok(pictures) => found.extend(pictures),
            Err(error) => refused.push((input.clone(), error)),
        }
    }
    let single = arguments.input.len() == 1 && found.len() == 1 && found[0].named;
    let mut jobs = Vec::new();
    for Found { path, below, named } in found {
        let to = match out {
            Some(out) if out.as_os_str() == STREAM && single => Place::Stream,
            Some(out) if out.as_os_str() == STREAM => {
                return Err(Error::input("-o -: standard output takes one picture"));
            }
            Some(out) if single && !out.is_dir() && !ends_as_folder(out) => Place::File(out.into()),
            out => {
                let extension = extension(arguments, &path);
                Place::File(match out {
                    Some(out) => out.join(path.strip_prefix(&below).unwrap_or(&path)).with_extension(extension),
                    None => beside(&path, scale, extension),
                })
            }
        };
        let format = format(arguments, Some(&path), &to)?;
        jobs.push((Job { from: Place::File(path), to, format }, named));
    }
    finish(arguments, jobs, refused)
}

/// Leaves out what is done, refuses what would overwrite, and makes sure that no two outputs are one file.
fn finish(arguments: &Arguments, found: Vec<(Job, bool)>, mut refused: Vec<(PathBuf, Error)>) -> Result<Plan> {
    // Results of an earlier run stand among the pictures of a folder; they are not enlarged again.
    let targets: BTreeSet<Place> = found.iter().map(|(job, _)| job.to.clone()).collect();
    let mut by_target: BTreeMap<Place, PathBuf> = BTreeMap::new();
    let (mut jobs, mut skipped) = (Vec::new(), 0);
    for (job, named) in found {
        if !named && targets.contains(&job.from) && job.from != job.to {
            continue;
        }
        let (Place::File(to), from) = (&job.to, job.from.path()) else {
            jobs.push(job);
            continue;
        };
        if let Some(other) = by_target.insert(job.to.clone(), from.clone()) {
            let (to, other, from) = (to.display(), other.display(), from.display());
            return Err(Error::input(format!("{to}: both {other} and {from} would be written to it; rename one")));
        }
        if to.symlink_metadata().is_ok() && !arguments.overwrite {
            if arguments.skip_existing {
                skipped += 1;
            } else {
                let to = to.display();
                let why = format!("{to}: exists already; --overwrite replaces it, --skip-existing leaves it");
                refused.push((from, Error::input(why)));
            }
            continue;
        }
        jobs.push(job);
    }
    Ok(Plan { jobs, refused, skipped })
}

impl Place {
    /// The path, or the sign for a stream.
    pub fn path(&self) -> PathBuf {
        match self {
            Place::File(path) => path.clone(),
            Place::Stream => STREAM.into(),
        }
    }
}

/// The picture that an input names, or those in its folder.
fn pictures(input: &Path, recursive: bool) -> Result<Vec<Found>> {
    let metadata = std::fs::metadata(input).map_err(|e| Error::io(input, e))?;
    if !metadata.is_dir() {
        let below = input.parent().unwrap_or(Path::new("")).to_path_buf();
        return Ok(vec![Found { path: input.into(), below, named: true }]);
    }
    let mut files = data::list(&[input.to_path_buf()])?;
    if !recursive {
        files.retain(|file| file.parent() == Some(input));
        if files.is_empty() {
            return Err(Error::input(format!("{}: its pictures are in folders below; -r takes them", input.display())));
        }
    }
    Ok(files.into_iter().map(|path| Found { path, below: input.into(), named: false }).collect())
}

/// Whether a path is written as a folder: `out/`.
fn ends_as_folder(path: &Path) -> bool {
    path.as_os_str().as_encoded_bytes().last().is_some_and(|&b| std::path::is_separator(b.into()))
}

fn beside(path: &Path, scale: usize, extension: &str) -> PathBuf {
    let mut name: OsString = path.file_stem().unwrap_or_default().to_os_string();
    name.push(format!("_x{scale}.{extension}"));
    path.with_file_name(name)
}

/// The ending of an output: as asked for, else the input's own where it can be written, else PNG's.
fn extension<'a>(arguments: &Arguments, input: &'a Path) -> &'a str {
    let own = input.extension().and_then(|e| e.to_str());
    match arguments.format {
        Some(format) => format.extension(),
        None => own.filter(|e| e.parse::<Format>().is_ok()).unwrap_or(Format::Png.extension()),
    }
}

fn format(arguments: &Arguments, from: Option<&Path>, to: &Place) -> Result<Format> {
    match (arguments.format, to, from) {
        (Some(format), ..) => Ok(format),
        (None, Place::File(to), _) => Format::from_path(to),
        (None, Place::Stream, Some(from)) => Ok(Format::from_path(from).unwrap_or(Format::Png)),
        (None, Place::Stream, None) => Ok(Format::Png),
    }
}

/// Makes the folders that outputs go to, and tries whether they can be written.
///
/// # Errors
/// Naming the folder.
pub fn check_folders(jobs: &[Job], out: Option<&Path>) -> Result<()> {
    let mut folders = BTreeSet::new();
    for job in jobs {
        if let Place::File(to) = &job.to {
            let parent = to.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
            folders.insert(parent);
        }
    }
    for folder in folders {
        if out.is_some() {
            std::fs::create_dir_all(folder).map_err(|e| Error::io(folder, e))?;
        }
        tempfile::Builder::new().prefix(".wgrad-").tempfile_in(folder).map_err(|e| Error::io(folder, e))?;
    }
    Ok(())
}
