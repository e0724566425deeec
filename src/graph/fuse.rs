//! Fuses what follows a product or convolution into its epilogue, so that results are stored once.
//!
//! The derivative of an activation is fused where its gradient is *made* (the epilogue of the layer behind it), not
//! where it is used: three kernels use it, and would each compute it again.

use super::{Epilogue, Fusion, Graph, Node, Op, Stage, Step, TensorId, TensorSource};

/// One step per node.
pub(super) fn unfused(graph: &Graph) -> Vec<Step> {
    graph.nodes.iter().filter(|n| is_step(n)).map(step).collect()
}

fn is_step(node: &Node) -> bool {
    node.op.traits().fusion != Fusion::View
}

fn step(node: &Node) -> Step {
    Step {
        op: node.op,
        inputs: node.inputs.clone(),
        output: node.output,
        epilogue: Epilogue::NONE,
        label: node.label.clone(),
    }
}

/// Steps with epilogues. A fused step stands where its last part stood, when all operands are there.
pub(super) fn fuse(graph: &Graph) -> Vec<Step> {
    let mut uses = vec![0usize; graph.tensors.len()];
    for tensor in graph.nodes.iter().flat_map(|n| &n.inputs).chain(&graph.outputs) {
        uses[tensor.0] += 1;
    }
    let mut consumer: Vec<Option<usize>> = vec![None; graph.tensors.len()];
    for (i, node) in graph.nodes.iter().enumerate() {
        for tensor in &node.inputs {
            consumer[tensor.0] = Some(i);
        }
    }
    let mut gone = vec![false; graph.nodes.len()];
    let mut fused: Vec<Option<Step>> = vec![None; graph.nodes.len()];
    for (i, head) in graph.nodes.iter().enumerate() {
        if head.op.traits().fusion != Fusion::Head {
            continue;
        }
        let mut step = step(head);
        let (mut last, mut stage) = (i, None);
        while let Some(output) = step.output {
            let private = uses[output.0] == 1 && graph.tensors[output.0].source == TensorSource::Value;
            let Some(next) = consumer[output.0].filter(|_| private) else { break };
            if fused[next].is_some() || gone[next] {
                break;
            }
            let Some(reached) = extend(&mut step.epilogue, stage, &graph.nodes[next], output) else { break };
            gone[last] = true;
            stage = Some(reached);
            last = next;
            step.output = graph.nodes[next].output;
        }
        fused[last] = Some(step);
    }
    let nodes = graph.nodes.iter().enumerate();
    nodes.filter(|&(i, n)| is_step(n) && !gone[i]).map(|(i, n)| fused[i].take().unwrap_or_else(|| step(n))).collect()
}

/// Adds `node`, which alone consumes `result`, to the epilogue if it comes later in the epilogue's fixed order.
fn extend(epilogue: &mut Epilogue, last: Option<Stage>, node: &Node, result: TensorId) -> Option<Stage> {
    let Fusion::Epilogue(stage) = node.op.traits().fusion else { return None };
    let (one, other) = (node.inputs[0], node.inputs.get(1).copied());
    let first = one == result;
    if last.is_some_and(|last| stage <= last) || (!first && stage != Stage::Residual) {
        return None;
    }
    match stage {
        Stage::Bias => epilogue.bias = other,
        Stage::Residual => epilogue.residual = if first { other } else { Some(one) },
        Stage::Activation => match node.op {
            Op::Activate(f) => epilogue.activation = f,
            _ => epilogue.slopes = other,
        },
        Stage::Derivative => {
            let Op::ActivateGrad(f) = node.op else { return None };
            epilogue.derivative = other.map(|saved| (f, saved));
        }
    }
    Some(stage)
}
