//! A part of a test that cannot run here says so; with `WGRAD_REQUIRE_GPU=1` a missing adapter is a failure.

use std::io::Write;

/// Says what is left out and why. Not by `eprintln!`, which the test runner hides when the test passes.
pub fn skip(why: &str) {
    let thread = std::thread::current();
    let _ = writeln!(std::io::stderr(), "SKIPPED the GPU part of {}: {why}", thread.name().unwrap_or("a test"));
}

/// There is no adapter: says so.
///
/// # Panics
/// Where an adapter is required: `WGRAD_REQUIRE_GPU` is set, and neither empty nor `0`.
pub fn no_adapter() {
    let required = std::env::var_os("WGRAD_REQUIRE_GPU").is_some_and(|value| !value.is_empty() && value != "0");
    assert!(!required, "WGRAD_REQUIRE_GPU is set, and there is no GPU adapter");
    skip("this machine has no GPU adapter (install a Vulkan driver, such as Mesa's llvmpipe)");
}
