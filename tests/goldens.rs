//! PyTorch's values decide conventions: every operator with its gradients, optimizers step by step, training runs.
//!
//! Cases are whatever the files hold; `WGRAD_GOLDENS` names another folder of them. A case that no rule knows fails.

mod support;

use support::files::{Case, cases};
use support::training::{check_optimizer, check_training};
use support::{Subject, operators, subjects};

/// Runs every case of a file on every subject and reports all failures together.
fn all(stem: &str, check: impl Fn(&Case, &Subject) -> Result<(), String>) {
    let mut failures = Vec::new();
    for case in cases(stem) {
        for subject in subjects() {
            if let Err(why) = check(&case, &subject) {
                failures.push(format!("{} on {}: {why}", case.name, subject.name));
            }
        }
    }
    assert!(failures.is_empty(), "{} failed:\n  {}", failures.len(), failures.join("\n  "));
}

fn operator(case: &Case, subject: &Subject) -> Result<(), String> {
    operators::program(case)?.check(subject)
}

#[test]
fn linear_algebra() {
    all("linear_algebra", operator);
}

#[test]
fn convolution() {
    all("convolution", operator);
}

#[test]
fn activation() {
    all("activation", operator);
}

#[test]
fn loss() {
    all("loss", operator);
}

#[test]
fn optimizer() {
    all("optimizer", check_optimizer);
}

#[test]
fn training() {
    all("training", check_training);
}
