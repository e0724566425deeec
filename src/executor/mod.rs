//! What a device does with plans. [`crate::cpu`] and [`crate::gpu`] implement it with the same closed set of operators.

mod ledger;

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::Result;
use crate::graph::{Arena, DatasetBuffer, Plan, StepParams, TensorId};
pub(crate) use ledger::Ledger;

/// What products and convolutions are computed in. Everything is stored in f32 either way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Precision {
    /// f32 throughout.
    #[default]
    F32,
    /// Operands are rounded to f16 and multiplied by matrix units (tensor cores), which sum in f32.
    #[serde(alias = "f16")]
    Mixed,
}

impl Precision {
    /// The loss scale that keeps a plan's gradients within what products hold.
    pub fn loss_scale(self, plan: &Plan) -> f32 {
        match self {
            Precision::F32 => 1.0,
            Precision::Mixed => plan.loss_scale(),
        }
    }
}

/// Names a plan that an executor has loaded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct PlanId(usize);

/// A device with the state of one network and the plans that share it.
///
/// All plans loaded into one executor have the same [`crate::graph::Layout`]. State starts as zeros.
pub trait Executor: Send {
    /// The device as a person would name it.
    fn name(&self) -> String;

    /// What products and convolutions are computed in.
    fn precision(&self) -> Precision {
        Precision::F32
    }

    /// Makes everything the plan needs: buffers, pipelines, scratch. Runs allocate nothing.
    ///
    /// # Errors
    /// When the plan's layout differs from that of plans loaded before, or the device's limits do not allow the plan.
    fn load(&mut self, plan: Arc<Plan>) -> Result<PlanId>;

    /// Frees what a plan holds alone.
    ///
    /// # Errors
    /// When the plan is not loaded.
    fn unload(&mut self, plan: PlanId) -> Result<()>;

    /// Writes an input tensor.
    ///
    /// # Errors
    /// When the tensor is no input of the plan or `values` has another length.
    fn write(&mut self, plan: PlanId, tensor: TensorId, values: &[f32]) -> Result<()>;

    /// Reads an output tensor, or any tensor with state.
    ///
    /// # Errors
    /// When the tensor is not kept after a run, or the device fails.
    fn read(&mut self, plan: PlanId, tensor: TensorId) -> Result<Vec<f32>>;

    /// Writes a whole arena (gaps included, `layout.len(arena)` elements).
    ///
    /// # Errors
    /// When no loaded plan has the arena or the length differs.
    fn write_state(&mut self, arena: Arena, values: &[f32]) -> Result<()>;

    /// Reads a whole arena.
    ///
    /// # Errors
    /// When no loaded plan has the arena, or the device fails.
    fn read_state(&mut self, arena: Arena) -> Result<Vec<f32>>;

    /// Writes a dataset store from its beginning, at most the bytes the loaded plans have room for. What stood there before
    /// counts no longer.
    ///
    /// # Errors
    /// When it does not fit, or the bytes are no whole elements.
    fn write_store(&mut self, store: DatasetBuffer, bytes: &[u8]) -> Result<()>;

    /// Runs the plan once per clock, in order; `slot` is set here. May return before the device is done.
    ///
    /// # Errors
    /// When a clock's rows or pictures are not all in the stores, or it cannot be an update's; then nothing has run. When
    /// the device fails.
    fn run(&mut self, plan: PlanId, clocks: &[StepParams]) -> Result<()>;

    /// Waits for all runs and takes their losses, one per run of a plan with a loss, in order.
    ///
    /// # Errors
    /// When the device fails.
    fn losses(&mut self) -> Result<Vec<f32>>;

    /// Runs the plan once and returns the nanoseconds that each of its steps took on the device.
    ///
    /// # Errors
    /// When the device has no timestamps or fails.
    fn profile(&mut self, plan: PlanId, clock: &StepParams) -> Result<Vec<f64>>;

    /// The tile shapes of a plan's products and convolutions, in words, where the device has a choice of them.
    fn tiles(&self, _plan: PlanId) -> Option<String> {
        None
    }

    /// Looks for damage that results do not show, where the executor was opened to watch for it: writes past the end of
    /// a buffer.
    ///
    /// # Errors
    /// When there is damage, or the device fails.
    fn intact(&self, _plan: PlanId) -> Result<()> {
        Ok(())
    }

    /// Bytes the executor has allocated on its device.
    fn allocated(&self) -> u64;
}
