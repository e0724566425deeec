//! Tables of numbers from CSV files.

use super::{Rows, Samples};
use crate::{Error, Result};
use std::collections::BTreeSet;
use std::fs::File;
use std::io::Read;
use std::path::Path;

/// A column, as a person names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Column {
    /// By its name in the header.
    Name(String),
    /// By its place, from 0; negative numbers count from the last column, which is -1.
    Index(i64),
}

/// What the target columns hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// Nothing: every column is a feature (a table to predict for).
    None,
    /// Numbers to regress on, one or more columns.
    Values(Vec<Column>),
    /// A class, written as a word or a number.
    Class {
        /// The column.
        column: Column,
        /// The class names in the order of their indices, of which each class must be one; without them the classes
        /// that occur are taken, in numeric order if all are numbers, else in alphabetic order.
        names: Option<Vec<String>>,
    },
}

/// How to read a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// The targets.
    pub target: Target,
    /// Whether the first line names the columns. Without an answer it does if not one of its fields is a number.
    pub header: Option<bool>,
    /// Between two fields.
    pub delimiter: u8,
}

impl Options {
    /// A comma between fields; whether there is a header is found out.
    pub fn new(target: Target) -> Self {
        Options { target, header: None, delimiter: b',' }
    }
}

/// A table that was read.
#[derive(Clone, Debug, PartialEq)]
pub struct Table {
    /// Features as floats `[count, columns]`, in the order of the file without the targets; targets in the order in
    /// which they were asked for.
    pub rows: Rows,
    /// Whether the first line names the columns.
    pub headed: bool,
    /// Names of the feature columns: those of the header, else their places from 0.
    pub features: Vec<String>,
    /// Names of the target columns, likewise.
    pub targets: Vec<String>,
    /// Names of the classes by index; empty unless the target is a class.
    pub classes: Vec<String>,
    /// A hash of each row's cells as they are written; see [`super::split`].
    pub hashes: Vec<u64>,
}

/// Reads a table from a file; see [`parse`].
pub fn load(path: &Path, options: &Options) -> Result<Table> {
    let file = File::open(path).map_err(|source| Error::io(path, source))?;
    parse(file, path, options)
}

/// Reads a table; `name` stands in errors, which tell line and column.
///
/// Spaces around fields are dropped. Errors: a field that is no finite number, an empty field, a line with more or
/// fewer fields than the first, a column that does not exist, a class that is not among the given names, no row.
pub fn parse(source: impl Read, name: &Path, options: &Options) -> Result<Table> {
    let file = name.display();
    let mut reader = ::csv::ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .trim(::csv::Trim::All)
        .delimiter(options.delimiter)
        .from_reader(source);
    let mut records = reader.records();
    let mut next = || records.next().transpose().map_err(|error| Error::input(format!("{file}: {error}")));
    let Some(first) = next()? else {
        return Err(Error::input(format!("{file}: is empty")));
    };
    let headed = options.header.unwrap_or_else(|| first.iter().all(|field| field.parse::<f32>().is_err()));
    let columns: Vec<String> = if headed {
        first.iter().map(str::to_owned).collect()
    } else {
        (0..first.len()).map(|place| place.to_string()).collect()
    };
    let find = |column: &Column| place(column, &columns, headed, name);
    let (target_places, class) = match &options.target {
        Target::None => (Vec::new(), None),
        Target::Values(wanted) => (wanted.iter().map(find).collect::<Result<Vec<_>>>()?, None),
        Target::Class { column, names } => (vec![find(column)?], Some(names)),
    };
    let feature_places: Vec<usize> = (0..columns.len()).filter(|place| !target_places.contains(place)).collect();
    if feature_places.is_empty() {
        return Err(Error::input(format!("{file}: no column is left for features")));
    }

    let (mut features, mut targets, mut hashes) = (Vec::new(), Vec::new(), Vec::new());
    let (mut classes, mut class_lines) = (Vec::new(), Vec::new());
    let mut record = if headed { next()? } else { Some(first) };
    while let Some(line) = record {
        let number = line.position().map_or(0, ::csv::Position::line);
        if line.len() != columns.len() {
            let (found, wanted) = (line.len(), columns.len());
            return Err(Error::input(format!("{file}: line {number} has {found} fields, the first has {wanted}")));
        }
        let value = |place: usize| {
            let field = &line[place];
            field.parse().ok().filter(|value: &f32| value.is_finite()).ok_or_else(|| {
                let column = &columns[place];
                let place = place + 1;
                Error::input(format!("{file}: line {number}, column {place} ({column}): {field:?} is no finite number"))
            })
        };
        hashes.push(super::split::cells(&line));
        for &place in &feature_places {
            features.push(value(place)?);
        }
        if class.is_some() {
            let field = line[target_places[0]].to_owned();
            if field.is_empty() {
                let (place, column) = (target_places[0] + 1, &columns[target_places[0]]);
                return Err(Error::input(format!("{file}: line {number}, column {place} ({column}): no class")));
            }
            classes.push(field);
            class_lines.push(number);
        } else {
            for &place in &target_places {
                targets.push(value(place)?);
            }
        }
        record = next()?;
    }
    if features.is_empty() {
        return Err(Error::input(format!("{file}: has a header and no row")));
    }

    let mut class_names = Vec::new();
    if let Some(names) = class {
        class_names = names.clone().unwrap_or_else(|| ordered(&classes));
        for (class, line) in classes.iter().zip(class_lines) {
            let index = class_names.iter().position(|name| name == class).ok_or_else(|| {
                let (known, there) = (class_names.join(", "), ordered(&classes).join(", "));
                let column = &columns[target_places[0]];
                let why = format!("line {line}: class {class:?} of column {column} is none that the network knows");
                Error::input(format!("{file}: {why}: it knows {known}; the table has {there}"))
            })?;
            targets.push(index as f32);
        }
    }
    let named = |places: &[usize]| places.iter().map(|&place| columns[place].clone()).collect();
    Ok(Table {
        rows: Rows {
            features: Samples::Floats(features),
            width: feature_places.len(),
            targets,
            target_width: target_places.len(),
            classes: class.map(|_| class_names.len()),
        },
        headed,
        features: named(&feature_places),
        targets: named(&target_places),
        classes: class_names,
        hashes,
    })
}

/// The distinct classes: numbers by value, else words by letter.
fn ordered(classes: &[String]) -> Vec<String> {
    let distinct: BTreeSet<&String> = classes.iter().collect();
    let mut names: Vec<String> = distinct.into_iter().cloned().collect();
    let numbers: Option<Vec<f64>> = names.iter().map(|name| name.parse().ok()).collect();
    if let Some(numbers) = numbers {
        let mut pairs: Vec<(f64, String)> = numbers.into_iter().zip(names).collect();
        pairs.sort_by(|a, b| a.0.total_cmp(&b.0));
        names = pairs.into_iter().map(|(_, name)| name).collect();
    }
    names
}

fn place(column: &Column, columns: &[String], headed: bool, file: &Path) -> Result<usize> {
    let wrong = |what: String| Error::input(format!("{}: {what}", file.display()));
    match column {
        Column::Index(index) => {
            let count = columns.len() as i64;
            let place = if *index < 0 { index.saturating_add(count) } else { *index };
            let inside = (0..count).contains(&place);
            inside.then_some(place as usize).ok_or_else(|| wrong(format!("no column {index}: there are {count}")))
        }
        Column::Name(name) => {
            let mut places = (0..columns.len()).filter(|&place| headed && columns[place] == *name);
            match (places.next(), places.next()) {
                (Some(place), None) => Ok(place),
                (Some(_), Some(_)) => Err(wrong(format!("more than one column is named {name:?}"))),
                _ if headed => Err(wrong(format!("no column {name:?} among {}", columns.join(", ")))),
                _ => Err(wrong(format!("no column {name:?}: the file has no header; name the column by its place"))),
            }
        }
    }
}
