//! `wgrad info`: what is in a checkpoint.

use std::path::PathBuf;

use crate::Result;
use crate::checkpoint::Checkpoint;
use crate::graph::{Options, Plan};
use crate::network::{Input, Mode, Network};
use serde_json::{Value, json};

use super::{Outcome, model, output};

#[derive(clap::Args)]
pub struct Arguments {
    /// A checkpoint
    file: PathBuf,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub fn run(arguments: &Arguments) -> Result<Outcome> {
    let checkpoint = Checkpoint::open(&arguments.file)?;
    match arguments.json {
        true => output::json(&value(&checkpoint)?)?,
        false => output::line(&text(&checkpoint)?)?,
    }
    Ok(Outcome::Done)
}

/// Multiply-accumulates that a network for use takes: for an output of 1280x720 pixels, or for one row or image.
///
/// # Errors
/// Never for a network that was accepted.
pub fn macs(network: &Network) -> Result<u64> {
    let side = 64;
    let (graph, ..) = network.graph(1, [side, side], Mode::Infer)?;
    let macs = Plan::new(&graph, Options::default())?.macs();
    Ok(match network.input() {
        Input::Picture { scale, prepared, .. } => {
            let scale = if prepared { 1 } else { scale };
            let outputs = side * side * scale * scale;
            (macs as f64 * 1280.0 * 720.0 / outputs as f64).round() as u64
        }
        _ => macs,
    })
}

fn value(checkpoint: &Checkpoint) -> Result<Value> {
    let (network, weights) = checkpoint.network.collapse(&checkpoint.weights)?;
    let tensors: serde_json::Map<String, Value> =
        checkpoint.weights.iter().map(|(name, array)| (name.to_string(), json!(array.shape))).collect();
    let training = checkpoint.training.as_ref().map(|t| {
        json!({ "step": t.step, "seed": t.seed, "device": t.device, "best": t.standing.score(),
                "moments": [t.first.is_some(), t.second.is_some()], "average": t.average.is_some() })
    });
    let scale = scale(&checkpoint.network);
    Ok(json!({
        "network": checkpoint.network, "parameters": weights.parameters(), "macs": macs(&network)?, "scale": scale,
        "interface": checkpoint.interface, "classes": checkpoint.interface.output.classes(), "loss": checkpoint.loss,
        "training": training, "notes": checkpoint.notes, "tensors": tensors,
    }))
}

/// Enlargement, of networks that enlarge.
fn scale(network: &Network) -> Option<usize> {
    match network.input() {
        Input::Picture { scale, .. } => Some(scale),
        Input::Rows(_) | Input::Image(_) => None,
    }
}

fn text(checkpoint: &Checkpoint) -> Result<String> {
    let (network, weights) = checkpoint.network.collapse(&checkpoint.weights)?;
    let mut lines = Vec::new();
    let mut put = |key: &str, value: String| lines.push(format!("{key:<11} {value}"));
    let declaration = serde_json::to_value(&checkpoint.network).expect("a declaration is plain data");
    let keys = declaration.as_object().into_iter().flatten().filter(|(key, _)| *key != "kind");
    let keys: Vec<String> = keys.map(|(key, value)| format!("{key} {}", short(value))).collect();
    put("network", format!("{}: {}", model::kind(&checkpoint.network), keys.join(", ")));
    let scale = scale(&checkpoint.network);
    if let Some(scale) = scale {
        put("enlarges", format!("{scale} times"));
    }
    put("input", checkpoint.interface.input.describe());
    put("output", checkpoint.interface.output.describe());
    if let Some(loss) = checkpoint.loss {
        put("loss", loss.name().into());
    }
    put("parameters", format!("{} in use", weights.parameters()));
    let per = if scale.is_some() { " for an output of 1280x720" } else { " per input" };
    put("MACs", format!("{}{per}", count(macs(&network)?)));
    if let Some(t) = &checkpoint.training {
        let best = t.standing.score().map_or(String::new(), |best| format!(", best score {best:.4}"));
        put("training", format!("step {}, seed {}, on {}{best}; can be resumed", t.step, t.seed, t.device));
    }
    for (key, note) in &checkpoint.notes {
        put("note", format!("{key}: {note}"));
    }
    lines.push("tensors".into());
    let size = |array: &crate::network::Array| {
        let sides: Vec<String> = array.shape.iter().map(usize::to_string).collect();
        sides.join("x")
    };
    let rows: Vec<Vec<String>> =
        checkpoint.weights.iter().map(|(name, array)| vec![format!("  {name}"), size(array)]).collect();
    lines.push(output::table(&rows, 1));
    Ok(lines.join("\n"))
}

/// JSON without quotes around words, and without the inside of long lists.
fn short(value: &Value) -> String {
    match value {
        Value::String(word) => word.clone(),
        Value::Array(items) if items.iter().any(Value::is_object) => format!("[{} items]", items.len()),
        value => value.to_string(),
    }
}

/// `3.2 G`
pub fn count(number: u64) -> String {
    let value = number as f64;
    match number {
        1_000_000_000.. => format!("{:.1} G", value / 1e9),
        1_000_000.. => format!("{:.1} M", value / 1e6),
        1_000.. => format!("{:.1} K", value / 1e3),
        _ => number.to_string(),
    }
}
