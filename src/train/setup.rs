//! From a recipe and its data to a trainer on a device.

use super::prepare::{Prepared, prepare};
use super::report::Report;
use super::step::training_graph;
use super::{Recipe, Setup, Trainer};
use crate::device::Device;
use crate::graph::{Options, Plan};
use crate::{Error, Result};

/// How a recipe's network learns.
fn setup(recipe: &Recipe) -> Result<Setup> {
    Ok(Setup {
        network: recipe.network.clone(),
        loss: recipe.loss().loss(),
        rule: recipe.optimizer.rule()?,
        clip: recipe.optimizer.clip,
        average: recipe.optimizer.average,
        batch: recipe.batch,
        accumulate: recipe.optimizer.accumulate,
        seed: recipe.seed,
    })
}

/// The trainer of a recipe, its data on the device, in the recipe's precision.
pub(super) fn trainer(recipe: &Recipe, device: &Device, prepared: &Prepared) -> Result<Trainer> {
    trainer_on(&device.clone().with_precision(recipe.precision)?, recipe, prepared)
}

/// As [`trainer`], in the precision that the device has.
pub(super) fn trainer_on(device: &Device, recipe: &Recipe, prepared: &Prepared) -> Result<Trainer> {
    match Trainer::new(device.executor()?, setup(recipe)?, &prepared.resident, prepared.room) {
        // A processor is always there: the recipe asks too much of its memory.
        Err(Error::Device { why, .. }) if *device == Device::Cpu => Err(Error::input(format!("CPU: {why}"))),
        trainer => trainer,
    }
}

/// The plan of a recipe's training step, for those who do not run it.
///
/// # Errors
/// When recipe and data do not fit together.
pub fn plan(recipe: &Recipe, report: &mut dyn Report) -> Result<Plan> {
    let prepared = prepare(recipe, 0, report)?;
    let graph = training_graph(&setup(recipe)?, &prepared.resident, prepared.room)?;
    Plan::new(&graph, Options::default())
}

/// Times each step of a recipe's plan on a device, nanoseconds: the median of `steps` runs after as many to warm up.
///
/// # Errors
/// When recipe, data or device do not fit, or the device has no timestamps.
pub fn profile(recipe: &Recipe, device: &Device, steps: usize, report: &mut dyn Report) -> Result<(Plan, Vec<f64>)> {
    let prepared = prepare(recipe, 0, report)?;
    let mut trainer = trainer(recipe, device, &prepared)?;
    trainer.profile(steps)?;
    let times = trainer.profile(steps)?;
    Ok((trainer.plan().clone(), times))
}
