//! `wgrad train`: a recipe in, a run's folder out.

mod reporter;
mod request;

use std::path::PathBuf;

use crate::Result;
use crate::train::{self, RangeTest, Summary};
use serde_json::json;

use super::console::Console;
use super::{Common, Outcome, interrupt, output};
use reporter::ProgressReporter;

#[derive(clap::Args)]
pub struct Arguments {
    /// The recipe; the built-in quick start when not given, or the run's own with --resume
    recipe: Option<PathBuf>,
    /// Override a key of the recipe, as in `--set steps=500` and `--set optimizer.lr=1e-3`
    #[arg(long, value_name = "KEY=VALUE")]
    set: Vec<String>,
    /// Where the run goes; `runs/NAME`, with -2, -3, ... where that is taken, when not given
    #[arg(long, short)]
    out: Option<PathBuf>,
    /// Go on where the run stopped; the last one of that name when no folder is given
    #[arg(long)]
    resume: bool,
    /// Train nothing, but try learning rates from 1e-7 to 10 and suggest one; the curve goes to lr.svg and lr.csv
    #[arg(long, conflicts_with = "resume")]
    find_lr: bool,
    /// Print every key with its default and meaning, as a recipe
    #[arg(long)]
    explain: bool,
}

/// Every key of a recipe, with its default and its meaning.
const EXPLANATION: &str = include_str!("explain.toml");

pub fn run(arguments: Arguments, common: &Common, console: &Console) -> Result<Outcome> {
    if arguments.explain {
        output::bytes(EXPLANATION.as_bytes())?;
        return Ok(Outcome::Done);
    }
    let folder = request::folder(&arguments)?;
    let mut recipe = request::recipe(&arguments, &folder)?;
    let device = console.device_for(common, recipe.precision)?;
    recipe.precision = device.precision();
    interrupt::listen("finishing the step and saving; Ctrl-C again stops at once", console);
    let mut reporter = ProgressReporter::new(console);
    if arguments.find_lr {
        let test = train::find_rate(&recipe, &device, &folder, &interrupt::STOP, &mut reporter);
        console.clear();
        return suggest(&test?, console);
    }
    let result = train::run(&recipe, &device, &folder, arguments.resume, &interrupt::STOP, &mut reporter);
    console.clear();
    let summary = result?;
    report(&summary, recipe.enlarges(), console)?;
    Ok(match (summary.stopped, summary.failed) {
        (true, _) => Outcome::Interrupted,
        (_, 0) => Outcome::Done,
        (_, failed) => {
            console.line(&format!("{failed} pictures could not be read and were left out"));
            Outcome::Partly
        }
    })
}

/// The suggested rate to standard output.
fn suggest(test: &RangeTest, console: &Console) -> Result<Outcome> {
    let folder = test.folder.display();
    let (lowest, count) = (test.lowest, test.points.len());
    console.event(
        "find-lr",
        json!({ "suggestion": test.suggestion, "lowest": lowest, "steps": count, "folder": folder.to_string() }),
    );
    match test.suggestion {
        Some(rate) => {
            output::line(&format!("optimizer.lr = {rate:.1e}"))?;
            console.line(&format!("the loss is lowest at {lowest:.1e}, and a tenth of that is safe"));
        }
        None if interrupt::STOP.requested() => {
            console.note(&format!("stopped after {count} steps, too early for a suggestion"));
        }
        None => console.note("no learning rate lowered the loss: look at the data, the loss and the network"),
    }
    console.line(&format!("wrote {folder}: lr.svg, lr.csv ({count} steps)"));
    Ok(if interrupt::STOP.requested() { Outcome::Interrupted } else { Outcome::Done })
}

/// The scores to standard output; what was written and what can be done with it to standard error.
fn report(summary: &Summary, enlarges: bool, console: &Console) -> Result<()> {
    let folder = summary.folder.display();
    match &summary.last {
        Some(last) => output::line(&last.line())?,
        None if summary.step == 0 => {
            console.note("stopped before the first step: nothing was learned, and nothing is kept")
        }
        None if summary.stale => {
            let more = "validate.patience is spent; --set validate.patience=0, or a larger number, goes on";
            console.note(&format!("nothing was left to do at step {}: {more}", summary.step));
        }
        None => console.note(&format!("nothing was left to do at step {}; --set steps=N asks for more", summary.step)),
    }
    let scores = summary.last.as_ref().map(|v| v.scores.iter().cloned().collect::<std::collections::BTreeMap<_, _>>());
    console.event(
        "done",
        json!({ "step": summary.step, "seconds": summary.seconds, "stopped": summary.stopped,
                "stale": summary.stale, "best": summary.best,
                "scores": scores, "folder": folder.to_string() }),
    );
    let state = if summary.stopped { "stopped" } else { "done" };
    if summary.step == 0 {
        return Ok(());
    }
    console.line(&format!("{state} at step {} after {:.1} s; wrote {folder}:", summary.step, summary.seconds));
    let files = [
        "best.safetensors",
        "checkpoint.safetensors",
        "metrics.csv",
        "curves.svg",
        "recipe.toml",
        "record.json",
        "samples",
        "kept",
    ];
    let there: Vec<&str> = files.into_iter().filter(|file| summary.folder.join(file).exists()).collect();
    console.line(&format!("  {}", there.join(", ")));
    let next = match (summary.stopped, enlarges) {
        (true, _) => format!("wgrad train --resume --out {folder}"),
        (false, true) => format!("wgrad upscale photo.png -m {folder}/best.safetensors"),
        (false, false) => format!("wgrad predict {folder}/best.safetensors INPUT"),
    };
    console.line(&format!("next: {next}"));
    Ok(())
}
