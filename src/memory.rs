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
        let stated = std::env::var("WGRAD_MEMORY").ok().and_then(|text| text.trim().parse::<u64>().ok());
        let known = [Some(system.total_memory()), group, stated.map(|mib| mib.saturating_mul(1 << 20))];
        // A system that does not tell says 0.
        known.into_iter().flatten().filter(|&bytes| bytes > 0).min().unwrap_or(u64::MAX)
    })
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

/// What a person can do about too little memory.
pub(crate) const REMEDY: &str = "lower the batch, the patch size or the network's width";

/// `1.5 GiB`
fn human(bytes: u64) -> String {
    let mib = bytes as f64 / f64::from(1 << 20);
    if mib < 1024.0 { format!("{mib:.1} MiB") } else { format!("{:.1} GiB", mib / 1024.0) }
}
