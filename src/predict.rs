//! A network in use: values in, values out, for any batch and picture size.

use std::sync::Arc;

use crate::executor::{Executor, PlanId};
use crate::graph::{Arena, Clock, Layout, Options, Plan, TensorId};
use crate::network::{Mode, Network, State, Weights};
use crate::{Error, Result};

/// A network with its weights on a device.
pub struct Predictor {
    executor: Box<dyn Executor>,
    network: Network,
    state: State,
    plans: Vec<Loaded>,
}

struct Loaded {
    batch: usize,
    size: [usize; 2],
    plan: PlanId,
    input: TensorId,
    output: TensorId,
}

/// Plans of different sizes that are kept; the oldest goes first.
const PLANS: usize = 4;

impl Predictor {
    /// Takes a network for use and its weights (of the same, collapsed form).
    ///
    /// # Errors
    /// When a weight does not fit, naming it.
    pub fn new(executor: Box<dyn Executor>, network: &Network, weights: &Weights) -> Result<Self> {
        let (network, weights) = network.collapse(weights)?;
        let (graph, ..) = network.graph(1, [16, 16], Mode::Infer)?;
        let layout: Layout = Plan::new(&graph, Options::default())?.layout;
        let state = weights.to_state(&graph, &layout)?;
        Ok(Predictor { executor, network, state, plans: Vec::new() })
    }

    /// The network in use.
    pub fn network(&self) -> &Network {
        &self.network
    }

    /// The device in use.
    pub fn device(&self) -> String {
        self.executor.name()
    }

    /// Takes other weights of the same network.
    ///
    /// # Errors
    /// When a weight does not fit, or the device fails.
    pub fn set_weights(&mut self, network: &Network, weights: &Weights) -> Result<()> {
        let (network, weights) = network.collapse(weights)?;
        if network != self.network {
            return Err(Error::input("the weights are another network's"));
        }
        let (graph, ..) = network.graph(1, [16, 16], Mode::Infer)?;
        let layout = Plan::new(&graph, Options::default())?.layout;
        self.state = weights.to_state(&graph, &layout)?;
        if self.plans.is_empty() { Ok(()) } else { self.write_state() }
    }

    /// Bytes the device needs for a batch of pictures of a size, weights included.
    ///
    /// # Errors
    /// When the size does not fit the network.
    pub fn bytes(network: &Network, batch: usize, size: [usize; 2]) -> Result<u64> {
        let (graph, ..) = network.graph(batch, size, Mode::Infer)?;
        Ok(Plan::new(&graph, Options::default())?.bytes())
    }

    /// Runs the network on `batch` inputs; `size` is the height and width of pictures, ignored by networks of rows.
    /// Values are NHWC, in and out.
    ///
    /// # Errors
    /// When the input does not fit or the device fails.
    pub fn run(&mut self, batch: usize, size: [usize; 2], values: &[f32]) -> Result<Vec<f32>> {
        let at = match self.plans.iter().position(|p| p.batch == batch && p.size == size) {
            Some(at) => at,
            None => self.load(batch, size)?,
        };
        let Loaded { plan, input, output, .. } = self.plans[at];
        self.executor.write(plan, input, values)?;
        self.executor.run(plan, &[Clock { step: 1, loss_scale: 1.0, ..Clock::default() }])?;
        self.executor.read(plan, output)
    }

    fn load(&mut self, batch: usize, size: [usize; 2]) -> Result<usize> {
        let (graph, input, output) = self.network.graph(batch, size, Mode::Infer)?;
        let plan = Arc::new(Plan::new(&graph, Options::default())?);
        if self.plans.len() == PLANS {
            let oldest = self.plans.remove(0);
            self.executor.unload(oldest.plan)?;
        }
        let plan = self.executor.load(plan)?;
        if self.plans.is_empty() {
            self.write_state()?;
        }
        self.plans.push(Loaded { batch, size, plan, input, output });
        Ok(self.plans.len() - 1)
    }

    fn write_state(&mut self) -> Result<()> {
        self.executor.write_state(Arena::Parameters, &self.state.parameters)?;
        if !self.state.statistics.is_empty() {
            self.executor.write_state(Arena::Statistics, &self.state.statistics)?;
        }
        Ok(())
    }
}
