//! How property tests draw their cases: others in every run. A failure says the seed that repeats it, and leaves no file
//! in the tree.
//!
//! proptest's variables work as they do anywhere (`PROPTEST_CASES`, `PROPTEST_RNG_SEED`); `WGRAD_TEST_EFFORT=20` makes
//! every property draw 20 times as many cases as it does by itself, which differ by what a case costs.

use std::any::Any;
use std::fmt::Debug;
use std::hash::{BuildHasher, Hasher, RandomState};

use proptest::test_runner::{Config, FailurePersistence, PersistedSeed, RngSeed};

/// Draws `cases` cases unless the environment asks for more or fewer.
pub fn config(cases: u32) -> Config {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let effort = number("WGRAD_TEST_EFFORT").unwrap_or(1).clamp(1, u64::from(u32::MAX)) as u32;
    // Drawn here and not by proptest, which does not tell what it drew.
    let seed = number("PROPTEST_RNG_SEED").unwrap_or_else(|| RandomState::new().build_hasher().finish());
    Config {
        cases: cases.saturating_mul(effort),
        rng_seed: RngSeed::Fixed(seed),
        failure_persistence: Some(Box::new(Said(seed))),
        // Only a file of regressions would need it.
        source_file: None,
        ..Config::default()
    }
}

/// In place of a file of regressions: the seed, among what the failed test printed.
#[derive(Debug, PartialEq)]
struct Said(u64);

impl FailurePersistence for Said {
    fn load_persisted_failures2(&self, _: Option<&'static str>) -> Vec<PersistedSeed> {
        Vec::new()
    }

    fn save_persisted_failure2(&mut self, _: Option<&'static str>, _: PersistedSeed, _: &dyn Debug) {
        eprintln!("PROPTEST_RNG_SEED={} draws these cases again", self.0);
    }

    fn box_clone(&self) -> Box<dyn FailurePersistence> {
        Box::new(Said(self.0))
    }

    fn eq(&self, other: &dyn FailurePersistence) -> bool {
        other.as_any().downcast_ref() == Some(self)
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}
