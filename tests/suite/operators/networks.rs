//! Random small networks, trained for some steps under every way of lowering: fused and not, slots shared and not, in
//! f32 and f64, on one thread and several, and on the GPU.

use std::sync::Arc;

use crate::support::gradients::Draw;
use crate::support::tolerance::{Family, Precision, Tolerance};
use crate::support::{clock, gpu, property};
use proptest::prelude::*;
use wgrad::graph::{
    Activation, Arena, Axis, Graph, Init, Interpolation, Loss, Op, Options, Plan, TensorId, Update, WeightLayout,
    Window, differentiate, optimize,
};
use wgrad::internal::cpu::Cpu;
use wgrad::internal::executor::Executor;

const ACTIVATIONS: [Activation; 6] = [
    Activation::Relu,
    Activation::LeakyRelu(0.1),
    Activation::Sigmoid,
    Activation::Tanh,
    Activation::Silu,
    Activation::Gelu,
];

/// One layer of a random network: which, and two numbers that it reads as it likes.
type Layer = (u8, usize, usize);

struct Network {
    graph: Graph,
    x: TensorId,
    t: TensorId,
}

/// A convolutional network: every kind of layer that shares an epilogue or a slot in practice.
fn network(layers: &[Layer], size: [usize; 4]) -> Network {
    let mut g = Graph::new();
    let x = g.input("x", &size).unwrap();
    let mut h = x;
    for (i, &(kind, a, b)) in layers.iter().enumerate() {
        g.layer(format!("layer {i}"));
        let shape = g.shape(h);
        let (_, high, wide, c) = shape.image().expect("every layer makes an image");
        h = match kind % 7 {
            0..=2 => {
                let (kernel, out) = ([1, 3, 5][a % 3], if kind == 2 { c } else { 1 + b % 9 });
                let w = g.parameter(
                    &format!("{i}.weight"),
                    &[kernel, kernel, c, out],
                    Init::Normal(0.1),
                    WeightLayout::Conv,
                );
                let bias = g.parameter(&format!("{i}.bias"), &[out], Init::Constant(0.0), WeightLayout::Plain);
                let window = Window { kernel, stride: 1, padding: kernel / 2 };
                let y = g.conv2d(h, w.unwrap(), bias.unwrap(), window).unwrap();
                let y = if a % 2 == 0 { g.activate(y, ACTIVATIONS[b % 6]).unwrap() } else { y };
                if out == c { g.push(Op::Add, &[h, y]).unwrap() } else { y }
            }
            3 => {
                let slopes =
                    g.parameter(&format!("{i}.slopes"), &[c], Init::Constant(0.2), WeightLayout::Plain).unwrap();
                g.push(Op::Prelu, &[h, slopes]).unwrap()
            }
            4 if c % 4 == 0 && high * wide < 200 => g.push(Op::DepthToSpace(2), &[h]).unwrap(),
            4 => g.push(Op::Normalize { axis: [Axis::Rows, Axis::Columns][a % 2], epsilon: 0.1 }, &[h]).unwrap(),
            5 if high * wide < 200 => {
                let w = g.parameter(
                    &format!("{i}.weight"),
                    &[4, 4, 1 + b % 4, c],
                    Init::Normal(0.1),
                    WeightLayout::ConvTranspose,
                );
                let window = Window { kernel: 4, stride: 2, padding: 1 };
                g.conv_transpose2d(h, w.unwrap(), window, 0).unwrap()
            }
            5 if a % 2 == 0 && high * wide < 800 => {
                g.push(Op::Resize { mode: Interpolation::Bilinear, scale: 2 }, &[h]).unwrap()
            }
            _ if c < 12 => g.push(Op::Concat, &[h, h]).unwrap(),
            _ => g.push(Op::Dropout { rate: 0.25, stream: i as u32 }, &[h]).unwrap(),
        };
    }
    // At least one parameter, whatever was drawn.
    let c = g.shape(h).columns();
    let scale = g.parameter("scale", &[c], Init::Constant(1.0), WeightLayout::Plain).unwrap();
    let y = g.push(Op::ColumnScale, &[h, scale]).unwrap();
    let t = g.input("t", g.shape(y).extents()).unwrap();
    let loss = g.push(Op::Loss(Loss::Charbonnier(0.1)), &[y, t]).unwrap();
    differentiate(&mut g, loss, None, &[]).unwrap();
    optimize(&mut g, Update::Sgd { momentum: 0.9, nesterov: true, decay: 0.01 }, Some(1.0), Some(0.5)).unwrap();
    Network { graph: g, x, t }
}

/// An MLP of these widths with an activation between its layers.
fn perceptron(widths: &[usize], batch: usize, activation: Activation) -> Network {
    let mut g = Graph::new();
    let x = g.input("x", &[batch, widths[0]]).unwrap();
    let mut h = x;
    for (i, pair) in widths.windows(2).enumerate() {
        g.layer(format!("layer {i}"));
        let w = g.parameter(&format!("{i}.weight"), pair, Init::Normal(0.1), WeightLayout::Linear).unwrap();
        let b = g.parameter(&format!("{i}.bias"), &pair[1..], Init::Constant(0.0), WeightLayout::Plain).unwrap();
        h = g.linear(h, w, b).unwrap();
        if i + 2 < widths.len() {
            h = g.activate(h, activation).unwrap();
        }
    }
    let t = g.input("t", g.shape(h).extents()).unwrap();
    let loss = g.push(Op::Loss(Loss::Mse), &[h, t]).unwrap();
    differentiate(&mut g, loss, None, &[]).unwrap();
    let rule = Update::Adam { beta1: 0.9, beta2: 0.99, epsilon: 0.01, decay: 0.01, decoupled: true };
    optimize(&mut g, rule, Some(1.0), Some(0.5)).unwrap();
    Network { graph: g, x, t }
}

/// Loss, parameters and averages after each of some steps, starting from the same numbers every time.
fn train(network: &Network, executor: &mut dyn Executor, options: Options, steps: u32) -> Vec<Vec<f32>> {
    let plan = Arc::new(Plan::new(&network.graph, options).unwrap());
    let id = executor.load(plan.clone()).unwrap();
    let mut draw = Draw::new(5);
    let mut draw = |n: usize, scale: f64| (0..n).map(|_| (scale * draw.value()) as f32).collect::<Vec<f32>>();
    let state = draw(plan.layout().len(Arena::Parameters), 0.15);
    executor.write_state(Arena::Parameters, &state).unwrap();
    for (tensor, scale) in [(network.x, 0.5), (network.t, 0.5)] {
        executor.write(id, tensor, &draw(network.graph.shape(tensor).len(), scale)).unwrap();
    }
    let mut trace = Vec::new();
    for step in 1..=steps {
        executor.run(id, &[clock(step, 0.05)]).unwrap();
        trace.push(executor.losses().unwrap());
        trace.extend([Arena::Parameters, Arena::Average].map(|arena| executor.read_state(arena).unwrap()));
    }
    executor.intact(id).unwrap();
    trace
}

fn agree(got: &[Vec<f32>], want: &[Vec<f32>], precision: Precision, what: &str) {
    let tolerance = Tolerance::of(Family::Training, precision);
    assert_eq!(got.len(), want.len(), "{what}");
    for (i, (got, want)) in got.iter().zip(want).enumerate() {
        if let Err(why) = tolerance.check(got, want, &vec![1.0; want.len()]) {
            let part = ["the loss", "the parameters", "the averages"][i % 3];
            panic!("{what}: {part} of step {}: {why}", i / 3 + 1);
        }
    }
}

/// Trains on the GPU under every way of lowering; what it allocates is what the plan foretold.
fn agree_on_the_gpu(network: &Network) {
    let options = |fuse, share| Options { fuse, share };
    let oracle = train(network, &mut Cpu::<f64>::new().poisoned(), options(false, false), 3);
    let single = train(network, &mut Cpu::<f32>::new().poisoned(), options(true, true), 3);
    agree(&single, &oracle, Precision::F32, "f32");
    for (fuse, share) in [(true, true), (false, false)] {
        let Some(mut device) = gpu::open_inspected() else { return };
        let got = train(network, &mut device, options(fuse, share), 3);
        agree(&got, &oracle, Precision::F32, &format!("GPU, fuse {fuse}, share {share}"));
    }
    let Some(mut device) = gpu::open() else { return };
    let before = device.allocated();
    let plan = Plan::new(&network.graph, Options::default()).unwrap();
    let (bytes, buffers) = (plan.bytes(), plan.slots().len() + plan.arenas().len());
    let id = device.load(Arc::new(plan)).unwrap();
    let held = device.allocated() - before - device.overhead(id).unwrap();
    // Each buffer is a multiple of 16 bytes.
    assert!((bytes..bytes + 16 * buffers as u64).contains(&held), "{held} bytes, {bytes} foretold");
    device.unload(id).unwrap();
}

proptest! {
    #![proptest_config(property::config(96))]

    #[test]
    fn every_lowering_computes_the_same(
        layers in prop::collection::vec((0u8..7, 0usize..100, 0usize..100), 1..7),
        size in [1usize..3, 3usize..8, 3usize..8, 1usize..6],
    ) {
        let network = network(&layers, size);
        let options = |fuse, share| Options { fuse, share };
        let oracle = train(&network, &mut Cpu::<f64>::new().poisoned(), options(false, false), 2);
        prop_assert_eq!(oracle[3].len(), 1);
        for (fuse, share) in [(false, true), (true, false), (true, true)] {
            let got = train(&network, &mut Cpu::<f64>::new().poisoned(), options(fuse, share), 2);
            agree(&got, &oracle, Precision::F64, &format!("fuse {fuse}, share {share}"));
        }
        let single = train(&network, &mut Cpu::<f32>::new().poisoned(), options(true, true), 2);
        agree(&single, &oracle, Precision::F32, "f32");
    }
}

// Each network is new to the GPU, whose driver compiles for long: few cases.
proptest! {
    #![proptest_config(ProptestConfig { max_shrink_iters: 8, ..property::config(3) })]

    #[test]
    fn convolutional_networks_learn_the_same_on_the_gpu(
        layers in prop::collection::vec((0u8..7, 0usize..100, 0usize..100), 1..6),
        size in [1usize..3, 3usize..8, 3usize..8, 1usize..6],
    ) {
        agree_on_the_gpu(&network(&layers, size));
    }

    #[test]
    fn perceptrons_learn_the_same_on_the_gpu(
        widths in prop::collection::vec(1usize..70, 2..5),
        batch in 1usize..40,
        activation in 0usize..6,
    ) {
        agree_on_the_gpu(&perceptron(&widths, batch, ACTIVATIONS[activation]));
    }
}

/// Shapes large enough to be cut into many blocks: neither threads nor timing may change a bit.
#[test]
fn threads_do_not_change_a_bit() {
    let layers = [(0, 1, 7), (3, 0, 0), (0, 2, 2), (4, 1, 0), (1, 4, 8), (2, 1, 3), (5, 0, 1)];
    let network = network(&layers, [3, 37, 41, 3]);
    let run = |threads| train(&network, &mut Cpu::<f32>::with_threads(threads).unwrap(), Options::default(), 2);
    let one = run(1);
    assert!(one[0].iter().all(|l| l.is_finite()));
    for threads in [2, 3, 2] {
        assert!(run(threads) == one, "{threads} threads differ from one");
    }
}

/// A gradient norm that is no number skips the update; gradients are clipped as PyTorch clips them.
#[test]
fn clipping_bounds_and_non_finite_gradients_skip() {
    let mut g = Graph::new();
    let p = g.parameter("p", &[1, 2], Init::Constant(0.0), WeightLayout::Plain).unwrap();
    let x = g.input("x", &[1, 2]).unwrap();
    let y = g.push(Op::MatMul { ta: false, tb: true }, &[p, x]).unwrap();
    let dy = g.input("dy", &[1, 1]).unwrap();
    differentiate(&mut g, y, Some(dy), &[]).unwrap();
    optimize(&mut g, Update::Sgd { momentum: 0.0, nesterov: false, decay: 0.0 }, Some(1.0), None).unwrap();
    let mut cpu = Cpu::<f64>::new();
    let plan = cpu.load(Arc::new(Plan::new(&g, Options::default()).unwrap())).unwrap();
    cpu.write(plan, dy, &[1.0]).unwrap();
    for (x_now, want) in [([3.0, 4.0], [-0.6, -0.8]), ([f32::INFINITY, 0.0], [-0.6, -0.8]), ([0.1, 0.0], [-0.7, -0.8])]
    {
        cpu.write(plan, x, &x_now).unwrap();
        cpu.run(plan, &[clock(1, 1.0)]).unwrap();
        let p = cpu.values(plan, p).unwrap();
        assert!(p.iter().zip(want).all(|(p, w)| (p - w).abs() < 1e-6), "{p:?}, expected {want:?}");
    }
}

/// A pixel's value depends on what its window sees alone, not on where in the tile it lies or how large the tile is:
/// upscaling in tiles leans on it.
#[test]
fn a_tile_equals_its_part_of_the_whole_bit_for_bit() {
    for (ci, co, k) in [(1, 8, 5), (3, 32, 3), (8, 1, 5), (32, 1, 3), (12, 4, 3), (64, 12, 3), (16, 8, 1), (9, 1, 1)] {
        let run = |h: usize, w: usize, x: &[f32]| {
            let mut g = Graph::new();
            let input = g.input("x", &[1, h, w, ci]).unwrap();
            let weights = g.parameter("w", &[k, k, ci, co], Init::Constant(0.0), WeightLayout::Conv).unwrap();
            let bias = g.parameter("b", &[co], Init::Constant(0.0), WeightLayout::Plain).unwrap();
            let window = Window { kernel: k, stride: 1, padding: k / 2 };
            let y = g.conv2d(input, weights, bias, window).unwrap();
            g.output(y);
            let mut cpu = Cpu::<f32>::new();
            let plan = Arc::new(Plan::new(&g, Options::default()).unwrap());
            let id = cpu.load(plan.clone()).unwrap();
            let mut draw = Draw::new(9);
            let state: Vec<f32> = (0..plan.layout().len(Arena::Parameters)).map(|_| draw.value() as f32).collect();
            cpu.write_state(Arena::Parameters, &state).unwrap();
            cpu.write(id, input, x).unwrap();
            cpu.run(id, &[clock(1, 0.0)]).unwrap();
            cpu.read(id, y).unwrap()
        };
        let (h, w) = (61, 83);
        let mut draw = Draw::new(1);
        let x: Vec<f32> = draw.values(h * w * ci).into_iter().map(|v| v as f32).collect();
        let whole = run(h, w, &x);
        for (top, left, high, wide) in [(0, 0, 17, 9), (20, 31, 23, 40), (5, 70, 9, 13), (30, 3, 12, 70)] {
            let rows = (top..top + high).flat_map(|y| x[(y * w + left) * ci..][..wide * ci].iter().copied());
            let tile = run(high, wide, &rows.collect::<Vec<_>>());
            let inner = |at: usize, len: usize| at + k / 2..at + len - k / 2;
            for (y, x) in inner(top, high).flat_map(|y| inner(left, wide).map(move |x| (y, x))) {
                let part = &tile[((y - top) * wide + x - left) * co..][..co];
                assert!(part == &whole[(y * w + x) * co..][..co], "{ci} to {co} channels, {k}x{k}: pixel {y}, {x}");
            }
        }
    }
}
