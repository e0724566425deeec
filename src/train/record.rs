//! What a run learned from, and how: written down beside its checkpoints, and compared when it goes on.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::sections::Change;
use super::{DataSpec, OptimizerSpec, Recipe, Schedule, ValidateSpec};
use crate::checkpoint::LossSpec;
use crate::interface::Interface;
use crate::network::Network;
use crate::{Error, Result, files};

/// Names of files, rows or classes that a message gives; of more it tells the number.
const NAMED: usize = 3;

/// A run, as far as it decides about the numbers that come out.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Record {
    /// How it learns.
    #[serde(flatten)]
    pub(super) how: How,
    /// What it learns from.
    #[serde(flatten)]
    pub(super) what: What,
}

/// What the recipe says of learning.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct How {
    pub(super) seed: u32,
    pub(super) steps: u64,
    pub(super) batch: usize,
    pub(super) network: Network,
    pub(super) loss: LossSpec,
    pub(super) optimizer: OptimizerSpec,
    pub(super) schedule: Schedule,
}

/// The data.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct What {
    pub(super) data: DataSpec,
    pub(super) validate: ValidateSpec,
    /// Rows or pictures that are learned from, and that the run is judged by.
    pub(super) learnt: usize,
    pub(super) held: usize,
    pub(super) files: Vec<Source>,
    /// Columns with their statistics, names of the classes.
    pub(super) interface: Interface,
}

/// A file that samples came from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Source {
    pub(super) path: PathBuf,
    /// Bytes of the file.
    pub(super) bytes: u64,
    /// XXH3 of what was read from it: cells, values or pixels.
    pub(super) hash: String,
    /// Whether it is judged by rather than learned from; a table that is divided is learned from.
    #[serde(default)]
    pub(super) held: bool,
}

impl Source {
    pub(super) fn new(path: &Path, hash: u64, held: bool) -> Self {
        let bytes = std::fs::metadata(path).map_or(0, |metadata| metadata.len());
        Source { path: path.into(), bytes, hash: text(hash), held }
    }
}

fn text(hash: u64) -> String {
    format!("xxh3:{hash:016x}")
}

impl How {
    pub(super) fn of(recipe: &Recipe) -> Self {
        How {
            seed: recipe.seed,
            steps: recipe.steps,
            batch: recipe.batch,
            network: recipe.network.clone(),
            loss: recipe.loss(),
            optimizer: recipe.optimizer.clone(),
            schedule: recipe.schedule.clone(),
        }
    }

    /// The learning rate of a step.
    pub(super) fn rate(&self, step: u64) -> f32 {
        self.schedule.rate(self.optimizer.lr, step, self.steps)
    }

    /// What keeps a run from being the same one. Steps, schedule and learning rate may change: they are the future.
    pub(super) fn differences(&self, now: &How) -> Vec<Difference> {
        let mut found = Vec::new();
        compare(Change::Seed, "seed", &self.seed, &now.seed, &[], &mut found);
        compare(Change::Batch, "batch", &self.batch, &now.batch, &[], &mut found);
        compare(Change::Network, "network", &self.network, &now.network, &[], &mut found);
        compare(Change::Loss, "loss", &self.loss, &now.loss, &[], &mut found);
        compare(Change::Optimizer, "optimizer", &self.optimizer, &now.optimizer, &["lr"], &mut found);
        found
    }

    /// What the learning rate does after step `at`, where that is not what it was to do, in words.
    pub(super) fn new_rate(&self, now: &How, at: u64) -> Option<String> {
        let same = (self.schedule == now.schedule, self.optimizer.lr == now.optimizer.lr) == (true, true);
        if at >= now.steps || (same && self.steps == now.steps) {
            return None;
        }
        // Beyond its end a schedule stays where it was.
        let meant = self.rate((at + 1).min(self.steps.max(1)));
        let (before, next, last) = (self.rate(at.max(1)), now.rate(at + 1), now.rate(now.steps));
        let change = (next - meant).abs() > 1e-6 * meant.abs();
        change.then(|| {
            let end = format!("and to {last:.3e} at step {}", now.steps);
            format!(
                "the schedule is another: the learning rate goes from {before:.3e} (step {at}) to {next:.3e} (step {}) {end}",
                at + 1
            )
        })
    }
}

impl What {
    /// What is not as it was.
    pub(super) fn differences(&self, now: &What) -> Vec<Difference> {
        let mut found = Vec::new();
        const PLACES: [&str; 3] = ["path", "train", "exclude"];
        const SPLIT: [&str; 2] = ["holdout", "split_seed"];
        compare(Change::Data, "data", &self.data, &now.data, &[&PLACES[..], &SPLIT[..]].concat(), &mut found);
        let split = |spec: &DataSpec| {
            let fields = serde_json::to_value(spec).expect("a recipe is plain data");
            SPLIT.map(|key| (key.to_string(), fields.get(key).cloned().unwrap_or(Value::Null)))
        };
        for ((key, before), (_, after)) in split(&self.data).into_iter().zip(split(&now.data)) {
            compare(Change::Split, &format!("data.{key}"), &before, &after, &[], &mut found);
        }
        compare(
            Change::Data,
            "validate",
            &self.validate,
            &now.validate,
            &["every", "folders", "patience", "keep"],
            &mut found,
        );
        if let Some(text) = self.files(now) {
            found.push(Difference { change: Change::Data, text });
        }
        let (before, after) = (self.interface.output.classes(), now.interface.output.classes());
        if before != after {
            let [before, after] = [before, after].map(some);
            let text = format!("the classes were {before}, now they are {after}: their indices moved");
            found.push(Difference { change: Change::Classes, text });
        } else if self.interface != now.interface && found.is_empty() {
            let text = "the columns or their statistics are read otherwise than by the program that began".into();
            found.push(Difference { change: Change::Data, text });
        }
        found
    }

    /// How files changed, in words. Where they are does not matter, what is in them and their order do.
    fn files(&self, now: &What) -> Option<String> {
        let key = |file: &Source| (file.hash.clone(), file.held);
        if self.files.iter().map(key).eq(now.files.iter().map(key)) {
            return None;
        }
        let missing = |from: &[Source], other: &[Source]| -> Vec<String> {
            let there: std::collections::HashSet<_> = other.iter().map(key).collect();
            from.iter().filter(|file| !there.contains(&key(file))).map(|file| file.path.display().to_string()).collect()
        };
        let (gone, new) = (missing(&self.files, &now.files), missing(&now.files, &self.files));
        let (both, gone): (Vec<String>, Vec<String>) = gone.into_iter().partition(|path| new.contains(path));
        let new: Vec<String> = new.into_iter().filter(|path| !both.contains(path)).collect();
        let mut parts = Vec::new();
        for (names, what) in [(&both, "changed"), (&gone, "gone"), (&new, "new")] {
            if !names.is_empty() {
                parts.push(format!("{} {what}", some(names)));
            }
        }
        if parts.is_empty() {
            parts.push("the same files in another order".into());
        }
        let rows = |what: &What| format!("{} + {}", what.learnt, what.held);
        if (self.learnt, self.held) != (now.learnt, now.held) {
            parts.push(format!("learnt + held out: {}, now {}", rows(self), rows(now)));
        }
        Some(parts.join("; "))
    }
}

/// The first of some names, and how many more.
fn some(names: &[String]) -> String {
    let first = names[..names.len().min(NAMED)].join(", ");
    match names.len() {
        0 => "none".into(),
        count if count > NAMED => format!("{first} and {} more", count - NAMED),
        _ => first,
    }
}

/// One thing that is not as it was.
pub(super) struct Difference {
    pub(super) change: Change,
    text: String,
}

/// Adds what differs between two values, field by field, but for some fields.
fn compare<T: Serialize>(change: Change, key: &str, before: &T, now: &T, but: &[&str], found: &mut Vec<Difference>) {
    // By way of text, in which f32 is as short as it was written.
    let [before, now] = [before, now].map(|value| {
        let text = serde_json::to_string(value).expect("plain data");
        serde_json::from_str::<Value>(&text).expect("written above")
    });
    let mut differ = |key: &str, before: &Value, now: &Value| {
        if before != now {
            let text = format!("{key} was {}, is {}", word(before), word(now));
            found.push(Difference { change, text });
        }
    };
    match (&before, &now) {
        (Value::Object(before), Value::Object(now)) => {
            let keys: std::collections::BTreeSet<&String> = before.keys().chain(now.keys()).collect();
            for field in keys.into_iter().filter(|field| !but.contains(&field.as_str())) {
                let of = |fields: &serde_json::Map<String, Value>| fields.get(field).cloned().unwrap_or(Value::Null);
                differ(&format!("{key}.{field}"), &of(before), &of(now));
            }
        }
        _ => differ(key, &before, &now),
    }
}

fn word(value: &Value) -> String {
    match value {
        Value::Null => "not given".into(),
        Value::String(word) => word.clone(),
        value => value.to_string(),
    }
}

/// Refuses what is not allowed to differ; returns what is and does, in words.
///
/// # Errors
/// Naming everything that differs, and the key that allows it.
pub(super) fn accept(differences: Vec<Difference>, allowed: &[Change], run: &Path) -> Result<Vec<String>> {
    let (accepted, refused): (Vec<_>, Vec<_>) = differences.into_iter().partition(|d| allowed.contains(&d.change));
    let texts = |all: &[Difference]| all.iter().map(|d| d.text.clone()).collect::<Vec<_>>();
    if refused.is_empty() {
        return Ok(texts(&accepted));
    }
    let mut keys: Vec<String> = refused.iter().map(|d| d.change.name()).collect();
    keys.dedup();
    let allowed = allowed.iter().map(|change| change.name()).filter(|name| !keys.contains(name));
    let all: Vec<String> = allowed.chain(keys.iter().cloned()).map(|key| format!("\"{key}\"")).collect();
    let what = texts(&refused).join("; ");
    // Weights of another network rarely fit, and a new run can take over those that do.
    let new = if keys.contains(&Change::Network.name()) {
        "begin a new run, with `start` for its weights"
    } else {
        "begin a new run"
    };
    let remedy = format!("{new}, or allow it by --set 'resume.allow=[{}]'", all.join(", "));
    Err(Error::file(run, format!("is of another run: {what}; {remedy}")))
}

/// What can be done about a record that is lost.
const WITHOUT: &str = "put it back, or go on without by --set 'resume.allow=[\"record\"]'";

/// The records of a run, oldest first: one from its beginning, one more from each step at which a change was accepted.
pub(super) struct History {
    path: PathBuf,
    parts: Vec<Part>,
}

#[derive(Serialize, Deserialize)]
struct Part {
    /// The step after which it holds.
    from: u64,
    hash: String,
    record: Value,
}

impl History {
    /// Reads `record.json` of a folder; empty where there is none.
    ///
    /// # Errors
    /// When it is damaged.
    pub(super) fn read(folder: &Path) -> Result<Self> {
        let path = folder.join("record.json");
        let parts = match path.exists() {
            false => Vec::new(),
            true => {
                let bytes = std::fs::read(&path).map_err(|e| Error::io(&path, e))?;
                serde_json::from_slice(&bytes)
                    .map_err(|e| Error::file(&path, format!("is damaged ({e}); {WITHOUT}")))?
            }
        };
        Ok(History { path, parts })
    }

    /// An empty one for a folder, whatever its file holds.
    pub(super) fn anew(folder: &Path) -> Self {
        History { path: folder.join("record.json"), parts: Vec::new() }
    }

    /// The record of a hash.
    ///
    /// # Errors
    /// When there is none, or it is not what was written.
    pub(super) fn find(&self, hash: &str) -> Result<Record> {
        let bad = |why: String| Error::file(&self.path, why);
        let part = self.parts.iter().rev().find(|part| part.hash == hash && digest(&part.record) == hash);
        let part = part
            .ok_or_else(|| bad(format!("does not hold the record that the checkpoint was written with; {WITHOUT}")))?;
        serde_json::from_value(part.record.clone()).map_err(|e| bad(format!("is not understood: {e}")))
    }

    /// Adds a record that holds after step `from`, unless it is the last already; returns its hash.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub(super) fn add(&mut self, from: u64, record: &Record) -> Result<String> {
        let text = serde_json::to_string(record).expect("a record is plain data");
        let record: Value = serde_json::from_str(&text).expect("written above");
        let hash = digest(&record);
        if from == 0 {
            self.parts.clear();
        }
        if self.parts.last().is_none_or(|part| part.hash != hash) {
            self.parts.push(Part { from, hash: hash.clone(), record });
            let text = serde_json::to_string_pretty(&self.parts).expect("records are plain data");
            files::replace(&self.path, text.as_bytes())?;
        }
        Ok(hash)
    }
}

fn digest(record: &Value) -> String {
    text(xxhash_rust::xxh3::xxh3_64(record.to_string().as_bytes()))
}

/// Whether two names are of devices that give the same bits: the processor does with any number of threads.
pub(super) fn same_device(one: &str, other: &str) -> bool {
    let cpu = |name: &str| name.starts_with("CPU (") && name.ends_with("f32)");
    one == other || one.is_empty() || (cpu(one) && cpu(other))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_processor_is_one_device_with_any_number_of_threads() {
        assert!(
            same_device("CPU (2 threads, f32)", "CPU (64 threads, f32)") && same_device("", "CPU (2 threads, f32)")
        );
        assert!(!same_device("CPU (2 threads, f32)", "CPU (2 threads, f64)"));
        assert!(!same_device("CPU (2 threads, f32)", "llvmpipe (vulkan)"));
    }

    #[test]
    fn a_record_is_found_by_its_hash_and_an_edited_one_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let recipe = Recipe::default();
        let interface = Interface::of(&recipe.network).unwrap();
        let (data, validate) = (recipe.data.clone(), recipe.validate.clone());
        let what = What { data, validate, learnt: 96, held: 8, files: Vec::new(), interface };
        let one = Record { how: How::of(&recipe), what };
        let other = Record { how: How { seed: 9, ..one.how.clone() }, what: one.what.clone() };
        let mut history = History::read(folder.path()).unwrap();
        let hashes = [history.add(0, &one).unwrap(), history.add(5, &one).unwrap(), history.add(7, &other).unwrap()];
        assert_eq!(hashes[0], hashes[1]);
        let history = History::read(folder.path()).unwrap();
        assert_eq!(history.parts.iter().map(|part| part.from).collect::<Vec<_>>(), [0, 7]);
        assert_eq!((history.find(&hashes[0]).unwrap(), history.find(&hashes[2]).unwrap()), (one.clone(), other));
        let path = folder.path().join("record.json");
        let text = std::fs::read_to_string(&path).unwrap().replace("\"learnt\": 96", "\"learnt\": 95");
        std::fs::write(&path, text).unwrap();
        let edited = History::read(folder.path()).unwrap();
        assert!(edited.find(&hashes[0]).unwrap_err().to_string().contains("record.json"));
        // A new run in the folder begins anew.
        let mut history = history;
        history.add(0, &one).unwrap();
        assert_eq!(history.parts.len(), 1);
    }
}
