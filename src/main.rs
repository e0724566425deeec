//! The command line program.

#![deny(missing_docs)]

/// Known here and not in the library: asking git touches its index, and the library would be compiled anew every time.
const COMMIT: &str = git_version::git_version!(args = ["--always", "--dirty=, changed"], fallback = "unknown");

fn main() -> std::process::ExitCode {
    spare_address_space();
    hush_drivers();
    wgrad::internal::cli::run(COMMIT)
}

/// Mesa asks a Wayland compositor which GPU it uses, and without a session its library complains on standard error, twice
/// a command. A session that is named and not there says as much, quietly.
fn hush_drivers() {
    #[cfg(target_os = "linux")]
    if std::env::var_os("XDG_RUNTIME_DIR").is_none() {
        // SAFETY: no other thread is there yet.
        unsafe { std::env::set_var("XDG_RUNTIME_DIR", "/nonexistent") };
    }
}

/// Where address space is limited (`ulimit -v`), glibc's allocator would set 64 MiB of it apart for every thread, and take
/// them from the pictures: one heap serves all threads then.
fn spare_address_space() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    if wgrad::internal::memory::address_space().is_some() {
        // SAFETY: no other thread is there yet; an allocator that does not know the option ignores it.
        unsafe { libc::mallopt(libc::M_ARENA_MAX, 1) };
    }
}
