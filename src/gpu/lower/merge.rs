//! Neighbouring steps that one dispatch does together: small networks are bound by the number of their dispatches.
//!
//! The plan stays as it is, and so do its other executors: what is joined here computes the values that the two steps
//! would have computed apart.

use std::ops::Range;

use super::{Launch, Lowering, lower};
use crate::gpu::contraction::Shapes;
use crate::gpu::contraction::{self, Class};
use crate::gpu::launch::Operand;
use crate::graph::{Op, Plan, Step, TensorId};

/// Steps of a plan with the dispatches that run them, in order.
pub(in crate::internal::gpu) struct Lowered {
    /// One step, or a few that are done together.
    pub steps: Range<usize>,
    /// Their dispatches.
    pub launches: Vec<Launch>,
}

/// All steps of a plan, with the tiles that `shapes` says; other arguments as for [`lower`].
pub(in crate::internal::gpu) fn all(plan: &Plan, class: Class, shapes: &Shapes, most: usize) -> Vec<Lowered> {
    let (mut done, mut all) = (0, Vec::new());
    while let Some(step) = plan.steps.get(done) {
        let tiled = |count: usize| (done..done + count).any(|at| shapes.of(at).is_some());
        let joined = [3, 2].into_iter().find_map(|count| {
            let group = plan.steps.get(done..done + count)?;
            let pairs = group.iter().enumerate().flat_map(|(i, one)| group[i + 1..].iter().map(move |two| (one, two)));
            let apart = pairs.into_iter().all(|(one, two)| apart(plan, one, two));
            let launches = apart.then(|| join(plan, group, class, tiled(count), most))??;
            Some((count, launches))
        });
        let (count, launches) = joined.unwrap_or_else(|| (1, lower(plan, step, class, shapes.of(done), most)));
        all.push(Lowered { steps: done..done + count, launches });
        done += count;
    }
    all
}

/// Whether neither step sees what the other writes, so that they may run at once. A loss that nothing reads goes to the
/// ring alone.
fn apart(plan: &Plan, first: &Step, second: &Step) -> bool {
    let place = |t: TensorId| plan.storage[t.0];
    let (Some(one), Some(two)) = (first.output, second.output) else { return false };
    let stored = !matches!(first.op, Op::Loss(_)) || plan.is_read(one);
    let clash = stored && place(one) == place(two);
    !clash && second.reads().all(|t| place(t) != place(one)) && first.reads().all(|t| place(t) != place(two))
}

/// The steps at once, where there is a kernel for it; `tiled` says that tiles are wanted.
fn join(plan: &Plan, steps: &[Step], class: Class, tiled: bool, most: usize) -> Option<Vec<Launch>> {
    let at = |step| Lowering { plan, step, most };
    let (first, second) = match steps {
        // All gradients of a layer: of its bias and weights and, for the layer before, of its input.
        [bias, weights, inputs] if bias.op == Op::ColumnSum && !tiled && weights.inputs[1..] == bias.inputs[..1] => {
            return contraction::lower_backward(plan, [weights, inputs], class, bias.output).map(|launch| vec![launch]);
        }
        [first, second] => (first, second),
        _ => return None,
    };
    match (first.op, second.op) {
        // The gradients of a layer's bias and weights, both from the gradient of its result.
        (Op::ColumnSum, Op::MatMul { .. })
            if !tiled
                && contraction::is_small(plan, second, class)
                && contraction::sums_rows_of(second, first.inputs[0]) =>
        {
            Some(vec![contraction::lower_small(plan, second, class, first.output)])
        }
        (Op::MatMul { .. }, Op::MatMul { .. }) if !tiled => {
            contraction::lower_backward(plan, [first, second], class, None).map(|launch| vec![launch])
        }
        (Op::Loss(loss), Op::LossGrad(same)) if loss == same && first.inputs == second.inputs => {
            let mut launches = at(first).loss(loss);
            let both = launches.remove(0).constant("BOTH", 1).tensor("dx", at(second).output());
            launches.insert(0, both);
            Some(launches)
        }
        // Features and targets: the same rows of two tables.
        (Op::SampleRows { batch, first: skip }, Op::SampleRows { .. })
            if first.op == second.op && !at(second).bytes() =>
        {
            let (other, output) = (Operand::Tensor(second.inputs[0]), at(second).output());
            let pair = |launch: Launch| {
                let launch = launch.constant("PAIR", 1).bind("words_t", other).tensor("t", output);
                launch.size("targets", plan.shape(output).len() / batch)
            };
            Some(at(first).sample_rows(batch, skip).into_iter().map(pair).collect())
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gpu::contraction::Tile;
    use crate::graph::{
        Activation, DatasetBuffer, Graph, Init, Loss, Options, Update, WeightLayout, differentiate, optimize,
    };

    /// A perceptron 2-`width`-`width`-1 that draws its batch.
    fn perceptron(width: usize, keep_loss: bool) -> Plan {
        let mut g = Graph::new();
        let (features, targets) =
            (g.dataset(DatasetBuffer::Features, &[64, 2]).unwrap(), g.dataset(DatasetBuffer::Targets, &[64]).unwrap());
        let mut h = g.push(Op::SampleRows { batch: 32, first: 0 }, &[features]).unwrap();
        let t = g.push(Op::SampleRows { batch: 32, first: 0 }, &[targets]).unwrap();
        let t = g.reshape(t, &[32, 1]).unwrap();
        for (i, pair) in [2, width, width, 1].windows(2).enumerate() {
            let w = g.parameter(&format!("w{i}"), pair, Init::Constant(0.0), WeightLayout::Linear).unwrap();
            let b = g.parameter(&format!("b{i}"), &[pair[1]], Init::Constant(0.0), WeightLayout::Plain).unwrap();
            h = g.linear(h, w, b).unwrap();
            if i < 2 {
                h = g.activate(h, Activation::Relu).unwrap();
            }
        }
        let loss = g.push(Op::Loss(Loss::BceWithLogits), &[h, t]).unwrap();
        if keep_loss {
            g.output(loss);
        }
        differentiate(&mut g, loss, None, &[]).unwrap();
        optimize(&mut g, Update::Sgd { momentum: 0.0, nesterov: false, decay: 0.0 }, None, None).unwrap();
        Plan::new(&g, Options::default()).unwrap()
    }

    /// Small networks are bound by this number.
    #[test]
    fn a_small_perceptrons_step_is_nine_dispatches() {
        for (class, keep_loss) in [(Class::Software, true), (Class::Hardware, true), (Class::Hardware, false)] {
            let plan = perceptron(32, keep_loss);
            let lowered = all(&plan, class, &Shapes::none(&plan), 1 << 20);
            let names = lowered.iter().flat_map(|l| &l.launches).map(|l| l.shader).collect::<Vec<_>>();
            let product = "matmul_small";
            let mut want = vec!["sampling", product, product, product, "loss"];
            want.extend(["matmul_backward", "matmul_backward", product, "optimizer"]);
            assert_eq!(names, want, "{class:?}, loss kept: {keep_loss}");
            let steps: Vec<usize> = lowered.iter().flat_map(|l| l.steps.clone()).collect();
            assert_eq!(steps, (0..plan.steps.len()).collect::<Vec<_>>(), "every step once, in order");
        }
    }

    #[test]
    fn larger_layers_and_given_tiles_take_their_sums_apart() {
        let plan = perceptron(256, true);
        let sums = |tile: Option<Tile>| {
            let shapes = tile.map_or_else(|| Shapes::none(&plan), |tile| Shapes::all(&plan, tile));
            let lowered = all(&plan, Class::Hardware, &shapes, 1 << 20);
            lowered.iter().filter(|l| plan.steps[l.steps.start].op == Op::ColumnSum && l.steps.len() == 1).count()
        };
        assert_eq!(sums(None), 1);
        assert_eq!(sums(Tile::named("shared-64x64x16-4x4")), 3);
    }
}
