//! From a step to the dispatches that run it: which kernel, over what, how many workgroups.

mod activation;
mod elementwise;
mod loss;
mod merge;
mod normalization;
mod optimizer;
mod reduction;
mod sampling;
mod shape;
mod softmax;
mod spatial;

use super::contraction::{self, Class, Tile};
use super::launch::{Launch, Operand};
use crate::graph::{Op, Plan, Shape, Step, TensorId};

pub(super) use merge::{Lowered, all};

/// A step in its plan, and the device it is lowered for.
struct Lowering<'a> {
    plan: &'a Plan,
    step: &'a Step,
    /// Most elements that one binding holds; larger state is moved in parts.
    most: usize,
}

impl Lowering<'_> {
    fn input(&self, i: usize) -> TensorId {
        self.step.inputs[i]
    }

    fn shape(&self, i: usize) -> Shape {
        self.plan.shape(self.step.inputs[i])
    }

    /// The output; verified plans have one for every operator that makes one.
    fn output(&self) -> TensorId {
        self.step.output.unwrap_or(TensorId(0))
    }

    fn made(&self) -> Shape {
        self.plan.shape(self.output())
    }
}

/// The dispatches of a step, in order; `tile` is the shape of contractions where the default is not wanted.
fn lower(plan: &Plan, step: &Step, class: Class, tile: Option<Tile>, most: usize) -> Vec<Launch> {
    let at = Lowering { plan, step, most };
    match step.op {
        Op::MatMul { .. } | Op::Conv2d(_) | Op::Conv2dInputGrad { .. } | Op::Conv2dWeightGrad(_) => {
            contraction::lower(plan, step, class, tile)
        }
        Op::Activate(f) => at.activate(f),
        Op::ActivateGrad(f) => at.activate_grad(f),
        Op::Scale(factor) => at.map("scale").map(|l| l.float("factor", factor)),
        Op::Add => at.map("add").map(|l| l.tensor("b", at.input(1))),
        Op::BiasAdd => at.map("bias_add").map(|l| l.tensor("v", at.input(1))),
        Op::Multiply => at.map("multiply").map(|l| l.tensor("b", at.input(1))),
        Op::Broadcast { .. } => at.broadcast(),
        Op::ColumnScale => at.map("column_scale").map(|l| l.tensor("v", at.input(1))),
        Op::Prelu => at.map("prelu").map(|l| l.tensor("v", at.input(1))),
        Op::PreluGrad => at.map("prelu_grad").map(|l| l.tensor("b", at.input(1)).tensor("v", at.input(2))),
        Op::Standardize { epsilon } => {
            at.map("standardize").map(|l| l.tensor("v", at.input(1)).float("factor", epsilon))
        }
        Op::Dropout { rate, stream } => at.dropout(rate, stream),
        Op::ColumnSum => at.column_sum(0),
        Op::ColumnDot => at.column_sum(1),
        Op::PreluSlopeGrad => at.column_sum(2),
        Op::Softmax { log } => at.softmax(log),
        Op::SoftmaxGrad { log } => at.softmax_grad(log),
        Op::Normalize { axis, epsilon } => at.normalize(axis, epsilon),
        Op::NormalizeGrad { axis, epsilon } => at.normalize_grad(axis, epsilon),
        Op::TrackStatistics { momentum } => at.track(momentum),
        Op::Loss(loss) => at.loss(loss),
        Op::LossGrad(loss) => at.loss_grad(loss),
        Op::DepthToSpace(r) => at.shuffle("depth_to_space", r, at.made()),
        Op::SpaceToDepth(r) => at.shuffle("space_to_depth", r, at.shape(0)),
        Op::Resize { mode, scale } => at.resize(mode, scale),
        Op::ResizeGrad { mode, scale } => at.resize_grad(mode, scale),
        Op::Pool { kind, kernel, stride } => at.pool(kind, kernel, stride),
        Op::PoolGrad { kind, kernel, stride } => at.pool_grad(kind, kernel, stride),
        Op::Concat => at.concat(),
        Op::Slice { start, .. } => at.columns(start, 0),
        Op::Pad { start, .. } => at.columns(0, start),
        Op::GradientNorm => at.norm(),
        Op::Update { rule, clip } => at.update(rule, clip),
        Op::Average { decay } => at.average(decay),
        Op::SampleRows { batch, first } => at.sample_rows(batch, first),
        Op::SamplePatches { batch, patch, scale, high, first } => {
            vec![at.sample_patches(batch, patch, scale, high).size("first", first)]
        }
        // Plans have none: a reshape's result is its operand.
        Op::Reshape => Vec::new(),
    }
}

/// Lets the table above add to the one launch of an elementwise step.
struct One(Launch);

impl One {
    fn map(self, f: impl FnOnce(Launch) -> Launch) -> Vec<Launch> {
        vec![f(self.0)]
    }
}

fn scratch(index: usize, elements: usize) -> Operand {
    Operand::Scratch { index, elements }
}
