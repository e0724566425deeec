//! Standard output: results, and nothing else.

use std::io::Write;

use crate::{Error, Result};

/// What errors call it.
pub const NAME: &str = "standard output";

/// Writes bytes.
///
/// # Errors
/// When nobody reads them; a closed pipe is no error message in the end.
pub fn bytes(bytes: &[u8]) -> Result<()> {
    let mut stdout = std::io::stdout().lock();
    stdout.write_all(bytes).and_then(|()| stdout.flush()).map_err(|e| Error::io(NAME, e))
}

/// Writes all that a reader gives.
///
/// # Errors
/// As [`bytes`].
pub fn copy(from: &mut impl std::io::Read) -> Result<()> {
    let mut stdout = std::io::stdout().lock();
    std::io::copy(from, &mut stdout).and_then(|_| stdout.flush()).map_err(|e| Error::io(NAME, e))
}

/// Writes a line.
///
/// # Errors
/// As [`bytes`].
pub fn line(text: &str) -> Result<()> {
    bytes(format!("{text}\n").as_bytes())
}

/// Writes a value as indented JSON.
///
/// # Errors
/// As [`bytes`].
pub fn json(value: &serde_json::Value) -> Result<()> {
    line(&serde_json::to_string_pretty(value).expect("plain data"))
}

/// Lays out rows in columns of equal width: the first `words` columns to the left, the others to the right.
pub fn table(rows: &[Vec<String>], words: usize) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |c: usize| rows.iter().filter_map(|row| row.get(c)).map(|t| t.chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let cell = |(c, text): (usize, &String)| match c {
        c if c < words => format!("{text:<width$}", width = widths[c]),
        _ => format!("{text:>width$}", width = widths[c]),
    };
    let line = |row: &Vec<String>| row.iter().enumerate().map(cell).collect::<Vec<_>>().join("  ");
    rows.iter().map(|row| line(row).trim_end().to_string()).collect::<Vec<_>>().join("\n")
}
