//! Going on with a run: what must be as it was, what is said where it is not, and what is taken over.

use std::path::{Path, PathBuf};

use super::record::{History, How, Record, What, accept, same_device};
use super::report::Report;
use super::sections::Change;
use super::{Recipe, Trainer};
use crate::checkpoint::{Checkpoint, Standing, TrainingState};
use crate::graph::Update;
use crate::network::Weights;
use crate::{Error, Result};

/// The run that is to go on.
pub(super) struct Resumed {
    /// Its checkpoint, for messages.
    path: PathBuf,
    weights: Weights,
    training: TrainingState,
    /// How it learned, as far as that is known.
    how: How,
    /// What it learned from; unknown of runs of earlier programs.
    what: Option<What>,
    /// What of its learning was allowed to be another.
    changed: Vec<Change>,
}

impl Resumed {
    /// The run of a folder, by its checkpoint.
    ///
    /// # Errors
    /// When the checkpoint has no state to go on from.
    pub(super) fn open(folder: &Path, checkpoint: Checkpoint, allowed: &[Change], now: &How) -> Result<Self> {
        let path = folder.join("checkpoint.safetensors");
        let Some(training) = checkpoint.training else {
            return Err(Error::file(&path, "has weights only, no state to go on from"));
        };
        let record = match &training.record {
            Some(hash) => match History::read(folder).and_then(|history| history.find(hash)) {
                Err(_) if allowed.contains(&Change::Record) => None,
                record => Some(record?),
            },
            None => None,
        };
        let (how, what) = match record {
            Some(Record { how, what }) => (how, Some(what)),
            // An earlier program's run: its recipe says how it learned.
            None => {
                let recipe = Recipe::open(&folder.join("recipe.toml"), &[]);
                (recipe.map_or_else(|_| now.clone(), |recipe| How::of(&recipe)), None)
            }
        };
        // These stand in the checkpoint, whatever stands beside it.
        let how = How { network: checkpoint.network, seed: training.seed, ..how };
        let how = How { loss: checkpoint.loss.unwrap_or(how.loss), ..how };
        Ok(Resumed { path, weights: checkpoint.weights, training, how, what, changed: Vec::new() })
    }

    /// Updates done.
    pub(super) fn step(&self) -> u64 {
        self.training.step
    }

    /// Compares how it learned, before any data are read.
    ///
    /// # Errors
    /// When something differs that is not allowed to.
    pub(super) fn accept_how(&mut self, now: &How, allowed: &[Change], report: &mut dyn Report) -> Result<()> {
        let differences = self.how.differences(now);
        self.changed = differences.iter().map(|difference| difference.change).collect();
        tell(accept(differences, allowed, &self.path)?, report);
        if let Some(rate) = self.how.new_rate(now, self.step()) {
            report.note(&rate);
        }
        Ok(())
    }

    /// Compares what it learned from; returns how it stands.
    ///
    /// # Errors
    /// When something differs that is not allowed to.
    pub(super) fn accept_what(&self, now: &What, allowed: &[Change], report: &mut dyn Report) -> Result<Standing> {
        let Some(what) = &self.what else {
            let since = "rows that it learned from may be among those that it is judged by now";
            report.note(&format!(
                "the run has no record of its data, so that nobody can tell if they are the same; {since}"
            ));
            return Ok(self.training.standing.clone());
        };
        let changes = accept(what.differences(now), allowed, &self.path)?;
        if changes.is_empty() {
            return Ok(self.training.standing.clone());
        }
        tell(changes, report);
        report.note("scores on other data compare with none before: the next validation is the best so far");
        Ok(Standing::default())
    }

    /// Gives the trainer its state.
    ///
    /// # Errors
    /// When a weight does not fit.
    pub(super) fn restore(&self, trainer: &mut Trainer, report: &mut dyn Report) -> Result<()> {
        let Resumed { training, weights, how, changed, path, .. } = self;
        let mut training = training.clone();
        let anew = changed.contains(&Change::Optimizer);
        let same_rule = |rule: Update| std::mem::discriminant(&rule) == std::mem::discriminant(&trainer.setup.rule);
        if anew && !how.optimizer.rule().is_ok_and(same_rule) {
            // A velocity is no mean square.
            (training.first, training.second) = (None, None);
            report.note("the moments of another update rule are of no use: they start from zero");
        }
        trainer.resume(weights, &training, anew).map_err(|e| e.in_file(path))?;
        report.note(&format!("goes on from step {}", training.step));
        let device = trainer.device();
        if !same_device(&training.device, &device) {
            let before = &training.device;
            report.note(&format!("it ran on {before} and goes on on {device}: sums end in other last digits"));
        }
        Ok(())
    }
}

fn tell(changes: Vec<String>, report: &mut dyn Report) {
    for change in changes {
        report.note(&format!("allowed: {change}"));
    }
}
