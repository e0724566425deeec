//! A device's work checked against the CPU, now and then: a part of what a network makes of its input is computed again.
//!
//! A device that stops computing goes on to say that all is well; black tiles and unmoved weights are what people see of
//! it. So the first result is looked at, others as often as it costs little, and every one that does not look like the
//! picture it was made of.

use std::ops::Range;
use std::time::Instant;

use crate::device::Cadence;
use crate::executor::Precision;
use crate::network::{Input, Network};
use crate::{Error, Fault, Result};

/// Side of the part of a picture that is computed again, input pixels.
const SIDE: usize = 16;
/// A part is suspected that is so many times as far from its input as parts that were right, and so much farther.
const TIMES: f32 = 4.0;
const FARTHER: f32 = 0.05;
/// One in so many rows of a part says how far it is.
const ROWS: usize = 5;

/// Checks what a network on a device gives.
pub(crate) struct Audit {
    cadence: Cadence,
    precision: Precision,
    drawn: u32,
    /// How far from its input a part was that was right, at most.
    usual: f32,
}

/// Computes one sample anew, from the height and width of pictures and its values.
pub(crate) type Again<'a> = dyn FnMut([usize; 2], &[f32]) -> Result<Vec<f32>> + 'a;

/// A part of a picture: which of a batch, and row and column of its upper left corner.
type Part = (usize, [usize; 2]);

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

impl Work<'_> {
    /// Pixels of the result per input pixel along a side; none where no picture goes in.
    fn scale(&self) -> Option<usize> {
        match self.network.input() {
            Input::Picture { scale, prepared, .. } => Some(if prepared { 1 } else { scale }),
            Input::Rows(_) | Input::Image(_) => None,
        }
    }

    /// Mean distance of a part's input pixels from the means of what was made of them; zero where other channels come out.
    fn distance(&self, (index, [top, left]): Part, scale: usize) -> f32 {
        let ([height, width], batch) = (self.size, self.batch);
        let channels = self.values.len() / (batch * height * width);
        if self.result.len() != self.values.len() * scale * scale {
            return 0.0;
        }
        let (mut sum, mut count) = (0.0, 0);
        let columns = left..(left + SIDE).min(width);
        for y in (top..(top + SIDE).min(height)).step_by(ROWS) {
            for x in columns.clone() {
                let made = |row: usize| {
                    let row = (index * height + y) * scale + row;
                    &self.result[(row * width + x) * scale * channels..][..scale * channels]
                };
                let given = &self.values[((index * height + y) * width + x) * channels..][..channels];
                for (channel, given) in given.iter().enumerate() {
                    let samples = (0..scale).flat_map(|row| made(row)[channel..].iter().step_by(channels));
                    sum += (samples.sum::<f32>() / (scale * scale) as f32 - given).abs();
                }
                count += channels;
            }
        }
        sum / count as f32
    }
}

impl Audit {
    /// Checks each result when `always`.
    pub(crate) fn new(precision: Precision, always: bool) -> Self {
        Audit { cadence: Cadence::new(always), precision, drawn: 0, usual: 0.0 }
    }

    /// Whether this result is to be checked. One that is not finite always is.
    pub(crate) fn is_due(&self, result: &[f32]) -> bool {
        self.cadence.is_due(0.02) || !result.iter().all(|value| value.is_finite())
    }

    /// The part that looks least like the picture it was made of, where that is out of the ordinary. It need not be wrong:
    /// a network may make of pictures what it likes.
    pub(crate) fn suspect(&self, work: &Work<'_>) -> Option<Part> {
        let scale = work.scale()?;
        let corners = |side: usize| (0..side.div_ceil(SIDE)).map(move |i| (i * SIDE).min(side - side.min(SIDE)));
        let ([height, width], mut most) = (work.size, (TIMES * self.usual + FARTHER, None));
        for index in 0..work.batch {
            for part in corners(height).flat_map(|y| corners(width).map(move |x| (index, [y, x]))) {
                let far = work.distance(part, scale);
                if far > most.0 {
                    most = (far, Some(part));
                }
            }
        }
        most.1
    }

    /// Computes parts again on the CPU, by `again`: the last, where a dispatch that was cut short lacks something, one drawn anew every
    /// time, and the one that is suspected.
    ///
    /// # Errors
    /// When the device computed something else.
    pub(crate) fn check(&mut self, again: &mut Again<'_>, work: &Work<'_>, suspect: Option<Part>) -> Result<()> {
        let begun = Instant::now();
        self.drawn = self.drawn.wrapping_add(1);
        let mut key = crate::random::pcg4d([self.drawn, work.values.len() as u32, 0, 0]);
        let mut draw = |most: usize| {
            key.rotate_left(1);
            key[0] as usize % (most + 1)
        };
        let last = work.batch - 1;
        match work.scale() {
            Some(scale) => {
                let ends = work.size.map(|side| side - side.min(SIDE));
                let parts = [Some((last, ends)), Some((draw(last), ends.map(&mut draw))), suspect];
                for part in parts.into_iter().flatten() {
                    let (want, got) = picture(again, work, part, scale)?;
                    let [y, x] = part.1;
                    self.compare(&got, &want, &format!("the picture at column {x}, row {y}"))?;
                    self.usual = self.usual.max(work.distance(part, scale));
                }
            }
            None => {
                for index in [last, draw(last)] {
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
    (index, corner): Part,
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
        audit.check(&mut |size, values| make().run(1, size, values), &work, None).err().and_then(|error| error.fault())
    }

    #[test]
    fn a_patch_that_does_not_look_like_its_picture_is_suspected_wherever_it_is() {
        let checkpoint = models::find(Some("tiny"), Some(3)).unwrap();
        let (network, weights) = checkpoint.network.collapse(&checkpoint.weights).unwrap();
        let mut cpu = Predictor::new(Box::new(Cpu::<f32>::new()), &network, &weights).unwrap();
        let (size, batch) = ([61, 130], 2);
        let smooth = |i: usize| 0.5 + 0.4 * ((i % 130) as f32 / 9.0).sin() * ((i / 130) as f32 / 7.0).cos();
        let values: Vec<f32> = (0..2 * 61 * 130).map(smooth).collect();
        let right = cpu.run(batch, size, &values).unwrap();
        let mut audit = Audit::new(Precision::F32, false);
        fn work<'a>(network: &'a Network, values: &'a [f32], result: &'a [f32]) -> Work<'a> {
            Work { network, batch: 2, size: [61, 130], values, result }
        }
        audit.check(&mut |size, values| cpu.run(1, size, values), &work(&network, &values, &right), None).unwrap();
        assert_eq!(audit.suspect(&work(&network, &values, &right)), None);
        for (index, [y, x]) in [(0, [16, 48]), (1, [45, 114]), (1, [0, 0])] {
            let mut black = right.clone();
            for row in 3 * y..3 * (y + SIDE) {
                black[(index * 3 * 61 + row) * 3 * 130 + 3 * x..][..3 * SIDE].fill(0.0);
            }
            let work = work(&network, &values, &black);
            let suspect = audit.suspect(&work);
            assert_eq!(suspect, Some((index, [y, x])));
            let error = audit.check(&mut |size, values| cpu.run(1, size, values), &work, suspect).unwrap_err();
            assert_eq!(error.fault(), Some(Fault::Wrong));
        }
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
