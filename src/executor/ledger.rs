//! What an executor holds and what may be asked of it: one set of rules for every device.
//!
//! Kernels run without bounds checks. They rely on plans, which are verified where they are made, and on what is checked
//! here: no id of another executor, no value too many, no run that reads past what was written to the dataset's stores.

use std::sync::Arc;

use super::PlanId;
use crate::data::PictureEntry;
use crate::graph::{Arena, DatasetBuffer, Layout, Op, Plan, Step, StepParams, Storage, TensorId, TensorSource};
use crate::{Error, Result};

/// The plans of an executor, each with what the device made for it, and what is known of the state they share.
pub(crate) struct Ledger<L> {
    entries: Vec<Option<Entry<L>>>,
    layout: Option<Layout>,
    arenas: Vec<Arena>,
    /// Bytes that the largest plan so far has room for, by store.
    room: [u64; DatasetBuffer::ALL.len()],
    /// Bytes written, from a store's beginning.
    written: [u64; DatasetBuffer::ALL.len()],
    /// The pictures that patches are drawn from, as they were written.
    table: Vec<PictureEntry>,
    /// Counts what was written to stores.
    version: u64,
}

struct Entry<L> {
    plan: Arc<Plan>,
    loaded: L,
    /// Pictures that were found to be in the stores, and the version of these at the time.
    proven: Option<(u32, u64)>,
}

impl<L> Default for Ledger<L> {
    fn default() -> Self {
        Ledger {
            entries: Vec::new(),
            layout: None,
            arenas: Vec::new(),
            room: Default::default(),
            written: Default::default(),
            table: Vec::new(),
            version: 0,
        }
    }
}

impl<L> Ledger<L> {
    /// Whether a plan can be loaded beside those that are.
    ///
    /// # Errors
    /// When its state is laid out in another way.
    pub fn admit(&self, plan: &Plan) -> Result<()> {
        match &self.layout {
            Some(layout) if *layout != plan.layout => Err(Error::input(
                "the plan has other parameters than those loaded before; open another executor for it",
            )),
            _ => Ok(()),
        }
    }

    /// Takes in a plan that was admitted, with what the device made for it.
    pub fn insert(&mut self, plan: Arc<Plan>, loaded: L) -> PlanId {
        self.layout.get_or_insert_with(|| plan.layout.clone());
        self.arenas.extend(&plan.arenas);
        self.arenas.sort();
        self.arenas.dedup();
        for (store, len) in plan.stores() {
            let room = &mut self.room[store as usize];
            *room = (*room).max((store.width() * len) as u64);
        }
        self.entries.push(Some(Entry { plan, loaded, proven: None }));
        PlanId(self.entries.len() - 1)
    }

    /// Forgets a plan and yields what the device made for it.
    ///
    /// # Errors
    /// When it is not loaded, or no longer.
    pub fn remove(&mut self, plan: PlanId) -> Result<L> {
        let entry = self.entries.get_mut(plan.0).and_then(Option::take);
        entry.map(|entry| entry.loaded).ok_or_else(unknown)
    }

    /// What the device made for a plan.
    ///
    /// # Errors
    /// When it is not loaded.
    pub fn get(&self, plan: PlanId) -> Result<&L> {
        Ok(&self.entry(plan)?.loaded)
    }

    /// As [`Ledger::get`].
    ///
    /// # Errors
    /// As [`Ledger::get`].
    pub fn get_mut(&mut self, plan: PlanId) -> Result<&mut L> {
        let entry = self.entries.get_mut(plan.0).and_then(Option::as_mut);
        entry.map(|entry| &mut entry.loaded).ok_or_else(unknown)
    }

    /// What the device made for all plans.
    pub fn iter(&self) -> impl Iterator<Item = &L> {
        self.entries.iter().flatten().map(|entry| &entry.loaded)
    }

    /// As [`Ledger::iter`].
    pub fn iter_mut(&mut self) -> impl Iterator<Item = &mut L> {
        self.entries.iter_mut().flatten().map(|entry| &mut entry.loaded)
    }

    fn entry(&self, plan: PlanId) -> Result<&Entry<L>> {
        self.entries.get(plan.0).and_then(Option::as_ref).ok_or_else(unknown)
    }

    /// Where an input's values go: a slot, or [`Storage::Fused`] where nothing reads it.
    ///
    /// # Errors
    /// When the tensor is no input of the plan or has another number of values.
    pub fn input(&self, plan: PlanId, tensor: TensorId, values: usize) -> Result<Storage> {
        let plan = &self.entry(plan)?.plan;
        let known = plan.tensors.get(tensor.0).ok_or_else(foreign)?;
        if known.source != TensorSource::Input {
            return Err(Error::tensor(&known.name, "is no input of the plan"));
        }
        if known.shape.len() != values {
            return Err(Error::tensor(&known.name, format!("is {}; {values} values were given", known.shape)));
        }
        Ok(plan.storage[tensor.0])
    }

    /// Where the values of a tensor that outlives a run are, and how many: a slot, or part of an arena.
    ///
    /// # Errors
    /// When the tensor is none of the plan, or neither an input nor state nor an output.
    pub fn output(&self, plan: PlanId, tensor: TensorId) -> Result<(Storage, usize)> {
        let plan = &self.entry(plan)?.plan;
        let known = plan.tensors.get(tensor.0).ok_or_else(foreign)?;
        let kept = known.source == TensorSource::Input || plan.outputs.contains(&tensor);
        match plan.storage[tensor.0] {
            place @ Storage::Slot(_) if kept => Ok((place, known.shape.len())),
            place @ Storage::Arena { .. } => Ok((place, known.shape.len())),
            Storage::Slot(_) | Storage::DatasetBuffer(_) | Storage::Fused => {
                Err(Error::tensor(&known.name, "is not kept after a run; make it an output of the graph"))
            }
        }
    }

    /// Elements of an arena that is there.
    ///
    /// # Errors
    /// When no plan so far had it.
    pub fn arena(&self, arena: Arena) -> Result<usize> {
        match &self.layout {
            Some(layout) if self.arenas.contains(&arena) => Ok(layout.len(arena)),
            _ => Err(Error::input(format!("no loaded plan has the state {arena:?}"))),
        }
    }

    /// Whether so many values are a whole arena.
    ///
    /// # Errors
    /// When they are not, or no plan so far had the arena.
    pub fn fills(&self, arena: Arena, values: usize) -> Result<()> {
        match self.arena(arena)? {
            len if len == values => Ok(()),
            len => Err(Error::input(format!("{arena:?} holds {len} values, not {values}"))),
        }
    }

    /// Whether a store takes these bytes; remembers them as written.
    ///
    /// # Errors
    /// When there are more than plans so far have room for, or the bytes are no whole elements.
    pub fn store(&mut self, store: DatasetBuffer, bytes: &[u8]) -> Result<()> {
        let (room, len) = (self.room[store as usize], bytes.len() as u64);
        if len > room {
            return Err(Error::input(format!(
                "{store:?} has room for {room} bytes, not {len}: load a plan with more first"
            )));
        }
        let element = if store == DatasetBuffer::Table { size_of::<PictureEntry>() } else { store.width() };
        if !bytes.len().is_multiple_of(element) {
            return Err(Error::input(format!("{store:?} takes elements of {element} bytes, not {len} bytes")));
        }
        if store == DatasetBuffer::Table {
            self.table = bytemuck::pod_collect_to_vec(bytes);
        }
        self.written[store as usize] = len;
        self.version += 1;
        Ok(())
    }

    /// Whether a plan can run with these step parameters.
    ///
    /// # Errors
    /// When a run would read past what was written to a store, or could only spoil the weights.
    pub fn clocks(&mut self, plan: PlanId, clocks: &[StepParams]) -> Result<()> {
        let entry = self.entry(plan)?;
        let (version, mut proven) = (self.version, entry.proven);
        for clock in clocks {
            for step in &entry.plan.steps {
                match step.op {
                    Op::SampleRows { batch, first } => self.rows(&entry.plan, step, first + batch, clock)?,
                    Op::SamplePatches { .. } if proven == Some((clock.count, version)) => {}
                    Op::SamplePatches { .. } => self.patches(&entry.plan, step, clock.count)?,
                    Op::Update { .. } => update(clock)?,
                    _ => {}
                }
            }
            proven = Some((clock.count, version));
        }
        if let Some(entry) = &mut self.entries[plan.0] {
            entry.proven = proven;
        }
        Ok(())
    }

    /// Rows that the store holds, for a plan that draws `batch` of the clock's `count`.
    fn rows(&self, plan: &Plan, step: &Step, batch: usize, clock: &StepParams) -> Result<()> {
        let (store, columns) = drawn(plan, step);
        let held = self.written[store as usize] / (store.width() * columns) as u64;
        let &StepParams { count, offset, .. } = clock;
        let why = if u64::from(count) > held {
            format!("{count} rows are to be drawn from; {store:?} holds {held}")
        } else if count == 0 || batch > count as usize {
            format!("a batch of {batch} rows is to be drawn from {count}")
        } else if offset >= count {
            format!("the batch begins at row {offset} of {count}")
        } else {
            return Ok(());
        };
        Err(Error::input(format!("layer `{}`: {why}", step.label)))
    }

    /// Whether the table's first `count` pictures lie in their store and their positions are counted for the patch.
    fn patches(&self, plan: &Plan, step: &Step, count: u32) -> Result<()> {
        let Op::SamplePatches { patch, scale, high, .. } = step.op else { return Ok(()) };
        let (store, channels) = drawn(plan, step);
        let fail = |why: String| Err(Error::input(format!("layer `{}`: {why}", step.label)));
        let Some(table) = self.table.get(..count as usize).filter(|table| !table.is_empty()) else {
            return fail(format!("{count} pictures are to be drawn from; the table holds {}", self.table.len()));
        };
        let held = self.written[store as usize];
        let mut end = 0u64;
        for (i, entry) in table.iter().enumerate() {
            let [width, height] = [entry.width, entry.height].map(u64::from);
            let side = patch as u64;
            if width.min(height) < side {
                return fail(format!("picture {i} of the table is {width}x{height}, smaller than patches of {patch}"));
            }
            end = end.saturating_add((width - side + 1).saturating_mul(height - side + 1));
            if end != u64::from(entry.end) {
                return fail(format!("the table counts {} positions up to picture {i}, which are {end}", entry.end));
            }
            let pixels = u128::from(width) * u128::from(height) * (scale * scale) as u128;
            let from = u128::from(if high { entry.high } else { entry.low });
            if from + pixels * channels as u128 > u128::from(held) {
                return fail(format!("picture {i} of the table ends past the {held} bytes of {store:?}"));
            }
        }
        Ok(())
    }
}

/// The store that a step draws from, and the values of one of its rows.
fn drawn(plan: &Plan, step: &Step) -> (DatasetBuffer, usize) {
    let tensor = &plan.tensors[step.inputs[0].0];
    let TensorSource::Dataset(store) = tensor.source else { unreachable!("the graph checked it") };
    (store, if tensor.shape.rank() == 1 { 1 } else { tensor.shape.columns() })
}

/// Whether an update can be one: the count of steps from 1 (Adam divides by `1 - beta^step`), and factors that are numbers.
fn update(clock: &StepParams) -> Result<()> {
    let StepParams { step, loss_scale, learning_rate, .. } = *clock;
    if step == 0 {
        return Err(Error::input("an update is number 0; they are counted from 1"));
    }
    if !(loss_scale.is_finite() && loss_scale > 0.0) {
        return Err(Error::input(format!("step {step}: a loss scale of {loss_scale} leaves no gradient")));
    }
    if !learning_rate.is_finite() {
        return Err(Error::input(format!("step {step}: the learning rate is {learning_rate}")));
    }
    Ok(())
}

fn unknown() -> Error {
    Error::input("the plan is not loaded, or no longer")
}

fn foreign() -> Error {
    Error::input("the tensor is none of the plan's")
}
