//! Tables to learn from: what a recipe says of one, and its rows as the network takes them.

use std::path::PathBuf;

use serde::de::{Deserializer, SeqAccess, Visitor};
use serde::{Deserialize, Serialize, Serializer};

use super::Recipe;
use super::defaults;
use super::report::Report;
use super::targets::Targets;
use crate::data::split::{self, Sides};
use crate::data::table::columns::{Empty, Rules};
use crate::data::table::{self, Decimal, Format, Separator, Table, classes, columns};
use crate::data::{Rows, Samples};
use crate::interface::{Encoding, InputSpec};
use crate::{Error, Result};

/// A table of numbers and words. In a recipe: `[data]` with `kind = "csv"`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TableSpec {
    /// The file.
    pub path: PathBuf,
    /// Between two fields; found when not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub separator: Option<Separator>,
    /// Before the decimals; found when not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decimal: Option<Decimal>,
    /// Whether the first line names the columns; found when not given, and asked for in doubt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub header: Option<bool>,
    /// Lines at the top of the file that are left out: a title above the table.
    #[serde(default, skip_serializing_if = "is_none")]
    pub skip: usize,
    /// Columns to learn from, by name or place; all but the target when not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub features: Option<Names>,
    /// Columns to learn, by name or place; the last when not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<Names>,
    /// The target is a class.
    #[serde(default = "yes")]
    pub classes: bool,
    /// Columns whose numbers are names of kinds, as words are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub words: Option<Names>,
    /// What is done about cells without a value.
    #[serde(default)]
    pub empty: Empty,
    /// Numbers, of targets too, are brought to mean 0 and deviation 1 over the rows to learn from.
    #[serde(default = "yes")]
    pub standardise: bool,
    /// Each class comes equally often.
    #[serde(default)]
    pub balanced: bool,
    /// How often a row of each class comes, in their order.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub class_weights: Option<Vec<f64>>,
    /// MiB of rows on the device at a time; more are streamed in by shards.
    #[serde(default = "defaults::budget")]
    pub budget_mib: usize,
    /// Share of the rows kept for validation, chosen by their cells.
    #[serde(default = "defaults::holdout")]
    pub holdout: f64,
    /// Chooses others.
    #[serde(default)]
    pub split_seed: u32,
}

fn yes() -> bool {
    true
}

fn is_none(lines: &usize) -> bool {
    *lines == 0
}

/// Columns by name or place: one, or a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Names(pub Vec<String>);

impl Serialize for Names {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        match &self.0[..] {
            [one] => serializer.serialize_str(one),
            more => more.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for Names {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        struct Columns;
        impl<'de> Visitor<'de> for Columns {
            type Value = Names;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a column by name or place, or a list of them")
            }
            fn visit_str<E>(self, name: &str) -> std::result::Result<Names, E> {
                Ok(Names(vec![name.to_string()]))
            }
            fn visit_i64<E>(self, place: i64) -> std::result::Result<Names, E> {
                Ok(Names(vec![place.to_string()]))
            }
            fn visit_u64<E>(self, place: u64) -> std::result::Result<Names, E> {
                Ok(Names(vec![place.to_string()]))
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> std::result::Result<Names, A::Error> {
                let mut names = Vec::new();
                while let Some(Names(name)) = list.next_element()? {
                    names.extend(name);
                }
                Ok(Names(names))
            }
        }
        deserializer.deserialize_any(Columns)
    }
}

/// Both sides of a table, and what goes in and out.
pub(super) struct Divided {
    pub(super) learnt: Rows,
    pub(super) held: Rows,
    pub(super) input: InputSpec,
    pub(super) targets: Targets,
    /// The line of each row to learn from.
    pub(super) lines: Vec<u64>,
    /// A hash of all cells.
    pub(super) hash: u64,
}

/// Reads a table, divides it, learns columns, statistics and classes, and says what was found.
///
/// # Errors
/// Naming file, line, column and key: what cannot be read or learned from.
pub(super) fn divide(spec: &TableSpec, recipe: &Recipe, report: &mut dyn Report) -> Result<Divided> {
    let TableSpec { separator, decimal, header, skip, .. } = *spec;
    let named: Vec<&str> =
        [&spec.features, &spec.target].into_iter().flatten().flat_map(|n| &n.0).map(|n| &**n).collect();
    let named: Vec<&str> = named.into_iter().filter(|name| name.parse::<i64>().is_err()).collect();
    let table = Table::open(&spec.path, &Format { separator, decimal, header, skip }, &named)?;
    report.note(&table.describe());
    table.notes().for_each(|note| report.note(&note));

    let find = |names: &Names| names.0.iter().map(|name| table.place(name)).collect::<Result<Vec<_>>>();
    let targets = spec.target.as_ref().map_or_else(|| Ok(vec![table.place("-1")?]), find)?;
    let aimed = aimed(&table, &targets, spec, report)?;
    let (places, left_out) = match &spec.features {
        Some(names) => (find(names)?, Vec::new()),
        None => table.features(&targets, &aimed),
    };
    left_out.iter().for_each(|line| report.note(line));
    check_columns(spec, &table, &places, &targets)?;
    let kinds = spec.words.as_ref().map_or_else(|| Ok(Vec::new()), find)?;
    let values = targets.iter().filter(|_| !spec.classes);
    table.settled(places.iter().filter(|place| !kinds.contains(place)).chain(values))?;
    let rules = Rules { empty: spec.empty, standardise: spec.standardise, words: &kinds };
    let rows = filled(&table, &places, aimed, rules, report)?;
    let class = spec.classes.then(|| targets[0]);
    let (names, spellings) = class.map_or_else(Default::default, |place| classes::names(&table, place, &rows));
    spellings.iter().for_each(|line| report.note(line));
    let labels = class.map(|place| classes::indices(&table, place, &names, &rows)).transpose()?;

    let hashes: Vec<u64> = rows.iter().map(|&row| split::cells(table.cells(row))).collect();
    let Sides { learnt, held, moved } = split::sides(&hashes, labels.as_deref(), spec.holdout, spec.split_seed)?;
    if !moved.is_empty() {
        let lines: Vec<String> = moved.iter().map(|&i| table.line(rows[i]).to_string()).collect();
        let (count, lines) = (moved.len(), table::list(&lines, 8));
        let what = if class.is_some() { "rows of every class" } else { "rows" };
        report.note(&format!("so that both sides have {what}, {count} changed sides (line {lines})"));
    }
    let [learnt, held] = [learnt, held].map(|side| side.into_iter().map(|i| rows[i]).collect::<Vec<_>>());

    let columns = columns::fit(&table, &places, &rows, &learnt, rules)?;
    for column in &columns {
        if let Encoding::Words { words, .. } = &column.encoding {
            let (what, count) = (table.column(column.place), words.len());
            let words = table::list(words, 8);
            report.note(&format!("{}: {what} holds words, and is {count} features: {words}", table.name()));
        }
    }
    let told = places.iter().chain(targets.iter().filter(|_| class.is_none())).copied().collect::<Vec<_>>();
    columns::constant(&table, &told, &learnt).iter().for_each(|line| report.note(line));

    // Probabilities stay what they are.
    let standardise = spec.standardise && !recipe.loss().is_binary();
    let values = columns::fit_values(&table, &targets, &learnt, standardise);
    let input = InputSpec::Columns { columns, named: table.headed() };
    let InputSpec::Columns { columns, .. } = &input else { unreachable!("made above") };
    let side = |rows: &[usize]| {
        Ok(Rows {
            features: Samples::Floats(columns::features(&table, columns, &places, rows)?),
            width: input.width(),
            targets: match class {
                Some(place) => classes::indices(&table, place, &names, rows)?,
                None => columns::values(&table, &values, &targets, rows)?,
            },
            target_width: targets.len(),
            classes: class.map(|_| names.len()),
        })
    };
    let (learnt_rows, held_rows) = (side(&learnt)?, side(&held)?);
    let lines = learnt.iter().map(|&row| table.line(row)).collect();
    let targets = match class {
        Some(place) => Targets::Classes { column: table.headed().then(|| table.columns()[place].clone()), names },
        None => Targets::Values(values),
    };
    Ok(Divided { learnt: learnt_rows, held: held_rows, input, targets, lines, hash: split::all(&hashes) })
}

/// Refuses columns that cannot be learned, or learned from.
fn check_columns(spec: &TableSpec, table: &Table, places: &[usize], targets: &[usize]) -> Result<()> {
    if spec.classes && targets.len() != 1 {
        let why = format!("{} columns, and a class is in one; data.classes = false learns values", targets.len());
        return Err(Error::key("data.target", why));
    }
    if let Some(both) = places.iter().find(|place| targets.contains(place)) {
        return Err(Error::key("data.features", format!("{} is the target as well", table.column(*both))));
    }
    if let Some((i, twice)) = places.iter().enumerate().find(|(i, place)| places[..*i].contains(place)) {
        return Err(Error::key("data.features", format!("{} stands twice (number {})", table.column(*twice), i + 1)));
    }
    match places.is_empty() {
        true => Err(Error::input(format!("{}: no column is left to learn from", table.name()))),
        false => Ok(()),
    }
}

/// The rows that have a target.
fn aimed(table: &Table, targets: &[usize], spec: &TableSpec, report: &mut dyn Report) -> Result<Vec<usize>> {
    let no_value = |row: usize, place: usize| columns::has_no_value(table, row, place, !spec.classes);
    let (rows, without): (Vec<usize>, Vec<usize>) =
        (0..table.count()).partition(|&row| !targets.iter().any(|&place| no_value(row, place)));
    if let (Empty::Refuse, Some(&row)) = (spec.empty, without.first()) {
        let place = targets.iter().copied().find(|&place| no_value(row, place)).expect("one of them has none");
        let (at, what) = (table.at_cell(row, place), if spec.classes { "no class" } else { "no value" });
        let why = format!("{what}; data.empty = \"drop\" leaves such rows out");
        return Err(Error::input(format!("{at}: {:?} is {why}", table.cell(row, place))));
    }
    say(table.left_out(&without, "a target"), report);
    if rows.is_empty() {
        return Err(Error::input(format!("{}: no row has a target", table.name())));
    }
    Ok(rows)
}

/// The rows to be used: all, or those without empty cells.
fn filled(
    table: &Table,
    places: &[usize],
    rows: Vec<usize>,
    rules: Rules<'_>,
    report: &mut dyn Report,
) -> Result<Vec<usize>> {
    let rows = if rules.empty == Empty::Drop {
        let (filled, holes) = columns::filled(table, places, &rows, rules);
        say(table.left_out(&holes, "a value in some column"), report);
        filled
    } else {
        rows
    };
    match rows.is_empty() {
        true => Err(Error::input(format!("{}: no row is left to learn from", table.name()))),
        false => Ok(rows),
    }
}

fn say(line: Option<String>, report: &mut dyn Report) {
    line.iter().for_each(|line| report.note(line));
}
