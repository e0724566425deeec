//! What a property test that fails says, that it leaves nothing behind, and what the environment asks of it.

use crate::support::property;

use std::path::{Path, PathBuf};
use std::process::Command;

use proptest::prelude::*;

/// Asks the property below to fail (`fail`) or to show its cases (`show`).
const ASK: &str = "WGRAD_TEST_ASK_PROPERTY";
const SHOWN: &str = "a case:";

proptest! {
    #![proptest_config(property::config(8))]

    #[test]
    fn holds_unless_asked_to_fail(values in prop::collection::vec(any::<u64>(), 2..20)) {
        match std::env::var(ASK).as_deref() {
            Ok("fail") => prop_assert!(values.is_empty()),
            Ok("show") => println!("{SHOWN} {values:?}"),
            _ => {}
        }
    }
}

/// What the property prints in a program of its own with these variables, in an empty folder that must stay empty.
fn printed(ask: &str, environment: &[(&str, &str)]) -> String {
    let folder = tempfile::tempdir().unwrap();
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "properties::holds_unless_asked_to_fail", "--nocapture"]).current_dir(folder.path());
    for name in ["PROPTEST_RNG_SEED", "PROPTEST_CASES", "WGRAD_TEST_EFFORT"] {
        command.env_remove(name);
    }
    let output = command.env(ASK, ask).envs(environment.iter().copied()).output().unwrap();
    assert_eq!(output.status.success(), ask == "show");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

fn cases(environment: &[(&str, &str)]) -> Vec<String> {
    printed("show", environment).lines().filter_map(|line| Some(line.split_once(SHOWN)?.1.to_owned())).collect()
}

#[test]
fn a_failure_says_the_seed_that_repeats_it() {
    let part = |text: &str, from: &str, to: &str| -> String {
        let after = text.split_once(from).unwrap_or_else(|| panic!("no {from:?} in {text}")).1;
        after.split(to).next().unwrap().to_owned()
    };
    let seed = |text: &str| part(text, "PROPTEST_RNG_SEED=", " ");
    let input = |text: &str| part(text, "minimal failing input: ", "successes");
    let run =
        |environment: &[(&str, &str)]| printed("fail", &[environment, &[("PROPTEST_MAX_SHRINK_ITERS", "0")]].concat());
    let first = run(&[]);
    let again = run(&[("PROPTEST_RNG_SEED", &seed(&first))]);
    assert_eq!((seed(&again), input(&again)), (seed(&first), input(&first)));
    let other = run(&[]);
    assert!(seed(&other) != seed(&first) && input(&other) != input(&first), "every run draws other cases");
}

#[test]
fn a_failure_leaves_no_file_beside_the_sources() {
    fn regressions(folder: &Path, found: &mut Vec<PathBuf>) {
        for entry in std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap()) {
            if entry.file_name().to_string_lossy().contains("regressions") {
                found.push(entry.path());
            } else if entry.file_type().unwrap().is_dir() {
                regressions(&entry.path(), found);
            }
        }
    }
    printed("fail", &[]);
    let mut found = Vec::new();
    for part in ["src", "tests"] {
        regressions(&Path::new(env!("CARGO_MANIFEST_DIR")).join(part), &mut found);
    }
    assert!(found.is_empty(), "{found:?}");
}

#[test]
fn the_environment_says_how_many_cases() {
    assert_eq!(cases(&[]).len(), 8);
    assert_eq!(cases(&[("WGRAD_TEST_EFFORT", "3")]).len(), 24);
    assert_eq!(cases(&[("PROPTEST_CASES", "5")]).len(), 5);
    let seed = [("PROPTEST_RNG_SEED", "7")];
    assert_eq!(cases(&seed), cases(&seed));
}
