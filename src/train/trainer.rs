//! One training step as one plan, run again and again: sample, forward, loss, backward, update.

use std::sync::Arc;

use super::step::{Room, training_graph};
use crate::checkpoint::{Standing, TrainingState};
use crate::data::{Pictures, Rows, Samples, batch};
use crate::device::Device;
use crate::executor::{Executor, PlanId, Precision};
use crate::graph::{Arena, DatasetBuffer, Graph, Loss, Options, Plan, StepParams, Update};
use crate::network::{Network, State, Weights, initial};
use crate::{Error, Result};

/// What is in the device's dataset.
#[derive(Clone, Debug)]
pub enum Resident {
    /// Rows with targets.
    Rows(Rows),
    /// Pairs of pictures.
    Pictures(Pictures),
}

impl Resident {
    /// Rows or pictures.
    pub fn count(&self) -> usize {
        match self {
            Resident::Rows(rows) => rows.count(),
            Resident::Pictures(pictures) => pictures.table.len(),
        }
    }
}

/// How a network learns.
#[derive(Clone, Debug)]
pub struct Setup {
    /// The network.
    pub network: Network,
    /// What is minimised.
    pub loss: Loss,
    /// The update rule.
    pub rule: Update,
    /// Largest global norm of the gradients.
    pub clip: Option<f32>,
    /// Share that the weights' average keeps.
    pub average: Option<f32>,
    /// Samples that go through the network at a time.
    pub batch: usize,
    /// How many such parts a step takes the mean gradient of.
    pub accumulate: usize,
    /// Seed of initial weights and draws.
    pub seed: u32,
}

impl Setup {
    /// A network that learns by Adam, 32 samples at a time; every field may be set otherwise.
    pub fn new(network: Network, loss: Loss) -> Self {
        let (clip, average) = (None, None);
        Setup { network, loss, rule: Update::adam(), clip, average, batch: 32, accumulate: 1, seed: 0 }
    }

    /// Samples of a step.
    pub fn samples(&self) -> usize {
        self.batch * self.accumulate
    }
}

/// A network that learns on a device.
pub struct Trainer {
    executor: Box<dyn Executor>,
    pub(super) setup: Setup,
    graph: Graph,
    plan: Arc<Plan>,
    id: PlanId,
    step: u64,
    count: u32,
    /// The step after which the rows there were counted from the first.
    since: u64,
    /// Keeps gradients within what f16 holds where products round to it.
    loss_scale: f32,
}

impl Trainer {
    /// Builds the step for the data, loads it, and sets initial weights. `room` is the largest data to come (equal to
    /// the data itself unless shards are swapped).
    ///
    /// # Errors
    /// When network, loss and data do not fit together, or the device cannot hold them.
    pub fn new(mut executor: Box<dyn Executor>, setup: Setup, data: &Resident, room: Room) -> Result<Self> {
        let graph = training_graph(&setup, data, room)?;
        let plan = Arc::new(Plan::new(&graph, Options::default())?);
        let id = executor.load(Arc::clone(&plan))?;
        let state = initial(&graph, &plan.layout, setup.seed);
        let loss_scale = executor.precision().loss_scale(&plan);
        let mut trainer = Trainer { executor, setup, graph, plan, id, step: 0, count: 0, since: 0, loss_scale };
        trainer.write_state(&state)?;
        trainer.set_data(data)?;
        Ok(trainer)
    }

    /// [`Trainer::new`] on a device, with all the data there.
    ///
    /// # Errors
    /// As [`Trainer::new`], and when the device cannot be opened.
    pub fn on(device: &Device, setup: Setup, data: &Resident) -> Result<Self> {
        Self::new(device.executor()?, setup, data, Room::of(data))
    }

    /// Steps done.
    pub fn step(&self) -> u64 {
        self.step
    }

    /// The plan of a step.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// The plan of a step, to be loaded elsewhere.
    pub(super) fn shared_plan(&self) -> &Arc<Plan> {
        &self.plan
    }

    /// What the device computes in.
    pub(super) fn precision(&self) -> Precision {
        self.executor.precision()
    }

    /// One arena as it is.
    ///
    /// # Errors
    /// When the device fails.
    pub(super) fn read_arena(&mut self, arena: Arena) -> Result<Vec<f32>> {
        self.executor.read_state(arena)
    }

    /// The device in use.
    pub fn device(&self) -> String {
        self.executor.name()
    }

    /// The tile shapes of the step's products and convolutions, in words, where the device has a choice of them.
    pub fn tiles(&self) -> Option<String> {
        self.executor.tiles(self.id)
    }

    /// Replaces the resident data.
    ///
    /// # Errors
    /// When it has more than the room given, or fewer rows than a batch.
    pub fn set_data(&mut self, data: &Resident) -> Result<()> {
        let batch = self.setup.samples();
        if let Resident::Rows(rows) = data
            && rows.count() < batch
        {
            let count = rows.count();
            return Err(Error::key("batch", format!("{batch} rows are more than the {count} there are")));
        }
        store(self.executor.as_mut(), data)?;
        self.count = data.count() as u32;
        Ok(())
    }

    /// Counts the rows of the data from the first after `step`, so that a shard which stays for an epoch has each row once.
    pub(super) fn count_from(&mut self, step: u64) {
        self.since = step;
    }

    /// Queues `steps` steps; `rate` gives the learning rate of a step, from 1. The device may still be working when this
    /// returns.
    ///
    /// # Errors
    /// When the device fails.
    pub fn advance(&mut self, steps: u64, rate: impl Fn(u64) -> f32) -> Result<()> {
        let clocks: Vec<StepParams> =
            (self.step + 1..=self.step + steps).map(|step| self.clock(step, rate(step))).collect();
        self.executor.run(self.id, &clocks)?;
        self.step += steps;
        Ok(())
    }

    /// Does `steps` steps one by one at rate 0 and returns the median nanoseconds of each step of [`Trainer::plan`].
    ///
    /// # Errors
    /// When the device has no timestamps or fails.
    pub fn profile(&mut self, steps: usize) -> Result<Vec<f64>> {
        let mut runs: Vec<Vec<f64>> = Vec::new();
        for _ in 0..steps.max(1) {
            let clock = self.clock(self.step + 1, 0.0);
            runs.push(self.executor.profile(self.id, &clock)?);
        }
        let middle = |i: usize| {
            let mut times: Vec<f64> = runs.iter().map(|run| run[i]).collect();
            times.sort_by(f64::total_cmp);
            times[times.len() / 2]
        };
        Ok((0..runs[0].len()).map(middle).collect())
    }

    /// What differs from step to step, at a step (from 1).
    pub(super) fn clock(&self, step: u64, learning_rate: f32) -> StepParams {
        // Pictures are drawn independently of each other; rows go by epochs.
        let since = self.since.min(step - 1);
        let (epoch, offset) = batch::cursor(step - 1 - since, self.setup.samples() as u32, self.count);
        // Another order for each shard.
        let epoch = epoch.wrapping_add(since as u32);
        StepParams {
            step: step as u32,
            seed: self.setup.seed,
            epoch,
            offset,
            count: self.count,
            learning_rate,
            loss_scale: self.loss_scale,
            slot: 0,
        }
    }

    /// Waits for the device and takes the losses of all steps since the last call, each before its update.
    ///
    /// # Errors
    /// When the device fails or a loss is not finite, naming the step.
    pub fn losses(&mut self) -> Result<Vec<f32>> {
        let losses = self.executor.losses()?;
        if let Some(i) = losses.iter().position(|loss| !loss.is_finite()) {
            let step = self.step + 1 - (losses.len() - i) as u64;
            let remedy = "lower optimizer.lr, or set optimizer.clip";
            return Err(Error::NonFinite(format!("the loss of step {step} is {}; {remedy}", losses[i])));
        }
        Ok(losses)
    }

    /// Does one step and returns its loss, which may be anything.
    ///
    /// # Errors
    /// When the device fails.
    pub(super) fn single(&mut self, rate: f32) -> Result<f32> {
        self.advance(1, |_| rate)?;
        Ok(self.executor.losses()?.last().copied().unwrap_or(f32::NAN))
    }

    /// Everything that steps change.
    ///
    /// # Errors
    /// When the device fails.
    pub(super) fn snapshot(&mut self) -> Result<Snapshot> {
        let arenas: Vec<Arena> = self.plan.arenas.iter().copied().filter(|&a| a != Arena::Gradients).collect();
        let read = |arena| Ok((arena, self.executor.read_state(arena)?));
        Ok(Snapshot { step: self.step, arenas: arenas.into_iter().map(read).collect::<Result<_>>()? })
    }

    /// Goes back to where a snapshot was taken.
    ///
    /// # Errors
    /// When the device fails.
    pub(super) fn restore(&mut self, snapshot: &Snapshot) -> Result<()> {
        self.executor.losses()?;
        snapshot.write(self.executor.as_mut())?;
        self.step = snapshot.step;
        Ok(())
    }

    /// What in a snapshot is not finite, in words: ``weight `0.bias` is NaN``.
    pub(super) fn fault(&self, snapshot: &Snapshot) -> Option<String> {
        snapshot.arenas.iter().find_map(|(arena, values)| {
            let at = values.iter().position(|value| !value.is_finite())?;
            let segment = self.plan.layout.segments(*arena).iter().rev().find(|segment| segment.offset <= at)?;
            let what = match arena {
                Arena::Parameters | Arena::Gradients => "weight",
                Arena::First | Arena::Second => "the optimizer's moment of",
                Arena::Average => "the average of",
                Arena::Statistics => "statistic",
            };
            Some(format!("{what} `{}` is {}", segment.name, values[at]))
        })
    }

    /// The weights as they are.
    ///
    /// # Errors
    /// When the device fails.
    pub fn weights(&mut self) -> Result<Weights> {
        let state = self.read_state(Arena::Parameters)?;
        Ok(Weights::from_state(&self.graph, &self.plan.layout, &state))
    }

    /// The weights for use: the average where one is kept.
    ///
    /// # Errors
    /// When the device fails.
    pub fn averaged(&mut self) -> Result<Weights> {
        if self.setup.average.is_none() {
            return self.weights();
        }
        let state = self.read_state(Arena::Average)?;
        Ok(Weights::from_state(&self.graph, &self.plan.layout, &state))
    }

    /// Replaces the weights; the average starts from them.
    ///
    /// # Errors
    /// When a weight does not fit, naming it.
    pub fn set_weights(&mut self, weights: &Weights) -> Result<()> {
        let state = weights.to_state(&self.graph, &self.plan.layout)?;
        self.write_state(&state)
    }

    /// Takes over every weight whose name and shape fit; returns how many did, and of how many.
    ///
    /// # Errors
    /// When the device fails.
    pub fn start_from(&mut self, other: &Weights) -> Result<(usize, usize)> {
        let mut weights = self.weights()?;
        let (mut taken, mut all) = (0, 0);
        for (name, array) in weights.clone().iter() {
            all += 1;
            if let Some(found) = other.find(name).filter(|found| found.shape == array.shape) {
                weights.insert(name, found.clone());
                taken += 1;
            }
        }
        self.set_weights(&weights)?;
        Ok((taken, all))
    }

    /// Everything needed to go on later.
    ///
    /// # Errors
    /// When the device fails.
    pub fn training_state(&mut self, standing: Standing, record: Option<String>) -> Result<TrainingState> {
        let mut parts = [None, None, None];
        for (part, arena) in parts.iter_mut().zip([Arena::First, Arena::Second, Arena::Average]) {
            if self.plan.arenas.contains(&arena) {
                let state = self.read_state(arena)?;
                *part = Some(Weights::from_parameters(&self.graph, &self.plan.layout, &state.parameters));
            }
        }
        let [first, second, average] = parts;
        let device = self.executor.name();
        Ok(TrainingState { step: self.step, seed: self.setup.seed, first, second, average, standing, record, device })
    }

    /// Goes on from a checkpoint's weights and state. With `anew`, what the optimizer needs and the checkpoint lacks starts
    /// as in a new run.
    ///
    /// # Errors
    /// When they are another network's or, unless `anew`, another optimizer's.
    pub fn resume(&mut self, weights: &Weights, training: &TrainingState, anew: bool) -> Result<()> {
        self.set_weights(weights)?;
        let parts = [&training.first, &training.second, &training.average];
        for (part, arena) in parts.into_iter().zip([Arena::First, Arena::Second, Arena::Average]) {
            match (part, self.plan.arenas.contains(&arena)) {
                (Some(part), true) => {
                    let values = part.to_parameters(&self.graph, &self.plan.layout)?;
                    self.executor.write_state(arena, &values)?;
                }
                (None, false) => {}
                _ if anew => {}
                _ => {
                    return Err(Error::input("the checkpoint was written with another [optimizer]; keep it as it was"));
                }
            }
        }
        self.step = training.step;
        Ok(())
    }

    fn read_state(&mut self, arena: Arena) -> Result<State> {
        let statistics = match self.plan.layout.statistics.is_empty() {
            true => Vec::new(),
            false => self.executor.read_state(Arena::Statistics)?,
        };
        Ok(State { parameters: self.executor.read_state(arena)?, statistics })
    }

    fn write_state(&mut self, state: &State) -> Result<()> {
        self.executor.write_state(Arena::Parameters, &state.parameters)?;
        if self.plan.arenas.contains(&Arena::Average) {
            self.executor.write_state(Arena::Average, &state.parameters)?;
        }
        if !state.statistics.is_empty() {
            self.executor.write_state(Arena::Statistics, &state.statistics)?;
        }
        Ok(())
    }
}

/// Everything that steps change, as it was after one of them.
#[derive(Clone, Debug)]
pub(super) struct Snapshot {
    pub(super) step: u64,
    arenas: Vec<(Arena, Vec<f32>)>,
}

impl Snapshot {
    /// One arena of it.
    pub(super) fn arena(&self, arena: Arena) -> Option<&[f32]> {
        self.arenas.iter().find(|(held, _)| *held == arena).map(|(_, values)| values.as_slice())
    }

    /// Sets the state of an executor that has the same network.
    ///
    /// # Errors
    /// When the device fails.
    pub(super) fn write(&self, executor: &mut dyn Executor) -> Result<()> {
        self.arenas.iter().try_for_each(|(arena, values)| executor.write_state(*arena, values))
    }
}

/// Puts data into an executor's stores.
///
/// # Errors
/// When its loaded plans have no room for it.
pub(super) fn store(executor: &mut dyn Executor, data: &Resident) -> Result<()> {
    match data {
        Resident::Rows(rows) => {
            match &rows.features {
                Samples::Bytes(bytes) => executor.write_store(DatasetBuffer::FeatureBytes, bytes)?,
                Samples::Floats(floats) => {
                    executor.write_store(DatasetBuffer::Features, bytemuck::cast_slice(floats))?
                }
            }
            executor.write_store(DatasetBuffer::Targets, bytemuck::cast_slice(&rows.targets))
        }
        Resident::Pictures(pictures) => {
            executor.write_store(DatasetBuffer::Low, &pictures.low)?;
            executor.write_store(DatasetBuffer::High, &pictures.high)?;
            executor.write_store(DatasetBuffer::Table, bytemuck::cast_slice(&pictures.table))
        }
    }
}
