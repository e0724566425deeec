//! The executor itself: plans, shared state, and the way in and out.

use std::sync::Arc;

use super::adapters::{self, AdapterInfo, AdapterKind};
use super::context::{Context, mib};
use super::contraction::{Class, MatrixUnit};
use super::device::GpuOptions;
use super::load::{Fixed, GUARD, GUARD_WORD, Loaded, Shared};
use super::pace::RING;
use super::run::Runner;
use super::tune::Tuner;
use super::{mixed, profile};
use crate::executor::{Executor, PlanId, Precision};
use crate::graph::{Arena, Clock, Home, Layout, Place, Plan, Store, TensorId};
use crate::{Error, Result, memory};

/// A GPU with the state of one network.
pub struct Gpu {
    pub(super) context: Context,
    unit: Option<MatrixUnit>,
    layout: Option<Layout>,
    shared: Shared,
    pub(super) fixed: Fixed,
    pub(super) runner: Runner,
    plans: Vec<Option<Loaded>>,
    pub(super) tuner: Tuner,
}

impl Gpu {
    /// Opens adapter number `index` of [`super::adapters`].
    ///
    /// # Errors
    /// When there is no such adapter or it cannot be opened.
    pub fn open(index: usize) -> Result<Self> {
        Self::with_options(index, GpuOptions::default())
    }

    /// Opens an adapter with other limits than its own, to stand in for smaller devices.
    ///
    /// # Errors
    /// As [`Gpu::open`], and when the adapter has less than these limits.
    pub fn with_limits(index: usize, limits: wgpu::Limits) -> Result<Self> {
        Self::with_options(index, GpuOptions { limits: Some(limits), ..GpuOptions::default() })
    }

    /// Opens an adapter.
    ///
    /// # Errors
    /// As [`Gpu::open`].
    pub fn with_options(index: usize, options: GpuOptions) -> Result<Self> {
        let unit = match options.precision {
            Precision::F32 => None,
            Precision::Mixed => Some(mixed::unit(index)?),
        };
        Self::on_unit(index, options, unit)
    }

    /// Opens an adapter with a matrix unit that was tried, or is to be tried.
    pub(super) fn on_unit(index: usize, options: GpuOptions, unit: Option<MatrixUnit>) -> Result<Self> {
        use wgpu::BufferUsages as U;
        let context = Context::open(index, options)?;
        let dummy = |name| context.buffer(name, 256, U::STORAGE);
        let ring = context.buffer("loss ring", 4 * RING as u64, U::STORAGE | U::COPY_SRC)?;
        let fixed = Fixed { dummies: [dummy("nothing to read")?, dummy("nothing to write")?], ring };
        let runner = Runner::new(&context)?;
        let (shared, plans, tuner) = (Shared::default(), Vec::new(), Tuner::default());
        Ok(Gpu { context, unit, layout: None, shared, fixed, runner, plans, tuner })
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

    /// Checks that nothing was written behind the plan's slots; for devices opened with `inspect`.
    ///
    /// # Errors
    /// When a kernel wrote past the end of a slot.
    pub fn check_guards(&self, plan: PlanId) -> Result<()> {
        let loaded = loaded(&self.plans, plan)?;
        for (i, slot) in loaded.slots.iter().enumerate() {
            let bytes = self.context.download(slot, slot.size() - GUARD, GUARD, "guard zones")?;
            let intact = bytemuck::pod_collect_to_vec::<u8, u32>(&bytes).iter().all(|&w| w == GUARD_WORD);
            if !self.context.options.inspect || !intact {
                let message = format!("a kernel wrote past the end of slot {i}");
                return Err(Error::execution("guard zones", message).on(&self.context.info.name));
            }
        }
        Ok(())
    }

    /// Bytes of a loaded plan that [`Plan::bytes`] does not count: packed weights, partial sums, kernels' parameters.
    ///
    /// # Errors
    /// When the plan is not loaded.
    pub fn overhead(&self, plan: PlanId) -> Result<u64> {
        let loaded = loaded(&self.plans, plan)?;
        Ok(loaded.bytes() - loaded.slots.iter().map(wgpu::Buffer::size).sum::<u64>())
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

    pub(super) fn class(&self) -> Class {
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

fn loaded(plans: &[Option<Loaded>], plan: PlanId) -> Result<&Loaded> {
    plans.get(plan.0).and_then(Option::as_ref).ok_or_else(|| Error::input("the plan is not loaded"))
}

fn loaded_mut(plans: &mut [Option<Loaded>], plan: PlanId) -> Result<&mut Loaded> {
    plans.get_mut(plan.0).and_then(Option::as_mut).ok_or_else(|| Error::input("the plan is not loaded"))
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
        if self.layout.as_ref().is_some_and(|l| *l != plan.layout) {
            return Err(Error::input("the plan has other parameters than those loaded before"));
        }
        memory::check(self.predicted(&plan), self.memory()).map_err(|e| e.on(&self.context.info.name))?;
        let (shapes, class) = (self.shapes(&plan)?, self.class());
        let mut new = Loaded::new(&self.context, plan.clone(), class, shapes)?;
        if self.share(&plan)? {
            for old in self.plans.iter_mut().flatten() {
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
        self.layout = Some(plan.layout.clone());
        self.plans.push(Some(new));
        Ok(PlanId(self.plans.len() - 1))
    }

    fn unload(&mut self, plan: PlanId) {
        if let Some(slot) = self.plans.get_mut(plan.0) {
            *slot = None;
        }
    }

    fn write(&mut self, plan: PlanId, tensor: TensorId, values: &[f32]) -> Result<()> {
        let loaded = loaded(&self.plans, plan)?;
        let found = loaded.plan.tensors.get(tensor.0).filter(|t| t.home == Home::Input);
        let Some(known) = found else { return Err(Error::input("only inputs of the plan can be written")) };
        if values.len() != known.shape.len() {
            let (name, shape, given) = (&known.name, known.shape, values.len());
            return Err(Error::input(format!("`{name}` takes {} values ({shape}), not {given}", shape.len())));
        }
        if let Place::Slot(slot) = loaded.plan.places[tensor.0] {
            self.context.queue.write_buffer(&loaded.slots[slot], 0, bytemuck::cast_slice(values));
        }
        self.context.check(&format!("writing `{}`", known.name))
    }

    fn read(&mut self, plan: PlanId, tensor: TensorId) -> Result<Vec<f32>> {
        self.runner.finish(&self.context)?;
        let loaded = loaded(&self.plans, plan)?;
        let Some(known) = loaded.plan.tensors.get(tensor.0) else {
            return Err(Error::input("the plan has no such tensor"));
        };
        let bytes = 4 * known.shape.len() as u64;
        let kept = known.home == Home::Input || loaded.plan.outputs.contains(&tensor);
        let (buffer, offset) = match loaded.plan.places[tensor.0] {
            Place::Slot(slot) if kept => (&loaded.slots[slot], 0),
            Place::Arena { arena, offset } => (&self.shared.arenas[&arena], 4 * offset as u64),
            Place::Slot(_) | Place::Store(_) | Place::Fused => {
                return Err(Error::input(format!("`{}` is not kept after a run", known.name)));
            }
        };
        let data = self.context.download(buffer, offset, bytes, &format!("reading `{}`", known.name))?;
        Ok(bytemuck::pod_collect_to_vec(&data))
    }

    fn write_state(&mut self, arena: Arena, values: &[f32]) -> Result<()> {
        let (buffer, len) = self.arena(arena)?;
        if values.len() != len {
            return Err(Error::input(format!("{arena:?} holds {len} values, not {}", values.len())));
        }
        self.context.queue.write_buffer(buffer, 0, bytemuck::cast_slice(values));
        if matches!(arena, Arena::Parameters | Arena::Average) {
            self.shared.version += 1;
        }
        self.context.check(&format!("writing {arena:?}"))
    }

    fn read_state(&mut self, arena: Arena) -> Result<Vec<f32>> {
        self.runner.finish(&self.context)?;
        let (buffer, len) = self.arena(arena)?;
        let data = self.context.download(buffer, 0, 4 * len as u64, &format!("reading {arena:?}"))?;
        Ok(bytemuck::pod_collect_to_vec(&data))
    }

    fn write_store(&mut self, store: Store, bytes: &[u8]) -> Result<()> {
        let room = self.shared.stores.get(&store);
        let Some(buffer) = room.filter(|b| b.size() >= bytes.len() as u64) else {
            let (need, have) = (mib(bytes.len() as u64), mib(room.map_or(0, wgpu::Buffer::size)));
            return Err(Error::input(format!(
                "{store:?} of {need} does not fit: the loaded plans have room for {have}"
            )));
        };
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

    fn run(&mut self, plan: PlanId, clocks: &[Clock]) -> Result<()> {
        let loaded = loaded_mut(&mut self.plans, plan)?;
        self.runner.run(&self.context, loaded, &mut self.shared, &self.fixed, clocks)
    }

    fn losses(&mut self) -> Result<Vec<f32>> {
        self.runner.losses(&self.context)
    }

    fn profile(&mut self, plan: PlanId, clock: &Clock) -> Result<Vec<f64>> {
        self.runner.losses(&self.context)?;
        let loaded = loaded_mut(&mut self.plans, plan)?;
        self.runner.settle(&self.context, loaded, &mut self.shared)?;
        profile::profile(&self.context, loaded, self.runner.first_clock(&self.context, clock))
    }

    fn tiles(&self, plan: PlanId) -> Option<String> {
        loaded(&self.plans, plan).ok()?.shapes.describe()
    }

    fn intact(&self, plan: PlanId) -> Result<()> {
        if self.context.options.inspect { self.check_guards(plan) } else { Ok(()) }
    }

    fn allocated(&self) -> u64 {
        let shared = self.shared.arenas.values().chain(self.shared.stores.values());
        let fixed = self.fixed.dummies.iter().chain([&self.fixed.ring]);
        let plans: u64 = self.plans.iter().flatten().map(Loaded::bytes).sum();
        plans + self.runner.bytes() + shared.chain(fixed).map(wgpu::Buffer::size).sum::<u64>()
    }
}

impl Gpu {
    fn arena(&self, arena: Arena) -> Result<(&wgpu::Buffer, usize)> {
        let len = self.layout.as_ref().map_or(0, |l| l.len(arena));
        let buffer = self.shared.arenas.get(&arena);
        buffer.map(|b| (b, len)).ok_or_else(|| Error::input(format!("no loaded plan has {arena:?}")))
    }
}
