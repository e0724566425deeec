//! What goes wrong comes back as an error that names it, never as a panic: devices that vanish, hang or are small, and
//! files that are not what they say.

use std::sync::Arc;
use std::time::Duration;

use crate::support::tolerance::{Family, Precision, Tolerance};
use crate::support::{evaluate, gpu, load, property};
use proptest::prelude::*;
use wgrad::Error;
use wgrad::graph::{Axis, Graph, Interpolation, Loss, Op, Options, Plan, StepParams, TensorId};
use wgrad::internal::bench::{Effort, Workload, measure};
use wgrad::internal::checkpoint::{Checkpoint, FloatFormat};
use wgrad::internal::cpu::Cpu;
use wgrad::internal::executor::Executor;
use wgrad::internal::gpu::{Gpu, GpuOptions};
use wgrad::internal::image::{Format, Picture, Plane};
use wgrad::internal::interface::Interface;
use wgrad::internal::network::{Network, Skip, Weights, initial};
use wgrad::internal::train::{Recipe, layout};
use wgrad::internal::watch::Watch;

/// `y = 2 x` and its loss, in a layer with a name.
fn doubling(n: usize) -> (Graph, TensorId, TensorId) {
    let mut g = Graph::new();
    g.layer("doubling");
    let x = g.input("picture", &[n]).unwrap();
    let y = g.push(Op::Scale(2.0), &[x]).unwrap();
    let loss = g.push(Op::Loss(Loss::Mse), &[y, x]).unwrap();
    g.output(y);
    g.output(loss);
    (g, x, y)
}

fn named(error: &Error, words: &[&str]) {
    assert!(matches!(error, Error::Execution { .. } | Error::Device { .. }), "{error:?}");
    let text = error.to_string();
    assert!(words.iter().any(|word| text.contains(word)), "{text}");
}

#[test]
fn a_lost_device_is_an_error_everywhere() {
    let Some(mut device) = gpu::open() else { return };
    let (graph, x, y) = doubling(1000);
    let plan = load(&mut device, &graph, Options::default());
    device.write(plan, x, &vec![1.0; 1000]).unwrap();
    device.run(plan, &[StepParams::default()]).unwrap();
    device.losses().unwrap();
    device.lose();
    let mut failures = Vec::new();
    failures.extend(device.write(plan, x, &vec![1.0; 1000]).err());
    failures.extend(device.run(plan, &[StepParams { step: 7, ..StepParams::default() }]).err());
    failures.extend(device.losses().err());
    let read = device.read(plan, y).expect_err("a lost device has no values");
    named(&read, &["reading"]);
    assert!(!failures.is_empty(), "neither writing, running nor waiting noticed");
    failures.iter().for_each(|error| named(error, &["step 7", "doubling", "writing", "picture", "lost"]));
    let again = Arc::new(Plan::new(&doubling(2000).0, Options::default()).unwrap());
    assert!(device.load(again).is_err(), "a lost device takes no plan");
}

#[test]
fn a_device_that_does_not_answer_is_an_error() {
    let watch = Watch { limit: Some(Duration::from_nanos(1)), ..Watch::default() };
    let options = GpuOptions { watch, ..GpuOptions::default() };
    let Some(mut device) = gpu::open_with(options) else { return };
    let (graph, x, _) = doubling(1 << 22);
    let plan = load(&mut device, &graph, Options::default());
    device.write(plan, x, &vec![1.0; 1 << 22]).unwrap();
    let clocks =
        |first: u32| (first..first + 8).map(|step| StepParams { step, ..StepParams::default() }).collect::<Vec<_>>();
    let first = device.run(plan, &clocks(5)).and_then(|()| device.losses().map(drop));
    named(&first.expect_err("nothing is done within a nanosecond"), &["step 5", "steps 5"]);
    // What comes later may fail as well, and may not panic.
    for _ in 0..6 {
        let _ = device.run(plan, &clocks(20));
        let _ = device.losses();
    }
}

/// The adapter with limits that `lower` makes smaller.
fn small(lower: impl FnOnce(&mut wgpu::Limits)) -> Option<Gpu> {
    let mut limits = gpu::open()?.limits();
    lower(&mut limits);
    Some(gpu::open_with(GpuOptions { limits: Some(limits), inspect: true, ..GpuOptions::default() }).unwrap())
}

fn doubled(device: &mut Gpu, n: usize) {
    let (graph, x, y) = doubling(n);
    let plan = load(device, &graph, Options::default());
    let values: Vec<f32> = (0..n).map(|i| (i % 1000) as f32).collect();
    device.write(plan, x, &values).unwrap();
    device.run(plan, &[StepParams::default()]).unwrap();
    let got = device.read(plan, y).unwrap();
    assert!(got.iter().zip(&values).all(|(got, x)| *got == 2.0 * x));
    device.check_guards(plan).unwrap();
}

#[test]
fn dispatches_past_the_limit_of_one_dimension_are_folded() {
    let options = GpuOptions { inspect: true, tile: Some("register-8x8".into()), ..GpuOptions::default() };
    let Some(mut device) = gpu::open_with(options) else { return };
    let ops: [(Op, &[&[usize]]); 4] = [
        (Op::Softmax { log: false }, &[&[70_001, 3]]),
        (Op::Normalize { axis: Axis::Rows, epsilon: 0.1 }, &[&[70_001, 3]]),
        (Op::MatMul { ta: false, tb: false }, &[&[4_200_003, 1], &[1, 1]]),
        (Op::Resize { mode: Interpolation::Nearest, scale: 2 }, &[&[1, 1001, 1100, 5]]),
    ];
    for (op, shapes) in ops {
        let mut g = Graph::new();
        let mut noise = wgrad::internal::random::Draws::new(3);
        let inputs: Vec<(TensorId, Vec<f32>)> =
            shapes.iter().map(|s| (g.input("x", s).unwrap(), noise.values(s.iter().product()))).collect();
        let operands: Vec<TensorId> = inputs.iter().map(|i| i.0).collect();
        let y = g.push(op, &operands).unwrap();
        g.output(y);
        let want = &evaluate(&mut Cpu::<f32>::new(), &g, Options::default(), &inputs, &[y])[0];
        let got = &evaluate(&mut device, &g, Options::default(), &inputs, &[y])[0];
        let check = Tolerance::of(Family::Statistics, Precision::F32).check(got, want, &vec![1.0; want.len()]);
        check.unwrap_or_else(|why| panic!("{op:?}: {why}"));
    }
}

#[test]
fn the_smallest_usual_limits_suffice() {
    let Some(open) = gpu::open() else { return };
    let limits = wgpu::Limits::downlevel_defaults().or_worse_values_from(&open.limits());
    let needed = wgpu::Limits { max_storage_buffers_per_shader_stage: 8, ..limits };
    let index = open.info().index;
    let options = GpuOptions { limits: Some(needed), ..GpuOptions::default() };
    let make = wgrad::internal::verify::on_gpu(index, options);
    let only = ["add", "loss", "softmax", "update"].map(String::from).to_vec();
    let effort = wgrad::internal::verify::Effort { only, ..Default::default() };
    let rows = wgrad::internal::verify::run(&make, &[], &effort, &mut |_| {}).unwrap();
    let wrong: Vec<_> = rows.iter().filter(|row| !row.passed()).collect();
    assert!(wrong.is_empty(), "{wrong:?}");
}

#[test]
fn a_downlevel_device_learns_or_says_what_it_lacks() {
    let Some(open) = gpu::open() else { return };
    let limits = wgpu::Limits::downlevel_defaults().or_worse_values_from(&open.limits());
    for workload in [Workload::Tiny, Workload::Mlp(64), Workload::Fsrcnn] {
        let options = GpuOptions { limits: Some(limits.clone()), ..GpuOptions::default() };
        let mut device = Gpu::with_options(open.info().index, options).unwrap();
        let effort = Effort { repeats: 1, seconds: 0.0, warm_up: 0.0, steps_per_wait: 1 };
        match measure(&workload, &mut device, effort) {
            Ok(gpu) => {
                let cpu = measure(&workload, &mut Cpu::<f32>::new(), effort).unwrap();
                assert!((gpu.check - cpu.check).abs() <= 1e-4 * cpu.check.abs(), "{} {}", gpu.check, cpu.check);
            }
            Err(Error::Device { why, .. }) => assert!(why.contains("storage buffers"), "{why}"),
            Err(other) => panic!("{other}"),
        }
    }
}

#[test]
fn what_does_not_fit_is_refused_before_anything_is_made() {
    let Some(mut device) = small(|limits| limits.max_storage_buffer_binding_size = 1 << 20) else { return };
    let (before, plan) = (device.allocated(), Plan::new(&doubling(1 << 19).0, Options::default()).unwrap());
    let error = device.load(Arc::new(plan)).unwrap_err();
    assert!(matches!(error, Error::Device { .. }));
    for word in ["`picture`", "`doubling`", "2.0 MiB", "1.0 MiB", "lower the batch"] {
        assert!(error.to_string().contains(word), "{error}");
    }
    assert_eq!(device.allocated(), before);
    doubled(&mut device, 1 << 17);
}

fn checkpoint() -> Vec<u8> {
    let network =
        Network::Compact { scale: 2, channels: 1, features: 4, convolutions: 3, expand: 0, skip: Skip::Bilinear };
    let (graph, layout) = layout(&network, wgrad::internal::network::Mode::Infer).unwrap();
    let weights = Weights::from_state(&graph, &layout, &initial(&graph, &layout, 1));
    let interface = Interface::of(&network).unwrap();
    Checkpoint::new(network, weights, interface).encode(FloatFormat::F32).unwrap()
}

fn pictures() -> Vec<Vec<u8>> {
    let plane = |k: usize| Plane::from_fn(13, 9, |x, y| ((x * 31 + y * 57 + k * 71) % 256) as f32);
    let picture = Picture { alpha: Some(plane(3)), ..Picture::new((0..3).map(plane).collect()) };
    [Format::Png, Format::Jpeg, Format::WebP, Format::Tiff, Format::Bmp]
        .map(|f| picture.encode(f, 90).unwrap())
        .to_vec()
}

/// A header is checked for every order of a zero and extents whose product no number holds.
#[test]
fn a_tensor_without_values_is_refused_however_large_its_other_extents() {
    const HUGE: usize = 1 << 40;
    for shape in [[0, HUGE, HUGE], [HUGE, 0, HUGE], [HUGE, HUGE, 0]] {
        let bytes = checkpoint();
        let (length, rest) = bytes.split_at(8);
        let (header, values) = rest.split_at(u64::from_le_bytes(length.try_into().unwrap()) as usize);
        let mut header: serde_json::Value = serde_json::from_slice(header).unwrap();
        let extra = serde_json::json!({ "dtype": "F32", "shape": shape, "data_offsets": [values.len(), values.len()] });
        header["extra"] = extra;
        let header = serde_json::to_vec(&header).unwrap();
        let bytes = [&(header.len() as u64).to_le_bytes()[..], &header, values].concat();
        let error = Checkpoint::decode(&bytes, "huge.safetensors").unwrap_err().to_string();
        assert!(error.contains("huge.safetensors"), "{error}");
    }
}

/// Places as fractions of the length, and what is done there: bytes flipped, then the end cut off.
type Damage = (Vec<(f64, u8)>, Option<f64>);

fn damage() -> impl Strategy<Value = Damage> {
    (prop::collection::vec((0.0..1.0, 1u8..=255), 1..6), prop::option::of(0.0..1.0))
}

fn damaged(bytes: &[u8], (flips, cut): &Damage) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    let len = bytes.len() as f64;
    for (place, mask) in flips {
        // Half of the flips hit the first bytes, where sizes stand.
        let at = if mask % 2 == 0 { place * len } else { place * len.min(256.0) };
        bytes[at as usize] ^= mask;
    }
    if let Some(cut) = cut {
        bytes.truncate((cut * len) as usize);
    }
    bytes
}

proptest! {
    #![proptest_config(property::config(1500))]

    #[test]
    fn damaged_checkpoints_are_refused_or_read(damage in damage()) {
        let bytes = damaged(&checkpoint(), &damage);
        if let Err(error) = Checkpoint::decode(&bytes, "damaged.safetensors") {
            prop_assert!(error.to_string().contains("damaged.safetensors"), "{}", error);
        }
    }

    #[test]
    fn damaged_recipes_are_refused_or_read(
        edits in prop::collection::vec((0.0f64..1.0, 0usize..3, 0usize..12), 1..5)
    ) {
        const PIECES: [&str; 12] =
            ["=", "\"", "[", "]", "-1", "0", "1e999", "\n", "x", "9223372036854775807", "{", "[network]\nkind = \"mlp\"\n"];
        let mut text = Recipe::default().to_toml();
        for (place, what, piece) in edits {
            let at = (place * text.len() as f64) as usize;
            let at = (0..=at).rev().find(|&i| text.is_char_boundary(i)).unwrap();
            match what {
                0 => text.insert_str(at, PIECES[piece]),
                1 => text.truncate(at),
                _ => {
                    // A value is replaced.
                    let from = text[at..].find("= ").map_or(at, |i| at + i + 2);
                    let to = text[from..].find('\n').map_or(text.len(), |i| from + i);
                    text.replace_range(from..to, PIECES[piece]);
                }
            }
        }
        match Recipe::parse(&text, "damaged.toml", &[]) {
            Err(error) => prop_assert!(error.to_string().contains("damaged.toml"), "{}", error),
            // What is read can be written and read again.
            Ok(recipe) => prop_assert_eq!(Recipe::parse(&recipe.to_toml(), "again", &[]).unwrap(), recipe),
        }
    }

    #[test]
    fn damaged_pictures_are_refused_or_read(damage in damage()) {
        for bytes in pictures() {
            let _ = Picture::decode(&damaged(&bytes, &damage), "damaged");
        }
    }
}
