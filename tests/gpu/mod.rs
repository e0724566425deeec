//! Opening a GPU in tests.

#![allow(dead_code, reason = "each test program uses a part")]

use std::io::Write;

use wgrad::gpu::{Gpu, GpuOptions, adapters};

/// The adapter that tests run on: number `WGRAD_TEST_ADAPTER`, or the first. Without one the test is skipped, which is
/// said plainly, unless `WGRAD_REQUIRE_GPU=1` makes it a failure.
pub fn open_with(options: GpuOptions) -> Option<Gpu> {
    let index = std::env::var("WGRAD_TEST_ADAPTER").ok().and_then(|i| i.parse().ok()).unwrap_or(0);
    if adapters().is_empty() {
        let required = std::env::var("WGRAD_REQUIRE_GPU").is_ok_and(|v| v == "1");
        assert!(!required, "WGRAD_REQUIRE_GPU=1, and there is no GPU adapter");
        // Not `eprintln!`, which the test runner hides when the test passes.
        let why = "this machine has no GPU adapter (install a Vulkan driver, such as Mesa's llvmpipe)";
        let _ = writeln!(std::io::stderr(), "SKIPPED the GPU part of a test: {why}");
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
