//! `wgrad profile`: where the time of a training step goes.

use std::path::PathBuf;

use crate::Result;
use crate::train::{self, Recipe, Silent};
use serde_json::json;

use super::console::Console;
use super::{Common, Outcome, output};

#[derive(clap::Args)]
pub struct Arguments {
    /// The recipe; the built-in quick start when not given
    recipe: Option<PathBuf>,
    /// Override a key of the recipe
    #[arg(long, value_name = "KEY=VALUE")]
    set: Vec<String>,
    /// Steps to take the median of
    #[arg(long, default_value_t = 9)]
    steps: usize,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub fn run(arguments: &Arguments, common: &Common, console: &Console) -> Result<Outcome> {
    let mut recipe = match &arguments.recipe {
        Some(path) => Recipe::open(path, &arguments.set)?,
        None => Recipe::parse("", "the quick start", &arguments.set)?,
    };
    let device = console.device_for(common, recipe.precision)?;
    recipe.precision = device.precision();
    let (plan, times) = device.heed(train::profile(&recipe, &device, arguments.steps, &mut Silent))?;
    let total: f64 = times.iter().sum();
    let steps = plan.steps().iter().zip(&times).map(|(step, &time)| {
        let operator = format!("{:?}", step.op);
        let end = operator.find(['(', ' ', '{']).unwrap_or(operator.len());
        (step.label.clone(), operator[..end].to_string(), time, 2.0 * plan.step_macs(step) as f64 / time)
    });
    if arguments.json {
        let entries = steps.map(|(layer, operator, time, gflops)| {
            json!({ "layer": layer, "operator": operator, "nanoseconds": time, "gflops": gflops })
        });
        output::json(&entries.collect::<Vec<_>>().into())?;
        return Ok(Outcome::Done);
    }
    let mut rows = vec![["layer", "operator", "us", "%", "GFLOP/s"].map(String::from).to_vec()];
    rows.extend(steps.map(|(layer, operator, time, gflops)| {
        let gflops = if gflops > 0.0 { format!("{gflops:.1}") } else { String::new() };
        vec![layer, operator, format!("{:.1}", time / 1e3), format!("{:.1}", 100.0 * time / total), gflops]
    }));
    let memory = plan.bytes() as f64 / f64::from(1 << 20);
    output::line(&output::table(&rows, 2))?;
    output::line(&format!("{:.3} ms in {} steps; {memory:.1} MiB", total / 1e6, times.len()))?;
    Ok(Outcome::Done)
}
