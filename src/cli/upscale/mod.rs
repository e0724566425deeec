//! `wgrad upscale`: pictures in, larger pictures out.

mod plan;
mod work;

use std::path::PathBuf;

use wgrad::image::{DEFAULT_QUALITY, DecodeOptions, Format};
use wgrad::upscale::{UpscaleOptions, Upscaler};
use wgrad::{Error, Result};

use super::console::Console;
use super::{Common, Outcome, interrupt, model};

#[derive(clap::Args)]
pub struct Arguments {
    /// Pictures and folders of pictures; - reads standard input
    #[arg(required = true)]
    input: Vec<PathBuf>,
    /// A file for one picture, else a folder; - writes standard output; beside each input, as NAME_x2.png, when not given
    #[arg(long, short)]
    out: Option<PathBuf>,
    /// Enlargement: 2, 3 or 4; the model's when not given
    #[arg(long, short, value_parser = clap::value_parser!(u8).range(2..=4))]
    scale: Option<u8>,
    /// A model that comes with the program, by name, or the file of another
    #[arg(long, short, value_name = "NAME|FILE")]
    model: Option<PathBuf>,
    /// Take the folders within folders too, and keep their tree
    #[arg(long, short)]
    recursive: bool,
    /// Side of the tiles, input pixels, or auto; the picture comes out the same
    #[arg(long, default_value = "auto", value_parser = tile)]
    tile: Tile,
    /// png, jpg, webp, tiff or bmp; that of the output's name, else of the input, when not given
    #[arg(long, value_parser = format)]
    format: Option<Format>,
    /// JPEG quality
    #[arg(long, default_value_t = DEFAULT_QUALITY, value_parser = clap::value_parser!(u8).range(1..=100))]
    quality: u8,
    /// Memory that the device may use for one tile, MiB
    #[arg(long, default_value_t = 1024, value_name = "MIB")]
    max_memory: u64,
    /// Average over eight flips and rotations: slightly better, eight times slower
    #[arg(long)]
    ensemble: bool,
    /// Replace files that exist
    #[arg(long, conflicts_with = "skip_existing")]
    overwrite: bool,
    /// Leave out pictures whose output exists
    #[arg(long)]
    skip_existing: bool,
    /// Refuse pictures with more pixels
    #[arg(long, default_value_t = DecodeOptions::default().max_pixels, value_name = "PIXELS")]
    max_pixels: u64,
    /// Take the first frame of an animation instead of refusing it
    #[arg(long)]
    first_frame: bool,
}

/// Side of the tiles; none: as large as memory allows.
#[derive(Clone, Copy)]
struct Tile(Option<usize>);

fn tile(text: &str) -> std::result::Result<Tile, String> {
    match text {
        "auto" => Ok(Tile(None)),
        text => text.parse().map(|side| Tile(Some(side))).map_err(|_| "a number of pixels, or auto".into()),
    }
}

fn format(text: &str) -> std::result::Result<Format, String> {
    text.parse().map_err(|e: Error| e.to_string())
}

pub fn run(arguments: Arguments, common: &Common, console: &Console) -> Result<Outcome> {
    let scale = arguments.scale.map(usize::from);
    let (name, checkpoint) = model::open(arguments.model.as_deref(), scale)?;
    let wgrad::network::Input::Picture { scale, .. } = checkpoint.network.input() else {
        return Err(Error::input(format!("{name}: does not enlarge pictures; `wgrad predict` uses it")));
    };
    let mut plan = plan::plan(&arguments, scale)?;
    if plan.jobs.is_empty() && plan.skipped == 0 && plan.refused.len() == 1 {
        return Err(plan.refused.remove(0).1);
    }
    for (input, error) in &plan.refused {
        work::failed(console, input, error);
    }
    if plan.jobs.is_empty() && !plan.refused.is_empty() && plan.skipped == 0 {
        let of = plan.refused.len();
        return Err(Error::input(format!("nothing could begin: {of} of {of} inputs were refused")));
    }
    if plan.below > 0 {
        console.note(&format!("{} pictures in folders below are not taken; -r takes them", plan.below));
    }
    if plan.skipped > 0 {
        console.note(&format!("{} left out, whose output exists", plan.skipped));
    }
    if plan.jobs.is_empty() {
        return Ok(if plan.refused.is_empty() { Outcome::Done } else { Outcome::Partly });
    }
    plan::check_folders(&plan.jobs, arguments.out.as_deref())?;
    let device = console.device(common)?;
    let max_memory = arguments.max_memory.saturating_mul(1 << 20);
    let options = UpscaleOptions { tile: arguments.tile.0, max_memory, ensemble: arguments.ensemble };
    let upscaler = Upscaler::new(&device, &checkpoint, options)?;
    console.note(&work::settings(&name, &upscaler)?);
    interrupt::listen("stopping; Ctrl-C again stops at once", console);
    work::work(&arguments, &plan, upscaler, console)
}
