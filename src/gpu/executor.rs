//! The executor itself: plans, shared state, and the way in and out.

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use super::adapters::{self, AdapterInfo, AdapterKind};
use super::context::Context;
use super::contraction::{Class, MatrixUnit};
use super::load::{Fixed, GUARD, GUARD_WORD, LoadedPlan, Shared};
use super::options::GpuOptions;
use super::profile;
use super::run::Runner;
use super::submission_budget::RING;
use super::tune::{Finding, Site, Tuner};
use crate::executor::{Executor, Ledger, PlanId, Precision};
use crate::graph::{Arena, DatasetBuffer, Plan, StepParams, Storage, TensorId};
use crate::{Error, Result, memory};

/// A GPU with the state of one network.
pub struct Gpu {
    pub(super) context: Context,
    unit: Option<MatrixUnit>,
    ledger: Ledger<LoadedPlan>,
    shared: Shared,
    pub(super) fixed: Fixed,
    pub(super) runner: Runner,
    pub(super) tuner: Tuner,
}

impl Gpu {
    /// Opens an adapter with a matrix unit that was tried, or is to be tried.
    pub(super) fn on_unit(index: usize, options: GpuOptions, unit: Option<MatrixUnit>) -> Result<Self> {
        use wgpu::BufferUsages as U;
        let context = Context::open(index, options)?;
        let dummy = |name| context.buffer(name, 256, U::STORAGE);
        let ring = context.buffer("loss ring", 4 * RING as u64, U::STORAGE | U::COPY_SRC)?;
        let fixed = Fixed { dummies: [dummy("nothing to read")?, dummy("nothing to write")?], ring };
        let runner = Runner::new(&context)?;
        let (ledger, shared, tuner) = (Ledger::default(), Shared::default(), Tuner::default());
        Ok(Gpu { context, unit, ledger, shared, fixed, runner, tuner })
    }

    /// The first adapter whose name contains `part`, in any case.
    ///
    /// # Errors
    /// When none does; the message lists those there are.
    pub fn find(part: &str) -> Result<usize> {
        let all = adapters::adapters();
        let wanted = part.to_lowercase();
        all.iter().find(|a| a.name.to_lowercase().contains(&wanted)).map(|a| a.index).ok_or_else(|| {
            let names: Vec<&str> = all.iter().map(|a| a.name.as_str()).collect();
            let known = if names.is_empty() { "none".into() } else { names.join(", ") };
            Error::device(format!("no GPU adapter's name contains `{part}`; there is {known}"))
        })
    }

    /// The adapter in use.
    pub fn info(&self) -> &AdapterInfo {
        &self.context.info
    }

    /// The device's limits.
    pub fn limits(&self) -> wgpu::Limits {
        self.context.device.limits()
    }

    /// Buffers, bind groups and pipelines made so far: runs must not change it.
    pub fn created(&self) -> usize {
        self.context.created()
    }

    /// How often weights were packed anew because parameters had changed: once per plan and change, not once per run.
    pub fn packed(&self) -> usize {
        self.runner.settled()
    }

    /// Submissions of steps, or of parts of them.
    pub fn submitted(&self) -> usize {
        self.runner.submitted()
    }

    /// Checks that nothing was written behind the plan's slots; for devices opened with `inspect`.
    ///
    /// # Errors
    /// When a kernel wrote past the end of a slot.
    pub fn check_guards(&self, plan: PlanId) -> Result<()> {
        let loaded = self.ledger.get(plan)?;
        for (i, slot) in loaded.slots.iter().enumerate() {
            let bytes = self.context.download(slot, slot.size() - GUARD, GUARD, "guard zones")?;
            let intact = bytemuck::pod_collect_to_vec::<u8, u32>(&bytes).iter().all(|&w| w == GUARD_WORD);
            if !self.context.options.inspect || !intact {
                let message = format!("a kernel wrote past the end of slot {i}, or the device keeps nothing");
                return Err(Error::execution("guard zones", message).on(&self.context.info.title()));
            }
        }
        Ok(())
    }

    /// Bytes of a loaded plan that [`Plan::bytes`] does not count: packed weights, partial sums, kernels' parameters.
    ///
    /// # Errors
    /// When the plan is not loaded.
    pub fn overhead(&self, plan: PlanId) -> Result<u64> {
        let loaded = self.ledger.get(plan)?;
        Ok(loaded.bytes() - loaded.slots.iter().map(wgpu::Buffer::size).sum::<u64>())
    }

    /// Runs the plan once, and returns the nanoseconds of each of its dispatches with the steps that it does or is a part of.
    ///
    /// # Errors
    /// When the device has no timestamps, or fails.
    pub fn dispatches(&mut self, plan: PlanId, clock: &StepParams) -> Result<Vec<(Range<usize>, f64)>> {
        self.ledger.clocks(plan, std::slice::from_ref(clock))?;
        self.runner.losses(&self.context)?;
        let loaded = self.ledger.get_mut(plan)?;
        self.runner.settle(&self.context, loaded, &mut self.shared)?;
        let clock = self.runner.first_clock(&self.context, clock);
        let times = profile::profile(&self.context, loaded, clock)?;
        Ok(loaded.recorded.iter().map(|launch| launch.steps.clone()).zip(times).collect())
    }

    /// The longest time that a submission of steps took so far, by the host's clock: what watchdogs look at.
    pub fn longest_submission(&self) -> Duration {
        self.runner.longest()
    }

    /// Whether the device's memory keeps what is put there: `bytes` of it are written, and read again at both ends.
    ///
    /// # Errors
    /// When there is not so much, or something else comes back.
    pub fn keeps(&self, bytes: u64) -> Result<()> {
        use wgpu::BufferUsages as U;
        let buffer = self.context.buffer("memory", bytes, U::COPY_SRC | U::COPY_DST)?;
        let piece: Vec<u8> = (0..1 << 20).map(|i: u32| (i.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
        let pieces = bytes / piece.len() as u64;
        for at in 0..pieces {
            self.context.queue.write_buffer(&buffer, at * piece.len() as u64, &piece);
            // Each write takes memory of the host until it is submitted.
            if at % 32 == 31 {
                self.context.queue.submit([]);
            }
        }
        for at in [0, pieces.saturating_sub(1)] {
            let read = self.context.download(&buffer, at * piece.len() as u64, piece.len() as u64, "reading memory")?;
            if read != piece {
                let why = format!("MiB {at} of {pieces} reads back otherwise than it was written");
                return Err(Error::execution("memory", why).on(&self.context.info.title()));
            }
        }
        Ok(())
    }

    /// Takes the device away, as a driver's crash does; for tests.
    #[doc(hidden)]
    pub fn lose(&self) {
        self.context.device.destroy();
    }

    /// Bytes that the device may hold: what was stated, and where it shares the machine's memory, what the machine has.
    fn memory(&self) -> u64 {
        let shares = match self.context.info.kind {
            AdapterKind::Software | AdapterKind::Integrated => true,
            AdapterKind::Discrete | AdapterKind::Virtual | AdapterKind::Other => false,
        };
        let machine = if shares { memory::limit() } else { u64::MAX };
        self.context.options.memory.map_or(machine, |stated| stated.min(machine))
    }

    /// Bytes the device will hold at least once it has loaded a plan.
    fn predicted(&self, plan: &Plan) -> u64 {
        let arenas = plan.arenas.iter().filter(|a| !self.shared.arenas.contains_key(a));
        let arenas: u64 = arenas.map(|&a| 4 * plan.layout.len(a) as u64).sum();
        let stores = plan.stores().map(|(store, len)| {
            let have = self.shared.stores.get(&store).map_or(0, wgpu::Buffer::size);
            (store.width() as u64 * len as u64).saturating_sub(have)
        });
        self.allocated() + plan.slot_bytes() + arenas + stores.sum::<u64>()
    }

    /// Kinds of steps that this executor has measured since it was opened.
    pub fn measured(&self) -> usize {
        self.tuner.measured()
    }

    /// Finds the fastest tile shape for every kind of step in `plans`, those that take most of the work first, and reports
    /// each as it is known. What the device's memory holds is not measured again; what is found goes there.
    ///
    /// # Errors
    /// When the device was opened without a memory, or with a tile shape that is to be used.
    pub fn tune(
        &mut self,
        plans: &[Plan],
        budget: Duration,
        on_finding: &mut dyn FnMut(&Finding),
    ) -> Result<Vec<Finding>> {
        let (tuner, site) = self.site();
        tuner.tune(site, plans, budget, on_finding)
    }

    /// The tuner, and what it measures with.
    fn site(&mut self) -> (&mut Tuner, Site<'_>) {
        let class = self.class();
        let Gpu { context, fixed, runner, tuner, .. } = self;
        let params = runner.first_clock(context, &StepParams::default());
        (tuner, Site { context, fixed, params, class })
    }

    fn class(&self) -> Class {
        if let Some(unit) = self.unit {
            return Class::Matrix(unit);
        }
        match self.context.info.kind {
            AdapterKind::Software => Class::Software,
            AdapterKind::Discrete | AdapterKind::Integrated | AdapterKind::Virtual | AdapterKind::Other => {
                Class::Hardware
            }
        }
    }

    /// Makes arenas and stores that the plan is the first to need. True when a store was replaced by a larger one.
    fn share(&mut self, plan: &Plan) -> Result<bool> {
        use wgpu::BufferUsages as U;
        let storage = U::STORAGE | U::COPY_SRC | U::COPY_DST;
        for &arena in &plan.arenas {
            if !self.shared.arenas.contains_key(&arena) {
                let buffer = self.context.buffer(&format!("{arena:?}"), 4 * plan.layout.len(arena) as u64, storage)?;
                self.shared.arenas.insert(arena, buffer);
            }
        }
        let mut replaced = false;
        for (store, len) in plan.stores() {
            let bytes = (store.width() as u64 * len as u64).next_multiple_of(16);
            let old = self.shared.stores.get(&store);
            if old.is_some_and(|b| b.size() >= bytes) {
                continue;
            }
            let buffer = self.context.buffer(&format!("{store:?}"), bytes, storage)?;
            if let Some(old) = old {
                let mut encoder = self.context.device.create_command_encoder(&Default::default());
                encoder.copy_buffer_to_buffer(old, 0, &buffer, 0, old.size());
                self.context.queue.submit([encoder.finish()]);
                replaced = true;
            }
            self.shared.stores.insert(store, buffer);
        }
        Ok(replaced)
    }
}

impl Executor for Gpu {
    fn name(&self) -> String {
        let mixed = if self.unit.is_some() { ", mixed precision" } else { "" };
        format!("{} ({}{mixed})", self.context.info.name, self.context.info.backend)
    }

    fn precision(&self) -> Precision {
        self.context.options.precision
    }

    fn load(&mut self, plan: Arc<Plan>) -> Result<PlanId> {
        self.ledger.admit(&plan)?;
        memory::check(self.predicted(&plan), self.memory()).map_err(|e| e.on(&self.context.info.name))?;
        let (tuner, site) = self.site();
        let (class, shapes) = (site.class, tuner.shapes(site, &plan)?);
        let mut new = LoadedPlan::new(&self.context, plan.clone(), class, shapes)?;
        if self.share(&plan)? {
            for old in self.ledger.iter_mut() {
                old.bind(&mut self.context, &self.shared, &self.fixed)?;
            }
        }
        if self.context.options.inspect {
            let own = new.slots.iter().chain(&new.scratch).chain(new.kept.values());
            let largest = own.chain(self.shared.arenas.values());
            let bytes = largest.map(wgpu::Buffer::size).max().unwrap_or(16);
            self.runner.prepare_poison(&self.context, bytes)?;
        }
        new.bind(&mut self.context, &self.shared, &self.fixed)?;
        Ok(self.ledger.insert(plan, new))
    }

    fn unload(&mut self, plan: PlanId) -> Result<()> {
        self.ledger.remove(plan).map(drop)
    }

    fn write(&mut self, plan: PlanId, tensor: TensorId, values: &[f32]) -> Result<()> {
        // Nothing reads an input that was fused away.
        let Storage::Slot(slot) = self.ledger.input(plan, tensor, values.len())? else { return Ok(()) };
        let loaded = self.ledger.get(plan)?;
        self.context.queue.write_buffer(&loaded.slots[slot], 0, bytemuck::cast_slice(values));
        self.context.check(&format!("writing `{}`", loaded.plan.tensors[tensor.0].name))
    }

    fn read(&mut self, plan: PlanId, tensor: TensorId) -> Result<Vec<f32>> {
        let (place, len) = self.ledger.output(plan, tensor)?;
        self.runner.finish(&self.context)?;
        let loaded = self.ledger.get(plan)?;
        let (buffer, offset) = match place {
            Storage::Slot(slot) => (&loaded.slots[slot], 0),
            Storage::Arena { arena, offset } => (&self.shared.arenas[&arena], 4 * offset as u64),
            Storage::DatasetBuffer(_) | Storage::Fused => return Ok(Vec::new()),
        };
        let what = format!("reading `{}`", loaded.plan.tensors[tensor.0].name);
        let data = self.context.download(buffer, offset, 4 * len as u64, &what)?;
        Ok(bytemuck::pod_collect_to_vec(&data))
    }

    fn write_state(&mut self, arena: Arena, values: &[f32]) -> Result<()> {
        self.ledger.fills(arena, values.len())?;
        self.context.queue.write_buffer(&self.shared.arenas[&arena], 0, bytemuck::cast_slice(values));
        if matches!(arena, Arena::Parameters | Arena::Average) {
            self.shared.version += 1;
        }
        self.context.check(&format!("writing {arena:?}"))
    }

    fn read_state(&mut self, arena: Arena) -> Result<Vec<f32>> {
        let len = self.ledger.arena(arena)?;
        self.runner.finish(&self.context)?;
        let buffer = &self.shared.arenas[&arena];
        let data = self.context.download(buffer, 0, 4 * len as u64, &format!("reading {arena:?}"))?;
        Ok(bytemuck::pod_collect_to_vec(&data))
    }

    fn write_store(&mut self, store: DatasetBuffer, bytes: &[u8]) -> Result<()> {
        self.ledger.store(store, bytes)?;
        let Some(buffer) = self.shared.stores.get(&store) else { return Ok(()) };
        let whole = bytes.len() / 4 * 4;
        self.context.queue.write_buffer(buffer, 0, &bytes[..whole]);
        if whole < bytes.len() {
            // Copies go by fours; the rest of the last word is never read.
            let mut last = [0u8; 4];
            last[..bytes.len() - whole].copy_from_slice(&bytes[whole..]);
            self.context.queue.write_buffer(buffer, whole as u64, &last);
        }
        self.context.check(&format!("writing {store:?}"))
    }

    fn run(&mut self, plan: PlanId, clocks: &[StepParams]) -> Result<()> {
        self.ledger.clocks(plan, clocks)?;
        let loaded = self.ledger.get_mut(plan)?;
        self.runner.run(&self.context, loaded, &mut self.shared, &self.fixed, clocks)
    }

    fn losses(&mut self) -> Result<Vec<f32>> {
        self.runner.losses(&self.context)
    }

    fn profile(&mut self, plan: PlanId, clock: &StepParams) -> Result<Vec<f64>> {
        let dispatches = self.dispatches(plan, clock)?;
        let mut timings = vec![0.0; self.ledger.get(plan)?.plan.steps.len()];
        // The time of steps that are done together stands at the last of them.
        dispatches.into_iter().for_each(|(steps, time)| timings[steps.end - 1] += time);
        Ok(timings)
    }

    fn tiles(&self, plan: PlanId) -> Option<String> {
        self.ledger.get(plan).ok()?.shapes.describe()
    }

    fn intact(&self, plan: PlanId) -> Result<()> {
        if self.context.options.inspect { self.check_guards(plan) } else { Ok(()) }
    }

    fn allocated(&self) -> u64 {
        let shared = self.shared.arenas.values().chain(self.shared.stores.values());
        let fixed = self.fixed.dummies.iter().chain([&self.fixed.ring]);
        let plans: u64 = self.ledger.iter().map(LoadedPlan::bytes).sum();
        plans + self.runner.bytes() + shared.chain(fixed).map(wgpu::Buffer::size).sum::<u64>()
    }
}
