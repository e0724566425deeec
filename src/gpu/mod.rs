//! The GPU executor, the only room that names wgpu.

mod launch;
mod template;
