//! PyTorch's values decide conventions: every operator with its gradients, optimizers step by step, training runs.
//!
//! Cases are whatever the files hold; `WGRAD_GOLDENS` names another folder of them. A case that no rule knows fails.

use std::sync::Arc;

use crate::support::files::{Case, cases};
use crate::support::tolerance::Precision;
use crate::support::training::{check_optimizer, check_training};
use crate::support::{Subject, operators, subjects};
use wgrad::Result;
use wgrad::graph::{Arena, DatasetBuffer, Options, Plan, StepParams, TensorId};
use wgrad::internal::cpu::Cpu;
use wgrad::internal::executor::{Executor, PlanId};

/// Runs every case of a file on every subject and reports all failures together.
fn all(stem: &str, check: impl Fn(&Case, &Subject) -> std::result::Result<(), String>) {
    part(stem, 0, 1, check);
}

/// Every `of`-th case of a file from number `nth` on: a driver compiles for long, on one core for each test.
fn part(stem: &str, nth: usize, of: usize, check: impl Fn(&Case, &Subject) -> std::result::Result<(), String>) {
    let mut failures = Vec::new();
    for case in cases(stem).into_iter().skip(nth).step_by(of) {
        for subject in subjects() {
            if let Err(why) = check(&case, &subject) {
                failures.push(format!("{} on {}: {why}", case.name, subject.name));
            }
        }
    }
    assert!(failures.is_empty(), "{} failed:\n  {}", failures.len(), failures.join("\n  "));
}

fn operator(case: &Case, subject: &Subject) -> std::result::Result<(), String> {
    operators::program(case)?.check(subject)
}

#[test]
fn linear_algebra() {
    all("linear_algebra", operator);
}

#[test]
fn convolution_even() {
    part("convolution", 0, 2, operator);
}

#[test]
fn convolution_odd() {
    part("convolution", 1, 2, operator);
}

#[test]
fn activation() {
    all("activation", operator);
}

#[test]
fn elementwise() {
    all("elementwise", operator);
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
fn training_even() {
    part("training", 0, 2, check_training);
}

#[test]
fn training_odd() {
    part("training", 1, 2, check_training);
}

/// An executor that spoils one element of everything it reads: what an operator that misses one would do.
struct Spoilt {
    inner: Cpu<f32>,
    with: fn(f32) -> f32,
}

impl Executor for Spoilt {
    fn name(&self) -> String {
        "spoilt".into()
    }
    fn load(&mut self, plan: Arc<Plan>) -> Result<PlanId> {
        self.inner.load(plan)
    }
    fn unload(&mut self, plan: PlanId) -> Result<()> {
        self.inner.unload(plan)
    }
    fn write(&mut self, plan: PlanId, tensor: TensorId, values: &[f32]) -> Result<()> {
        self.inner.write(plan, tensor, values)
    }
    fn read(&mut self, plan: PlanId, tensor: TensorId) -> Result<Vec<f32>> {
        let mut values = self.inner.read(plan, tensor)?;
        let last = values.len() - 1;
        values[last] = (self.with)(values[last]);
        Ok(values)
    }
    fn write_state(&mut self, arena: Arena, values: &[f32]) -> Result<()> {
        self.inner.write_state(arena, values)
    }
    fn read_state(&mut self, arena: Arena) -> Result<Vec<f32>> {
        let mut values = self.inner.read_state(arena)?;
        values[0] = (self.with)(values[0]);
        Ok(values)
    }
    fn write_store(&mut self, store: DatasetBuffer, bytes: &[u8]) -> Result<()> {
        self.inner.write_store(store, bytes)
    }
    fn run(&mut self, plan: PlanId, clocks: &[StepParams]) -> Result<()> {
        self.inner.run(plan, clocks)
    }
    fn losses(&mut self) -> Result<Vec<f32>> {
        self.inner.losses()
    }
    fn profile(&mut self, plan: PlanId, clock: &StepParams) -> Result<Vec<f64>> {
        self.inner.profile(plan, clock)
    }

    fn allocated(&self) -> u64 {
        self.inner.allocated()
    }
}

/// Every case must notice a NaN (an unwritten, poisoned element) and a small error.
#[test]
fn the_harness_fails_on_spoilt_results() {
    let spoils: [fn() -> Box<dyn Executor>; 2] = [
        || Box::new(Spoilt { inner: Cpu::new(), with: |_| f32::NAN }),
        || Box::new(Spoilt { inner: Cpu::new(), with: |v| v * 1.001 + 0.01 }),
    ];
    for make in spoils {
        let subject = Subject { name: "spoilt", make, options: Options::default(), precision: Precision::F32 };
        for stem in ["linear_algebra", "convolution", "activation", "loss"] {
            for case in cases(stem) {
                assert!(operator(&case, &subject).is_err(), "{} went unnoticed", case.name);
            }
        }
        for case in cases("optimizer") {
            assert!(check_optimizer(&case, &subject).is_err(), "{} went unnoticed", case.name);
        }
        for case in cases("training") {
            assert!(check_training(&case, &subject).is_err(), "{} went unnoticed", case.name);
        }
    }
}

#[test]
fn an_unknown_case_is_a_failure() {
    let mut case = cases("activation").remove(0);
    case.name = "swish_of_tomorrow".into();
    assert!(operators::program(&case).is_err());
    let mut case = cases("training").remove(0);
    case.name = "transformer".into();
    assert!(subjects().iter().all(|s| check_training(&case, s).is_err()));
}
