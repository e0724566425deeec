//! Where a run begins: a device is opened and given the state to go on from. One that fails is replaced.

use std::path::Path;

use super::prepare::Prepared;
use super::report::Report;
use super::resume::Resumed;
use super::setup::trainer_on;
use super::trainer::Snapshot;
use super::{Recipe, Trainer};
use crate::checkpoint::Checkpoint;
use crate::device::{Device, Failure};
use crate::{Error, Result};

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
                // One that lacks memory is followed as one that fails.
                Err(error @ (Error::Execution { .. } | Error::Device { .. })) => error,
                Err(error) => return Err(error),
            };
            let next = device.instead(&error, &mut |failure| report.device_failed(&failure, 0));
            let Some(next) = next else { return Err(error) };
            report.device_failed(&Failure::over(&device, &error, &next), 0);
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
pub(super) fn able(device: &Device, recipe: &Recipe) -> Result<Device> {
    match (device.clone().with_precision(recipe.precision), device) {
        (Err(_), Device::Cpu) => Ok(Device::Cpu),
        (able, _) => able,
    }
}
