//! `wgrad doctor`: everything about this machine that a report of a failing GPU needs, in one text.
//!
//! Whatever may hang or crash, a driver's file or a device, is tried in a process of its own that is ended when it takes too
//! long: a device that fails is a line of the report.

mod device;
mod probe;
mod system;

use crate::Result;
use crate::device::Device;
use crate::gpu;
use serde_json::{Value, json};

use super::console::Console;
use super::{Common, Outcome, devices, log, output};

#[derive(clap::Args)]
pub struct Arguments {
    /// Print JSON
    #[arg(long)]
    json: bool,
    /// Look at one thing and print what was found, a JSON object a line: what the report starts processes for
    #[arg(long, hide = true, value_name = "driver:FILE|device:INDEX")]
    probe: Option<String>,
}

/// How a line of the report is to be taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mark {
    /// A fact.
    Plain,
    /// Tried, and works.
    Works,
    /// Tried, and does not.
    Fails,
}

/// A line of the report.
#[derive(Clone, Debug)]
struct Finding {
    name: String,
    text: String,
    mark: Mark,
}

impl Finding {
    fn new(name: impl Into<String>, text: impl Into<String>) -> Self {
        Finding { name: name.into(), text: text.into(), mark: Mark::Plain }
    }

    fn tried(name: impl Into<String>, result: std::result::Result<String, String>) -> Self {
        let mark = if result.is_ok() { Mark::Works } else { Mark::Fails };
        Finding { name: name.into(), text: result.unwrap_or_else(|why| why), mark }
    }

    fn json(&self) -> Value {
        let works = match self.mark {
            Mark::Plain => Value::Null,
            Mark::Works => true.into(),
            Mark::Fails => false.into(),
        };
        json!({ "name": self.name, "text": self.text, "works": works })
    }

    fn line(&self) -> String {
        let mark = match self.mark {
            Mark::Plain => ' ',
            Mark::Works => '+',
            Mark::Fails => '!',
        };
        let text = self.text.split_whitespace().collect::<Vec<_>>().join(" ");
        format!("{mark} {:<28} {text}", self.name).trim_end().to_string()
    }
}

/// A part of the report.
type Section = (String, Vec<Finding>);

pub fn run(arguments: &Arguments, common: &Common, console: &Console, commit: &str) -> Result<Outcome> {
    if let Some(what) = &arguments.probe {
        return probe::answer(what);
    }
    let mut sections = Vec::new();
    let mut add = |title: &str, findings: Vec<Finding>| -> Result<()> {
        if !arguments.json {
            output::line(&format!("{title}:"))?;
            findings.iter().try_for_each(|finding| output::line(&finding.line()))?;
        }
        sections.push((title.to_string(), findings));
        Ok(())
    };
    add("program", system::program(commit))?;
    add("system", system::system())?;
    add("drivers", system::drivers())?;
    add("layers", system::layers())?;
    add("variables", system::variables())?;
    add("cache", system::cache())?;
    let all = gpu::adapters();
    let ways = all.iter().flat_map(|adapter| [adapter.clone()].into_iter().chain(gpu::ways(adapter)));
    for adapter in ways {
        console.note(&format!("looking at {} ...", adapter.name));
        let mut findings = vec![conformance(adapter.index)];
        findings.extend(probe::device(adapter.index));
        add(&format!("adapter {}, {}", adapter.index, devices::text(&adapter)), findings)?;
    }
    let mut others: Vec<Finding> = Vec::new();
    for (adapter, why) in gpu::hidden() {
        others.push(Finding::new(devices::text(&adapter), format!("not used: {why}")));
    }
    if all.is_empty() {
        gpu::ask_the_loader();
        others.push(Finding::tried("adapters", Err("none was found".into())));
    }
    others.extend(log::said().into_iter().map(|line| Finding::new("said", line)));
    add("adapters that are not there", others)?;
    add("choice", choice(common))?;
    if arguments.json {
        let report: serde_json::Map<String, Value> = sections.iter().map(entry).collect();
        output::json(&report.into())?;
    }
    Ok(Outcome::Done)
}

fn entry((title, findings): &Section) -> (String, Value) {
    (title.clone(), findings.iter().map(Finding::json).collect())
}

/// What the driver has passed of its interface's conformance tests.
fn conformance(index: usize) -> Finding {
    let text = match gpu::conformance(index) {
        None => "the interface does not tell".into(),
        Some(version) if version.starts_with("0.") => "the driver has passed no conformance test".into(),
        Some(version) => format!("tests of version {version} passed"),
    };
    Finding::new("conformance", text)
}

/// What `--device` takes, and why.
fn choice(common: &Common) -> Vec<Finding> {
    let mut told = Vec::new();
    let chosen = Device::choose(&common.device, common.kernels(), &mut |failure| told.push(failure.to_string()));
    let mut findings: Vec<Finding> =
        told.into_iter().map(|line| Finding { mark: Mark::Fails, ..Finding::new("left out", line) }).collect();
    let name = format!("--device {}", common.device);
    let why = match (&chosen, gpu::adapters().first()) {
        (Err(_), _) => "",
        (Ok(Device::Cpu), None) => ": there is no GPU",
        (Ok(Device::Cpu), Some(_)) if findings.is_empty() => ": drivers on the processor are slower than the processor",
        (Ok(Device::Cpu), Some(_)) => ": it stands in for what failed",
        (Ok(_), _) => ": the first, discrete before integrated, that computes known answers",
    };
    let text = chosen.map(|device| format!("{}{why}", device.describe())).map_err(|error| error.to_string());
    findings.push(Finding::tried(name, text));
    findings
}
