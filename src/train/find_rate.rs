//! Which learning rate a recipe should have: a range test (Smith, "Cyclical Learning Rates for Training Neural Networks",
//! 2017). The rate grows from step to step, and the loss tells where it is too large.

use std::path::{Path, PathBuf};

use super::folder::RunFolder;
use super::prepare::prepare;
use super::report::{Progress, Report};
use super::setup::trainer;
use super::{CancelToken, Recipe};
use crate::device::Device;
use crate::plots::{Panel, draw};
use crate::{Result, files};

/// Updates of a test.
const STEPS: u64 = 200;
/// First and last rate.
const RATES: [f64; 2] = [1e-7, 10.0];
/// Share that the running mean of losses keeps.
const KEEP: f64 = 0.9;
/// A mean loss of so many times the lowest ends the test.
const LOST: f64 = 4.0;
/// A rate is useful where the loss falls by this share of what it was at first.
const FALL: f64 = 0.02;

/// A test's course and outcome.
#[derive(Clone, Debug)]
pub struct RangeTest {
    /// Rate, loss and running mean of the losses at each step.
    pub points: Vec<[f64; 3]>,
    /// The rate at which the running mean is lowest.
    pub lowest: f64,
    /// A rate to begin with: a tenth of the former. None when no rate lowered the loss.
    pub suggestion: Option<f64>,
    /// Where `lr.csv` and `lr.svg` are.
    pub folder: PathBuf,
}

/// Tests learning rates from 1e-7 to 10 on a recipe's data and network, whose schedule is left aside. Nothing of the network
/// is kept; `lr.csv` and `lr.svg` land in `folder`.
///
/// # Errors
/// As [`super::run`].
pub fn find_rate(
    recipe: &Recipe,
    device: &Device,
    folder: &Path,
    stop: &CancelToken,
    report: &mut dyn Report,
) -> Result<RangeTest> {
    recipe.check()?;
    let mut prepared = prepare(recipe, 0, report)?;
    let mut trainer = trainer(recipe, device, &prepared)?;
    let place = match RunFolder::find(folder)? {
        Some(place) => place,
        None => RunFolder::create(folder)?,
    };
    let (mut points, mut mean, mut least) = (Vec::new(), 0.0, f64::INFINITY);
    for step in 1..=STEPS {
        if stop.requested() {
            break;
        }
        let begun = std::time::Instant::now();
        prepared.feed(&mut trainer, STEPS)?;
        let rate = rate(step);
        let loss = f64::from(trainer.single(rate as f32)?);
        if !loss.is_finite() {
            break;
        }
        mean = KEEP * mean + (1.0 - KEEP) * loss;
        // As if the mean had not begun at zero.
        let smooth = mean / (1.0 - KEEP.powf(step as f64));
        points.push([rate, loss, smooth]);
        let speed = 1.0 / begun.elapsed().as_secs_f64().max(1e-9);
        report.progress(&Progress { step, steps: STEPS, loss: loss as f32, rate: speed });
        least = least.min(smooth);
        if smooth - least > (LOST - 1.0) * least.abs() {
            break;
        }
    }
    // A curve that was cut off has no valley to be trusted.
    let (lowest, suggestion) = match (suggest(&points), stop.requested()) {
        ((lowest, _), true) => (lowest, None),
        (found, false) => found,
    };
    let lines = points.iter().map(|[rate, loss, smooth]| format!("{rate:.6e},{loss:.6e},{smooth:.6e}\n"));
    let text: String = std::iter::once("lr,loss,smoothed_loss\n".to_string()).chain(lines).collect();
    files::replace(&place.path().join("lr.csv"), text.as_bytes())?;
    let curve = points.iter().map(|[rate, _, smooth]| (rate.log10(), *smooth)).collect();
    let title = suggestion
        .map_or(if stop.requested() { "stopped" } else { "no rate lowered the loss" }.to_string(), |rate| {
            format!("suggested: {rate:.1e}")
        });
    let panel = Panel {
        title: format!("mean loss ({title})"),
        below: "learning rate",
        logarithms: true,
        from: None,
        points: curve,
        baseline: None,
    };
    draw(&place.path().join("lr.svg"), &[panel])?;
    Ok(RangeTest { points, lowest, suggestion, folder: place.path().into() })
}

/// The rate of a step: equal factors from one to the next.
fn rate(step: u64) -> f64 {
    let [first, last] = RATES;
    first * (last / first).powf((step - 1) as f64 / (STEPS - 1) as f64)
}

/// The rate of the lowest running mean, and a tenth of it where the loss was lowered at all.
fn suggest(points: &[[f64; 3]]) -> (f64, Option<f64>) {
    let Some(first) = points.first() else { return (RATES[0], None) };
    let lowest = points.iter().fold(first, |best, point| if point[2] < best[2] { point } else { best });
    let fell = first[2] - lowest[2] > FALL * first[2].abs();
    (lowest[0], fell.then_some(lowest[0] / 10.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_valley_is_found_and_a_plain_has_none() {
        let valley: Vec<[f64; 3]> =
            (1..=STEPS).map(|step| [rate(step), 0.0, (rate(step).log10() + 2.0).abs()]).collect();
        let (lowest, suggestion) = suggest(&valley);
        assert!((lowest / 1e-2 - 1.0).abs() < 0.1 && (suggestion.unwrap() / 1e-3 - 1.0).abs() < 0.1, "{lowest}");
        let rising: Vec<[f64; 3]> = (1..=STEPS).map(|step| [rate(step), 0.0, 1.0 + rate(step)]).collect();
        assert_eq!(suggest(&rising).1, None);
        assert_eq!(suggest(&[]).1, None);
        assert!((rate(1) - 1e-7).abs() < 1e-20 && (rate(STEPS) - 10.0).abs() < 1e-9);
    }
}
