//! Opening a GPU in tests.

use super::skip;

use wgrad::internal::gpu::{Gpu, GpuOptions, adapters};

/// The adapter that tests run on: number `WGRAD_TEST_ADAPTER`, or the first. Without one the test is skipped, which is
/// said plainly, unless `WGRAD_REQUIRE_GPU=1` makes it a failure.
pub fn open_with(options: GpuOptions) -> Option<Gpu> {
    let index = std::env::var("WGRAD_TEST_ADAPTER").ok().and_then(|i| i.parse().ok()).unwrap_or(0);
    if adapters().is_empty() {
        skip::no_adapter();
        return None;
    }
    Some(Gpu::with_options(index, options).expect("the adapter opens"))
}

/// [`open_with`] as programs open it.
pub fn open() -> Option<Gpu> {
    open_with(GpuOptions::default())
}

/// [`open_with`] with results poisoned and guard zones behind buffers.
pub fn open_inspected() -> Option<Gpu> {
    open_with(GpuOptions { inspect: true, ..GpuOptions::default() })
}
