//! Reverse-mode differentiation: gradients are ordinary operators appended to the same graph.

use super::{Arena, Graph, Loss, Op, TensorId, TensorSource, adjoint::adjoint};
use crate::{Error, Result};

/// What is minimised: a weighted sum of losses. A tensor that is no loss stands for the mean of its elements.
#[derive(Clone, Debug, PartialEq)]
pub struct Objective(Vec<(TensorId, f32)>);

impl From<TensorId> for Objective {
    fn from(loss: TensorId) -> Self {
        Objective(vec![(loss, 1.0)])
    }
}

impl From<Vec<(TensorId, f32)>> for Objective {
    fn from(terms: Vec<(TensorId, f32)>) -> Self {
        Objective(terms)
    }
}

impl<const N: usize> From<[(TensorId, f32); N]> for Objective {
    fn from(terms: [(TensorId, f32); N]) -> Self {
        Objective(terms.to_vec())
    }
}

impl Objective {
    /// The terms as losses of the graph.
    fn losses(self, graph: &mut Graph) -> Result<Vec<(TensorId, f32)>> {
        graph.layer("objective");
        let mut losses: Vec<(TensorId, f32)> = Vec::new();
        for (term, weight) in self.0 {
            graph.own(&[term])?;
            if !weight.is_finite() || losses.iter().any(|&(loss, _)| loss == term) {
                let name = &graph.tensors[term.0].name;
                return Err(Error::input(format!(
                    "objective: `{name}` needs one weight, a finite number; it has {weight}"
                )));
            }
            let made = graph.nodes.iter().find(|n| n.output == Some(term));
            let is_loss = made.is_some_and(|n| matches!(n.op, Op::Loss(_)));
            let loss = if is_loss { term } else { graph.push(Op::Loss(Loss::Mean), &[term])? };
            losses.push((loss, weight));
        }
        match losses.is_empty() {
            true => Err(Error::input("objective: it has no terms")),
            false => Ok(losses),
        }
    }
}

/// Appends the backward pass of `root`: an objective, or, with its gradient as `cotangent`, any tensor.
///
/// Gradients of all parameters land in [`Arena::Gradients`]; those of the `extra` tensors are returned, in order.
///
/// # Errors
/// When an operator on the way has no adjoint, a parameter or an extra tensor does not reach `root`, a weight is not finite, or
/// a cotangent is given for several terms.
pub fn differentiate(
    graph: &mut Graph,
    root: impl Into<Objective>,
    cotangent: Option<TensorId>,
    extra: &[TensorId],
) -> Result<Vec<TensorId>> {
    let root = root.into();
    let grads = match cotangent {
        None => {
            let losses = root.losses(graph)?;
            graph.objective.extend(&losses);
            backward(graph, 0, &losses, None, extra)?
        }
        Some(_) if root.0.len() != 1 => return Err(Error::input("objective: a cotangent is of one tensor")),
        Some(_) => backward(graph, 0, &root.0, cotangent, extra)?,
    };
    for index in 0..graph.parameters.len() {
        let grad = gradient(graph, index, &grads)?;
        settle(graph, grad, index, extra, &grads)?;
    }
    extra.iter().map(|t| grads[t.0].ok_or_else(|| missing(&graph.tensors[t.0].name))).collect()
}

/// Appends forward and backward passes of the `parts` of a batch one after the other, so that the values of one part are gone
/// before those of the next are made. The mean of their gradients lands in [`Arena::Gradients`]. `forward` appends a part's
/// forward pass and returns its objective.
///
/// # Errors
/// Those of `forward`, and as [`differentiate`].
pub fn accumulate<O: Into<Objective>>(
    graph: &mut Graph,
    parts: usize,
    mut forward: impl FnMut(&mut Graph, usize) -> Result<O>,
) -> Result<()> {
    let mut sums: Vec<Option<TensorId>> = Vec::new();
    for part in 0..parts {
        let from = graph.nodes.len();
        let objective = forward(graph, part)?;
        if parts == 1 {
            return differentiate(graph, objective, None, &[]).map(drop);
        }
        let losses = objective.into().losses(graph)?;
        graph.objective.extend(losses.iter().map(|&(loss, weight)| (loss, weight * (1.0 / parts as f32))));
        let grads = backward(graph, from, &losses, None, &[])?;
        sums.resize(graph.parameters.len(), None);
        for (index, sum) in sums.iter_mut().enumerate() {
            let grad = gradient(graph, index, &grads)?;
            graph.layer(graph.parameters[index].name.clone());
            *sum = Some(match *sum {
                None => grad,
                Some(sum) => graph.push(Op::Add, &[sum, grad])?,
            });
        }
    }
    for (index, sum) in sums.into_iter().enumerate() {
        graph.layer(graph.parameters[index].name.clone());
        let mean = graph.push(Op::Scale(1.0 / parts as f32), sum.as_slice())?;
        graph.tensors[mean.0].source = TensorSource::State(Arena::Gradients, index);
    }
    Ok(())
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
    roots: &[(TensorId, f32)],
    cotangent: Option<TensorId>,
    extra: &[TensorId],
) -> Result<Vec<Option<TensorId>>> {
    for &(root, _) in roots {
        graph.own(&[root])?;
    }
    graph.own(extra)?;
    graph.own(cotangent.as_slice())?;
    let forward = graph.nodes[from..].to_vec();
    let mut active: Vec<bool> =
        graph.tensors.iter().map(|t| matches!(t.source, TensorSource::State(Arena::Parameters, _))).collect();
    for &tensor in extra {
        active[tensor.0] = true;
    }
    for node in &forward {
        if let (Some(output), true) = (node.output, node.inputs.iter().any(|t| active[t.0])) {
            active[output.0] = true;
        }
    }
    let mut grads: Vec<Option<TensorId>> = vec![None; graph.tensors.len()];
    if let (Some(cotangent), [(root, _), ..]) = (cotangent, roots) {
        grads[root.0] = Some(cotangent);
    }
    for node in forward.iter().rev() {
        let Some(output) = node.output else { continue };
        let dy = grads[output.0];
        let weight = roots.iter().find(|(root, _)| *root == output).map(|root| root.1);
        if !active[output.0] || (dy.is_none() && weight.is_none()) {
            continue;
        }
        graph.layer(node.label.clone());
        let wanted: Vec<bool> = node.inputs.iter().map(|t| active[t.0]).collect();
        let parts = adjoint(graph, node, dy, &wanted)?;
        for (&input, part) in node.inputs.iter().zip(parts) {
            let Some(mut part) = part else { continue };
            if let Some(weight) = weight.filter(|&weight| weight != 1.0) {
                part = graph.push(Op::Scale(weight), &[part])?;
            }
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
    let source = TensorSource::State(Arena::Gradients, index);
    if made && !used && !asked && graph.tensors[grad.0].source == TensorSource::Value {
        graph.tensors[grad.0].source = source;
        return Ok(());
    }
    graph.layer(graph.parameters[index].name.clone());
    let copy = graph.push(Op::Scale(1.0), &[grad])?;
    graph.tensors[copy.0].source = source;
    Ok(())
}
