//! Reverse-mode differentiation: gradients are ordinary operators appended to the same graph.

use super::{Arena, Graph, Home, Op, TensorId, adjoint::adjoint};
use crate::{Error, Result};

/// Appends the backward pass of `root`.
///
/// `cotangent` is the gradient of `root` itself (`None` for a loss, where gradients start). Gradients of all parameters
/// land in [`Arena::Gradients`]; those of the `extra` tensors are returned, in order.
///
/// # Errors
/// When an operator on the way has no adjoint, or a parameter or an extra tensor does not reach `root`.
pub fn differentiate(
    graph: &mut Graph,
    root: TensorId,
    cotangent: Option<TensorId>,
    extra: &[TensorId],
) -> Result<Vec<TensorId>> {
    let grads = backward(graph, 0, root, cotangent, extra)?;
    for index in 0..graph.parameters.len() {
        let grad = gradient(graph, index, &grads)?;
        settle(graph, grad, index, extra, &grads)?;
    }
    extra.iter().map(|t| grads[t.0].ok_or_else(|| missing(&graph.tensors[t.0].name))).collect()
}

/// Appends forward and backward passes of the `parts` of a batch one after the other, so that the values of one part are gone
/// before those of the next are made. The mean of their gradients lands in [`Arena::Gradients`]. `forward` appends a part's
/// forward pass and returns its loss; the losses are returned.
///
/// # Errors
/// Those of `forward`, and as [`differentiate`].
pub fn accumulate(
    graph: &mut Graph,
    parts: usize,
    mut forward: impl FnMut(&mut Graph, usize) -> Result<TensorId>,
) -> Result<Vec<TensorId>> {
    let mut losses = Vec::new();
    let mut sums: Vec<Option<TensorId>> = Vec::new();
    for part in 0..parts {
        let from = graph.nodes.len();
        let loss = forward(graph, part)?;
        if parts == 1 {
            differentiate(graph, loss, None, &[])?;
            return Ok(vec![loss]);
        }
        let grads = backward(graph, from, loss, None, &[])?;
        sums.resize(graph.parameters.len(), None);
        for (index, sum) in sums.iter_mut().enumerate() {
            let grad = gradient(graph, index, &grads)?;
            graph.layer(graph.parameters[index].name.clone());
            *sum = Some(match *sum {
                None => grad,
                Some(sum) => graph.push(Op::Add, &[sum, grad])?,
            });
        }
        losses.push(loss);
    }
    for (index, sum) in sums.into_iter().enumerate() {
        graph.layer(graph.parameters[index].name.clone());
        let mean = graph.push(Op::Scale(1.0 / parts as f32), sum.as_slice())?;
        graph.tensors[mean.0].home = Home::State(Arena::Gradients, index);
    }
    Ok(losses)
}

fn missing(name: &str) -> Error {
    Error::input(format!("`{name}` has no influence on the loss; remove it or use it"))
}

/// The gradient of a parameter.
fn gradient(graph: &mut Graph, index: usize, grads: &[Option<TensorId>]) -> Result<TensorId> {
    let parameter = graph.state(Arena::Parameters, index);
    grads.get(parameter.0).copied().flatten().ok_or_else(|| missing(&graph.parameters[index].name))
}

/// Appends the backward pass through the nodes from number `from` on; returns the gradient of each tensor that has one.
fn backward(
    graph: &mut Graph,
    from: usize,
    root: TensorId,
    cotangent: Option<TensorId>,
    extra: &[TensorId],
) -> Result<Vec<Option<TensorId>>> {
    graph.own(&[root])?;
    graph.own(extra)?;
    graph.own(cotangent.as_slice())?;
    let forward = graph.nodes[from..].to_vec();
    let mut active: Vec<bool> =
        graph.tensors.iter().map(|t| matches!(t.home, Home::State(Arena::Parameters, _))).collect();
    for &tensor in extra {
        active[tensor.0] = true;
    }
    for node in &forward {
        if let (Some(output), true) = (node.output, node.inputs.iter().any(|t| active[t.0])) {
            active[output.0] = true;
        }
    }
    let mut grads: Vec<Option<TensorId>> = vec![None; graph.tensors.len()];
    grads[root.0] = cotangent;
    for node in forward.iter().rev() {
        let Some(output) = node.output else { continue };
        let dy = grads[output.0];
        if !active[output.0] || (dy.is_none() && output != root) {
            continue;
        }
        graph.layer(node.label.clone());
        let wanted: Vec<bool> = node.inputs.iter().map(|t| active[t.0]).collect();
        let parts = adjoint(graph, node, dy, &wanted)?;
        for (&input, part) in node.inputs.iter().zip(parts) {
            let Some(part) = part else { continue };
            grads[input.0] = Some(match grads[input.0] {
                None => part,
                Some(sum) => graph.push(Op::Add, &[sum, part])?,
            });
        }
    }
    Ok(grads)
}

/// Makes `grad` the gradient segment of parameter `index`: in place when nothing else uses it, by a copy otherwise.
fn settle(
    graph: &mut Graph,
    grad: TensorId,
    index: usize,
    extra: &[TensorId],
    grads: &[Option<TensorId>],
) -> Result<()> {
    let used = graph.nodes.iter().any(|n| n.inputs.contains(&grad));
    let asked = extra.iter().any(|t| grads[t.0] == Some(grad));
    let made = graph.nodes.iter().any(|n| n.output == Some(grad) && n.op != Op::Reshape);
    let home = Home::State(Arena::Gradients, index);
    if made && !used && !asked && graph.tensors[grad.0].home == Home::Value {
        graph.tensors[grad.0].home = home;
        return Ok(());
    }
    graph.layer(graph.parameters[index].name.clone());
    let copy = graph.push(Op::Scale(1.0), &[grad])?;
    graph.tensors[copy.0].home = home;
    Ok(())
}
