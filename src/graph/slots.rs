//! Gives every tensor a place: state in arenas, values in slots that tensors share when their lifetimes allow.

use super::{Graph, Layout, Op, Plan, Step, Storage, Tensor, TensorId, TensorSource};

/// First and last step at which a slot's content matters.
#[derive(Clone, Copy)]
struct Life {
    from: usize,
    to: usize,
}

/// Places of all tensors and the size of each slot.
///
/// Tensors are taken largest first, each into the first slot that is free for its whole life ("greedy by size",
/// Pisarchyk & Lee 2020), so slots are never larger than their first tenant. Inputs and outputs live forever.
pub(super) fn assign(graph: &Graph, steps: &[Step], layout: &Layout, share: bool) -> (Vec<Storage>, Vec<usize>) {
    let root = roots(graph);
    let lives = lives(&graph.tensors, steps, &graph.outputs, &root);
    let mut order: Vec<usize> = (0..graph.tensors.len()).filter(|&i| lives[i].is_some()).collect();
    order.sort_by_key(|&i| std::cmp::Reverse(graph.tensors[i].shape.len()));
    let mut slots: Vec<usize> = Vec::new();
    let mut tenants: Vec<Vec<Life>> = Vec::new();
    let mut slot_of = vec![None; graph.tensors.len()];
    for i in order {
        let life = lives[i].expect("filtered above");
        let free = |tenants: &Vec<Life>| tenants.iter().all(|t| life.to < t.from || t.to < life.from);
        let slot = if share { tenants.iter().position(free) } else { None };
        let slot = slot.unwrap_or_else(|| {
            slots.push(graph.tensors[i].shape.len());
            tenants.push(Vec::new());
            slots.len() - 1
        });
        tenants[slot].push(life);
        slot_of[i] = Some(slot);
    }
    let place = |i: usize| match graph.tensors[root[i].0].source {
        TensorSource::Value | TensorSource::Input => slot_of[root[i].0].map_or(Storage::Fused, Storage::Slot),
        TensorSource::State(arena, segment) => Storage::Arena { arena, offset: layout.segments(arena)[segment].offset },
        TensorSource::Dataset(store) => Storage::DatasetBuffer(store),
    };
    ((0..graph.tensors.len()).map(place).collect(), slots)
}

/// The life of every tensor that needs a slot: those whose memory is their own and no state's.
fn lives(tensors: &[Tensor], steps: &[Step], outputs: &[TensorId], root: &[TensorId]) -> Vec<Option<Life>> {
    let mut lives: Vec<Option<Life>> = vec![None; tensors.len()];
    for (at, step) in steps.iter().enumerate() {
        for tensor in step.reads().chain(step.output) {
            let life = lives[root[tensor.0].0].get_or_insert(Life { from: at, to: at });
            life.to = at;
        }
    }
    let forever = Life { from: 0, to: steps.len() };
    for (i, tensor) in tensors.iter().enumerate() {
        if tensor.source == TensorSource::Input && lives[i].is_some() {
            lives[i] = Some(forever);
        }
    }
    for output in outputs {
        lives[root[output.0].0] = Some(forever);
    }
    for (i, tensor) in tensors.iter().enumerate() {
        if root[i].0 != i || !matches!(tensor.source, TensorSource::Value | TensorSource::Input) {
            lives[i] = None;
        }
    }
    lives
}

/// Elements of all tensors in slots that live at the same step, at the worst step: what no placement can go below.
pub(super) fn least(plan: &Plan) -> usize {
    let lives = lives(&plan.tensors, &plan.steps, &plan.outputs, &plan.roots);
    let at = |step: usize| {
        let alive = |life: &Option<Life>| life.is_some_and(|l| l.from <= step && step <= l.to);
        lives.iter().zip(&plan.tensors).filter(|(life, _)| alive(life)).map(|(_, t)| t.shape.len()).sum()
    };
    (0..plan.steps.len()).map(at).max().unwrap_or(0)
}

/// The tensor whose memory each tensor uses: a reshape's result is its operand.
pub(super) fn roots(graph: &Graph) -> Vec<TensorId> {
    let mut root: Vec<TensorId> = (0..graph.tensors.len()).map(TensorId).collect();
    for node in graph.nodes.iter().filter(|n| n.op == Op::Reshape) {
        if let Some(output) = node.output {
            root[output.0] = root[node.inputs[0].0];
        }
    }
    root
}
