//! Tables on the command line: how they are written, and their rows as a network takes them.

use std::path::Path;

use crate::Result;
use crate::data::table::{Decimal, Format, Separator, Table};
use crate::data::{Rows, Samples};
use crate::interface::Interface;
use serde::Deserialize;
use serde::de::IntoDeserializer;
use serde::de::value::{Error as WordError, StrDeserializer};

use super::console::Console;

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
    /// Lines above a table that are left out
    #[arg(long, value_name = "LINES", default_value_t = 0)]
    skip: usize,
}

/// A word as recipes have it.
fn word<T: for<'de> Deserialize<'de>>(text: &str) -> std::result::Result<T, String> {
    let words: StrDeserializer<'_, WordError> = text.into_deserializer();
    T::deserialize(words).map_err(|e| e.to_string())
}

impl Arguments {
    /// Reads a table for a network, and says how.
    ///
    /// # Errors
    /// Naming file and line.
    pub fn open(&self, path: &Path, interface: &Interface, console: &Console) -> Result<Table> {
        let Arguments { separator, decimal, header, skip, .. } = *self;
        let table = Table::open_for(path, &Format { separator, decimal, header, skip }, &interface.input)?;
        console.note(&table.describe());
        table.notes().for_each(|note| console.note(&note));
        Ok(table)
    }
}

/// Rows without targets.
pub fn rows(features: Vec<f32>, interface: &Interface) -> Rows {
    let width = interface.input.width();
    let count = features.len() / width.max(1);
    Rows { features: Samples::Floats(features), width, targets: vec![0.0; count], target_width: 1, classes: None }
}
