//! Why a run's numbers stopped being numbers: the steps since the last good checkpoint once more, with checks.

use super::prepare::Prepared;
use super::step::training_graph;
use super::trainer::Snapshot;
use super::{Resident, Room, Trainer};
use crate::cpu::Cpu;
use crate::data::{Samples, batch};
use crate::executor::Executor;
use crate::graph::{Arena, Op, Options, Plan, StepParams, TensorSource};
use crate::{Error, Result};

/// Samples of a batch that a message names; of more it tells the number.
const NAMED: usize = 8;
/// Features beyond this are rarely meant: the message then names the row.
const LARGE: f32 = 1e6;

/// Does the steps after `good` again, one by one, up to the one after `until`, whose loss tells what `until` left behind.
/// The error names step, layer, operator and batch of the first result that is not finite; `seen` stands for them where
/// every step passes.
pub(super) fn explain(
    trainer: &mut Trainer,
    prepared: &mut Prepared,
    good: &Snapshot,
    until: u64,
    rate: &dyn Fn(u64) -> f32,
    seen: &str,
) -> Error {
    match first_bad_step(trainer, prepared, good, until, rate) {
        Ok(Some(found)) => Error::NonFinite(format!("{found}; {}", last(good))),
        Ok(None) => Error::NonFinite(format!("{seen}; lower optimizer.lr, or set optimizer.clip; {}", last(good))),
        Err(error) => Error::NonFinite(format!("{seen}, and looking for the reason failed: {error}")),
    }
}

/// What can be gone on from.
fn last(good: &Snapshot) -> String {
    match good.step {
        0 => "nothing was saved before it".into(),
        step => format!(
            "the checkpoint of step {step} is untouched: --resume goes on from it, with --set for what is to change"
        ),
    }
}

fn first_bad_step(
    trainer: &mut Trainer,
    prepared: &mut Prepared,
    good: &Snapshot,
    until: u64,
    rate: &dyn Fn(u64) -> f32,
) -> Result<Option<String>> {
    trainer.restore(good)?;
    while trainer.step() <= until {
        prepared.feed(trainer, until)?;
        let before = trainer.snapshot()?;
        let (step, lr) = (before.step + 1, rate(before.step + 1));
        let loss = trainer.single(lr)?;
        let after = trainer.snapshot()?;
        let fault = trainer.fault(&after);
        if loss.is_finite() && fault.is_none() {
            continue;
        }
        let data = prepared.data(before.step)?;
        let clock = trainer.clock(step, lr);
        let place = locate(trainer, &data, &before, clock)?;
        let sample = |index: usize| prepared.sample(before.step, draw(&data, clock, index));
        let what = match (&place, fault) {
            (Some(place), _) => {
                let who = place.sample.map_or(String::new(), |index| format!(", first for {}", sample(index)));
                format!("{} of layer `{}` gives {}{who}", place.op, place.layer, place.value)
            }
            (None, Some(fault)) => format!("after the update, {fault}"),
            (None, None) => format!("the loss is {loss} (on the CPU it is finite)"),
        };
        let count = trainer.setup.samples();
        let names: Vec<String> = (0..count.min(NAMED)).map(sample).collect();
        let source = prepared.source().map_or(String::new(), |file| format!(" (of {})", file.display()));
        let more = if count > NAMED { format!(" and {} more", count - NAMED) } else { String::new() };
        let large = (0..count).find_map(|index| {
            let value = largest(&data, draw(&data, clock, index))?;
            (value > LARGE)
                .then(|| format!("{} has a feature of {value:e}: scale or leave out such rows", sample(index)))
        });
        let remedy = large.unwrap_or_else(|| format!("lower optimizer.lr (here {lr:e}), or set optimizer.clip"));
        return Ok(Some(format!("step {step}: {what}; its batch: {}{more}{source}; {remedy}", names.join(", "))));
    }
    Ok(None)
}

/// Where a step first makes something that is not finite.
struct Place {
    layer: String,
    op: String,
    value: f32,
    /// Which sample of the batch, where the result has a part for each.
    sample: Option<usize>,
}

/// Does one step on the CPU with every result kept, and looks at them in order. None where the CPU's are all finite.
fn locate(trainer: &Trainer, data: &Resident, before: &Snapshot, clock: StepParams) -> Result<Option<Place>> {
    let graph = training_graph(&trainer.setup, data, Room::of(data))?;
    let plan = std::sync::Arc::new(Plan::new(&graph, Options { fuse: false, share: false })?);
    let mut cpu = Cpu::<f32>::new();
    let id = cpu.load(std::sync::Arc::clone(&plan))?;
    before.write(&mut cpu)?;
    super::trainer::store(&mut cpu, data)?;
    cpu.run(id, &[clock])?;
    let batch = trainer.setup.batch;
    // Samples of the parts that are done.
    let mut earlier = 0;
    for step in &plan.steps {
        if let Op::SampleRows { first, .. } | Op::SamplePatches { first, .. } = step.op {
            earlier = first;
        }
        let Some(output) = step.output else { continue };
        let Ok(values) = cpu.values(id, output) else { continue };
        let Some(at) = values.iter().position(|value| !value.is_finite()) else { continue };
        let each = plan.tensors[output.0].source == TensorSource::Value
            && plan.shape(output).extents().first() == Some(&batch);
        let sample = each.then(|| earlier + at / (values.len() / batch));
        let name = format!("{:?}", step.op);
        let op = name.split([' ', '(', '{']).next().unwrap_or(&name).to_string();
        return Ok(Some(Place { layer: step.label.clone(), op, value: values[at], sample }));
    }
    let weights = cpu.read_state(Arena::Parameters)?;
    let bad = weights.iter().position(|value| !value.is_finite());
    Ok(bad.and_then(|at| {
        let segment = plan.layout.parameters.iter().rev().find(|segment| segment.offset <= at)?;
        Some(Place { layer: segment.name.clone(), op: "the update".into(), value: weights[at], sample: None })
    }))
}

/// Which row or picture of the resident data is number `index` of a step's batch.
fn draw(data: &Resident, clock: StepParams, index: usize) -> usize {
    let StepParams { seed, step, epoch, offset, count, .. } = clock;
    let index = index as u32;
    (match data {
        Resident::Rows(_) => batch::batch_row(seed, count, epoch, offset, index),
        Resident::Pictures(p) => batch::patch(seed, step, index, &p.table, p.patch as u32).picture,
    }) as usize
}

/// The largest feature of a row by magnitude, of tables of floats.
fn largest(data: &Resident, row: usize) -> Option<f32> {
    let Resident::Rows(rows) = data else { return None };
    let Samples::Floats(values) = &rows.features else { return None };
    Some(values[row * rows.width..(row + 1) * rows.width].iter().fold(0.0, |most, value| value.abs().max(most)))
}
