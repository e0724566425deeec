//! A training run: a recipe in, a directory out.

use std::path::{Path, PathBuf};
use std::time::Instant;

use super::judge::Judge;
use super::metrics::{Metrics, Row};
use super::prepare::{Prepared, prepare};
use super::report::{Progress, Report, Stop, Validation};
use super::trainer::training_graph;
use super::{Checkpoint, Recipe, Setup, Storage, Trainer};
use crate::device::Device;
use crate::executor::Precision;
use crate::graph::{Options, Plan};
use crate::image::SaveOptions;
use crate::interface::Interface;
use crate::{Error, Result, files};

/// Seconds between two progress reports.
const REPORT: f64 = 0.25;

/// How a run ended.
#[derive(Clone, Debug)]
pub struct Summary {
    /// Updates done.
    pub step: u64,
    /// The last validation.
    pub last: Option<Validation>,
    /// The best value of the deciding score.
    pub best: Option<f64>,
    /// Seconds of training, earlier parts of a resumed run included.
    pub seconds: f64,
    /// Whether it was asked to stop early.
    pub stopped: bool,
    /// How many picture files could not be read and were left out, as the report was told.
    pub failed: usize,
    /// The run's folder.
    pub folder: PathBuf,
}

/// Trains by a recipe. Everything lands in `folder`: `recipe.toml`, `metrics.csv`, `checkpoint.safetensors`,
/// `best.safetensors`, `curves.svg`, `samples/`.
///
/// # Errors
/// Before anything is written, when recipe, data or device do not fit; with `resume`, when the folder's checkpoint is not
/// of this recipe. During the run, when the device fails or the loss is not finite: the last checkpoint stays.
pub fn run(
    recipe: &Recipe,
    device: &Device,
    folder: &Path,
    resume: bool,
    stop: &Stop,
    report: &mut dyn Report,
) -> Result<Summary> {
    // Steps are computed in the recipe's precision, scores in f32.
    let device = &device.clone().with_precision(Precision::F32)?;
    let path = folder.join("checkpoint.safetensors");
    let earlier = match (resume, path.exists()) {
        (true, true) => Some(Checkpoint::open(&path)?),
        (true, false) => return Err(Error::input(format!("{}: no checkpoint to resume from", path.display()))),
        (false, true) => {
            let folder = folder.display();
            return Err(Error::input(format!("{folder}: holds a run already; pass --resume, or another --out")));
        }
        (false, false) => None,
    };
    if earlier.as_ref().is_some_and(|earlier| earlier.network != recipe.network) {
        return Err(Error::input(format!("{}: was written for another [network]", path.display())));
    }
    let start = recipe.start.as_deref().map(Checkpoint::open).transpose()?;
    let mut prepared = prepare(recipe, report)?;
    let mut trainer = trainer(recipe, device, &prepared)?;
    if let Some(tiles) = trainer.tiles() {
        report.note(&format!("tiles: {tiles}"));
    }
    let mut best = None;
    if let Some(start) = start {
        let (taken, all) = trainer.start_from(&start.weights)?;
        report.note(&format!(
            "took {taken} of {all} weights from {}",
            recipe.start.as_deref().unwrap_or(Path::new("")).display()
        ));
    }
    if let Some(earlier) = &earlier {
        let training = earlier
            .training
            .as_ref()
            .ok_or_else(|| Error::input(format!("{}: has weights only, no state to go on from", path.display())))?;
        trainer.resume(&earlier.weights, training)?;
        best = training.best;
        report.note(&format!("goes on from step {}", training.step));
    }
    std::fs::create_dir_all(folder).map_err(|e| Error::io(folder, e))?;
    files::replace(&folder.join("recipe.toml"), recipe.to_toml().as_bytes())?;
    let metrics = Metrics::open(folder, prepared.judge.columns(), trainer.step())?;
    let before = metrics.seconds();
    let (interface, begun) = (prepared.interface.clone(), Instant::now());
    Run { recipe, device, folder, trainer, interface, metrics, best, begun, before }.go(&mut prepared, stop, report)
}

/// How a recipe's network learns.
fn setup(recipe: &Recipe) -> Result<Setup> {
    Ok(Setup {
        network: recipe.network.clone(),
        loss: recipe.loss().loss(),
        rule: recipe.optimizer.rule()?,
        clip: recipe.optimizer.clip,
        average: recipe.optimizer.average,
        batch: recipe.batch,
        seed: recipe.seed,
    })
}

/// The trainer of a recipe, its data on the device.
fn trainer(recipe: &Recipe, device: &Device, prepared: &Prepared) -> Result<Trainer> {
    let device = device.clone().with_precision(recipe.precision)?;
    Trainer::new(device.executor()?, setup(recipe)?, &prepared.resident, prepared.room)
}

/// The plan of a recipe's training step, for those who do not run it.
///
/// # Errors
/// When recipe and data do not fit together.
pub fn plan(recipe: &Recipe, report: &mut dyn Report) -> Result<Plan> {
    let prepared = prepare(recipe, report)?;
    let (graph, _) = training_graph(&setup(recipe)?, &prepared.resident, prepared.room)?;
    Plan::new(&graph, Options::default())
}

/// Times each step of a recipe's plan on a device, nanoseconds: the median of `steps` runs after as many to warm up.
///
/// # Errors
/// When recipe, data or device do not fit, or the device has no timestamps.
pub fn profile(recipe: &Recipe, device: &Device, steps: usize, report: &mut dyn Report) -> Result<(Plan, Vec<f64>)> {
    let prepared = prepare(recipe, report)?;
    let mut trainer = trainer(recipe, device, &prepared)?;
    trainer.profile(steps)?;
    let times = trainer.profile(steps)?;
    Ok((trainer.plan().clone(), times))
}

struct Run<'a> {
    recipe: &'a Recipe,
    device: &'a Device,
    folder: &'a Path,
    trainer: Trainer,
    interface: Interface,
    metrics: Metrics,
    best: Option<f64>,
    begun: Instant,
    before: f64,
}

impl Run<'_> {
    fn go(mut self, prepared: &mut Prepared, stop: &Stop, report: &mut dyn Report) -> Result<Summary> {
        let (steps, every) = (self.recipe.steps, self.recipe.validate.every);
        let (mut chunk, mut last, mut pending) = (1u64, None, Vec::new());
        prepared.feed(&mut self.trainer, true)?;
        while self.trainer.step() < steps && !stop.requested() {
            let at = self.trainer.step();
            let until = (at + chunk).min(steps).min((at / every + 1) * every).min(prepared.boundary(at));
            let begun = Instant::now();
            let schedule = &self.recipe.schedule;
            let lr = self.recipe.optimizer.lr;
            self.trainer.advance(until - at, |step| schedule.rate(lr, step, steps))?;
            let losses = self.trainer.losses()?;
            let took = begun.elapsed().as_secs_f64();
            let mean = losses.iter().sum::<f32>() / losses.len().max(1) as f32;
            pending.extend(losses);
            report.progress(&Progress { step: until, steps, loss: mean, rate: (until - at) as f64 / took });
            // As many steps at a time as fit between two reports.
            chunk = ((chunk as f64 * REPORT / took.max(1e-6)) as u64).clamp(1, (4 * chunk).min(10_000));
            if until % every == 0 || until == steps {
                last = Some(self.validate(&mut prepared.judge, &mut pending, report)?);
                self.save()?;
            }
            if until < steps {
                prepared.feed(&mut self.trainer, false)?;
            }
        }
        let stopped = self.trainer.step() < steps;
        if last.is_none() || stopped {
            if self.trainer.step() > 0 && !pending.is_empty() {
                last = Some(self.validate(&mut prepared.judge, &mut pending, report)?);
            }
            self.save()?;
        }
        self.metrics.draw(last.as_ref())?;
        self.picture(&mut prepared.judge)?;
        let seconds = self.before + self.begun.elapsed().as_secs_f64();
        let folder = self.folder.to_path_buf();
        let failed = prepared.failed;
        Ok(Summary { step: self.trainer.step(), last, best: self.best, seconds, stopped, failed, folder })
    }

    /// Judges the averaged weights, adds a row to the table, and keeps them if they are the best so far.
    fn validate(&mut self, judge: &mut Judge, pending: &mut Vec<f32>, report: &mut dyn Report) -> Result<Validation> {
        let (network, step) = (&self.recipe.network, self.trainer.step());
        let weights = self.trainer.averaged()?;
        let mut validation = judge.validate(self.device, network, &weights, step)?;
        let score = validation.scores[0].1;
        validation.best = self.best.is_none_or(|best| score > best);
        if validation.best {
            self.best = Some(score);
            let (network, weights) = network.collapse(&weights)?;
            let mut best = Checkpoint::new(network, weights, self.interface.clone());
            best.notes.insert("validation".into(), validation.line());
            best.notes.insert("steps".into(), step.to_string());
            best.loss = Some(self.recipe.loss());
            best.save(&self.folder.join("best.safetensors"), Storage::F32)?;
        }
        let loss = pending.iter().map(|&l| f64::from(l)).sum::<f64>() / pending.len().max(1) as f64;
        pending.clear();
        let lr = f64::from(self.recipe.schedule.rate(self.recipe.optimizer.lr, step, self.recipe.steps));
        let seconds = self.before + self.begun.elapsed().as_secs_f64();
        let scores = validation.scores.iter().map(|s| s.1).collect();
        self.metrics.push(Row { step, loss, lr, seconds, scores })?;
        report.validated(&validation);
        Ok(validation)
    }

    fn save(&mut self) -> Result<()> {
        let weights = self.trainer.weights()?;
        let training = Some(self.trainer.training_state(self.best)?);
        let mut checkpoint = Checkpoint::new(self.recipe.network.clone(), weights, self.interface.clone());
        checkpoint.loss = Some(self.recipe.loss());
        checkpoint.training = training;
        checkpoint.save(&self.folder.join("checkpoint.safetensors"), Storage::F32)
    }

    fn picture(&mut self, judge: &mut Judge) -> Result<()> {
        let Some(sample) = judge.sample()? else { return Ok(()) };
        let samples = self.folder.join("samples");
        std::fs::create_dir_all(&samples).map_err(|e| Error::io(&samples, e))?;
        let options = SaveOptions { overwrite: true, ..SaveOptions::default() };
        sample.save(samples.join("bicubic-network-truth.png"), &options)?;
        Ok(())
    }
}
