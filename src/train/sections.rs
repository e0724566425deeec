//! The sections of a recipe that say how is learned.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::graph::Update;
use crate::{Error, Result};

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
    /// Batches of which an update takes the mean gradient, one after the other: as one batch that is so many times larger,
    /// in the memory of one. Batch normalisation sees each by itself.
    pub accumulate: usize,
    /// Share that an exponential average of the weights keeps, less in the first steps; the average is what is validated and
    /// shipped.
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
            accumulate: 1,
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
            let why = format!("has no meaning for kind {:?}; remove it", self.kind);
            return Err(Error::key(format!("optimizer.{key}"), why));
        }
        if self.nesterov == Some(true) && self.momentum.unwrap_or(0.0) == 0.0 {
            return Err(Error::key(
                "optimizer.nesterov",
                "looks ahead along a momentum; set optimizer.momentum above 0",
            ));
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
    /// Validations without a better score after which the run ends; 0: it goes on to its last step.
    pub patience: u64,
    /// How many of the best checkpoints stay: with more than one they are in `kept/`, by their steps.
    pub keep: usize,
    /// Which scores decide about the best checkpoint where training pictures are degraded; both are reported.
    pub best: Deciding,
}

/// Which of two inputs a network is chosen by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Deciding {
    /// Degraded as those that are learned from.
    #[default]
    Degraded,
    /// Bicubic reductions.
    Clean,
}

/// What `--resume` puts up with. In a recipe: `[resume]`; the copy in the run's folder has none of it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ResumeSpec {
    /// What may be another than in the run that goes on.
    pub allow: Vec<Change>,
}

/// What of a run may change when it goes on, if it is allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Change {
    /// The seed of draws.
    Seed,
    /// Files, rows, pictures, and how they are read.
    Data,
    /// Which samples are held out.
    Split,
    /// The names of classes, or their order.
    Classes,
    /// Samples per update.
    Batch,
    /// The update rule and its numbers but for the learning rate, which may always change. What another rule or a new
    /// average needs starts anew.
    Optimizer,
    /// What is minimised.
    Loss,
    /// The declaration; weights must fit still.
    Network,
    /// The record of the run, which is lost or damaged: nothing can be compared.
    Record,
}

impl Change {
    /// As it stands in `resume.allow`.
    pub fn name(self) -> String {
        serde_json::to_value(self).expect("a word").as_str().unwrap_or_default().to_string()
    }
}

impl Default for ValidateSpec {
    fn default() -> Self {
        ValidateSpec { every: 500, folders: Vec::new(), pictures: 8, patience: 0, keep: 1, best: Deciding::Degraded }
    }
}
