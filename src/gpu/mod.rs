//! The GPU executor, the only room that names wgpu.

mod contraction;
mod launch;
mod template;
