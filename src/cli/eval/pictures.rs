//! Scores of enlargement, after the protocol of super-resolution papers.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Instant;

use crate::checkpoint::Checkpoint;
use crate::device::Device;
use crate::image::protocol::{self, Factor};
use crate::image::score::Score;
use crate::image::{DecodeOptions, Picture, Plane, SaveOptions};
use crate::upscale::{Fallback, Size, UpscaleOptions, Upscaled, Upscaler};
use crate::{Error, Result, data};
use serde_json::json;

use super::Arguments;
use crate::cli::console::Console;
use crate::cli::{info, interrupt, model};

const BAR: &str = "{bar:30} {pos}/{len}  {eta} left  {msg}";

/// What is scored, and on what.
pub struct Job<'a> {
    arguments: &'a Arguments,
    scale: Factor,
    folders: Vec<(PathBuf, Vec<PathBuf>)>,
    models: Vec<(String, Checkpoint)>,
    /// Files of the folders that are no pictures, and why.
    left_out: Vec<(PathBuf, String)>,
}

/// Scores of one method on one folder.
pub struct Entry {
    /// The folder's name.
    pub set: String,
    /// The method.
    pub model: String,
    /// Mean PSNR, dB.
    pub psnr: f64,
    /// Mean SSIM.
    pub ssim: f64,
    /// Seconds per picture, where measured.
    pub seconds: Option<f64>,
    /// Multiply-accumulates for an output of 1280x720.
    pub macs: Option<u64>,
    /// Parameters.
    pub parameters: Option<u64>,
    /// Each picture's score.
    pub pictures: Vec<(String, Score)>,
    /// Whether the figures are the literature's.
    pub published: bool,
}

impl<'a> Job<'a> {
    /// Finds folders and models.
    ///
    /// # Errors
    /// When one is missing or a model is for another enlargement, before any work.
    pub fn new(arguments: &'a Arguments, scale: Factor) -> Result<Self> {
        let (mut folders, mut left_out) = (Vec::new(), Vec::new());
        for folder in &arguments.hr {
            let listing = data::list(std::slice::from_ref(folder))?;
            folders.push((folder.clone(), listing.files));
            left_out.extend(listing.left_out);
        }
        let open = |path: Option<&PathBuf>| {
            let path = path.map(PathBuf::as_path);
            let (name, checkpoint) = match scale.whole() {
                Some(scale) => model::open(path, Some(scale))?,
                // Of its enlargement the next whole one, and reduction.
                None => {
                    let (name, mut networks) = model::family(path, Some(Size::Factor(scale.value())))?;
                    (name, networks.swap_remove(0))
                }
            };
            match checkpoint.network.input() {
                crate::network::Input::Picture { .. } => Ok((name, checkpoint)),
                _ => Err(Error::input(format!("{name}: does not enlarge pictures"))),
            }
        };
        let models = match arguments.model.is_empty() {
            true => vec![open(None)?],
            false => arguments.model.iter().map(|path| open(Some(path))).collect::<Result<Vec<_>>>()?,
        };
        Ok(Job { arguments, scale, folders, models, left_out })
    }

    /// Scores everything, and counts the pictures that could not be; none when interrupted.
    ///
    /// # Errors
    /// When no picture of a folder can be read, or the device fails.
    pub fn run(&self, device: &Device, console: &Console) -> Result<Option<(Vec<Entry>, usize)>> {
        let mut entries = Vec::new();
        let mut truths = Truths { console, failed: BTreeSet::new() };
        for (path, why) in &self.left_out {
            console.note(&format!("{}: {why}", path.display()));
        }
        let methods = self.models.len() + usize::from(self.arguments.baseline.baseline().is_some());
        let all = methods * self.folders.iter().map(|(_, files)| files.len()).sum::<usize>();
        let mut done = 0;
        let mut upscalers = Vec::new();
        for (name, checkpoint) in &self.models {
            let options = UpscaleOptions { ensemble: self.arguments.ensemble, ..UpscaleOptions::default() };
            upscalers.push((name, checkpoint, Upscaler::new(device, checkpoint, options)?));
        }
        let mut tick = |set: &str, file: &Path, method: &str| {
            done += 1;
            console.bar(done, all as u64, BAR, format!("{set}  {method}"));
            let file = file.display().to_string();
            console.event("picture", json!({ "file": file, "model": method, "done": done, "all": all }));
            !interrupt::STOP.requested()
        };
        for (folder, files) in &self.folders {
            let set = folder_name(folder);
            if let Some((name, baseline)) = self.arguments.baseline.baseline() {
                let mut entry = Entry::new(&set, name);
                for file in files {
                    let score = truths.with(file, |truth| {
                        protocol::bicubic(truth, self.scale, baseline).map_err(|e| named(file, &e))
                    });
                    entry.pictures.extend(score?.map(|score| (file_name(file), score)));
                    if !tick(&set, file, name) {
                        return Ok(None);
                    }
                }
                entries.push(entry.mean(folder)?);
            }
            for (name, checkpoint, upscaler) in &mut upscalers {
                let (network, weights) = checkpoint.network.collapse(&checkpoint.weights)?;
                let mut entry = Entry::new(&set, name);
                // Of a picture that is reduced afterwards there is no such figure.
                entry.macs = self.scale.whole().map(|_| info::macs(&network)).transpose()?;
                entry.parameters = Some(weights.parameters() as u64);
                let mut seconds = 0.0;
                for file in files {
                    let restored =
                        truths.with(file, |truth| self.restore(file, truth, [&set, name], upscaler, console));
                    if let Some((score, took)) = restored? {
                        entry.pictures.push((file_name(file), score));
                        seconds += took;
                    }
                    if !tick(&set, file, name) {
                        return Ok(None);
                    }
                }
                entry.seconds = Some(seconds / entry.pictures.len() as f64);
                entries.push(entry.mean(folder)?);
            }
        }
        Ok(Some((entries, truths.failed.len())))
    }

    /// One picture: its score, and the seconds that enlarging took.
    fn restore(
        &self,
        file: &Path,
        truth: &Picture,
        [set, name]: [&str; 2],
        upscaler: &mut Upscaler,
        console: &Console,
    ) -> Result<(Score, f64)> {
        let low = protocol::low_resolution(truth, self.scale).map_err(|e| named(file, &e))?;
        let begun = Instant::now();
        let size = Size::Factor(self.scale.value());
        let Upscaled { picture, fallbacks } = upscaler.upscale_to(&low, Some(size), &mut |_, _| {})?;
        let output = picture.map(Plane::to_eight_bits);
        let seconds = begun.elapsed().as_secs_f64();
        for fallback in fallbacks {
            if let Fallback::Device(failure) = fallback {
                console.device_failed(&failure, json!({ "input": file.display().to_string() }));
            }
        }
        if let Some(folder) = &self.arguments.save {
            let folder = folder.join(folder_of(name)).join(set);
            std::fs::create_dir_all(&folder).map_err(|e| Error::io(&folder, e))?;
            let stem = file.file_stem().unwrap_or_default();
            let path = folder.join(stem).with_extension("png");
            output.save(path, &SaveOptions { overwrite: true, ..SaveOptions::default() })?;
        }
        let score = protocol::compare(&output, truth, self.scale).map_err(|e| named(file, &e))?;
        Ok((score, seconds))
    }
}

/// Ground truth; a file that cannot be read or scored is told once, and left out from then on.
struct Truths<'a> {
    console: &'a Console,
    failed: BTreeSet<PathBuf>,
}

impl Truths<'_> {
    /// Does something with a picture; none when the picture is at fault.
    ///
    /// # Errors
    /// When something else is: the device, or a file that cannot be written.
    fn with<T>(&mut self, file: &Path, work: impl FnOnce(&Picture) -> Result<T>) -> Result<Option<T>> {
        if self.failed.contains(file) {
            return Ok(None);
        }
        let done = match Picture::open_with(file, &DecodeOptions::truth()) {
            Ok(truth) => match work(&truth) {
                Err(error @ Error::Input { .. }) => Err(error),
                done => return done.map(Some),
            },
            Err(error) => Err(error),
        };
        done.or_else(|error| {
            self.console.error(&error.to_string());
            self.failed.insert(file.to_path_buf());
            Ok(None)
        })
    }
}

impl Entry {
    fn new(set: &str, model: &str) -> Self {
        Entry {
            set: set.into(),
            model: model.into(),
            psnr: f64::NAN,
            ssim: f64::NAN,
            seconds: None,
            macs: None,
            parameters: None,
            pictures: Vec::new(),
            published: false,
        }
    }

    /// The entry with its means; an error when not one picture of the folder could be scored.
    fn mean(mut self, folder: &Path) -> Result<Self> {
        if self.pictures.is_empty() {
            return Err(Error::input(format!("{}: none of its pictures can be scored", folder.display())));
        }
        let count = self.pictures.len() as f64;
        self.psnr = self.pictures.iter().map(|(_, score)| score.psnr).sum::<f64>() / count;
        self.ssim = self.pictures.iter().map(|(_, score)| score.ssim).sum::<f64>() / count;
        Ok(self)
    }
}

fn named(file: &Path, error: &Error) -> Error {
    Error::input(format!("{}: {error}", file.display()))
}

/// The last part of a folder's path, whatever way it was written.
pub fn folder_name(folder: &Path) -> String {
    let name = |path: &Path| path.file_name().map(|n| n.to_string_lossy().into_owned());
    let full = || folder.canonicalize().ok().and_then(|path| name(&path));
    name(folder).or_else(full).unwrap_or_else(|| folder.display().to_string())
}

/// A folder's name for a model: every run has a `best.safetensors`, so the run's name goes before.
fn folder_of(model: &str) -> String {
    let path = Path::new(model);
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    match path.parent().and_then(Path::file_name) {
        Some(run) => format!("{}-{stem}", run.to_string_lossy()),
        None => stem.into_owned(),
    }
}

fn file_name(file: &Path) -> String {
    file.file_name().unwrap_or_default().to_string_lossy().into_owned()
}
