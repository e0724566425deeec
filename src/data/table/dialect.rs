//! How a table is written: what separates its fields, and what stands above its first record.

use std::borrow::Cow;

use csv::StringRecord;
use serde::{Deserialize, Serialize};

use super::number;
pub use crate::interface::Decimal;

/// What a person says of how a table is written; what is left out is found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Format {
    /// Between two fields.
    pub separator: Option<Separator>,
    /// Before the decimals.
    pub decimal: Option<Decimal>,
    /// Whether the first line names the columns.
    pub header: Option<bool>,
    /// Lines at the top that are left out.
    pub skip: usize,
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
    options(separator).from_reader(text.as_bytes())
}

/// How [`reader`] reads.
pub(super) fn options(separator: Separator) -> csv::ReaderBuilder {
    let mut options = csv::ReaderBuilder::new();
    options.has_headers(false).flexible(true).trim(csv::Trim::All).delimiter(separator.mark() as u8);
    options
}

/// The text without its first `lines`.
pub(super) fn below(text: &str, lines: usize) -> &str {
    (0..lines).fold(text, |rest, _| {
        let Some(end) = rest.find(['\n', '\r']) else { return "" };
        rest[end..].strip_prefix("\r\n").unwrap_or(&rest[end + 1..])
    })
}

/// The text as the reader of records takes it, line by line as before: runs of spaces and tabs outside of quotes become one
/// space where that separates, and a quote that spaces divide from its separator comes to stand behind it.
pub(super) fn tidy(text: &str, separator: Separator) -> Cow<'_, str> {
    let spaced = separator == Separator::Space;
    let mark = separator.mark();
    let apart = [" ", "\t"].iter().any(|space| !spaced && text.contains(&format!("{mark}{space}")));
    let quoted = apart && text.contains('"');
    if !spaced && !quoted {
        return Cow::Borrowed(text);
    }
    let blank = |c: char| matches!(c, ' ' | '\t') && (spaced || c != mark);
    let (mut out, mut chars) = (String::with_capacity(text.len()), text.chars().peekable());
    let (mut inside, mut begins) = (false, true);
    while let Some(c) = chars.next() {
        match c {
            '"' if inside || begins => (inside, begins) = (!inside, false),
            _ if inside => {}
            c if blank(c) => {
                let mut gap = String::from(c);
                while let Some(next) = chars.next_if(|&next| blank(next)) {
                    gap.push(next);
                }
                let last = chars.peek().is_none_or(|next| matches!(next, '\n' | '\r'));
                match spaced {
                    true if !begins && !last => {
                        out.push(' ');
                        begins = true;
                    }
                    true => {}
                    false if begins && chars.peek() == Some(&'"') => {}
                    false => out.push_str(&gap),
                }
                continue;
            }
            c => begins = c == mark || matches!(c, '\n' | '\r'),
        }
        out.push(c);
    }
    Cow::Owned(out)
}

/// That of tab, semicolon, bar and comma by which most records have one width, the wider the better, and cells hold the
/// least of the others; a space where none of them divides the lines and spaces do.
pub(super) fn separator(text: &str) -> Separator {
    let score = |separator: Separator| {
        let records = reader(text, separator).into_records().take(SAMPLE).map_while(std::result::Result::ok);
        let records: Vec<StringRecord> = records.filter(|record| !is_comment(record)).collect();
        let width = usual_width(&records);
        // Of one column, commas are those of its numbers.
        if width < 2 || (separator == Separator::Comma && records[0].len() < 2) {
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
    if best.0 > 0.0 && !(best.1 == Separator::Tab && is_spaced(text)) {
        return best.1;
    }
    if best.0 > 0.0 {
        return Separator::Space;
    }
    let lines = || text.lines().filter(|line| !line.trim().is_empty() && !line.starts_with('#')).take(SAMPLE);
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

/// Whether spaces divide numbers within what tabs divide, in every line into as many fields.
fn is_spaced(text: &str) -> bool {
    let tidied = tidy(text, Separator::Space);
    let widths = |separator: Separator, text: &str| -> Vec<StringRecord> {
        reader(text, separator).into_records().take(SAMPLE).map_while(std::result::Result::ok).collect()
    };
    let (tabs, spaces) = (widths(Separator::Tab, text), widths(Separator::Space, &tidied));
    let numbers = |cell: &str| {
        let each = |part: &str| number::is_hole(part) || number::parse(part, '.').is_some();
        cell.contains(' ') && number::parse(cell, '.').is_none() && cell.split_whitespace().all(each)
    };
    spaces.iter().all(|record| record.len() == spaces[0].len()) && tabs.iter().all(|record| record.iter().any(numbers))
}

/// Whether a record is a remark: it begins with `#` and has fewer fields than rows have, as far as it can be told alone.
pub(super) fn is_comment(record: &StringRecord) -> bool {
    record.len() == 1 && record[0].starts_with('#')
}
