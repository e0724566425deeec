//! What neither goldens nor differences reach: draws, statistics, the loss scale, and refusals.

use std::sync::Arc;

use super::Cpu;
use crate::data::PictureEntry;
use crate::data::batch::{batch_row, patch, transform};
use crate::executor::{Executor, PlanId};
use crate::graph::{
    Arena, DatasetBuffer, Graph, Init, Loss, Op, Options, Plan, StepParams, TensorId, Update, WeightLayout,
    differentiate, optimize,
};

const CLOCK: StepParams =
    StepParams { step: 3, seed: 7, epoch: 1, offset: 4, count: 6, learning_rate: 0.1, loss_scale: 1.0, slot: 0 };

fn load(graph: &Graph) -> (Cpu<f64>, PlanId) {
    let mut cpu = Cpu::new().poisoned();
    let plan = Plan::new(graph, Options::default()).unwrap();
    let id = cpu.load(Arc::new(plan)).unwrap();
    (cpu, id)
}

fn close(got: &[f64], want: &[f64]) {
    assert_eq!(got.len(), want.len());
    assert!(got.iter().zip(want).all(|(g, w)| (g - w).abs() < 1e-9), "{got:?}, expected {want:?}");
}

#[test]
fn rows_come_in_the_shuffled_order_and_wrap_into_the_next_epoch() {
    let mut g = Graph::new();
    let (bytes, targets) =
        (g.dataset(DatasetBuffer::FeatureBytes, &[8, 3]).unwrap(), g.dataset(DatasetBuffer::Targets, &[8]).unwrap());
    let x = g.push(Op::SampleRows { batch: 4, first: 1 }, &[bytes]).unwrap();
    let t = g.push(Op::SampleRows { batch: 4, first: 1 }, &[targets]).unwrap();
    g.output(x);
    g.output(t);
    let (mut cpu, id) = load(&g);
    cpu.write_store(DatasetBuffer::FeatureBytes, &(0..18).collect::<Vec<u8>>()).unwrap();
    cpu.write_store(DatasetBuffer::Targets, bytemuck::cast_slice(&[0f32, 1.0, 2.0, 3.0, 4.0, 5.0])).unwrap();
    assert!(cpu.write_store(DatasetBuffer::Targets, &[0; 33]).is_err());
    cpu.run(id, &[CLOCK]).unwrap();
    let rows: Vec<u32> = (1..5).map(|i| batch_row(7, 6, 1, 4, i)).collect();
    close(&cpu.values(id, t).unwrap(), &rows.iter().map(|&r| f64::from(r)).collect::<Vec<_>>());
    let want = rows.iter().flat_map(|&r| (0..3).map(move |c| f64::from(3 * r + c) / 255.0));
    close(&cpu.values(id, x).unwrap(), &want.collect::<Vec<_>>());
}

#[test]
fn patches_of_both_stores_stay_aligned() {
    // Two pictures of 5x4 and 4x6 pixels, one channel, patches of 3, scale 2; the high one repeats each pixel.
    let sizes = [(5usize, 4usize), (4, 6)];
    let (mut low, mut high, mut table, mut end) = (Vec::new(), Vec::new(), Vec::new(), 0);
    for (w, h) in sizes {
        end += ((w - 2) * (h - 2)) as u32;
        let (low_at, high_at) = (low.len() as u32, high.len() as u32);
        table.push(PictureEntry { end, width: w as u32, height: h as u32, low: low_at, high: high_at });
        let first = low.len();
        low.extend((0..w * h).map(|i| (first + i) as u8));
        high.extend((0..4 * w * h).map(|i| (first + i / (2 * w) / 2 * w + i % (2 * w) / 2) as u8));
    }
    let mut g = Graph::new();
    let (small, large) = (
        g.dataset(DatasetBuffer::Low, &[low.len(), 1]).unwrap(),
        g.dataset(DatasetBuffer::High, &[high.len(), 1]).unwrap(),
    );
    let entries = g.dataset(DatasetBuffer::Table, &[2, 5]).unwrap();
    let sample = |scale, high| Op::SamplePatches { batch: 9, patch: 3, scale, high, first: 2 };
    let x = g.push(sample(1, false), &[small, entries]).unwrap();
    let t = g.push(sample(2, true), &[large, entries]).unwrap();
    g.output(x);
    g.output(t);
    let (mut cpu, id) = load(&g);
    cpu.write_store(DatasetBuffer::Low, &low).unwrap();
    cpu.write_store(DatasetBuffer::High, &high).unwrap();
    cpu.write_store(DatasetBuffer::Table, bytemuck::cast_slice(&table)).unwrap();
    cpu.run(id, &[StepParams { count: 2, ..CLOCK }]).unwrap();
    let (x, t) = (cpu.values(id, x).unwrap(), cpu.values(id, t).unwrap());
    for n in 0..9 {
        let drawn = patch(7, 3, n as u32 + 2, &table, 3);
        let entry = table[drawn.picture as usize];
        for p in 0..9 {
            let (i, j) = transform(drawn.transform, p as u32 / 3, p as u32 % 3, 3);
            let from = entry.low + (drawn.y + i) * entry.width + drawn.x + j;
            close(&[x[n * 9 + p]], &[f64::from(low[from as usize]) / 255.0]);
        }
        for p in 0..36 {
            assert_eq!(t[n * 36 + p], x[n * 9 + p / 6 / 2 * 3 + p % 6 / 2], "the high patch shows other pixels");
        }
    }
}

#[test]
fn statistics_follow_the_batch_and_standardize_with_them() {
    let mut g = Graph::new();
    let x = g.input("x", &[4, 2]).unwrap();
    let statistics = g.statistics("norm", 2).unwrap();
    let y = g.push(Op::Standardize { epsilon: 0.5 }, &[x, statistics]).unwrap();
    g.push_effect(Op::TrackStatistics { momentum: 0.25 }, &[x, statistics]).unwrap();
    g.output(y);
    let (mut cpu, id) = load(&g);
    cpu.set_values(id, statistics, &[1.0, 2.0, 3.5, 0.5]).unwrap();
    cpu.write(id, x, &[1.0, 10.0, 2.0, 20.0, 3.0, 30.0, 4.0, 40.0]).unwrap();
    cpu.run(id, &[CLOCK]).unwrap();
    let standardized =
        [1.0f64, 10.0, 2.0, 20.0, 3.0, 30.0, 4.0, 40.0].chunks(2).flat_map(|r| [(r[0] - 1.0) / 2.0, r[1] - 2.0]);
    close(&cpu.values(id, y).unwrap(), &standardized.collect::<Vec<_>>());
    // Means 2.5 and 25; unbiased variances 5/3 and 500/3.
    let moved = |old: f64, new: f64| 0.75 * old + 0.25 * new;
    let want = [moved(1.0, 2.5), moved(2.0, 25.0), moved(3.5, 5.0 / 3.0), moved(0.5, 500.0 / 3.0)];
    close(&cpu.values(id, statistics).unwrap(), &want);
}

/// A parameter under mean squared error: loss `p^2` for one element.
fn scaled(clip: Option<f32>) -> (Graph, TensorId) {
    let mut g = Graph::new();
    let p = g.parameter("p", &[1, 1], Init::Constant(0.0), WeightLayout::Plain).unwrap();
    let t = g.input("t", &[1, 1]).unwrap();
    let y = g.push(Op::Scale(1.0), &[p]).unwrap();
    let loss = g.push(Op::Loss(Loss::Mse), &[y, t]).unwrap();
    differentiate(&mut g, loss, None, &[]).unwrap();
    optimize(&mut g, Update::Sgd { momentum: 0.0, nesterov: false, decay: 0.0 }, clip, None).unwrap();
    (g, p)
}

#[test]
fn the_loss_scale_multiplies_gradients_and_leaves_updates_alone() {
    for (clip, scale, want) in [(None, 1.0, 2.4), (None, 64.0, 2.4), (Some(2.0), 64.0, 2.8), (Some(9.0), 8.0, 2.4)] {
        let (g, p) = scaled(clip);
        let (mut cpu, id) = load(&g);
        cpu.set_values(id, p, &[3.0]).unwrap();
        cpu.run(id, &[StepParams { loss_scale: scale, ..CLOCK }]).unwrap();
        assert!((cpu.read_state(Arena::Gradients).unwrap()[0] - 6.0 * scale).abs() < 1e-4);
        assert!((cpu.values(id, p).unwrap()[0] - want).abs() < 1e-6);
        assert_eq!(cpu.losses().unwrap(), [9.0]);
        assert!(cpu.losses().unwrap().is_empty());
    }
}

#[test]
fn dropout_keeps_its_share_and_its_mean() {
    let mut g = Graph::new();
    let x = g.input("x", &[200, 200]).unwrap();
    let y = g.push(Op::Dropout { rate: 0.25, stream: 1 }, &[x]).unwrap();
    g.output(y);
    let (mut cpu, id) = load(&g);
    cpu.write(id, x, &[1.0; 40_000]).unwrap();
    let mut run = |step| {
        cpu.run(id, &[StepParams { step, ..CLOCK }]).unwrap();
        cpu.values(id, y).unwrap()
    };
    let (one, two) = (run(1), run(2));
    assert!(one != two, "each step drops others");
    assert_eq!(one, run(1));
    let kept = one.iter().filter(|&&v| v != 0.0).count();
    assert!((29_600..30_400).contains(&kept), "{kept} of 40000 kept");
    assert!(one.iter().all(|&v| v == 0.0 || (v - 4.0 / 3.0).abs() < 1e-12));
}

#[test]
fn what_does_not_fit_is_refused() {
    let (g, p) = scaled(None);
    let (mut cpu, id) = load(&g);
    assert!(cpu.write(id, p, &[0.0]).is_err(), "a parameter is no input");
    assert!(cpu.write_state(Arena::Parameters, &[0.0]).is_err(), "gaps count");
    assert!(cpu.read_state(Arena::Second).is_err(), "no plan keeps second moments");
    let mut other = Graph::new();
    other.parameter("q", &[3], Init::Constant(0.0), WeightLayout::Plain).unwrap();
    let other = Arc::new(Plan::new(&other, Options::default()).unwrap());
    assert!(cpu.load(other).is_err(), "another layout");
    cpu.unload(id).unwrap();
    assert!(cpu.run(id, &[CLOCK]).is_err());
}

#[test]
fn a_plan_that_needs_more_than_there_is_is_refused_before_anything_is_made() {
    let mut g = Graph::new();
    let x = g.input("x", &[1 << 20]).unwrap();
    let y = g.push(Op::Scale(2.0), &[x]).unwrap();
    g.output(y);
    let plan = std::sync::Arc::new(Plan::new(&g, Options::default()).unwrap());
    let mut cpu = Cpu::<f32>::new().with_memory(7 << 20);
    let before = cpu.allocated();
    let error = cpu.load(plan.clone()).unwrap_err().to_string();
    for word in ["CPU", "8.0 MiB", "7.0 MiB", "lower the batch"] {
        assert!(error.contains(word), "{error}");
    }
    assert_eq!(cpu.allocated(), before);
    assert!(Cpu::<f32>::new().with_memory(9 << 20).load(plan).is_ok());
}
