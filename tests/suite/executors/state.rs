//! What keeps state or draws: updates, statistics, samples, against the oracle; and what small devices refuse.

use crate::support::tolerance::{Family, Precision, Tolerance};
use crate::support::{gpu, load};
use wgrad::graph::{
    Arena, DatasetBuffer, Graph, Init, Loss, Op, Options, StepParams, TensorId, Update, WeightLayout, Window,
    differentiate, optimize,
};
use wgrad::internal::cpu::Cpu;
use wgrad::internal::data::PictureEntry;
use wgrad::internal::executor::Executor;
use wgrad::internal::gpu::{Gpu, GpuOptions};
use wgrad::internal::random::Draws;

const ADAM: Update = Update::Adam { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, decay: 0.01, decoupled: false };

fn rules() -> Vec<Update> {
    let adamw = Update::Adam { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, decay: 0.05, decoupled: true };
    let mut all = vec![ADAM, adamw, Update::RmsProp { rho: 0.99, epsilon: 1e-8, decay: 0.01 }];
    for (momentum, nesterov) in [(0.0, false), (0.9, false), (0.9, true)] {
        all.push(Update::Sgd { momentum, nesterov, decay: 0.01 });
    }
    all
}

/// Two parameters of odd sizes whose gradients are the inputs, times 8 as a loss scale would.
fn updating(sizes: [usize; 2], rule: Update, clip: Option<f32>) -> (Graph, Vec<TensorId>) {
    let mut g = Graph::new();
    let mut inputs = Vec::new();
    let mut sum = None;
    for (i, n) in sizes.into_iter().enumerate() {
        let p = g.parameter(&format!("p{i}"), &[1, n], Init::Constant(0.0), WeightLayout::Plain).unwrap();
        let x = g.input("g", &[1, n]).unwrap();
        inputs.push(x);
        let y = g.push(Op::MatMul { ta: false, tb: true }, &[p, x]).unwrap();
        sum = Some(match sum {
            None => y,
            Some(before) => g.push(Op::Add, &[before, y]).unwrap(),
        });
    }
    let dy = g.input("dy", &[1, 1]).unwrap();
    inputs.push(dy);
    differentiate(&mut g, sum.unwrap(), Some(dy), &[]).unwrap();
    optimize(&mut g, rule, clip, Some(0.9)).unwrap();
    (g, inputs)
}

/// Some steps from a random start; the arenas at the end.
fn updated(
    executor: &mut dyn Executor,
    options: Options,
    (graph, inputs): &(Graph, Vec<TensorId>),
    first: u32,
) -> Vec<Vec<f32>> {
    let plan = load(executor, graph, options);
    let layout = wgrad::graph::Plan::new(graph, options).unwrap().layout().clone();
    let mut noise = Draws::new(5);
    let mut start = vec![0.0; layout.len(Arena::Parameters)];
    for segment in layout.segments(Arena::Parameters) {
        start[segment.offset..][..segment.shape.len()].copy_from_slice(&noise.values(segment.shape.len()));
    }
    executor.write_state(Arena::Parameters, &start).unwrap();
    executor.write(plan, inputs[2], &[8.0]).unwrap();
    for step in 0..4 {
        for &x in &inputs[..2] {
            executor.write(plan, x, &noise.values(graph.shape(x).len())).unwrap();
        }
        let clock = StepParams { step: first + step, learning_rate: 0.01, loss_scale: 8.0, ..StepParams::default() };
        executor.run(plan, &[clock]).unwrap();
    }
    let arenas = [Arena::Parameters, Arena::First, Arena::Second, Arena::Average];
    arenas.into_iter().filter_map(|a| executor.read_state(a).ok()).collect()
}

fn agree(got: &[Vec<f32>], want: &[Vec<f32>], what: &str) {
    assert_eq!(got.len(), want.len(), "{what}");
    for (got, want) in got.iter().zip(want) {
        let tolerance = Tolerance::of(Family::Update, Precision::F32);
        tolerance.check(got, want, &vec![1.0; want.len()]).unwrap_or_else(|why| panic!("{what}: {why}"));
    }
}

#[test]
fn updates() {
    for rule in rules() {
        for clip in [None, Some(0.5), Some(1e6)] {
            for first in [1, 100_000] {
                let Some(mut device) = gpu::open_inspected() else { return };
                let program = updating([301, 77], rule, clip);
                let want = updated(&mut Cpu::<f64>::new(), Options::default(), &program, first);
                let got = updated(&mut device, Options::default(), &program, first);
                agree(&got, &want, &format!("{rule:?}, clip {clip:?}, from step {first}"));
            }
        }
    }
}

#[test]
fn state_larger_than_a_binding_moves_in_parts() {
    let Some(open) = gpu::open() else { return };
    let mut limits = open.limits();
    limits.max_storage_buffer_binding_size = 8192;
    let mut device = gpu::open_with(GpuOptions { limits: Some(limits), ..GpuOptions::default() }).unwrap();
    let program = updating([2001, 1999], ADAM, Some(0.5));
    let want = updated(&mut Cpu::<f64>::new(), Options::default(), &program, 1);
    agree(&updated(&mut device, Options::default(), &program, 1), &want, "parts");
}

#[test]
fn a_step_cut_into_submissions_is_the_same_step() {
    // A step longer than a submission may be is spread over several, on slow devices; here all are too long.
    let submission = std::time::Duration::from_nanos(1);
    for inspect in [false, true] {
        let options = GpuOptions { submission, inspect, ..GpuOptions::default() };
        let Some(mut device) = gpu::open_with(options) else { return };
        let program = updating([301, 77], ADAM, Some(0.5));
        let want = updated(&mut Cpu::<f64>::new(), Options::default(), &program, 1);
        agree(&updated(&mut device, Options::default(), &program, 1), &want, "cut");
    }
}

#[test]
fn gradients_that_are_no_numbers_change_nothing() {
    let Some(mut device) = gpu::open() else { return };
    let (graph, inputs) = updating([3, 5], ADAM, Some(1.0));
    let plan = load(&mut device, &graph, Options::default());
    device.write(plan, inputs[0], &[1.0, f32::NAN, 2.0]).unwrap();
    device.write(plan, inputs[2], &[1.0]).unwrap();
    let before = device.read_state(Arena::Parameters).unwrap();
    device.run(plan, &[StepParams { step: 1, learning_rate: 0.1, loss_scale: 1.0, ..StepParams::default() }]).unwrap();
    assert_eq!(device.read_state(Arena::Parameters).unwrap(), before);
    assert!(device.read_state(Arena::First).unwrap().iter().all(|m| *m == 0.0));
}

#[test]
fn a_label_out_of_range_makes_the_loss_nan() {
    let Some(mut device) = gpu::open() else { return };
    let mut g = Graph::new();
    let (x, t) = (g.input("x", &[2, 3]).unwrap(), g.input("t", &[2]).unwrap());
    let loss = g.push(Op::Loss(Loss::CrossEntropy(0.0)), &[x, t]).unwrap();
    g.output(loss);
    let plan = load(&mut device, &g, Options::default());
    device.write(plan, x, &[0.0; 6]).unwrap();
    device.write(plan, t, &[1.0, 3.0]).unwrap();
    device.run(plan, &[StepParams { loss_scale: 1.0, ..StepParams::default() }]).unwrap();
    assert!(device.read(plan, loss).unwrap()[0].is_nan());
    assert!(device.losses().unwrap()[0].is_nan());
}

#[test]
fn running_statistics() {
    let Some(mut device) = gpu::open_inspected() else { return };
    let mut noise = Draws::new(8);
    let mut g = Graph::new();
    let x = g.input("x", &[500, 7]).unwrap();
    let statistics = g.statistics("norm", 7).unwrap();
    let y = g.push(Op::Standardize { epsilon: 1e-3 }, &[x, statistics]).unwrap();
    g.push_effect(Op::TrackStatistics { momentum: 0.1 }, &[x, statistics]).unwrap();
    g.output(y);
    let values = noise.values(3500);
    let run = |executor: &mut dyn Executor| {
        let plan = load(executor, &g, Options::default());
        let mut start = vec![0.0; 64];
        start[..7].fill(0.5);
        start[7..14].fill(2.0);
        executor.write_state(Arena::Statistics, &start).unwrap();
        executor.write(plan, x, &values).unwrap();
        executor.run(plan, &[StepParams::default(), StepParams::default()]).unwrap();
        vec![executor.read_state(Arena::Statistics).unwrap(), executor.read(plan, y).unwrap()]
    };
    agree(&run(&mut device), &run(&mut Cpu::<f64>::new()), "statistics");
}

fn same_bits(got: &[u32], want: &[u32]) {
    let differ: Vec<usize> = (0..want.len()).filter(|&i| got[i] != want[i]).collect();
    let first = differ.first().map(|&i| (i, f32::from_bits(got[i]), f32::from_bits(want[i])));
    assert!(differ.is_empty(), "{} of {} draws differ, the first {first:?}", differ.len(), want.len());
}

#[test]
fn rows_are_drawn_bit_for_bit() {
    let Some(mut device) = gpu::open_inspected() else { return };
    let rows = 1237;
    let mut g = Graph::new();
    let features = g.dataset(DatasetBuffer::Features, &[rows, 5]).unwrap();
    let bytes = g.dataset(DatasetBuffer::FeatureBytes, &[rows, 301]).unwrap();
    let targets = g.dataset(DatasetBuffer::Targets, &[rows]).unwrap();
    let drawn =
        [features, bytes, targets].map(|store| g.push(Op::SampleRows { batch: 130, first: 0 }, &[store]).unwrap());
    drawn.iter().for_each(|&t| g.output(t));
    let mut noise = Draws::new(9);
    let floats = noise.values(rows * 5);
    let raw: Vec<u8> = (0..rows * 301).map(|i| (i % 256) as u8).collect();
    let labels = noise.values(rows);
    let run = |executor: &mut dyn Executor| {
        let plan = load(executor, &g, Options::default());
        executor.write_store(DatasetBuffer::Features, bytemuck::cast_slice(&floats)).unwrap();
        executor.write_store(DatasetBuffer::FeatureBytes, &raw).unwrap();
        executor.write_store(DatasetBuffer::Targets, bytemuck::cast_slice(&labels)).unwrap();
        let mut all = Vec::new();
        for (epoch, offset, seed) in [(0, 0, 1), (3, 1200, 99), (u32::MAX, 1236, 0xdead_beef)] {
            let clock = StepParams { seed, epoch, offset, count: rows as u32, ..StepParams::default() };
            executor.run(plan, &[clock]).unwrap();
            all.extend(drawn.iter().flat_map(|&t| executor.read(plan, t).unwrap()).map(f32::to_bits));
        }
        all
    };
    same_bits(&run(&mut device), &run(&mut Cpu::<f32>::new()));
}

#[test]
fn patches_are_drawn_bit_for_bit() {
    let Some(mut device) = gpu::open_inspected() else { return };
    let (scale, side, channels) = (3usize, 5usize, 3usize);
    let mut noise = Draws::new(10);
    let mut table: Vec<PictureEntry> = Vec::new();
    let (mut low, mut high) = (Vec::new(), Vec::new());
    for _ in 0..9 {
        let (width, height) = (noise.size(5, 40), noise.size(5, 40));
        let before = table.last().map_or(0, |e| e.end);
        let positions = ((width - side + 1) * (height - side + 1)) as u32;
        let (width, height) = (width as u32, height as u32);
        table.push(PictureEntry {
            end: before + positions,
            width,
            height,
            low: low.len() as u32,
            high: high.len() as u32,
        });
        let size = width as usize * height as usize * channels;
        low.extend((0..size).map(|_| noise.word() as u8));
        high.extend((0..size * scale * scale).map(|_| noise.word() as u8));
    }
    let mut g = Graph::new();
    let index = g.dataset(DatasetBuffer::Table, &[table.len(), 5]).unwrap();
    let stores = [(DatasetBuffer::Low, low.len(), 1, false), (DatasetBuffer::High, high.len(), scale, true)].map(
        |(store, len, scale, high)| {
            let pixels = g.dataset(store, &[len / channels, channels]).unwrap();
            let op = Op::SamplePatches { batch: 33, patch: side, scale, high, first: 0 };
            let drawn = g.push(op, &[pixels, index]).unwrap();
            g.output(drawn);
            drawn
        },
    );
    let run = |executor: &mut dyn Executor| {
        let plan = load(executor, &g, Options::default());
        executor.write_store(DatasetBuffer::Low, &low).unwrap();
        executor.write_store(DatasetBuffer::High, &high).unwrap();
        executor.write_store(DatasetBuffer::Table, bytemuck::cast_slice(&table)).unwrap();
        let mut all = Vec::new();
        for step in [1, 77] {
            executor
                .run(plan, &[StepParams { step, seed: 4, count: table.len() as u32, ..StepParams::default() }])
                .unwrap();
            all.extend(stores.iter().flat_map(|&t| executor.read(plan, t).unwrap()).map(f32::to_bits));
        }
        all
    };
    same_bits(&run(&mut device), &run(&mut Cpu::<f32>::new()));
}

#[test]
fn what_a_device_cannot_hold_is_refused_with_a_remedy() {
    let Some(open) = gpu::open() else { return };
    let mut limits = open.limits();
    limits.max_storage_buffer_binding_size = 65_536;
    let index = open.info().index;
    let mut device = Gpu::with_limits(index, limits.clone()).unwrap();
    let mut g = Graph::new();
    g.layer("wide layer");
    let x = g.input("picture", &[200, 200]).unwrap();
    let y = g.push(Op::Scale(2.0), &[x]).unwrap();
    g.output(y);
    let plan = std::sync::Arc::new(wgrad::graph::Plan::new(&g, Options::default()).unwrap());
    let message = device.load(plan.clone()).unwrap_err().to_string();
    assert!(message.contains("picture") && message.contains("wide layer") && message.contains("lower"), "{message}");
    limits.max_storage_buffers_per_shader_stage = 1;
    limits.max_storage_buffer_binding_size = 1 << 20;
    let mut device = Gpu::with_limits(index, limits).unwrap();
    let message = device.load(plan).unwrap_err().to_string();
    assert!(message.contains("elementwise::scale") && message.contains("storage buffers"), "{message}");
}

/// A network of two convolutions, one of them transposed, in use or in training.
fn convolutions(train: bool) -> (Graph, TensorId, TensorId) {
    let mut g = Graph::new();
    let x = g.input("x", &[1, 9, 7, 3]).unwrap();
    let first = g.parameter("first", &[3, 3, 3, 5], Init::Constant(0.0), WeightLayout::Conv).unwrap();
    let bias = g.parameter("bias", &[5], Init::Constant(0.0), WeightLayout::Plain).unwrap();
    let second = g.parameter("second", &[4, 4, 2, 5], Init::Constant(0.0), WeightLayout::ConvTranspose).unwrap();
    let h = g.conv2d(x, first, bias, Window { kernel: 3, stride: 1, padding: 1 }).unwrap();
    let y = g.conv_transpose2d(h, second, Window { kernel: 4, stride: 2, padding: 1 }, 0).unwrap();
    if train {
        let t = g.input("t", g.shape(y).extents().to_vec().as_slice()).unwrap();
        let loss = g.push(Op::Loss(Loss::Mse), &[y, t]).unwrap();
        differentiate(&mut g, loss, None, &[]).unwrap();
        let rule = Update::Sgd { momentum: 0.0, nesterov: false, decay: 0.0 };
        optimize(&mut g, rule, None, None).unwrap();
    } else {
        g.output(y);
    }
    (g, x, y)
}

#[test]
fn packed_weights_follow_the_parameters() {
    let Some(mut device) = gpu::open_inspected() else { return };
    let mut oracle = Cpu::<f64>::new();
    let ((used, x, y), (trained, given, _)) = (convolutions(false), convolutions(true));
    let plan = load(&mut device, &used, Options::default());
    let training = load(&mut device, &trained, Options::default());
    let wanted = load(&mut oracle, &used, Options::default());
    let mut noise = Draws::new(11);
    let values = noise.values(9 * 7 * 3);
    device.write(plan, x, &values).unwrap();
    device.write(training, given, &values).unwrap();
    oracle.write(wanted, x, &values).unwrap();
    let len = device.read_state(Arena::Parameters).unwrap().len();
    let clock = StepParams { step: 1, learning_rate: 0.05, loss_scale: 1.0, ..StepParams::default() };
    let mut results = Vec::new();
    for (round, packed) in [1, 2, 2, 3, 3].into_iter().enumerate() {
        match round {
            0 | 1 => device.write_state(Arena::Parameters, &noise.values(len)).unwrap(),
            3 => device.run(training, &[clock, clock]).unwrap(),
            _ => {} // nothing has changed
        }
        device.run(plan, &[StepParams::default()]).unwrap();
        assert_eq!(device.packed(), packed, "round {round}");
        oracle.write_state(Arena::Parameters, &device.read_state(Arena::Parameters).unwrap()).unwrap();
        oracle.run(wanted, &[StepParams::default()]).unwrap();
        let (got, want) = (device.read(plan, y).unwrap(), oracle.read(wanted, y).unwrap());
        let largest = want.iter().fold(0.0f64, |most, v| most.max(f64::from(v.abs())));
        let tolerance = Tolerance::of(Family::Contraction, Precision::F32);
        tolerance.check(&got, &want, &vec![largest; want.len()]).unwrap_or_else(|why| panic!("round {round}: {why}"));
        results.push(got);
    }
    assert!(results[0] != results[1] && results[2] != results[3], "the parameters did change");
    assert_eq!((&results[1], &results[3]), (&results[2], &results[4]));
}

/// A limit that every dispatch exceeds: the same bits from more submissions, between which a device may draw.
#[test]
fn long_dispatches_are_cut_along_their_workgroups() {
    use std::time::Duration;
    let moment = Duration::from_nanos(1);
    let cut = GpuOptions { submission: moment, dispatch: Some(moment), ..GpuOptions::default() };
    let whole = GpuOptions { submission: moment, ..GpuOptions::default() };
    let (Some(mut cut), Some(mut whole)) = (gpu::open_with(cut), gpu::open_with(whole)) else { return };
    let case = updating([40_000, 70_001], ADAM, Some(0.5));
    let results = [&mut cut, &mut whole].map(|gpu| updated(gpu, Options::default(), &case, 1));
    let bits = |arenas: &[Vec<f32>]| arenas.iter().flatten().map(|v| v.to_bits()).collect::<Vec<u32>>();
    assert!(bits(&results[0]) == bits(&results[1]), "parts give other bits than the whole");
    let (parts, dispatches) = (cut.submitted(), whole.submitted());
    assert!(parts >= dispatches + 4 * 20, "{parts} submissions of parts, {dispatches} of whole dispatches");
}
