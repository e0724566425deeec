//! From bytes to a table: text, dialect, records, names, and how each column is written.

use std::path::Path;

use csv::StringRecord;

use super::header::{self, First};
use super::{Format, Table, brief, dialect, style, text, unnamed};
use crate::interface::{Column, InputSpec, Written};
use crate::{Error, Result};

impl Table {
    /// Reads a file.
    ///
    /// # Errors
    /// As [`Table::parse`].
    pub fn open(path: &Path, format: &Format, expected: &[&str]) -> Result<Table> {
        let bytes = std::fs::read(path).map_err(|e| Error::io(path, e))?;
        Table::parse(&bytes, &path.display().to_string(), format, expected)
    }

    /// Reads a file for a network: where cells leave their decimal mark open, it is that of the table which the network
    /// learned from, and so are units.
    ///
    /// # Errors
    /// As [`Table::parse`].
    pub fn open_for(path: &Path, format: &Format, input: &InputSpec) -> Result<Table> {
        let bytes = std::fs::read(path).map_err(|e| Error::io(path, e))?;
        let expected: Vec<&str> = match input {
            InputSpec::Columns { columns, named: true } => columns.iter().map(|c| c.name.as_str()).collect(),
            _ => Vec::new(),
        };
        Table::read(&bytes, &path.display().to_string(), format, &expected, Some(input))
    }

    /// Reads bytes; `name` stands for the file in messages. A first line that has all the `expected` names, where there are
    /// any, is names.
    ///
    /// UTF-8 (with or without its mark), UTF-16 with its mark, else Windows-1252. Excel's line `sep=;` is heeded. Empty
    /// lines, rows without any value, remarks (`# ...`) and names that come again are left out, and so are separators at the
    /// end of every line.
    ///
    /// # Errors
    /// Naming the file, and the line: no text, no row, a row with more or fewer fields than there are columns, a first line
    /// that could be names or a row.
    pub fn parse(bytes: &[u8], name: &str, format: &Format, expected: &[&str]) -> Result<Table> {
        Table::read(bytes, name, format, expected, None)
    }

    fn read(
        bytes: &[u8],
        name: &str,
        format: &Format,
        expected: &[&str],
        network: Option<&InputSpec>,
    ) -> Result<Table> {
        let bad = |why: String| Error::input(format!("{name}: {why}"));
        let (text, note) = text::text(bytes).map_err(|why| bad(why.into()))?;
        let (announced, body) = dialect::announced(&text).map_or((None, text.as_str()), |(s, rest)| (Some(s), rest));
        let body = dialect::below(body, format.skip);
        let separator = format.separator.or(announced).unwrap_or_else(|| dialect::separator(body));
        let body = &*dialect::tidy(body, separator);
        let (mut records, mut numbers) = (Vec::new(), Vec::new());
        let mut lines = Lines::new(body, 1 + u64::from(announced.is_some()) + format.skip as u64);
        let mut remarks = 0usize;
        for record in dialect::reader(body, separator).into_records() {
            let record = record.map_err(|e| bad(e.to_string()))?;
            let line = lines.of(record.position().map_or(0, csv::Position::byte));
            if dialect::is_comment(&record) {
                remarks += 1;
                continue;
            }
            numbers.push(line);
            records.push(record);
        }
        if records.is_empty() {
            return Err(bad("is empty".into()));
        }
        let known = !expected.is_empty() && expected.iter().all(|name| records[0].iter().any(|cell| cell == *name));
        let first = match format.header {
            Some(true) => First::Names,
            Some(false) => First::Row,
            None if known => First::Names,
            None => {
                check_first(&records, &numbers, name)?;
                header::first(&records, remarks == 0 && header::quoted(body, separator))
            }
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
        let mut notes: Vec<String> = note.map(str::to_owned).into_iter().collect();
        if remarks > 0 {
            notes.push(format!("left out {remarks} lines that begin with #"));
        }
        let (name, styles, twins) = (name.to_string(), Vec::new(), Vec::new());
        let mut table = Table { name, headed, columns, twins, separator, styles, records, lines: numbers, notes };
        table.settle_ends();
        table.name_twins();
        table.drop_rows("without any value", |_, record| record.iter().all(str::is_empty));
        table.drop_rows("that repeat the names", |columns, record| {
            columns.len() > 1 && record.iter().take(columns.len()).eq(columns.iter().map(String::as_str))
        });
        table.check()?;
        let written = |place: usize| network.and_then(|input| table.written(place, input));
        let width = table.columns.len();
        table.styles = style::find(&table.records, width, separator, format.decimal, &written);
        Ok(table)
    }

    /// How a network's column is written that stands at a place here, as far as names or places tell.
    fn written<'a>(&self, place: usize, input: &'a InputSpec) -> Option<&'a Written> {
        let InputSpec::Columns { columns, named } = input else { return None };
        let same = |column: &&Column| match *named && self.headed {
            true => column.name == self.columns[place],
            false => column.place == place,
        };
        columns.iter().find(same)?.written.as_ref()
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

    /// Columns of one name get numbers behind it, further ones without a name that of their place.
    fn name_twins(&mut self) {
        for place in 1..self.columns.len() {
            let name = self.columns[place].clone();
            if !self.columns[..place].contains(&name) {
                continue;
            }
            self.columns[place] = match name.is_empty() {
                true => unnamed(place),
                false => {
                    let free = (2..).map(|n| format!("{name} ({n})")).find(|n| !self.columns.contains(n));
                    free.expect("numbers do not end")
                }
            };
            if !name.is_empty() {
                self.notes.push(format!("a further column named {name:?} is called {:?}", self.columns[place]));
                self.twins.push(name);
            }
        }
    }

    /// Leaves rows out, and says so.
    fn drop_rows(&mut self, which: &str, out: impl Fn(&[String], &StringRecord) -> bool) {
        let keep: Vec<bool> = self.records.iter().map(|record| !out(&self.columns, record)).collect();
        let count = keep.iter().filter(|keep| !**keep).count();
        if count > 0 {
            let [mut one, mut two] = [keep.iter(), keep.iter()];
            self.records.retain(|_| one.next().copied().unwrap_or(true));
            self.lines.retain(|_| two.next().copied().unwrap_or(true));
            self.notes.push(format!("left out {count} rows {which}"));
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
}

/// Refuses a table with lines above it that are no part of it.
fn check_first(records: &[StringRecord], lines: &[u64], name: &str) -> Result<()> {
    let width = dialect::usual_width(records);
    // R leaves out the name of its row names: one field less is no title.
    let is_narrow =
        |record: &&StringRecord| record.len() + 1 < width || (width > 2 && record.iter().skip(1).all(str::is_empty));
    let above = records.iter().take_while(is_narrow).count();
    match records.get(above) {
        Some(next) if above > 0 && width > 1 && next.len() == width => {
            let (line, skip) = (lines[0], lines[above] - 1);
            Err(Error::input(format!(
                "{name}: line {line} has fewer fields than the {width} of most lines: if it is a title, leave out what stands \
                 above the table by data.skip = {skip} (--skip {skip})"
            )))
        }
        _ => Ok(()),
    }
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
