//! `wgrad bench`: the same work on the CPU and on every adapter, side by side.

use std::path::PathBuf;
use std::time::Instant;

use crate::bench::{Effort, Measurement, Workload, cold, measure, workloads};
use crate::device::Device;
use crate::plots::draw_bars;
use crate::{Error, Fault, Result, gpu};
use serde_json::json;

use super::console::Console;
use super::{Common, Outcome, output};

#[derive(clap::Args)]
pub struct Arguments {
    /// Parts of workload names (`W2`, `matmul`, `infer`); all when none is given
    #[arg(value_name = "WORKLOAD")]
    filter: Vec<String>,
    /// Shorter repeats: a first impression
    #[arg(long)]
    quick: bool,
    /// Steps queued before the device is waited for
    #[arg(long, default_value_t = 1, value_name = "STEPS", value_parser = clap::value_parser!(u16).range(1..))]
    wait: u16,
    /// Time one workload on one device from the start of the program to its first loss, and the nine steps after it
    #[arg(long, conflicts_with_all = ["quick", "wait", "plot"])]
    cold: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
    /// Draw the times as bars to an SVG file
    #[arg(long, value_name = "FILE")]
    plot: Option<PathBuf>,
}

/// One workload on all devices, in their order; what failed says why.
struct BenchRow {
    workload: Workload,
    results: Vec<Result<Measurement>>,
}

pub fn run(arguments: &Arguments, common: &Common, console: &Console, started: Instant) -> Result<Outcome> {
    let fits = |name: &str| {
        let name = name.to_lowercase();
        arguments.filter.is_empty() || arguments.filter.iter().any(|part| name.contains(&part.to_lowercase()))
    };
    let chosen: Vec<Workload> = workloads().into_iter().filter(|w| fits(&w.name())).collect();
    if chosen.is_empty() {
        let names: Vec<String> = workloads().into_iter().map(Workload::name).collect();
        return Err(Error::input(format!("no workload has that name; there are {}", names.join(", "))));
    }
    if arguments.cold {
        let [workload] = chosen[..] else {
            let names: Vec<String> = chosen.into_iter().map(Workload::name).collect();
            return Err(Error::input(format!("--cold times one workload; these fit: {}", names.join(", "))));
        };
        return from_nothing(workload, &console.device(common)?, arguments.json, started);
    }
    let (devices, untrusted) = devices(common, console)?;
    let effort = Effort { steps_per_wait: arguments.wait.into(), ..Effort::default() };
    let effort = if arguments.quick { Effort { repeats: 3, seconds: 0.1, warm_up: 0.2, ..effort } } else { effort };
    if !arguments.json {
        let names: Vec<String> = devices.iter().map(|d| format!("{:>42}", d.describe())).collect();
        output::line(&format!("{:<26}{}", "", names.join("")))?;
        let columns = format!("{:>12} {:>8} {:>10} {:>9}", "ms", "+-%", "GFLOP/s", "x CPU").repeat(devices.len());
        output::line(&format!("{:<26}{columns}", "workload"))?;
    }
    let mut rows = Vec::new();
    let mut hang = vec![false; devices.len()];
    for workload in chosen {
        console.note(&format!("{} ...", workload.name()));
        let one = |(device, &hangs): (&Device, &bool)| match hangs {
            // What it was given is still there, and each wait for it would be as long.
            true => Err(Error::execution("bench", "not tried: the device hangs")),
            false => measure(&workload, device.executor()?.as_mut(), effort),
        };
        let mut results: Vec<Result<Measurement>> = devices.iter().zip(&hang).map(one).collect();
        disqualify(&mut results);
        let heed = |((result, device), hangs): ((Result<Measurement>, &Device), &mut bool)| {
            let result = device.heed(result).map_err(|error| error.on(&device.describe()));
            if let Err(error) = &result {
                console.error(&format!("{}: {error}", workload.name()));
                *hangs |= error.fault() == Some(Fault::Hangs);
            }
            result
        };
        let results = results.into_iter().zip(&devices).zip(&mut hang).map(heed).collect();
        let row = BenchRow { workload, results };
        if !arguments.json {
            output::line(&line(&row))?;
        }
        rows.push(row);
    }
    if arguments.json {
        output::json(&rows.iter().flat_map(|row| entries(row, &devices)).collect::<Vec<_>>().into())?;
    }
    if let Some(path) = &arguments.plot {
        let medians = |row: &BenchRow| row.results.iter().map(|r| r.as_ref().ok().map(Measurement::median)).collect();
        let bars: Vec<_> = rows.iter().map(|row| (row.workload.name(), medians(row))).collect();
        draw_bars(path, &bars, &devices.iter().map(Device::describe).collect::<Vec<_>>())?;
    }
    let failed = rows.iter().flat_map(|row| &row.results).any(|result| result.is_err());
    Ok(if failed || untrusted { Outcome::Partly } else { Outcome::Done })
}

/// How far a result may be from the CPU's, relative: f16's rounding over ten steps, and far less than any fault.
const SAME: f64 = 0.02;

/// Takes the time away from devices that computed something else than the CPU, the first: speed without the result is none.
fn disqualify(results: &mut [Result<Measurement>]) {
    let Some(Ok(cpu)) = results.first() else { return };
    let want = cpu.check;
    for result in &mut results[1..] {
        let got = result.as_ref().map_or(want, |measured| measured.check);
        let same = (got - want).abs() <= SAME * want.abs();
        if !same {
            let message = format!("wrong result: {got:e}, the CPU has {want:e}");
            *result = Err(Error::faulty("bench", message, Fault::Wrong));
        }
    }
}

/// One workload by a program that has just started.
fn from_nothing(workload: Workload, device: &Device, as_json: bool, started: Instant) -> Result<Outcome> {
    let cold = cold(&workload, device.executor()?.as_mut(), started)?;
    let (name, device) = (workload.name(), device.describe());
    if as_json {
        output::json(&json!({
            "workload": name, "device": device, "first_ms": cold.first, "next_9_ms": cold.next, "check": cold.check,
        }))?;
    } else {
        let (first, next) = (cold.first, cold.next);
        output::line(&format!("{name} on {device}: first loss after {first:.0} ms, the next 9 steps {next:.1} ms"))?;
    }
    Ok(Outcome::Done)
}

/// The CPU and every adapter that computes known answers; with `--device`, the CPU and that one. Says whether one was left
/// out because it does not.
///
/// # Errors
/// When the device that was named cannot, or lacks the precision.
fn devices(common: &Common, console: &Console) -> Result<(Vec<Device>, bool)> {
    let (mut devices, mut failed) = (vec![Device::Cpu], false);
    if !common.is_auto() {
        devices.push(common.find()?);
        devices.dedup();
        return Ok((devices, failed));
    }
    for adapter in gpu::adapters() {
        let device = Device::Gpu(adapter, common.kernels());
        match device.prove() {
            Ok(()) => {}
            Err(error @ Error::Interrupted { .. }) => return Err(error),
            Err(error) => {
                failed = true;
                console.error(&error.to_string());
                continue;
            }
        }
        match device.clone().with_precision(common.precision.unwrap_or_default()) {
            Ok(able) => devices.push(able),
            // One that cannot is no reason not to time the others.
            Err(why) => {
                console.note(&format!("{why}; {} in f32", device.describe()));
                devices.push(device);
            }
        }
    }
    Ok((devices, failed))
}

fn line(row: &BenchRow) -> String {
    let cpu = row.results[0].as_ref().ok().map(Measurement::median);
    let cells = row.results.iter().map(|result| match result {
        Ok(m) => {
            let ratio = cpu.map_or(f64::NAN, |cpu| cpu / m.median());
            format!("{:>12.3} {:>8.1} {:>10.1} {:>9.2}", m.median(), 100.0 * m.spread(), m.gflops(), ratio)
        }
        Err(error) => format!("{:>42}", reason(error).chars().take(40).collect::<String>()),
    });
    format!("{:<26}{}", row.workload.name(), cells.collect::<String>())
}

/// An error without what stands above its column.
fn reason(error: &Error) -> String {
    match error {
        Error::Execution { message: why, .. } | Error::Device { why, .. } => why.clone(),
        other => other.to_string(),
    }
}

fn entries<'a>(row: &'a BenchRow, devices: &'a [Device]) -> impl Iterator<Item = serde_json::Value> + 'a {
    let cpu = row.results[0].as_ref().ok().map(Measurement::median);
    row.results.iter().zip(devices).map(move |(result, device)| {
        let (workload, device) = (row.workload.name(), device.describe());
        match result {
            Ok(m) => json!({
                "workload": workload, "device": device, "median_ms": m.median(), "min_ms": m.milliseconds[0],
                "milliseconds": m.milliseconds, "spread": m.spread(), "gflops": m.gflops(), "check": m.check,
                "bytes": m.bytes, "times_cpu": cpu.map(|cpu| cpu / m.median()),
            }),
            Err(error) => json!({ "workload": workload, "device": device, "error": error.to_string() }),
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_with_another_result_has_no_time() {
        let one = |check| Ok(Measurement { milliseconds: vec![1.0], check, flops: 1.0, bytes: 1 });
        let mut results = [one(0.428), one(0.429), one(0.0), one(f64::NAN), one(f64::INFINITY)];
        disqualify(&mut results);
        assert_eq!(results.each_ref().map(|result| result.is_ok()), [true, true, false, false, false]);
        let mut unknown = [Err(Error::input("no CPU")), one(0.0)];
        disqualify(&mut unknown);
        assert!(unknown[1].is_ok(), "nothing to compare with");
    }
}
