//! `wgrad train`: a recipe in, a run's folder out.

mod request;
mod teller;

use std::path::PathBuf;

use serde_json::json;
use wgrad::Result;
use wgrad::train::{self, Summary};

use super::console::Console;
use super::{Common, Outcome, interrupt, output};
use teller::Teller;

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
    let mut teller = Teller::new(console);
    let result = train::run(&recipe, &device, &folder, arguments.resume, &interrupt::STOP, &mut teller);
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

/// The scores to standard output; what was written and what can be done with it to standard error.
fn report(summary: &Summary, enlarges: bool, console: &Console) -> Result<()> {
    let folder = summary.folder.display();
    match &summary.last {
        Some(last) => output::line(&last.line())?,
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
