//! The adjoint rule of every operator: from the gradient of the output to those of the operands.

use super::{Graph, Node, Op, TensorId};
use crate::{Error, Result};

/// Appends what computes the gradients of the operands that `wanted` names; `None` for the others.
///
/// `dy` is the gradient of the node's output; a loss has none, since losses are where gradients start.
pub(super) fn adjoint(
    graph: &mut Graph,
    node: &Node,
    dy: Option<TensorId>,
    wanted: &[bool],
) -> Result<Vec<Option<TensorId>>> {
    let mut grads = vec![None; node.inputs.len()];
    let x = |i: usize| node.inputs[i];
    let y = node.output;
    let none = |what: &str| Err(Error::input(format!("layer `{}`: no gradient flows through {what}", node.label)));
    if let Op::Loss(loss) = node.op {
        if dy.is_some() {
            return none("a loss to what is made of it; add losses up as the terms of an objective");
        }
        if wanted[1..].contains(&true) {
            return none("the target of a loss");
        }
        if wanted[0] {
            grads[0] = Some(graph.push(Op::LossGrad(loss), &node.inputs)?);
        }
        return Ok(grads);
    }
    let (Some(dy), Some(y)) = (dy, y) else { return none("an operator without a result") };
    let mut set = |graph: &mut Graph, i: usize, op: Op, inputs: &[TensorId]| -> Result<()> {
        if wanted[i] {
            grads[i] = Some(graph.push(op, inputs)?);
        }
        Ok(())
    };
    match node.op {
        Op::MatMul { ta, tb } => {
            // C = A B: dA = dC B^T, dB = A^T dC, each transposed once more where the operand is stored so.
            let (a, b) = (x(0), x(1));
            match ta {
                false => set(graph, 0, Op::MatMul { ta: false, tb: !tb }, &[dy, b])?,
                true => set(graph, 0, Op::MatMul { ta: tb, tb: true }, &[b, dy])?,
            }
            match tb {
                false => set(graph, 1, Op::MatMul { ta: !ta, tb: false }, &[a, dy])?,
                true => set(graph, 1, Op::MatMul { ta: true, tb: ta }, &[dy, a])?,
            }
        }
        Op::Conv2d(window) => {
            let (_, h, w, _) = graph.shape(x(0)).image().expect("checked when it was added");
            set(graph, 0, Op::Conv2dInputGrad { window, size: [h, w] }, &[dy, x(1)])?;
            set(graph, 1, Op::Conv2dWeightGrad(window), &[x(0), dy])?;
        }
        Op::Conv2dInputGrad { window, .. } => {
            // Linear in both operands: its adjoint in the first is the convolution itself.
            set(graph, 0, Op::Conv2d(window), &[dy, x(1)])?;
            set(graph, 1, Op::Conv2dWeightGrad(window), &[dy, x(0)])?;
        }
        Op::BiasAdd => {
            if wanted[0] {
                grads[0] = Some(dy);
            }
            if wanted[1] {
                grads[1] = Some(graph.push(Op::ColumnSum, &[dy])?);
            }
        }
        Op::Activate(f) => {
            let saved = if f.derivative_from_output() { y } else { x(0) };
            set(graph, 0, Op::ActivateGrad(f), &[dy, saved])?;
        }
        Op::Prelu => {
            set(graph, 0, Op::PreluGrad, &[dy, x(0), x(1)])?;
            set(graph, 1, Op::PreluSlopeGrad, &[dy, x(0)])?;
        }
        Op::Softmax { log } => set(graph, 0, Op::SoftmaxGrad { log }, &[dy, y])?,
        Op::Add => {
            for i in 0..2 {
                if wanted[i] {
                    grads[i] = Some(dy);
                }
            }
        }
        Op::Scale(factor) => set(graph, 0, Op::Scale(factor), &[dy])?,
        Op::Multiply => {
            set(graph, 0, Op::Multiply, &[dy, x(1)])?;
            set(graph, 1, Op::Multiply, &[dy, x(0)])?;
        }
        Op::ColumnSum => {
            let shape = graph.shape(x(0));
            if wanted[0] {
                let spread = graph.push(Op::Broadcast { rows: shape.rows() }, &[dy])?;
                grads[0] = Some(graph.reshape(spread, shape.extents())?);
            }
        }
        Op::Broadcast { .. } => set(graph, 0, Op::ColumnSum, &[dy])?,
        Op::ColumnScale => {
            set(graph, 0, Op::ColumnScale, &[dy, x(1)])?;
            set(graph, 1, Op::ColumnDot, &[dy, x(0)])?;
        }
        Op::DepthToSpace(r) => set(graph, 0, Op::SpaceToDepth(r), &[dy])?,
        Op::SpaceToDepth(r) => set(graph, 0, Op::DepthToSpace(r), &[dy])?,
        Op::Resize { mode, scale } => set(graph, 0, Op::ResizeGrad { mode, scale }, &[dy])?,
        Op::Pool { kind, kernel, stride } => set(graph, 0, Op::PoolGrad { kind, kernel, stride }, &[dy, x(0)])?,
        Op::Concat => {
            let (a, b) = (graph.shape(x(0)).columns(), graph.shape(x(1)).columns());
            set(graph, 0, Op::Slice { start: 0, len: a }, &[dy])?;
            set(graph, 1, Op::Slice { start: a, len: b }, &[dy])?;
        }
        Op::Slice { start, .. } => {
            let columns = graph.shape(x(0)).columns();
            set(graph, 0, Op::Pad { start, columns }, &[dy])?;
        }
        Op::Pad { start, .. } => {
            let len = graph.shape(x(0)).columns();
            set(graph, 0, Op::Slice { start, len }, &[dy])?;
        }
        Op::Dropout { rate, stream } => set(graph, 0, Op::Dropout { rate, stream }, &[dy])?,
        Op::Normalize { axis, epsilon } => set(graph, 0, Op::NormalizeGrad { axis, epsilon }, &[dy, x(0)])?,
        Op::Reshape => {
            if wanted[0] {
                let shape = graph.shape(x(0));
                grads[0] = Some(graph.reshape(dy, shape.extents())?);
            }
        }
        Op::Loss(_) => unreachable!("handled above"),
        Op::Conv2dWeightGrad(_)
        | Op::ActivateGrad(_)
        | Op::PreluGrad
        | Op::PreluSlopeGrad
        | Op::SoftmaxGrad { .. }
        | Op::ColumnDot
        | Op::ResizeGrad { .. }
        | Op::PoolGrad { .. }
        | Op::NormalizeGrad { .. }
        | Op::Standardize { .. }
        | Op::TrackStatistics { .. }
        | Op::LossGrad(_)
        | Op::GradientNorm
        | Op::Update { .. }
        | Op::Average { .. }
        | Op::SampleRows { .. }
        | Op::SamplePatches { .. } => return none(&format!("{:?}", node.op)),
    }
    Ok(grads)
}
