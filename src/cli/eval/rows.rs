//! Scores of networks of rows: accuracy and loss, or R squared and loss.

use std::path::Path;

use wgrad::data::{Rows, csv, idx};
use wgrad::device::Device;
use wgrad::train::{Checkpoint, Judge, Validation, check_rows};
use wgrad::{Error, Result};

use crate::cli::model;
use crate::cli::predict::{column, loss};

/// Scores a checkpoint on a folder of MNIST's files (their test part) or on a table.
///
/// # Errors
/// When the data do not fit the network, naming the file.
pub fn score(path: &Path, data: &Path, target: Option<&str>, device: &Device) -> Result<Validation> {
    let checkpoint = model::file(path)?;
    if let wgrad::network::Input::Picture { .. } = checkpoint.network.input() {
        return Err(Error::input(format!("{}: enlarges pictures; score it by --hr and -m", path.display())));
    }
    let loss = loss(&checkpoint);
    let rows = read(&checkpoint, data, target)?;
    check_rows(&checkpoint.network, &rows).map_err(|e| Error::input(format!("{}: {e}", data.display())))?;
    let step = checkpoint.training.as_ref().map_or(0, |t| t.step);
    Judge::rows(rows, loss.loss()).validate(device, &checkpoint.network, &checkpoint.weights, step)
}

fn read(checkpoint: &Checkpoint, data: &Path, target: Option<&str>) -> Result<Rows> {
    if data.is_dir() {
        let classes = Some(checkpoint.classes.len()).filter(|&count| count > 0);
        return idx::load(data, idx::Split::Test, classes);
    }
    let column = target.map_or(csv::Column::Index(-1), column);
    let target = match classifies(checkpoint) {
        true => {
            let names = Some(checkpoint.classes.clone()).filter(|names| !names.is_empty());
            csv::Target::Class { column, names }
        }
        false => csv::Target::Values(vec![column]),
    };
    Ok(csv::load(data, &csv::Options::new(target))?.rows)
}

/// Whether the network tells classes apart.
pub fn classifies(checkpoint: &Checkpoint) -> bool {
    use wgrad::train::LossSpec;
    !checkpoint.classes.is_empty()
        || matches!(loss(checkpoint), LossSpec::CrossEntropy { .. } | LossSpec::Bce {} | LossSpec::BceWithLogits {})
}
