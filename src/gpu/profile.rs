//! Time per step, by timestamps around a pass of its own.

use super::context::Context;
use super::load::LoadedPlan;
use super::run::{expected, record};
use crate::{Error, Result};

/// Steps per query set: sets hold 4,096 timestamps at most.
const CHUNK: usize = 2048;

/// Runs the plan once and returns the nanoseconds of each of its steps; the time of steps that are done together stands at
/// the last of them.
pub(super) fn profile(context: &Context, loaded: &LoadedPlan, clock: &wgpu::BindGroup) -> Result<Vec<f64>> {
    use wgpu::BufferUsages as U;
    if !context.device.features().contains(wgpu::Features::TIMESTAMP_QUERY) {
        return Err(Error::device("has no timestamps").on(&context.info.name));
    }
    let period = f64::from(context.queue.get_timestamp_period());
    let steps: Vec<_> = loaded.recorded.chunk_by(|a, b| a.steps == b.steps).collect();
    let mut timings = vec![0.0; loaded.plan.steps.len()];
    for chunk in steps.chunks(CHUNK) {
        let count = 2 * chunk.len() as u32;
        let descriptor = wgpu::QuerySetDescriptor { label: Some("steps"), ty: wgpu::QueryType::Timestamp, count };
        let queries = context.device.create_query_set(&descriptor);
        let times = context.buffer("timestamps", 8 * u64::from(count), U::QUERY_RESOLVE | U::COPY_SRC)?;
        let mut encoder = context.device.create_command_encoder(&Default::default());
        for (i, part) in chunk.iter().enumerate() {
            let writes = wgpu::ComputePassTimestampWrites {
                query_set: &queries,
                beginning_of_pass_write_index: Some(2 * i as u32),
                end_of_pass_write_index: Some(2 * i as u32 + 1),
            };
            let descriptor = wgpu::ComputePassDescriptor { label: None, timestamp_writes: Some(writes) };
            let mut pass = encoder.begin_compute_pass(&descriptor);
            record(&mut pass, part, clock);
        }
        encoder.resolve_query_set(&queries, 0..count, &times, 0);
        context.queue.submit([encoder.finish()]);
        let expected = expected(context, &loaded.recorded);
        let bytes = context.download_after(&times, 0, 8 * u64::from(count), "profile", expected)?;
        let stamps: Vec<u64> = bytemuck::pod_collect_to_vec(&bytes);
        if stamps.iter().all(|&t| t == 0) {
            return Err(Error::device("its timestamps are all zero").on(&context.info.name));
        }
        for (part, pair) in chunk.iter().zip(stamps.chunks_exact(2)) {
            timings[part[0].steps.end - 1] = pair[1].saturating_sub(pair[0]) as f64 * period;
        }
    }
    Ok(timings)
}
