//! Finding and opening adapters.

use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use super::contraction::MatrixUnit;
use super::tune::Tuning;
use crate::executor::Precision;
use crate::{Error, Result};

/// An adapter as a person would choose it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AdapterInfo {
    /// Position in [`adapters`]; `--device INDEX` takes it.
    pub index: usize,
    /// What the driver calls the device.
    pub name: String,
    /// The interface it is reached through: `vulkan`, `metal`, `dx12`.
    pub backend: String,
    /// What kind of device it is.
    pub kind: AdapterKind,
    /// Driver and its version; tuned shapes are remembered by it.
    pub driver: String,
}

/// Kinds of adapters, best first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum AdapterKind {
    /// A graphics card with memory of its own.
    Discrete,
    /// A GPU that shares the processor's memory.
    Integrated,
    /// A share of a GPU inside a virtual machine.
    Virtual,
    /// Unknown to the driver.
    Other,
    /// The processor posing as a GPU (llvmpipe, WARP): slower than the CPU executor.
    Software,
}

impl AdapterKind {
    fn of(kind: wgpu::DeviceType) -> Self {
        match kind {
            wgpu::DeviceType::DiscreteGpu => AdapterKind::Discrete,
            wgpu::DeviceType::IntegratedGpu => AdapterKind::Integrated,
            wgpu::DeviceType::VirtualGpu => AdapterKind::Virtual,
            wgpu::DeviceType::Other => AdapterKind::Other,
            wgpu::DeviceType::Cpu => AdapterKind::Software,
        }
    }

    /// The word for it.
    pub fn word(self) -> &'static str {
        match self {
            AdapterKind::Discrete => "discrete",
            AdapterKind::Integrated => "integrated",
            AdapterKind::Virtual => "virtual",
            AdapterKind::Other => "unknown",
            AdapterKind::Software => "software",
        }
    }
}

/// How a device is opened.
#[derive(Clone, Debug)]
pub struct GpuOptions {
    /// What products and convolutions are computed in.
    pub precision: Precision,
    /// Lets the driver check every index, and zeroes workgroup memory: slower, for the hunt after faulty kernels.
    pub checked: bool,
    /// Limits to ask for instead of the adapter's own; tests use it to stand in for small devices.
    pub limits: Option<wgpu::Limits>,
    /// Most bytes to hold on the device, where that is less than it has; a device that shares the machine's memory never
    /// holds more than [`crate::memory::limit`].
    pub memory: Option<u64>,
    /// Fills every result with NaN before it is computed and puts guard zones behind buffers, for tests.
    pub inspect: bool,
    /// Tile shape of all products and convolutions, one of [`super::tile_names`], instead of the device's own choice.
    pub tile: Option<String>,
    /// Measured tile shapes, where [`GpuOptions::tile`] says nothing.
    pub tuning: Tuning,
    /// A fault to put into a kernel, for tests of the checks.
    #[doc(hidden)]
    pub plant: Option<Plant>,
    /// Time that a submission aims for: short enough that no watchdog fires and no desktop freezes.
    pub submission: Duration,
    /// Longest wait for the device before it counts as hung.
    pub timeout: Duration,
}

impl Default for GpuOptions {
    fn default() -> Self {
        GpuOptions {
            precision: Precision::F32,
            checked: false,
            limits: None,
            memory: None,
            inspect: false,
            tile: None,
            tuning: Tuning::default(),
            plant: None,
            submission: Duration::from_millis(100),
            timeout: Duration::from_secs(120),
        }
    }
}

/// A fault: other text for a part of the kernels that have it.
#[doc(hidden)]
#[derive(Clone, Debug)]
pub struct Plant {
    /// Stem of the shader; any when empty.
    pub shader: String,
    /// Text to replace, wherever it stands.
    pub from: String,
    /// What stands there instead.
    pub to: String,
}

/// All adapters of this machine, one entry per device even where several interfaces reach it.
pub fn adapters() -> Vec<AdapterInfo> {
    enumerate().iter().enumerate().map(|(index, adapter)| info(index, adapter)).collect()
}

fn info(index: usize, adapter: &wgpu::Adapter) -> AdapterInfo {
    let info = adapter.get_info();
    AdapterInfo {
        index,
        name: info.name,
        backend: info.backend.to_string(),
        kind: AdapterKind::of(info.device_type),
        driver: format!("{} {}", info.driver, info.driver_info).trim().to_string(),
    }
}

/// Adapters in a fixed order. A device that Vulkan and DX12 both list is taken from the first of Metal, Vulkan, DX12;
/// two equal cards in one machine stay two.
fn enumerate() -> &'static [wgpu::Adapter] {
    // Asked once: drivers take their time, and some print what they miss each time they are loaded.
    static ALL: OnceLock<Vec<wgpu::Adapter>> = OnceLock::new();
    ALL.get_or_init(list)
}

fn list() -> Vec<wgpu::Adapter> {
    let instance = wgpu::Instance::new(wgpu::InstanceDescriptor::new_without_display_handle());
    let mut all = pollster::block_on(instance.enumerate_adapters(wgpu::Backends::all()));
    let rank = |backend: wgpu::Backend| match backend {
        wgpu::Backend::Metal => 0,
        wgpu::Backend::Vulkan => 1,
        wgpu::Backend::Dx12 => 2,
        wgpu::Backend::BrowserWebGpu => 3,
        wgpu::Backend::Gl => 4,
        wgpu::Backend::Noop => 5,
    };
    all.retain(|a| a.get_info().backend != wgpu::Backend::Noop);
    all.sort_by_key(|a| (rank(a.get_info().backend), AdapterKind::of(a.get_info().device_type)));
    let mut first: Vec<(String, wgpu::Backend)> = Vec::new();
    all.retain(|adapter| {
        let info = adapter.get_info();
        match first.iter().find(|(name, _)| *name == info.name) {
            Some((_, backend)) => *backend == info.backend,
            None => {
                first.push((info.name, info.backend));
                true
            }
        }
    });
    all.sort_by_key(|a| AdapterKind::of(a.get_info().device_type));
    all
}

/// The first failure that the device reported and nobody has heard of yet.
#[derive(Clone, Debug, Default)]
pub(super) struct Failures(Arc<Mutex<Option<String>>>);

impl Failures {
    fn put(&self, message: String) {
        if let Ok(mut first) = self.0.lock() {
            first.get_or_insert(message);
        }
    }

    /// Takes what was reported.
    pub(super) fn take(&self) -> Option<String> {
        self.0.lock().ok().and_then(|mut first| first.take())
    }
}

/// An open device.
pub(super) struct Opened {
    pub(super) device: wgpu::Device,
    pub(super) queue: wgpu::Queue,
    pub(super) info: AdapterInfo,
    pub(super) failures: Failures,
}

/// The matrix units an adapter claims that kernels are written for, the likeliest to be fast first. Sizes of subgroups
/// that a driver chooses by itself are all tried.
pub(super) fn matrix_units(index: usize) -> Vec<MatrixUnit> {
    let Some(adapter) = enumerate().get(index) else { return Vec::new() };
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

/// Opens adapter number `index`.
pub(super) fn open(index: usize, options: &GpuOptions) -> Result<Opened> {
    let all = enumerate();
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
    let (device, queue) = pollster::block_on(adapter.request_device(&descriptor))
        .map_err(|e| Error::device(format!("cannot be opened: {e}")).on(&info.name))?;
    let failures = Failures::default();
    // The default handler aborts the program.
    let uncaptured = failures.clone();
    device.on_uncaptured_error(Arc::new(move |error| uncaptured.put(error.to_string())));
    let lost = failures.clone();
    device.set_device_lost_callback(move |reason, message| {
        if reason != wgpu::DeviceLostReason::Destroyed {
            lost.put(format!("the device was lost: {message}"));
        }
    });
    Ok(Opened { device, queue, info, failures })
}
