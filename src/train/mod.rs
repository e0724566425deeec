//! From a recipe to a trained network: the loop, what it writes, and how it goes on.

mod checkpoint;
mod recipe;
mod schedule;
mod trainer;

pub use checkpoint::{Checkpoint, Storage, TrainingState};
pub use recipe::{DataSpec, LossSpec, OptimizerSpec, Recipe, Rule, ValidateSpec};
pub use schedule::{Curve, Schedule};
pub use trainer::{Resident, Room, Setup, Trainer, layout};
