//! Tables on the command line: how they are written, and their rows as a network takes them.

use std::path::Path;

use crate::Result;
use crate::data::table::{Decimal, Format, Separator, Table, columns};
use crate::data::{Rows, Samples};
use crate::interface::{InputSpec, Interface};
use serde::Deserialize;
use serde::de::IntoDeserializer;
use serde::de::value::{Error as WordError, StrDeserializer};

/// How a table is written; what is not given is found.
#[derive(clap::Args)]
pub struct Arguments {
    /// The table's target column, by name or place (-1: the last); found by its name when not given
    #[arg(long, allow_hyphen_values = true)]
    pub target: Option<String>,
    /// What stands between a table's fields: comma, semicolon, tab, bar or space; found when not given
    #[arg(long, value_name = "SEPARATOR", value_parser = word::<Separator>)]
    separator: Option<Separator>,
    /// What stands before a table's decimals: point or comma; found when not given
    #[arg(long, value_name = "MARK", value_parser = word::<Decimal>)]
    decimal: Option<Decimal>,
    /// Whether a table's first line names its columns: true or false; found when not given
    #[arg(long, value_name = "BOOL")]
    header: Option<bool>,
}

/// A word as recipes have it.
fn word<T: for<'de> Deserialize<'de>>(text: &str) -> std::result::Result<T, String> {
    let words: StrDeserializer<'_, WordError> = text.into_deserializer();
    T::deserialize(words).map_err(|e| e.to_string())
}

impl Arguments {
    /// Reads a table for a network.
    ///
    /// # Errors
    /// Naming file and line.
    pub fn open(&self, path: &Path, interface: &Interface) -> Result<Table> {
        let Arguments { separator, decimal, header, .. } = *self;
        let expected: Vec<&str> = match &interface.input {
            InputSpec::Columns { columns, named: true } => columns.iter().map(|c| c.name.as_str()).collect(),
            _ => Vec::new(),
        };
        Table::open(path, &Format { separator, decimal, header }, &expected)
    }
}

/// The features of all rows of a table, without targets.
///
/// # Errors
/// Naming the columns that are missing, or the line and column of a cell that is not understood.
pub fn features(table: &Table, interface: &Interface, target: Option<usize>) -> Result<Rows> {
    let (columns, places) = columns::places(table, &interface.input, target)?;
    let rows: Vec<usize> = (0..table.count()).collect();
    let features = Samples::Floats(columns::features(table, &columns, &places, &rows)?);
    Ok(Rows {
        features,
        width: interface.input.width(),
        targets: vec![0.0; rows.len()],
        target_width: 1,
        classes: None,
    })
}
