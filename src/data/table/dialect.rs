//! How a table is written: what separates its fields, its decimal mark, whether its first line is names.

use csv::StringRecord;
use serde::{Deserialize, Serialize};

use super::number::{self, Mark};
use crate::{Error, Result};

/// What a person says of how a table is written; what is left out is found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Format {
    /// Between two fields.
    pub separator: Option<Separator>,
    /// Before the decimals.
    pub decimal: Option<Decimal>,
    /// Whether the first line names the columns.
    pub header: Option<bool>,
}

/// What stands between two fields.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Separator {
    /// `,`
    #[serde(alias = ",")]
    Comma,
    /// `;`
    #[serde(alias = ";")]
    Semicolon,
    /// A tab.
    #[serde(alias = "\t")]
    Tab,
    /// `|`
    #[serde(alias = "|")]
    Bar,
    /// Any run of spaces and tabs.
    #[serde(alias = " ")]
    Space,
}

/// What stands before the decimals.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Decimal {
    /// `3.14`
    #[serde(alias = ".")]
    Point,
    /// `3,14`
    #[serde(alias = ",")]
    Comma,
}

impl Separator {
    pub(super) fn mark(self) -> char {
        match self {
            Separator::Comma => ',',
            Separator::Semicolon => ';',
            Separator::Tab => '\t',
            Separator::Bar => '|',
            Separator::Space => ' ',
        }
    }

    /// What it is called.
    pub fn name(self) -> &'static str {
        match self {
            Separator::Comma => "commas",
            Separator::Semicolon => "semicolons",
            Separator::Tab => "tabs",
            Separator::Bar => "bars",
            Separator::Space => "spaces",
        }
    }
}

impl Decimal {
    pub(super) fn mark(self) -> char {
        if self == Decimal::Comma { ',' } else { '.' }
    }
}

/// Lines that are looked at to find out.
const SAMPLE: usize = 1000;

/// The candidates; of equals the first is chosen.
const SEPARATORS: [Separator; 4] = [Separator::Tab, Separator::Semicolon, Separator::Bar, Separator::Comma];

/// The separator that Excel's line `sep=;` says, and the text behind that line.
pub(super) fn announced(text: &str) -> Option<(Separator, &str)> {
    let end = text.find(['\n', '\r'])?;
    let line = text[..end].trim_matches(['"', ' ']);
    let mark = line.get(..4).filter(|s| s.eq_ignore_ascii_case("sep="))?.len();
    let mut marks = line[mark..].chars();
    let mark = marks.next().unwrap_or('\t');
    let separator = SEPARATORS.into_iter().find(|s| s.mark() == mark)?;
    let rest = text[end..].strip_prefix("\r\n").unwrap_or(&text[end + 1..]);
    marks.next().is_none().then_some((separator, rest))
}

/// Reads records, every field trimmed.
pub(super) fn reader(text: &str, separator: Separator) -> csv::Reader<&[u8]> {
    csv::ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .trim(csv::Trim::All)
        .delimiter(separator.mark() as u8)
        .from_reader(text.as_bytes())
}

/// That of tab, semicolon, bar and comma by which most records have one width, the wider the better, and cells hold the
/// least of the others; a space where none of them divides the lines and spaces do.
pub(super) fn separator(text: &str) -> Separator {
    let score = |separator: Separator| {
        let records = reader(text, separator).into_records().take(SAMPLE).map_while(std::result::Result::ok);
        let records: Vec<StringRecord> = records.collect();
        let width = usual_width(&records);
        if width < 2 || records[0].len() < 2 {
            return 0.0;
        }
        let alike = records.iter().filter(|r| r.len() == width).count() as f64 / records.len() as f64;
        let cells = records.iter().map(StringRecord::len).sum::<usize>() as f64;
        let foreign = |cell: &&str| {
            let other = SEPARATORS.iter().any(|&other| other != separator && cell.contains(other.mark()));
            other && number::parse(cell, ',').is_none() && number::parse(cell, '.').is_none()
        };
        let foreign = records.iter().flat_map(StringRecord::iter).filter(foreign).count() as f64;
        alike * (width - 1) as f64 * (1.0 - foreign / cells)
    };
    let mut best = (0.0, Separator::Comma);
    for candidate in SEPARATORS {
        let score = score(candidate);
        if score > best.0 {
            best = (score, candidate);
        }
    }
    if best.0 > 0.0 {
        return best.1;
    }
    let lines = || text.lines().filter(|line| !line.trim().is_empty()).take(SAMPLE);
    let widths: Vec<usize> = lines().map(|line| line.split_whitespace().count()).collect();
    // R leaves out the name of its row names.
    let spaced = match widths[..] {
        [first, second, ..] => {
            second > 1 && (first..=first + 1).contains(&second) && widths[1..].iter().all(|&w| w == second)
        }
        _ => false,
    };
    if spaced { Separator::Space } else { Separator::Comma }
}

/// The number of fields that most records have.
pub(super) fn usual_width(records: &[StringRecord]) -> usize {
    let mut counts = std::collections::BTreeMap::new();
    records.iter().for_each(|r| *counts.entry(r.len()).or_insert(0usize) += 1);
    counts.into_iter().max_by_key(|&(_, count)| count).map_or(0, |(width, _)| width)
}

/// The decimal mark.
///
/// # Errors
/// When every number could be read either way, with an example.
pub(super) fn decimal(records: &[StringRecord], separator: Separator) -> Result<Decimal> {
    let (mut points, mut commas, mut either) = (0, 0, None);
    for cell in records.iter().skip(1).chain(records.first()).flat_map(StringRecord::iter) {
        match number::mark(cell) {
            Mark::Point => points += 1,
            Mark::Comma => commas += 1,
            Mark::Either(',') => either = either.or(Some(cell)),
            Mark::Either(_) | Mark::None => {}
        }
    }
    match (points, commas, either) {
        (0, 0, Some(cell)) if separator != Separator::Comma => Err(Error::input(format!(
            "{cell} may be thousands or have decimals: say so by data.decimal = \"point\" or \"comma\" (--decimal)"
        ))),
        (points, commas, _) => Ok(if commas > points { Decimal::Comma } else { Decimal::Point }),
    }
}

/// What the first record is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum First {
    /// The names of the columns.
    Names,
    /// A row.
    Row,
    /// It could be either.
    Doubtful,
}

/// Names, where no field is a number, and a word stands over numbers or no field comes again in its column. In doubt where
/// words and numbers stand over numbers, and where whole numbers in even steps (years, places) stand over other numbers.
pub(super) fn first(records: &[StringRecord], decimal: Decimal) -> First {
    let Some((first, rest)) = records.split_first() else { return First::Row };
    let number = |cell: &str| number::parse(cell, decimal.mark());
    let column = |place: usize| {
        let cells = rest.iter().filter_map(move |record| record.get(place));
        cells.filter(|cell| !number::is_hole(cell))
    };
    let numeric = |place: usize| column(place).next().is_some() && column(place).all(|cell| number(cell).is_some());
    let is_word = |cell: &str| !number::is_hole(cell) && number(cell).is_none();
    let word_over_numbers = first.iter().enumerate().any(|(place, cell)| is_word(cell) && numeric(place));
    let numbers: Vec<(usize, f64)> =
        first.iter().enumerate().filter_map(|(place, cell)| Some((place, number(cell)?))).collect();
    if numbers.is_empty() {
        let new = || first.iter().enumerate().all(|(place, cell)| column(place).all(|other| other != cell));
        return if word_over_numbers || new() { First::Names } else { First::Row };
    }
    let whole = numbers.iter().all(|(place, _)| first[*place].bytes().all(|b| b.is_ascii_digit()));
    if word_over_numbers && whole {
        return First::Doubtful;
    }
    let steps: Vec<f64> = numbers.windows(2).map(|pair| pair[1].1 - pair[0].1).collect();
    let even = steps.first().is_some_and(|&step| step > 0.0 && steps.iter().all(|&s| s == step));
    if !even || !whole || rest.len() < 2 {
        return First::Row;
    }
    let fractions = |place: usize| numeric(place) && column(place).all(|cell| cell.contains(decimal.mark()));
    let outside = |place: usize, value: f64| {
        let mut others = column(place).filter_map(number).peekable();
        others.peek().is_some() && (others.clone().all(|v| v < value) || others.all(|v| v > value))
    };
    let odd = numbers.iter().any(|(place, _)| fractions(*place))
        || numbers.iter().all(|(place, value)| outside(*place, *value))
        || steps.len() > 3 && steps[0] == 1.0;
    if odd { First::Doubtful } else { First::Row }
}
