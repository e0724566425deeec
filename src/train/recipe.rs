//! A recipe: everything that decides a training run, in one TOML file.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::Schedule;
use crate::graph::{Loss, Update};
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

/// Where training data comes from. In a recipe: `[data]` with `kind = "images"` and the fields below.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum DataSpec {
    /// Pictures drawn by a dead-leaves model; no file needed.
    Procedural {
        /// How many.
        #[serde(default = "defaults::pictures")]
        pictures: usize,
        /// Side of each, pixels.
        #[serde(default = "defaults::size")]
        size: usize,
        /// Side of a low-resolution patch.
        #[serde(default = "defaults::patch")]
        patch: usize,
    },
    /// Folders of pictures, for super-resolution.
    Images {
        /// Folders or files.
        train: Vec<PathBuf>,
        /// Folders of test pictures that must not be among them.
        #[serde(default)]
        exclude: Vec<PathBuf>,
        /// Side of a low-resolution patch.
        #[serde(default = "defaults::patch")]
        patch: usize,
        /// Sizes at which each picture is used.
        #[serde(default = "defaults::rescale")]
        rescale: Vec<f64>,
        /// Pictures with more pixels are halved until they have no more.
        #[serde(default = "defaults::max_pixels")]
        max_pixels: usize,
        /// Bytes of pictures on the device at a time, MiB; more are streamed in by shards.
        #[serde(default = "defaults::budget")]
        budget_mib: usize,
        /// Largest standard deviation of a Gaussian blur before shrinking, pixels; 0: none.
        #[serde(default)]
        blur: f64,
        /// Lowest JPEG quality of the low-resolution pictures, 1 to 100; 0: none.
        #[serde(default)]
        jpeg: u8,
        /// Largest standard deviation of noise on the low-resolution pictures, of 255; 0: none.
        #[serde(default)]
        noise: f64,
    },
    /// A folder with the four files of MNIST's format, plain or `.gz`.
    Idx {
        /// The folder.
        path: PathBuf,
    },
    /// A table of numbers.
    Csv {
        /// The file.
        path: PathBuf,
        /// Name (or index, from 0) of the target's column; the last when not given.
        target: Option<String>,
        /// The target is a class.
        #[serde(default = "defaults::yes")]
        classes: bool,
        /// Share of the rows kept for validation.
        #[serde(default = "defaults::holdout")]
        holdout: f64,
    },
    /// Two-dimensional points on interleaved spirals; no file needed.
    Spirals {
        /// Points in all.
        #[serde(default = "defaults::points")]
        points: usize,
        /// Arms, each a class.
        #[serde(default = "defaults::arms")]
        classes: usize,
    },
    /// Drawn digits, 28x28, ten classes; no file needed.
    Digits {
        /// Digits to learn from; a fifth as many to validate.
        #[serde(default = "defaults::points")]
        pictures: usize,
    },
}

impl Default for DataSpec {
    fn default() -> Self {
        DataSpec::Procedural { pictures: defaults::pictures(), size: defaults::size(), patch: defaults::patch() }
    }
}

mod defaults {
    pub fn pictures() -> usize {
        96
    }
    pub fn size() -> usize {
        192
    }
    pub fn patch() -> usize {
        24
    }
    pub fn rescale() -> Vec<f64> {
        vec![1.0, 0.9, 0.8, 0.7, 0.6]
    }
    pub fn max_pixels() -> usize {
        2_000_000
    }
    pub fn budget() -> usize {
        64
    }
    pub fn yes() -> bool {
        true
    }
    pub fn holdout() -> f64 {
        0.2
    }
    pub fn points() -> usize {
        5000
    }
    pub fn arms() -> usize {
        3
    }
}

/// What is minimised. In a recipe: `[loss]` with `kind = "charbonnier"`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum LossSpec {
    /// Mean squared error.
    Mse {},
    /// Mean absolute error.
    Mae {},
    /// Huber's loss.
    Huber {
        /// Where the square turns into a line.
        #[serde(default = "one")]
        delta: f32,
    },
    /// `sqrt(d^2 + epsilon^2)`
    Charbonnier {
        /// Rounds the corner at zero.
        #[serde(default = "thousandth")]
        epsilon: f32,
    },
    /// Softmax cross-entropy, for classes.
    CrossEntropy {
        /// Label smoothing.
        #[serde(default)]
        smoothing: f32,
    },
    /// Binary cross-entropy of probabilities.
    Bce {},
    /// Binary cross-entropy of logits.
    BceWithLogits {},
}

fn one() -> f32 {
    1.0
}
fn thousandth() -> f32 {
    1e-3
}

impl LossSpec {
    /// The operator's loss.
    pub fn loss(self) -> Loss {
        match self {
            LossSpec::Mse {} => Loss::Mse,
            LossSpec::Mae {} => Loss::Mae,
            LossSpec::Huber { delta } => Loss::Huber(delta),
            LossSpec::Charbonnier { epsilon } => Loss::Charbonnier(epsilon),
            LossSpec::CrossEntropy { smoothing } => Loss::CrossEntropy(smoothing),
            LossSpec::Bce {} => Loss::Bce,
            LossSpec::BceWithLogits {} => Loss::BceWithLogits,
        }
    }
}

/// How the loss is minimised. In a recipe: `[optimizer]`. Keys of other kinds than the chosen one are errors.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct OptimizerSpec {
    /// The update rule.
    pub kind: Rule,
    /// Learning rate.
    pub lr: f32,
    /// SGD: share of the velocity that is kept.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub momentum: Option<f32>,
    /// SGD: look ahead along the velocity.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nesterov: Option<bool>,
    /// RMSprop: share of the mean square that is kept, 0.99.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rho: Option<f32>,
    /// Adam, AdamW: decays of the two moments, [0.9, 0.999].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub betas: Option<[f32; 2]>,
    /// Adam, AdamW, RMSprop: added outside the root, 1e-8.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub epsilon: Option<f32>,
    /// Weight decay: an L2 penalty, or decoupled for AdamW.
    pub weight_decay: f32,
    /// Largest global norm of the gradients.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub clip: Option<f32>,
    /// Share that an exponential average of the weights keeps; the average is what is validated and shipped.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub average: Option<f32>,
}

/// Name of an update rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Rule {
    /// Stochastic gradient descent.
    Sgd,
    /// Tieleman & Hinton 2012.
    Rmsprop,
    /// Kingma & Ba 2015.
    Adam,
    /// Loshchilov & Hutter 2019.
    Adamw,
}

impl Default for OptimizerSpec {
    fn default() -> Self {
        OptimizerSpec {
            kind: Rule::Adam,
            lr: 2e-3,
            momentum: None,
            nesterov: None,
            rho: None,
            betas: None,
            epsilon: None,
            weight_decay: 0.0,
            clip: None,
            average: Some(0.99),
        }
    }
}

impl OptimizerSpec {
    /// The operator's rule.
    ///
    /// # Errors
    /// When a key belongs to another kind.
    pub fn rule(&self) -> Result<Update> {
        let foreign = [
            ("momentum", self.momentum.is_some(), self.kind == Rule::Sgd),
            ("nesterov", self.nesterov.is_some(), self.kind == Rule::Sgd),
            ("rho", self.rho.is_some(), self.kind == Rule::Rmsprop),
            ("betas", self.betas.is_some(), matches!(self.kind, Rule::Adam | Rule::Adamw)),
            ("epsilon", self.epsilon.is_some(), self.kind != Rule::Sgd),
        ];
        if let Some((key, ..)) = foreign.iter().find(|(_, given, fits)| *given && !fits) {
            return Err(Error::input(format!("optimizer.{key} has no meaning for kind {:?}; remove it", self.kind)));
        }
        let (decay, epsilon) = (self.weight_decay, self.epsilon.unwrap_or(1e-8));
        let [beta1, beta2] = self.betas.unwrap_or([0.9, 0.999]);
        Ok(match self.kind {
            Rule::Sgd => {
                let (momentum, nesterov) = (self.momentum.unwrap_or(0.0), self.nesterov.unwrap_or(false));
                Update::Sgd { momentum, nesterov, decay }
            }
            Rule::Rmsprop => Update::RmsProp { rho: self.rho.unwrap_or(0.99), epsilon, decay },
            Rule::Adam => Update::Adam { beta1, beta2, epsilon, decay, decoupled: false },
            Rule::Adamw => Update::Adam { beta1, beta2, epsilon, decay, decoupled: true },
        })
    }
}

/// How progress is judged. In a recipe: `[validate]`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ValidateSpec {
    /// Steps between validations and checkpoints; the last step has one in any case.
    pub every: u64,
    /// Folders of high-resolution pictures, scored by PSNR and SSIM (pictures that nothing is learned from).
    pub folders: Vec<PathBuf>,
    /// Number of drawn pictures, where pictures are drawn.
    pub pictures: usize,
}

impl Default for ValidateSpec {
    fn default() -> Self {
        ValidateSpec { every: 500, folders: Vec::new(), pictures: 8 }
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
        if self.optimizer.clip.is_some_and(|c| !(c > 0.0)) {
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

/// Applies `a.b=value`; a value that is no TOML is taken as a string.
fn set(table: &mut toml::Table, setting: &str) -> Result<()> {
    let bad = || Error::input(format!("--set {setting}: give it as key=value or section.key=value"));
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
fn fault(name: &str, error: toml::de::Error) -> Error {
    let text = error.message().replace('\n', " ");
    let quoted: Vec<&str> = text.split('`').skip(1).step_by(2).collect();
    let line = error.span().map_or(String::new(), |_| String::new());
    let hint = match quoted.split_first() {
        Some((given, known)) if text.starts_with("unknown") => nearest(given, known),
        _ => None,
    };
    let hint = hint.map_or(String::new(), |key| format!("; did you mean `{key}`?"));
    Error::input(format!("{name}{line}: {text}{hint}"))
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

#[cfg(test)]
mod tests {
    use super::*;

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
