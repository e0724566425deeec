//! Every number of a recipe has a range and a default, and both are those that `wgrad train --explain` states.

use std::path::Path;

use crate::support::cli::wgrad;
use toml::{Table, Value};
use wgrad::internal::ranges;
use wgrad::internal::ranges::{Entry, Range};
use wgrad::internal::train::Recipe;

/// Keys that the explanation gives an example of, and not a default: what they do when left out stands in their comment.
const EXAMPLES: [&str; 11] = [
    "optimizer.clip",
    "data.separator",
    "data.decimal",
    "data.header",
    "data.features",
    "data.target",
    "data.words",
    "data.class_weights",
    "data.degrade",
    "network.layers.stride",
    "network.layers.padding",
];

fn explanation() -> String {
    wgrad(Path::new("."), ["train", "--explain"]).expect(0).stdout
}

/// Every section of every kind as the explanation has it, optional keys included.
fn sections() -> Vec<(String, Table)> {
    let (mut sections, mut name, mut block) = (Vec::new(), String::new(), String::new());
    let mut close = |name: &str, block: &mut String| {
        if !block.is_empty() {
            sections.push((name.to_string(), block.parse().unwrap_or_else(|e| panic!("{e}\n{block}"))));
            block.clear();
        }
    };
    for line in explanation().lines() {
        let line = line.strip_prefix("# ").unwrap_or(line).trim();
        if line.starts_with('[') && line.contains(']') {
            close(&name, &mut block);
            name = line.trim_start_matches('[').split(']').next().unwrap().to_string();
        } else if !line.starts_with("--") && (line.contains("=") || line == "]") {
            if line.starts_with("kind") {
                close(&name, &mut block);
            }
            block += &format!("{line}\n");
        }
    }
    close(&name, &mut block);
    sections
}

/// A recipe with this section, and with what goes with it.
fn recipe(section: &str, table: &Table) -> Table {
    let mut recipe = Table::new();
    if section.is_empty() {
        return table.clone();
    }
    let kind = |t: &Table| t.get("kind").and_then(Value::as_str).unwrap_or("").to_string();
    let parse = |text: &str| text.parse::<Table>().unwrap();
    match (section, kind(table).as_str()) {
        ("network", "mlp" | "sequential") => {
            recipe.insert("data".into(), parse("kind = 'digits'").into());
        }
        ("data", "idx" | "classes" | "csv" | "spirals" | "digits") | ("loss", "cross_entropy" | "bce_with_logits") => {
            recipe.insert("network".into(), parse("kind = 'mlp'\nsizes = [2, 3]").into());
            if section == "loss" {
                recipe.insert("data".into(), parse("kind = 'digits'").into());
            }
        }
        ("loss", "bce") => {
            let layers = "layers = [{ layer = 'linear', out = 1 }, { layer = 'activation', function = 'sigmoid' }]";
            recipe.insert("network".into(), parse(&format!("kind = 'sequential'\ninput = [2]\n{layers}")).into());
            recipe.insert("data".into(), parse("kind = 'digits'").into());
        }
        ("data.degrade", _) => {
            let mut data = parse("kind = 'images'\ntrain = ['pictures']");
            data.insert("degrade".into(), table.clone().into());
            recipe.insert("data".into(), data.into());
            return recipe;
        }
        _ => {}
    }
    recipe.insert(section.into(), table.clone().into());
    recipe
}

fn read(recipe: &Table) -> Result<Recipe, String> {
    Recipe::parse(&toml::to_string(recipe).unwrap(), "r.toml", &[]).map_err(|e| e.to_string())
}

/// Told of a key, and of how to make the table with another value there.
type Visit<'a> = dyn FnMut(&str, &dyn Fn(Value) -> Table) + 'a;

/// Calls `visit` with the key of every number, and a copy of the table with that number replaced by whatever is asked for.
fn numbers(section: &str, table: &Table, visit: &mut Visit<'_>) {
    fn walk(value: &Value, key: &str, path: &[usize], found: &mut Vec<(String, Vec<usize>)>) {
        match value {
            Value::Integer(_) | Value::Float(_) => found.push((key.to_string(), path.to_vec())),
            Value::Array(items) => {
                items.iter().enumerate().for_each(|(i, item)| walk(item, key, &[path, &[i]].concat(), found));
            }
            Value::Table(fields) => {
                for (i, (field, value)) in fields.iter().enumerate() {
                    let nested = key == "network.layers" && field == "layers";
                    let dot = if key.is_empty() { "" } else { "." };
                    let below = if nested { key.to_string() } else { format!("{key}{dot}{field}") };
                    walk(value, &below, &[path, &[i]].concat(), found);
                }
            }
            _ => {}
        }
    }
    fn place(value: &mut Value, path: &[usize], new: Value) {
        match (value, path) {
            (value, []) => *value = new,
            (Value::Array(items), [first, rest @ ..]) => place(&mut items[*first], rest, new),
            (Value::Table(fields), [first, rest @ ..]) => {
                place(fields.iter_mut().nth(*first).unwrap().1, rest, new);
            }
            _ => unreachable!("paths were walked"),
        }
    }
    let mut found = Vec::new();
    walk(&Value::Table(table.clone()), section, &[], &mut found);
    for (key, path) in found {
        visit(&key, &|new| {
            let mut all = Value::Table(table.clone());
            place(&mut all, &path, new);
            all.as_table().unwrap().clone()
        });
    }
}

/// Values at both ends, and values just outside.
fn ends(range: Range) -> ([Value; 2], Vec<Value>) {
    let whole = |n: u64| Value::Integer(n as i64);
    match range {
        Range::Whole(least, most) => {
            let mut outside = vec![whole(most + 1), Value::Float(least as f64 + 0.5), Value::Integer(i64::MAX)];
            outside.push(Value::Integer(least as i64 - 1));
            ([whole(least), whole(most)], outside)
        }
        Range::Between(a, b) => ([a, b].map(Value::Float), [a - 1e-3 * b, 1.01 * b].map(Value::Float).to_vec()),
        Range::Below(a, b) => ([a, b - 1e-6].map(Value::Float), [a - 1e-6, b].map(Value::Float).to_vec()),
        Range::Above(a, b) => ([a + 1e-6, b].map(Value::Float), [a, 1.01 * b].map(Value::Float).to_vec()),
    }
}

#[test]
fn every_number_has_a_range_and_every_range_is_explained() {
    let mut explained: Vec<(String, String)> = Vec::new();
    for (section, table) in sections() {
        let kind = table.get("kind").and_then(Value::as_str).unwrap_or("").to_string();
        numbers(&section, &table, &mut |key, _| {
            assert!(ranges::find(key, Some(&kind)).is_some(), "{key} of `{kind}` has no range");
            explained.push((key.to_string(), kind.clone()));
        });
    }
    for Entry { key, kind, .. } in ranges::ALL.iter().filter(|e| !e.key.ends_with("leaky_relu")) {
        let there = explained.iter().any(|(k, of)| k == key && kind.is_none_or(|kind| kind == of));
        assert!(there, "{key} of {kind:?} is not explained");
    }
}

#[test]
fn a_number_is_accepted_inside_its_range_and_refused_by_name_outside() {
    let mut checked = 0;
    for (section, table) in sections() {
        let kind = table.get("kind").and_then(Value::as_str).unwrap_or("").to_string();
        // The optimizer's block has the keys of all its kinds.
        numbers(&section, &table, &mut |key, with| {
            let range = ranges::find(key, Some(&kind)).unwrap();
            let (inside, mut outside) = ends(range);
            for value in inside {
                // What depends on other keys may refuse it, but not its range.
                if let Err(error) = read(&recipe(&section, &with(value.clone()))) {
                    assert!(!error.contains(&range.to_string()), "{key} = {value}: {error}");
                }
            }
            outside.extend([Value::Float(f64::NAN), Value::Float(f64::INFINITY), Value::Boolean(true)]);
            outside.push(Value::String("abc".into()));
            for value in outside {
                let error = read(&recipe(&section, &with(value.clone()))).expect_err(key);
                assert!(error.starts_with(&format!("r.toml: {key}: {range}")), "{key} = {value}: {error}");
                checked += 1;
            }
        });
    }
    assert!(checked > 300, "{checked}");
}

#[test]
fn a_key_left_out_has_the_value_that_is_explained() {
    let mut compared = 0;
    for (section, table) in sections() {
        if matches!(section.as_str(), "optimizer" | "") {
            continue; // its keys belong to several kinds, or are sections; see below
        }
        let whole = read(&recipe(&section, &table)).unwrap_or_else(|e| panic!("{section}: {e}"));
        for key in table.keys().filter(|key| *key != "kind") {
            let mut without = table.clone();
            without.remove(key);
            // Some keys must be there.
            if let Ok(other) = read(&recipe(&section, &without)) {
                let example = EXAMPLES.contains(&format!("{section}.{key}").as_str());
                assert!(example || other == whole, "{section}.{key} left out is not what is explained");
                compared += 1;
            }
        }
    }
    assert!(compared > 50, "{compared}");
}

#[test]
fn a_section_with_one_key_has_the_defaults_of_no_section() {
    let written: Table = Recipe::default().to_toml().parse().unwrap();
    for section in ["optimizer", "schedule", "validate", "network", "data"] {
        let table = written[section].as_table().unwrap();
        let kind = table.get("kind").map(|kind| ("kind".to_string(), kind.clone()));
        for (key, value) in table {
            let mut one: Table = kind.clone().into_iter().collect();
            one.insert(key.clone(), value.clone());
            if section == "schedule" && key != "kind" {
                one.remove("kind");
            }
            assert_eq!(read(&recipe(section, &one)).unwrap(), Recipe::default(), "{section}.{key}");
        }
    }
}

#[test]
fn what_is_set_on_the_command_line_is_named() {
    for (set, key) in [("optimizer.lr=abc", "optimizer.lr"), ("steps=-1", "steps"), ("batch=1e12", "batch")] {
        let error = Recipe::parse("", "quick start", &[set.to_string()]).unwrap_err();
        assert!(error.to_string().contains(&format!("{key}: ")), "{error}");
        let wgrad::Error::Input { key: Some(field), .. } = error else { panic!("{error:?}") };
        assert_eq!(field, key);
    }
}
