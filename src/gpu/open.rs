//! Opening a GPU by what is asked of it; in mixed precision with a matrix unit that passed its trial.

use super::executor::Gpu;
use super::mixed;
use super::options::GpuOptions;
use crate::Result;
use crate::executor::Precision;

impl Gpu {
    /// Opens adapter number `index` of [`super::adapters`].
    ///
    /// # Errors
    /// When there is no such adapter or it cannot be opened.
    pub fn open(index: usize) -> Result<Self> {
        Self::with_options(index, GpuOptions::default())
    }

    /// Opens an adapter with other limits than its own, to stand in for smaller devices.
    ///
    /// # Errors
    /// As [`Gpu::open`], and when the adapter has less than these limits.
    pub fn with_limits(index: usize, limits: wgpu::Limits) -> Result<Self> {
        Self::with_options(index, GpuOptions { limits: Some(limits), ..GpuOptions::default() })
    }

    /// Opens an adapter.
    ///
    /// # Errors
    /// As [`Gpu::open`].
    pub fn with_options(index: usize, options: GpuOptions) -> Result<Self> {
        let unit = match options.precision {
            Precision::F32 => None,
            Precision::Mixed => Some(mixed::unit(index)?),
        };
        Self::on_unit(index, options, unit)
    }
}
