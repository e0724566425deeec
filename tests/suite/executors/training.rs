//! Whole training plans on the GPU: they learn, allocate nothing while they run, and repeat bit for bit.

use crate::support::gpu;
use std::sync::Arc;

use wgrad::graph::{
    Activation, Arena, DatasetBuffer, Graph, Init, Loss, Op, Options, Plan, Step, StepParams, TensorId, Update,
    WeightLayout, differentiate, optimize,
};
use wgrad::internal::executor::{Executor, PlanId};

const ROWS: usize = 512;
const BATCH: usize = 64;

/// A classifier of two features into three classes, trained by one plan.
fn classifier() -> (Arc<Plan>, TensorId) {
    let mut g = Graph::new();
    g.layer("data");
    let features = g.dataset(DatasetBuffer::Features, &[ROWS, 2]).unwrap();
    let targets = g.dataset(DatasetBuffer::Targets, &[ROWS]).unwrap();
    let mut h = g.push(Op::SampleRows { batch: BATCH, first: 0 }, &[features]).unwrap();
    let t = g.push(Op::SampleRows { batch: BATCH, first: 0 }, &[targets]).unwrap();
    for (i, (from, to)) in [(2, 16), (16, 16), (16, 3)].into_iter().enumerate() {
        g.layer(format!("layer {i}"));
        let w = g.parameter(&format!("{i}.weight"), &[from, to], Init::Normal(0.5), WeightLayout::Linear).unwrap();
        let b = g.parameter(&format!("{i}.bias"), &[to], Init::Constant(0.0), WeightLayout::Plain).unwrap();
        h = g.linear(h, w, b).unwrap();
        if i < 2 {
            h = g.activate(h, Activation::Relu).unwrap();
        }
    }
    g.layer("loss");
    let loss = g.push(Op::Loss(Loss::CrossEntropy(0.0)), &[h, t]).unwrap();
    g.output(loss);
    differentiate(&mut g, loss, None, &[]).unwrap();
    let rule = Update::Adam { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, decay: 0.0, decoupled: false };
    optimize(&mut g, rule, Some(1.0), Some(0.9)).unwrap();
    (Arc::new(Plan::new(&g, Options::default()).unwrap()), loss)
}

/// Numbers that look random.
fn noise(n: usize, seed: u64) -> Vec<f32> {
    wgrad::internal::random::Draws::new(seed).values(n)
}

fn clocks(range: std::ops::Range<u32>) -> Vec<StepParams> {
    let clock = |step: u32| {
        let drawn = step * BATCH as u32;
        let (epoch, offset) = (drawn / ROWS as u32, drawn % ROWS as u32);
        let (count, learning_rate, loss_scale) = (ROWS as u32, 0.01, 1.0);
        StepParams { step: step + 1, seed: 7, epoch, offset, count, learning_rate, loss_scale, slot: 0 }
    };
    range.map(clock).collect()
}

fn prepare(gpu: &mut wgrad::internal::gpu::Gpu, plan: &Arc<Plan>) -> PlanId {
    let id = gpu.load(plan.clone()).unwrap();
    let features = noise(2 * ROWS, 3);
    let class = |p: &[f32]| f32::from(p[0] * p[0] + p[1] * p[1] > 0.5) + f32::from(p[0] > 0.6);
    let targets: Vec<f32> = features.chunks(2).map(class).collect();
    gpu.write_store(DatasetBuffer::Features, bytemuck::cast_slice(&features)).unwrap();
    gpu.write_store(DatasetBuffer::Targets, bytemuck::cast_slice(&targets)).unwrap();
    let mut weights = vec![0.0; plan.layout().len(Arena::Parameters)];
    for (i, segment) in plan.layout().segments(Arena::Parameters).iter().enumerate() {
        if segment.shape.rank() == 2 {
            let values = noise(segment.shape.len(), 11 + i as u64);
            weights[segment.offset..segment.offset + values.len()].copy_from_slice(&values);
        }
    }
    gpu.write_state(Arena::Parameters, &weights).unwrap();
    id
}

#[test]
fn a_classifier_learns_without_allocating_and_repeats_bit_for_bit() {
    let (plan, loss) = classifier();
    let mut ends = Vec::new();
    for _ in 0..2 {
        let Some(mut gpu) = gpu::open() else { return };
        let id = prepare(&mut gpu, &plan);
        let (made, held) = (gpu.created(), gpu.allocated());
        gpu.run(id, &clocks(0..10)).unwrap();
        let started = std::time::Instant::now();
        gpu.run(id, &clocks(10..400)).unwrap();
        let losses = gpu.losses().unwrap();
        println!("{:.0} us a step of {} operators", started.elapsed().as_secs_f64() / 390.0 * 1e6, plan.steps().len());
        assert_eq!((gpu.created(), gpu.allocated()), (made, held), "a run made something");
        assert_eq!(losses.len(), 400);
        let mean = |l: &[f32]| l.iter().sum::<f32>() / l.len() as f32;
        let (first, last) = (mean(&losses[..20]), mean(&losses[380..]));
        assert!(last < 0.35 && last < first / 2.0, "loss went from {first} to {last}");
        assert_eq!(gpu.read(id, loss).unwrap()[0].to_bits(), losses[399].to_bits());
        let parameters = gpu.read_state(Arena::Parameters).unwrap();
        assert_ne!(parameters, gpu.read_state(Arena::Average).unwrap());
        ends.push((losses, parameters));
    }
    assert!(ends[0] == ends[1], "two runs differ");
}

#[test]
fn a_profile_times_every_step() {
    let (plan, _) = classifier();
    let Some(mut gpu) = gpu::open() else { return };
    let id = prepare(&mut gpu, &plan);
    gpu.run(id, &clocks(0..3)).unwrap();
    match gpu.profile(id, &clocks(3..4)[0]) {
        Ok(timings) => {
            assert_eq!(timings.len(), plan.steps().len());
            let timed = |(step, time): (&Step, &f64)| matches!(step.op, Op::MatMul { .. }) && *time > 0.0;
            assert!(plan.steps().iter().zip(&timings).any(timed));
        }
        Err(why) => println!("not measured: {why}"),
    }
}

#[test]
fn a_larger_store_of_a_later_plan_keeps_what_was_written() {
    let Some(mut gpu) = gpu::open() else { return };
    let copy = |rows: usize| {
        let mut g = Graph::new();
        let store = g.dataset(DatasetBuffer::Targets, &[rows]).unwrap();
        let drawn = g.push(Op::SampleRows { batch: 4, first: 0 }, &[store]).unwrap();
        g.output(drawn);
        (Arc::new(Plan::new(&g, Options::default()).unwrap()), drawn)
    };
    let ((small, drawn), (large, _)) = (copy(4), copy(1000));
    let id = gpu.load(small).unwrap();
    gpu.write_store(DatasetBuffer::Targets, bytemuck::cast_slice(&[1.0f32, 2.0, 3.0, 4.0])).unwrap();
    gpu.load(large).unwrap();
    gpu.run(id, &[StepParams { count: 4, ..StepParams::default() }]).unwrap();
    let mut values = gpu.read(id, drawn).unwrap();
    values.sort_by(f32::total_cmp);
    assert_eq!(values, [1.0, 2.0, 3.0, 4.0]);
    let error = gpu.write_store(DatasetBuffer::Targets, &[0; 8000]).unwrap_err().to_string();
    assert!(error.contains("has room for 4000 bytes, not 8000"), "{error}");
}
