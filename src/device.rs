//! Which device does the work.

use std::sync::Arc;

use crate::cpu::Cpu;
use crate::executor::{Executor, Precision};
use crate::gpu::{self, AdapterInfo, AdapterKind, Gpu, GpuOptions, Tuning};
use crate::tuned::{self, Memory};
use crate::{Error, Result};

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
    /// Finds a device by `auto`, `cpu`, an index of [`gpu::adapters`], or part of an adapter's name.
    ///
    /// `auto` prefers a discrete GPU, then an integrated one, then the processor: software adapters are slower than that.
    ///
    /// # Errors
    /// When nothing fits, naming what there is.
    pub fn find(request: &str) -> Result<Device> {
        if request.eq_ignore_ascii_case("cpu") {
            return Ok(Device::Cpu);
        }
        let adapters = gpu::adapters();
        if request.eq_ignore_ascii_case("auto") {
            let real = adapters.into_iter().find(|a| a.kind != AdapterKind::Software);
            return Ok(real.map_or(Device::Cpu, Device::from));
        }
        let part = request.to_lowercase();
        let fits = |a: &&AdapterInfo| match part.parse::<usize>() {
            Ok(index) => a.index == index,
            Err(_) => a.name.to_lowercase().contains(&part),
        };
        if let Some(adapter) = adapters.iter().find(fits) {
            return Ok(adapter.clone().into());
        }
        let names: Vec<String> = adapters.iter().map(|a| format!("{} ({})", a.index, a.name)).collect();
        let there =
            if names.is_empty() { "no adapter was found".into() } else { format!("there are {}", names.join(", ")) };
        Err(Error::device(format!("--device {request}: no such device; {there}, and `cpu`")))
    }

    /// The device with tile shapes from elsewhere; nothing changes for the processor.
    pub fn with_tiles(self, tiles: Tiles) -> Device {
        match self {
            Device::Cpu => Device::Cpu,
            Device::Gpu(adapter, kernels) => Device::Gpu(adapter, Kernels { tiles, ..kernels }),
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
            Device::Gpu(adapter, Kernels { tiles, precision }) => {
                let memory = || Arc::new(Memory::open(tuned::folder().as_deref(), adapter.identity()));
                let memory = (*tiles == Tiles::Measured).then(memory);
                let tuning = Tuning { memory, ..Tuning::default() };
                let options = GpuOptions { tuning, precision: *precision, ..GpuOptions::default() };
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
