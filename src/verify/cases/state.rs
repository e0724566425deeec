//! What moves state and what draws batches.

use super::{Case, Family, Noise, Scale};
use crate::data::PictureEntry;
use crate::graph::{Arena, Clock, Graph, Init, Kind, Op, Options, Store, TensorId, Update, differentiate, optimize};

/// Two parameters of odd sizes whose gradients are operands (times the loss scale), and the rule that moves them. All
/// cases of a round have one layout, so that an executor holds them all.
fn moving(rule: Update, clip: Option<f32>, average: Option<f32>, noise: &mut Noise) -> Case {
    let mut case = Case::new(Family::Update, Scale::One, noise);
    let mut sum: Option<TensorId> = None;
    for (name, n) in [("p", 301), ("q", 77)] {
        let p = case.graph.parameter(name, &[1, n], Init::Constant(0.0), Kind::Plain).expect("a new name");
        let x = case.input(&[1, n], noise);
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
    fill(&mut case, noise);
    case
}

/// Gives every arena that the plan moves a random start; second moments are positive, gaps are zeros.
fn fill(case: &mut Case, noise: &mut Noise) {
    let plan = case.plan(Options::default()).expect("the case can be planned");
    for &arena in plan.arenas.iter().filter(|&&a| a != Arena::Gradients) {
        let mut values = vec![0.0; plan.layout.len(arena)];
        for segment in plan.layout.segments(arena) {
            let drawn = noise.values(segment.shape.len());
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

pub(super) fn updates(noise: &mut Noise) -> Vec<Case> {
    let adam = |decay, decoupled| Update::Adam { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, decay, decoupled };
    let mut rules = vec![adam(0.01, false), adam(0.05, true)];
    rules.push(Update::RmsProp { rho: 0.99, epsilon: 1e-8, decay: 0.01 });
    for (momentum, nesterov) in [(0.0, false), (0.9, false), (0.9, true)] {
        rules.push(Update::Sgd { momentum, nesterov, decay: 0.01 });
    }
    let mut cases = Vec::new();
    for rule in rules {
        for clip in [None, Some(0.5)] {
            let mut case = moving(rule, clip, None, noise);
            // Early steps correct the moments' bias, late ones do not; the first sets the velocity.
            let first = case.clocks[0];
            case.clocks = [1, 2, first.step, 100_000].map(|step| Clock { step, ..first }).to_vec();
            cases.push(case);
        }
    }
    cases
}

pub(super) fn norms(noise: &mut Noise) -> Vec<Case> {
    let mut case = moving(plain(), Some(1.0), None, noise);
    case.family = Family::Contraction;
    let norm = case.graph.nodes.iter().find(|n| n.op == Op::GradientNorm).and_then(|n| n.output);
    case.outputs.extend(norm);
    vec![case]
}

pub(super) fn averages(noise: &mut Noise) -> Vec<Case> {
    // Steps are below 1000: with the second share all are young.
    [0.9, 0.999].map(|decay| moving(plain(), None, Some(decay), noise)).into()
}

pub(super) fn statistics(noise: &mut Noise) -> Vec<Case> {
    let mut cases = Vec::new();
    for most in [9, 2000] {
        let (rows, columns) = (noise.size(2, most), 7);
        let mut case = Case::new(Family::Statistics, Scale::One, noise);
        let values = noise.values(rows * columns).iter().map(|v| v + 0.5).collect();
        let x = case.given(&[rows, columns], values);
        let statistics = case.graph.statistics("norm", columns).expect("the operands of a case are tensors");
        case.graph.push_effect(Op::TrackStatistics { momentum: 0.1 }, &[x, statistics]).expect("operands fit");
        fill(&mut case, noise);
        cases.push(case);
    }
    cases
}

pub(super) fn rows(noise: &mut Noise) -> Vec<Case> {
    use Store::{FeatureBytes, Features, Targets};
    let count = noise.size(300, 600);
    let (narrow, wide) = ([count, 5], [count, 301]);
    // Neighbours are drawn together where the second table is of floats.
    let tables: [&[(Store, &[usize])]; 2] = [
        &[(Features, &narrow), (FeatureBytes, &wide), (Targets, &[count])],
        &[(Features, &narrow), (Targets, &[count, 3])],
    ];
    tables.map(|stores| drawn(stores, count, noise)).into()
}

/// A batch of each of these tables.
fn drawn(stores: &[(Store, &[usize])], count: usize, noise: &mut Noise) -> Case {
    let mut case = Case::new(Family::Copy, Scale::One, noise);
    for &(store, shape) in stores {
        let len: usize = shape.iter().product();
        let bytes = match store.width() {
            1 => (0..len).map(|_| noise.word() as u8).collect(),
            _ => noise.values(len).iter().flat_map(|v| v.to_le_bytes()).collect(),
        };
        let table = case.graph.dataset(store, shape).expect("the operands of a case are tensors");
        let y = case.push(Op::SampleRows { batch: 130, first: 5 }, &[table]);
        case.stores.push((store, bytes));
        case.outputs.push(y);
    }
    // The batch ends in the next epoch.
    let (epoch, offset) = (noise.word(), count as u32 - 60);
    case.clocks[0] = Clock { epoch, offset, count: count as u32, ..case.clocks[0] };
    case
}

pub(super) fn patches(noise: &mut Noise) -> Vec<Case> {
    let (scale, side, channels) = (noise.size(2, 4), noise.size(3, 6), noise.pick(&[1, 3]));
    let mut case = Case::new(Family::Copy, Scale::One, noise);
    let mut table: Vec<PictureEntry> = Vec::new();
    let (mut low, mut high) = (Vec::new(), Vec::new());
    for _ in 0..9 {
        let (width, height) = (noise.size(side, 30), noise.size(side, 30));
        let positions = ((width - side + 1) * (height - side + 1)) as u32;
        let end = table.last().map_or(0, |e| e.end) + positions;
        let (from, to) = (low.len() as u32, high.len() as u32);
        table.push(PictureEntry { end, width: width as u32, height: height as u32, low: from, high: to });
        let size = width * height * channels;
        low.extend((0..size).map(|_| noise.word() as u8));
        high.extend((0..size * scale * scale).map(|_| noise.word() as u8));
    }
    let index = case.graph.dataset(Store::Table, &[table.len(), 5]).expect("the operands of a case are tensors");
    for (store, len, scale, high) in [(Store::Low, low.len(), 1, false), (Store::High, high.len(), scale, true)] {
        let pixels =
            case.graph.dataset(store, &[len / channels, channels]).expect("the operands of a case are tensors");
        let y = case.push(Op::SamplePatches { batch: 33, patch: side, scale, high, first: 7 }, &[pixels, index]);
        case.outputs.push(y);
    }
    case.clocks[0].count = table.len() as u32;
    let index = bytemuck::cast_slice(&table).to_vec();
    case.stores = vec![(Store::Low, low), (Store::High, high), (Store::Table, index)];
    vec![case]
}
