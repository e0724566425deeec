//! Tables as people have them: text with separated fields.
//!
//! `bytes -> text -> dialect -> cells -> columns -> rows`: [`Table`] holds the cells as they are written; [`columns`] turns
//! them into numbers by the columns of an [`Interface`](crate::interface::Interface), learned from the rows to learn from;
//! [`classes`] into the indices of classes.

pub mod classes;
pub mod columns;
mod dialect;
mod header;
mod number;
mod read;
mod style;
mod text;
mod unit;

use csv::StringRecord;
use style::Style;

pub use dialect::{Decimal, Format, Separator};

use crate::interface::Written;
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
    styles: Vec<Style>,
    records: Vec<StringRecord>,
    /// The line in which each record begins.
    lines: Vec<u64>,
    notes: Vec<String>,
}

impl Table {
    /// Whether the numbers at some places can be read in one way only.
    ///
    /// # Errors
    /// Naming the column and the key that settles it.
    pub fn settled<'a>(&self, places: impl IntoIterator<Item = &'a usize>) -> Result<()> {
        match places.into_iter().find_map(|&place| Some((place, self.styles[place].doubt.as_ref()?))) {
            Some((place, cell)) => Err(Error::input(format!(
                "{}: {}: {cell} may be thousands or have decimals: say so by data.decimal = \"point\" or \"comma\" \
                 (--decimal)",
                self.name,
                self.column(place)
            ))),
            None => Ok(()),
        }
    }

    /// How the numbers of a column are written.
    pub fn style(&self, place: usize) -> Written {
        self.styles[place].written()
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
        let decimal = self.describe_decimals() + &self.describe_units();
        let columns = match self.headed {
            true => format!("columns {}", list(&self.columns, 12)),
            false => format!("{} columns without names", self.columns.len()),
        };
        format!("{}: {} rows, {}{decimal}, {columns}", self.name, self.count(), self.separator.name())
    }

    /// `, decimal commas`, `, decimal commas but in column 1 (time)`
    fn describe_decimals(&self) -> String {
        let with = |decimal: Decimal| -> Vec<usize> {
            (0..self.columns.len()).filter(|&place| self.style(place).decimal == Some(decimal)).collect()
        };
        let (points, commas) = (with(Decimal::Point), with(Decimal::Comma));
        let but: Vec<String> = points.iter().map(|&place| self.column(place)).collect();
        match (commas.is_empty(), points.is_empty()) {
            (true, _) => String::new(),
            (false, true) => ", decimal commas".into(),
            (false, false) => format!(", decimal commas, but points in {}", list(&but, 4)),
        }
    }

    /// `, % in column 1 (tax)`
    fn describe_units(&self) -> String {
        let units = (0..self.columns.len()).filter_map(|place| {
            let unit = self.styles[place].unit.as_ref()?;
            Some(format!("{unit} in {}", self.column(place)))
        });
        let units: Vec<String> = units.collect();
        if units.is_empty() { String::new() } else { format!(", {}", list(&units, 6)) }
    }

    /// What else is worth saying of it, a line each.
    pub fn notes(&self) -> impl Iterator<Item = String> {
        self.notes.iter().map(|note| format!("{}: {note}", self.name))
    }

    /// What is said of rows that are left out, if there are any.
    pub fn left_out(&self, rows: &[usize], what: &str) -> Option<String> {
        let lines: Vec<String> = rows.iter().map(|&row| self.line(row).to_string()).collect();
        let (name, count, lines) = (&self.name, rows.len(), list(&lines, 6));
        (count > 0).then(|| format!("{name}: left out {count} rows without {what} (line {lines})"))
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
        self.parse_number(place, self.cell(row, place))
    }

    /// A text as a number, as the column at a place is written.
    pub fn parse_number(&self, place: usize, text: &str) -> Option<f64> {
        self.styles[place].number(text)
    }

    /// Two cells of a column of which each is a number with a unit, but not the same.
    pub fn different_units(&self, place: usize, rows: &[usize]) -> Option<[&str; 2]> {
        let filled = rows.iter().filter(|&&row| !self.is_empty(row, place));
        style::different_units(filled.map(|&row| self.cell(row, place)))
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

    /// The place of a column that a network calls by its name; `also` are all the names that it knows.
    ///
    /// # Errors
    /// When there is none, or the name is that of several columns and the network knows of one.
    pub(crate) fn place_of(&self, name: &str, also: &[&str]) -> Result<usize> {
        let wrong = |what: String| Err(Error::input(format!("{}: {what}", self.name)));
        let Some(place) = self.columns.iter().position(|column| column == name) else {
            return wrong(format!("no column {name:?} among {}", list(&self.columns, 40)));
        };
        let second = format!("{name} (2)");
        match self.twins.iter().any(|twin| twin == name) && !also.contains(&&*second) {
            true => {
                wrong(format!("more than one column is named {name:?}, and the network knows one; rename the others"))
            }
            false => Ok(place),
        }
    }

    /// The columns to learn from where nobody names them: all but `targets`, those without a value in `rows`, and the numbers
    /// of rows without a name. The second part says what was left out.
    pub fn features(&self, targets: &[usize], rows: &[usize]) -> (Vec<usize>, Vec<String>) {
        let (mut places, mut notes) = (Vec::new(), Vec::new());
        for place in (0..self.columns.len()).filter(|place| !targets.contains(place)) {
            let what = format!("{}: {}", self.name, self.column(place));
            if rows.iter().all(|&row| self.is_hole(row, place)) {
                notes.push(format!("{what} has no value and is left out"));
            } else if self.has_no_name(place) && (place == 0 || self.counts(place)) {
                notes.push(format!("{what} has no name, as numbers of rows have none, and is left out"));
            } else {
                places.push(place);
            }
        }
        (places, notes)
    }

    fn has_no_name(&self, place: usize) -> bool {
        self.headed && (self.columns[place].is_empty() || self.columns[place] == unnamed(place))
    }

    /// Whether a column counts the rows.
    fn counts(&self, place: usize) -> bool {
        let step = |row: usize| Some(self.number(row, place)? - self.number(row - 1, place)?);
        (1..self.count()).all(|row| step(row) == Some(1.0))
    }
}

/// What a further column without a name is called by.
fn unnamed(place: usize) -> String {
    format!("column {}", place + 1)
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
