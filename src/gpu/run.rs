//! Running: steps encoded into submissions, a few in flight, losses collected as they are done.

use std::collections::VecDeque;
use std::ops::Range;
use std::time::{Duration, Instant};

use super::context::Context;
use super::health::Expected;
use super::load::{Fixed, LoadedPlan, Recorded, Shared};
use super::submission_budget::RING;
use crate::graph::{StepParams, Storage};
use crate::{Error, Result};

/// Submissions that may be under way at once.
const IN_FLIGHT: usize = 3;
/// Bytes between clocks: the largest alignment of uniforms in use.
pub(super) const CLOCK_STRIDE: usize = 256;

/// A submission under way.
struct Submission {
    index: wgpu::SubmissionIndex,
    /// Losses it brings, and the staging buffer they come in.
    losses: usize,
    staging: usize,
    started: Instant,
    /// Steps it completes.
    steps: usize,
    /// Whether its time says what steps cost.
    whole: bool,
    name: String,
    expected: Expected,
}

/// What runs share.
pub(super) struct Runner {
    clocks: wgpu::Buffer,
    clock_groups: Vec<wgpu::BindGroup>,
    staging: Vec<wgpu::Buffer>,
    next: usize,
    flights: VecDeque<Submission>,
    retired: Option<Instant>,
    losses: Vec<f32>,
    /// Plans whose kept memory was made anew.
    settled: usize,
    /// Submissions of steps, or of parts of them, and the longest time that one took.
    submitted: usize,
    longest: Duration,
    /// What was submitted and nobody has waited for, beside the flights.
    beside: Expected,
    /// NaN for outputs, where tests ask for it.
    poison: Option<wgpu::Buffer>,
}

impl Runner {
    pub(super) fn new(context: &Context) -> Result<Self> {
        use wgpu::BufferUsages as U;
        let clocks = context.buffer("clocks", (RING * CLOCK_STRIDE) as u64, U::UNIFORM | U::COPY_DST)?;
        let size = wgpu::BufferSize::new(size_of::<StepParams>() as u64);
        let group = |i: usize| {
            let offset = (i * CLOCK_STRIDE) as u64;
            let binding = wgpu::BufferBinding { buffer: &clocks, offset, size };
            let entry = wgpu::BindGroupEntry { binding: 0, resource: wgpu::BindingResource::Buffer(binding) };
            context.bind_group("clock", &context.clock_layout, &[entry])
        };
        let clock_groups = (0..RING).map(group).collect();
        let staging = |_| context.buffer("losses", 4 * RING as u64, U::MAP_READ | U::COPY_DST);
        let staging = (0..IN_FLIGHT).map(staging).collect::<Result<_>>()?;
        let (flights, losses, beside) = (VecDeque::new(), Vec::new(), Expected::default());
        let (next, retired, settled, submitted, longest, poison) = (0, None, 0, 0, Duration::ZERO, None);
        Ok(Runner {
            clocks,
            clock_groups,
            staging,
            next,
            flights,
            retired,
            losses,
            settled,
            submitted,
            longest,
            beside,
            poison,
        })
    }

    /// Bytes of its buffers.
    pub(super) fn bytes(&self) -> u64 {
        let all = self.staging.iter().chain([&self.clocks]).chain(&self.poison);
        all.map(wgpu::Buffer::size).sum()
    }

    /// Makes room for poisoning results of up to `bytes`.
    pub(super) fn prepare_poison(&mut self, context: &Context, bytes: u64) -> Result<()> {
        if self.poison.as_ref().is_none_or(|b| b.size() < bytes) {
            let buffer =
                context.buffer("poison", bytes, wgpu::BufferUsages::COPY_SRC | wgpu::BufferUsages::COPY_DST)?;
            let words = vec![0x7fc0_0bad_u32; buffer.size() as usize / 4];
            context.queue.write_buffer(&buffer, 0, bytemuck::cast_slice(&words));
            self.poison = Some(buffer);
        }
        Ok(())
    }

    /// Runs the plan once per clock.
    pub(super) fn run(
        &mut self,
        context: &Context,
        loaded: &mut LoadedPlan,
        shared: &mut Shared,
        fixed: &Fixed,
        clocks: &[StepParams],
    ) -> Result<()> {
        self.settle(context, loaded, shared)?;
        let mut rest = clocks;
        while !rest.is_empty() {
            let steps = loaded.pace.steps().min(rest.len());
            let (now, later) = rest.split_at(steps);
            rest = later;
            let mut bytes = vec![0u8; steps * CLOCK_STRIDE];
            for (slot, clock) in now.iter().enumerate() {
                let clock = StepParams { slot: slot as u32, ..*clock };
                let at = slot * CLOCK_STRIDE;
                bytes[at..at + size_of::<StepParams>()].copy_from_slice(bytemuck::bytes_of(&clock));
            }
            context.queue.write_buffer(&self.clocks, 0, &bytes);
            let first = now[0].step;
            let pieces = if steps == 1 { cut(&loaded.recorded, loaded.pace.pieces()) } else { Vec::new() };
            let started = Instant::now();
            if pieces.len() < 2 {
                let all = 0..loaded.recorded.len();
                self.submit(context, loaded, shared, fixed, all, steps, first, true)?;
                if loaded.pace.learning() {
                    self.drain(context, Some(loaded))?;
                }
                continue;
            }
            let count = pieces.len();
            for (i, piece) in pieces.into_iter().enumerate() {
                let done = usize::from(i + 1 == count);
                self.submit(context, loaded, shared, fixed, piece, done, first, false)?;
            }
            if loaded.pace.learning() {
                self.drain(context, None)?;
                loaded.pace.learn(1, started.elapsed().as_secs_f64());
            }
        }
        Ok(())
    }

    /// Before a run: counts the change of the parameters that it makes, or makes anew what the plan keeps, if they have
    /// changed since it did so last. That is a submission of its own: the queue runs it before those that follow.
    pub(super) fn settle(&mut self, context: &Context, loaded: &mut LoadedPlan, shared: &mut Shared) -> Result<()> {
        if loaded.plan.moves_parameters() {
            shared.version += 1;
        }
        if loaded.once.is_empty() || loaded.settled == Some(shared.version) {
            return Ok(());
        }
        let mut encoder = context.device.create_command_encoder(&Default::default());
        if let Some(poison) = self.poison.as_ref() {
            for kept in loaded.kept.values() {
                encoder.copy_buffer_to_buffer(poison, 0, kept, 0, kept.size());
            }
        }
        record(&mut encoder.begin_compute_pass(&Default::default()), &loaded.once, &self.clock_groups[0]);
        self.beside = expected(context, &loaded.once);
        context.queue.submit([encoder.finish()]);
        loaded.settled = Some(shared.version);
        self.settled += 1;
        context.check("packing weights")
    }

    /// How often a plan's kept memory was made anew.
    pub(super) fn settled(&self) -> usize {
        self.settled
    }

    /// How many submissions were made of steps, or of parts of them.
    pub(super) fn submitted(&self) -> usize {
        self.submitted
    }

    /// The longest time that one of them took.
    pub(super) fn longest(&self) -> Duration {
        self.longest
    }

    /// Encodes and submits a range of the plan's dispatches, repeated for each of `steps` clocks; 0 steps is a part of
    /// a step that does not complete it.
    #[allow(clippy::too_many_arguments, reason = "the parts of the engine, borrowed apart")]
    fn submit(
        &mut self,
        context: &Context,
        loaded: &mut LoadedPlan,
        shared: &Shared,
        fixed: &Fixed,
        range: Range<usize>,
        steps: usize,
        first: u32,
        whole: bool,
    ) -> Result<()> {
        let name = describe(loaded, &range, steps, first);
        while self.flights.len() >= IN_FLIGHT {
            self.retire(context, Some(loaded))?;
        }
        let mut encoder = context.device.create_command_encoder(&Default::default());
        if context.options.inspect {
            self.encode_inspected(&mut encoder, loaded, shared, range.clone(), steps.max(1));
        } else {
            let mut pass = encoder.begin_compute_pass(&Default::default());
            for slot in 0..steps.max(1) {
                record(&mut pass, &loaded.recorded[range.clone()], &self.clock_groups[slot]);
            }
        }
        let losses = if loaded.plan.loss().is_some() { steps } else { 0 };
        let staging = self.next;
        if losses > 0 {
            encoder.copy_buffer_to_buffer(&fixed.ring, 0, &self.staging[staging], 0, 4 * losses as u64);
        }
        let index = context.queue.submit([encoder.finish()]);
        self.submitted += 1;
        context.check(&name)?;
        if losses > 0 {
            self.staging[staging].slice(..).map_async(wgpu::MapMode::Read, |_| {});
        }
        self.next = (self.next + 1) % IN_FLIGHT;
        let mut expected = expected(context, &loaded.recorded[range.clone()]);
        let share = expected.seconds * context.rate() / loaded.recorded.iter().map(|r| r.weight).sum::<f64>().max(1.0);
        expected.seconds = share * loaded.pace.seconds() * steps.max(1) as f64;
        let beside = std::mem::take(&mut self.beside);
        expected.seconds += beside.seconds;
        expected.fresh += beside.fresh;
        let started = Instant::now();
        self.flights.push_back(Submission { index, losses, staging, started, steps, whole, name, expected });
        Ok(())
    }

    /// Waits for the oldest submission and takes its losses.
    fn retire(&mut self, context: &Context, learner: Option<&mut LoadedPlan>) -> Result<()> {
        let Some(flight) = self.flights.pop_front() else { return Ok(()) };
        context.wait(Some(flight.index), &flight.name, flight.expected)?;
        let now = Instant::now();
        let began = self.retired.map_or(flight.started, |before| before.max(flight.started));
        self.retired = Some(now);
        self.longest = self.longest.max(now - began);
        if let (Some(loaded), true) = (learner, flight.whole) {
            loaded.pace.learn(flight.steps, (now - began).as_secs_f64());
        }
        if flight.losses > 0 {
            let staging = &self.staging[flight.staging];
            let view = staging.slice(..4 * flight.losses as u64).get_mapped_range();
            let view =
                view.map_err(|e| Error::execution(flight.name.clone(), e.to_string()).on(&context.info.title()))?;
            self.losses.extend_from_slice(bytemuck::cast_slice(&view));
            drop(view);
            staging.unmap();
        }
        Ok(())
    }

    /// Waits for everything; losses are kept for [`Runner::losses`].
    pub(super) fn finish(&mut self, context: &Context) -> Result<()> {
        self.drain(context, None)
    }

    /// Waits for everything; the measured time counts for `learner`.
    fn drain(&mut self, context: &Context, mut learner: Option<&mut LoadedPlan>) -> Result<()> {
        while !self.flights.is_empty() {
            self.retire(context, learner.as_deref_mut())?;
        }
        Ok(())
    }

    /// Waits for everything and takes the losses.
    pub(super) fn losses(&mut self, context: &Context) -> Result<Vec<f32>> {
        self.drain(context, None)?;
        Ok(std::mem::take(&mut self.losses))
    }

    /// As `record`, step by step with what a step makes filled with NaN beforehand.
    fn encode_inspected(
        &self,
        encoder: &mut wgpu::CommandEncoder,
        loaded: &LoadedPlan,
        shared: &Shared,
        range: Range<usize>,
        steps: usize,
    ) {
        for slot in 0..steps {
            let recorded = &loaded.recorded[range.clone()];
            for part in recorded.chunk_by(|a, b| a.steps == b.steps) {
                // A submission may begin in the middle of a step, whose first dispatches have left something in scratch.
                let begun = range.start > 0 && loaded.recorded[range.start - 1].steps == part[0].steps;
                if let Some(poison) = self.poison.as_ref().filter(|_| !begun) {
                    for scratch in &loaded.scratch {
                        encoder.copy_buffer_to_buffer(poison, 0, scratch, 0, scratch.size());
                    }
                    let steps = &loaded.plan.steps[part[0].steps.clone()];
                    for output in steps.iter().filter_map(|step| step.output) {
                        let len = 4 * loaded.plan.shape(output).len() as u64;
                        match loaded.plan.storage[output.0] {
                            Storage::Slot(i) => encoder.copy_buffer_to_buffer(poison, 0, &loaded.slots[i], 0, len),
                            Storage::Arena { arena, offset } => {
                                if let Some(to) = shared.arenas.get(&arena) {
                                    encoder.copy_buffer_to_buffer(poison, 0, to, 4 * offset as u64, len);
                                }
                            }
                            Storage::DatasetBuffer(_) | Storage::Fused => {}
                        }
                    }
                }
                let mut pass = encoder.begin_compute_pass(&Default::default());
                record(&mut pass, part, &self.clock_groups[slot]);
            }
        }
    }

    /// The bind group of the first clock, with `clock` written to it.
    pub(super) fn first_clock(&self, context: &Context, clock: &StepParams) -> &wgpu::BindGroup {
        context.queue.write_buffer(&self.clocks, 0, bytemuck::bytes_of(&StepParams { slot: 0, ..*clock }));
        &self.clock_groups[0]
    }
}

/// Records dispatches.
pub(super) fn record(pass: &mut wgpu::ComputePass<'_>, recorded: &[Recorded], clock: &wgpu::BindGroup) {
    let mut told = false;
    for launch in recorded {
        pass.set_pipeline(&launch.pipeline.pipeline);
        pass.set_bind_group(0, &launch.group, &[]);
        if launch.pipeline.entry.clock && !told {
            pass.set_bind_group(1, clock, &[]);
            told = true;
        }
        pass.dispatch_workgroups(launch.groups[0], launch.groups[1], launch.groups[2]);
    }
}

/// What dispatches should take, by the work counted.
pub(super) fn expected(context: &Context, recorded: &[Recorded]) -> Expected {
    let fresh = recorded.iter().filter(|launch| launch.pipeline.is_fresh()).count() as u32;
    Expected { seconds: recorded.iter().map(|r| r.weight).sum::<f64>() / context.rate(), fresh }
}

/// Ranges of dispatches with about equal work.
fn cut(recorded: &[Recorded], pieces: usize) -> Vec<Range<usize>> {
    let total: f64 = recorded.iter().map(|r| r.weight).sum();
    let (mut ranges, mut begin, mut sum) = (Vec::new(), 0, 0.0);
    for (i, launch) in recorded.iter().enumerate() {
        sum += launch.weight;
        if sum >= total / pieces as f64 || i + 1 == recorded.len() {
            ranges.push(begin..i + 1);
            begin = i + 1;
            sum = 0.0;
        }
    }
    ranges
}

/// What a submission holds, for errors.
fn describe(loaded: &LoadedPlan, range: &Range<usize>, steps: usize, first: u32) -> String {
    let layer = |i: usize| loaded.recorded.get(i).map_or("nothing", |r| &loaded.plan.steps[r.steps.start].label);
    let (from, to) = (layer(range.start), layer(range.end.saturating_sub(1)));
    match steps {
        0 | 1 => format!("step {first} (`{from}` to `{to}`)"),
        _ => format!("steps {first} to {} (`{from}` to `{to}`)", u64::from(first) + steps as u64 - 1),
    }
}
