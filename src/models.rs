//! The weights that come with the program.

use crate::train::Checkpoint;
use crate::{Error, Result};

/// A network that was trained beforehand.
struct Model {
    name: &'static str,
    scale: usize,
    bytes: &'static [u8],
}

/// One entry per file of `models/`; `docs/models.md` says how each was made and what it scores.
const MODELS: &[Model] = &[
    Model { name: "base", scale: 2, bytes: include_bytes!("../models/base-x2.safetensors") },
    Model { name: "base", scale: 3, bytes: include_bytes!("../models/base-x3.safetensors") },
    Model { name: "base", scale: 4, bytes: include_bytes!("../models/base-x4.safetensors") },
    Model { name: "photo", scale: 2, bytes: include_bytes!("../models/photo-x2.safetensors") },
    Model { name: "tiny", scale: 2, bytes: include_bytes!("../models/tiny-x2.safetensors") },
    Model { name: "tiny", scale: 3, bytes: include_bytes!("../models/tiny-x3.safetensors") },
    Model { name: "tiny", scale: 4, bytes: include_bytes!("../models/tiny-x4.safetensors") },
];

/// Names that are taken when none is asked for, best first.
const DEFAULTS: [&str; 2] = ["base", "tiny"];

/// The enlargement when none is asked for.
const DEFAULT_SCALE: usize = 2;

/// All models, as `NAME-xSCALE`.
pub fn names() -> Vec<String> {
    MODELS.iter().map(Model::full_name).collect()
}

/// Finds a model by name (`base`, or `tiny` where there is none, when not given) and enlargement (2 when neither is
/// given). A name may carry its enlargement: `tiny-x2`.
///
/// # Errors
/// When there is none, saying what there is.
pub fn find(name: Option<&str>, scale: Option<usize>) -> Result<Checkpoint> {
    let fits = |model: &&Model| match name {
        Some(name) if model.full_name() == name => scale.is_none_or(|s| s == model.scale),
        Some(name) => model.name == name && model.scale == scale.unwrap_or(DEFAULT_SCALE),
        None => model.scale == scale.unwrap_or(DEFAULT_SCALE),
    };
    match MODELS.iter().filter(fits).min_by_key(|model| model.rank()) {
        Some(model) => Checkpoint::decode(model.bytes, &model.full_name()),
        None => Err(Error::input(missing(name, scale))),
    }
}

/// The enlargements that a model comes in, smallest first; those of the one that is taken when none is named.
pub fn scales(name: Option<&str>) -> Vec<usize> {
    let named = |model: &&Model| name.map_or(model.rank() == 0, |name| model.name == name || model.full_name() == name);
    let mut scales: Vec<usize> = MODELS.iter().filter(named).map(|model| model.scale).collect();
    scales.sort_unstable();
    scales
}

/// Name of the model that is taken for an enlargement when none is asked for.
pub fn default_name(scale: Option<usize>) -> Option<String> {
    let fits = |model: &&Model| model.scale == scale.unwrap_or(DEFAULT_SCALE);
    MODELS.iter().filter(fits).min_by_key(|model| model.rank()).map(Model::full_name)
}

impl Model {
    /// Models with the lowest rank are taken first.
    fn rank(&self) -> usize {
        DEFAULTS.iter().position(|name| *name == self.name).unwrap_or(DEFAULTS.len())
    }

    fn full_name(&self) -> String {
        format!("{}-x{}", self.name, self.scale)
    }
}

fn missing(name: Option<&str>, scale: Option<usize>) -> String {
    let asked = match (name, scale) {
        (Some(name), Some(scale)) => format!("named {name:?} for x{scale}"),
        (Some(name), None) => format!("named {name:?}"),
        (None, scale) => format!("for x{}", scale.unwrap_or(DEFAULT_SCALE)),
    };
    let there = match names() {
        names if names.is_empty() => "this build comes with none".to_string(),
        names => format!("there are {}", names.join(", ")),
    };
    format!("no model {asked}: {there}; `wgrad train` makes one, and -m takes its file")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_model_opens_and_has_the_scale_of_its_name() {
        for model in MODELS {
            let checkpoint = find(Some(&model.full_name()), None).unwrap();
            let crate::network::Input::Picture { scale, .. } = checkpoint.network.input() else {
                panic!("{} does not enlarge", model.name)
            };
            assert_eq!(scale, model.scale);
        }
    }

    #[test]
    fn an_unknown_name_says_what_there_is() {
        let error = find(Some("nonesuch"), Some(2)).unwrap_err().to_string();
        assert!(error.contains("nonesuch") && error.contains("-m"), "{error}");
    }
}
