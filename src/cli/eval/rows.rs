//! Scores of networks of rows: on a folder of MNIST's files, folders of pictures, or a table.

use std::path::Path;

use crate::checkpoint::{Checkpoint, LossSpec};
use crate::data::table::{Table, classes, columns};
use crate::data::{Rows, class_folder, idx};
use crate::device::Device;
use crate::graph::Loss;
use crate::image::fit::Fit;
use crate::interface::{InputSpec, Interface, OutputSpec, image_size};
use crate::predict::Predictor;
use crate::train::{Confusion, ValueScores, check_rows, predict_rows, row_scores, score_rows, value_scores};
use crate::{Error, Result};
use serde_json::{Value, json};

use crate::cli::console::Console;
use crate::cli::{model, output, table};

/// Classes of which a square of counts is shown, on a screen and in JSON; of more, JSON has the counts above zero.
const MOST_SHOWN: usize = 20;
const MOST_SQUARE: usize = 256;

/// How good a network is on some rows.
pub struct Scored {
    /// Accuracy or R squared, and the mean loss, with their names.
    scores: [(&'static str, f64); 2],
    rows: usize,
    /// Pictures that could not be read, and why.
    pub failed: Vec<String>,
    detail: Detail,
}

enum Detail {
    Classes(Confusion),
    Values(Vec<ValueScores>),
}

/// Scores a checkpoint on a folder of MNIST's files (their test part), on a folder of pictures per class, or on a table.
///
/// # Errors
/// When the data do not fit the network, naming the file.
pub fn score(
    path: &Path,
    data: &Path,
    arguments: &table::Arguments,
    device: &Device,
    console: &Console,
) -> Result<Scored> {
    let checkpoint = model::file(path)?;
    if let crate::network::Input::Picture { .. } = checkpoint.network.input() {
        return Err(Error::input(format!("{}: enlarges pictures; score it by --hr and -m", path.display())));
    }
    let loss = checkpoint.loss.map_or(Loss::Mse, LossSpec::loss);
    let (rows, failed) = read(&checkpoint, data, arguments, console)?;
    check_rows(&checkpoint.network, &rows).map_err(|e| Error::input(format!("{}: {e}", data.display())))?;
    let mut predictor = Predictor::on(device, &checkpoint.network, &checkpoint.weights)?;
    let outputs = predict_rows(&mut predictor, &rows);
    predictor.take_failures().iter().for_each(|failure| console.device_failed(failure, json!({})));
    let outputs = outputs?;
    let spec = &checkpoint.interface.output;
    let [first, second] = score_rows(&rows, loss, spec, &outputs);
    let [name, other] = row_scores(&rows);
    let detail = match spec {
        OutputSpec::Classes { .. } => Detail::Classes(Confusion::new(&rows, spec, &outputs)),
        _ => Detail::Values(value_scores(&rows, spec, &outputs)),
    };
    Ok(Scored { scores: [(name, first), (other, second)], rows: rows.count(), failed, detail })
}

/// The rows, and the pictures that could not be read.
fn read(
    checkpoint: &Checkpoint,
    data: &Path,
    arguments: &table::Arguments,
    console: &Console,
) -> Result<(Rows, Vec<String>)> {
    let interface = &checkpoint.interface;
    if data.is_dir() {
        return match class_folder::is_one(data)? {
            true => pictures(checkpoint, data),
            false => Ok((idx::load(data, idx::Split::Test, Some(interface.output.classes().len()))?, Vec::new())),
        };
    }
    Ok((table_rows(&arguments.open(data, interface, console)?, interface, arguments, console)?, Vec::new()))
}

/// The rows of a table that have a target and whatever the network needs; the others are counted.
fn table_rows(table: &Table, interface: &Interface, arguments: &table::Arguments, console: &Console) -> Result<Rows> {
    let targets = match &arguments.target {
        Some(name) => vec![table.place(name)?],
        None => columns::target_places(table, interface)?,
    };
    let (inputs, places) = columns::places(table, interface, targets.first().copied())?;
    let numeric = interface.output.classes().is_empty();
    let values = targets.iter().filter(|_| numeric);
    table.settled(columns::numeric_places(&inputs, &places).chain(values))?;
    let has_target = |row: &usize| !targets.iter().any(|&at| columns::has_no_value(table, *row, at, numeric));
    let (rows, without): (Vec<usize>, Vec<usize>) = (0..table.count()).partition(has_target);
    let (rows, holes) = columns::whole(table, &inputs, &places, &rows);
    for (rows, what) in [(without, "a target"), (holes, "a value in some column")] {
        table.left_out(&rows, what).iter().for_each(|line| console.note(line));
    }
    if rows.is_empty() {
        return Err(Error::input(format!("{}: no row has a target and a value in every column", table.name())));
    }
    let features = table::rows(columns::features(table, &inputs, &places, &rows)?, interface);
    let (values, classes) = match &interface.output {
        OutputSpec::Classes { names, .. } => (classes::indices(table, targets[0], names, &rows)?, Some(names.len())),
        OutputSpec::Values { columns } => (columns::values(table, columns, &targets, &rows)?, None),
        OutputSpec::Probabilities { columns, .. } => {
            let plain: Vec<_> = columns.iter().map(|name| crate::interface::Value::plain(name.clone())).collect();
            (columns::values(table, &plain, &targets, &rows)?, None)
        }
        OutputSpec::Picture { .. } => return Err(Error::input("a picture comes out, and no value of a table")),
    };
    Ok(Rows { targets: values, target_width: targets.len(), classes, ..features })
}

/// Pictures in a folder per class, of which each must be one that the network knows.
fn pictures(checkpoint: &Checkpoint, data: &Path) -> Result<(Rows, Vec<String>)> {
    let (interface, bad) = (&checkpoint.interface, |why: String| Error::input(format!("{}: {why}", data.display())));
    let size = image_size(&checkpoint.network).ok_or_else(|| bad("pictures, to a network that takes none".into()))?;
    let how = if let InputSpec::Image { fit, .. } = interface.input { fit } else { Fit::Pad };
    let folder = class_folder::load(data, size, how)?;
    let known = interface.output.classes();
    let place = |name: &String| {
        known.iter().position(|class| class == name).ok_or_else(|| {
            let (known, there) = (known.join(", "), folder.names.join(", "));
            bad(format!("class {name:?} is none that the network knows: it knows {known}; the folder has {there}"))
        })
    };
    let places = folder.names.iter().map(place).collect::<Result<Vec<_>>>()?;
    let targets = folder.rows.targets.iter().map(|&class| places[class as usize] as f32).collect();
    let failed = folder.failed.into_iter().map(|(_, why)| why).collect();
    Ok((Rows { targets, classes: Some(known.len()), ..folder.rows }, failed))
}

impl Scored {
    /// A report for people.
    pub fn text(&self) -> String {
        let [(name, score), (_, loss)] = self.scores;
        match &self.detail {
            Detail::Classes(confusion) => {
                let (class, share) = confusion.constant();
                let (rows, always) = (self.rows, &confusion.names[class]);
                let head = format!("{name} {:.2} %, loss {loss:.4}, {rows} rows", 100.0 * score);
                let base = format!("always {always}: {:.2} %", 100.0 * share);
                let classes = output::table(&class_table(confusion), 1);
                // A wider matrix is no help on a screen; JSON has it.
                match confusion.matrix(MOST_SHOWN) {
                    Some(counts) => {
                        let square = output::table(&matrix(&confusion.names, &counts), 1);
                        format!("{head} ({base})\n\n{classes}\n\n{square}")
                    }
                    None => format!("{head} ({base})\n\n{classes}"),
                }
            }
            Detail::Values(columns) => {
                let mut rows: Vec<Vec<String>> = vec![["", "R2", "MAE", "RMSE"].map(String::from).to_vec()];
                for column in columns {
                    let line = |name: String, values: [f64; 3]| {
                        let [r2, mae, rmse] = values;
                        vec![name, format!("{r2:.4}"), significant(mae), significant(rmse)]
                    };
                    let constant = format!("always {}", significant(column.constant));
                    rows.push(line(column.name.clone(), [column.r2, column.mae, column.rmse]));
                    rows.push(line(constant, [0.0, column.constant_mae, column.constant_rmse]));
                }
                let mean = if columns.len() > 1 { " (the mean of the columns')" } else { "" };
                let head = format!("{name} {score:.4}{mean}, loss {loss:.4}, {} rows", self.rows);
                format!("{head}\n\n{}", output::table(&rows, 1))
            }
        }
    }

    /// For machines.
    pub fn json(&self) -> Value {
        let mut fields = json!({ "rows": self.rows });
        for (name, value) in self.scores {
            fields[name] = json!(value);
        }
        match &self.detail {
            Detail::Classes(confusion) => {
                let class = |(i, name): (usize, &String)| {
                    let scores = confusion.class(i);
                    json!({ "class": name, "precision": scores.precision, "recall": scores.recall, "f1": scores.f1,
                            "rows": scores.rows })
                };
                let (class_index, share) = confusion.constant();
                fields["classes"] = confusion.names.iter().enumerate().map(class).collect();
                match confusion.matrix(MOST_SQUARE) {
                    Some(matrix) => fields["confusion"] = json!(matrix),
                    None => {
                        let count = |(is, given, rows)| json!({ "is": is, "given": given, "rows": rows });
                        fields["confused"] = confusion.counts().map(count).collect();
                    }
                }
                fields["constant"] = json!({ "class": confusion.names[class_index], "accuracy": share });
            }
            Detail::Values(columns) => {
                let column = |c: &ValueScores| {
                    json!({ "name": c.name, "R2": c.r2, "MAE": c.mae, "RMSE": c.rmse,
                            "constant": { "value": c.constant, "MAE": c.constant_mae, "RMSE": c.constant_rmse } })
                };
                fields["columns"] = columns.iter().map(column).collect();
            }
        }
        fields
    }

    /// The scores alone, as a table of one row.
    pub fn csv(&self) -> String {
        let [(first, a), (second, b)] = self.scores;
        format!("{first},{second}\n{a:.6},{b:.6}")
    }
}

fn class_table(confusion: &Confusion) -> Vec<Vec<String>> {
    let share = |value: Option<f64>| value.map_or("-".into(), |v| format!("{v:.4}"));
    let mut rows: Vec<Vec<String>> = vec![["class", "precision", "recall", "F1", "rows"].map(String::from).to_vec()];
    for (i, name) in confusion.names.iter().enumerate() {
        let scores = confusion.class(i);
        let [precision, recall, f1] = [scores.precision, scores.recall, scores.f1].map(share);
        rows.push(vec![name.clone(), precision, recall, f1, scores.rows.to_string()]);
    }
    rows
}

fn matrix(names: &[String], counts: &[Vec<usize>]) -> Vec<Vec<String>> {
    let mut rows = vec![["is \\ given".to_string()].into_iter().chain(names.iter().cloned()).collect()];
    for (name, counts) in names.iter().zip(counts) {
        let counts = counts.iter().map(usize::to_string);
        rows.push([name.clone()].into_iter().chain(counts).collect::<Vec<String>>());
    }
    rows
}

/// Five digits that mean something.
fn significant(value: f64) -> String {
    match value.abs() {
        0.0 => "0".into(),
        size @ 1e-4..1e7 => format!("{value:.*}", (4 - size.log10().floor() as i32).max(0) as usize),
        _ => format!("{value:.4e}"),
    }
}
