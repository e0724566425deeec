//! What a device does when it is used: opened, filled, asked for known answers, given the networks that come with the
//! program.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::executor::{Executor, PlanId, Precision};
use crate::gpu::{self, AdapterKind, Gpu, GpuOptions};
use crate::graph::{Arena, Options, Plan, StepParams};
use crate::network::Mode;
use crate::{Error, Result, models, verify};

use super::Finding;

/// Memory that is allocated and read back, bytes.
const MEMORY: u64 = 256 << 20;
/// Time for known answers.
const ANSWERS: Duration = Duration::from_secs(10);
/// Side of the tile that networks are given, and of one as it is in use. A driver on the processor takes minutes for such.
const TILE: usize = 48;
const LARGE: usize = 256;
const SMALL: usize = 24;
/// How long some systems wait for a submission before they reset the GPU.
const WATCHDOG: Duration = Duration::from_secs(2);

type Told<'a> = dyn FnMut(Finding) -> Result<()> + 'a;

/// Tries one thing after the other; each is told before and after.
///
/// # Errors
/// When nobody listens.
pub fn examine(index: usize, begin: &mut dyn FnMut(&str) -> Result<()>, told: &mut Told<'_>) -> Result<()> {
    let mut step = |name: &str, work: &mut dyn FnMut() -> Result<String>| -> Result<bool> {
        begin(name)?;
        let begun = Instant::now();
        let result = work().map_err(|error| format!("{error} (after {:.1} s)", begun.elapsed().as_secs_f64()));
        let works = result.is_ok();
        told(Finding::tried(name, result))?;
        Ok(works)
    };
    let milliseconds = |begun: Instant| 1e3 * begun.elapsed().as_secs_f64();
    let opens = step("opens", &mut || {
        let begun = Instant::now();
        Gpu::open(index).map(|_| format!("in {:.0} ms", milliseconds(begun)))
    })?;
    if !opens {
        return Ok(());
    }
    step("limits", &mut || limits(&Gpu::open(index)?))?;
    step("memory", &mut || {
        let gpu = Gpu::open(index)?;
        let bytes = MEMORY.min(gpu.limits().max_buffer_size);
        let begun = Instant::now();
        gpu.keeps(bytes)?;
        Ok(format!("{} MiB written and read back in {:.0} ms", bytes >> 20, milliseconds(begun)))
    })?;
    for (name, precision) in [("known answers, f32", Precision::F32), ("known answers, mixed", Precision::Mixed)] {
        let right = step(name, &mut || {
            let make = verify::on_gpu(index, GpuOptions { precision, ..GpuOptions::default() });
            let begun = Instant::now();
            let tried = verify::known_answers(&|| make(None), ANSWERS)?;
            Ok(format!("{tried} right, in {:.0} ms", milliseconds(begun)))
        })?;
        if !right && precision == Precision::F32 {
            // What it does with networks means nothing.
            return Ok(());
        }
    }
    let mut ready = None;
    step("longest first submission", &mut || first(ready.insert(largest(index)?)))?;
    let mut longest = None;
    step("timestamps", &mut || {
        let Some((gpu, plan, id)) = &mut ready else { return Err(Error::device("there is no network to time")) };
        let dispatches = gpu.dispatches(*id, &clock())?;
        longest = dispatches
            .iter()
            .max_by(|a, b| a.1.total_cmp(&b.1))
            .map(|(steps, nanoseconds)| format!("{:.2} ms, `{}`", nanoseconds / 1e6, plan.steps()[steps.start].label));
        Ok(format!("of {} dispatches", dispatches.len()))
    })?;
    drop(ready);
    if let Some(longest) = longest {
        step("longest dispatch", &mut || Ok(longest.clone()))?;
    }
    for name in models::names() {
        step(&format!("model {name}"), &mut || model(index, &name))?;
    }
    Ok(())
}

/// A network that is ready to run.
type Ready = (Gpu, Arc<Plan>, PlanId);

/// A tile's side, or a smaller one for a driver on the processor.
fn side(index: usize, usual: usize) -> usize {
    let software = gpu::adapters().get(index).is_some_and(|adapter| adapter.kind == AdapterKind::Software);
    if software { SMALL } else { usual }
}

/// The network with most work, for a tile as it is in use.
fn largest(index: usize) -> Result<Ready> {
    let mut largest = (0, String::new());
    for name in models::names() {
        let checkpoint = models::find(Some(&name), None)?;
        let (graph, ..) = checkpoint.network.graph(1, [TILE, TILE], Mode::Infer)?;
        largest = largest.max((Plan::new(&graph, Options::default())?.macs(), name));
    }
    loaded(index, &largest.1, side(index, LARGE))
}

/// The first tile, by the submissions that it is cut into: the longest of them.
fn first((gpu, _, id): &mut Ready) -> Result<String> {
    gpu.run(*id, &[clock()])?;
    gpu.losses()?;
    let (count, longest) = (gpu.submitted(), gpu.longest_submission());
    let text = format!("{:.1} ms, of {count}", 1e3 * longest.as_secs_f64());
    match gpu.info().kind {
        AdapterKind::Software => Ok(text),
        _ if longest < WATCHDOG => Ok(text),
        _ => Err(Error::device(format!("{text}: systems reset a GPU that takes so long"))),
    }
}

/// What the device allows, beside what kernels and networks need.
fn limits(gpu: &Gpu) -> Result<String> {
    let limits = gpu.limits();
    let binding = limits.max_storage_buffer_binding_size.min(limits.max_buffer_size);
    let names = models::names();
    let needed = names.iter().map(|name| {
        let checkpoint = models::find(Some(name), None)?;
        let (graph, ..) = checkpoint.network.graph(1, [256, 256], Mode::Infer)?;
        let plan = Plan::new(&graph, Options::default())?;
        Ok(plan.slots().iter().map(|&elements| 4 * elements as u64).max().unwrap_or(0))
    });
    let needed = needed.collect::<Result<Vec<u64>>>()?.into_iter().max().unwrap_or(0);
    Ok(format!(
        "bindings of {} MiB (tiles of 256x256 need {}), {} storage buffers, workgroups of {} with {} KiB",
        binding >> 20,
        needed.div_ceil(1 << 20),
        limits.max_storage_buffers_per_shader_stage,
        limits.max_compute_invocations_per_workgroup,
        limits.max_compute_workgroup_storage_size >> 10,
    ))
}

fn clock() -> StepParams {
    StepParams { step: 1, loss_scale: 1.0, ..StepParams::default() }
}

/// A network for a tile, loaded.
fn loaded(index: usize, name: &str, side: usize) -> Result<Ready> {
    let checkpoint = models::find(Some(name), None)?;
    let (network, weights) = checkpoint.network.collapse(&checkpoint.weights)?;
    let (graph, ..) = network.graph(1, [side, side], Mode::Infer)?;
    let plan = Arc::new(Plan::new(&graph, Options::default())?);
    let mut gpu = Gpu::open(index)?;
    let id = gpu.load(Arc::clone(&plan))?;
    let state = weights.to_state(&graph, plan.layout())?;
    gpu.write_state(Arena::Parameters, &state.parameters)?;
    Ok((gpu, plan, id))
}

/// Kernels made twice, and the time of the first tile and the one after it.
fn model(index: usize, name: &str) -> Result<String> {
    let mut times = Vec::new();
    let mut tiles = Vec::new();
    for _ in 0..2 {
        let begun = Instant::now();
        let (mut gpu, _, id) = loaded(index, name, side(index, TILE))?;
        times.push(1e3 * begun.elapsed().as_secs_f64());
        for _ in 0..2 {
            let begun = Instant::now();
            gpu.run(id, &[clock()])?;
            gpu.losses()?;
            tiles.push(1e3 * begun.elapsed().as_secs_f64());
        }
    }
    Ok(format!(
        "kernels in {:.0} ms, again in {:.0} ms; the first tile in {:.1} ms, the next in {:.1} ms",
        times[0], times[1], tiles[0], tiles[1]
    ))
}
