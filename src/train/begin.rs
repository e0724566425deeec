//! Where a run begins, and begins again: a device is opened and given the state to go on from. One that fails is opened
//! again or replaced.

use std::path::Path;

use super::audit::StepAudit;
use super::prepare::Prepared;
use super::report::Report;
use super::resume::Resumed;
use super::run::{Run, trainer_on};
use super::trainer::Snapshot;
use super::{Checkpoint, Recipe, Trainer};
use crate::device::Device;
use crate::executor::Precision;
use crate::{Error, Fault, Result};

/// What a run begins with.
pub(super) struct Beginning<'a> {
    /// Weights of another network, of which what fits is taken.
    pub(super) start: Option<&'a Checkpoint>,
    /// The run that goes on.
    pub(super) resumed: Option<&'a Resumed>,
}

impl Beginning<'_> {
    /// Opens a device, or what stands in for it where it fails, and puts everything there.
    ///
    /// # Errors
    /// When nothing stands in for it, or the state does not fit the recipe.
    pub(super) fn open(
        &self,
        mut device: Device,
        recipe: &Recipe,
        prepared: &Prepared,
        report: &mut dyn Report,
    ) -> Result<(Device, Trainer, Snapshot)> {
        loop {
            let error = match self.put(recipe, &device, prepared, report) {
                Ok((trainer, snapshot)) => return Ok((device, trainer, snapshot)),
                Err(error @ Error::Execution { .. }) => error,
                Err(error) => return Err(error),
            };
            let Some(next) = device.instead(&mut |line| report.note(line)) else { return Err(error) };
            report.device_failed(&format!("{error}; going on with {}", next.describe()), 0);
            device = next;
        }
    }

    /// Opens a device and puts all of it there; the state that is there then comes along.
    fn put(
        &self,
        recipe: &Recipe,
        device: &Device,
        prepared: &Prepared,
        report: &mut dyn Report,
    ) -> Result<(Trainer, Snapshot)> {
        let mut trainer = trainer_on(&able(device, recipe)?, recipe, prepared)?;
        if let Some(tiles) = trainer.tiles() {
            report.note(&format!("tiles: {tiles}"));
        }
        if let Some(start) = self.start {
            let (taken, all) = trainer.start_from(&start.weights)?;
            let from = recipe.start.as_deref().unwrap_or(Path::new("")).display();
            report.note(&format!("took {taken} of {all} weights from {from}"));
        }
        if let Some(resumed) = self.resumed {
            resumed.restore(&mut trainer, report)?;
        }
        let good = trainer.snapshot()?;
        Ok((trainer, good))
    }
}

/// The device in the recipe's precision; what stands in for another one and cannot do that, in f32.
fn able(device: &Device, recipe: &Recipe) -> Result<Device> {
    match (device.clone().with_precision(recipe.precision), device) {
        (Err(_), Device::Cpu) => Ok(Device::Cpu),
        (able, _) => able,
    }
}

impl Run<'_> {
    /// Goes on from the newest checkpoint after the device has failed: on the same, opened again, where it was lost for the
    /// first time; or on what stands in for it.
    ///
    /// # Errors
    /// When nothing does, saying how to go on.
    pub(super) fn recover(&mut self, error: Error, prepared: &mut Prepared, report: &mut dyn Report) -> Result<()> {
        let Error::Execution { fault, .. } = error else { return Err(error) };
        let step = self.good.step;
        if fault == Fault::Lost && !self.reopened {
            self.reopened = true;
            report.device_failed(&format!("{error}; opening it again, going on from step {step}"), step);
            match self.restart(self.device.clone(), prepared) {
                Ok(()) => return Ok(()),
                Err(again) => report.note(&again.to_string()),
            }
        }
        if let Some(next) = self.device.instead(&mut |line| report.note(line)) {
            let name = next.describe();
            report.device_failed(&format!("{error}; going on with {name}, from step {step}"), step);
            return self.restart(next, prepared);
        }
        let folder = self.folder.path().display();
        let how = match step {
            0 => "nothing was saved before it".into(),
            _ => format!(
                "`wgrad train --resume --out {folder}` goes on from step {step}, with `--device cpu` on the CPU"
            ),
        };
        Err(match error {
            // A device that was chosen by hand and cannot compute is no device.
            error if fault == Fault::Wrong => Error::device(format!("{error}; {how}")),
            Error::Execution { device, step, message, fault } => {
                Error::Execution { device, step, message: format!("{message}; {how}"), fault }
            }
            error => error,
        })
    }

    /// Opens a device and puts the state of the newest checkpoint on it.
    fn restart(&mut self, device: Device, prepared: &mut Prepared) -> Result<()> {
        let mut trainer = trainer_on(&able(&device, self.recipe)?, self.recipe, prepared)?;
        trainer.restore(&self.good)?;
        prepared.refill(&mut trainer)?;
        prepared.judge.forget();
        self.audit = StepAudit::of(&device, &trainer);
        (self.trainer, self.device) = (trainer, device.with_precision(Precision::F32)?);
        Ok(())
    }
}
