//! How a run goes on after its device has failed.

use super::audit::StepAudit;
use super::begin::able;
use super::prepare::Prepared;
use super::report::Report;
use super::run::Run;
use super::setup::trainer_on;
use crate::device::{Device, Failure};
use crate::executor::Precision;
use crate::{Error, Fault, Result};

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
            let then = format!("opening it again, going on from step {step}");
            report.device_failed(&Failure::of(&self.device, &error, then), step);
            match self.restart(self.device.clone(), prepared) {
                Ok(()) => return Ok(()),
                Err(again) => report.device_failed(&Failure::of(&self.device, &again, ""), step),
            }
        }
        if let Some(next) = self.device.instead(&error, &mut |failure| report.device_failed(&failure, step)) {
            let then = format!("going on with {}, from step {step}", next.describe());
            report.device_failed(&Failure::of(&self.device, &error, then), step);
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
        prepared.validator.forget();
        self.audit = StepAudit::of(&device, &trainer);
        (self.trainer, self.device) = (trainer, device.with_precision(Precision::F32)?);
        Ok(())
    }
}
