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

/// One clear line for a text that is no TOML, with the line's number.
pub(super) fn syntax(name: &str, text: &str, error: &toml::de::Error) -> Error {
    let at = error.span().map_or(0, |span| span.start.min(text.len()));
    let (line, start) = (1 + text[..at].matches('\n').count(), text[..at].rfind('\n').map_or(0, |end| end + 1));
    let written = text[start..].lines().next().unwrap_or_default().trim();
    let what = error.message().replace('\n', " ");
    let remedy = match written.contains('\\') && written.contains('"') {
        true => "; write a path with backslashes in single quotes",
        false => "",
    };
    Error::file(name, format!("line {line} ({written}): {what}{remedy}"))
}

/// The key at which a recipe is not understood: the one without which the error would be another. Names of kinds are tried
/// last, since everything beside them depends on them.
pub(super) fn culprit(table: &toml::Table, error: &str, read: &dyn Fn(toml::Table) -> Option<String>) -> String {
    let mut path: Vec<Step> = Vec::new();
    while let Some(here) = path.iter().try_fold(Found::Table(table), |found, step| found.step(step)) {
        let next = here.steps().into_iter().find(|step| {
            let mut without = table.clone();
            remove(&mut without, &path, step);
            read(without).as_deref() != Some(error)
        });
        let Some(step) = next else { break };
        path.push(step);
    }
    let mut key = String::new();
    for step in &path {
        match step {
            Step::Key(name) if key.is_empty() => key.push_str(name),
            Step::Key(name) => key.extend([".", name]),
            Step::Place(place) => key.push_str(&format!("[{place}]")),
        }
    }
    key
}

/// From a value to one within it.
enum Step {
    Key(String),
    Place(usize),
}

/// A value of a recipe.
enum Found<'a> {
    Table(&'a toml::Table),
    Value(&'a toml::Value),
}

impl<'a> Found<'a> {
    fn step(self, step: &Step) -> Option<Found<'a>> {
        match (self, step) {
            (Found::Table(table), Step::Key(key)) => table.get(key).map(Found::Value),
            (Found::Value(toml::Value::Table(table)), Step::Key(key)) => table.get(key).map(Found::Value),
            (Found::Value(toml::Value::Array(items)), Step::Place(place)) => items.get(*place).map(Found::Value),
            _ => None,
        }
    }

    fn steps(&self) -> Vec<Step> {
        let keys = |table: &toml::Table| {
            let is_kind = |key: &&String| ["kind", "layer"].contains(&key.as_str());
            let (kinds, others): (Vec<&String>, Vec<&String>) = table.keys().partition(is_kind);
            others.into_iter().chain(kinds).map(|key| Step::Key(key.clone())).collect()
        };
        match self {
            Found::Table(table) => keys(table),
            Found::Value(toml::Value::Table(table)) => keys(table),
            Found::Value(toml::Value::Array(items)) => (0..items.len()).map(Step::Place).collect(),
            Found::Value(_) => Vec::new(),
        }
    }
}

fn remove(table: &mut toml::Table, path: &[Step], last: &Step) {
    let Some((Step::Key(first), rest)) = path.split_first() else {
        if let Step::Key(key) = last {
            table.remove(key);
        }
        return;
    };
    let mut at = table.get_mut(first);
    for step in rest {
        at = match step {
            Step::Key(key) => at.and_then(|value| value.get_mut(key)),
            Step::Place(place) => at.and_then(|value| value.get_mut(*place)),
        };
    }
    match (at, last) {
        (Some(toml::Value::Table(table)), Step::Key(key)) => {
            table.remove(key);
        }
        (Some(toml::Value::Array(items)), Step::Place(place)) => {
            items.remove(*place);
        }
        _ => {}
    }
}

/// One clear line, with the nearest known key when one was unknown.
pub(super) fn fault(name: &str, key: &str, error: &toml::de::Error) -> Error {
    let text = error.message().replace('\n', " ");
    let quoted: Vec<&str> = text.split('`').skip(1).step_by(2).collect();
    let hint = match quoted.split_first() {
        Some((given, known)) if text.starts_with("unknown") => nearest(given, known),
        _ => None,
    };
    let hint = hint.map_or(String::new(), |key| format!("; did you mean `{key}`?"));
    let unknown_key = text.starts_with("unknown field");
    match key {
        "" => Error::file(name, format!("{text}{hint}")),
        // The message has the key's last name.
        key if unknown_key && !key.contains('.') => Error::file(name, format!("{text}{hint}")),
        key => Error::key(key, format!("{text}{hint}")).in_file(name),
    }
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
