//! One network on a device: where a tile is run, and what happens when the device fails on it.

use super::ensemble;
use super::window::Window;
use crate::checkpoint::Checkpoint;
use crate::device::{Device, Failure};
use crate::image::Plane;
use crate::image::tiles::{Grid, Rect, Tile};
use crate::interface::{InputSpec, Interface, OutputSpec};
use crate::predict::{Open, Predictor};
use crate::{Error, Result};

/// What was done because a device failed on a tile. The picture is the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fallback {
    /// Tiles became smaller.
    Halved {
        /// Width and height of the tile that failed.
        from: [usize; 2],
        /// What the device said.
        error: String,
    },
    /// The device was opened again, or another took over.
    Device(Failure),
}

/// Pixels of a tile, at most: larger ones do not fit the caches, and are no faster.
const AREA: usize = 320 << 10;

/// One network with its weights on one device.
pub(super) struct Engine {
    checkpoint: Checkpoint,
    predictor: Predictor,
    ensemble: bool,
    /// Enlargement of the network.
    pub scale: usize,
    /// It takes pictures that were enlarged before.
    pub prepared: bool,
    /// Samples as the network takes and gives them.
    ends: [crate::interface::Pixels; 2],
    /// Planes that go in and come out.
    pub channels: usize,
    /// Side of the tiles as asked for.
    side: Option<usize>,
    /// Pixels of a tile, at most.
    area: usize,
    /// Whether the last tile failed.
    failed: bool,
    /// What happened since it was last asked.
    pub fallbacks: Vec<Fallback>,
}

impl Engine {
    /// `checkpoint` is collapsed.
    pub fn new(
        (device, open): (&Device, Open),
        checkpoint: Checkpoint,
        [channels, scale]: [usize; 2],
        options: &super::UpscaleOptions,
    ) -> Result<Engine> {
        checkpoint.interface.check(&checkpoint.network)?;
        let Interface { input: InputSpec::Picture { pixels, enlarged }, output: OutputSpec::Picture { pixels: out } } =
            &checkpoint.interface
        else {
            unreachable!("checked: a network of pictures has pictures at both ends")
        };
        let (ends, prepared) = ([pixels.clone(), out.clone()], *enlarged);
        let network = &checkpoint.network;
        let predictor = Predictor::opened_by(open, device, network, &checkpoint.weights)?;
        let least = 2 * network.radius() + 1;
        if let Some(tile) = options.tile.filter(|&tile| tile < least) {
            return Err(Error::input(format!("--tile {tile}: this network needs tiles of at least {least}")));
        }
        let pixel = Predictor::bytes(network, 1, [256, 256])?.div_ceil(256 * 256);
        let most = usize::try_from(options.max_memory / pixel.max(1)).unwrap_or(usize::MAX).clamp(least * least, AREA);
        // A side that was asked for stands, until the device fails.
        let area = if options.tile.is_some() { usize::MAX } else { most };
        let (side, ensemble) = (options.tile, options.ensemble);
        Ok(Engine {
            checkpoint,
            predictor,
            ensemble,
            scale,
            prepared,
            ends,
            channels,
            side,
            area,
            failed: false,
            fallbacks: Vec::new(),
        })
    }

    pub fn device(&self) -> String {
        self.predictor.device()
    }

    pub fn has_failed(&self) -> bool {
        self.predictor.has_failed()
    }

    pub fn set_weights(&mut self, network: &crate::network::Network, weights: &crate::network::Weights) -> Result<()> {
        self.predictor.set_weights(network, weights)?;
        let (network, weights) = network.collapse(weights)?;
        (self.checkpoint.network, self.checkpoint.weights) = (network, weights);
        Ok(())
    }

    /// Whether tiles are turned and averaged.
    pub fn ensembles(&self) -> bool {
        self.ensemble
    }

    fn radius(&self) -> usize {
        self.checkpoint.network.radius()
    }

    /// How planes of a size are cut.
    pub fn grid(&self, [width, height]: [usize; 2]) -> Result<Grid> {
        match self.side {
            Some(side) => Grid::within(width, height, side, self.radius()),
            None => Grid::of_area(width, height, self.area, self.radius()),
        }
    }

    /// Bytes that the device needs for tiles of a grid, weights included.
    pub fn bytes(&self, grid: &Grid) -> Result<u64> {
        Predictor::bytes(&self.checkpoint.network, 1, [grid.height, grid.width])
    }

    /// Runs a tile and puts what is kept of it into `out`: planes of rows of `width` samples, the first of which belongs
    /// to row `first` of the input.
    ///
    /// Where the tile is too much for the device it is run as two halves on a fresh one; when that fails at once, or the tile cannot be
    /// halved, and the device was not chosen by hand, the CPU does this tile and all that follow. A device that is lost or
    /// computes wrong numbers is replaced by [`Predictor::attempt`].
    pub fn enlarge(
        &mut self,
        window: &Window,
        tile: &Tile,
        out: &mut [Vec<f32>],
        width: usize,
        first: usize,
    ) -> Result<()> {
        let pixels = tile.source.width * tile.source.height;
        if pixels > self.area
            && let Some(halves) = tile.halves(self.radius())
        {
            return halves.iter().try_for_each(|half| self.enlarge(window, half, out, width, first));
        }
        let result = self.run(window, tile);
        self.fallbacks.extend(self.predictor.take_failures().into_iter().map(Fallback::Device));
        let error = match result {
            Ok(planes) => {
                self.failed = false;
                let scale = if self.prepared { 1 } else { self.scale };
                keep(&planes, tile, scale, out, width, first);
                return Ok(());
            }
            Err(error @ (Error::Execution { .. } | Error::Device { .. })) => error,
            Err(error) => return Err(error),
        };
        if self.predictor.has_failed() {
            return Err(error);
        }
        let device = self.predictor.on_device().cloned().unwrap_or(Device::Cpu);
        // A device may have been full once; one that fails twice in succession will hardly do, and each wait may be long.
        let again = std::mem::replace(&mut self.failed, true) && device != Device::Cpu;
        if let Some(halves) = tile.halves(self.radius()).filter(|_| !again) {
            let Rect { width: wide, height: high, .. } = tile.source;
            self.fallbacks.push(Fallback::Halved { from: [wide, high], error: error.to_string() });
            self.area = pixels / 2 + 1;
            // What the device still holds is given back.
            if self.predictor.reopen(device.clone()).is_ok() {
                return halves.iter().try_for_each(|half| self.enlarge(window, half, out, width, first));
            }
        }
        if device.is_alone() {
            return Err(error);
        }
        self.fallbacks.push(Fallback::Device(Failure::over(&device, &error, &Device::Cpu)));
        self.predictor.reopen(Device::Cpu)?;
        self.enlarge(window, tile, out, width, first)
    }

    /// One tile through the network, whole.
    fn run(&mut self, window: &Window, tile: &Tile) -> Result<Vec<Plane>> {
        let Rect { x, y, width, height } = tile.source;
        let plane = |plane: usize| {
            let rows = (y..y + height).flat_map(|row| window.part(plane, row, x..x + width));
            Plane::new(width, height, rows.copied().collect())
        };
        let planes: Vec<Plane> = (0..window.planes()).map(plane).collect();
        if self.ensemble { ensemble::average(&planes, |turned| self.predict(turned)) } else { self.predict(&planes) }
    }

    fn predict(&mut self, planes: &[Plane]) -> Result<Vec<Plane>> {
        let (width, height) = (planes[0].width, planes[0].height);
        let [into, from] = &self.ends;
        let mut values = vec![0.0; width * height * planes.len()];
        for (c, plane) in planes.iter().enumerate() {
            values[c..].iter_mut().step_by(planes.len()).zip(&plane.data).for_each(|(v, &p)| *v = into.encode(p, c));
        }
        let result = self.predictor.attempt(1, [height, width], &values)?;
        if !result.iter().all(|v| v.is_finite()) {
            return Err(Error::NonFinite("a tile: the network's result is not finite".into()));
        }
        let scale = if self.prepared { 1 } else { self.scale };
        let plane = |c: usize| {
            let data = result[c..].iter().step_by(planes.len()).map(|&v| from.decode(v, c)).collect();
            Plane::new(width * scale, height * scale, data)
        };
        Ok((0..planes.len()).map(plane).collect())
    }
}

fn keep(planes: &[Plane], tile: &Tile, scale: usize, out: &mut [Vec<f32>], width: usize, first: usize) {
    let (from, to) = (tile.keep_in_source().scaled(scale), tile.keep.scaled(scale));
    for (plane, out) in planes.iter().zip(out) {
        for row in 0..to.height {
            let target = &mut out[(to.y - first * scale + row) * width + to.x..][..to.width];
            target.copy_from_slice(&plane.row(from.y + row)[from.x..][..to.width]);
        }
    }
}
