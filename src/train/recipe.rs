//! A recipe: everything that decides a training run, in one TOML file.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::Schedule;
use super::spec::{DataSpec, LossSpec, OptimizerSpec, ValidateSpec};
use super::words::{fault, set};
use crate::executor::Precision;
use crate::network::{Input, Network, Skip};
use crate::{Error, Result};

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
            schedule: Schedule { kind: super::Curve::Cosine, warmup: 50, ..Schedule::default() },
            validate: ValidateSpec::default(),
        }
    }
}

impl Recipe {
    /// Reads a recipe; relative paths in it are relative to the folder it is in.
    ///
    /// # Errors
    /// Naming the file and the key, with the nearest known key as a suggestion.
    pub fn open(path: &Path, overrides: &[String]) -> Result<Recipe> {
        let text = std::fs::read_to_string(path).map_err(|e| Error::io(path, e))?;
        let mut recipe = Recipe::parse(&text, &path.display().to_string(), overrides)?;
        let base = path.parent().unwrap_or(Path::new(""));
        for entry in recipe.paths() {
            if entry.is_relative() {
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
        let mut table: toml::Table = text.parse().map_err(|e| fault(name, e))?;
        for setting in overrides {
            set(&mut table, setting)?;
        }
        let recipe: Recipe = toml::Value::Table(table).try_into().map_err(|e| fault(name, e))?;
        recipe.check().map_err(|e| Error::input(format!("{name}: {e}")))?;
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
            DataSpec::Csv { classes: false, .. } => LossSpec::Mse {},
            _ => LossSpec::CrossEntropy { smoothing: 0.0 },
        })
    }

    /// Whether pictures are to be enlarged.
    pub fn enlarges(&self) -> bool {
        matches!(self.network.input(), Input::Picture { .. })
    }

    fn paths(&mut self) -> Vec<&mut PathBuf> {
        let mut paths: Vec<&mut PathBuf> = self.start.iter_mut().chain(&mut self.validate.folders).collect();
        match &mut self.data {
            DataSpec::Images { train, exclude, .. } => paths.extend(train.iter_mut().chain(exclude)),
            DataSpec::Idx { path } | DataSpec::Csv { path, .. } => paths.push(path),
            DataSpec::Procedural { .. } | DataSpec::Spirals { .. } | DataSpec::Digits { .. } => {}
        }
        paths
    }

    fn check(&self) -> Result<()> {
        let bad = |key: &str, why: &str| Err(Error::input(format!("{key}: {why}")));
        if self.steps == 0 || self.steps > u64::from(u32::MAX) {
            return bad("steps", "at least 1 and at most 4294967295");
        }
        if self.batch == 0 {
            return bad("batch", "at least 1");
        }
        if self.validate.every == 0 {
            return bad("validate.every", "at least 1");
        }
        if !(self.optimizer.lr > 0.0 && self.optimizer.lr.is_finite()) {
            return bad("optimizer.lr", "a positive number");
        }
        if self.optimizer.clip.is_some_and(|c| c.is_nan() || c <= 0.0) {
            return bad("optimizer.clip", "a positive number");
        }
        if self.optimizer.average.is_some_and(|a| !(0.0..1.0).contains(&a)) {
            return bad("optimizer.average", "from 0 to below 1");
        }
        self.optimizer.rule()?;
        self.network.check()?;
        let pictures = matches!(self.data, DataSpec::Procedural { .. } | DataSpec::Images { .. });
        if pictures != self.enlarges() {
            let why = "a network that enlarges pictures learns from `procedural` or `images`, others from rows";
            return bad("data.kind", why);
        }
        match &self.data {
            DataSpec::Procedural { pictures, size, patch } => {
                if *pictures == 0 {
                    return bad("data.pictures", "at least 1");
                }
                let Input::Picture { scale, .. } = self.network.input() else { return Ok(()) };
                if *patch == 0 || patch * scale > *size {
                    return bad("data.patch", "at least 1, and patch x scale at most data.size");
                }
            }
            DataSpec::Images { train, patch, rescale, jpeg, .. } => {
                if train.is_empty() {
                    return bad("data.train", "at least one folder of pictures");
                }
                if *patch == 0 {
                    return bad("data.patch", "at least 1");
                }
                if rescale.is_empty() || rescale.iter().any(|&f| !(f > 0.0 && f <= 1.0)) {
                    return bad("data.rescale", "factors above 0 and at most 1, at least one");
                }
                if *jpeg > 100 {
                    return bad("data.jpeg", "a quality from 1 to 100, or 0 for none");
                }
            }
            DataSpec::Csv { holdout, .. } if !(0.0..1.0).contains(holdout) => {
                return bad("data.holdout", "from 0 to below 1");
            }
            _ => {}
        }
        Ok(())
    }
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
