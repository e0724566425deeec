//! Which picture goes where, decided before any work.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use wgrad::image::{self, Format};
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
    /// How many pictures are in folders below, which were not asked for.
    pub below: usize,
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
/// When several inputs are to be one file, or a stream and files are mixed.
pub fn plan(arguments: &Arguments, label: &str) -> Result<Plan> {
    let mut plan = Plan { jobs: Vec::new(), refused: Vec::new(), skipped: 0, below: 0 };
    let out = arguments.out.as_deref();
    if arguments.input.iter().any(|input| input.as_os_str() == STREAM) {
        if arguments.input.len() > 1 {
            return Err(Error::input("-: standard input is one picture; give it alone"));
        }
        let to = out.filter(|out| out.as_os_str() != STREAM).map_or(Place::Stream, |out| Place::File(out.into()));
        let job = Job { from: Place::Stream, format: format(arguments, None, &to)?, to };
        finish(arguments, vec![(job, true)], &mut plan);
        return Ok(plan);
    }
    if let Some(out) = out
        && names_one(out)
        && (arguments.input.len() > 1 || arguments.input[0].is_dir())
    {
        let name = out.display();
        let why = "one picture's name for more than one; name a folder";
        return Err(Error::input(format!("-o {name}: {why}, as in -o {name}/ if it is one")));
    }
    let (mut found, mut seen) = (Vec::new(), BTreeSet::new());
    for input in &arguments.input {
        match pictures(input, arguments.recursive, &mut plan) {
            // A picture that is named twice, or beside its folder, is enlarged once.
            Ok(pictures) => found.extend(pictures.into_iter().filter(|found| seen.insert(unique(&found.path)))),
            Err(error) => plan.refused.push((input.clone(), error)),
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
                    None => beside(&path, label, extension),
                })
            }
        };
        let format = format(arguments, Some(&path), &to)?;
        jobs.push((Job { from: Place::File(path), to, format }, named));
    }
    finish(arguments, jobs, &mut plan);
    Ok(plan)
}

/// Leaves out what is done, and refuses what would overwrite and what would be written to one file.
fn finish(arguments: &Arguments, found: Vec<(Job, bool)>, plan: &mut Plan) {
    // Results of an earlier run stand among the pictures of a folder; they are not enlarged again.
    let targets: BTreeSet<Place> = found.iter().map(|(job, _)| job.to.clone()).collect();
    let is_result = |job: &Job, named: bool| !named && targets.contains(&job.from) && job.from != job.to;
    let jobs: Vec<Job> = found.into_iter().filter(|(job, named)| !is_result(job, *named)).map(|(job, _)| job).collect();
    let mut by_target: BTreeMap<PathBuf, Vec<PathBuf>> = BTreeMap::new();
    for job in &jobs {
        if let Place::File(to) = &job.to {
            by_target.entry(real(to)).or_default().push(job.from.path());
        }
    }
    // What is read here may not be replaced before, nor after.
    let sources: BTreeMap<PathBuf, PathBuf> =
        jobs.iter().map(|job| (real(&job.from.path()), job.from.path())).collect();
    for job in jobs {
        let (Place::File(to), from) = (&job.to, job.from.path()) else {
            plan.jobs.push(job);
            continue;
        };
        let victim = sources.get(&real(to)).filter(|source| **source != from);
        let robber = by_target.get(&real(&from)).and_then(|inputs| inputs.iter().find(|input| **input != from));
        if let Some((input, by)) = victim.map(|victim| (victim, &from)).or(robber.map(|robber| (&from, robber)))
            && arguments.overwrite
        {
            let (input, by) = (input.display(), by.display());
            let why = format!("{input}: an input, which the output of {by} would replace; name another output (-o)");
            plan.refused.push((from, Error::input(why)));
        } else if let Some(other) = by_target[&real(to)].iter().find(|other| **other != from) {
            let (to, other, input) = (to.display(), other.display(), from.display());
            let why = format!("{to}: both {input} and {other} would be written to it; rename one, or name its output");
            plan.refused.push((from, Error::input(why)));
        } else if to.symlink_metadata().is_err() || arguments.overwrite {
            plan.jobs.push(job);
        } else if arguments.skip_existing {
            plan.skipped += 1;
        } else {
            let to = to.display();
            let why = format!("{to}: exists already; --overwrite replaces it, --skip-existing leaves it");
            plan.refused.push((from, Error::input(why)));
        }
    }
}

/// One path for a file, however it was written: that of its folder, as far as it exists, and its name.
pub fn unique(path: &Path) -> PathBuf {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let folder = folder.canonicalize().unwrap_or_else(|_| folder.to_path_buf());
    path.file_name().map_or(folder.clone(), |name| folder.join(name))
}

/// The file that a path leads to, links followed, or would be.
fn real(path: &Path) -> PathBuf {
    path.canonicalize().unwrap_or_else(|_| unique(path))
}

/// Whether an output's name is that of one picture, and no folder is there.
fn names_one(out: &Path) -> bool {
    let named = data::is_picture_name(out) || Format::from_path(out).is_ok();
    named && !ends_as_folder(out) && !out.is_dir()
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

/// The picture that an input names, or those in its folder; what the folder holds besides is refused.
fn pictures(input: &Path, recursive: bool, plan: &mut Plan) -> Result<Vec<Found>> {
    let named = !std::fs::metadata(input).map_err(|e| Error::io(input, e))?.is_dir();
    let data::Listing { files, left_out, below } = data::list_one(input, recursive)?;
    if files.is_empty() && left_out.is_empty() {
        let input = input.display();
        return Err(Error::input(match below {
            0 => format!("{input}: holds no picture"),
            _ => format!("{input}: its pictures are in folders below; -r takes them"),
        }));
    }
    plan.below += below;
    plan.refused.extend(left_out.into_iter().map(|(path, why)| {
        let error = Error::input(format!("{}: {why}", path.display()));
        (path, error)
    }));
    let root = if named { input.parent().unwrap_or(Path::new("")) } else { input };
    Ok(files.into_iter().map(|path| Found { path, below: root.into(), named }).collect())
}

/// Whether a path is written as a folder: `out/`.
fn ends_as_folder(path: &Path) -> bool {
    path.as_os_str().as_encoded_bytes().last().is_some_and(|&b| std::path::is_separator(b.into()))
}

fn beside(path: &Path, label: &str, extension: &str) -> PathBuf {
    let mut name: OsString = path.file_stem().unwrap_or_default().to_os_string();
    name.push(format!("_{label}.{extension}"));
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

/// The folders that outputs and a page go to.
fn folders<'a>(jobs: &'a [Job], page: Option<&'a Path>) -> BTreeSet<&'a Path> {
    let outputs = jobs.iter().filter_map(|job| match &job.to {
        // Into a pipe or device is written, nothing beside it.
        Place::File(to) if image::is_special(to) => None,
        Place::File(to) => Some(to.as_path()),
        Place::Stream => None,
    });
    let folder = |file: &'a Path| file.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    outputs.chain(page).map(folder).collect()
}

/// Tries whether outputs' folders are there and can be written, or made, as far as can be told without writing.
///
/// # Errors
/// Naming the folder.
pub fn try_folders(jobs: &[Job], page: Option<&Path>) -> Result<()> {
    for folder in folders(jobs, page) {
        // Of one that is not there yet, the nearest that is.
        let there = folder.ancestors().find(|folder| folder.symlink_metadata().is_ok()).unwrap_or(Path::new("."));
        let metadata = there.metadata().map_err(|e| Error::io(folder, e))?;
        let why = match () {
            () if !metadata.is_dir() => return Err(no_folder(folder, std::io::ErrorKind::NotADirectory.into())),
            () if metadata.permissions().readonly() => std::io::ErrorKind::PermissionDenied,
            () => continue,
        };
        return Err(Error::io(folder, why.into()));
    }
    Ok(())
}

/// Why a folder could not be made: most of all, that something else has its name.
fn no_folder(folder: &Path, error: std::io::Error) -> Error {
    let file = folder.ancestors().find(|part| part.symlink_metadata().is_ok()).filter(|part| !part.is_dir());
    match file {
        Some(file) => Error::file(folder, format!("{} is a file, not a folder that pictures go to", file.display())),
        None => Error::io(folder, error),
    }
}

/// Makes the folders that outputs go to, and tries whether they can be written.
///
/// # Errors
/// Naming the folder.
pub fn check_folders(jobs: &[Job], arguments: &Arguments) -> Result<()> {
    let page = arguments.compare.as_deref();
    for folder in folders(jobs, page) {
        if arguments.out.is_some() || page.is_some_and(|page| page.parent() == Some(folder)) {
            std::fs::create_dir_all(folder).map_err(|e| no_folder(folder, e))?;
        }
        tempfile::Builder::new().prefix(".wgrad-").tempfile_in(folder).map_err(|e| Error::io(folder, e))?;
    }
    Ok(())
}
