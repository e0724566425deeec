//! Scores of networks of rows: accuracy and loss, or R squared and loss.

use std::path::Path;

use wgrad::data::{Rows, csv, idx};
use wgrad::device::Device;
use wgrad::graph::Loss;
use wgrad::interface::OutputSpec;
use wgrad::train::{Checkpoint, Judge, LossSpec, Validation, check_rows};
use wgrad::{Error, Result};

use crate::cli::model;
use crate::cli::predict::column;

/// Scores a checkpoint on a folder of MNIST's files (their test part) or on a table.
///
/// # Errors
/// When the data do not fit the network, naming the file.
pub fn score(path: &Path, data: &Path, target: Option<&str>, device: &Device) -> Result<Validation> {
    let checkpoint = model::file(path)?;
    if let wgrad::network::Input::Picture { .. } = checkpoint.network.input() {
        return Err(Error::input(format!("{}: enlarges pictures; score it by --hr and -m", path.display())));
    }
    let loss = checkpoint.loss.map_or(Loss::Mse, LossSpec::loss);
    let rows = read(&checkpoint, data, target)?;
    check_rows(&checkpoint.network, &rows).map_err(|e| Error::input(format!("{}: {e}", data.display())))?;
    let step = checkpoint.training.as_ref().map_or(0, |t| t.step);
    Judge::rows(rows, loss, checkpoint.interface.output.clone()).validate(
        device,
        &checkpoint.network,
        &checkpoint.weights,
        step,
    )
}

fn read(checkpoint: &Checkpoint, data: &Path, target: Option<&str>) -> Result<Rows> {
    if data.is_dir() {
        let classes = checkpoint.interface.output.classes();
        let rows = idx::load(data, idx::Split::Test, Some(classes.len()))?;
        return Ok(rows);
    }
    let column = target.map_or(csv::Column::Index(-1), column);
    let target = match &checkpoint.interface.output {
        OutputSpec::Classes { names, .. } => csv::Target::Class { column, names: Some(names.clone()) },
        _ => csv::Target::Values(vec![column]),
    };
    Ok(csv::load(data, &csv::Options::new(target))?.rows)
}
