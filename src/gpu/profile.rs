//! Time per dispatch, by timestamps around a pass of its own.

use super::context::Context;
use super::load::LoadedPlan;
use super::run::{expected, record};
use crate::{Error, Result};

/// Dispatches per query set: sets hold 4,096 timestamps at most.
const CHUNK: usize = 2048;

/// Runs the plan once and returns the nanoseconds of each of its dispatches.
pub(super) fn profile(context: &Context, loaded: &LoadedPlan, clock: &wgpu::BindGroup) -> Result<Vec<f64>> {
    use wgpu::BufferUsages as U;
    if !context.device.features().contains(wgpu::Features::TIMESTAMP_QUERY) {
        return Err(Error::device("has no timestamps").on(&context.info.name));
    }
    let period = f64::from(context.queue.get_timestamp_period());
    let mut timings = Vec::with_capacity(loaded.recorded.len());
    for chunk in loaded.recorded.chunks(CHUNK) {
        let count = 2 * chunk.len() as u32;
        let descriptor = wgpu::QuerySetDescriptor { label: Some("steps"), ty: wgpu::QueryType::Timestamp, count };
        let queries = context.device.create_query_set(&descriptor);
        let times = context.buffer("timestamps", 8 * u64::from(count), U::QUERY_RESOLVE | U::COPY_SRC)?;
        let mut encoder = context.device.create_command_encoder(&Default::default());
        for (i, launch) in chunk.iter().enumerate() {
            let writes = wgpu::ComputePassTimestampWrites {
                query_set: &queries,
                beginning_of_pass_write_index: Some(2 * i as u32),
                end_of_pass_write_index: Some(2 * i as u32 + 1),
            };
            let descriptor = wgpu::ComputePassDescriptor { label: None, timestamp_writes: Some(writes) };
            let mut pass = encoder.begin_compute_pass(&descriptor);
            record(&mut pass, std::slice::from_ref(launch), clock);
        }
        encoder.resolve_query_set(&queries, 0..count, &times, 0);
        context.queue.submit([encoder.finish()]);
        let expected = expected(context, &loaded.recorded);
        let bytes = context.download_after(&times, 0, 8 * u64::from(count), "profile", expected)?;
        let stamps: Vec<u64> = bytemuck::pod_collect_to_vec(&bytes);
        if stamps.iter().all(|&t| t == 0) {
            return Err(Error::device("its timestamps are all zero").on(&context.info.name));
        }
        timings.extend(stamps.chunks_exact(2).map(|pair| pair[1].saturating_sub(pair[0]) as f64 * period));
    }
    Ok(timings)
}
