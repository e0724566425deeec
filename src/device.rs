//! Which device does the work.

use crate::cpu::Cpu;
use crate::executor::Executor;
use crate::gpu::{self, AdapterInfo, AdapterKind, Gpu};
use crate::{Error, Result};

/// A device to open executors on.
#[derive(Clone, Debug, PartialEq)]
pub enum Device {
    /// The processor, all cores.
    Cpu,
    /// A GPU, or a driver that imitates one.
    Gpu(AdapterInfo),
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
            return Ok(real.map_or(Device::Cpu, Device::Gpu));
        }
        let part = request.to_lowercase();
        let fits = |a: &&AdapterInfo| match part.parse::<usize>() {
            Ok(index) => a.index == index,
            Err(_) => a.name.to_lowercase().contains(&part),
        };
        if let Some(adapter) = adapters.iter().find(fits) {
            return Ok(Device::Gpu(adapter.clone()));
        }
        let names: Vec<String> = adapters.iter().map(|a| format!("{} ({})", a.index, a.name)).collect();
        let there =
            if names.is_empty() { "no adapter was found".into() } else { format!("there are {}", names.join(", ")) };
        Err(Error::Device(format!("--device {request}: no such device; {there}, and `cpu`")))
    }

    /// Opens the device for one network.
    ///
    /// # Errors
    /// When the driver refuses.
    pub fn executor(&self) -> Result<Box<dyn Executor>> {
        match self {
            Device::Cpu => Ok(Box::new(Cpu::<f32>::new())),
            Device::Gpu(adapter) => Ok(Box::new(Gpu::open(adapter.index)?)),
        }
    }

    /// The device as a person would name it.
    pub fn describe(&self) -> String {
        match self {
            Device::Cpu => format!("CPU ({} threads)", std::thread::available_parallelism().map_or(1, usize::from)),
            Device::Gpu(adapter) => format!("{} ({}, {})", adapter.name, adapter.kind.word(), adapter.backend),
        }
    }
}
