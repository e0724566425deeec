//! Whether the first line of a table names its columns.

use csv::StringRecord;

use super::dialect::{Separator, options};
use super::number;
use super::style::{any_number, is_number};

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

/// Whole numbers that may be years.
const YEARS: std::ops::Range<f64> = 1000.0..3000.0;

/// Without a number among the fields: names, where a word stands over numbers or no field comes again in its column; in
/// doubt, where some word does not come again in a column whose others all do.
///
/// With numbers: names, where they stand in quotes over numbers that do not, or count up from zero behind an empty field,
/// as numbers of rows have it. In doubt, where a word stands over numbers or does not come again in a column whose others
/// do, where a number stands over words, where the numbers count up from 0 or 1, are years over other numbers, or go in even
/// steps over numbers that are fractions or all larger or smaller.
pub(super) fn first(records: &[StringRecord], quoted: bool) -> First {
    let Some((first, rest)) = records.split_first() else { return First::Row };
    let column = |place: usize| {
        let cells = rest.iter().filter_map(move |record| record.get(place));
        cells.filter(|cell| !number::is_hole(cell))
    };
    // Names may come again between the rows.
    let other = || rest.iter().filter(|record| *record != first);
    let numeric = |place: usize| {
        let mut cells = other().filter_map(|record| record.get(place)).filter(|cell| !number::is_hole(cell)).peekable();
        cells.peek().is_some() && cells.all(is_number)
    };
    let is_word = |cell: &str| !number::is_hole(cell) && !is_number(cell);
    let words = || first.iter().enumerate().filter(|(_, cell)| is_word(cell));
    let over_numbers = words().any(|(place, _)| numeric(place));
    let apart = |(place, cell): (usize, &str)| {
        let kinds: std::collections::BTreeSet<&str> = column(place).collect();
        let count = column(place).count();
        !kinds.contains(cell) && count >= 4 && count >= 2 * kinds.len()
    };
    let apart = words().any(apart);
    let numbers: Vec<(usize, f64)> =
        first.iter().enumerate().filter_map(|(place, cell)| Some((place, any_number(cell)?))).collect();
    if numbers.is_empty() {
        let new = || first.iter().enumerate().all(|(place, cell)| column(place).all(|other| other != cell));
        return match over_numbers || new() {
            true => First::Names,
            false if apart => First::Doubtful,
            false => First::Row,
        };
    }
    if quoted {
        return First::Names;
    }
    let counts = |from: f64| numbers.iter().enumerate().all(|(i, (_, value))| *value == from + i as f64);
    let over_all = rest.len() > 1 && column(0).count() == rest.len();
    if first[0].is_empty() && over_all && first.iter().skip(1).all(|cell| !cell.is_empty()) {
        return if counts(0.0) && numbers.len() + 1 == first.len() { First::Names } else { First::Doubtful };
    }
    let over_words = |place: usize| column(place).next().is_some() && !column(place).any(is_number);
    if over_numbers || apart || numbers.iter().any(|(place, _)| over_words(*place)) {
        return First::Doubtful;
    }
    let whole = numbers.iter().all(|(place, _)| first[*place].bytes().all(|b| b.is_ascii_digit()));
    let steps: Vec<f64> = numbers.windows(2).map(|pair| pair[1].1 - pair[0].1).collect();
    // 900.1, 902.2, 904.3: what is written in decimals is even but for rounding.
    let even =
        steps.first().is_some_and(|&step| step > 0.0 && steps.iter().all(|&s| (s - step).abs() <= 1e-6 * step.abs()));
    let fractions = |place: usize| numeric(place) && column(place).all(|cell| cell.contains(['.', ',']));
    let outside = |place: usize, value: f64| {
        let mut others = column(place).filter_map(any_number).peekable();
        others.peek().is_some() && (others.clone().all(|v| v < value) || others.all(|v| v > value))
    };
    let outside = || numbers.iter().all(|(place, value)| outside(*place, *value));
    // Doses, say: no row of so many columns grows from one to the next and is beside all others by chance.
    if !even && steps.len() > 2 && rest.len() >= 8 && steps.iter().all(|&step| step > 0.0) && outside() {
        return First::Doubtful;
    }
    if !even || rest.len() < 2 || !whole && steps.len() < 2 {
        return First::Row;
    }
    // Years over something else.
    let elsewhere = |place: usize| {
        let years = column(place).filter_map(any_number).filter(|v| YEARS.contains(v) && v.fract() == 0.0).count();
        2 * years < column(place).count()
    };
    let years = whole && numbers.iter().all(|(_, value)| YEARS.contains(value));
    let odd = whole && numbers.iter().any(|(place, _)| fractions(*place))
        || outside()
        || numbers.len() == first.len() && numbers.len() > 2 && (counts(0.0) || counts(1.0))
        || steps.len() > 3 && steps[0] == 1.0
        || years && numbers.iter().any(|(place, _)| elsewhere(*place));
    if odd { First::Doubtful } else { First::Row }
}

/// Whether a number of the first record stands in quotes over numbers that do not, as R writes names.
pub(super) fn quoted(text: &str, separator: Separator) -> bool {
    let mut raw = options(separator);
    let records: Vec<StringRecord> =
        raw.quoting(false).from_reader(text.as_bytes()).into_records().take(20).map_while(Result::ok).collect();
    let Some((first, rest)) = records.split_first() else { return false };
    let alike = !rest.is_empty() && rest.iter().all(|record| record.len() == first.len());
    let over_bare = |(place, cell): (usize, &str)| {
        let inner = cell.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
        inner.is_some_and(|inner| any_number(inner).is_some())
            && rest.iter().all(|record| any_number(&record[place]).is_some())
    };
    alike && first.iter().enumerate().any(over_bare)
}
