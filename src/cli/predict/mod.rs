//! `wgrad predict`: classes or values for tables, IDX files and pictures.

mod answer;
mod input;

use std::path::{Path, PathBuf};

use crate::network::Input;
use crate::predict::Predictor;
use crate::train::{check_rows, predict_rows};
use crate::{Error, Result, files};
use serde_json::json;

use super::console::Console;
use super::{Common, Outcome, model, output, table};
use answer::{Answer, Place, Sheet};

#[derive(clap::Args)]
pub struct Arguments {
    /// A checkpoint
    model: PathBuf,
    /// CSV tables, whose columns are found by their names; IDX files of images; or pictures
    #[arg(required = true)]
    input: Vec<PathBuf>,
    /// Write the answers to a CSV file
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Replace a file of that name
    #[arg(long, requires = "output")]
    overwrite: bool,
    /// Print this many classes per row, the likeliest first
    #[arg(long, default_value_t = 1, value_name = "K")]
    top: usize,
    #[command(flatten)]
    table: table::Arguments,
    /// Turn light into dark first, for pictures of dark digits on light ground
    #[arg(long)]
    invert: bool,
    /// Print the network's own numbers instead of classes or values in the data's units
    #[arg(long)]
    values: bool,
    /// Print JSON
    #[arg(long, conflicts_with = "output")]
    json: bool,
}

/// Rows of a table without an answer that are named; of more their number is told.
const MOST_NAMED: usize = 10;

pub fn run(arguments: Arguments, common: &Common, console: &Console) -> Result<Outcome> {
    let checkpoint = model::file(&arguments.model)?;
    if let Input::Picture { .. } = checkpoint.network.input() {
        let name = arguments.model.display();
        return Err(Error::input(format!("{name}: enlarges pictures; `wgrad upscale` uses it")));
    }
    let taken = arguments.output.as_deref().filter(|path| path.symlink_metadata().is_ok() && !arguments.overwrite);
    if let Some(path) = taken {
        return Err(Error::input(format!("{}: exists already; --overwrite replaces it", path.display())));
    }
    let device = console.device(common)?;
    let mut predictor = Predictor::on(&device, &checkpoint.network, &checkpoint.weights)?;
    let spec = &checkpoint.interface.output;
    let (mut all, mut failures, mut unanswered) = (Vec::new(), Vec::new(), 0);
    let mut sheet = Sheet::new(&checkpoint, arguments.values)?;
    for path in &arguments.input {
        let answers = input::read(path, &checkpoint, &arguments, console).and_then(|taken| {
            let rows = &taken.rows;
            rows.check().and_then(|()| check_rows(&checkpoint.network, rows)).map_err(|e| of(path, &e))?;
            let outputs = predict_rows(&mut predictor, rows)?;
            Ok((taken, outputs))
        });
        let name = path.display().to_string();
        predictor.take_failures().iter().for_each(|failure| console.device_failed(failure, json!({ "input": name })));
        match answers {
            Ok((taken, outputs)) => {
                let mut outputs = outputs.chunks(outputs.len() / taken.rows.count());
                for row in &taken.places {
                    let place = Place { input: &name, row: row.number };
                    let answer = match &row.unfit {
                        Some(why) => Answer::None(why.clone()),
                        None => {
                            let output = outputs.next().expect("an output for every row that is fit");
                            Answer::new(spec, output, arguments.values)
                        }
                    };
                    match (&arguments.output, arguments.json) {
                        (Some(_), _) => sheet.push(&place, &answer)?,
                        (None, true) => all.push(answer.json(&place, spec, arguments.top)),
                        (None, false) => output::line(&answer.text(&place, spec, arguments.top))?,
                    }
                }
                let unfit: Vec<&String> = taken.places.iter().filter_map(|row| row.unfit.as_ref()).collect();
                unfit.iter().take(MOST_NAMED).for_each(|why| console.error(why));
                if unfit.len() > MOST_NAMED {
                    let (count, all) = (unfit.len() - MOST_NAMED, taken.places.len());
                    console.error(&format!("{name}: {count} more of {all} rows have no answer"));
                }
                unanswered += unfit.len();
            }
            // It does nothing more for the others.
            Err(error) if predictor.has_failed() => return Err(error),
            Err(error) => failures.push(error),
        }
    }
    if failures.len() == arguments.input.len() {
        let last = failures.pop().expect("inputs are required");
        failures.iter().for_each(|error| console.error(&error.to_string()));
        return Err(last);
    }
    if let Some(path) = &arguments.output {
        files::replace(path, &sheet.finish()?)?;
        console.line(&format!("wrote {}", path.display()));
    } else if arguments.json {
        output::json(&all.into())?;
    }
    failures.iter().for_each(|error| console.error(&error.to_string()));
    Ok(if failures.is_empty() && unanswered == 0 { Outcome::Done } else { Outcome::Partly })
}

fn of(path: &Path, error: &Error) -> Error {
    Error::input(format!("{}: {error}", path.display()))
}
