//! How long a picture will take, from how long a piece of one took.

use std::io::Cursor;
use std::time::{Duration, Instant};

use crate::image::{self, Bitmap, EncodeOptions, Format, Header, Metadata};
use crate::upscale::{Plan, Size, Upscaler};
use crate::{Error, Result};

/// A piece that takes so long tells enough.
const ENOUGH: Duration = Duration::from_millis(300);

/// Sides of the pieces that are tried. The first is run twice: a device's first run makes its pipelines.
const SIDES: [usize; 5] = [128, 128, 256, 512, 1024];

/// What every picture takes beside its pixels: a file is opened, another made and renamed.
const FILE: f64 = 2e-3;

/// What pictures have in common that take equally long per pixel.
#[derive(PartialEq)]
struct Kind {
    passes: Vec<usize>,
    channels: usize,
    deep: bool,
    format: Format,
}

/// Measures pieces, one of each kind of picture.
pub struct Estimator<'a> {
    upscaler: Upscaler,
    encode: EncodeOptions,
    /// Seconds per unit of [`work`].
    measured: Vec<(Kind, f64)>,
    /// Called after each tile; an error ends the work.
    tick: &'a dyn Fn() -> Result<()>,
}

/// What time is proportional to: pixels that networks compute; without any, pixels that are made.
fn work(plan: &Plan) -> f64 {
    if plan.pixels > 0 { plan.pixels as f64 } else { (plan.size[0] * plan.size[1]) as f64 }
}

impl<'a> Estimator<'a> {
    pub fn new(upscaler: Upscaler, encode: EncodeOptions, tick: &'a dyn Fn() -> Result<()>) -> Self {
        Estimator { upscaler, encode, measured: Vec::new(), tick }
    }

    pub fn upscaler(&self) -> &Upscaler {
        &self.upscaler
    }

    /// Seconds that it takes to enlarge and encode a picture as planned.
    ///
    /// # Errors
    /// When the device fails, or the piece cannot be encoded.
    pub fn seconds(&mut self, bitmap: &Bitmap, plan: &Plan, format: Format) -> Result<f64> {
        let deep = bitmap.depth() == image::Depth::Sixteen;
        let kind = Kind { passes: plan.passes.clone(), channels: bitmap.channels(), deep, format };
        let per_unit = match self.measured.iter().find(|(known, _)| *known == kind) {
            Some((_, seconds)) => *seconds,
            None => {
                let seconds = self.measure(bitmap, plan, format)?;
                self.measured.push((kind, seconds));
                seconds
            }
        };
        Ok(FILE + per_unit * work(plan))
    }

    fn measure(&mut self, bitmap: &Bitmap, whole: &Plan, format: Format) -> Result<f64> {
        let factor = [0, 1].map(|i| whole.size[i] as f64 / [bitmap.width, bitmap.height][i] as f64);
        let size = Some(Size::Factor(factor[0].min(factor[1]).max(1.0)));
        let mut per_unit = f64::INFINITY;
        for (at, side) in SIDES.into_iter().enumerate() {
            let piece = bitmap.middle(side, side);
            let plan = self.upscaler.plan([piece.width, piece.height], size)?;
            let is_all = [piece.width, piece.height] == [bitmap.width, bitmap.height];
            let begun = Instant::now();
            self.run(piece, &plan, format)?;
            let took = begun.elapsed();
            if at > 0 {
                // What else the machine does makes a piece slower, never faster.
                per_unit = per_unit.min(took.as_secs_f64() / work(&plan));
            }
            if at > 0 && (took > ENOUGH || is_all) {
                break;
            }
        }
        Ok(per_unit)
    }

    /// Enlarges and encodes a picture, and drops the result.
    fn run(&mut self, bitmap: Bitmap, plan: &Plan, format: Format) -> Result<()> {
        let (work, mut rows) = self.upscaler.begin(bitmap, plan)?;
        let ([width, height], encode) = (plan.size, self.encode);
        std::thread::scope(|scope| {
            let encoded = move || {
                let source = rows.picture();
                let (colours, alpha, depth) = (source.colours, source.alpha, source.depth());
                let metadata = Metadata::default();
                let header = Header { width, height, colours, alpha, depth, metadata: &metadata };
                image::encode(&header, format, &encode, &mut rows, Cursor::new(Vec::new()), "a piece".as_ref())
            };
            let none = |error| Error::execution("encoding beside the networks", format!("no thread: {error}"));
            let encoded = std::thread::Builder::new().spawn_scoped(scope, encoded).map_err(none)?;
            self.upscaler.run(work, &mut |_, _| (self.tick)());
            encoded.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)).map(drop)
        })
    }
}
