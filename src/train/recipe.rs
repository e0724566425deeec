//! A recipe: everything that decides a training run, in one TOML file.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::Schedule;
use super::data_spec::{ClassesSpec, DataSpec, IdxSpec};
use super::overrides::{culprit, fault, set, syntax};
use super::sections::{OptimizerSpec, ResumeSpec, ValidateSpec};
use super::table::TableSpec;
use crate::checkpoint::LossSpec;
use crate::executor::Precision;
use crate::graph::Shape;
use crate::network::{Input, Network, Skip};
use crate::{Error, Result, ranges};

/// A training run by declaration. Missing keys take the quick start's values; unknown keys are errors.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Recipe {
    /// Seed of initial weights and of every draw.
    pub seed: u32,
    /// Updates in all.
    pub steps: u64,
    /// Samples (rows or patches) per update.
    pub batch: usize,
    /// What products and convolutions are computed in; weights, sums and updates are f32 either way.
    pub precision: Precision,
    /// A checkpoint whose tensors, where name and shape fit, are the initial weights.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub start: Option<PathBuf>,
    /// The network.
    pub network: Network,
    /// What it learns from.
    pub data: DataSpec,
    /// What is minimised; by the kind of data when not given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub loss: Option<LossSpec>,
    /// How it is minimised.
    pub optimizer: OptimizerSpec,
    /// The learning rate over time.
    pub schedule: Schedule,
    /// How progress is judged.
    pub validate: ValidateSpec,
    /// What may change when a run goes on.
    pub resume: ResumeSpec,
}

impl Default for Recipe {
    /// The quick start: super-resolution on drawn pictures.
    fn default() -> Self {
        let features = 16;
        Recipe {
            seed: 1,
            steps: 2000,
            batch: 16,
            precision: Precision::F32,
            start: None,
            network: Network::Compact {
                scale: 2,
                channels: 1,
                features,
                convolutions: 5,
                expand: 0,
                skip: Skip::Bilinear,
            },
            data: DataSpec::default(),
            loss: None,
            optimizer: OptimizerSpec::default(),
            schedule: Schedule::default(),
            validate: ValidateSpec::default(),
            resume: ResumeSpec::default(),
        }
    }
}

impl Recipe {
    /// Reads a recipe; relative paths in it are relative to the folder it is in, those of `overrides` to the present folder.
    ///
    /// # Errors
    /// Naming the file and the key, with the nearest known key as a suggestion.
    pub fn open(path: &Path, overrides: &[String]) -> Result<Recipe> {
        let text = std::fs::read_to_string(path).map_err(|e| Error::io(path, e))?;
        let mut recipe = Recipe::parse(&text, &path.display().to_string(), overrides)?;
        let base = path.parent().unwrap_or(Path::new(""));
        let set: Vec<&str> = overrides.iter().filter_map(|o| o.split_once('=')).map(|(key, _)| key.trim()).collect();
        for (key, entry) in recipe.paths() {
            // A whole section may be overridden too.
            let is_set =
                |set: &&str| key.strip_prefix(set).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'));
            if entry.is_relative() && !set.iter().any(is_set) {
                *entry = base.join(&*entry);
            }
        }
        Ok(recipe)
    }

    /// Parses a recipe; `name` stands for it in messages. `overrides` are `key=value` or `section.key=value` in TOML.
    ///
    /// # Errors
    /// Naming the key, with the nearest known key as a suggestion.
    pub fn parse(text: &str, name: &str, overrides: &[String]) -> Result<Recipe> {
        let mut table: toml::Table = text.parse().map_err(|e| syntax(name, text, &e))?;
        for setting in overrides {
            set(&mut table, setting)?;
        }
        superseded(&table).map_err(|e| e.in_file(name))?;
        let written = serde_json::to_value(&table).map_err(|e| Error::file(name, e.to_string()))?;
        ranges::check(&written, "").map_err(|e| e.in_file(name))?;
        let recipe = toml::Value::Table(table.clone()).try_into::<Recipe>().map_err(|error| {
            let read = |table: toml::Table| {
                toml::Value::Table(table).try_into::<Recipe>().err().map(|error| error.message().to_string())
            };
            fault(name, &culprit(&table, error.message(), &read), &error)
        })?;
        recipe.check().map_err(|e| e.in_file(name))?;
        Ok(recipe)
    }

    /// The complete recipe as TOML.
    pub fn to_toml(&self) -> String {
        toml::to_string(self).expect("a recipe has nothing that TOML has not")
    }

    /// The loss: as written, or the usual one for the data.
    pub fn loss(&self) -> LossSpec {
        self.loss.unwrap_or(match self.data {
            DataSpec::Procedural { .. } | DataSpec::Images { .. } => LossSpec::Charbonnier { epsilon: 1e-3 },
            DataSpec::Csv(TableSpec { classes: false, .. }) => LossSpec::Mse {},
            _ => LossSpec::CrossEntropy { smoothing: 0.0 },
        })
    }

    /// Whether pictures are to be enlarged.
    pub fn enlarges(&self) -> bool {
        matches!(self.network.input(), Input::Picture { .. })
    }

    /// Every path, with its key.
    pub fn paths(&mut self) -> Vec<(&'static str, &mut PathBuf)> {
        let mut paths: Vec<(&str, &mut PathBuf)> = self.start.iter_mut().map(|path| ("start", path)).collect();
        paths.extend(self.validate.folders.iter_mut().map(|path| ("validate.folders", path)));
        match &mut self.data {
            DataSpec::Images { train, exclude, .. } => {
                paths.extend(train.iter_mut().map(|path| ("data.train", path)));
                paths.extend(exclude.iter_mut().map(|path| ("data.exclude", path)));
            }
            DataSpec::Idx(IdxSpec { path, .. })
            | DataSpec::Classes(ClassesSpec { path, .. })
            | DataSpec::Csv(TableSpec { path, .. }) => paths.push(("data.path", path)),
            DataSpec::Procedural { .. } | DataSpec::Spirals { .. } | DataSpec::Digits { .. } => {}
        }
        paths
    }

    /// Checks what types cannot: numbers outside their [`crate::ranges`], and sections that do not go together.
    ///
    /// # Errors
    /// Naming the key and what it may be.
    pub fn check(&self) -> Result<()> {
        let bad = |key: &str, why: &str| Err(Error::key(key, why));
        ranges::check(&serde_json::to_value(self).expect("a recipe is plain data"), "")?;
        self.network.check()?;
        self.optimizer.rule()?;
        let pictures = matches!(self.data, DataSpec::Procedural { .. } | DataSpec::Images { .. });
        if pictures != self.enlarges() {
            let why = "a network that enlarges pictures learns from `procedural` or `images`, others from rows";
            return bad("data.kind", why);
        }
        self.check_loss()?;
        match &self.data {
            DataSpec::Procedural { pictures, size, patch } => {
                let Input::Picture { scale, channels, .. } = self.network.input() else { return Ok(()) };
                if patch * scale > *size {
                    return bad("data.patch", "patch x scale is at most data.size");
                }
                if pictures * size * size * channels > Shape::MOST {
                    let why =
                        format!("{pictures} pictures of {size}x{size} are more than 2 GiB; lower it or data.size");
                    return bad("data.pictures", &why);
                }
            }
            DataSpec::Images { train, rescale, degrade, .. } => {
                if train.is_empty() {
                    return bad("data.train", "at least one folder of pictures");
                }
                if rescale.is_empty() {
                    return bad("data.rescale", "at least one factor");
                }
                if let Some(degrade) = degrade {
                    degrade.check()?;
                }
            }
            DataSpec::Idx(_)
            | DataSpec::Classes(_)
            | DataSpec::Csv(_)
            | DataSpec::Spirals { .. }
            | DataSpec::Digits { .. } => {}
        }
        Ok(())
    }

    /// Whether the loss can be of such data and such a network; targets themselves are looked at when they are there.
    fn check_loss(&self) -> Result<()> {
        let bad = |why: &str| Err(Error::key("loss.kind", why));
        match self.loss() {
            LossSpec::CrossEntropy { .. } | LossSpec::Bce {} | LossSpec::BceWithLogits {} if self.enlarges() => {
                bad("pictures are values, not classes; use charbonnier, mae, mse or huber")
            }
            LossSpec::Bce {} if !self.network.ends_in_probabilities() => {
                bad("bce is of probabilities: end the network in sigmoid or softmax, or use bce_with_logits")
            }
            LossSpec::Mse {}
            | LossSpec::Mae {}
            | LossSpec::Huber { .. }
            | LossSpec::Charbonnier { .. }
            | LossSpec::CrossEntropy { .. }
            | LossSpec::Bce {}
            | LossSpec::BceWithLogits {} => Ok(()),
        }
    }
}

/// Refuses keys of earlier versions, naming what took their place.
fn superseded(table: &toml::Table) -> Result<()> {
    let data = table.get("data").and_then(toml::Value::as_table);
    for (key, now) in [
        ("blur", "blur = { probability = 0.5, sigma = [0.1, 2.0] }"),
        ("noise", "noise = { probability = 0.5, sigma = [0.0, 10.0] }"),
        ("jpeg", "jpeg = { probability = 0.5, quality = [40, 95] }"),
    ] {
        if data.is_some_and(|data| data.contains_key(key)) {
            return Err(Error::key(
                format!("data.{key}"),
                format!("is no longer a key: write `{now}` under [data.degrade]"),
            ));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::train::Rule;

    #[test]
    fn a_misspelt_key_is_refused_with_a_suggestion() {
        let error = Recipe::parse("setps = 5", "r.toml", &[]).unwrap_err().to_string();
        assert!(error.contains("r.toml") && error.contains("`setps`") && error.contains("`steps`?"), "{error}");
        let error = Recipe::parse("[optimizer]\nlearning = 5", "r.toml", &[]).unwrap_err().to_string();
        assert!(error.contains("`learning`"), "{error}");
        let error = Recipe::parse("[network]\nkind = 'mlp'\nsize = [1, 2]", "r.toml", &[]).unwrap_err().to_string();
        assert!(error.contains("`size`") && error.contains("`sizes`"), "{error}");
    }

    #[test]
    fn a_complete_recipe_round_trips() {
        let text = Recipe::default().to_toml();
        assert_eq!(Recipe::parse(&text, "r", &[]).unwrap(), Recipe::default());
    }

    #[test]
    fn earlier_keys_of_degradation_name_the_new_ones() {
        for (key, value) in [("blur", "1.5"), ("noise", "5.0"), ("jpeg", "40")] {
            let text = format!("[data]\nkind = 'images'\ntrain = ['x']\n{key} = {value}");
            let error = Recipe::parse(&text, "r.toml", &[]).unwrap_err().to_string();
            assert!(
                error.contains(&format!("data.{key}: is no longer a key")) && error.contains("[data.degrade]"),
                "{error}"
            );
        }
        let text = "[data]\nkind = 'images'\ntrain = ['x']\n[data.degrade]\nnoise = { sigma = [5.0, 1.0] }";
        let error = Recipe::parse(text, "r.toml", &[]).unwrap_err().to_string();
        assert!(error.contains("data.degrade.noise.sigma"), "{error}");
    }

    #[test]
    fn overrides_reach_into_sections() {
        let overrides = ["steps=7".to_string(), "optimizer.lr=1e-3".into(), "optimizer.kind=adamw".into()];
        let recipe = Recipe::parse("", "r", &overrides).unwrap();
        assert_eq!((recipe.steps, recipe.optimizer.lr, recipe.optimizer.kind), (7, 1e-3, Rule::Adamw));
        assert!(Recipe::parse("", "r", &["steps".to_string()]).is_err());
    }

    #[test]
    fn keys_of_another_rule_are_refused() {
        let error = Recipe::parse("[optimizer]\nmomentum = 0.9", "r", &[]).unwrap_err().to_string();
        assert!(error.contains("optimizer.momentum"), "{error}");
    }
}
