//! The whole proof on one device.

use super::{Device, Kernels};
use crate::Result;
use crate::cpu::Cpu;
use crate::gpu::{self, GpuOptions};
use crate::verify::{self, Effort, Row};

impl Device {
    /// Runs [`verify::run`], on GPUs with every tile shape there is; results are filled with NaN beforehand, and nothing may be
    /// written past a buffer's end.
    ///
    /// `checked` lets the driver check every index.
    ///
    /// # Errors
    /// When the device cannot be opened.
    pub fn verify(&self, checked: bool, effort: &Effort, on_row: &mut dyn FnMut(&Row)) -> Result<Vec<Row>> {
        match self {
            Device::Cpu => verify::run(&|_| Ok(Box::new(Cpu::<f32>::new().poisoned())), &[], effort, on_row),
            Device::Gpu(adapter, kernels) => {
                let Kernels { precision, watch, .. } = *kernels;
                let options = GpuOptions { checked, precision, watch, ..GpuOptions::default() };
                verify::run(&verify::on_gpu(adapter.index, options), &gpu::tile_names(precision), effort, on_row)
            }
        }
    }
}
