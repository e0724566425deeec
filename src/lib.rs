//! Training of neural networks and image super-resolution with WGSL compute kernels.

pub mod data;
mod error;
pub mod image;

pub use error::{Error, Result};
