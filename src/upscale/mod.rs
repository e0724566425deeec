//! A checkpoint and a picture in, a larger picture out: `image -> tiles -> network -> image`.
//!
//! ```text
//!            luma --> network passes --> reduction --.
//! picture    chroma ---------------- bicubic --------+--> rows --> file
//!            opacity --> network passes --> reduction'
//! ```
//!
//! Everything goes from top to bottom: a stage holds the rows that the next one still needs, a row of tiles at most, so
//! that beside the picture that comes in, and what takes the rows, memory does not grow with the picture's height.

mod engine;
mod ensemble;
mod finish;
mod size;
mod source;
mod stage;
mod window;

use std::sync::Arc;
use std::sync::mpsc::{SyncSender, sync_channel};

use engine::Engine;
pub use engine::Fallback;
pub use finish::Enlarged;
use finish::{Chroma, Message};
pub use size::{LARGEST, Size};
use source::{Part, Source};
use stage::{Enlarge, Feed, Resize, Stage, Work};
use window::Window;

use crate::checkpoint::Checkpoint;
use crate::device::Device;
use crate::image::alpha::CELL;
use crate::image::colour::Inverse;
use crate::image::resize::{LANES, Resizer, Rounding};
use crate::image::{Picture, Pixels, Plane, Rows};
use crate::network::{Input, Network};
use crate::predict::Open;
use crate::{Error, Result};

/// How pictures are enlarged.
#[derive(Clone, Debug)]
pub struct UpscaleOptions {
    /// Side of the tiles at most, input pixels; chosen under `max_memory` when not given.
    pub tile: Option<usize>,
    /// Bytes that the device may use for one tile.
    pub max_memory: u64,
    /// Averages the results of the eight flips and rotations of the input: better by some hundredths of a dB, eight
    /// times slower.
    pub ensemble: bool,
}

impl Default for UpscaleOptions {
    fn default() -> Self {
        UpscaleOptions { tile: None, max_memory: 256 << 20, ensemble: false }
    }
}

/// Enlarges pictures with one network, or networks of several enlargements, on one device.
pub struct Upscaler {
    engines: Vec<Engine>,
}

/// How a picture of some size is enlarged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// Width and height that come out.
    pub size: [usize; 2],
    /// Enlargement of each pass.
    pub passes: Vec<usize>,
    /// Width and height of the first pass's tiles.
    pub tile: [usize; 2],
    /// Tiles of all passes, opacity's not counted.
    pub tiles: usize,
    /// Input pixels that networks compute in all passes, those in overlaps as often as they are computed.
    pub pixels: u64,
    /// Bytes that the device needs for a tile, weights included.
    pub tile_bytes: u64,
    /// Bytes that the program holds of a tile, beside the device.
    pub host_bytes: u64,
    /// Bytes of rows that wait between stages, at most, opacity's included.
    pub row_bytes: u64,
    engines: Vec<usize>,
}

/// The side of an enlargement that runs the networks; the other is [`Enlarged`].
pub struct Enlargement<'a> {
    colour: Box<dyn Stage + 'a>,
    opacity: Option<Box<dyn Stage + 'a>>,
    sender: SyncSender<Message>,
}

/// An enlarged picture, and what was done because the device failed on it.
#[derive(Clone, Debug)]
pub struct Upscaled {
    /// The picture.
    pub picture: Picture,
    /// Empty when the device did all of it as planned.
    pub fallbacks: Vec<Fallback>,
}

impl Upscaler {
    /// Takes a super-resolution network.
    ///
    /// # Errors
    /// When the network does not enlarge pictures, the tile is too small for what the network sees, or the device fails.
    pub fn new(device: &Device, checkpoint: &Checkpoint, options: UpscaleOptions) -> Result<Self> {
        Self::with_networks(device, std::slice::from_ref(checkpoint), &options)
    }

    /// Takes networks of several enlargements, of which each picture is given the passes it needs.
    ///
    /// # Errors
    /// As [`Upscaler::new`]; also when they do not take equally many channels.
    pub fn with_networks(device: &Device, checkpoints: &[Checkpoint], options: &UpscaleOptions) -> Result<Self> {
        Self::opened((device, Device::executor), checkpoints, options)
    }

    fn opened(device: (&Device, Open), checkpoints: &[Checkpoint], options: &UpscaleOptions) -> Result<Self> {
        let mut engines: Vec<Engine> = Vec::new();
        for checkpoint in checkpoints {
            let Input::Picture { channels, scale, .. } = checkpoint.network.input() else {
                return Err(Error::input("this network does not enlarge pictures; `wgrad predict` uses it"));
            };
            if engines.first().is_some_and(|first| first.channels != channels) {
                return Err(Error::input("networks of one and of three channels do not go together"));
            }
            let (network, weights) = checkpoint.network.collapse(&checkpoint.weights)?;
            let checkpoint = Checkpoint { network, weights, ..checkpoint.clone() };
            engines.push(Engine::new(device, checkpoint, [channels, scale], options)?);
        }
        if engines.is_empty() {
            return Err(Error::input("no network to enlarge with"));
        }
        Ok(Upscaler { engines })
    }

    /// Enlargement of the network, the first of several.
    pub fn scale(&self) -> usize {
        self.engines[0].scale
    }

    /// The device in use.
    pub fn device(&self) -> String {
        self.engines[0].device()
    }

    /// The devices that the passes of a plan run on at this moment: more than one where one failed in a pass alone.
    pub fn devices(&self, plan: &Plan) -> Vec<String> {
        let mut devices: Vec<String> = plan.engines.iter().map(|&i| self.engines[i].device()).collect();
        devices.dedup();
        devices
    }

    /// Whether the device failed for good where nothing may stand in for it: whatever comes next fails too.
    pub fn has_failed(&self) -> bool {
        self.engines.iter().any(Engine::has_failed)
    }

    /// How a picture of `[width, height]` pixels would be enlarged to `size`; [`Upscaler::scale`] times when not given.
    ///
    /// # Errors
    /// When it is empty, or the size is none that pictures are enlarged to.
    pub fn plan(&self, from: [usize; 2], size: Option<Size>) -> Result<Plan> {
        let size = size.unwrap_or(Size::Factor(self.scale() as f64)).of(from)?;
        let factor = (size[0] as f64 / from[0] as f64).max(size[1] as f64 / from[1] as f64);
        // A size rounded up to a whole pixel is no reason for another pass.
        let scales: Vec<usize> = self.engines.iter().map(|engine| engine.scale).collect();
        let slack = 0.5 / from[0].min(from[1]) as f64;
        let engines = size::passes(&scales, if factor > 1.0 { (factor - slack).max(1.0 + 1e-6) } else { 1.0 })?;
        let mut plan = Plan {
            size,
            passes: Vec::new(),
            tile: from,
            tiles: 0,
            pixels: 0,
            tile_bytes: 0,
            host_bytes: 0,
            row_bytes: 0,
            engines: Vec::new(),
        };
        let planes = self.engines[0].channels as u64;
        // Rows that wait, as samples of one plane; rows that the last stage makes at a time.
        let (mut at, mut rows, mut made) = (from, 0, CELL);
        for (pass, &index) in engines.iter().enumerate() {
            let engine = &self.engines[index];
            let input = if engine.prepared { at.map(|side| side * engine.scale) } else { at };
            let grid = engine.grid(input)?;
            if pass == 0 {
                plan.tile = [grid.width, grid.height];
            }
            plan.tiles += grid.count();
            plan.pixels += (grid.count() * grid.width * grid.height) as u64;
            plan.tile_bytes = plan.tile_bytes.max(engine.bytes(&grid)?);
            // A tile's planes before and after, as the network takes and gives them, and turned.
            let turned = if engine.ensembles() { 3 } else { 2 };
            let outputs = if engine.prepared { 1 } else { engine.scale * engine.scale };
            let samples = turned * grid.width * grid.height * (1 + outputs);
            plan.host_bytes = plan.host_bytes.max(planes * 4 * samples as u64);
            at = at.map(|side| side * engine.scale);
            // Rows that a pass reads, in a window that grows by doubling, and what it makes of them.
            made = (grid.height * if engine.prepared { 1 } else { engine.scale }).min(at[1]);
            rows += 2 * input[0] * (grid.height + CELL) + at[0] * made;
            plan.passes.push(engine.scale);
        }
        if at != size {
            rows += 2 * at[0] * made;
            made = 8 * LANES;
        }
        // Rows that are taken, in a window, and those of chroma.
        rows += 2 * size[0] * made;
        let chroma = 4 * from[0] * CELL;
        plan.row_bytes = 4 * (planes * rows as u64 + chroma as u64);
        plan.engines = engines;
        Ok(plan)
    }

    /// Takes other weights of the same network: a training run validates with one upscaler.
    ///
    /// # Errors
    /// When they do not fit.
    pub fn set_weights(&mut self, network: &Network, weights: &crate::network::Weights) -> Result<()> {
        self.engines[0].set_weights(network, weights)
    }

    /// Enlarges a picture; `progress` hears of tiles done and tiles in all.
    ///
    /// Networks of one channel enlarge luma, and chroma by bicubic interpolation. Grey stays grey; colour is bled under
    /// transparency, and alpha takes the same way as luma. Samples are not rounded; metadata stays.
    ///
    /// # Errors
    /// When the device fails on the smallest tile and the CPU cannot take over, or a result is not finite.
    pub fn upscale(&mut self, picture: &Picture, progress: &mut dyn FnMut(usize, usize)) -> Result<Upscaled> {
        self.upscale_to(picture, None, progress)
    }

    /// [`Upscaler::upscale`] to a size: by the passes that reach it, and antialiased reduction to it.
    ///
    /// # Errors
    /// As [`Upscaler::upscale`]; also when the size is none that pictures are enlarged to.
    pub fn upscale_to(
        &mut self,
        picture: &Picture,
        size: Option<Size>,
        progress: &mut dyn FnMut(usize, usize),
    ) -> Result<Upscaled> {
        let plan = self.plan([picture.width(), picture.height()], size)?;
        let (work, mut rows) = self.begin(picture, &plan)?;
        let [width, height] = plan.size;
        let channels = picture.planes.len() + usize::from(picture.alpha.is_some());
        let collect = || -> Result<Vec<Plane>> {
            let mut planes = vec![Plane::filled(width, height, 0.0); channels];
            let mut band = vec![0.0f32; 64 * width * channels];
            let mut y = 0;
            while y < height {
                let count = rows.next(&mut band, width * channels, &|planes, out| {
                    out.chunks_exact_mut(width).zip(planes).for_each(|(out, row)| out.copy_from_slice(row));
                })?;
                for (i, row) in band[..count * width * channels].chunks_exact(width).enumerate() {
                    planes[i % channels].data[(y + i / channels) * width..][..width].copy_from_slice(row);
                }
                y += count;
            }
            Ok(planes)
        };
        let (fallbacks, planes) = std::thread::scope(|scope| {
            let planes = scope.spawn(collect);
            let fallbacks = self.run(work, &mut |done, all| {
                progress(done, all);
                Ok(())
            });
            (fallbacks, planes.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
        });
        let mut planes = planes?;
        let alpha = picture.alpha.as_ref().and_then(|_| planes.pop());
        Ok(Upscaled { picture: picture.with_pixels(planes, alpha), fallbacks })
    }

    /// Begins to enlarge a picture as planned for its size. Of the two sides, [`Upscaler::run`] drives the first and
    /// whoever wants the picture takes rows of the second, on another thread: the first waits for it.
    ///
    /// # Errors
    /// When the plan is of another size.
    pub fn begin<'a, P: Pixels + 'a>(&self, picture: P, plan: &Plan) -> Result<(Enlargement<'a>, Enlarged<P>)> {
        let from = [picture.width(), picture.height()];
        let (to, channels) = (plan.size, self.engines[0].channels);
        let source = Arc::new(Source::new(picture));
        let (colours, alpha) = (source.picture.colours(), source.picture.has_alpha());
        let colour = self.stages(&source, if channels == 1 { Part::Luma } else { Part::Colour }, plan)?;
        let opacity = alpha.then(|| self.stages(&source, Part::Opacity(channels), plan)).transpose()?;
        let chroma = (colours == 3 && channels == 1).then(|| {
            let scale = [0, 1].map(|i| to[i] as f64 / from[i] as f64);
            let resizer = Resizer::new(from, to, scale, Rounding::None);
            Chroma { resizer, window: Window::new(from[0], 2), inverse: Inverse::new() }
        });
        // Of no capacity: one band is made while one is used, and no more take memory.
        let (sender, receiver) = sync_channel(0);
        let rows = Enlarged {
            receiver,
            colour: Window::new(to[0], colour.planes()),
            opacity: opacity.as_ref().map(|stage| Window::new(to[0], stage.planes())),
            chroma,
            size: to,
            y: 0,
            source,
        };
        Ok((Enlargement { colour, opacity, sender }, rows))
    }

    fn stages<'a, P: Pixels + 'a>(
        &self,
        source: &Arc<Source<P>>,
        part: Part,
        plan: &Plan,
    ) -> Result<Box<dyn Stage + 'a>> {
        let mut stage: Box<dyn Stage + 'a> = Box::new(Feed { source: source.clone(), part, y: 0 });
        for &index in &plan.engines {
            let engine = &self.engines[index];
            let scale = if engine.prepared {
                let to = stage.size().map(|side| side * engine.scale);
                stage = Box::new(Resize::new(stage, to, Rounding::Eight));
                1
            } else {
                engine.scale
            };
            let grid = engine.grid(stage.size())?;
            stage = Box::new(Enlarge::new(stage, index, scale, grid));
        }
        if stage.size() != plan.size {
            stage = Box::new(Resize::new(stage, plan.size, Rounding::None));
        }
        Ok(stage)
    }

    /// Runs the networks; `progress` hears of tiles done and tiles in all, and ends the work by an error. Returns what was
    /// done because the device failed. Whatever ends the work, the side that takes the rows has the error.
    pub fn run(&mut self, work: Enlargement, progress: &mut dyn FnMut(usize, usize) -> Result<()>) -> Vec<Fallback> {
        let Enlargement { mut colour, mut opacity, sender } = work;
        let [width, height] = colour.size();
        let (mut done, all) = (0, colour.tiles() + opacity.as_ref().map_or(0, |stage| stage.tiles()));
        let mut tile = || {
            done += 1;
            progress(done, all)
        };
        let mut work = Work { engines: &mut self.engines, tile: &mut tile };
        let mut made = [0, if opacity.is_some() { 0 } else { height }];
        while made.iter().any(|&rows| rows < height) {
            // The one that is behind.
            let behind = usize::from(made[1] < made[0]);
            let stage = if behind == 0 { &mut colour } else { opacity.as_mut().expect("it is behind") };
            let message = match stage.next(&mut work) {
                Ok(rows) => {
                    made[behind] += rows[0].len() / width;
                    if behind == 0 { Message::Colour(rows) } else { Message::Opacity(rows) }
                }
                Err(error) => {
                    let _ = sender.send(Message::Failed(error));
                    break;
                }
            };
            if sender.send(message).is_err() {
                // Nobody takes the rows any more, and knows why.
                break;
            }
        }
        self.engines.iter_mut().flat_map(|engine| std::mem::take(&mut engine.fallbacks)).collect()
    }
}

#[cfg(test)]
mod tests;
