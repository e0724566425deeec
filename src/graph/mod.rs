//! The program as data: shape-checked operators, their derivatives, and the plan that executors run.
//!
//! `Graph` (build) -> `differentiate` and `optimize` append to the same graph -> `Plan` lowers it once.

mod adjoint;
mod build;
mod differentiate;
mod fuse;
mod loss;
mod op;
mod optimize;
mod origin;
mod plan;
mod shape;
mod shapes;
mod slots;
mod table;
#[cfg(test)]
mod tests;
mod verify;

pub use build::{Arena, DatasetBuffer, Graph, Init, Node, Parameter, Tensor, TensorId, TensorSource, WeightLayout};
pub use differentiate::{Objective, accumulate, differentiate};
pub use loss::Loss;
pub use op::{Activation, Axis, Interpolation, Op, Pooling, Update, Window};
pub use optimize::optimize;
pub use plan::{Epilogue, Layout, Options, Plan, Segment, Step, StepParams, Storage, Term};
pub use shape::Shape;
pub(crate) use table::{Fusion, Stage};
