//! How a GPU is opened.

use std::sync::Arc;
use std::time::Duration;

use crate::executor::Precision;
use crate::tuned::Memory;
use crate::watch::Watch;

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
    pub plant: Option<FaultInjection>,
    /// Time that a submission aims for: short enough that no watchdog fires and no desktop freezes.
    pub submission: Duration,
    /// Time that a dispatch should take at most, by the estimate, instead of what the kind of device calls for; a longer one
    /// is dispatched in parts.
    pub dispatch: Option<Duration>,
    /// How long the device is waited for, and who hears of it.
    pub watch: Watch,
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
            dispatch: None,
            watch: Watch::default(),
        }
    }
}

/// A fault: other text for a part of the kernels that have it.
#[doc(hidden)]
#[derive(Clone, Debug)]
pub struct FaultInjection {
    /// Stem of the shader; any when empty.
    pub shader: String,
    /// Text to replace, wherever it stands.
    pub from: String,
    /// What stands there instead.
    pub to: String,
}

/// Where tile shapes come from when none is asked for.
#[derive(Clone, Debug, Default)]
pub struct Tuning {
    /// What was measured, and where more of it goes; without one, all steps take the default shapes.
    pub memory: Option<Arc<Memory>>,
    /// Time that loading a plan may take for measuring what the memory lacks; kernels under way are finished. Two
    /// seconds if none is given, but nothing on software adapters: compiling kernels takes them longer than it saves.
    pub budget: Option<Duration>,
}
