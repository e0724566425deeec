//! Validation: how good a network is on what it did not learn from.

use std::path::PathBuf;

use super::Deciding;
use super::report::Validation;
use super::scores::{mean_r2, value_scores};
use crate::checkpoint::Checkpoint;
use crate::data::{self, Degradation, Rows};
use crate::device::{Device, Failure};
use crate::graph::Loss;
use crate::image::protocol::{self, Baseline};
use crate::image::score::Score;
use crate::image::{Picture, Plane, resize};
use crate::interface::{Interface, OutputSpec};
use crate::network::{Input, Network, Weights};
use crate::predict::Predictor;
use crate::upscale::{Fallback, UpscaleOptions, Upscaler};
use crate::{Error, Result};

/// Rows that a network predicts at a time.
const BATCH: usize = 500;

/// What a network is judged by.
pub enum Validator {
    /// Rows with known targets.
    Rows {
        /// The rows.
        rows: Rows,
        /// What is summed up beside the score.
        loss: Loss,
        /// How predictions are read.
        output: OutputSpec,
        /// Made at the first validation.
        predictor: Option<Box<Predictor>>,
    },
    /// Pictures to be restored from what was made of them.
    Pictures {
        /// Ground truth.
        truths: Vec<Truth>,
        /// What is given to the network, the deciding one first.
        inputs: Vec<Inputs>,
        /// Made at the first validation.
        upscaler: Option<Box<Upscaler>>,
        /// What became of its device.
        told: Vec<Failure>,
    },
}

/// A picture as it should be.
pub struct Truth {
    /// What messages call it.
    pub name: PathBuf,
    /// Its pixels.
    pub picture: Picture,
}

impl Truth {
    /// What is computed of the picture; an error names it.
    fn compute<T>(&self, compute: impl FnOnce(&Picture) -> Result<T>) -> Result<T> {
        compute(&self.picture).map_err(|error| error.in_file(&self.name))
    }
}

/// Low-resolution pictures, one for each truth, and how well bicubic enlargement restores them.
pub struct Inputs {
    /// Names of their PSNR and SSIM.
    names: [&'static str; 2],
    lows: Vec<Picture>,
    /// Mean PSNR and SSIM of bicubic enlargement.
    bicubic: [f64; 2],
}

impl Inputs {
    /// The bicubic reductions.
    fn clean(truths: &[Truth], scale: usize, names: [&'static str; 2]) -> Result<Self> {
        let low = |truth: &Truth| truth.compute(|picture| protocol::low_resolution(picture, scale));
        let score = |truth: &Truth| truth.compute(|picture| protocol::bicubic(picture, scale, Baseline::Luma));
        let lows = truths.iter().map(low).collect::<Result<_>>()?;
        let scores = truths.iter().map(score).collect::<Result<Vec<_>>>()?;
        Ok(Inputs { names, lows, bicubic: mean(&scores) })
    }

    /// Degraded once for the whole run: `seed` and the number of a picture say how.
    fn degraded(truths: &[Truth], scale: usize, degradation: &Degradation, seed: u32) -> Result<Self> {
        // A pass that training never comes to, so that nothing is judged by what was drawn for learning.
        let key = |index: usize| [seed, u32::MAX, index as u32];
        let low = |(index, truth): (usize, &Truth)| {
            truth.compute(|picture| {
                data::low(&resize::modcrop_picture(picture, scale), scale, Some(degradation), key(index))
            })
        };
        let lows = truths.iter().enumerate().map(low).collect::<Result<Vec<_>>>()?;
        let score = |(low, truth): (&Picture, &Truth)| {
            let bicubic = low.map(|plane| resize::upscale(plane, scale, resize::Rounding::Eight));
            truth.compute(|picture| protocol::compare(&bicubic, picture, scale))
        };
        let scores = lows.iter().zip(truths).map(score).collect::<Result<Vec<_>>>()?;
        Ok(Inputs { names: ["degraded PSNR", "degraded SSIM"], lows, bicubic: mean(&scores) })
    }
}

fn mean(scores: &[Score]) -> [f64; 2] {
    let count = scores.len() as f64;
    [scores.iter().map(|s| s.psnr).sum::<f64>() / count, scores.iter().map(|s| s.ssim).sum::<f64>() / count]
}

impl Validator {
    /// Judges by rows.
    pub fn rows(rows: Rows, loss: Loss, output: OutputSpec) -> Self {
        Validator::Rows { rows, loss, output, predictor: None }
    }

    /// Judges by pictures, against bicubic enlargement.
    ///
    /// # Errors
    /// When a picture is too small for the scores.
    pub fn pictures(truths: Vec<Truth>, scale: usize) -> Result<Self> {
        let inputs = vec![Inputs::clean(&truths, scale, ["PSNR", "SSIM"])?];
        Ok(Validator::Pictures { truths, inputs, upscaler: None, told: Vec::new() })
    }

    /// Judges by pictures twice: degraded as those that are learned from, and clean.
    ///
    /// # Errors
    /// When a picture is too small for the scores.
    pub fn degraded_pictures(
        truths: Vec<Truth>,
        scale: usize,
        degradation: &Degradation,
        seed: u32,
        deciding: Deciding,
    ) -> Result<Self> {
        let mut inputs = vec![
            Inputs::degraded(&truths, scale, degradation, seed)?,
            Inputs::clean(&truths, scale, ["clean PSNR", "clean SSIM"])?,
        ];
        if deciding == Deciding::Clean {
            inputs.reverse();
        }
        Ok(Validator::Pictures { truths, inputs, upscaler: None, told: Vec::new() })
    }

    /// Forgets the device: the next validation opens the one it is given.
    pub fn forget(&mut self) {
        match self {
            Validator::Rows { predictor, .. } => *predictor = None,
            Validator::Pictures { upscaler, .. } => *upscaler = None,
        }
    }

    /// Devices that failed since this was last asked.
    pub fn take_failures(&mut self) -> Vec<Failure> {
        match self {
            Validator::Rows { predictor, .. } => predictor.iter_mut().flat_map(|p| p.take_failures()).collect(),
            Validator::Pictures { told, .. } => std::mem::take(told),
        }
    }

    /// Rows or pictures.
    pub fn count(&self) -> usize {
        match self {
            Validator::Rows { rows, .. } => rows.count(),
            Validator::Pictures { truths, .. } => truths.len(),
        }
    }

    /// Names of the scores, the deciding one first.
    pub fn columns(&self) -> Vec<&'static str> {
        match self {
            Validator::Rows { rows, .. } => row_scores(rows).to_vec(),
            Validator::Pictures { inputs, .. } => inputs.iter().flat_map(|i| i.names).collect(),
        }
    }

    /// Judges weights after `step` updates.
    ///
    /// # Errors
    /// When the device fails.
    pub fn validate(&mut self, device: &Device, network: &Network, weights: &Weights, step: u64) -> Result<Validation> {
        let names = self.columns();
        let (values, baseline) = match self {
            Validator::Rows { rows, loss, output, predictor } => {
                match predictor {
                    Some(predictor) => predictor.set_weights(network, weights)?,
                    None => *predictor = Some(Box::new(Predictor::on(device, network, weights)?)),
                }
                let predictor = predictor.as_mut().expect("made above");
                let outputs = predict_rows(predictor, rows)?;
                (score_rows(rows, *loss, output, &outputs).to_vec(), Vec::new())
            }
            Validator::Pictures { truths, inputs, upscaler, told } => {
                match upscaler {
                    Some(upscaler) => upscaler.set_weights(network, weights)?,
                    None => {
                        let interface = Interface::of(network)?;
                        let checkpoint = Checkpoint::new(network.clone(), weights.clone(), interface);
                        *upscaler = Some(Box::new(Upscaler::new(device, &checkpoint, UpscaleOptions::default())?));
                    }
                }
                let upscaler = upscaler.as_mut().expect("made above");
                let mut values = Vec::new();
                for input in inputs.iter() {
                    let mut scores = Vec::new();
                    for (low, truth) in input.lows.iter().zip(truths.iter()) {
                        let restored = restore(upscaler, low, told)?;
                        let scale = upscaler.scale();
                        scores.push(truth.compute(|picture| protocol::compare(&restored, picture, scale))?);
                    }
                    values.extend(mean(&scores));
                }
                (values, inputs.iter().flat_map(|input| input.bicubic).collect())
            }
        };
        let named = |values: Vec<f64>| names.iter().map(|n| n.to_string()).zip(values).collect();
        Ok(Validation { step, scores: named(values), baseline: named(baseline), best: false })
    }

    /// Bicubic, network and truth side by side, a row for each of the first pictures; none for rows.
    ///
    /// # Errors
    /// When the device fails.
    pub fn sample(&mut self) -> Result<Option<Picture>> {
        let Validator::Pictures { truths, inputs, upscaler: Some(upscaler), told } = self else { return Ok(None) };
        let (side, gap, scale) = (144, 4, upscaler.scale());
        let mut rows: Vec<[Picture; 3]> = Vec::new();
        for (truth, low) in truths.iter().zip(&inputs[0].lows).take(4) {
            let truth = resize::modcrop_picture(&truth.picture, scale);
            let bicubic = low.map(|p| resize::upscale(p, scale, resize::Rounding::Eight));
            let network = restore(upscaler, low, told)?;
            let crop = |picture: &Picture| {
                let (w, h) = (side.min(picture.width()), side.min(picture.height()));
                let (x, y) = ((picture.width() - w) / 2, (picture.height() - h) / 2);
                picture.map(|p| p.crop(x, y, w, h))
            };
            rows.push([crop(&bicubic), crop(&network), crop(&truth)]);
        }
        let (width, height) = (3 * side + 2 * gap, rows.len() * (side + gap) - gap);
        let plane = |channel: usize| {
            Plane::from_fn(width, height, |x, y| {
                let cell = &rows[y / (side + gap)][x / (side + gap)];
                let (x, y) = (x % (side + gap), y % (side + gap));
                let plane = &cell.planes[channel.min(cell.planes.len() - 1)];
                if x < plane.width && y < plane.height { plane.at(x, y).round().clamp(0.0, 255.0) } else { 255.0 }
            })
        };
        Ok(Some(Picture::new((0..3).map(plane).collect())))
    }
}

/// The 8-bit picture that the upscaler makes of a low-resolution one.
fn restore(upscaler: &mut Upscaler, low: &Picture, told: &mut Vec<Failure>) -> Result<Picture> {
    let upscaled = upscaler.upscale(low, &mut |_, _| {})?;
    told.extend(upscaled.fallbacks.into_iter().filter_map(|fallback| match fallback {
        Fallback::Device(failure) => Some(failure),
        Fallback::Halved { .. } => None,
    }));
    Ok(upscaled.picture.map(Plane::to_eight_bits))
}

/// The network's output for every row, in batches; the last, shorter one has a plan of its own.
///
/// # Errors
/// When the rows do not fit the network or the device fails.
pub fn predict_rows(predictor: &mut Predictor, rows: &Rows) -> Result<Vec<f32>> {
    let mut outputs = Vec::new();
    let count = rows.count();
    for start in (0..count).step_by(BATCH) {
        let batch = BATCH.min(count - start);
        let range = start * rows.width..(start + batch) * rows.width;
        let values: Vec<f32> = range.map(|i| rows.features.value(i)).collect();
        outputs.extend(predictor.run(batch, [1, 1], &values)?);
    }
    Ok(outputs)
}

/// Names of [`score_rows`].
pub fn row_scores(rows: &Rows) -> [&'static str; 2] {
    [if rows.classes.is_some() { "accuracy" } else { "R2" }, "loss"]
}

/// Accuracy (or R squared, the mean over the columns) and mean loss, in f64.
pub fn score_rows(rows: &Rows, loss: Loss, spec: &OutputSpec, outputs: &[f32]) -> [f64; 2] {
    let count = rows.count();
    let width = outputs.len() / count;
    let mut total = 0.0;
    let mut right = 0usize;
    for (i, output) in outputs.chunks(width).enumerate() {
        let target = &rows.targets[i * rows.target_width..(i + 1) * rows.target_width];
        let prediction = spec.class(output);
        right += usize::from(rows.classes.is_some() && prediction == target[0] as usize);
        total += crate::cpu::row_loss(loss, output, target);
    }
    let mean_loss = total / count as f64;
    let score = match rows.classes {
        Some(_) => right as f64 / count as f64,
        // Of what is answered: a probability, where the network gives its logit.
        None => mean_r2(&value_scores(rows, spec, outputs)),
    };
    [score, mean_loss]
}

/// Refuses rows that a network cannot take.
///
/// # Errors
/// Naming both widths.
pub fn check_rows(network: &Network, rows: &Rows) -> Result<()> {
    let width = network.input().width();
    if matches!(network.input(), Input::Picture { .. }) {
        return Ok(());
    }
    if width != rows.width {
        return Err(Error::input(format!(
            "network: its input takes {width} values, the data has rows of {}",
            rows.width
        )));
    }
    Ok(())
}
