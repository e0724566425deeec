//! The same seed on the same device gives the same bits: training runs, resumed runs, pictures enlarged in tiles.

use crate::support::gpu;
use std::path::Path;

use wgrad::internal::checkpoint::Checkpoint;
use wgrad::internal::device::{Device, Tiles};
use wgrad::internal::gpu::adapters;
use wgrad::internal::image::{Picture, Plane};
use wgrad::internal::interface::Interface;
use wgrad::internal::network::{Network, Skip, State, Weights, initial};
use wgrad::internal::train::{CancelToken, DataSpec, Recipe, Silent, ValidateSpec, layout, run};
use wgrad::internal::upscale::{UpscaleOptions, Upscaler};

/// The CPU, and the GPU that tests run on.
fn devices() -> Vec<Device> {
    let opened = gpu::open().map(|gpu| gpu.info().index);
    let gpu = opened
        .and_then(|index| adapters().into_iter().find(|a| a.index == index))
        .map(|adapter| Device::from(adapter).with_tiles(Tiles::Default));
    [Some(Device::Cpu), gpu].into_iter().flatten().collect()
}

fn compact(expand: usize) -> Network {
    Network::Compact { scale: 2, channels: 1, features: 4, convolutions: 3, expand, skip: Skip::Bilinear }
}

fn recipe(steps: u64) -> Recipe {
    Recipe {
        steps,
        batch: 2,
        network: compact(0),
        data: DataSpec::Procedural { pictures: 4, size: 48, patch: 8 },
        validate: ValidateSpec { every: 4, pictures: 1, ..ValidateSpec::default() },
        ..Recipe::default()
    }
}

fn train(recipe: &Recipe, device: &Device, folder: &Path, resume: bool) {
    run(recipe, device, folder, resume, &CancelToken::new(), &mut Silent).unwrap();
}

fn bytes(folder: &Path) -> Vec<u8> {
    std::fs::read(folder.join("checkpoint.safetensors")).unwrap()
}

#[test]
fn two_runs_and_a_resumed_one_end_in_the_same_bytes() {
    for device in devices() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        // The schedule depends on the steps in all: the first part stops by asking for it.
        train(&recipe(8), &device, &at("a"), false);
        train(&recipe(8), &device, &at("b"), false);
        assert!(bytes(&at("a")) == bytes(&at("b")), "{}: two runs differ", device.describe());
        struct After(u64, CancelToken);
        let stop = After(4, CancelToken::new());
        struct Listener<'a>(&'a After);
        impl wgrad::internal::train::Report for Listener<'_> {
            fn note(&mut self, _: &str) {}
            fn progress(&mut self, progress: &wgrad::internal::train::Progress) {
                if progress.step >= self.0.0 {
                    self.0.1.request();
                }
            }
            fn validated(&mut self, _: &wgrad::internal::train::Validation) {}
        }
        let summary = run(&recipe(8), &device, &at("c"), false, &stop.1, &mut Listener(&stop)).unwrap();
        assert!(summary.stopped && summary.step < 8, "{summary:?}");
        train(&recipe(8), &device, &at("c"), true);
        assert!(bytes(&at("a")) == bytes(&at("c")), "{}: a resumed run differs", device.describe());
        let mut other = recipe(8);
        other.seed += 1;
        train(&other, &device, &at("d"), false);
        assert!(bytes(&at("a")) != bytes(&at("d")), "the seed decides nothing");
    }
}

fn networks() -> Vec<Network> {
    let (scale, channels) = (2, 1);
    vec![
        compact(0),
        Network::Compact { scale: 3, channels: 3, features: 8, convolutions: 3, expand: 6, skip: Skip::Nearest },
        Network::Residual {
            scale,
            channels: 3,
            features: 6,
            blocks: 2,
            activation: wgrad::graph::Activation::Relu,
            skip: Skip::Bilinear,
        },
        Network::Espcn { scale: 3, channels, features: [8, 5] },
        Network::Fsrcnn { scale, channels, features: 9, shrink: 4, maps: 2 },
        Network::Srcnn { scale, channels, features: [8, 5] },
    ]
}

fn checkpoint(network: &Network) -> Checkpoint {
    let (graph, layout) = layout(network, wgrad::internal::network::Mode::Infer).unwrap();
    let mut state: State = initial(&graph, &layout, 3);
    // Layers that start at zero would hide what is before them.
    for (i, value) in state.parameters.iter_mut().enumerate().filter(|(_, v)| **v == 0.0) {
        *value = 0.01 * ((i * 37 % 19) as f32 - 9.0);
    }
    let weights = Weights::from_state(&graph, &layout, &state);
    Checkpoint::new(network.clone(), weights, Interface::of(network).unwrap())
}

#[test]
fn tiles_equal_the_whole_bit_for_bit() {
    let plane = |k: usize| Plane::from_fn(61, 53, |x, y| ((x * 31 + y * 57 + x * y * 3 + k * 71) % 256) as f32);
    let picture = Picture::new((0..3).map(plane).collect());
    for device in devices() {
        for network in networks() {
            let checkpoint = checkpoint(&network);
            let enlarge = |tile: usize| {
                let options = UpscaleOptions { tile: Some(tile), ..UpscaleOptions::default() };
                let mut upscaler = Upscaler::new(&device, &checkpoint, options).unwrap();
                let result = upscaler.upscale(&picture, &mut |_, _| {}).unwrap();
                assert!(result.fallbacks.is_empty(), "a tile failed");
                result.picture
            };
            // Larger than the picture, which srcnn enlarges first.
            let whole = enlarge(160);
            let tiled = enlarge(40);
            assert!(whole.planes == tiled.planes, "{network:?} on {}: tiles show", device.describe());
            let flat = |p: &Plane| p.data.iter().all(|v| *v == p.data[0]);
            assert!(!whole.planes.iter().any(flat), "{network:?}: nothing to compare");
        }
    }
}
