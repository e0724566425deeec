//! Fuses what follows a product or convolution into its epilogue, so that results are stored once.
//!
//! The derivative of an activation is fused where its gradient is *made* (the epilogue of the layer behind it), not
//! where it is used: three kernels use it, and would each compute it again.

use super::{Activation, Epilogue, Graph, Home, Node, Op, Step, TensorId};

/// One step per node.
pub(super) fn unfused(graph: &Graph) -> Vec<Step> {
    graph.nodes.iter().filter(|n| n.op != Op::Reshape).map(step).collect()
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
        if !matches!(head.op, Op::MatMul { .. } | Op::Conv2d(_) | Op::Conv2dInputGrad { .. }) {
            continue;
        }
        let mut step = step(head);
        let (mut last, mut stage) = (i, 0);
        while let Some(output) = step.output {
            let private = uses[output.0] == 1 && graph.tensors[output.0].home == Home::Value;
            let Some(next) = consumer[output.0].filter(|_| private) else { break };
            if fused[next].is_some() || gone[next] {
                break;
            }
            let Some(reached) = extend(&mut step.epilogue, stage, &graph.nodes[next], output) else { break };
            gone[last] = true;
            stage = reached;
            last = next;
            step.output = graph.nodes[next].output;
        }
        fused[last] = Some(step);
    }
    let nodes = graph.nodes.iter().enumerate();
    nodes
        .filter(|&(i, n)| n.op != Op::Reshape && !gone[i])
        .map(|(i, n)| fused[i].take().unwrap_or_else(|| step(n)))
        .collect()
}

/// Adds `node`, which alone consumes `result`, to the epilogue if it comes later in the epilogue's fixed order.
fn extend(epilogue: &mut Epilogue, stage: u8, node: &Node, result: TensorId) -> Option<u8> {
    let first = node.inputs.first() == Some(&result);
    let reached = match node.op {
        Op::BiasAdd if first => 1,
        Op::Activate(_) if first => 2,
        Op::Prelu if first => 2,
        Op::Add => 3,
        Op::ActivateGrad(_) if first => 4,
        _ => return None,
    };
    if reached <= stage {
        return None;
    }
    match node.op {
        Op::BiasAdd => epilogue.bias = Some(node.inputs[1]),
        Op::Activate(f) => epilogue.activation = f,
        Op::Prelu => {
            epilogue.activation = Activation::Identity;
            epilogue.slopes = Some(node.inputs[1]);
        }
        Op::Add => epilogue.residual = Some(if first { node.inputs[1] } else { node.inputs[0] }),
        Op::ActivateGrad(f) => epilogue.derivative = Some((f, node.inputs[1])),
        _ => unreachable!("filtered above"),
    }
    Some(reached)
}
