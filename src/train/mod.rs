//! From a recipe to a trained network: the loop, what it writes, and how it goes on.

mod checkpoint;
mod data_spec;
mod diagnose;
mod folder;
mod judge;
mod metrics;
mod prepare;
mod recipe;
mod record;
mod report;
mod resume;
mod run;
mod schedule;
mod scores;
mod shards;
mod spec;
mod standing;
mod step;
mod table;
mod targets;
mod trainer;
mod words;

pub use crate::watch::Stop;
pub use checkpoint::{Checkpoint, Storage, TrainingState};
pub use data_spec::{ClassesSpec, DataSpec, IdxSpec};
pub use judge::{Judge, check_rows, predict_rows, row_scores, score_rows};
pub use recipe::Recipe;
pub use report::{Progress, Report, Silent, Validation};
pub use run::{Summary, plan, profile, run};
pub use schedule::{Curve, Schedule};
pub use scores::{ClassScores, Confusion, ValueScores, value_scores};
pub use spec::{Change, Deciding, LossSpec, OptimizerSpec, ResumeSpec, Rule, ValidateSpec};
pub use standing::{Mark, Standing};
pub use step::{Room, layout};
pub use table::{Names, TableSpec};
pub use trainer::{Resident, Setup, Trainer};
