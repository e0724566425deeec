//! A checkpoint and a picture in, a larger picture out: `image -> tiles -> network -> image`.

mod ensemble;

use crate::device::Device;
use crate::graph::{Options, Plan};
use crate::image::tiles::{Rect, Tile, tiles};
use crate::image::{Picture, Plane, alpha, colour, resize};
use crate::interface::{InputSpec, Interface, OutputSpec, Pixels};
use crate::network::{Input, Mode, Network};
use crate::predict::Predictor;
use crate::train::Checkpoint;
use crate::{Error, Result};

/// How pictures are enlarged.
#[derive(Clone, Debug)]
pub struct UpscaleOptions {
    /// Side of a tile, input pixels; chosen under `max_memory` when not given.
    pub tile: Option<usize>,
    /// Bytes that the device may use for one tile.
    pub max_memory: u64,
    /// Averages the results of the eight flips and rotations of the input: better by some hundredths of a dB, eight
    /// times slower.
    pub ensemble: bool,
}

impl Default for UpscaleOptions {
    fn default() -> Self {
        UpscaleOptions { tile: None, max_memory: 1 << 30, ensemble: false }
    }
}

/// Enlarges pictures with one network on one device.
pub struct Upscaler {
    device: Device,
    checkpoint: Checkpoint,
    predictor: Predictor,
    options: UpscaleOptions,
    channels: usize,
    scale: usize,
    ends: Ends,
    tile: usize,
}

/// How pictures become numbers and numbers pictures.
struct Ends {
    input: Pixels,
    /// The input is enlarged by bicubic interpolation beforehand.
    enlarged: bool,
    output: Pixels,
}

/// Sides that `auto` tries, largest first.
const SIDES: [usize; 6] = [512, 384, 256, 192, 128, 64];

/// The smallest side that a failing tile is halved to.
const SMALLEST: usize = 32;

impl Upscaler {
    /// Takes a super-resolution network.
    ///
    /// # Errors
    /// When the network does not enlarge pictures, the tile is too small for what the network sees, or the device fails.
    pub fn new(device: &Device, checkpoint: &Checkpoint, options: UpscaleOptions) -> Result<Self> {
        let (Input::Picture { channels, scale, .. }, Interface { input, output }) =
            (checkpoint.network.input(), &checkpoint.interface)
        else {
            return Err(Error::input("this network does not enlarge pictures; `wgrad predict` uses it"));
        };
        checkpoint.interface.check(&checkpoint.network)?;
        let (InputSpec::Picture { pixels, enlarged }, OutputSpec::Picture { pixels: out }) = (input, output) else {
            unreachable!("checked: a network of pictures has pictures at both ends")
        };
        let ends = Ends { input: pixels.clone(), enlarged: *enlarged, output: out.clone() };
        let (network, weights) = checkpoint.network.collapse(&checkpoint.weights)?;
        let predictor = Predictor::new(device.executor()?, &network, &weights)?;
        let least = 2 * network.radius() + 1;
        let tile = match options.tile {
            Some(tile) if tile < least => {
                return Err(Error::input(format!("--tile {tile}: this network needs tiles of at least {least}")));
            }
            Some(tile) => tile,
            None => largest_tile(&network, options.max_memory, least)?,
        };
        let checkpoint = Checkpoint { network, weights, ..checkpoint.clone() };
        Ok(Upscaler { device: device.clone(), checkpoint, predictor, options, channels, scale, ends, tile })
    }

    /// Enlargement of the network.
    pub fn scale(&self) -> usize {
        self.scale
    }

    /// Side of the tiles, input pixels.
    pub fn tile(&self) -> usize {
        self.tile
    }

    /// The device in use.
    pub fn device(&self) -> String {
        self.predictor.device()
    }

    /// Bytes the device needs for a tile, weights included.
    ///
    /// # Errors
    /// Never for a network that was accepted.
    pub fn bytes(&self) -> Result<u64> {
        Predictor::bytes(&self.checkpoint.network, 1, [self.tile, self.tile])
    }

    /// Takes other weights of the same network: a training run validates with one upscaler.
    ///
    /// # Errors
    /// When they do not fit.
    pub fn set_weights(&mut self, network: &Network, weights: &crate::network::Weights) -> Result<()> {
        self.predictor.set_weights(network, weights)
    }

    /// Enlarges a picture; `progress` hears of tiles done and tiles in all.
    ///
    /// Networks of one channel enlarge luma, and chroma by bicubic interpolation. Grey stays grey; colour is bled under
    /// transparency, and alpha takes the same way as luma. Samples are not rounded; metadata stays.
    ///
    /// # Errors
    /// When the device fails on the smallest tile, or a result is not finite.
    pub fn upscale(&mut self, picture: &Picture, progress: &mut dyn FnMut(usize, usize)) -> Result<Picture> {
        let bled;
        let source = match &picture.alpha {
            Some(_) => {
                bled = alpha::bleed(picture);
                &bled
            }
            None => picture,
        };
        let passes = match (&picture.alpha, picture.is_grey(), self.channels) {
            (None, ..) => 1,
            (Some(_), ..) => 2,
        };
        let mut pass = 0;
        let mut report = |done: usize, all: usize| progress(pass * all + done, passes * all);
        let planes = match (source.is_grey(), self.channels) {
            (true, 1) => self.planes(&source.planes, &mut report)?,
            (true, _) => vec![mean(&self.planes(&vec![source.planes[0].clone(); 3], &mut report)?)],
            (false, 1) => {
                let mut ycc = colour::to_ycbcr(source);
                let chroma: Vec<Plane> = ycc.drain(1..).collect();
                let mut planes = self.planes(&ycc, &mut report)?;
                planes.extend(chroma.iter().map(|p| resize::upscale(p, self.scale, resize::Rounding::None)));
                colour::to_rgb(&planes)
            }
            (false, _) => self.planes(&source.planes, &mut report)?,
        };
        pass = 1;
        let mut report = |done: usize, all: usize| progress(pass * all + done, passes * all);
        let opacity = match &source.alpha {
            None => None,
            Some(plane) if self.channels == 1 => self.planes(std::slice::from_ref(plane), &mut report)?.pop(),
            Some(plane) => Some(mean(&self.planes(&vec![plane.clone(); 3], &mut report)?)),
        };
        let bound = |mut plane: Plane| {
            plane.data.iter_mut().for_each(|v| *v = v.clamp(0.0, 255.0));
            plane
        };
        Ok(picture.with_pixels(planes.into_iter().map(bound).collect(), opacity.map(bound)))
    }

    /// Enlarges as many planes as the network has channels.
    fn planes(&mut self, planes: &[Plane], progress: &mut dyn FnMut(usize, usize)) -> Result<Vec<Plane>> {
        if !self.options.ensemble {
            return self.tiled(planes, progress);
        }
        ensemble::average(planes, |turned, turn| {
            self.tiled(turned, &mut |done, all| progress(turn * all + done, ensemble::TURNS * all))
        })
    }

    /// Enlarges planes tile by tile; a tile that fails is tried again at half its side, and on the CPU in the end.
    fn tiled(&mut self, planes: &[Plane], progress: &mut dyn FnMut(usize, usize)) -> Result<Vec<Plane>> {
        let prepared: Vec<Plane>;
        let (input, scale) = if self.ends.enlarged {
            prepared = planes.iter().map(|p| resize::upscale(p, self.scale, resize::Rounding::Eight)).collect();
            (&prepared[..], 1)
        } else {
            (planes, self.scale)
        };
        loop {
            let error = match self.run_tiles(input, scale, progress) {
                Err(error @ (Error::Execution { .. } | Error::Device { .. })) => error,
                done => return done,
            };
            let half = self.tile / 2;
            let next = if half >= SMALLEST.max(2 * self.checkpoint.network.radius() + 1) {
                self.tile = half;
                self.device.clone()
            } else if !matches!(self.device, Device::Cpu) {
                Device::Cpu
            } else {
                return Err(error);
            };
            // A device that failed may be lost: a fresh one costs little beside the work.
            self.predictor = match next.executor() {
                Ok(executor) => Predictor::new(executor, &self.checkpoint.network, &self.checkpoint.weights)?,
                Err(_) => Predictor::new(Device::Cpu.executor()?, &self.checkpoint.network, &self.checkpoint.weights)?,
            };
            self.device = next;
        }
    }

    fn run_tiles(
        &mut self,
        planes: &[Plane],
        scale: usize,
        progress: &mut dyn FnMut(usize, usize),
    ) -> Result<Vec<Plane>> {
        let (width, height) = (planes[0].width, planes[0].height);
        let tiles = tiles(width, height, self.tile, self.checkpoint.network.radius())?;
        let mut out = vec![Plane::filled(width * scale, height * scale, 0.0); planes.len()];
        for (i, tile) in tiles.iter().enumerate() {
            let Rect { width, height, .. } = tile.source;
            let result = self.predictor.run(1, [height, width], &gather(planes, tile, &self.ends.input))?;
            if !result.iter().all(|v| v.is_finite()) {
                return Err(Error::NonFinite(format!("tile {i}: the network's result is not finite")));
            }
            scatter(&result, tile, scale, &self.ends.output, &mut out);
            progress(i + 1, tiles.len());
        }
        Ok(out)
    }
}

/// The largest side whose plan stays under `memory`.
fn largest_tile(network: &Network, memory: u64, least: usize) -> Result<usize> {
    for side in SIDES.into_iter().filter(|&side| side >= least) {
        let (graph, ..) = network.graph(1, [side, side], Mode::Infer)?;
        if Plan::new(&graph, Options::default())?.bytes() <= memory {
            return Ok(side);
        }
    }
    Ok(SIDES[SIDES.len() - 1].max(least))
}

/// The tile's pixels as the network takes them, channels interleaved.
fn gather(planes: &[Plane], tile: &Tile, ends: &Pixels) -> Vec<f32> {
    let Rect { x, y, width, height } = tile.source;
    let pixels = (y..y + height).flat_map(|row| (x..x + width).map(move |column| (row, column)));
    pixels
        .flat_map(|(row, column)| planes.iter().enumerate().map(move |(c, p)| ends.encode(p.at(column, row), c)))
        .collect()
}

/// Puts the kept part of a result where it belongs.
fn scatter(result: &[f32], tile: &Tile, scale: usize, ends: &Pixels, out: &mut [Plane]) {
    let (from, to) = (tile.keep_in_source().scaled(scale), tile.keep.scaled(scale));
    let (stride, channels) = (tile.source.width * scale, out.len());
    for (c, plane) in out.iter_mut().enumerate() {
        for row in 0..to.height {
            let source = &result[((from.y + row) * stride + from.x) * channels..];
            let target = &mut plane.data[(to.y + row) * plane.width + to.x..][..to.width];
            for (value, pixel) in target.iter_mut().zip(source.chunks(channels)) {
                *value = ends.decode(pixel[c], c);
            }
        }
    }
}

fn mean(planes: &[Plane]) -> Plane {
    let value = |x, y| planes.iter().map(|p| p.at(x, y)).sum::<f32>() / planes.len() as f32;
    Plane::from_fn(planes[0].width, planes[0].height, value)
}
