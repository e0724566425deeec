//! A device's work checked against the CPU, now and then: a part of what a network makes of its input is computed again.
//!
//! A device that stops computing goes on to say that all is well; black tiles and unmoved weights are what people see of
//! it. So the first result is looked at, and others as often as it costs little.

use std::ops::Range;
use std::time::Instant;

use crate::device::Cadence;
use crate::executor::Precision;
use crate::network::{Input, Network};
use crate::{Error, Fault, Result};

/// Side of the part of a picture that is computed again, input pixels.
const SIDE: usize = 16;

/// Checks what a network on a device gives.
pub(crate) struct Audit {
    cadence: Cadence,
    precision: Precision,
    drawn: u32,
}

/// Computes one sample anew, from the height and width of pictures and its values.
pub(crate) type Again<'a> = dyn FnMut([usize; 2], &[f32]) -> Result<Vec<f32>> + 'a;

/// What went into a network and came out.
pub(crate) struct Work<'a> {
    pub(crate) network: &'a Network,
    /// Inputs, NHWC.
    pub(crate) batch: usize,
    /// Height and width of pictures.
    pub(crate) size: [usize; 2],
    pub(crate) values: &'a [f32],
    pub(crate) result: &'a [f32],
}

impl Audit {
    /// Checks each result when `always`.
    pub(crate) fn new(precision: Precision, always: bool) -> Self {
        Audit { cadence: Cadence::new(always), precision, drawn: 0 }
    }

    /// Whether this result is to be checked. One that is not finite always is.
    pub(crate) fn is_due(&self, result: &[f32]) -> bool {
        self.cadence.is_due(0.02) || !result.iter().all(|value| value.is_finite())
    }

    /// Computes two parts again on the CPU, by `again`: the last, where a dispatch that was cut short lacks something, and one drawn anew
    /// every time.
    ///
    /// # Errors
    /// When the device computed something else.
    pub(crate) fn check(&mut self, again: &mut Again<'_>, work: &Work<'_>) -> Result<()> {
        let begun = Instant::now();
        self.drawn = self.drawn.wrapping_add(1);
        let mut key = crate::random::pcg4d([self.drawn, work.values.len() as u32, 0, 0]);
        for last in [true, false] {
            let mut at = |most: usize| {
                key.rotate_left(1);
                if last { most } else { key[0] as usize % (most + 1) }
            };
            match work.network.input() {
                Input::Picture { scale, prepared, .. } => {
                    let scale = if prepared { 1 } else { scale };
                    let index = at(work.batch - 1);
                    let corner = work.size.map(|side| at(side - side.min(SIDE)));
                    let (want, got) = picture(again, work, index, corner, scale)?;
                    let [y, x] = corner;
                    self.compare(&got, &want, &format!("the picture at column {x}, row {y}"))?;
                }
                Input::Rows(_) | Input::Image(_) => {
                    let index = at(work.batch - 1);
                    let each = |all: &[f32]| all.len() / work.batch;
                    let (into, from) = (each(work.values), each(work.result));
                    let want = again(work.size, &work.values[index * into..][..into])?;
                    self.compare(&work.result[index * from..][..from], &want, &format!("sample {index} of a batch"))?;
                }
            }
        }
        self.cadence.done(begun);
        Ok(())
    }

    fn compare(&self, got: &[f32], want: &[f32], what: &str) -> Result<()> {
        let bound = match self.precision {
            Precision::F32 => 2e-3,
            Precision::Mixed => 5e-2,
        };
        let norm = |values: &mut dyn Iterator<Item = f64>| values.map(|v| v * v).sum::<f64>().sqrt();
        let size = norm(&mut want.iter().map(|&v| f64::from(v)));
        let off = norm(&mut got.iter().zip(want).map(|(&g, &w)| f64::from(g) - f64::from(w)));
        // Weights that are not finite are not the device's fault.
        if off <= bound * size + 1e-4 * (want.len() as f64).sqrt() || !size.is_finite() {
            return Ok(());
        }
        let (at, _) = got
            .iter()
            .zip(want)
            .map(|(g, w)| (g - w).abs())
            .enumerate()
            .fold((0, 0.0), |most, (i, off)| if off > most.1 || off.is_nan() { (i, off) } else { most });
        let message = format!("the device computes wrong numbers: {what}: {}, the CPU has {}", got[at], want[at]);
        Err(Error::faulty("checking its work", message, Fault::Wrong))
    }
}

/// A part of a picture by the CPU and as it is in the result.
fn picture(
    again: &mut Again<'_>,
    work: &Work<'_>,
    index: usize,
    corner: [usize; 2],
    scale: usize,
) -> Result<(Vec<f32>, Vec<f32>)> {
    let ([height, width], radius) = (work.size, work.network.radius());
    let nth = |all: &'_ [f32]| index * all.len() / work.batch..(index + 1) * all.len() / work.batch;
    let (input, result) = (&work.values[nth(work.values)], &work.result[nth(work.result)]);
    // What the network sees around the part; where the picture ends, so does what the CPU is given.
    let seen = [0, 1].map(|i| corner[i].saturating_sub(radius)..(corner[i] + SIDE + radius).min(work.size[i]));
    let kept = [0, 1].map(|i| corner[i]..(corner[i] + SIDE).min(work.size[i]));
    let given = part(input, width, input.len() / (height * width), &seen);
    let size = seen.each_ref().map(|range| range.len());
    let made = again(size, &given)?;
    let channels = result.len() / (height * width * scale * scale);
    let scaled = |from: [usize; 2]| [0, 1].map(|i| (kept[i].start - from[i]) * scale..(kept[i].end - from[i]) * scale);
    let want = part(&made, size[1] * scale, channels, &scaled([seen[0].start, seen[1].start]));
    Ok((want, part(result, width * scale, channels, &scaled([0, 0]))))
}

/// Rows and columns of a picture that is `width` pixels wide.
fn part(values: &[f32], width: usize, channels: usize, [rows, columns]: &[Range<usize>; 2]) -> Vec<f32> {
    let row = |y: usize| &values[(y * width + columns.start) * channels..(y * width + columns.end) * channels];
    rows.clone().flat_map(row).copied().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cpu::Cpu;
    use crate::models;
    use crate::predict::Predictor;

    /// Checks what the CPU itself computed after something was done to it.
    fn checked(spoil: impl Fn(&mut Vec<f32>)) -> Option<Fault> {
        let checkpoint = models::find(Some("tiny"), Some(3)).unwrap();
        let (network, weights) = checkpoint.network.collapse(&checkpoint.weights).unwrap();
        let make = || Predictor::new(Box::new(Cpu::<f32>::new()), &network, &weights).unwrap();
        let size = [37, 52];
        let values: Vec<f32> = (0..37 * 52).map(|i| (i * 7919 % 256) as f32 / 255.0).collect();
        let mut result = make().run(1, size, &values).unwrap();
        spoil(&mut result);
        let mut audit = Audit::new(Precision::F32, false);
        assert!(audit.is_due(&result), "the first result");
        let work = Work { network: &network, batch: 1, size, values: &values, result: &result };
        audit.check(&mut |size, values| make().run(1, size, values), &work).err().and_then(|error| error.fault())
    }

    #[test]
    fn parts_of_a_picture_are_the_whole_ones() {
        assert_eq!(checked(|_| {}), None);
        assert_eq!(checked(|result| result.iter_mut().for_each(|v| *v *= 1.0001)), None, "rounding");
    }

    #[test]
    fn what_was_not_computed_is_found() {
        assert_eq!(checked(|result| result.fill(0.0)), Some(Fault::Wrong));
        let half = |result: &mut Vec<f32>| {
            let middle = result.len() / 2;
            result[middle..].fill(0.0);
        };
        assert_eq!(checked(half), Some(Fault::Wrong), "a dispatch that was cut short");
        assert_eq!(checked(|result| *result.last_mut().unwrap() = f32::NAN), Some(Fault::Wrong));
    }
}
