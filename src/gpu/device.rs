//! Opening adapters.

use std::sync::{Arc, Mutex, PoisonError};

use super::adapters::{AdapterInfo, enumerate, info};
use super::contraction::MatrixUnit;
use super::guard::guarded;
use super::health::Health;
use super::options::GpuOptions;
use crate::executor::Precision;
use crate::{Error, Result};

/// An open device.
pub(super) struct Opened {
    pub(super) device: wgpu::Device,
    pub(super) queue: wgpu::Queue,
    pub(super) info: AdapterInfo,
    pub(super) health: Health,
}

/// The matrix units an adapter claims that kernels are written for, the likeliest to be fast first. Sizes of subgroups
/// that a driver chooses by itself are all tried.
pub(super) fn matrix_units(index: usize) -> Vec<MatrixUnit> {
    let Some(adapter) = enumerate().adapters.get(index) else { return Vec::new() };
    if !adapter.features().contains(MATRIX_FEATURES) {
        return Vec::new();
    }
    let info = adapter.get_info();
    let (least, most) = (info.subgroup_min_size, info.subgroup_max_size);
    let mut lanes = vec![least];
    lanes.extend((most != least).then_some(most));
    lanes.extend((!lanes.contains(&32)).then_some(32));
    let listed = adapter.cooperative_matrix_properties();
    let has = |side: u32| {
        listed.iter().any(|p| {
            let types = p.ab_type == wgpu::CooperativeScalarType::F16 && p.cr_type == wgpu::CooperativeScalarType::F32;
            types && [p.m_size, p.n_size, p.k_size] == [side; 3]
        })
    };
    let sides = [16, 8].into_iter().filter(|&side| has(side));
    sides.flat_map(|side| lanes.iter().map(move |&lanes| MatrixUnit { side, lanes })).collect()
}

/// What kernels for matrix units need.
pub(super) const MATRIX_FEATURES: wgpu::Features =
    wgpu::Features::EXPERIMENTAL_COOPERATIVE_MATRIX.union(wgpu::Features::SHADER_F16);

/// A device that was opened to see whether it can be: whoever opens it next gets it.
static SPARE: Mutex<Option<(usize, Precision, Opened)>> = Mutex::new(None);

/// Opens adapter number `index` ahead of its use.
///
/// # Errors
/// When there is no such adapter or its driver refuses.
pub fn prepare(index: usize, precision: Precision) -> Result<()> {
    let opened = open(index, &GpuOptions { precision, ..GpuOptions::default() })?;
    *SPARE.lock().unwrap_or_else(PoisonError::into_inner) = Some((index, precision, opened));
    Ok(())
}

/// Opens adapter number `index`.
pub(super) fn open(index: usize, options: &GpuOptions) -> Result<Opened> {
    if options.limits.is_none() {
        let mut spare = SPARE.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((.., opened)) = spare.take_if(|(i, precision, _)| (*i, *precision) == (index, options.precision)) {
            return Ok(opened);
        }
    }
    let all = &enumerate().adapters;
    let Some(adapter) = all.get(index) else {
        let names: Vec<String> = all.iter().enumerate().map(|(i, a)| format!("{i}: {}", a.get_info().name)).collect();
        let known = if names.is_empty() { "there is none".into() } else { names.join(", ") };
        return Err(Error::device(format!("no GPU adapter has number {index} ({known})")));
    };
    let info = info(index, adapter);
    let limits = options.limits.clone().unwrap_or_else(|| adapter.limits());
    let mixed = options.precision == Precision::Mixed;
    let wanted = if mixed { MATRIX_FEATURES } else { wgpu::Features::empty() };
    let descriptor = wgpu::DeviceDescriptor {
        label: Some("wgrad"),
        required_features: adapter.features() & (wanted | wgpu::Features::TIMESTAMP_QUERY),
        required_limits: limits,
        memory_hints: wgpu::MemoryHints::Performance,
        // SAFETY: only kernels of this crate use the feature, in uniform control flow, on sizes that the adapter lists,
        // within buffers whose padding they ask for; and a trial of each device decides whether they are used at all.
        experimental_features: match mixed {
            true => unsafe { wgpu::ExperimentalFeatures::enabled() },
            false => wgpu::ExperimentalFeatures::disabled(),
        },
        ..Default::default()
    };
    let cannot = |why: String| Error::device(format!("cannot be opened: {why}")).on(&info.title());
    let opened = guarded(|| pollster::block_on(adapter.request_device(&descriptor)));
    let (device, queue) = opened.map_err(cannot)?.map_err(|e| cannot(e.to_string()))?;
    let health = Health::default();
    // The default handler aborts the program.
    let uncaptured = health.clone();
    device.on_uncaptured_error(Arc::new(move |error| uncaptured.report(error.to_string())));
    let lost = health.clone();
    device.set_device_lost_callback(move |reason, message| {
        if reason != wgpu::DeviceLostReason::Destroyed {
            lost.lose(format!("the device was lost: {message}"));
        }
    });
    Ok(Opened { device, queue, info, health })
}
