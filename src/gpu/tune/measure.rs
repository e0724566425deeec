//! Measuring: every tile shape for one kind of step, in turns, by the clock on the wall.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::key::Key;
use crate::Result;
use crate::gpu::context::Context;
use crate::gpu::contraction::{self, Class, Shapes, Tile, tiles};
use crate::gpu::health::Expected;
use crate::gpu::load::{Fixed, LoadedPlan, Shared};
use crate::gpu::run::{expected, record};
use crate::graph::Plan;
use crate::tuned::Choice;

/// Passes per shape; the fastest counts. Shapes take turns, so that a device that warms up or is shared favours none.
const ROUNDS: u32 = 4;
/// As many suffice where a single dispatch takes so long that little can disturb it.
const LONG_ROUNDS: u32 = 2;
const LONG: Duration = Duration::from_millis(100);
/// Time of one pass, which holds as many dispatches as that takes, up to [`DISPATCHES`].
const PASS: Duration = Duration::from_millis(2);
const DISPATCHES: u32 = 64;
/// A shape replaces the default if it takes less than this share of its time: what is within noise stays as it is.
const CLEARLY: f64 = 0.97;
/// Bytes that measuring may take beside the work itself.
const BYTES: u64 = 512 << 20;
/// Bytes of arbitrary values that operands are filled with, again and again: zeros would flatter a GPU, whose clock
/// rises where no bit changes.
const PATTERN: u64 = 1 << 20;

struct Candidate {
    tile: Tile,
    loaded: LoadedPlan,
    seconds: f64,
}

/// What measuring needs of the executor.
pub(super) struct Measure<'a> {
    pub(super) context: &'a mut Context,
    pub(super) fixed: &'a Fixed,
    pub(super) clock: &'a wgpu::BindGroup,
    /// Longest time for one key, compilation aside.
    pub(super) longest: Duration,
}

impl Measure<'_> {
    /// The fastest shape for a key. None when that would take too much memory or time.
    ///
    /// # Errors
    /// When the default shape cannot run.
    pub(super) fn key(&mut self, key: &Key) -> Result<Option<Choice>> {
        let plan = Arc::new(key.plan()?);
        if plan.bytes() > BYTES {
            return Ok(None);
        }
        let step = &plan.steps[0];
        let default = contraction::default(&plan, step, key.class);
        let mut shapes = vec![default];
        shapes.extend(tiles(step.op, key.class).iter().copied().filter(|&tile| tile != default));
        let launches: Vec<_> =
            shapes.iter().flat_map(|&tile| contraction::lower(&plan, step, key.class, Some(tile))).collect();
        // Side by side; what the device refuses is an error again below, of the shape that it belongs to.
        let _ = self.context.pipelines(&launches);
        let mut candidates = vec![self.candidate(&plan, key.class, default, None)?];
        for &tile in &shapes[1..] {
            if let Ok(candidate) = self.candidate(&plan, key.class, tile, Some(&candidates[0].loaded)) {
                candidates.push(candidate);
            }
        }
        self.fill(&candidates[0].loaded)?;
        let Some((dispatches, rounds)) = self.warm(&candidates)? else { return Ok(None) };
        for _ in 0..rounds {
            for candidate in &mut candidates {
                candidate.seconds = candidate.seconds.min(self.pass(&candidate.loaded, dispatches)?);
            }
        }
        let best = candidates.iter().min_by(|a, b| a.seconds.total_cmp(&b.seconds)).unwrap_or(&candidates[0]);
        let best = if best.seconds < CLEARLY * candidates[0].seconds { best } else { &candidates[0] };
        Ok(Some(Choice {
            tile: best.tile.name(),
            microseconds: 1e6 * best.seconds,
            default: default.name(),
            default_microseconds: 1e6 * candidates[0].seconds,
        }))
    }

    /// The plan with a shape; operands and result are shared among shapes.
    fn candidate(
        &mut self,
        plan: &Arc<Plan>,
        class: Class,
        tile: Tile,
        first: Option<&LoadedPlan>,
    ) -> Result<Candidate> {
        let shapes = Shapes::all(plan, tile);
        let mut loaded = LoadedPlan::new(self.context, plan.clone(), class, shapes)?;
        if let Some(first) = first {
            loaded.slots = first.slots.clone();
        }
        loaded.bind(self.context, &Shared::default(), self.fixed)?;
        Ok(Candidate { tile, loaded, seconds: f64::INFINITY })
    }

    fn fill(&self, loaded: &LoadedPlan) -> Result<()> {
        let usage = wgpu::BufferUsages::COPY_SRC | wgpu::BufferUsages::COPY_DST;
        let pattern = self.context.buffer("pattern", PATTERN, usage)?;
        let values: Vec<f32> = (0..PATTERN as u32 / 4).map(|i| (i.wrapping_mul(2_654_435_761) >> 8) as f32).collect();
        let values: Vec<f32> = values.iter().map(|v| v / (1 << 23) as f32 - 1.0).collect();
        self.context.queue.write_buffer(&pattern, 0, bytemuck::cast_slice(&values));
        let mut encoder = self.context.device.create_command_encoder(&Default::default());
        for slot in &loaded.slots {
            for at in (0..slot.size()).step_by(PATTERN as usize) {
                encoder.copy_buffer_to_buffer(&pattern, 0, slot, at, PATTERN.min(slot.size() - at));
            }
        }
        self.context.queue.submit([encoder.finish()]);
        self.context.wait(None, "tuning", Expected::default())
    }

    /// Runs each shape once, since drivers compile at the first dispatch, and finds how many dispatches make a pass, and
    /// how many rounds to take. None when measuring would take too long.
    fn warm(&self, candidates: &[Candidate]) -> Result<Option<(u32, u32)>> {
        self.pass(&candidates[0].loaded, 1)?;
        let mut dispatches = 1;
        let seconds = loop {
            let seconds = self.pass(&candidates[0].loaded, dispatches)? * f64::from(dispatches);
            if seconds >= PASS.as_secs_f64() || dispatches >= DISPATCHES {
                break seconds;
            }
            dispatches = (4 * dispatches).min(DISPATCHES);
        };
        let rounds = if seconds > LONG.as_secs_f64() { LONG_ROUNDS } else { ROUNDS };
        if seconds * candidates.len() as f64 * f64::from(rounds + 1) > self.longest.as_secs_f64() {
            return Ok(None);
        }
        for candidate in &candidates[1..] {
            self.pass(&candidate.loaded, 1)?;
        }
        Ok(Some((dispatches, rounds)))
    }

    /// Seconds per dispatch, the wait included.
    fn pass(&self, loaded: &LoadedPlan, dispatches: u32) -> Result<f64> {
        let mut encoder = self.context.device.create_command_encoder(&Default::default());
        let mut pass = encoder.begin_compute_pass(&Default::default());
        for _ in 0..dispatches {
            record(&mut pass, &loaded.recorded, self.clock);
        }
        drop(pass);
        let commands = encoder.finish();
        let mut expected = expected(self.context, &loaded.recorded);
        expected.seconds *= f64::from(dispatches);
        let begun = Instant::now();
        let index = self.context.queue.submit([commands]);
        self.context.wait(Some(index), "tuning", expected)?;
        Ok(begun.elapsed().as_secs_f64() / f64::from(dispatches))
    }
}
