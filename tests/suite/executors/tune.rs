//! Tile shapes by measurement: measured once, remembered, ignored when stale, and never of any consequence for results.

use crate::support::gpu;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use wgrad::graph::{
    Arena, Graph, Init, Loss, Op, Options, Plan, StepParams, TensorId, Update, WeightLayout, Window, differentiate,
    optimize,
};
use wgrad::internal::executor::Executor;
use wgrad::internal::executor::Precision;
use wgrad::internal::gpu::{AdapterKind, Gpu, GpuOptions, Tuning, tile_names};
use wgrad::internal::tuned::{Choice, Identity, Memory};

const PLENTY: Option<Duration> = Some(Duration::from_secs(300));
const NOTHING: Option<Duration> = Some(Duration::ZERO);

/// A training step with two convolutions: three kinds of steps that are worth a measurement, one of them with sums that
/// are split.
fn step() -> (Arc<Plan>, [TensorId; 2]) {
    let mut graph = Graph::new();
    let (x, t) = (graph.input("x", &[2, 16, 16, 16]).unwrap(), graph.input("t", &[2, 16, 16, 16]).unwrap());
    let mut y = x;
    for name in ["first", "second"] {
        let w = graph.parameter(name, &[3, 3, 16, 16], Init::Constant(0.0), WeightLayout::Conv).unwrap();
        y = graph.push(Op::Conv2d(Window { kernel: 3, stride: 1, padding: 1 }), &[y, w]).unwrap();
    }
    let loss = graph.push(Op::Loss(Loss::Mse), &[y, t]).unwrap();
    differentiate(&mut graph, loss, None, &[]).unwrap();
    optimize(&mut graph, Update::Sgd { momentum: 0.0, nesterov: false, decay: 0.0 }, None, None).unwrap();
    (Arc::new(Plan::new(&graph, Options::default()).unwrap()), [x, t])
}

fn values(seed: u32, count: usize) -> Vec<f32> {
    let hash = |i: u32| i.wrapping_mul(2_654_435_761).wrapping_add(seed).wrapping_mul(2_246_822_519) >> 8;
    (0..count as u32).map(|i| hash(i) as f32 / (1 << 24) as f32 - 0.5).collect()
}

/// Loads the step, trains a little; returns what was measured, the tiles in words, and the bits of the parameters.
fn train(options: GpuOptions) -> Option<(usize, String, Vec<u32>)> {
    let mut gpu = gpu::open_with(options)?;
    let (plan, [x, t]) = step();
    let id = gpu.load(Arc::clone(&plan)).unwrap();
    gpu.write(id, x, &values(1, 8192)).unwrap();
    gpu.write(id, t, &values(2, 8192)).unwrap();
    gpu.write_state(Arena::Parameters, &values(3, plan.layout().len(Arena::Parameters))).unwrap();
    let clock = |step| StepParams { step, learning_rate: 0.1, loss_scale: 1.0, ..StepParams::default() };
    gpu.run(id, &[clock(1), clock(2), clock(3)]).unwrap();
    assert!(gpu.losses().unwrap().iter().all(|loss| loss.is_finite()));
    let bits = gpu.read_state(Arena::Parameters).unwrap().iter().map(|v| v.to_bits()).collect();
    Some((gpu.measured(), gpu.tiles(id).unwrap(), bits))
}

fn remembering(folder: &Path, identity: &Identity, budget: Option<Duration>) -> GpuOptions {
    let memory = Some(Arc::new(Memory::open(Some(folder), identity.clone())));
    GpuOptions { tuning: Tuning { memory, budget }, ..GpuOptions::default() }
}

#[test]
fn what_was_measured_is_remembered_and_what_is_stale_or_damaged_is_measured_anew() {
    let Some((0, defaults, plain)) = train(GpuOptions::default()) else { return };
    assert!(!defaults.contains("measurement"), "{defaults}");
    let info = gpu::open().unwrap().info().clone();
    let (folder, identity) = (tempfile::tempdir().unwrap(), info.identity());
    let run = |identity: &Identity, budget| {
        let (measured, tiles, bits) = train(remembering(folder.path(), identity, budget)).unwrap();
        assert_eq!(bits, plain, "tile shapes change nothing");
        (measured, tiles.contains("5 of 5 by measurement"))
    };
    assert_eq!(run(&identity, NOTHING), (0, false), "no time, no measurement");
    if info.kind == AdapterKind::Software {
        assert_eq!(run(&identity, None), (0, false), "software adapters are not tuned on their own");
    }
    assert_eq!(run(&identity, PLENTY), (3, true));
    assert_eq!(run(&identity, PLENTY), (0, true), "remembered");
    assert_eq!(run(&identity, NOTHING), (0, true), "using it takes no time");
    let updated = Identity { driver: "another".into(), ..identity.clone() };
    assert_eq!(run(&updated, NOTHING), (0, false), "another driver's");
    let changed = Identity { kernels: "others".into(), ..identity.clone() };
    assert_eq!(run(&changed, NOTHING), (0, false), "other kernels'");
    let path = Memory::open(Some(folder.path()), identity.clone()).path().unwrap().to_path_buf();
    std::fs::write(&path, "[choices").unwrap();
    assert_eq!(run(&identity, PLENTY), (3, true), "a damaged file is measured anew");
    assert_eq!(run(&identity, NOTHING), (0, true));
}

#[test]
fn any_choice_gives_the_same_bits_and_one_that_does_not_exist_is_ignored() {
    let Some((_, _, plain)) = train(GpuOptions::default()) else { return };
    let memory = Arc::new(Memory::open(None, gpu::open().unwrap().info().identity()));
    let tuning = Tuning { memory: Some(Arc::clone(&memory)), budget: NOTHING };
    let options = GpuOptions { tuning, ..GpuOptions::default() };
    let keys: Vec<String> = {
        let mut gpu = gpu::open_with(options.clone()).unwrap();
        let findings = gpu.tune(&[(*step().0).clone()], Duration::ZERO, &mut |_| {}).unwrap();
        assert!(findings.iter().all(|f| f.choice.is_none() && !f.measured && f.flops > 2e6), "{findings:?}");
        findings.into_iter().map(|finding| finding.key).collect()
    };
    assert_eq!(keys.len(), 3, "{keys:?}");
    let mut used = 0;
    for tile in tile_names(Precision::F32).into_iter().chain(["shared-0x0".into()]) {
        for key in &keys {
            let choice =
                Choice { tile: tile.clone(), microseconds: 1.0, default: "x".into(), default_microseconds: 2.0 };
            memory.insert(key, choice);
        }
        let (_, tiles, bits) = train(options.clone()).unwrap();
        let measured = tiles.contains("measurement");
        assert_eq!(measured, tiles.contains(&format!("5 x {tile};")), "{tile}: {tiles}");
        used += usize::from(measured);
        assert_eq!(bits, plain, "{tile}");
    }
    assert!(used > 1 && used < tile_names(Precision::F32).len(), "the tiles of one class, {used}");
    let forced = GpuOptions { tile: Some("register-8x8".into()), ..options };
    assert!(train(forced).unwrap().1.starts_with("5 x register-8x8"), "a tile that is asked for comes first");
}

#[test]
fn tuning_without_a_memory_is_refused() {
    let Some(mut gpu) = gpu::open() else { return };
    let tune = |gpu: &mut Gpu| gpu.tune(&[(*step().0).clone()], Duration::ZERO, &mut |_| {});
    assert!(tune(&mut gpu).unwrap_err().to_string().contains("memory"));
}
