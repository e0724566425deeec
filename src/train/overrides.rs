//! Recipes as text: overrides, and errors that suggest the key that was meant.

use crate::{Error, Result};

/// Applies `a.b=value`; a value that is no TOML is taken as a string.
pub(super) fn set(table: &mut toml::Table, setting: &str) -> Result<()> {
    let bad = || Error::key(format!("--set {setting}"), "give it as key=value or section.key=value");
    let (key, value) = setting.split_once('=').ok_or_else(bad)?;
    let value = value.trim();
    let value = format!("v = {value}")
        .parse::<toml::Table>()
        .map_or_else(|_| toml::Value::String(value.into()), |t| t["v"].clone());
    let mut path: Vec<&str> = key.trim().split('.').collect();
    let last = path.pop().filter(|k| !k.is_empty()).ok_or_else(bad)?;
    let mut at = table;
    for section in path {
        let entry = at.entry(section).or_insert_with(|| toml::Value::Table(toml::Table::new()));
        at = entry.as_table_mut().ok_or_else(bad)?;
    }
    at.insert(last.into(), value);
    Ok(())
}

/// One clear line, with the nearest known key when one was unknown.
pub(super) fn fault(name: &str, error: toml::de::Error) -> Error {
    let text = error.message().replace('\n', " ");
    let quoted: Vec<&str> = text.split('`').skip(1).step_by(2).collect();
    let hint = match quoted.split_first() {
        Some((given, known)) if text.starts_with("unknown") => nearest(given, known),
        _ => None,
    };
    let hint = hint.map_or(String::new(), |key| format!("; did you mean `{key}`?"));
    Error::file(name, format!("{text}{hint}"))
}

/// The known word with the fewest edits, if they are few.
fn nearest<'a>(given: &str, known: &[&'a str]) -> Option<&'a str> {
    let best = known.iter().min_by_key(|word| edits(given, word))?;
    (edits(given, best) <= given.len().max(best.len()) / 2).then_some(*best)
}

/// Levenshtein's distance.
fn edits(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let change = diagonal + usize::from(x != *y);
            diagonal = row[j + 1];
            row[j + 1] = change.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}
