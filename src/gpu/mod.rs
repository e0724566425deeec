//! The GPU executor, the only room that names wgpu.
//!
//! A plan's steps are lowered to launches (data), tied to buffers and pipelines once at load, and from then on only
//! encoded: a run makes no buffer, bind group or pipeline.

mod adapters;
mod context;
mod contraction;
mod device;
mod executor;
mod guard;
mod health;
mod kernels;
mod launch;
mod load;
mod lower;
mod mixed;
mod open;
mod options;
mod parts;
mod patience;
mod profile;
mod reflect;
mod run;
mod submission_budget;
mod template;
mod tune;
mod wait;

pub use adapters::{AdapterInfo, AdapterKind, adapters, ask_the_loader, conformance, hidden, ways};
pub use contraction::tile_names;
pub use device::prepare;
pub use executor::Gpu;
pub use mixed::mixed;
#[doc(hidden)]
pub use options::FaultInjection;
pub use options::{GpuOptions, Tuning};
pub use tune::Finding;
