//! `wgrad predict`: classes or values for tables, IDX files and pictures.

mod input;

use std::path::PathBuf;

use serde_json::{Value, json};
use wgrad::data::csv;
use wgrad::interface::Reading;
use wgrad::network::Input;
use wgrad::predict::Predictor;
use wgrad::train::{Checkpoint, check_rows, predict_rows};
use wgrad::{Error, Result};

use super::console::Console;
use super::{Common, Outcome, model, output};

#[derive(clap::Args)]
pub struct Arguments {
    /// A checkpoint
    model: PathBuf,
    /// CSV tables of features, IDX files of images, or pictures
    #[arg(required = true)]
    input: Vec<PathBuf>,
    /// Print this many classes per row, the likeliest first
    #[arg(long, default_value_t = 1, value_name = "K")]
    top: usize,
    /// A table's column that is no feature, by name or place (-1: the last)
    #[arg(long, allow_hyphen_values = true)]
    target: Option<String>,
    /// Turn light into dark first, for pictures of dark digits on light ground
    #[arg(long)]
    invert: bool,
    /// Print the network's values instead of classes
    #[arg(long)]
    values: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub fn run(arguments: Arguments, common: &Common, console: &Console) -> Result<Outcome> {
    let checkpoint = model::file(&arguments.model)?;
    if let Input::Picture { .. } = checkpoint.network.input() {
        let name = arguments.model.display();
        return Err(Error::input(format!("{name}: enlarges pictures; `wgrad upscale` uses it")));
    }
    let device = console.device(common)?;
    let mut predictor = Predictor::new(device.executor()?, &checkpoint.network, &checkpoint.weights)?;
    let (mut all, mut failures) = (Vec::new(), Vec::new());
    for path in &arguments.input {
        let rows = input::read(path, &checkpoint.network, &arguments, console).and_then(|rows| {
            rows.check().map_err(|error| Error::input(format!("{}: {error}", path.display())))?;
            check_rows(&checkpoint.network, &rows).map_err(|error| misfit(path, &arguments, &error))?;
            Ok((rows.count(), predict_rows(&mut predictor, &rows)?))
        });
        match rows {
            Ok((count, outputs)) => {
                let name = path.display().to_string();
                for (row, output) in outputs.chunks(outputs.len() / count).enumerate() {
                    let name = if count == 1 { name.clone() } else { format!("{name}:{row}") };
                    let answer = Answer::new(&checkpoint, output, &arguments);
                    match arguments.json {
                        true => all.push(answer.json(&name)),
                        false => output::line(&format!("{name}  {}", answer.text()))?,
                    }
                }
            }
            Err(error) => failures.push(error),
        }
    }
    if failures.len() == arguments.input.len() {
        let last = failures.pop().expect("inputs are required");
        failures.iter().for_each(|error| console.error(&error.to_string()));
        return Err(last);
    }
    if arguments.json {
        output::json(&all.into())?;
    }
    failures.iter().for_each(|error| console.error(&error.to_string()));
    Ok(if failures.is_empty() { Outcome::Done } else { Outcome::Partly })
}

fn misfit(path: &std::path::Path, arguments: &Arguments, error: &Error) -> Error {
    let hint = if arguments.target.is_none() { "; --target leaves a column out" } else { "" };
    Error::input(format!("{}: {error}{hint}", path.display()))
}

/// A column by name, or by place when it is a number.
pub fn column(text: &str) -> csv::Column {
    text.parse().map_or_else(|_| csv::Column::Name(text.into()), csv::Column::Index)
}

/// What a row's output says.
enum Answer {
    /// Class names and probabilities, the likeliest first.
    Classes(Vec<(String, f64)>),
    /// Values.
    Values(Vec<f64>),
}

impl Answer {
    fn new(checkpoint: &Checkpoint, output: &[f32], arguments: &Arguments) -> Self {
        let spec = &checkpoint.interface.output;
        if arguments.values {
            return Answer::Values(output.iter().map(|&x| f64::from(x)).collect());
        }
        let probabilities = match spec.read(output) {
            Reading::Classes(probabilities) => probabilities,
            Reading::Probabilities(values) | Reading::Values(values) => return Answer::Values(values),
        };
        let first = spec.class(output);
        let mut order: Vec<usize> = (0..probabilities.len()).collect();
        // Stable, with the answer in front: equal probabilities do not change which class it is.
        order.sort_by(|&a, &b| {
            probabilities[b].total_cmp(&probabilities[a]).then_with(|| (b == first).cmp(&(a == first)))
        });
        let name = |class: usize| (spec.classes()[class].clone(), probabilities[class]);
        Answer::Classes(order.into_iter().take(arguments.top).map(name).collect())
    }

    fn text(&self) -> String {
        match self {
            Answer::Classes(classes) => {
                let parts = classes.iter().map(|(name, p)| format!("{name} {:.1} %", 100.0 * p));
                parts.collect::<Vec<_>>().join("  ")
            }
            Answer::Values(values) => values.iter().map(|&v| (v as f32).to_string()).collect::<Vec<_>>().join("  "),
        }
    }

    fn json(&self, name: &str) -> Value {
        match self {
            Answer::Classes(classes) => {
                let list: Vec<Value> = classes.iter().map(|(c, p)| json!({ "class": c, "probability": p })).collect();
                json!({ "input": name, "classes": list })
            }
            Answer::Values(values) => json!({ "input": name, "values": values }),
        }
    }
}
