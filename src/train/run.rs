//! A training run: a recipe in, a directory out.

use std::path::{Path, PathBuf};
use std::time::Instant;

use super::audit::StepAudit;
use super::begin::Beginning;
use super::diagnose::explain;
use super::folder::RunFolder;
use super::metrics::{Metrics, MetricsRow};
use super::prepare::{Prepared, prepare};
use super::record::{History, How, Record};
use super::report::{Progress, Report, Validation};
use super::resume::Resumed;
use super::sections::{Change, ResumeSpec};
use super::trainer::Snapshot;
use super::validator::Validator;
use super::{CancelToken, Recipe, Trainer};
use crate::checkpoint::{Checkpoint, FloatFormat, Mark, Standing};
use crate::device::Device;
use crate::executor::Precision;
use crate::image::SaveOptions;
use crate::interface::Interface;
use crate::network::Weights;
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
    /// Whether it was asked to stop before its last step.
    pub stopped: bool,
    /// Whether it ended before its last step since its score got no better.
    pub stale: bool,
    /// How many picture files could not be read and were left out, as the report was told.
    pub failed: usize,
    /// The run's folder.
    pub folder: PathBuf,
}

/// Trains by a recipe. Everything lands in `folder`: `recipe.toml`, `metrics.csv`, `checkpoint.safetensors` and the one
/// before it, `best.safetensors`, `curves.svg`, `samples/`.
///
/// # Errors
/// Before anything is written, when recipe, data or device do not fit, or another run has the folder; with `resume`, when
/// its checkpoint is not of this recipe. During the run, when the device fails or numbers stop being finite: the last
/// checkpoints stay.
pub fn run(
    recipe: &Recipe,
    device: &Device,
    folder: &Path,
    resume: bool,
    stop: &CancelToken,
    report: &mut dyn Report,
) -> Result<Summary> {
    recipe.check()?;
    // Steps are computed in the recipe's precision, scores in f32.
    device.clone().with_precision(recipe.precision)?;
    let device = device.clone().with_precision(Precision::F32)?;
    let found = RunFolder::find(folder)?;
    let earlier = match (resume, &found) {
        (true, Some(found)) => Some(found.resume()?),
        (true, None) => return Err(Error::input(format!("{}: no run to resume", folder.display()))),
        (false, Some(found)) => found.vacant().map(|()| None)?,
        (false, None) => None,
    };
    let now = How::of(recipe);
    let allowed = &recipe.resume.allow[..];
    let mut resumed = earlier.map(|earlier| Resumed::open(folder, earlier, allowed, &now)).transpose()?;
    if let Some(resumed) = &mut resumed {
        resumed.accept_how(&now, allowed, report)?;
    }
    // A run that goes on has weights of its own.
    let start = recipe.start.as_deref().filter(|_| resumed.is_none()).map(Checkpoint::open).transpose()?;
    let mut prepared = prepare(recipe, resumed.as_ref().map_or(0, Resumed::step), report)?;
    let record = Record { how: now, what: prepared.what(recipe) };
    let standing = match &resumed {
        Some(resumed) => resumed.accept_what(&record.what, allowed, report)?,
        None => Standing::default(),
    };
    let state = Beginning { start: start.as_ref(), resumed: resumed.as_ref() };
    let (device, trainer, good) = state.open(device, recipe, &prepared, report)?;
    let metrics = Metrics::read(folder, &prepared.validator.columns(), trainer.step())?;
    let mut history = match History::read(folder) {
        Err(_) if resumed.is_none() || allowed.contains(&Change::Record) => History::anew(folder),
        history => history?,
    };
    // All is accepted: from here on files are written.
    let folder = found.map_or_else(|| RunFolder::create(folder), Ok)?;
    // What is allowed this time is not allowed next time.
    let copy = Recipe { resume: ResumeSpec::default(), ..recipe.clone() };
    let recipe_path = folder.path().join("recipe.toml");
    let earlier = resumed.as_ref().and_then(|_| std::fs::read(&recipe_path).ok());
    files::replace(&recipe_path, copy.to_toml().as_bytes())?;
    let record = Some(history.add(trainer.step(), &record)?);
    metrics.begin()?;
    let standing = folder.mend_best(standing, report)?;
    folder.prune(&standing);
    let before = metrics.last().map_or(0.0, |row| row.seconds);
    let (interface, begun) = (prepared.interface.clone(), Instant::now());
    let audit = StepAudit::of(&device, &trainer);
    let (reopened, last, first) = (false, None, trainer.step());
    let mut run = Run {
        recipe,
        device,
        folder,
        trainer,
        audit,
        reopened,
        interface,
        record,
        metrics,
        standing,
        last,
        good,
        begun,
        before,
    };
    let result = run.go(&mut prepared, stop, report);
    // Settings that came to no checkpoint are not those of the run that goes on.
    if let (Err(Error::NonFinite(_)), Some(earlier), true) = (&result, earlier, run.good.step == first) {
        files::replace(&recipe_path, &earlier)?;
        report.note("recipe.toml is again the one that the checkpoint was made by");
    }
    result
}

pub(super) struct Run<'a> {
    pub(super) recipe: &'a Recipe,
    /// In f32.
    pub(super) device: Device,
    pub(super) folder: RunFolder,
    pub(super) trainer: Trainer,
    /// None on the CPU.
    pub(super) audit: Option<StepAudit>,
    /// The device was lost once, and opened again.
    pub(super) reopened: bool,
    interface: Interface,
    /// Hash of the run's record.
    record: Option<String>,
    metrics: Metrics,
    standing: Standing,
    /// The last validation.
    last: Option<Validation>,
    /// The state of the newest checkpoint, or of the beginning.
    pub(super) good: Snapshot,
    begun: Instant,
    before: f64,
}

impl Run<'_> {
    fn go(&mut self, prepared: &mut Prepared, stop: &CancelToken, report: &mut dyn Report) -> Result<Summary> {
        while let Err(error) = self.steps(prepared, stop, report) {
            self.recover(error, prepared, report)?;
        }
        let stale = self.standing.is_stale(self.recipe.validate.patience);
        if stale && let Some(best) = self.standing.best.first() {
            let count = self.standing.since;
            report.note(&format!("no better score in {count} validations since step {}: the run ends", best.step));
        }
        self.metrics.draw(self.last.as_ref())?;
        self.picture(&mut prepared.validator)?;
        // Before its first step a network has learned nothing that could be of use.
        if self.trainer.step() > 0 && !self.folder.best().exists() {
            let weights = self.trainer.averaged()?;
            self.ship(&self.folder.best(), &weights, self.last.as_ref())?;
            report.note(&match self.last {
                Some(_) => "no score was finite, so that none is best: best.safetensors holds the last weights".into(),
                None => format!("best.safetensors was gone: it holds the weights of step {}", self.trainer.step()),
            });
        }
        Ok(Summary {
            step: self.trainer.step(),
            last: self.last.clone(),
            best: self.standing.score(),
            seconds: self.before + self.begun.elapsed().as_secs_f64(),
            stopped: self.trainer.step() < self.recipe.steps && !stale,
            stale,
            failed: prepared.failed,
            folder: self.folder.path().to_path_buf(),
        })
    }

    /// All steps that are left, or those until it is asked to stop.
    fn steps(&mut self, prepared: &mut Prepared, stop: &CancelToken, report: &mut dyn Report) -> Result<()> {
        let (steps, every) = (self.recipe.steps, self.recipe.validate.every);
        let (mut chunk, mut pending) = (1u64, Vec::new());
        let patience = self.recipe.validate.patience;
        while self.trainer.step() < steps && !stop.requested() && !self.standing.is_stale(patience) {
            let at = self.trainer.step();
            let judged = ((at / every + 1) * every).min(steps);
            let (end, checked) = self.audit.as_ref().map_or((judged, false), |audit| audit.next(at, judged));
            let until = (at + chunk).min(end).min(prepared.boundary(at));
            let begun = Instant::now();
            prepared.feed(&mut self.trainer, steps)?;
            let fed = begun.elapsed().as_secs_f64();
            let rate = rate(self.recipe);
            let start = if checked { Some(self.trainer.snapshot()?) } else { None };
            self.trainer.advance(until - at, &rate)?;
            let losses = match self.trainer.losses() {
                Err(Error::NonFinite(seen)) => return Err(self.explain(prepared, until, &seen)),
                losses => losses?,
            };
            // Waits for data count to the rate that is shown, not to how many steps are done at a time.
            let took = begun.elapsed().as_secs_f64();
            if let (Some(start), Some(audit), Some(&loss)) = (&start, &mut self.audit, losses.last()) {
                let clock = self.trainer.clock(until, rate(until));
                audit.check(&mut self.trainer, &*prepared.data(at)?, start, clock, loss)?;
            }
            let mean = losses.iter().sum::<f32>() / losses.len().max(1) as f32;
            pending.extend(losses);
            report.progress(&Progress { step: until, steps, loss: mean, rate: (until - at) as f64 / took });
            // As many steps at a time as fit between two reports.
            chunk = ((chunk as f64 * REPORT / (took - fed).max(1e-6)) as u64).clamp(1, (4 * chunk).min(10_000));
            if until % every == 0 || until == steps {
                self.last = Some(self.settle(prepared, &mut pending, true, report)?);
            }
        }
        if self.trainer.step() > self.good.step {
            self.last = Some(self.settle(prepared, &mut pending, false, report)?);
        }
        Ok(())
    }

    /// Judges the network and saves it, when all its numbers are finite.
    fn settle(
        &mut self,
        prepared: &mut Prepared,
        pending: &mut Vec<f32>,
        due: bool,
        report: &mut dyn Report,
    ) -> Result<Validation> {
        let state = self.trainer.snapshot()?;
        if let Some(fault) = self.trainer.fault(&state) {
            return Err(self.explain(prepared, state.step, &format!("at step {}, {fault}", state.step)));
        }
        let weights = self.trainer.averaged()?;
        let mut validation = prepared.validator.validate(&self.device, &self.recipe.network, &weights, state.step)?;
        prepared.validator.take_failures().iter().for_each(|failure| report.device_failed(failure, state.step));
        if let Some((name, value)) = validation.broken() {
            let seen = format!("at step {}, the validation's {name} is {value}", state.step);
            return Err(self.explain(prepared, state.step, &seen));
        }
        let place = self.standing.enter(mark(&validation), self.recipe.validate.keep, due);
        validation.best = place == Some(0);
        if place.is_some() && self.recipe.validate.keep > 1 {
            let kept = self.folder.kept(state.step)?;
            self.ship(&kept, &weights, Some(&validation))?;
        }
        if validation.best {
            self.ship(&self.folder.best(), &weights, Some(&validation))?;
        }
        let loss = pending.iter().map(|&l| f64::from(l)).sum::<f64>() / pending.len().max(1) as f64;
        pending.clear();
        let lr = f64::from(rate(self.recipe)(state.step));
        let seconds = self.before + self.begun.elapsed().as_secs_f64();
        let scores = validation.scores.iter().map(|s| s.1).collect();
        self.metrics.push(MetricsRow { step: state.step, loss, lr, seconds, scores })?;
        self.save()?;
        self.folder.prune(&self.standing);
        self.good = state;
        report.validated(&validation);
        Ok(validation)
    }

    /// Writes the weights for use.
    fn ship(&self, path: &Path, weights: &Weights, validation: Option<&Validation>) -> Result<()> {
        let (network, weights) = self.recipe.network.collapse(weights)?;
        let mut best = Checkpoint::new(network, weights, self.interface.clone());
        if let Some(validation) = validation {
            best.notes.insert("validation".into(), validation.line());
        }
        best.notes.insert("steps".into(), self.trainer.step().to_string());
        best.loss = Some(self.recipe.loss());
        best.save(path, FloatFormat::F32)
    }

    fn save(&mut self) -> Result<()> {
        let weights = self.trainer.weights()?;
        let training = Some(self.trainer.training_state(self.standing.clone(), self.record.clone())?);
        let mut checkpoint = Checkpoint::new(self.recipe.network.clone(), weights, self.interface.clone());
        checkpoint.loss = Some(self.recipe.loss());
        checkpoint.training = training;
        self.folder.save(&checkpoint)
    }

    /// The error for numbers that are not finite.
    fn explain(&mut self, prepared: &mut Prepared, until: u64, seen: &str) -> Error {
        explain(&mut self.trainer, prepared, &self.good, until, &rate(self.recipe), seen)
    }

    fn picture(&mut self, validator: &mut Validator) -> Result<()> {
        let Some(sample) = validator.sample()? else { return Ok(()) };
        let samples = self.folder.samples();
        std::fs::create_dir_all(&samples).map_err(|e| Error::io(&samples, e))?;
        let options = SaveOptions { overwrite: true, ..SaveOptions::default() };
        sample.save(samples.join("bicubic-network-truth.png"), &options)?;
        Ok(())
    }
}

/// The learning rate of each step.
fn rate(recipe: &Recipe) -> impl Fn(u64) -> f32 + use<'_> {
    |step| recipe.schedule.rate(recipe.optimizer.lr, step, recipe.steps)
}

/// What a validation comes down to.
fn mark(validation: &Validation) -> Mark {
    let loss = validation.scores.iter().skip(1).find(|(name, _)| name == "loss").map(|(_, loss)| *loss);
    Mark { step: validation.step, score: validation.scores[0].1, loss }
}
