//! Cells into numbers, by columns of which the statistics and words were learned from rows.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::{Table, brief, list};
use crate::interface::{Column, Encoding, InputSpec, Interface, Value};
use crate::{Error, Result};

/// What is done about cells without a value.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Empty {
    /// They are an error.
    #[default]
    Refuse,
    /// Their rows are left out.
    Drop,
    /// A number is taken to be the mean of its column, a word none of the words.
    Mean,
}

/// A column of words has no more of them.
const MOST_WORDS: usize = 256;

/// How columns become features.
#[derive(Clone, Copy, Debug)]
pub struct Rules<'a> {
    /// What is done about cells without a value.
    pub empty: Empty,
    /// Numbers are brought to mean 0 and deviation 1.
    pub standardise: bool,
    /// Columns whose numbers are names of kinds.
    pub words: &'a [usize],
}

/// Learns the columns at `places`: what they hold from `rows`, statistics from the rows of `train` among them.
///
/// # Errors
/// Naming line and column: a column of numbers and words, one of too many words, an empty cell under [`Empty::Refuse`].
pub fn fit(table: &Table, places: &[usize], rows: &[usize], train: &[usize], rules: Rules<'_>) -> Result<Vec<Column>> {
    let column = |&place: &usize| {
        let encoding = encoding(table, place, rows, train, rules)?;
        let written = matches!(encoding, Encoding::Number { .. }).then(|| table.style(place));
        Ok(Column { name: table.columns()[place].clone(), place, written, encoding })
    };
    places.iter().map(column).collect()
}

/// Whether a column holds numbers: at least one, and otherwise nothing but cells without a value.
fn is_numeric(table: &Table, place: usize, rows: &[usize]) -> bool {
    let mut filled = rows.iter().filter(|&&row| !table.is_hole(row, place)).peekable();
    filled.peek().is_some() && filled.all(|&row| table.number(row, place).is_some())
}

/// Whether a cell has no value, which is another question for numbers than for words.
pub fn has_no_value(table: &Table, row: usize, place: usize, numeric: bool) -> bool {
    if numeric { table.is_hole(row, place) } else { table.is_empty(row, place) }
}

/// Those of some rows that have a value in every column at `places`, and the others.
pub fn filled(table: &Table, places: &[usize], rows: &[usize], rules: Rules<'_>) -> (Vec<usize>, Vec<usize>) {
    let numeric = |&place: &usize| !rules.words.contains(&place) && is_numeric(table, place, rows);
    let kinds: Vec<(usize, bool)> = places.iter().map(|place| (*place, numeric(place))).collect();
    rows.iter().partition(|&&row| kinds.iter().all(|&(place, numeric)| !has_no_value(table, row, place, numeric)))
}

fn encoding(table: &Table, place: usize, rows: &[usize], train: &[usize], rules: Rules<'_>) -> Result<Encoding> {
    let numeric = !rules.words.contains(&place) && is_numeric(table, place, rows);
    if rules.empty == Empty::Refuse {
        let mut holes = rows.iter().filter(|&&row| has_no_value(table, row, place, numeric));
        if let Some(&row) = holes.next() {
            let (at, cell) = (table.at_cell(row, place), table.cell(row, place));
            let more = holes.count();
            let more = if more > 0 { format!(" (and {more} more cells of that column)") } else { String::new() };
            let remedy = "data.empty = \"drop\" leaves such rows out, \"mean\" fills in the column's mean";
            return Err(Error::input(format!("{at}: {cell:?} is no value{more}; {remedy}")));
        }
    }
    if numeric {
        return Ok(numbers(table, place, train, rules));
    }
    let filled = || rows.iter().copied().filter(|&row| !table.is_empty(row, place));
    let number = filled().find(|&row| table.number(row, place).is_some());
    let odd = filled().find(|&row| table.number(row, place).is_none());
    match (number, odd) {
        (Some(_), Some(odd)) if !rules.words.contains(&place) => {
            let (at, text) = (table.at_cell(odd, place), brief(table.cell(odd, place), 40));
            let remedy = "correct it, or list the column in data.words, or leave it out of data.features";
            Err(Error::input(format!("{at}: {text:?} is no finite number, others of its column are: {remedy}")))
        }
        (None, _) if !rules.words.contains(&place) => {
            if let Some([one, other]) = table.different_units(place, rows) {
                let (name, column) = (table.name(), table.column(place));
                let remedy = "bring them to one, or list the column in data.words, or leave it out of data.features";
                return Err(Error::input(format!(
                    "{name}: {column} holds numbers in units ({one}, {other}): {remedy}"
                )));
            }
            words(table, place, rows, rules)
        }
        _ => words(table, place, rows, rules),
    }
}

fn words(table: &Table, place: usize, rows: &[usize], rules: Rules<'_>) -> Result<Encoding> {
    let filled = rows.iter().filter(|&&row| !table.is_empty(row, place));
    let words: BTreeSet<&str> = filled.map(|&row| table.cell(row, place)).collect();
    let words: Vec<String> = words.into_iter().map(str::to_owned).collect();
    let bad = |why: String| Err(Error::input(format!("{}: {} {why}", table.name(), table.column(place))));
    match words.len() {
        0 => bad("has no value".into()),
        count if count > MOST_WORDS => bad(format!(
            "holds {count} different words ({}), more than {MOST_WORDS}: leave it out of data.features, or turn it into \
             numbers (a date into a year, say)",
            list(&words, 3)
        )),
        _ => Ok(Encoding::Words { words, empty: rules.empty == Empty::Mean }),
    }
}

fn numbers(table: &Table, place: usize, train: &[usize], rules: Rules<'_>) -> Encoding {
    let (mean, deviation) = statistics(table, place, train);
    let empty = (rules.empty == Empty::Mean).then_some(mean);
    match rules.standardise {
        true => Encoding::Number { mean, deviation, empty },
        false => Encoding::Number { mean: 0.0, deviation: 1.0, empty },
    }
}

/// Mean and standard deviation of the numbers of a column; a column that does not change has deviation 1.
fn statistics(table: &Table, place: usize, rows: &[usize]) -> (f64, f64) {
    let values: Vec<f64> = rows.iter().filter_map(|&row| table.number(row, place)).collect();
    let count = values.len().max(1) as f64;
    let mean = values.iter().map(|v| v / count).sum::<f64>();
    let deviation = values.iter().map(|v| (v - mean).powi(2) / count).sum::<f64>().sqrt();
    // Of equal numbers the mean itself is rounded.
    let usable = deviation.is_finite() && deviation > 4.0 * f64::EPSILON * mean.abs();
    (mean, if usable { deviation } else { 1.0 })
}

/// Columns that are the same in all of some rows, and so tell nothing: a sentence each.
pub fn constant(table: &Table, places: &[usize], rows: &[usize]) -> Vec<String> {
    let same = |place: usize| rows.iter().all(|&row| table.cell(row, place) == table.cell(rows[0], place));
    let line = |&place: &usize| {
        let (column, cell) = (table.column(place), brief(table.cell(rows[0], place), 40));
        format!("{}: {column} is {cell} in every row to learn from, and tells nothing", table.name())
    };
    places.iter().filter(|&&place| !rows.is_empty() && same(place)).map(line).collect()
}

/// Target columns of numbers.
pub fn fit_values(table: &Table, places: &[usize], train: &[usize], standardise: bool) -> Vec<Value> {
    let value = |&place: &usize| {
        let name = table.columns()[place].clone();
        let (mean, deviation) = statistics(table, place, train);
        if standardise { Value { name, mean, deviation } } else { Value::plain(name) }
    };
    places.iter().map(value).collect()
}

/// Features `[rows, width]` of the columns at `places`.
///
/// # Errors
/// Naming line and column: a cell that is no number, without a value, or a word that is not known.
pub fn features(table: &Table, columns: &[Column], places: &[usize], rows: &[usize]) -> Result<Vec<f32>> {
    let mut out = Vec::new();
    rows.iter().try_for_each(|&row| features_of(table, columns, places, row, &mut out))?;
    Ok(out)
}

/// The places of those columns that hold numbers.
pub fn numeric_places<'a>(columns: &'a [Column], places: &'a [usize]) -> impl Iterator<Item = &'a usize> {
    let numeric = |(column, _): &(&Column, &usize)| matches!(column.encoding, Encoding::Number { .. });
    columns.iter().zip(places).filter(numeric).map(|(_, place)| place)
}

/// Those of some rows that have a value wherever a network needs one, and the others.
pub fn whole(table: &Table, columns: &[Column], places: &[usize], rows: &[usize]) -> (Vec<usize>, Vec<usize>) {
    let needs = |row: usize, column: &Column, place: usize| match &column.encoding {
        Encoding::Number { empty: None, .. } => table.is_hole(row, place),
        Encoding::Words { words, empty: false } => {
            table.is_empty(row, place) && !words.iter().any(|word| word == table.cell(row, place))
        }
        _ => false,
    };
    rows.iter().partition(|&&row| !columns.iter().zip(places).any(|(column, &place)| needs(row, column, place)))
}

/// Adds the features of a row; none of them where it has an error.
///
/// # Errors
/// As [`features`].
pub fn features_of(table: &Table, columns: &[Column], places: &[usize], row: usize, out: &mut Vec<f32>) -> Result<()> {
    let before = out.len();
    for (column, &place) in columns.iter().zip(places) {
        let added = feature(table, column, row, place, out);
        if let Err(why) = added {
            out.truncate(before);
            return Err(Error::input(format!("{}: {why}", table.at_cell(row, place))));
        }
    }
    Ok(())
}

/// Adds the features of a cell, or says why there are none.
fn feature(
    table: &Table,
    column: &Column,
    row: usize,
    place: usize,
    out: &mut Vec<f32>,
) -> std::result::Result<(), String> {
    let cell = table.cell(row, place);
    match &column.encoding {
        Encoding::Number { mean, deviation, empty } => {
            let hole = table.is_hole(row, place);
            let value = match (table.number(row, place), empty) {
                (Some(value), _) => value,
                (None, Some(empty)) if hole => *empty,
                (None, None) if hole => {
                    return Err(format!("{cell:?} is no value, and the network learned of none missing"));
                }
                (None, _) => {
                    let unit = column.written.as_ref().and_then(|written| written.unit.as_ref());
                    let unit = unit.map_or(String::new(), |unit| format!(" in {unit}"));
                    return Err(format!("{:?} is no finite number{unit}", brief(cell, 40)));
                }
            };
            let feature = ((value - mean) / deviation) as f32;
            if !feature.is_finite() {
                return Err(format!("{cell} is too large for f32, as the network takes it"));
            }
            out.push(feature);
        }
        Encoding::Words { words, empty } => {
            let known = words.iter().position(|word| word == cell);
            if known.is_none() && !(*empty && table.is_empty(row, place)) {
                let (cell, known) = (brief(cell, 40), list(words, 12));
                return Err(format!("{cell:?} is none of the words that were learned: {known}"));
            }
            out.extend((0..words.len()).map(|i| if known == Some(i) { 1.0 } else { 0.0 }));
        }
    }
    Ok(())
}

/// Target values `[rows, columns]`, as the network gives them.
///
/// # Errors
/// Naming line and column of what is no number.
pub fn values(table: &Table, columns: &[Value], places: &[usize], rows: &[usize]) -> Result<Vec<f32>> {
    let mut out = Vec::new();
    for &row in rows {
        for (column, &place) in columns.iter().zip(places) {
            let number = table.number(row, place).map(|value| ((value - column.mean) / column.deviation) as f32);
            out.push(number.filter(|value| value.is_finite()).ok_or_else(|| {
                let (at, cell) = (table.at_cell(row, place), brief(table.cell(row, place), 40));
                let remedy = match table.is_hole(row, place) {
                    true => "",
                    false => "; classes of words take data.classes = true",
                };
                Error::input(format!("{at}: {cell:?} is no finite number{remedy}"))
            })?);
        }
    }
    Ok(out)
}

/// The columns of a network's input and their places in a table: by name where both have names, else in order. A table
/// without names may have the target's column too, at `target` or where it was. Images are rows of pixels from 0 to 1.
///
/// # Errors
/// Naming the columns that are missing, and those that there are.
pub fn places(table: &Table, interface: &Interface, target: Option<usize>) -> Result<(Vec<Column>, Vec<usize>)> {
    let input = &interface.input;
    let there = table.columns();
    let (columns, named, learned_from) = match input {
        InputSpec::Columns { columns, named } => (columns.clone(), *named, true),
        other => match InputSpec::plain((0..other.width()).map(|i| i.to_string()), false) {
            InputSpec::Columns { columns, named } => (columns, named, false),
            _ => unreachable!("made of columns"),
        },
    };
    if named && table.headed() {
        let missing: Vec<&str> =
            columns.iter().map(|c| c.name.as_str()).filter(|name| !there.iter().any(|t| t == name)).collect();
        if missing.is_empty() {
            let places =
                columns.iter().map(|column| table.place_of(&column.name, &names(interface))).collect::<Result<_>>()?;
            return Ok((columns, places));
        }
        let (missing, there) = (list(&missing, 20), list(there, 40));
        return Err(Error::input(format!("{}: no column {missing}: it has {there}", table.name())));
    }
    let rest: Vec<usize> = (0..there.len()).filter(|place| Some(*place) != target).collect();
    if rest.len() == columns.len() {
        return Ok((columns, rest));
    }
    // The table that was learned from, or one like it.
    let whole = columns.iter().all(|c| c.place < there.len()) && there.len() == columns.len() + 1;
    if learned_from && whole && target.is_none_or(|target| columns.iter().all(|c| c.place != target)) {
        let places = columns.iter().map(|c| c.place).collect();
        return Ok((columns, places));
    }
    let (count, takes) = (rest.len(), columns.len());
    let hint = if target.is_none() && count > takes { "; --target leaves a column out" } else { "" };
    Err(Error::input(format!("{}: it has {count} columns, and the network takes {takes}{hint}", table.name())))
}

/// The places of the columns that hold what a network gives: by name where both have names, else those that its input does
/// not take, else the last.
///
/// # Errors
/// Naming the columns that are missing, and those that there are.
pub fn target_places(table: &Table, interface: &Interface) -> Result<Vec<usize>> {
    let (names, count) = (interface.output.columns(), table.columns().len());
    let InputSpec::Columns { columns, named } = &interface.input else { return Ok(vec![table.place("-1")?]) };
    if *named && table.headed() && !names.is_empty() {
        return names.iter().map(|name| table.place_of(name, &self::names(interface))).collect();
    }
    let wanted = names.len().max(1);
    let others: Vec<usize> = (0..count).filter(|place| columns.iter().all(|c| c.place != *place)).collect();
    if count == columns.len() + wanted && others.len() == wanted {
        return Ok(others);
    }
    (0..wanted as i64).map(|i| table.place(&(i - wanted as i64).to_string())).collect()
}

/// All names of columns that a network knows.
fn names(interface: &Interface) -> Vec<&str> {
    let inputs = match &interface.input {
        InputSpec::Columns { columns, .. } => columns.iter().map(|column| column.name.as_str()).collect(),
        _ => Vec::new(),
    };
    [inputs, interface.output.columns()].concat()
}
