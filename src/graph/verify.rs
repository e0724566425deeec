//! Checks a plan against the rules that executors rely on.

use super::{Arena, Fusion, Plan, Step, Storage, TensorId, TensorSource};
use crate::{Error, Result};

/// Rules: every operand is there when it is read; no step reads a slot that it writes; every state segment is written at
/// most once; only products and convolutions carry epilogues; every tensor fits its slot.
pub(super) fn verify(plan: &Plan) -> Result<()> {
    let fail = |step: &Step, why: String| {
        Err(Error::execution(step.label.clone(), format!("faulty plan at {:?}: {why}", step.op)))
    };
    let mut tenant: Vec<Option<TensorId>> = vec![None; plan.slots.len()];
    for (i, tensor) in plan.tensors.iter().enumerate() {
        if let (TensorSource::Input, Storage::Slot(slot)) = (tensor.source, plan.storage[i]) {
            tenant[slot] = Some(TensorId(i));
        }
    }
    let mut written: Vec<Storage> = Vec::new();
    for step in &plan.steps {
        let can_fuse = step.op.traits().fusion == Fusion::Head;
        if step.epilogue.operands().next().is_some() && !can_fuse {
            return fail(step, "an epilogue on an operator that has none".into());
        }
        for tensor in step.reads() {
            let name = &plan.tensors[tensor.0].name;
            match plan.storage[tensor.0] {
                Storage::Slot(slot) => {
                    if tenant[slot].is_none_or(|t| plan.roots[t.0] != plan.roots[tensor.0]) {
                        return fail(step, format!("`{name}` was overwritten or never made"));
                    }
                }
                Storage::Fused => return fail(step, format!("`{name}` was fused away")),
                Storage::Arena { arena: Arena::Gradients, .. } if !written.contains(&plan.storage[tensor.0]) => {
                    return fail(step, format!("the gradient of `{name}` is read before it is made"));
                }
                Storage::Arena { .. } | Storage::DatasetBuffer(_) => {}
            }
        }
        let Some(output) = step.output else { continue };
        match plan.storage[output.0] {
            Storage::Slot(slot) => {
                if step.reads().any(|t| plan.storage[t.0] == Storage::Slot(slot)) {
                    return fail(step, "it reads the slot that it writes".into());
                }
                if plan.shape(output).len() > plan.slots[slot] {
                    return fail(step, "its result is larger than its slot".into());
                }
                tenant[slot] = Some(output);
            }
            place @ Storage::Arena { arena, .. } => {
                let clash = |t: TensorId| matches!(plan.storage[t.0], Storage::Arena { arena: a, .. } if a == arena);
                if step.reads().any(clash) {
                    return fail(step, "it reads the arena that it writes".into());
                }
                if written.contains(&place) {
                    return fail(step, "a state is written twice".into());
                }
                written.push(place);
            }
            Storage::DatasetBuffer(_) | Storage::Fused => return fail(step, "its result has no place".into()),
        }
    }
    for output in &plan.outputs {
        let Storage::Slot(slot) = plan.storage[output.0] else { continue };
        if tenant[slot].is_none_or(|t| plan.roots[t.0] != plan.roots[output.0]) {
            let message = format!("faulty plan: output `{}` is not kept", plan.tensors[output.0].name);
            return Err(Error::execution("outputs", message));
        }
    }
    Ok(())
}
