//! Tables as people have them: text with separated fields.
//!
//! `bytes -> text -> dialect -> cells -> columns -> rows`: [`Table`] holds the cells as they are written; [`columns`] turns
//! them into numbers by the columns of an [`Interface`](crate::interface::Interface), learned from the rows to learn from;
//! [`classes`] into the indices of classes.

pub mod classes;
pub mod columns;
mod dialect;
mod number;
mod text;

use std::path::Path;

use csv::StringRecord;
use dialect::First;

pub use dialect::{Decimal, Format, Separator};

use crate::{Error, Result};

/// A table that was read: cells as they are written, without the spaces around them.
#[derive(Clone, Debug)]
pub struct Table {
    name: String,
    headed: bool,
    columns: Vec<String>,
    /// Names that more than one column has.
    twins: Vec<String>,
    separator: Separator,
    decimal: Decimal,
    records: Vec<StringRecord>,
    /// The line in which each record begins.
    lines: Vec<u64>,
    notes: Vec<String>,
}

impl Table {
    /// Reads a file.
    ///
    /// # Errors
    /// As [`Table::parse`].
    pub fn open(path: &Path, format: &Format, expected: &[&str]) -> Result<Table> {
        let bytes = std::fs::read(path).map_err(|e| Error::io(path, e))?;
        Table::parse(&bytes, &path.display().to_string(), format, expected)
    }

    /// Reads bytes; `name` stands for the file in messages. A first line that has all the `expected` names, where there are
    /// any, is names.
    ///
    /// UTF-8 (with or without its mark), UTF-16 with its mark, else Windows-1252. Excel's line `sep=;` is heeded. Empty
    /// lines and rows without any value are left out, and so are separators at the end of every line.
    ///
    /// # Errors
    /// Naming the file, and the line: no text, no row, a row with more or fewer fields than there are columns, numbers of
    /// which the decimal mark is in doubt, a first line that could be names or a row.
    pub fn parse(bytes: &[u8], name: &str, format: &Format, expected: &[&str]) -> Result<Table> {
        let bad = |why: String| Error::input(format!("{name}: {why}"));
        let (text, note) = text::text(bytes).map_err(|why| bad(why.into()))?;
        let (announced, body) = dialect::announced(&text).map_or((None, text.as_str()), |(s, rest)| (Some(s), rest));
        let separator = format.separator.or(announced).unwrap_or_else(|| dialect::separator(body));
        let spaced: String;
        let body = if separator == Separator::Space {
            spaced = body.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ") + "\n").collect();
            &spaced
        } else {
            body
        };
        let (mut records, mut numbers) = (Vec::new(), Vec::new());
        let mut lines = Lines::new(body, 1 + u64::from(announced.is_some()));
        for record in dialect::reader(body, separator).into_records() {
            let record = record.map_err(|e| bad(e.to_string()))?;
            numbers.push(lines.of(record.position().map_or(0, csv::Position::byte)));
            records.push(record);
        }
        if records.is_empty() {
            return Err(bad("is empty".into()));
        }
        let decimal = match format.decimal {
            Some(decimal) => decimal,
            None => dialect::decimal(&records, separator).map_err(|e| bad(e.to_string()))?,
        };
        let known = !expected.is_empty() && expected.iter().all(|name| records[0].iter().any(|cell| cell == *name));
        let first = match format.header {
            Some(true) => First::Names,
            Some(false) => First::Row,
            None if known => First::Names,
            None => dialect::first(&records, decimal),
        };
        if first == First::Doubtful {
            let line = brief(&records[0].iter().collect::<Vec<_>>().join(", "), 60);
            let remedy = "say so by data.header = true or false (--header)";
            return Err(bad(format!("its first line ({line}) may name the columns or be a row: {remedy}")));
        }
        let headed = first == First::Names;
        let columns = if headed {
            numbers.remove(0);
            records.remove(0).iter().map(str::to_owned).collect()
        } else {
            (0..dialect::usual_width(&records)).map(|place| place.to_string()).collect()
        };
        let notes = note.map(str::to_owned).into_iter().collect();
        let name = name.to_string();
        let mut table =
            Table { name, headed, columns, twins: Vec::new(), separator, decimal, records, lines: numbers, notes };
        table.settle_ends();
        table.name_twins();
        table.drop_blank_rows();
        table.check()?;
        Ok(table)
    }

    /// Separators at the end of every line divide nothing off; where R leaves out the name of its row names, it comes first.
    fn settle_ends(&mut self) {
        let width = self.columns.len();
        while self.columns.len() > 1
            && self.columns.last().is_some_and(|name| name.is_empty() || !self.headed)
            && self.records.iter().all(|r| r.get(self.columns.len() - 1).is_none_or(str::is_empty))
        {
            self.columns.pop();
        }
        let more = self.records.len() > 1 && self.records.iter().all(|r| r.len() == width + 1);
        let filled = self.records.iter().any(|r| r.get(width).is_some_and(|cell| !cell.is_empty()));
        let distinct = || {
            let first: std::collections::BTreeSet<&str> = self.records.iter().map(|r| &r[0]).collect();
            first.len() == self.records.len()
        };
        if self.headed && more && filled && distinct() {
            self.columns.insert(0, String::new());
        }
    }

    /// Columns of one name get numbers behind it.
    fn name_twins(&mut self) {
        for place in 1..self.columns.len() {
            let name = self.columns[place].clone();
            if !name.is_empty() && self.columns[..place].contains(&name) {
                let free = (2..).map(|n| format!("{name} ({n})")).find(|n| !self.columns.contains(n));
                self.columns[place] = free.expect("numbers do not end");
                self.notes.push(format!("a further column named {name:?} is called {:?}", self.columns[place]));
                self.twins.push(name);
            }
        }
    }

    fn drop_blank_rows(&mut self) {
        let blank: Vec<bool> = self.records.iter().map(|r| r.iter().all(str::is_empty)).collect();
        let count = blank.iter().filter(|b| **b).count();
        if count > 0 {
            let mut keep = blank.iter().map(|b| !b);
            self.records.retain(|_| keep.next().unwrap_or(true));
            let mut keep = blank.iter().map(|b| !b);
            self.lines.retain(|_| keep.next().unwrap_or(true));
            self.notes.push(format!("left out {count} rows without any value"));
        }
    }

    fn check(&self) -> Result<()> {
        if self.records.is_empty() {
            return Err(Error::input(format!("{}: has a header and no row", self.name)));
        }
        let width = self.columns.len();
        for (row, record) in self.records.iter().enumerate() {
            if record.len() < width || record.iter().skip(width).any(|cell| !cell.is_empty()) {
                let (found, remedy) = (record.len(), "a field that holds the separator stands in quotes");
                return Err(Error::input(format!(
                    "{}: has {found} fields, and there are {width} columns; {remedy}",
                    self.at(row)
                )));
            }
        }
        Ok(())
    }

    /// Rows.
    pub fn count(&self) -> usize {
        self.records.len()
    }

    /// Whether its first line names the columns.
    pub fn headed(&self) -> bool {
        self.headed
    }

    /// Names of the columns; places from 0 where it has no header.
    pub fn columns(&self) -> &[String] {
        &self.columns
    }

    /// The file.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// How it was read: `t.csv: 200 rows, semicolons, decimal commas, columns a, b, y`.
    pub fn describe(&self) -> String {
        let decimal = if self.decimal == Decimal::Comma { ", decimal commas" } else { "" };
        let columns = match self.headed {
            true => format!("columns {}", list(&self.columns, 12)),
            false => format!("{} columns without names", self.columns.len()),
        };
        format!("{}: {} rows, {}{decimal}, {columns}", self.name, self.count(), self.separator.name())
    }

    /// What else is worth saying of it, a line each.
    pub fn notes(&self) -> impl Iterator<Item = String> {
        self.notes.iter().map(|note| format!("{}: {note}", self.name))
    }

    /// The cells of a row, trimmed.
    pub fn cells(&self, row: usize) -> impl Iterator<Item = &str> {
        self.records[row].iter().take(self.columns.len())
    }

    /// A cell, trimmed.
    pub fn cell(&self, row: usize, place: usize) -> &str {
        self.records[row].get(place).unwrap_or_default()
    }

    /// Whether a cell has no value.
    pub fn is_empty(&self, row: usize, place: usize) -> bool {
        number::is_empty(self.cell(row, place))
    }

    /// Whether a cell of a column of numbers has no value.
    pub fn is_hole(&self, row: usize, place: usize) -> bool {
        number::is_hole(self.cell(row, place))
    }

    /// The finite number in a cell.
    pub fn number(&self, row: usize, place: usize) -> Option<f64> {
        number::parse(self.cell(row, place), self.decimal.mark())
    }

    /// A text as a number, with the table's decimal mark.
    pub fn parse_number(&self, text: &str) -> Option<f64> {
        number::parse(text, self.decimal.mark())
    }

    /// The line of the file in which a row begins, from 1: what messages and results call it by.
    pub fn line(&self, row: usize) -> u64 {
        self.lines[row]
    }

    /// `some.csv: line 4`
    pub fn at(&self, row: usize) -> String {
        format!("{}: line {}", self.name, self.lines[row])
    }

    /// `some.csv: line 4, column 2 (width)`
    pub fn at_cell(&self, row: usize, place: usize) -> String {
        format!("{}, {}", self.at(row), self.column(place))
    }

    /// `column 2 (width)`
    pub fn column(&self, place: usize) -> String {
        match self.headed {
            true => format!("column {} ({})", place + 1, self.columns[place]),
            false => format!("column {}", place + 1),
        }
    }

    /// The place of a column that is given by its name, or by its place from 0 (-1: the last).
    ///
    /// # Errors
    /// When there is none, listing those that there are, or more than one.
    pub fn place(&self, column: &str) -> Result<usize> {
        let wrong = |what: String| Err(Error::input(format!("{}: {what}", self.name)));
        if self.headed && self.twins.iter().any(|twin| twin == column) {
            return wrong(format!("more than one column is named {column:?}; name it by its place"));
        }
        if let Some(place) = self.columns.iter().position(|name| self.headed && name == column) {
            return Ok(place);
        }
        let count = self.columns.len() as i64;
        match column.parse::<i64>() {
            Ok(index) => {
                let place = if index < 0 { index.saturating_add(count) } else { index };
                match usize::try_from(place).ok().filter(|&p| p < self.columns.len()) {
                    Some(place) => Ok(place),
                    None => wrong(format!("no column {index}: there are {count}, the first being 0")),
                }
            }
            Err(_) if self.headed => wrong(format!("no column {column:?} among {}", list(&self.columns, 40))),
            Err(_) => wrong(format!("no column {column:?}: the file has no header; name the column by its place")),
        }
    }

    /// The columns to learn from where nobody names them: all but `targets`, those without a value, and the numbers of rows
    /// without a name. The second part says what was left out.
    pub fn features(&self, targets: &[usize]) -> (Vec<usize>, Vec<String>) {
        let (mut places, mut notes) = (Vec::new(), Vec::new());
        for place in (0..self.columns.len()).filter(|place| !targets.contains(place)) {
            let what = format!("{}: {}", self.name, self.column(place));
            if (0..self.count()).all(|row| self.is_hole(row, place)) {
                notes.push(format!("{what} has no value and is left out"));
            } else if self.columns[place].is_empty() && (place == 0 || self.counts(place)) {
                notes.push(format!("{what} has no name, as numbers of rows have none, and is left out"));
            } else {
                places.push(place);
            }
        }
        (places, notes)
    }

    /// Whether a column counts the rows.
    fn counts(&self, place: usize) -> bool {
        let step = |row: usize| Some(self.number(row, place)? - self.number(row - 1, place)?);
        (1..self.count()).all(|row| step(row) == Some(1.0))
    }
}

/// The first of some names.
pub(crate) fn list<S: AsRef<str>>(names: &[S], most: usize) -> String {
    let first = names.iter().take(most).map(|name| brief(name.as_ref(), 40)).collect::<Vec<_>>().join(", ");
    if names.len() > most { format!("{first}, ... ({} in all)", names.len()) } else { first }
}

/// The beginning of a text, on one line.
pub(crate) fn brief(text: &str, most: usize) -> String {
    let start: String = text.chars().take(most).map(|c| if c.is_control() { ' ' } else { c }).collect();
    if text.chars().nth(most).is_some() { format!("{start}...") } else { start }
}

/// Lines of a text, for byte offsets that only grow.
struct Lines<'a> {
    bytes: &'a [u8],
    at: usize,
    line: u64,
}

impl<'a> Lines<'a> {
    fn new(text: &'a str, first: u64) -> Self {
        Lines { bytes: text.as_bytes(), at: 0, line: first }
    }

    /// The line in which the record at `byte` begins; empty lines before it are not its own.
    fn of(&mut self, byte: u64) -> u64 {
        let mut end = byte as usize;
        while matches!(self.bytes.get(end), Some(b'\n' | b'\r')) {
            end += 1;
        }
        while self.at < end {
            let (this, next) = (self.bytes[self.at], self.bytes.get(self.at + 1));
            self.line += u64::from(this == b'\n' || this == b'\r' && next != Some(&b'\n'));
            self.at += 1;
        }
        self.line
    }
}
