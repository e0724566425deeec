//! Tiled, untiled and streamed: the same samples bit for bit, whatever the picture holds.

use crate::support::gpu;
use std::io::Cursor;
use std::path::Path;

use wgrad::graph::{Options, Plan};
use wgrad::internal::checkpoint::Checkpoint;
use wgrad::internal::device::{Device, Tiles};
use wgrad::internal::image::{
    Bitmap, DecodeOptions, Depth, EncodeOptions, Format, Header, Metadata, Picture, Plane, encode,
};
use wgrad::internal::interface::Interface;
use wgrad::internal::models;
use wgrad::internal::network::{Mode, Network, Skip, State, Weights, initial};
use wgrad::internal::upscale::{Size, UpscaleOptions, Upscaler};

/// The CPU, and the GPU that tests run on.
fn devices() -> Vec<Device> {
    let opened = gpu::open().map(|gpu| gpu.info().index);
    let gpu = opened
        .and_then(|index| wgrad::internal::gpu::adapters().into_iter().find(|a| a.index == index))
        .map(|adapter| Device::from(adapter).with_tiles(Tiles::Default));
    [Some(Device::Cpu), gpu].into_iter().flatten().collect()
}

/// A network of red, green and blue with weights of all sizes.
fn colour_network() -> Checkpoint {
    let network =
        Network::Compact { scale: 2, channels: 3, features: 8, convolutions: 3, expand: 0, skip: Skip::Nearest };
    let (graph, ..) = network.graph(1, [16, 16], Mode::Infer).unwrap();
    let layout = Plan::new(&graph, Options::default()).unwrap().layout().clone();
    let mut state: State = initial(&graph, &layout, 3);
    for (i, value) in state.parameters.iter_mut().enumerate().filter(|(_, v)| **v == 0.0) {
        *value = 0.01 * ((i * 37 % 19) as f32 - 9.0);
    }
    let interface = Interface::of(&network).unwrap();
    Checkpoint::new(network, Weights::from_state(&graph, &layout, &state), interface)
}

/// Colours of every kind, and transparency with holes that are larger than what networks see.
fn picture([width, height]: [usize; 2], colours: usize, alpha: bool, depth: Depth) -> Picture {
    let step = if depth == Depth::Sixteen { 91.0 / 257.0 } else { 0.0 };
    let value = |x: usize, y: usize, k: usize| ((x * 31 + y * 57 + x * y * 3 + k * 71) % 255) as f32 + step;
    let plane = |k: usize| Plane::from_fn(width, height, |x, y| value(x, y, k));
    let opacity = |x: usize, y: usize| if x < 40 && y % 97 > 5 { 0.0 } else { value(x, y, 9) };
    let alpha = alpha.then(|| Plane::from_fn(width, height, opacity));
    Picture { alpha, depth, ..Picture::new((0..colours).map(plane).collect()) }
}

fn header<'a>(picture: &Bitmap, metadata: &'a Metadata, width: usize, height: usize) -> Header<'a> {
    let Bitmap { colours, alpha, .. } = *picture;
    Header { width, height, colours, alpha, depth: picture.depth(), metadata }
}

/// The file that is written while the picture is enlarged.
fn streamed(upscaler: &mut Upscaler, bitmap: Bitmap, size: Option<Size>, format: Format) -> Vec<u8> {
    let plan = upscaler.plan([bitmap.width, bitmap.height], size).unwrap();
    let [width, height] = plan.size;
    let (work, mut rows) = upscaler.begin(bitmap, &plan).unwrap();
    let writer = std::thread::spawn(move || {
        let mut bytes = Vec::new();
        let metadata = Metadata::default();
        let header = header(rows.picture(), &metadata, width, height);
        encode(&header, format, &EncodeOptions::default(), &mut rows, Cursor::new(&mut bytes), Path::new("a")).unwrap();
        bytes
    });
    let mut all = 0;
    let fallbacks = upscaler.run(work, &mut |done, of| {
        all = of - done;
        Ok(())
    });
    assert!(fallbacks.is_empty() && all == 0);
    writer.join().unwrap()
}

fn compare(device: &Device, networks: &[Checkpoint], pictures: &[Picture], ensemble: bool, size: Option<Size>) {
    for picture in pictures {
        let mut files = Vec::new();
        for tile in [Some(400), Some(64), None] {
            let options = UpscaleOptions { tile, ensemble, ..UpscaleOptions::default() };
            let mut upscaler = Upscaler::with_networks(device, networks, &options).unwrap();
            let bytes = picture.encode(Format::Png, 90).unwrap();
            let bitmap = Bitmap::decode_with(&bytes, "a", &DecodeOptions::default()).unwrap();
            if size.is_none() {
                let whole = upscaler.upscale(picture, &mut |_, _| {}).unwrap().picture;
                files.push(whole.encode(Format::Tiff, 90).unwrap());
            }
            files.push(streamed(&mut upscaler, bitmap, size, Format::Tiff));
        }
        let what = (picture.planes.len(), picture.alpha.is_some(), picture.depth);
        assert!(files.windows(2).all(|pair| pair[0] == pair[1]), "{what:?} on {}", device.describe());
        let large = Picture::decode(&files[0], "a").unwrap();
        assert!(!large.planes.iter().any(|p| p.data.iter().all(|v| *v == p.data[0])), "{what:?}: nothing to compare");
    }
}

/// The first model on pictures of every kind, the others on one with everything in it: what a picture holds and which
/// network enlarges it have nothing to do with each other.
fn every_model(device: &Device, fits: impl Fn(&str) -> bool) {
    let kinds = [(3, true, Depth::Eight), (1, false, Depth::Eight), (3, false, Depth::Sixteen)];
    for (nth, name) in models::names().iter().filter(|name| fits(name)).enumerate() {
        let size = if name.starts_with("tiny") { [150, 210] } else { [90, 103] };
        // Software adapters are slow: one picture, just larger than a tile.
        let size = if *device == Device::Cpu { size } else { [75, 68] };
        let kinds = &kinds[..if nth == 0 && *device == Device::Cpu { kinds.len() } else { 1 }];
        let pictures: Vec<Picture> = kinds.iter().map(|&(c, alpha, depth)| picture(size, c, alpha, depth)).collect();
        compare(device, &[models::find(Some(name), None).unwrap()], &pictures, false, None);
    }
}

#[test]
fn every_model_on_the_processor() {
    every_model(&Device::Cpu, |_| true);
}

#[test]
fn a_model_of_each_kind_on_the_gpu() {
    devices().iter().filter(|device| **device != Device::Cpu).for_each(|gpu| {
        every_model(gpu, |name| ["tiny-x2", "photo-x2"].contains(&name));
    });
}

#[test]
#[ignore = "minutes on a software adapter; .ci/full runs it"]
fn every_model_on_the_gpu() {
    devices().iter().filter(|device| **device != Device::Cpu).for_each(|gpu| every_model(gpu, |_| true));
}

#[test]
fn ensembles_of_colour_networks_and_sizes_between() {
    let tiny = |scale| models::find(Some("tiny"), Some(scale)).unwrap();
    let both = [picture([90, 131], 3, true, Depth::Eight), picture([131, 90], 1, true, Depth::Sixteen)];
    compare(&Device::Cpu, &[tiny(2)], &both, true, None);
    for size in [Size::Factor(1.0), Size::Factor(1.5), Size::Factor(5.0), Size::Width(300), Size::Fit(500, 300)] {
        compare(&Device::Cpu, &[tiny(2), tiny(3), tiny(4)], &both, false, Some(size));
    }
    for ensemble in [false, true] {
        compare(&Device::Cpu, &[colour_network()], &both, ensemble, None);
    }
}

#[test]
fn every_format_is_the_same_streamed() {
    let checkpoint = models::find(Some("tiny"), Some(2)).unwrap();
    let mut upscaler = Upscaler::new(&Device::Cpu, &checkpoint, UpscaleOptions::default()).unwrap();
    for format in [Format::Png, Format::Jpeg, Format::Tiff, Format::WebP, Format::Bmp] {
        for (colours, alpha, depth) in [(1, false, Depth::Eight), (1, true, Depth::Sixteen), (3, true, Depth::Eight)] {
            let picture = picture([77, 91], colours, alpha, depth);
            let bytes = picture.encode(Format::Png, 90).unwrap();
            let bitmap = Bitmap::decode_with(&bytes, "a", &DecodeOptions::default()).unwrap();
            let whole = upscaler.upscale(&picture, &mut |_, _| {}).unwrap().picture.encode(format, 95).unwrap();
            assert!(streamed(&mut upscaler, bitmap, None, format) == whole, "{format:?} {colours} {alpha} {depth:?}");
        }
    }
}

#[test]
fn an_interrupt_ends_both_sides() {
    let checkpoint = models::find(Some("tiny"), Some(2)).unwrap();
    let options = UpscaleOptions { tile: Some(40), ..UpscaleOptions::default() };
    let mut upscaler = Upscaler::new(&Device::Cpu, &checkpoint, options).unwrap();
    let picture = picture([200, 300], 3, false, Depth::Eight);
    let plan = upscaler.plan([200, 300], None).unwrap();
    let (work, mut rows) = upscaler.begin(picture, &plan).unwrap();
    let writer = std::thread::spawn(move || {
        let black = Picture::new(vec![Plane::filled(400, 600, 0.0); 3]);
        let header = black.header();
        let out = Cursor::new(Vec::new());
        encode(&header, Format::Png, &EncodeOptions::default(), &mut rows, out, Path::new("a")).map(|_| ())
    });
    upscaler.run(work, &mut |done, _| if done > 20 { Err(wgrad::Error::Stopped) } else { Ok(()) });
    assert!(matches!(writer.join().unwrap(), Err(wgrad::Error::Stopped)));
}
