//! Appends what moves the parameters: gradient norm, update rule, weight average.

use super::{Arena, Graph, Op, TensorId, TensorSource, Update};
use crate::Result;

/// Appends the update of all parameters; call it after [`super::differentiate`].
///
/// `clip` bounds the global norm of the gradients; `average` is the share an exponential moving average keeps.
///
/// # Errors
/// When the graph has no gradients.
pub fn optimize(graph: &mut Graph, rule: Update, clip: Option<f32>, average: Option<f32>) -> Result<()> {
    graph.layer("update");
    let mut operands: Vec<TensorId> = (0..graph.tensors.len())
        .filter(|&i| matches!(graph.tensors[i].source, TensorSource::State(Arena::Gradients, _)))
        .map(TensorId)
        .collect();
    if clip.is_some() {
        let norm = graph.push(Op::GradientNorm, &operands)?;
        operands.push(norm);
    }
    graph.push_effect(Op::Update { rule, clip }, &operands)?;
    if let Some(decay) = average {
        graph.push_effect(Op::Average { decay }, &[])?;
    }
    Ok(())
}
