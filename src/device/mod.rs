//! Which device does the work.

mod cadence;
mod find;
mod trust;
mod verify;

use std::sync::Arc;

pub(crate) use cadence::Cadence;

use crate::cpu::Cpu;
use crate::executor::{Executor, Precision};
use crate::gpu::{self, AdapterInfo, Gpu, GpuOptions, Tuning};
use crate::tuned::{self, Memory};
use crate::watch::Watch;
use crate::{Error, Result};

pub use trust::Failure;

/// A device to open executors on.
#[derive(Clone, Debug, PartialEq)]
pub enum Device {
    /// The processor, all cores.
    Cpu,
    /// A GPU, or a driver that imitates one.
    Gpu(AdapterInfo, Kernels),
}

/// How a GPU's kernels are chosen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Kernels {
    /// Where tile shapes come from.
    pub tiles: Tiles,
    /// What products and convolutions are computed in.
    pub precision: Precision,
    /// How long the device is waited for, and who hears of it.
    pub watch: Watch,
    /// The device was chosen by hand: where it fails, so does the work. Otherwise another stands in for it.
    pub alone: bool,
    /// Every tile and every step is checked against the CPU, not one now and then.
    pub paranoid: bool,
}

/// Where a GPU's tile shapes come from. They decide how long work takes, never what comes out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Tiles {
    /// What was measured on the device, now or in earlier runs; see [`crate::tuned`].
    #[default]
    Measured,
    /// The defaults of its kind of device: nothing is measured, and what was is not looked at.
    Default,
}

impl From<AdapterInfo> for Device {
    fn from(adapter: AdapterInfo) -> Self {
        Device::Gpu(adapter, Kernels::default())
    }
}

impl Device {
    /// Finds a device without trying it, as [`Device::choose`] does: by `auto`, `cpu`, an index, a name or a part of it, a place on
    /// the PCI bus, a kind (`discrete`) or an interface (`vulkan`).
    ///
    /// `auto` prefers a discrete GPU, then an integrated one, then the processor: software adapters are slower than that.
    ///
    /// # Errors
    /// When nothing fits, naming what there is.
    pub fn find(request: &str) -> Result<Device> {
        Ok(find::candidates(request)?.remove(0))
    }

    /// The device with tile shapes from elsewhere; nothing changes for the processor.
    pub fn with_tiles(self, tiles: Tiles) -> Device {
        match self {
            Device::Cpu => Device::Cpu,
            Device::Gpu(adapter, kernels) => Device::Gpu(adapter, Kernels { tiles, ..kernels }),
        }
    }

    /// The device with kernels chosen in another way; nothing changes for the processor.
    pub fn with_kernels(self, kernels: Kernels) -> Device {
        match self {
            Device::Cpu => Device::Cpu,
            Device::Gpu(adapter, _) => Device::Gpu(adapter, kernels),
        }
    }

    /// The device with products and convolutions in another precision.
    ///
    /// # Errors
    /// When the device cannot, saying why; the processor computes in f32 only.
    pub fn with_precision(self, precision: Precision) -> Result<Device> {
        match (self, precision) {
            (Device::Cpu, Precision::F32) => Ok(Device::Cpu),
            (Device::Cpu, Precision::Mixed) => Err(Error::device("computes in f32 only").on("CPU")),
            (Device::Gpu(adapter, kernels), _) => {
                if precision == Precision::Mixed {
                    gpu::mixed(adapter.index)?;
                }
                Ok(Device::Gpu(adapter, Kernels { precision, ..kernels }))
            }
        }
    }

    /// Whether its work is checked against the CPU as a whole.
    pub(crate) fn paranoid(&self) -> bool {
        matches!(self, Device::Gpu(_, Kernels { paranoid: true, .. }))
    }

    /// Whether nothing stands in for it: it was chosen by hand, or is the last resort.
    pub(crate) fn is_alone(&self) -> bool {
        matches!(self, Device::Cpu | Device::Gpu(_, Kernels { alone: true, .. }))
    }

    /// What products and convolutions are computed in.
    pub fn precision(&self) -> Precision {
        match self {
            Device::Cpu => Precision::F32,
            Device::Gpu(_, kernels) => kernels.precision,
        }
    }

    /// Opens the device for one network. GPUs remember which tile shapes were fastest, in the user's cache.
    ///
    /// # Errors
    /// When the driver refuses.
    pub fn executor(&self) -> Result<Box<dyn Executor>> {
        match self {
            Device::Cpu => Ok(Box::new(Cpu::<f32>::new())),
            Device::Gpu(adapter, Kernels { tiles, precision, watch, .. }) => {
                let memory = || Arc::new(Memory::open(tuned::folder().as_deref(), adapter.identity()));
                let memory = (*tiles == Tiles::Measured).then(memory);
                let tuning = Tuning { memory, ..Tuning::default() };
                let options = GpuOptions { tuning, precision: *precision, watch: *watch, ..GpuOptions::default() };
                Ok(Box::new(Gpu::with_options(adapter.index, options)?))
            }
        }
    }

    /// The device as a person would name it.
    pub fn describe(&self) -> String {
        match self {
            Device::Cpu => format!("CPU ({} threads)", std::thread::available_parallelism().map_or(1, usize::from)),
            Device::Gpu(adapter, kernels) => {
                let mixed = if kernels.precision == Precision::Mixed { ", mixed precision" } else { "" };
                format!("{} ({}, {}{mixed})", adapter.name, adapter.kind.word(), adapter.backend)
            }
        }
    }
}
