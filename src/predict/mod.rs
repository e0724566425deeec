//! A network in use: values in, values out, for any batch and picture size.

mod audit;

use std::sync::Arc;

use crate::cpu::Cpu;
use crate::device::{Device, Failure};
use crate::executor::{Executor, PlanId};
use crate::graph::{Arena, Layout, Options, Plan, StepParams, TensorId};
use crate::network::{Mode, Network, State, Weights};
use crate::{Error, Fault, Result};
use audit::{Audit, Work};

/// A network with its weights on a device.
pub struct Predictor {
    executor: Box<dyn Executor>,
    network: Network,
    state: State,
    plans: Vec<SizedPlan>,
    /// What to do when the device fails; none where the executor was given as it is.
    watched: Option<Watched>,
}

/// How a device is opened.
pub(crate) type Open = fn(&Device) -> Result<Box<dyn Executor>>;

/// A device whose work is checked, and which is replaced when it fails.
struct Watched {
    device: Device,
    open: Open,
    /// Of what was computed on a GPU.
    audit: Option<Audit>,
    /// The same network on the CPU, for checks; made when it is needed.
    cpu: Option<Box<Predictor>>,
    /// It was lost once, and opened again.
    reopened: bool,
    /// It failed for good, and nothing stands in for it.
    failed: bool,
    /// Failures that nobody has heard of yet.
    told: Vec<Failure>,
}

struct SizedPlan {
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
        Ok(Predictor { executor, network, state, plans: Vec::new(), watched: None })
    }

    /// As [`Predictor::new`], on a device whose work is checked against the CPU now and then. One that is lost is opened
    /// once more; one that fails for good, or computes wrong numbers, is replaced as [`Device::instead`] says.
    ///
    /// # Errors
    /// As [`Predictor::new`], and when the device cannot be opened.
    pub fn on(device: &Device, network: &Network, weights: &Weights) -> Result<Self> {
        Self::opened_by(Device::executor, device, network, weights)
    }

    /// As [`Predictor::on`], opened in another way.
    ///
    /// # Errors
    /// As [`Predictor::on`].
    pub(crate) fn opened_by(open: Open, device: &Device, network: &Network, weights: &Weights) -> Result<Self> {
        let mut predictor = Predictor::new(open(device)?, network, weights)?;
        predictor.watch(device.clone(), open, Vec::new());
        Ok(predictor)
    }

    fn watch(&mut self, device: Device, open: Open, told: Vec<Failure>) {
        let gpu = device != Device::Cpu;
        let audit = gpu.then(|| Audit::new(self.executor.precision(), device.paranoid()));
        self.watched = Some(Watched { device, open, audit, cpu: None, reopened: false, failed: false, told });
    }

    /// Devices that failed since this was last asked: lost, opened again, replaced.
    pub fn take_failures(&mut self) -> Vec<Failure> {
        self.watched.as_mut().map(|watched| std::mem::take(&mut watched.told)).unwrap_or_default()
    }

    /// Opens the device once more, or another: all plans are loaded anew.
    ///
    /// # Errors
    /// When it cannot be opened.
    pub(crate) fn reopen(&mut self, device: Device) -> Result<()> {
        // The old one first: two may not fit.
        self.plans.clear();
        self.executor = Box::new(Cpu::<f32>::new());
        let open = self.watched.as_ref().map_or(Device::executor as Open, |watched| watched.open);
        self.executor = open(&device)?;
        let told = self.take_failures();
        self.watch(device, open, told);
        Ok(())
    }

    /// The network in use.
    pub fn network(&self) -> &Network {
        &self.network
    }

    /// The device in use, as [`Device::describe`] has it where the predictor was made on one.
    pub fn device(&self) -> String {
        self.on_device().map_or_else(|| self.executor.name(), Device::describe)
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
        if let Some(watched) = &mut self.watched {
            watched.cpu = None;
        }
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
    /// When the input does not fit, or the device fails and nothing stands in for it: [`Error::Device`] where it was chosen
    /// by hand.
    pub fn run(&mut self, batch: usize, size: [usize; 2], values: &[f32]) -> Result<Vec<f32>> {
        loop {
            match self.attempt(batch, size, values) {
                Err(error @ (Error::Execution { .. } | Error::Device { .. })) if self.is_replaceable() => {
                    self.replace(error)?
                }
                done => return done,
            }
        }
    }

    /// As [`Predictor::run`], but a device that works and finds this too much is not replaced: the error is returned.
    pub(crate) fn attempt(&mut self, batch: usize, size: [usize; 2], values: &[f32]) -> Result<Vec<f32>> {
        loop {
            let done = self.once(batch, size, values).and_then(|result| {
                self.check(batch, size, values, &result)?;
                Ok(result)
            });
            match done {
                Err(error) if error.fault().is_some() && self.is_replaceable() => self.replace(error)?,
                done => return done,
            }
        }
    }

    fn is_replaceable(&self) -> bool {
        self.watched.as_ref().is_some_and(|watched| watched.device != Device::Cpu && !watched.failed)
    }

    /// Computes a part of a result again on the CPU, when that is due.
    fn check(&mut self, batch: usize, size: [usize; 2], values: &[f32], result: &[f32]) -> Result<()> {
        let Some(Watched { audit: Some(audit), cpu, .. }) = &mut self.watched else { return Ok(()) };
        let work = Work { network: &self.network, batch, size, values, result };
        let suspect = audit.suspect(&work);
        if suspect.is_none() && !audit.is_due(result) {
            return Ok(());
        }
        let cpu = cpu.get_or_insert_with(|| {
            let (executor, network, state) = (Box::new(Cpu::<f32>::new()), self.network.clone(), self.state.clone());
            Box::new(Predictor { executor, network, state, plans: Vec::new(), watched: None })
        });
        audit.check(&mut |size, values| cpu.run(1, size, values), &work, suspect)
    }

    /// Replaces a device that failed by itself, opened once more, or by what stands in for it.
    fn replace(&mut self, error: Error) -> Result<()> {
        let Some(watched) = &mut self.watched else { return Err(error) };
        let device = watched.device.clone();
        if error.fault() == Some(Fault::Lost) && !watched.reopened {
            watched.told.push(Failure::of(&device, &error, "opening it again"));
            if self.reopen(device.clone()).is_ok() {
                self.watched.iter_mut().for_each(|watched| watched.reopened = true);
                return Ok(());
            }
        }
        let Some(watched) = &mut self.watched else { return Err(error) };
        let told = &mut watched.told;
        match device.instead(&error, &mut |failure| told.push(failure)) {
            Some(next) => {
                told.push(Failure::over(&device, &error, &next));
                self.reopen(next)
            }
            None => {
                watched.failed = true;
                Err(Error::device(error.to_string()))
            }
        }
    }

    fn once(&mut self, batch: usize, size: [usize; 2], values: &[f32]) -> Result<Vec<f32>> {
        let at = match self.plans.iter().position(|p| p.batch == batch && p.size == size) {
            Some(at) => at,
            None => self.load(batch, size)?,
        };
        let SizedPlan { plan, input, output, .. } = self.plans[at];
        self.executor.write(plan, input, values)?;
        self.executor.run(plan, &[StepParams { step: 1, loss_scale: 1.0, ..StepParams::default() }])?;
        self.executor.read(plan, output)
    }

    /// Whether the device failed for good, and nothing stands in for it.
    pub fn has_failed(&self) -> bool {
        self.watched.as_ref().is_some_and(|watched| watched.failed)
    }

    /// The device in use, where it is watched.
    pub(crate) fn on_device(&self) -> Option<&Device> {
        self.watched.as_ref().map(|watched| &watched.device)
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
        self.plans.push(SizedPlan { batch, size, plan, input, output });
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
