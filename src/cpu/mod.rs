//! The CPU executor: the formula of every operator in plain loops, generic over f32 and f64.
//!
//! `Cpu<f32>` is the fallback where there is no GPU, and its rival in timings; `Cpu<f64>` is the oracle of the tests.
//! Results depend on neither the number of threads nor their timing: work is cut by shape alone, and partial sums are
//! added in order.

mod activation;
mod conv;
mod loss;
mod matmul;
mod normalization;
mod optimizer;
mod parallel;
mod real;
mod reduction;
mod sampling;
mod shape;
mod softmax;
mod spatial;
mod step;
#[cfg(test)]
mod tests;

use std::mem::take;
use std::sync::Arc;
use std::time::Instant;

use crate::executor::{Executor, Ledger, PlanId};
use crate::graph::{Arena, DatasetBuffer, Loss, Plan, StepParams, Storage, TensorId};
use crate::{Error, Result, memory};
use parallel::Lanes;
pub use real::Real;
use step::Context;

/// The loss of one row of outputs, by the operator's own formulas in f64; for cross-entropy the target is a class.
pub(crate) fn row_loss(loss: Loss, outputs: &[f32], target: &[f32]) -> f64 {
    let wide = |values: &[f32]| values.iter().map(|&v| f64::from(v)).collect::<Vec<f64>>();
    loss::value(loss, &wide(outputs), &wide(target), outputs.len(), &mut [0.0; parallel::PARTS])
}

/// Plans with less work than this (multiply-accumulates plus elements held) run on the calling thread alone.
const SMALL: u64 = 1 << 19;

/// The CPU as an [`Executor`].
pub struct Cpu<T: Real> {
    ledger: Ledger<LoadedPlan<T>>,
    arenas: [Vec<T>; 6],
    stores: sampling::Stores,
    lanes: Lanes<T>,
    shared: Vec<T>,
    losses: Vec<f32>,
    pool: Option<rayon::ThreadPool>,
    poison: bool,
    memory: u64,
}

struct LoadedPlan<T> {
    plan: Arc<Plan>,
    slots: Vec<Vec<T>>,
    small: bool,
}

impl<T: Real> Default for Cpu<T> {
    fn default() -> Self {
        Cpu {
            ledger: Ledger::default(),
            arenas: Default::default(),
            stores: Default::default(),
            lanes: Default::default(),
            shared: Vec::new(),
            losses: Vec::new(),
            pool: None,
            poison: false,
            memory: memory::limit(),
        }
    }
}

impl<T: Real> Cpu<T> {
    /// An executor on all cores.
    pub fn new() -> Self {
        Self::default()
    }

    /// An executor on `threads` threads of its own.
    ///
    /// # Errors
    /// When the threads cannot be started.
    pub fn with_threads(threads: usize) -> Result<Self> {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
        let pool = pool.map_err(|e| Error::device(format!("{threads} threads could not be started: {e}")))?;
        Ok(Cpu { pool: Some(pool), ..Self::default() })
    }

    /// Fills every output with NaN before its step, so that an element left unwritten shows. For tests.
    pub fn poisoned(mut self) -> Self {
        self.poison = true;
        self
    }

    /// Refuses plans with which the executor would hold more than `bytes`, instead of [`memory::limit`].
    pub fn with_memory(mut self, bytes: u64) -> Self {
        self.memory = bytes;
        self
    }

    fn threads(&self) -> usize {
        self.pool.as_ref().map_or_else(rayon::current_num_threads, rayon::ThreadPool::current_num_threads)
    }

    /// A tensor's values unrounded: inputs, state, outputs, and in plans that share no slots everything else.
    ///
    /// # Errors
    /// When the plan gives the tensor no place of its own.
    pub fn values(&self, plan: PlanId, tensor: TensorId) -> Result<Vec<T>> {
        let loaded = self.ledger.get(plan)?;
        match loaded.plan.storage.get(tensor.0) {
            Some(&place @ (Storage::Slot(_) | Storage::Arena { .. })) => {
                Ok(self.at(loaded, place, loaded.plan.shape(tensor).len()).to_vec())
            }
            Some(Storage::DatasetBuffer(_) | Storage::Fused) | None => {
                Err(Error::input(format!("{tensor:?} has no values to read")))
            }
        }
    }

    /// The values of a place that has some.
    fn at<'a>(&'a self, loaded: &'a LoadedPlan<T>, place: Storage, len: usize) -> &'a [T] {
        match place {
            Storage::Slot(slot) => &loaded.slots[slot][..len],
            Storage::Arena { arena, offset } => &self.arenas[arena as usize][offset..offset + len],
            Storage::DatasetBuffer(_) | Storage::Fused => &[],
        }
    }

    /// Sets an input or state unrounded.
    ///
    /// # Errors
    /// When the tensor is neither, or the length differs.
    pub fn set_values(&mut self, plan: PlanId, tensor: TensorId, values: &[T]) -> Result<()> {
        let loaded = self.ledger.get_mut(plan)?;
        let known = loaded.plan.tensors.get(tensor.0);
        let Some((&Storage::Arena { arena, offset }, known)) = loaded.plan.storage.get(tensor.0).zip(known) else {
            return self.set_input(plan, tensor, values);
        };
        if values.len() != known.shape.len() {
            let why = format!("is {}; {} values were given", known.shape, values.len());
            return Err(Error::tensor(&known.name, why));
        }
        self.arenas[arena as usize][offset..offset + values.len()].copy_from_slice(values);
        Ok(())
    }

    fn set_input(&mut self, plan: PlanId, tensor: TensorId, values: &[T]) -> Result<()> {
        // Nothing reads an input that was fused away.
        if let Storage::Slot(slot) = self.ledger.input(plan, tensor, values.len())? {
            self.ledger.get_mut(plan)?.slots[slot][..values.len()].copy_from_slice(values);
        }
        Ok(())
    }

    /// Bytes the executor will hold once it has loaded a plan: `held` elements of slots, `lane` of working memory for each
    /// thread and `shared` for all, beside arenas and stores.
    fn predicted(&self, plan: &Plan, held: usize, lane: usize, shared: usize) -> u64 {
        let beyond = |want: usize, have: usize| want.saturating_sub(have) as u64;
        let lanes = lane as u64 * (self.threads() as u64 + 1);
        let arenas = plan.arenas.iter().map(|&a| beyond(plan.layout.len(a), self.arenas[a as usize].len()));
        let elements = held as u64 + arenas.sum::<u64>() + beyond(shared, self.shared.len());
        let elements = elements + lanes.saturating_sub(self.lanes.len() as u64);
        let stores = plan.stores().map(|(store, len)| (store.width() * len) as u64).sum::<u64>();
        self.allocated() - self.stores.len() as u64
            + stores.max(self.stores.len() as u64)
            + elements.saturating_mul(size_of::<T>() as u64)
    }

    /// Runs `work` inside the thread pool, so that each parallel operator begins without waking anyone from outside;
    /// on the calling thread when the plan is small.
    fn inside(&mut self, plan: PlanId, work: impl FnOnce(&mut Self) + Send) {
        let small = self.ledger.get(plan).is_ok_and(|p| p.small);
        match self.pool.take() {
            Some(pool) => {
                pool.install(|| work(self));
                self.pool = Some(pool);
            }
            None if small => work(self),
            None => rayon::scope(|_| work(self)),
        }
    }

    fn run_step(&mut self, id: PlanId, index: usize, clock: StepParams) {
        let Ok(loaded) = self.ledger.get_mut(id) else { return };
        let plan = &*loaded.plan;
        let step = &plan.steps[index];
        let shared = &mut self.shared[..];
        let Some(output) = step.output else {
            return step::effect(plan, &loaded.slots, &mut self.arenas, step, &clock, shared);
        };
        let len = plan.shape(output).len();
        // What is written is taken out, so that everything else can be read beside it.
        let (mut target, start) = match plan.storage[output.0] {
            Storage::Slot(slot) => (take(&mut loaded.slots[slot]), 0),
            Storage::Arena { arena, offset } => (take(&mut self.arenas[arena as usize]), offset),
            Storage::DatasetBuffer(_) | Storage::Fused => panic!("the plan was verified: results have a place"),
        };
        let out = &mut target[start..start + len];
        if self.poison {
            out.fill(T::NAN);
        }
        let (slots, arenas, stores, lanes) = (&loaded.slots[..], &self.arenas, &self.stores, &self.lanes);
        step::compute(&Context { plan, slots, arenas, stores, lanes, clock }, step, out, shared);
        if let Some(term) = plan.term(output) {
            let part = out[0].narrow() * term.share;
            match self.losses.last_mut().filter(|_| !term.first) {
                Some(loss) => *loss += part,
                None => self.losses.push(part),
            }
        }
        match plan.storage[output.0] {
            Storage::Slot(slot) => loaded.slots[slot] = target,
            Storage::Arena { arena, .. } => self.arenas[arena as usize] = target,
            Storage::DatasetBuffer(_) | Storage::Fused => {}
        }
    }
}

impl<T: Real> Executor for Cpu<T> {
    fn name(&self) -> String {
        format!("CPU ({} threads, {})", self.threads(), T::NAME)
    }

    fn load(&mut self, plan: Arc<Plan>) -> Result<PlanId> {
        self.ledger.admit(&plan)?;
        let threads = self.threads();
        let (mut lane, mut shared) = (0, 0);
        for step in &plan.steps {
            let (own, common) = step::memory(&plan, step);
            (lane, shared) = (lane.max(own), shared.max(common));
        }
        let held: usize = plan.slots.iter().sum();
        memory::check(self.predicted(&plan, held, lane, shared), self.memory).map_err(|e| e.on("CPU"))?;
        for &arena in &plan.arenas {
            self.arenas[arena as usize].resize(plan.layout.len(arena), T::ZERO);
        }
        for (store, len) in plan.stores() {
            self.stores.reserve(store, len);
        }
        self.lanes.reserve(threads, lane);
        if self.shared.len() < shared {
            self.shared.resize(shared, T::ZERO);
        }
        let loaded = LoadedPlan {
            slots: plan.slots.iter().map(|&len| vec![T::ZERO; len]).collect(),
            small: plan.macs() + held as u64 + (plan.layout.len(Arena::Parameters) as u64) < SMALL,
            plan: plan.clone(),
        };
        Ok(self.ledger.insert(plan, loaded))
    }

    fn unload(&mut self, plan: PlanId) -> Result<()> {
        self.ledger.remove(plan).map(drop)
    }

    fn write(&mut self, plan: PlanId, tensor: TensorId, values: &[f32]) -> Result<()> {
        let values: Vec<T> = values.iter().map(|&v| T::of(v.into())).collect();
        self.set_input(plan, tensor, &values)
    }

    fn read(&mut self, plan: PlanId, tensor: TensorId) -> Result<Vec<f32>> {
        let (place, len) = self.ledger.output(plan, tensor)?;
        Ok(self.at(self.ledger.get(plan)?, place, len).iter().map(|v| v.narrow()).collect())
    }

    fn write_state(&mut self, arena: Arena, values: &[f32]) -> Result<()> {
        self.ledger.fills(arena, values.len())?;
        self.arenas[arena as usize].iter_mut().zip(values).for_each(|(s, &v)| *s = T::of(v.into()));
        Ok(())
    }

    fn read_state(&mut self, arena: Arena) -> Result<Vec<f32>> {
        self.ledger.arena(arena)?;
        Ok(self.arenas[arena as usize].iter().map(|v| v.narrow()).collect())
    }

    fn write_store(&mut self, store: DatasetBuffer, bytes: &[u8]) -> Result<()> {
        self.ledger.store(store, bytes)?;
        self.stores.bytes(store)[..bytes.len()].copy_from_slice(bytes);
        Ok(())
    }

    fn run(&mut self, plan: PlanId, clocks: &[StepParams]) -> Result<()> {
        self.ledger.clocks(plan, clocks)?;
        let steps = self.ledger.get(plan)?.plan.steps.len();
        self.inside(plan, |cpu| {
            for (slot, &clock) in clocks.iter().enumerate() {
                let clock = StepParams { slot: slot as u32, ..clock };
                (0..steps).for_each(|i| cpu.run_step(plan, i, clock));
            }
        });
        Ok(())
    }

    fn losses(&mut self) -> Result<Vec<f32>> {
        Ok(take(&mut self.losses))
    }

    fn profile(&mut self, plan: PlanId, clock: &StepParams) -> Result<Vec<f64>> {
        self.ledger.clocks(plan, std::slice::from_ref(clock))?;
        let steps = self.ledger.get(plan)?.plan.steps.len();
        let mut times = vec![0.0; steps];
        self.inside(plan, |cpu| {
            for (i, time) in times.iter_mut().enumerate() {
                let start = Instant::now();
                cpu.run_step(plan, i, *clock);
                *time = start.elapsed().as_nanos() as f64;
            }
        });
        Ok(times)
    }

    fn allocated(&self) -> u64 {
        let slots: usize = self.ledger.iter().flat_map(|p| &p.slots).map(Vec::len).sum();
        let arenas: usize = self.arenas.iter().map(Vec::len).sum();
        let elements = slots + arenas + self.shared.len() + self.lanes.len();
        (elements * size_of::<T>() + self.stores.len()) as u64
    }
}
