//! A column of classes.

use std::collections::{BTreeMap, BTreeSet};

use super::{Table, list};
use crate::{Error, Result};

/// The classes of a column in the order of their indices, numbers by value and words by letter; and what is worth saying:
/// one number in two spellings is one class.
pub fn names(table: &Table, place: usize, rows: &[usize]) -> (Vec<String>, Vec<String>) {
    let texts: BTreeSet<&str> = rows.iter().map(|&row| table.cell(row, place)).collect();
    let numbers: Option<Vec<f64>> = texts.iter().map(|text| table.parse_number(place, text)).collect();
    let Some(numbers) = numbers else { return (texts.into_iter().map(str::to_owned).collect(), Vec::new()) };
    let mut pairs: Vec<(f64, &str)> = numbers.into_iter().zip(texts).collect();
    // The shortest spelling of a number leads.
    pairs.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.len().cmp(&b.1.len())).then(a.1.cmp(b.1)));
    let mut notes = Vec::new();
    let mut names: Vec<(f64, &str)> = Vec::new();
    for (value, text) in pairs {
        match names.last() {
            Some((before, name)) if *before == value => {
                let column = table.column(place);
                notes.push(format!("{}: {column}: {name} and {text} are one number, and one class", table.name()));
            }
            _ => names.push((value, text)),
        }
    }
    (names.into_iter().map(|(_, text)| text.to_owned()).collect(), notes)
}

/// The class index of each of some rows, by name: a number fits whatever its spelling.
///
/// # Errors
/// Where a class is none of `names`, with both lists.
pub fn indices(table: &Table, place: usize, names: &[String], rows: &[usize]) -> Result<Vec<f32>> {
    let exact: BTreeMap<&str, usize> = names.iter().enumerate().map(|(i, name)| (name.as_str(), i)).collect();
    // A name is as it was in the table that was learned from, which may have another decimal mark.
    let values: Vec<Option<f64>> =
        names.iter().map(|name| name.parse().ok().or(table.parse_number(place, name))).collect();
    let index = |&row: &usize| {
        let cell = table.cell(row, place);
        let same = || {
            let number = table.parse_number(place, cell)?;
            values.iter().position(|value| *value == Some(number))
        };
        exact.get(cell).copied().or_else(same).map(|i| i as f32).ok_or_else(|| {
            let (at, known) = (table.at_cell(row, place), list(names, 20));
            if table.is_empty(row, place) {
                return Error::input(format!("{at}: no class"));
            }
            let there = list(&self::names(table, place, rows).0, 20);
            let why = format!("class {cell:?} is none that the network knows");
            Error::input(format!("{at}: {why}: it knows {known}; the table has {there}"))
        })
    };
    rows.iter().map(index).collect()
}
