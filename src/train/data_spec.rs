//! The section of a recipe that says what is learned from.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::defaults;
use super::table::TableSpec;
use crate::data::Degradation;

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
        /// Share of the pictures kept for validation, beside those of `validate.folders`; chosen by their pixels.
        #[serde(default)]
        holdout: f64,
        /// Chooses others.
        #[serde(default)]
        split_seed: u32,
        /// A picture that cannot be read ends the run before it begins, instead of being left out.
        #[serde(default)]
        strict: bool,
        /// What befalls the low-resolution pictures besides the reduction; nothing when not given.
        #[serde(skip_serializing_if = "Option::is_none")]
        degrade: Option<Degradation>,
    },
    /// A folder with the four files of MNIST's format, plain or `.gz`.
    Idx(IdxSpec),
    /// A folder of pictures for each class.
    Classes(ClassesSpec),
    /// A table of numbers and words.
    Csv(TableSpec),
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

/// A folder with the four files of MNIST's format. In a recipe: `[data]` with `kind = "idx"`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IdxSpec {
    /// The folder.
    pub path: PathBuf,
    /// Every other picture is mirrored, left to right, anew in each pass.
    #[serde(default)]
    pub flip: bool,
    /// Pixels by which pictures move at most, anew in each pass.
    #[serde(default)]
    pub shift: usize,
    /// Each class comes equally often.
    #[serde(default)]
    pub balanced: bool,
    /// How often a row of each class comes, in their order.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub class_weights: Option<Vec<f64>>,
    /// MiB of rows on the device at a time; more are streamed in by shards.
    #[serde(default = "defaults::budget")]
    pub budget_mib: usize,
}

/// A folder of pictures for each class. In a recipe: `[data]` with `kind = "classes"`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClassesSpec {
    /// The folder of folders, of which each is a class.
    pub path: PathBuf,
    /// Every other picture is mirrored, left to right, anew in each pass.
    #[serde(default)]
    pub flip: bool,
    /// Pixels by which pictures move at most, anew in each pass.
    #[serde(default)]
    pub shift: usize,
    /// Each class comes equally often.
    #[serde(default)]
    pub balanced: bool,
    /// How often a picture of each class comes, in their order.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub class_weights: Option<Vec<f64>>,
    /// MiB of pictures on the device at a time; more are streamed in by shards.
    #[serde(default = "defaults::budget")]
    pub budget_mib: usize,
    /// Share of the pictures kept for validation, chosen by their pixels.
    #[serde(default = "defaults::holdout")]
    pub holdout: f64,
    /// Chooses others.
    #[serde(default)]
    pub split_seed: u32,
}

impl Default for DataSpec {
    fn default() -> Self {
        DataSpec::Procedural { pictures: defaults::pictures(), size: defaults::size(), patch: defaults::patch() }
    }
}
