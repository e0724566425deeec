//! A training step checked against the CPU: a device that has stopped computing reports losses and moves nothing.
//!
//! The first step is checked, and the last one before the network is judged and saved, so that a checkpoint follows a step
//! that was right; steps that take the CPU too long are not.

use std::sync::Arc;
use std::time::Instant;

use super::trainer::{Snapshot, store};
use super::{Resident, Trainer};
use crate::cpu::Cpu;
use crate::device::Cadence;
use crate::device::Device;
use crate::executor::{Executor, Precision};
use crate::graph::{Arena, StepParams};
use crate::{Error, Fault, Result};

/// Multiply-accumulates of a step that the CPU is asked for without having been measured: a second or a few.
const FIRST: f64 = 3e10;
/// Share of the time that later checks may take.
const SHARE: f64 = 0.05;

/// Which steps are checked.
pub(super) struct StepAudit {
    cadence: Cadence,
    always: bool,
    /// The first step is as cheap as that.
    affordable: bool,
    begun: bool,
}

impl StepAudit {
    /// For a trainer on a GPU; the CPU is not checked against itself.
    pub(super) fn of(device: &Device, trainer: &Trainer) -> Option<Self> {
        let always = device.paranoid();
        let plan = trainer.plan();
        let macs: f64 = plan.steps.iter().map(|step| plan.step_macs(step) as f64).sum();
        let audit = StepAudit { cadence: Cadence::new(always), always, affordable: macs <= FIRST, begun: false };
        (*device != Device::Cpu).then_some(audit)
    }

    /// How far to go at once from step `at`, when the network is judged at step `judged`, and whether that is one step to
    /// be checked.
    pub(super) fn next(&self, at: u64, judged: u64) -> (u64, bool) {
        let due = self.always || (self.affordable && self.cadence.is_due(SHARE));
        match () {
            () if self.always || (due && !self.begun) || (due && at + 1 == judged) => (at + 1, true),
            () if due => (judged - 1, false),
            () => (judged, false),
        }
    }

    /// Compares the step that `trainer` has just done from the state `before`, on `data`, with the CPU's.
    ///
    /// # Errors
    /// When the device computed something else, or fails.
    pub(super) fn check(
        &mut self,
        trainer: &mut Trainer,
        data: &Resident,
        before: &Snapshot,
        clock: StepParams,
        loss: f32,
    ) -> Result<()> {
        let begun = Instant::now();
        self.begun = true;
        let mut cpu = Cpu::<f32>::new();
        let id = match cpu.load(Arc::clone(trainer.shared_plan())) {
            Ok(id) => id,
            // What the machine's memory does not hold a second time cannot be checked.
            Err(Error::Device { .. }) => {
                self.affordable = false;
                return Ok(());
            }
            Err(error) => return Err(error),
        };
        before.write(&mut cpu)?;
        store(&mut cpu, data)?;
        cpu.run(id, &[clock])?;
        let want_loss = cpu.losses()?.last().copied().unwrap_or(f32::NAN);
        let mut read = |arena| Ok::<_, Error>((trainer.read_arena(arena)?, cpu.read_state(arena)?));
        let (gradients, parameters) = (read(Arena::Gradients)?, read(Arena::Parameters)?);
        self.cadence.done(begun);
        let start = before.arena(Arena::Parameters).unwrap_or_default();
        let step = clock.step;
        let seen = Seen { loss: [loss, want_loss], gradients, parameters, start };
        match seen.fault(trainer.precision()) {
            None => Ok(()),
            Some(why) => {
                let message = format!("the device computes wrong numbers: {why}");
                Err(Error::faulty(format!("checking step {step}"), message, Fault::Wrong).on(&trainer.device()))
            }
        }
    }
}

/// What a step gave, on the device and on the CPU.
struct Seen<'a> {
    loss: [f32; 2],
    gradients: (Vec<f32>, Vec<f32>),
    parameters: (Vec<f32>, Vec<f32>),
    /// Parameters before it.
    start: &'a [f32],
}

impl Seen<'_> {
    /// What is so far off that rounding cannot be the reason: operands that cancel, and rules that divide gradients by
    /// their size, make much of rounding, so that the bounds are wide; work that was not done is outside of all of them.
    fn fault(&self, precision: Precision) -> Option<String> {
        let [loss, want] = self.loss.map(f64::from);
        if !want.is_finite() {
            // That is the recipe's fault, and told elsewhere.
            return None;
        }
        let (loss_bound, gradient_bound) = match precision {
            Precision::F32 => (0.01, 0.3),
            Precision::Mixed => (0.05, 0.6),
        };
        let near = |off: f64, bound: f64| off <= bound;
        if !near((loss - want).abs(), loss_bound * want.abs() + 1e-5) {
            return Some(format!("the loss is {loss}, the CPU's is {want}"));
        }
        let weights = norm(self.start.iter().map(|&p| f64::from(p)));
        let size = norm(self.gradients.1.iter().map(|&g| f64::from(g)));
        let off = norm(difference(&self.gradients.0, &self.gradients.1));
        if !near(off, gradient_bound * size + 1e-5 * (1.0 + weights)) {
            return Some(format!("the gradient is {off:e} away from the CPU's, which has the length {size:e}"));
        }
        let moved = norm(difference(&self.parameters.1, self.start));
        let off = norm(difference(&self.parameters.0, &self.parameters.1));
        // What is not visible beside the weights is rounding.
        if !near(off, 0.65 * moved + 1e-6 * weights) {
            return Some(format!("the weights are {off:e} away from the CPU's, which moved by {moved:e}"));
        }
        None
    }
}

fn difference<'a>(a: &'a [f32], b: &'a [f32]) -> impl Iterator<Item = f64> + 'a {
    a.iter().zip(b).map(|(&a, &b)| f64::from(a) - f64::from(b))
}

fn norm(values: impl Iterator<Item = f64>) -> f64 {
    values.map(|v| v * v).sum::<f64>().sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_that_was_not_done_is_seen_and_rounding_is_not() {
        let (start, gradient) = ([1.0, -2.0, 0.5], vec![0.3, -0.1, 0.2]);
        let moved = |rate: f32| start.iter().zip(&gradient).map(|(p, g)| p - rate * g).collect::<Vec<f32>>();
        let seen = |loss: f32, gradients: Vec<f32>, parameters: Vec<f32>| {
            let (gradients, parameters) = ((gradients, gradient.clone()), (parameters, moved(0.01)));
            Seen { loss: [loss, 0.5], gradients, parameters, start: &start }.fault(Precision::F32)
        };
        assert_eq!(seen(0.500_01, vec![0.300_001, -0.1, 0.2], moved(0.010_01)), None);
        for (loss, gradients, parameters, says) in [
            (0.0, gradient.clone(), moved(0.01), "the loss"),
            (f32::NAN, gradient.clone(), moved(0.01), "the loss"),
            (0.5, vec![0.0; 3], moved(0.01), "the gradient"),
            (0.5, vec![0.3, -0.1, f32::NAN], moved(0.01), "the gradient"),
            (0.5, gradient.clone(), start.to_vec(), "the weights"),
            (0.5, gradient.clone(), moved(0.02), "the weights"),
        ] {
            let fault = seen(loss, gradients, parameters);
            assert!(fault.as_ref().is_some_and(|why| why.contains(says)), "{says}: {fault:?}");
        }
    }
}
