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
    graph.own(&[root])?;
    graph.own(extra)?;
    graph.own(cotangent.as_slice())?;
    let forward = graph.nodes.clone();
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
    let missing = |name: &str| Error::input(format!("`{name}` has no influence on the loss; remove it or use it"));
    for index in 0..graph.parameters.len() {
        let parameter = graph.state(Arena::Parameters, index);
        let name = graph.parameters[index].name.clone();
        let grad = grads.get(parameter.0).copied().flatten().ok_or_else(|| missing(&name))?;
        settle(graph, grad, index, extra, &grads)?;
    }
    extra.iter().map(|t| grads[t.0].ok_or_else(|| missing(&graph.tensors[t.0].name))).collect()
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
