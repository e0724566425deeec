//! The GPU executor, the only room that names wgpu.
//!
//! A plan's steps are lowered to launches (data), tied to buffers and pipelines once at load, and from then on only
//! encoded: a run makes no buffer, bind group or pipeline.

mod adapters;
mod context;
mod contraction;
mod device;
mod engine;
mod guard;
mod health;
mod kernels;
mod launch;
mod load;
mod lower;
mod mixed;
mod pace;
mod parts;
mod patience;
mod profile;
mod reflect;
mod run;
mod template;
mod tune;

pub use adapters::{AdapterInfo, AdapterKind, adapters, ask_the_loader, hidden, ways};
pub use contraction::tile_names;
#[doc(hidden)]
pub use device::Plant;
pub use device::{GpuOptions, prepare};
pub use engine::Gpu;
pub use mixed::mixed;
pub use tune::{Finding, Tuning};
