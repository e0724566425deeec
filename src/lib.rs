//! Training of neural networks and image super-resolution with WGSL compute kernels, on any GPU or without one.
//!
//! ```text
//! Network (a declaration)  --build-->  Graph (shape-checked SSA)  --plan-->  Plan  -->  Executor: Cpu | Gpu
//!
//! dataset -> sample -> forward -> loss -> backward -> update -> metrics -> checkpoint
//! image -> tiles -> network -> image
//! ```
//!
//! From the top: [`train::run`] follows a [`train::Recipe`]; [`train::Trainer`] is one network learning on one device;
//! [`upscale::Upscaler`] enlarges pictures, [`predict::Predictor`] runs any network. Below: [`graph::Graph`] is built from
//! operators, [`graph::differentiate`] and [`graph::optimize`] append to it, [`graph::Plan`] lowers it, and an
//! [`executor::Executor`] ([`cpu::Cpu`] or [`gpu::Gpu`], opened by a [`device::Device`]) runs it.
//!
//! ```
//! use wgrad::device::Device;
//! use wgrad::train::{Recipe, Silent, CancelToken};
//!
//! # fn main() -> wgrad::Result<()> {
//! let recipe = Recipe::parse(
//!     "steps = 200\n[network]\nkind = 'mlp'\nsizes = [2, 32, 3]\n[data]\nkind = 'spirals'\n[validate]\nevery = 200",
//!     "spirals",
//!     &[],
//! )?;
//! let folder = tempfile::tempdir().expect("a temporary folder");
//! let summary = wgrad::train::run(&recipe, &Device::Cpu, folder.path(), false, &CancelToken::new(), &mut Silent)?;
//! assert!(summary.best.is_some_and(|accuracy| accuracy > 0.5));
//! # Ok(())
//! # }
//! ```

#![deny(missing_docs)]

pub mod bench;
pub mod checkpoint;
pub mod cpu;
pub mod data;
pub mod device;
mod error;
pub mod executor;
pub mod files;
pub mod gpu;
pub mod graph;
pub mod image;
pub mod interface;
pub mod memory;
pub mod models;
pub mod network;
pub mod predict;
pub mod random;
pub mod ranges;
pub mod train;
pub mod tuned;
pub mod upscale;
pub mod verify;
pub mod watch;

pub use error::{Error, Fault, Result};
