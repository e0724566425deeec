//! `wgrad devices`: what there is to compute on.

use serde_json::json;
use wgrad::Result;
use wgrad::device::Device;
use wgrad::gpu;

use super::{Outcome, output};

#[derive(clap::Args)]
pub struct Arguments {
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub fn run(arguments: &Arguments) -> Result<Outcome> {
    let chosen = Device::find("auto")?;
    let adapters = gpu::adapters();
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    if arguments.json {
        let mut all: Vec<_> = adapters
            .iter()
            .map(|a| {
                let auto = chosen == Device::from(a.clone());
                json!({ "index": a.index, "name": a.name, "kind": a.kind.word(), "backend": a.backend,
                        "driver": a.driver, "auto": auto })
            })
            .collect();
        all.push(json!({ "index": null, "name": "cpu", "kind": "processor", "backend": "cpu", "threads": threads,
                         "auto": chosen == Device::Cpu }));
        output::json(&all.into())?;
        return Ok(Outcome::Done);
    }
    let mark = |device: &Device| if *device == chosen { "  <- auto" } else { "" };
    for a in &adapters {
        let (index, name, kind, backend, driver) = (a.index, &a.name, a.kind.word(), &a.backend, &a.driver);
        let mark = mark(&Device::from(a.clone()));
        output::line(&format!("{index:>3}  {name} ({kind}, {backend}, {driver}){mark}"))?;
    }
    output::line(&format!("cpu  {}{}", Device::Cpu.describe(), mark(&Device::Cpu)))?;
    Ok(Outcome::Done)
}
