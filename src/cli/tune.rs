//! `wgrad tune`: which tile shapes are fastest here, measured once and remembered.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use crate::bench::{Workload, workloads};
use crate::device::{Device, Kernels, Tiles};
use crate::gpu::{Finding, Gpu, GpuOptions, Tuning};
use crate::graph::{Options, Plan};
use crate::train::{self, Recipe, Silent};
use crate::tuned::{self, Memory};
use crate::{Error, Result};
use serde_json::json;

use super::console::Console;
use super::{Common, Outcome, output};

#[derive(clap::Args)]
pub struct Arguments {
    /// Recipes (`my.toml`) and parts of the names of `wgrad bench`'s workloads; all of these when nothing is given
    #[arg(value_name = "WORKLOAD|RECIPE")]
    work: Vec<String>,
    /// Time to begin measurements in; a shape under way is finished
    #[arg(long, default_value_t = 60.0, value_name = "SECONDS", value_parser = seconds)]
    budget: f64,
    /// Forget what was measured on this device before
    #[arg(long)]
    forget: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

fn seconds(text: &str) -> std::result::Result<f64, String> {
    let seconds: f64 = text.parse().map_err(|_| "not a number".to_string())?;
    if (0.0..=1e6).contains(&seconds) { Ok(seconds) } else { Err("not between 0 and a million".into()) }
}

pub fn run(arguments: &Arguments, common: &Common, console: &Console) -> Result<Outcome> {
    let device = console.device(common)?;
    let Device::Gpu(adapter, Kernels { tiles, precision, watch, .. }) = device.clone() else {
        let why = "there is nothing to tune on the CPU: tile shapes are a GPU's";
        return Err(match common.is_auto() {
            true => Error::device(format!("{why}, and none can be used")),
            false => Error::input(format!("{why}; choose one by --device")),
        });
    };
    if tiles == Tiles::Default {
        return Err(Error::input("--no-tune is for other commands: tuning is what this one does"));
    }
    let plans = plans(&arguments.work)?;
    let memory = Arc::new(Memory::open(tuned::folder().as_deref(), adapter.identity()));
    if arguments.forget {
        memory.forget()?;
    }
    let tuning = Tuning { memory: Some(Arc::clone(&memory)), ..Tuning::default() };
    let options = GpuOptions { tuning, precision, watch, ..GpuOptions::default() };
    let mut gpu = Gpu::with_options(adapter.index, options)?;
    if !arguments.json {
        output::line(&line(["step", "best tile", "us", "GFLOP/s", "default us", "gain", ""]))?;
    }
    let mut told = Ok(());
    let findings = device.heed(gpu.tune(&plans, Duration::from_secs_f64(arguments.budget), &mut |finding| {
        if !arguments.json && told.is_ok() {
            told = output::line(&text(finding));
        }
    }))?;
    told?;
    drop(gpu);
    // Nothing of a device is kept that has stopped computing meanwhile: doing nothing is fast.
    device.prove_anew()?;
    if arguments.json {
        let rows: Vec<_> = findings.iter().map(entry).collect();
        output::json(
            &json!({ "device": adapter.name, "driver": adapter.driver, "kept": memory.path(), "rows": rows }),
        )?;
    }
    close(&findings, arguments, &memory, console);
    Ok(Outcome::Done)
}

/// Says what is left to do and where the choices are.
fn close(findings: &[Finding], arguments: &Arguments, memory: &Memory, console: &Console) {
    let left = findings.iter().filter(|finding| finding.choice.is_none()).count();
    if left > 0 {
        let budget = arguments.budget;
        console.note(&format!("{left} not measured: more than {budget} s or the memory there is; --budget gives more"));
    }
    if findings.is_empty() {
        console.note("nothing to measure: no step has so much work that its tile shape matters");
    }
    match (memory.failure(), memory.path()) {
        (Some(why), _) => console.note(&format!("the choices could not be kept: {why}")),
        (None, Some(path)) if path.exists() => console.note(&format!("kept in {}", path.display())),
        (None, Some(_)) => {}
        (None, None) => console.note("the choices are not kept: there is no cache folder; WGRAD_CACHE names one"),
    }
}

/// The plans to tune for.
fn plans(work: &[String]) -> Result<Vec<Plan>> {
    let lowered = |workload: Workload| Plan::new(&workload.program()?.graph, Options::default());
    if work.is_empty() {
        return workloads().into_iter().map(lowered).collect();
    }
    let mut plans = Vec::new();
    for name in work {
        if Path::new(name).extension().is_some_and(|extension| extension == "toml") {
            let recipe = Recipe::open(Path::new(name), &[])?;
            plans.push(train::plan(&recipe, &mut Silent)?);
            continue;
        }
        let part = name.to_lowercase();
        let fits: Vec<Workload> = workloads().into_iter().filter(|w| w.name().to_lowercase().contains(&part)).collect();
        if fits.is_empty() {
            let names: Vec<String> = workloads().into_iter().map(Workload::name).collect();
            let known = names.join(", ");
            return Err(Error::input(format!("`{name}` is neither a recipe (*.toml) nor one of {known}")));
        }
        for workload in fits {
            plans.push(lowered(workload)?);
        }
    }
    Ok(plans)
}

fn line([step, tile, time, gflops, default, gain, note]: [&str; 7]) -> String {
    let text = format!("{step:<44} {tile:<22} {time:>10} {gflops:>9} {default:>11} {gain:>6}  {note}");
    text.trim_end().to_string()
}

fn text(finding: &Finding) -> String {
    let Some(choice) = &finding.choice else {
        return line([&finding.key, "", "", "", "", "", "not measured"]);
    };
    let [time, default] = [choice.microseconds, choice.default_microseconds].map(|us| format!("{us:.1}"));
    let gflops = format!("{:.1}", finding.flops / choice.microseconds / 1e3);
    let gain = format!("{:.2}", choice.gain());
    let note = if finding.measured { "" } else { "from before" };
    line([&finding.key, &choice.tile, &time, &gflops, &default, &gain, note])
}

fn entry(finding: &Finding) -> serde_json::Value {
    let choice = finding.choice.as_ref();
    json!({
        "step": finding.key, "measured": finding.measured, "tile": choice.map(|c| &c.tile),
        "microseconds": choice.map(|c| c.microseconds), "default": choice.map(|c| &c.default),
        "gflops": choice.map(|c| finding.flops / c.microseconds / 1e3),
        "default_microseconds": choice.map(|c| c.default_microseconds), "gain": choice.map(|c| c.gain()),
    })
}
