//! What moves the parameters.

use super::{Case, Draws, Family, Scale};
use crate::graph::{
    Arena, Graph, Init, Op, Options, StepParams, TensorId, Update, WeightLayout, differentiate, optimize,
};

/// Two parameters of odd sizes whose gradients are operands (times the loss scale), and the rule that moves them. All
/// cases of a round have one layout, so that an executor holds them all.
fn moving(rule: Update, clip: Option<f32>, average: Option<f32>, draws: &mut Draws) -> Case {
    let mut case = Case::new(Family::Update, Scale::One, draws);
    let mut sum: Option<TensorId> = None;
    for (name, n) in [("p", 301), ("q", 77)] {
        let p = case.graph.parameter(name, &[1, n], Init::Constant(0.0), WeightLayout::Plain).expect("a new name");
        let x = case.input(&[1, n], draws);
        let y = case.push(Op::MatMul { ta: false, tb: true }, &[p, x]);
        sum = Some(match sum {
            None => y,
            Some(before) => case.push(Op::Add, &[before, y]),
        });
    }
    let scale = case.clocks[0].loss_scale;
    let dy = case.given(&[1, 1], vec![scale]);
    let root = sum.expect("two parameters");
    differentiate(&mut case.graph, root, Some(dy), &[]).expect("a sum of products has gradients");
    optimize(&mut case.graph, rule, clip, average).expect("there are gradients");
    fill(&mut case, draws);
    case
}

/// Gives every arena that the plan moves a random start; second moments are positive, gaps are zeros.
pub(super) fn fill(case: &mut Case, draws: &mut Draws) {
    let plan = case.plan(Options::default()).expect("the case can be planned");
    for &arena in plan.arenas.iter().filter(|&&a| a != Arena::Gradients) {
        let mut values = vec![0.0; plan.layout.len(arena)];
        for segment in plan.layout.segments(arena) {
            let drawn = draws.values(segment.shape.len());
            for (to, v) in values[segment.offset..].iter_mut().zip(drawn) {
                // RMSprop's only moment is a mean square too.
                let square = arena == Arena::Second || arena == Arena::First && squares(&case.graph);
                *to = if square { v * v + 0.1 } else { v };
            }
        }
        case.state.push((arena, values));
    }
}

/// Whether the first moment is a mean square.
fn squares(graph: &Graph) -> bool {
    graph.nodes.iter().any(|n| matches!(n.op, Op::Update { rule: Update::RmsProp { .. }, .. }))
}

fn plain() -> Update {
    Update::Sgd { momentum: 0.0, nesterov: false, decay: 0.0 }
}

pub(super) fn updates(draws: &mut Draws) -> Vec<Case> {
    let adam = |decay, decoupled| Update::Adam { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, decay, decoupled };
    let mut rules = vec![adam(0.01, false), adam(0.05, true)];
    rules.push(Update::RmsProp { rho: 0.99, epsilon: 1e-8, decay: 0.01 });
    for (momentum, nesterov) in [(0.0, false), (0.9, false), (0.9, true)] {
        rules.push(Update::Sgd { momentum, nesterov, decay: 0.01 });
    }
    let mut cases = Vec::new();
    for rule in rules {
        for clip in [None, Some(0.5)] {
            let mut case = moving(rule, clip, None, draws);
            // Early steps correct the moments' bias, late ones do not; the first sets the velocity.
            let first = case.clocks[0];
            case.clocks = [1, 2, first.step, 100_000].map(|step| StepParams { step, ..first }).to_vec();
            cases.push(case);
        }
    }
    cases
}

pub(super) fn norms(draws: &mut Draws) -> Vec<Case> {
    let mut case = moving(plain(), Some(1.0), None, draws);
    case.family = Family::Contraction;
    let norm = case.graph.nodes.iter().find(|n| n.op == Op::GradientNorm).and_then(|n| n.output);
    case.outputs.extend(norm);
    vec![case]
}

pub(super) fn averages(draws: &mut Draws) -> Vec<Case> {
    // Steps are below 1000: with the second share all are young.
    [0.9, 0.999].map(|decay| moving(plain(), None, Some(decay), draws)).into()
}
