//! `wgrad devices`: what there is to compute on, and what is there and not used.

use crate::Result;
use crate::device::Device;
use crate::gpu::{self, AdapterInfo};
use serde_json::{Value, json};

use super::{Outcome, log, output};

#[derive(clap::Args)]
pub struct Arguments {
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub fn run(arguments: &Arguments) -> Result<Outcome> {
    let chosen = Device::find("auto")?;
    let (adapters, hidden) = (gpu::adapters(), gpu::hidden());
    let auto = |adapter: &AdapterInfo| chosen == Device::from(adapter.clone());
    if adapters.is_empty() {
        gpu::ask_the_loader();
    }
    if arguments.json {
        let mut all: Vec<Value> = Vec::new();
        for adapter in &adapters {
            let ways: Vec<Value> = gpu::ways(adapter).iter().map(|way| entry(way, auto(way))).collect();
            let mut device = entry(adapter, auto(adapter));
            device["ways"] = ways.into();
            all.push(device);
        }
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        all.push(json!({ "index": null, "name": "cpu", "kind": "processor", "backend": "cpu", "threads": threads,
                         "auto": chosen == Device::Cpu }));
        for (adapter, why) in &hidden {
            let mut device = entry(adapter, false);
            (device["index"], device["hidden"]) = (Value::Null, why.as_str().into());
            all.push(device);
        }
        output::json(&all.into())?;
        return Ok(Outcome::Done);
    }
    for adapter in &adapters {
        output::line(&format!("{:>3}  {}{}", adapter.index, text(adapter), mark(auto(adapter))))?;
        for way in gpu::ways(adapter) {
            let (index, backend, driver) = (way.index, &way.backend, &way.driver);
            output::line(&format!("{index:>3}    the same by {backend} ({driver}){}", mark(auto(&way))))?;
        }
    }
    output::line(&format!("cpu  {}{}", Device::Cpu.describe(), mark(chosen == Device::Cpu)))?;
    for (adapter, why) in &hidden {
        output::line(&format!("  -  {}: not used: {why}", text(adapter)))?;
    }
    if adapters.is_empty() {
        output::line("no GPU adapter was found; `wgrad doctor` says what was looked for")?;
        for line in log::said() {
            output::line(&format!("     {line}"))?;
        }
    }
    Ok(Outcome::Done)
}

fn mark(auto: bool) -> &'static str {
    if auto { "  <- auto" } else { "" }
}

/// Name, kind, interface, place, PCI numbers, driver.
pub fn text(adapter: &AdapterInfo) -> String {
    let AdapterInfo { name, backend, kind, driver, pci, ids: [vendor, device], .. } = adapter;
    let place = if pci.is_empty() { String::new() } else { format!(", {pci}") };
    format!("{name} ({}, {backend}{place}, {vendor:04x}:{device:04x}, {driver})", kind.word())
}

/// The same for machines.
pub fn entry(adapter: &AdapterInfo, auto: bool) -> Value {
    let AdapterInfo { index, name, backend, kind, driver, pci, ids: [vendor, device] } = adapter;
    json!({ "index": index, "name": name, "kind": kind.word(), "backend": backend, "driver": driver, "pci": pci,
            "vendor": format!("{vendor:04x}"), "device": format!("{device:04x}"), "auto": auto })
}
