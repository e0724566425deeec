//! Training of neural networks and image super-resolution with WGSL compute kernels.

pub mod bench;
pub mod cpu;
pub mod data;
pub mod device;
mod error;
pub mod executor;
mod files;
pub mod gpu;
pub mod graph;
pub mod image;
pub mod models;
pub mod network;
pub mod predict;
pub mod train;
pub mod upscale;
pub mod verify;

pub use error::{Error, Result};
