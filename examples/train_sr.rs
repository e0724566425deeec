//! Lesson 8: super-resolution, from nothing to better than bicubic.
//!
//! Shrink a picture, and the network's task is to undo it: the truth is known, so pairs cost nothing.
//!
//! ```text
//! truth --shrink--> small --network--> picture        loss: distance of picture and truth
//! ```
//!
//! The network here is small: five 3x3 convolutions of 16 channels work on the *small* picture, the last makes four
//! channels, and a pixel shuffle (Shi et al. 2016) lays them out as 2 x 2 pixels. To that the enlarged input is added, so
//! that only the detail has to be learned. It sees luma alone; chroma is enlarged by bicubic interpolation, since eyes
//! see brightness sharper than colour.
//!
//! Bicubic interpolation, the rival, is one fixed filter for every place of every picture. The network has seen what
//! edges look like, and continues them.
//!
//! Both are judged by PSNR and SSIM on pictures that are not among those learned from. A recipe says all of this; `wgrad
//! train` takes the same as a TOML file.

mod common;

use anyhow::{Context, Result};
use clap::Parser;
use wgrad::{
    CancelToken, Curve, DataSpec, Network, OptimizerSpec, Progress, Recipe, Report, Schedule, Skip, ValidateSpec,
    Validation, run,
};

/// Prints every validation.
struct Printer(f32);

impl Report for Printer {
    fn note(&mut self, line: &str) {
        println!("{line}");
    }

    fn progress(&mut self, progress: &Progress) {
        self.0 = progress.loss;
    }

    fn validated(&mut self, validation: &Validation) {
        println!("{:6} {:10.5}   {}", validation.step, self.0, validation.line());
    }
}

fn main() -> Result<()> {
    let lesson = common::Lesson::parse();
    let (device, folder) = (lesson.device()?, lesson.folder("train_sr")?);
    let steps = lesson.pick(400, 3000);
    let recipe = Recipe {
        steps,
        network: Network::Compact {
            scale: 2,
            channels: 1,
            features: 16,
            convolutions: 5,
            expand: 0,
            skip: Skip::Bilinear,
        },
        data: DataSpec::Procedural { pictures: lesson.pick(24, 96), size: 128, patch: 24 },
        optimizer: OptimizerSpec { lr: 4e-3, ..OptimizerSpec::default() },
        schedule: Schedule { kind: Curve::Cosine, warmup: 20, ..Schedule::default() },
        validate: ValidateSpec { every: steps / 4, pictures: 8, ..ValidateSpec::default() },
        ..Recipe::default()
    };
    println!("  step       loss   on new pictures");
    common::forget_run(&folder)?;
    let summary = run(&recipe, &device, &folder, false, &CancelToken::new(), &mut Printer(f32::NAN))?;

    let last = summary.last.context("the last step is always judged")?;
    let (network, bicubic) = (last.scores[0].1, last.baseline[0].1);
    println!("\n{:+.2} dB over bicubic after {:.0} s", network - bicubic, summary.seconds);
    println!("wrote {}: bicubic, network, truth", folder.join("samples/bicubic-network-truth.png").display());
    println!("wrote {} and curves.svg, metrics.csv, recipe.toml beside it", folder.join("best.safetensors").display());
    assert!(network > bicubic + 0.5, "the network restores more than bicubic: {network:.2} against {bicubic:.2} dB");
    Ok(())
}
