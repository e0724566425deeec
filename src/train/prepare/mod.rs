//! The data of a recipe, ready for the device.

mod pictures;
mod rows;

use std::borrow::Cow;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::record::{Source, What};
use super::report::Report;
use super::shards::{Shards, Supply};
use super::validator::Validator;
use super::{DataSpec, Recipe, Resident, Room, Trainer};
use crate::data::lessons;
use crate::interface::Interface;
use crate::{Result, memory};

/// Data to learn from, data to be judged by.
pub(super) struct Prepared {
    /// What the device is given first; later shards come through [`Prepared::feed`].
    pub(super) resident: Resident,
    pub(super) room: Room,
    pub(super) validator: Validator,
    pub(super) interface: Interface,
    /// Picture files that could not be read.
    pub(super) failed: usize,
    /// Rows or pictures that are learned from.
    learnt: usize,
    /// The files that samples come from.
    files: Vec<Source>,
    origins: Origins,
    /// What shards are made of, or the one there is, where samples are not counted as they come.
    drawn: Option<Arc<Supply>>,
    shards: Option<Shards>,
}

impl Prepared {
    fn fixed(resident: Resident, validator: Validator, interface: Interface, origins: Origins) -> Self {
        Prepared {
            room: Room::of(&resident),
            learnt: resident.count(),
            resident,
            validator,
            interface,
            failed: 0,
            files: Vec::new(),
            origins,
            drawn: None,
            shards: None,
        }
    }

    /// What a run records of its data.
    pub(super) fn what(&self, recipe: &Recipe) -> What {
        let (data, validate, interface) = (recipe.data.clone(), recipe.validate.clone(), self.interface.clone());
        What { data, validate, learnt: self.learnt, held: self.validator.count(), files: self.files.clone(), interface }
    }

    /// The step at which the next shard is due.
    pub(super) fn boundary(&self, step: u64) -> u64 {
        self.shards.as_ref().map_or(u64::MAX, |shards| shards.boundary(step))
    }

    /// See [`Shards::feed`]; without shards the data are there.
    pub(super) fn feed(&mut self, trainer: &mut Trainer, last: u64) -> Result<()> {
        self.shards.as_mut().map_or(Ok(()), |shards| shards.feed(trainer, last))
    }

    /// See [`Shards::refill`]; without shards the trainer has the data.
    pub(super) fn refill(&mut self, trainer: &mut Trainer) -> Result<()> {
        self.shards.as_mut().map_or(Ok(()), |shards| shards.refill(trainer))
    }

    /// What the step after `step` draws from.
    pub(super) fn data(&self, step: u64) -> Result<Cow<'_, Resident>> {
        match &self.shards {
            None => Ok(Cow::Borrowed(&self.resident)),
            Some(shards) => Ok(Cow::Owned(shards.data(step)?)),
        }
    }

    /// The name of row or picture `index` of [`Prepared::data`], as a person knows it.
    pub(super) fn sample(&self, step: u64, index: usize) -> String {
        let number = self.shards.as_ref().map_or(0, |shards| shards.number(step));
        let row = |index: usize| match &self.drawn {
            Some(source) => source.row(number, index),
            None => index,
        };
        match &self.origins {
            Origins::Rows(_) => format!("row {}", row(index) + 1),
            Origins::Lines(_, lines) => format!("line {}", lines[row(index)]),
            Origins::Drawn => format!("sample {}", row(index) + 1),
            Origins::Files(files) => files[row(index)].display().to_string(),
            Origins::Pictures => {
                let path = self.drawn.as_ref().and_then(|source| source.path(number, index));
                path.map_or(String::new(), |path| path.display().to_string())
            }
        }
    }

    /// The file that samples come from, where it is one.
    pub(super) fn source(&self) -> Option<&Path> {
        match &self.origins {
            Origins::Rows(file) | Origins::Lines(file, _) => Some(file),
            Origins::Files(_) | Origins::Pictures | Origins::Drawn => None,
        }
    }
}

/// Where samples come from, for messages.
enum Origins {
    /// Rows of a file in its order.
    Rows(PathBuf),
    /// Rows of a table, which begin in these lines.
    Lines(PathBuf, Vec<u64>),
    /// Files, one for each row.
    Files(Vec<PathBuf>),
    /// Pictures of folders.
    Pictures,
    /// No file.
    Drawn,
}

/// Reads or draws what `[data]` and `[validate]` ask for, for a run that goes on after `step` steps.
pub(super) fn prepare(recipe: &Recipe, step: u64, report: &mut dyn Report) -> Result<Prepared> {
    memory::check_drawn(drawn_bytes(recipe))?;
    match &recipe.data {
        DataSpec::Procedural { pictures, size, patch } => pictures::drawn(recipe, *pictures, *size, *patch, report),
        DataSpec::Images { .. } => pictures::folders(recipe, step, report),
        DataSpec::Idx(_)
        | DataSpec::Classes(_)
        | DataSpec::Csv(_)
        | DataSpec::Spirals { .. }
        | DataSpec::Digits { .. } => rows::rows(recipe, step, report),
    }
}

/// Bytes that drawn data take, with the device's copy and the fifth that is held out; 0 for data that are read.
fn drawn_bytes(recipe: &Recipe) -> u64 {
    let both = |count: usize, each: u64| (count as u64).saturating_mul(each).saturating_mul(2 * 6) / 5;
    match recipe.data {
        DataSpec::Spirals { points, .. } => both(points, 3 * 4),
        DataSpec::Digits { pictures } => both(pictures, (lessons::DIGIT_SIDE * lessons::DIGIT_SIDE) as u64 + 4),
        DataSpec::Procedural { pictures, size, .. } => {
            let pixels = (size * size) as u64;
            // Ground truth for validation is held in f32.
            let truths = (recipe.validate.pictures as u64).saturating_mul(3 * 4 * pixels);
            both(pictures, 3 * pixels).saturating_add(truths)
        }
        DataSpec::Images { .. } | DataSpec::Idx(_) | DataSpec::Classes(_) | DataSpec::Csv(_) => 0,
    }
}
