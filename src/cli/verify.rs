//! `wgrad verify`: every kernel on this device against the formula in f64.

use crate::device::Device;
use crate::verify::{Effort, Row};
use crate::{Error, Result};
use serde_json::json;

use super::console::Console;
use super::{Common, Outcome, output};

#[derive(clap::Args)]
pub struct Arguments {
    /// Parts of operators' names (`conv2d`, `softmax`); all when none is given
    #[arg(value_name = "OPERATOR")]
    only: Vec<String>,
    /// Decides shapes and values
    #[arg(long, default_value_t = 1, value_name = "N")]
    seed: u64,
    /// How many times each operator's cases are drawn
    #[arg(long, default_value_t = 1, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=1000))]
    rounds: u64,
    /// Let the driver check every index: slower, for the hunt after a faulty kernel
    #[arg(long)]
    checked: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub fn run(arguments: &Arguments, common: &Common, console: &Console) -> Result<Outcome> {
    let chosen = common.find()?;
    if arguments.checked && chosen == Device::Cpu {
        return Err(Error::input("--checked is for GPUs; the CPU executor checks every index as it is"));
    }
    console.note(&format!("{} against the formulas in f64", chosen.describe()));
    let effort = Effort { only: arguments.only.clone(), seed: arguments.seed, rounds: arguments.rounds };
    let (mut told, mut head) = (Ok(()), Some(line(["operator", "tile", "cases", "worst error", "tolerance", ""])));
    let rows = chosen.verify(arguments.checked, &effort, &mut |row| {
        if !arguments.json && told.is_ok() {
            // Above the first row, so that there is none where nothing fits the names.
            let head = head.take().map_or(String::new(), |head| head + "\n");
            told = output::line(&(head + &text(row)));
        }
    })?;
    told?;
    let failed = rows.iter().filter(|row| !row.passed()).count();
    if failed > 0 {
        chosen.distrust();
    }
    let cases: usize = rows.iter().map(|row| row.cases).sum();
    if arguments.json {
        let all: Vec<_> = rows.iter().map(entry).collect();
        let device = chosen.describe();
        output::json(&json!({ "device": device, "seed": effort.seed, "rounds": effort.rounds, "rows": all }))?;
    } else {
        output::line(&format!("{cases} cases in {} rows, {failed} of them wrong", rows.len()))?;
    }
    for row in rows.iter().filter(|row| !row.passed()) {
        let tile = row.tile.as_ref().map_or(String::new(), |tile| format!(" ({tile})"));
        console.error(&format!("{}{tile}: {}", row.operator, row.failure.as_deref().unwrap_or("nothing was tried")));
    }
    Ok(if failed > 0 { Outcome::Partly } else { Outcome::Done })
}

fn line([operator, tile, cases, error, tolerance, verdict]: [&str; 6]) -> String {
    format!("{operator:<24} {tile:<24} {cases:>5}  {error:>11}  {tolerance:>9}  {verdict}").trim_end().to_string()
}

fn text(row: &Row) -> String {
    let verdict = if row.passed() { "ok" } else { "WRONG" };
    let tile = row.tile.as_deref().unwrap_or("");
    let (error, tolerance) = (format!("{:.1e}", row.error), format!("{:.1e}", row.tolerance));
    line([row.operator, tile, &row.cases.to_string(), &error, &tolerance, verdict])
}

/// What is not finite is null in JSON.
fn entry(row: &Row) -> serde_json::Value {
    json!({ "operator": row.operator, "tile": row.tile, "cases": row.cases, "error": row.error,
            "tolerance": row.tolerance, "times_tolerance": row.ratio, "passed": row.passed(),
            "failure": row.failure })
}
