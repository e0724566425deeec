//! Making everything a plan needs before it runs: slots, scratch, parameters, bind groups.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use super::context::{Context, Pipeline, REMEDY, mib};
use super::contraction::Class;
use super::contraction::Shapes;
use super::launch::{Launch, Operand};
use super::lower::{self, Lowered};
use super::parts::{self, Part};
use super::submission_budget::SubmissionBudget;
use crate::graph::{Arena, DatasetBuffer, Plan, Step, Storage, TensorId};
use crate::{Error, Result};

/// Bytes behind every slot that tests watch.
pub(super) const GUARD: u64 = 256;
/// What stands in them: a NaN nobody computes.
pub(super) const GUARD_WORD: u32 = 0x7fc0_dead;
/// Bytes between the parameters of launches: the largest alignment of uniforms in use.
const PARAMS_STRIDE: u64 = 256;

/// State that plans share.
#[derive(Default)]
pub(super) struct Shared {
    /// Counts changes of the parameters and their average.
    pub(super) version: u64,
    pub(super) arenas: HashMap<Arena, wgpu::Buffer>,
    pub(super) stores: HashMap<DatasetBuffer, wgpu::Buffer>,
}

/// A launch with everything it needs.
pub(super) struct Recorded {
    /// Steps of the plan that it belongs to.
    pub(super) steps: Range<usize>,
    pub(super) pipeline: Arc<Pipeline>,
    pub(super) group: wgpu::BindGroup,
    pub(super) groups: [u32; 3],
    /// Share of the run's time, by the work counted.
    pub(super) weight: f64,
}

/// A plan that is ready to run.
pub(super) struct LoadedPlan {
    pub(super) plan: Arc<Plan>,
    pub(super) slots: Vec<wgpu::Buffer>,
    pub(super) scratch: Vec<wgpu::Buffer>,
    /// What every run dispatches.
    pub(super) recorded: Vec<Recorded>,
    /// What runs once when the parameters have changed, and the version it last ran for.
    pub(super) once: Vec<Recorded>,
    pub(super) settled: Option<u64>,
    pub(super) kept: HashMap<TensorId, wgpu::Buffer>,
    pub(super) pace: SubmissionBudget,
    pub(super) shapes: Shapes,
    launches: Vec<Lowering>,
    params: wgpu::Buffer,
}

/// A launch with the steps that it belongs to, its share of the run's time, and the parts that it is dispatched in.
struct Lowering {
    steps: Range<usize>,
    launch: Launch,
    weight: f64,
    parts: Vec<Part>,
}

impl Lowering {
    /// Places for its parameters, and for each part where there are several.
    fn storage(&self) -> u64 {
        if self.parts.len() > 1 { 1 + self.parts.len() as u64 } else { 1 }
    }
}

impl LoadedPlan {
    /// Makes the plan's own buffers and pipelines; `bind` follows.
    pub(super) fn new(context: &Context, plan: Arc<Plan>, class: Class, shapes: Shapes) -> Result<Self> {
        let storage = wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_SRC | wgpu::BufferUsages::COPY_DST;
        let most = context.binding_limit() as usize / 4;
        let mut launches: Vec<(Range<usize>, Launch)> = Vec::new();
        for Lowered { steps, launches: of } in lower::all(&plan, class, &shapes, most) {
            launches.extend(of.into_iter().map(|l| (steps.clone(), l)));
        }
        check(context, &plan, &launches)?;
        let limit = context.dispatch_limit();
        let part = |(steps, mut launch): (Range<usize>, Launch)| {
            let weight: f64 = plan.steps[steps.clone()].iter().map(|step| weight(&plan, step)).sum();
            let parts = parts::cut(&mut launch, weight / context.rate(), limit);
            Lowering { steps, launch, weight, parts }
        };
        let launches: Vec<Lowering> = launches.into_iter().map(part).collect();
        let guard = if context.options.inspect { GUARD } else { 0 };
        let mut slots = Vec::new();
        for (i, &elements) in plan.slots.iter().enumerate() {
            let own = (4 * elements as u64).next_multiple_of(16);
            let slot = context.buffer(&format!("slot {i}"), own + guard, storage)?;
            if guard > 0 {
                let words = vec![GUARD_WORD; GUARD as usize / 4];
                context.queue.write_buffer(&slot, own, bytemuck::cast_slice(&words));
            }
            slots.push(slot);
        }
        let (mut sizes, mut kept): (Vec<usize>, _) = (Vec::new(), HashMap::new());
        for (_, operand) in launches.iter().flat_map(|lowering| &lowering.launch.bindings) {
            match *operand {
                Operand::Scratch { index, elements } => {
                    sizes.resize(sizes.len().max(index + 1), 0);
                    sizes[index] = sizes[index].max(elements);
                }
                Operand::Kept { of, elements } if !kept.contains_key(&of) => {
                    kept.insert(of, context.buffer("kept", 4 * elements as u64, storage)?);
                }
                Operand::Kept { .. } | Operand::Tensor(_) | Operand::Part { .. } | Operand::Ring => {}
            }
        }
        let mut scratch = Vec::new();
        for (i, elements) in sizes.into_iter().enumerate() {
            scratch.push(context.buffer(&format!("scratch {i}"), 4 * elements as u64, storage)?);
        }
        let uniform = wgpu::BufferUsages::UNIFORM | wgpu::BufferUsages::COPY_DST;
        let storage: u64 = launches.iter().map(Lowering::storage).sum();
        let params = context.buffer("parameters", PARAMS_STRIDE * storage, uniform)?;
        let work: f64 = plan.steps.iter().map(|step| weight(&plan, step)).sum();
        let pace = SubmissionBudget::new(context.options.submission.as_secs_f64(), work / context.rate());
        let (recorded, once, settled) = (Vec::new(), Vec::new(), None);
        Ok(LoadedPlan { plan, slots, scratch, recorded, once, settled, kept, pace, shapes, launches, params })
    }

    /// Ties launches to buffers; once at load, and again when a store has to grow for a later plan.
    pub(super) fn bind(&mut self, context: &mut Context, shared: &Shared, fixed: &Fixed) -> Result<()> {
        let plain: Vec<Launch> = self.launches.iter().map(|lowering| lowering.launch.clone()).collect();
        let pipelines = context.pipelines(&plain)?;
        let mut bytes = vec![0u8; self.params.size() as usize];
        let (mut recorded, mut once, mut place) = (Vec::new(), Vec::new(), 0);
        for (lowering, pipeline) in self.launches.iter().zip(pipelines) {
            let Lowering { steps, launch, weight, parts } = lowering;
            let offset = PARAMS_STRIDE * place;
            place += lowering.storage();
            fill(&mut bytes[offset as usize..], launch, &pipeline)?;
            let mut entries = Vec::new();
            if let Some(params) = &pipeline.entry.params {
                let size = wgpu::BufferSize::new(u64::from(params.size).next_multiple_of(16));
                entries.push(entry(params.index, &self.params, offset, size));
            }
            for (name, _) in &launch.bindings {
                if !pipeline.entry.bindings.iter().any(|b| b.name == *name) {
                    return Err(fault(launch, format!("it has no variable `{name}`")));
                }
            }
            for binding in &pipeline.entry.bindings {
                let found = launch.bindings.iter().find(|(name, _)| *name == binding.name);
                let dummy = &fixed.dummies[usize::from(binding.writes)];
                entries.push(match found {
                    None => entry(binding.index, dummy, 0, None),
                    Some(&(_, operand)) => {
                        let (buffer, offset, bytes) = self.resolve(operand, shared, fixed, launch)?;
                        entry(binding.index, buffer, offset, wgpu::BufferSize::new(bytes))
                    }
                });
            }
            let label = &self.plan.steps[steps.start].label;
            let to = if launch.once { &mut once } else { &mut recorded };
            for (nth, part) in (1..).zip(parts) {
                let mut entries = entries.clone();
                if let Some(index) = pipeline.entry.part {
                    let offset = offset + PARAMS_STRIDE * nth;
                    bytes[offset as usize..][..parts::BYTES as usize].copy_from_slice(&part.bytes(launch.groups));
                    entries.push(entry(index, &self.params, offset, wgpu::BufferSize::new(parts::BYTES)));
                }
                to.push(Recorded {
                    steps: steps.clone(),
                    pipeline: pipeline.clone(),
                    group: context.bind_group(label, &pipeline.layout, &entries),
                    groups: part.groups,
                    weight: weight / parts.len() as f64,
                });
            }
        }
        context.queue.write_buffer(&self.params, 0, &bytes);
        context.check("binding buffers")?;
        (self.recorded, self.once) = (recorded, once);
        Ok(())
    }

    fn resolve<'a>(
        &'a self,
        operand: Operand,
        shared: &'a Shared,
        fixed: &'a Fixed,
        launch: &Launch,
    ) -> Result<(&'a wgpu::Buffer, u64, u64)> {
        let missing = |what: &str| fault(launch, format!("there is no {what}"));
        let fours = |elements: usize| (4 * elements as u64).next_multiple_of(16);
        let arena = |arena: &Arena| shared.arenas.get(arena).ok_or_else(|| missing("arena"));
        Ok(match operand {
            Operand::Tensor(tensor) => {
                let len = self.plan.shape(tensor).len();
                match self.plan.storage[tensor.0] {
                    // The guard is bound too, or a kernel could not reach it.
                    Storage::Slot(slot) if self.slots[slot].size() > fours(self.plan.slots[slot]) => {
                        (&self.slots[slot], 0, self.slots[slot].size())
                    }
                    Storage::Slot(slot) => (&self.slots[slot], 0, fours(len)),
                    Storage::Arena { arena: which, offset } => (arena(&which)?, 4 * offset as u64, fours(len)),
                    Storage::DatasetBuffer(store) => {
                        let buffer = shared.stores.get(&store).ok_or_else(|| missing("store"))?;
                        (buffer, 0, buffer.size())
                    }
                    Storage::Fused => return Err(missing("place for a fused tensor")),
                }
            }
            Operand::Part { arena: which, offset, elements } => (arena(&which)?, 4 * offset as u64, fours(elements)),
            Operand::Scratch { index, elements } => (&self.scratch[index], 0, fours(elements)),
            Operand::Kept { of, elements } => (&self.kept[&of], 0, fours(elements)),
            Operand::Ring => (&fixed.ring, 0, fixed.ring.size()),
        })
    }

    /// Bytes of the plan's own buffers.
    pub(super) fn bytes(&self) -> u64 {
        let all = self.slots.iter().chain(&self.scratch).chain(self.kept.values()).chain([&self.params]);
        all.map(wgpu::Buffer::size).sum()
    }
}

/// Buffers that every plan uses.
pub(super) struct Fixed {
    /// Stand-ins for what a launch does not bind: one to read, one to write.
    pub(super) dummies: [wgpu::Buffer; 2],
    /// Losses of the steps of a submission.
    pub(super) ring: wgpu::Buffer,
}

fn entry(binding: u32, buffer: &wgpu::Buffer, offset: u64, size: Option<wgpu::BufferSize>) -> wgpu::BindGroupEntry<'_> {
    wgpu::BindGroupEntry {
        binding,
        resource: wgpu::BindingResource::Buffer(wgpu::BufferBinding { buffer, offset, size }),
    }
}

fn fault(launch: &Launch, message: String) -> Error {
    Error::execution(format!("kernel {}::{}", launch.shader, launch.entry), message)
}

/// Writes the launch's parameters where the kernel expects them.
fn fill(bytes: &mut [u8], launch: &Launch, pipeline: &Pipeline) -> Result<()> {
    for (name, value) in &launch.params {
        let fields = pipeline.entry.params.iter().flat_map(|p| &p.fields);
        let Some((_, offset)) = fields.into_iter().find(|(field, _)| field == name) else {
            return Err(fault(launch, format!("it has no parameter `{name}`")));
        };
        let at = *offset as usize;
        bytes[at..at + 4].copy_from_slice(&value.bits().to_le_bytes());
    }
    Ok(())
}

/// Work of a step in multiply-accumulates, where only products and convolutions are known; the others move memory.
fn weight(plan: &Plan, step: &Step) -> f64 {
    let moved: usize = step.reads().chain(step.output).map(|t| plan.shape(t).len()).sum();
    plan.step_macs(step) as f64 + 8.0 * moved as f64 + 1.0
}

/// Checks bindings and dispatches against the device before anything is made.
fn check(context: &Context, plan: &Plan, launches: &[(Range<usize>, Launch)]) -> Result<()> {
    let limits = context.device.limits();
    let most = context.binding_limit();
    for (steps, launch) in launches {
        let step = &plan.steps[steps.start];
        for (_, operand) in &launch.bindings {
            let (what, bytes) = match *operand {
                Operand::Tensor(t) => {
                    let width = match plan.storage[t.0] {
                        Storage::DatasetBuffer(store) => store.width(),
                        Storage::Slot(_) | Storage::Arena { .. } | Storage::Fused => 4,
                    };
                    let shape = plan.shape(t);
                    (format!("`{}` [{shape}]", plan.tensors[t.0].name), (width * shape.len()) as u64)
                }
                Operand::Part { arena, elements, .. } => (format!("the state {arena:?}"), 4 * elements as u64),
                Operand::Scratch { elements, .. } | Operand::Kept { elements, .. } => {
                    ("scratch memory".into(), 4 * elements as u64)
                }
                Operand::Ring => continue,
            };
            if bytes.next_multiple_of(16) > most {
                let (need, have) = (mib(bytes), mib(most));
                let why = format!("{what} of `{}` needs {need} in one binding; this device allows {have}", step.label);
                return Err(Error::device(format!("{why}; {REMEDY}")).on(&context.info.name));
            }
        }
        let allowed = limits.max_compute_workgroups_per_dimension;
        if let Some(groups) = launch.groups.iter().find(|&&n| n > allowed) {
            let why = format!("`{}` needs {groups} workgroups along one dimension", step.label);
            let why = format!("{why}; this device allows {allowed}; {REMEDY}");
            return Err(Error::device(why).on(&context.info.name));
        }
    }
    Ok(())
}
