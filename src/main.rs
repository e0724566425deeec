//! The command line program.

#![deny(missing_docs)]

mod cli;

fn main() -> std::process::ExitCode {
    spare_address_space();
    cli::run()
}

/// Where address space is limited (`ulimit -v`), glibc's allocator would set 64 MiB of it apart for every thread, and take
/// them from the pictures: one heap serves all threads then.
fn spare_address_space() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    if wgrad::memory::address_space().is_some() {
        // SAFETY: no other thread is there yet; an allocator that does not know the option ignores it.
        unsafe { libc::mallopt(libc::M_ARENA_MAX, 1) };
    }
}
