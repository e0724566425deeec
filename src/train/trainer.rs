//! One training step as one plan, run again and again: sample, forward, loss, backward, update.

use std::sync::Arc;

use super::TrainingState;
use crate::data::{Pictures, Rows, Samples, batch};
use crate::executor::{Executor, PlanId};
use crate::graph::{Arena, Clock, Graph, Layout, Loss, Op, Options, Plan, Store, TensorId, Update};
use crate::graph::{differentiate, optimize};
use crate::network::{Input, Mode, Network, State, Weights, initial};
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
    /// Samples per step.
    pub batch: usize,
    /// Seed of initial weights and draws.
    pub seed: u32,
}

/// A network that learns on a device.
pub struct Trainer {
    executor: Box<dyn Executor>,
    setup: Setup,
    graph: Graph,
    plan: Arc<Plan>,
    id: PlanId,
    step: u64,
    count: u32,
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
        let (graph, _) = training_graph(&setup, data, room)?;
        let plan = Arc::new(Plan::new(&graph, Options::default())?);
        let id = executor.load(Arc::clone(&plan))?;
        let state = initial(&graph, &plan.layout, setup.seed);
        let loss_scale = executor.precision().loss_scale(&plan);
        let mut trainer = Trainer { executor, setup, graph, plan, id, step: 0, count: 0, loss_scale };
        trainer.write_state(&state)?;
        trainer.set_data(data)?;
        Ok(trainer)
    }

    /// Steps done.
    pub fn step(&self) -> u64 {
        self.step
    }

    /// The plan of a step.
    pub fn plan(&self) -> &Plan {
        &self.plan
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
        let batch = self.setup.batch;
        match data {
            Resident::Rows(rows) => {
                if rows.count() < batch {
                    let count = rows.count();
                    return Err(Error::input(format!("batch: {batch} rows are more than the {count} there are")));
                }
                match &rows.features {
                    Samples::Bytes(bytes) => self.executor.write_store(Store::FeatureBytes, bytes)?,
                    Samples::Floats(floats) => {
                        self.executor.write_store(Store::Features, bytemuck::cast_slice(floats))?;
                    }
                }
                self.executor.write_store(Store::Targets, bytemuck::cast_slice(&rows.targets))?;
            }
            Resident::Pictures(pictures) => {
                self.executor.write_store(Store::Low, &pictures.low)?;
                self.executor.write_store(Store::High, &pictures.high)?;
                self.executor.write_store(Store::Table, bytemuck::cast_slice(&pictures.table))?;
            }
        }
        self.count = data.count() as u32;
        Ok(())
    }

    /// Queues `steps` steps; `rate` gives the learning rate of a step, from 1. The device may still be working when this
    /// returns.
    ///
    /// # Errors
    /// When the device fails.
    pub fn advance(&mut self, steps: u64, rate: impl Fn(u64) -> f32) -> Result<()> {
        let clocks: Vec<Clock> = (self.step + 1..=self.step + steps).map(|step| self.clock(step, rate(step))).collect();
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

    fn clock(&self, step: u64, learning_rate: f32) -> Clock {
        // Pictures are drawn independently of each other; rows go by epochs.
        let (epoch, offset) = batch::cursor(step - 1, self.setup.batch as u32, self.count);
        Clock {
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
    pub fn training_state(&mut self, best: Option<f64>) -> Result<TrainingState> {
        let mut parts = [None, None, None];
        for (part, arena) in parts.iter_mut().zip([Arena::First, Arena::Second, Arena::Average]) {
            if self.plan.arenas.contains(&arena) {
                let state = self.read_state(arena)?;
                *part = Some(Weights::from_parameters(&self.graph, &self.plan.layout, &state.parameters));
            }
        }
        let [first, second, average] = parts;
        let device = self.executor.name();
        Ok(TrainingState { step: self.step, seed: self.setup.seed, first, second, average, best, device })
    }

    /// Goes on from a checkpoint's weights and state.
    ///
    /// # Errors
    /// When they are another network's or optimizer's.
    pub fn resume(&mut self, weights: &Weights, training: &TrainingState) -> Result<()> {
        self.set_weights(weights)?;
        let parts = [&training.first, &training.second, &training.average];
        for (part, arena) in parts.into_iter().zip([Arena::First, Arena::Second, Arena::Average]) {
            match (part, self.plan.arenas.contains(&arena)) {
                (Some(part), true) => {
                    let values = part.to_parameters(&self.graph, &self.plan.layout)?;
                    self.executor.write_state(arena, &values)?;
                }
                (None, false) => {}
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

/// Elements that the stores have room for, as shards are swapped.
#[derive(Clone, Copy, Debug, Default)]
pub struct Room {
    /// Rows, or pictures.
    pub count: usize,
    /// Low-resolution bytes.
    pub low: usize,
    /// High-resolution bytes.
    pub high: usize,
}

impl Room {
    /// Room for some data, and no more.
    pub fn of(data: &Resident) -> Self {
        match data {
            Resident::Rows(rows) => Room { count: rows.count(), low: 0, high: 0 },
            Resident::Pictures(p) => Room { count: p.table.len(), low: p.low.len(), high: p.high.len() },
        }
    }

    /// Room for either.
    pub fn max(self, other: Room) -> Self {
        let Room { count, low, high } = other;
        Room { count: self.count.max(count), low: self.low.max(low), high: self.high.max(high) }
    }
}

/// The whole step as a graph, and its loss.
pub(super) fn training_graph(setup: &Setup, data: &Resident, room: Room) -> Result<(Graph, TensorId)> {
    let mut graph = Graph::new();
    let batch = setup.batch;
    graph.layer("sample");
    let (x, t) = match data {
        Resident::Rows(rows) => {
            let store = match rows.features {
                Samples::Bytes(_) => Store::FeatureBytes,
                Samples::Floats(_) => Store::Features,
            };
            let features = graph.dataset(store, &[room.count, rows.width])?;
            let x = graph.push(Op::SampleRows { batch }, &[features])?;
            let scalar = matches!(setup.loss, Loss::CrossEntropy(_));
            let shape = if scalar { vec![room.count] } else { vec![room.count, rows.target_width] };
            let targets = graph.dataset(Store::Targets, &shape)?;
            let t = graph.push(Op::SampleRows { batch }, &[targets])?;
            (shaped(&mut graph, &setup.network, x, batch)?, t)
        }
        Resident::Pictures(pictures) => {
            let Pictures { scale, channels, patch, .. } = *pictures;
            let low = graph.dataset(Store::Low, &[room.low.div_ceil(channels), channels])?;
            let high = graph.dataset(Store::High, &[room.high.div_ceil(channels), channels])?;
            let table = graph.dataset(Store::Table, &[room.count, 5])?;
            let x = graph.push(Op::SamplePatches { batch, patch, scale: 1, high: false }, &[low, table])?;
            let t = graph.push(Op::SamplePatches { batch, patch, scale, high: true }, &[high, table])?;
            (x, t)
        }
    };
    let y = setup.network.build(&mut graph, x, Mode::Train)?;
    graph.layer("loss");
    let loss = graph.push(Op::Loss(setup.loss), &[y, t])?;
    differentiate(&mut graph, loss, None, &[])?;
    optimize(&mut graph, setup.rule, setup.clip, setup.average)?;
    Ok((graph, loss))
}

/// Rows as the network wants them: as they are, or as pictures.
fn shaped(graph: &mut Graph, network: &Network, x: TensorId, batch: usize) -> Result<TensorId> {
    match network.input() {
        Input::Image([h, w, c]) => graph.reshape(x, &[batch, h, w, c]),
        Input::Rows(_) | Input::Picture { .. } => Ok(x),
    }
}

/// The layout of a network's state, for those who have no trainer.
///
/// # Errors
/// When the declaration does not fit together.
pub fn layout(network: &Network, mode: Mode) -> Result<(Graph, Layout)> {
    let (graph, ..) = network.graph(2, [16, 16], mode)?;
    let layout = Plan::new(&graph, Options::default())?.layout;
    Ok((graph, layout))
}
