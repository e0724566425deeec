//! Known answers: a few cases of each family of kernels, always the same, that a device has to get right before it is
//! trusted with work.

use std::time::{Duration, Instant};

use super::case::Case;
use super::cases::{OPERATORS, known_products};
use crate::executor::Executor;
use crate::graph::{Layout, Options};
use crate::random::Draws;
use crate::{Error, Result};

/// Operators whose first case is tried, those that most work is made of first.
const FIRST: [&str; 6] = ["conv2d weight gradient", "loss", "update", "conv2d input gradient", "resize", "softmax"];

/// Tries a device, with a new executor for each layout of state. After `budget` no other case is begun, but the products,
/// which fill several workgroups, are always tried.
///
/// # Errors
/// When the device computes something else, saying what; when it fails.
pub fn known_answers(make: &dyn Fn() -> Result<Box<dyn Executor>>, budget: Duration) -> Result<usize> {
    let begun = Instant::now();
    let mut draws = Draws::new(0x6b6e_6f77);
    let mut cases = known_products(&mut draws);
    for operator in FIRST.iter().filter_map(|name| OPERATORS.iter().find(|operator| operator.name == *name)) {
        cases.extend((operator.cases)(&mut draws).into_iter().next());
    }
    let mut open: Option<(Layout, Box<dyn Executor>)> = None;
    let mut tried = 0;
    for case in &cases {
        if tried > 0 && begun.elapsed() > budget {
            break;
        }
        let layout = case.plan(Options::default())?.layout;
        if open.as_ref().is_none_or(|(held, _)| *held != layout) {
            open = Some((layout, make()?));
        }
        let (_, executor) = open.as_mut().expect("made above");
        judge(case, executor.as_mut())?;
        tried += 1;
    }
    Ok(tried)
}

fn judge(case: &Case, executor: &mut dyn Executor) -> Result<()> {
    let wrong = |why: String| {
        let message = format!("the device computes wrong numbers: {} of {}: {why}", case.what(), case.shapes());
        Err(Error::device(message))
    };
    match case.judge(executor)? {
        Err(why) => wrong(why),
        // NaN is not at most one.
        Ok(worst) if worst.ratio <= 1.0 => Ok(()),
        Ok(worst) => wrong(worst.note()),
    }
}
