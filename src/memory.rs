//! How much memory there is, asked before anything large is made.

use std::sync::OnceLock;

use crate::{Error, Result};

/// Bytes that programs of this machine may use in all: its memory, or what its control group (a container) allows, or
/// what `WGRAD_MEMORY` (MiB) states, whichever is less.
pub fn limit() -> u64 {
    static LIMIT: OnceLock<u64> = OnceLock::new();
    *LIMIT.get_or_init(|| {
        let mut system = sysinfo::System::new();
        system.refresh_memory();
        let group = system.cgroup_limits().map(|group| group.total_memory);
        let known = [Some(system.total_memory()), group, stated()];
        // A system that does not tell says 0.
        known.into_iter().flatten().filter(|&bytes| bytes > 0).min().unwrap_or(u64::MAX)
    })
}

/// Bytes that this process can take beside what it has, at this moment: what is free of the machine's memory, of its
/// control group's, of its address space (`ulimit -v`), and of what `WGRAD_MEMORY` states, whichever is least.
pub fn room() -> u64 {
    let mut system = sysinfo::System::new();
    system.refresh_memory();
    let free = Some(system.available_memory()).filter(|&bytes| bytes > 0);
    let group = system.cgroup_limits().map(|group| group.free_memory);
    let used = used().unwrap_or_default();
    let stated = stated().map(|bytes| bytes.saturating_sub(used.resident));
    let space = address_space().map(|bytes| bytes.saturating_sub(used.mapped));
    [free, group, stated, space].into_iter().flatten().min().unwrap_or(u64::MAX)
}

/// Bytes of address space that this process may have in all (`ulimit -v`), where that is limited.
pub fn address_space() -> Option<u64> {
    #[cfg(target_os = "linux")]
    {
        use nix::sys::resource::{RLIM_INFINITY, Resource, getrlimit};
        let (soft, _) = getrlimit(Resource::RLIMIT_AS).ok()?;
        (soft != RLIM_INFINITY).then_some(soft)
    }
    #[cfg(not(target_os = "linux"))]
    None
}

/// What `WGRAD_MEMORY` states, bytes; what is no number counts as nothing stated.
fn stated() -> Option<u64> {
    check_stated().ok().flatten()
}

/// What `WGRAD_MEMORY` states, bytes, if it is set.
///
/// # Errors
/// When it is no number.
pub fn check_stated() -> Result<Option<u64>> {
    let Some(text) = std::env::var_os("WGRAD_MEMORY").filter(|text| !text.is_empty()) else { return Ok(None) };
    let mib = text.to_str().and_then(|text| text.trim().parse::<u64>().ok()).filter(|&mib| mib > 0);
    let wrong = || Error::input(format!("WGRAD_MEMORY={}: a number of MiB, such as 2048", text.display()));
    mib.map(|mib| Some(mib.saturating_mul(1 << 20))).ok_or_else(wrong)
}

/// Bytes of this process.
#[derive(Default)]
struct Used {
    mapped: u64,
    resident: u64,
}

/// As Linux tells it; elsewhere no limit is set against it.
fn used() -> Option<Used> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let field = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name))?;
        line.trim().trim_end_matches(" kB").parse::<u64>().ok().map(|kib| kib << 10)
    };
    Some(Used { mapped: field("VmSize:")?, resident: field("VmRSS:")? })
}

/// Refuses what needs more than there is.
///
/// # Errors
/// Saying how much is needed, how much there is, and what to lower.
pub(crate) fn check(need: u64, have: u64) -> Result<()> {
    match need <= have {
        true => Ok(()),
        false => {
            let (need, have) = (human(need), human(have));
            Err(Error::device(format!("the plan needs {need} of memory, there are {have}; {REMEDY}")))
        }
    }
}

/// Refuses to draw data that need more than there is.
///
/// # Errors
/// Naming the section that asks for them.
pub(crate) fn check_drawn(need: u64) -> Result<()> {
    match need <= limit() {
        true => Ok(()),
        false => {
            let (need, have) = (human(need), human(limit()));
            Err(Error::key("data", format!("drawing so much takes {need} of memory, there are {have}; draw less")))
        }
    }
}

/// What a person can do about too little memory.
pub(crate) const REMEDY: &str = "lower the batch, the patch size or the network's width";

/// `1.5 GiB`
pub fn human(bytes: u64) -> String {
    let mib = bytes as f64 / f64::from(1 << 20);
    if mib < 1024.0 { format!("{mib:.1} MiB") } else { format!("{:.1} GiB", mib / 1024.0) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn room_shrinks_by_what_is_taken() {
        assert!(room() > 0 && room() <= limit());
        if let Some(before) = used() {
            let taken = std::hint::black_box(vec![1u8; 64 << 20]);
            let after = used().unwrap();
            assert!(after.resident >= before.resident + (48 << 20), "{} of {}", before.resident, after.resident);
            assert!(after.mapped >= after.resident);
            drop(taken);
        }
    }
}
