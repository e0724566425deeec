//! `wgrad upscale`: pictures in, larger pictures out.

mod compare;
mod dry_run;
mod estimate;
mod memory;
mod plan;
mod survey;
mod work;

use std::path::PathBuf;

use wgrad::image::{Compression, DEFAULT_QUALITY, DecodeOptions, Format};
use wgrad::upscale::{LARGEST, Size, UpscaleOptions, Upscaler};
use wgrad::{Error, Result};

use self::compare::Comparison;
use self::memory::Budget;
use self::survey::Survey;
use self::work::{Before, Pictures};
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
    /// Enlargement, 1 to 16, such as 1.5; by passes of the model and reduction where it has no such one; the model's when not given
    #[arg(long, short, value_parser = factor, value_name = "FACTOR")]
    scale: Option<f64>,
    /// Enlarge to so many pixels wide
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..), value_name = "PIXELS", conflicts_with = "scale")]
    width: Option<u32>,
    /// Enlarge to so many pixels high
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..), value_name = "PIXELS", conflicts_with_all = ["scale", "width"])]
    height: Option<u32>,
    /// Enlarge to what fits into a width and a height, such as 1920x1080
    #[arg(long, value_parser = fit, value_name = "WxH", conflicts_with_all = ["scale", "width", "height"])]
    fit: Option<(u32, u32)>,
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
    /// How much work goes into making a PNG small
    #[arg(long, value_enum, default_value_t)]
    compression: Compression,
    /// Memory that the whole program may take for a picture, MiB; one whose header says that it takes more is refused before it is
    /// decoded, a stream once so much of it is read
    #[arg(long, value_name = "MIB")]
    max_memory: Option<u64>,
    /// Make a page of the pictures before and after, with a slider between them, that needs no network
    #[arg(long, value_name = "FILE.html")]
    compare: Option<PathBuf>,
    /// Say what would be made, with its size, tiles, memory and an estimate of the time, and write nothing. Pictures are read, and
    /// a piece of one of each kind is enlarged to measure the time
    #[arg(long)]
    dry_run: bool,
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
    /// Take the first frame of an animation, or the first of several pages, instead of refusing it
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

fn factor(text: &str) -> std::result::Result<f64, String> {
    let factor: f64 = text.parse().map_err(|_| format!("a number from 1 to {LARGEST}"))?;
    if (1.0..=LARGEST).contains(&factor) { Ok(factor) } else { Err(format!("a number from 1 to {LARGEST}")) }
}

fn fit(text: &str) -> std::result::Result<(u32, u32), String> {
    let sides = text.split_once(['x', 'X']).and_then(|(w, h)| Some((w.parse().ok()?, h.parse().ok()?)));
    sides.filter(|&(w, h)| w > 0 && h > 0).ok_or_else(|| "a width and a height, such as 1920x1080".into())
}

impl Arguments {
    /// How large pictures are to become, if that was said.
    fn size(&self) -> Option<Size> {
        let width = self.width.map(|width| Size::Width(width as usize));
        let height = self.height.map(|height| Size::Height(height as usize));
        let fit = self.fit.map(|(width, height)| Size::Fit(width as usize, height as usize));
        self.scale.map(Size::Factor).or(width).or(height).or(fit)
    }

    /// What outputs' names end with; `scale` is the model's enlargement.
    fn label(&self, scale: usize) -> String {
        match self.size() {
            None => format!("x{scale}"),
            Some(Size::Factor(factor)) => format!("x{factor}"),
            Some(Size::Width(width)) => format!("w{width}"),
            Some(Size::Height(height)) => format!("h{height}"),
            Some(Size::Fit(width, height)) => format!("{width}x{height}"),
        }
    }

    /// The limit of the whole process, bytes.
    fn max_memory(&self) -> Option<u64> {
        self.max_memory.map(|mib| mib.saturating_mul(1 << 20))
    }
}

fn format(text: &str) -> std::result::Result<Format, String> {
    text.parse().map_err(|e: Error| e.to_string())
}

pub fn run(arguments: Arguments, common: &Common, console: &Console) -> Result<Outcome> {
    let (name, checkpoints) = model::family(arguments.model.as_deref(), arguments.size())?;
    let wgrad::network::Input::Picture { scale, .. } = checkpoints[0].network.input() else {
        return Err(Error::input(format!("{name}: does not enlarge pictures; `wgrad predict` uses it")));
    };
    let mut plan = plan::plan(&arguments, &arguments.label(scale))?;
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
    if let Some(page) = &arguments.compare {
        Comparison::check(page, &plan.jobs, arguments.overwrite)?;
    }
    match arguments.dry_run {
        true => plan::try_folders(&plan.jobs, arguments.compare.as_deref())?,
        false => plan::check_folders(&plan.jobs, &arguments)?,
    }
    // Before anything is begun, and once drivers have taken theirs.
    Budget::new(arguments.max_memory())?;
    threads()?;
    let device = console.device(common)?;
    let budget = Budget::new(arguments.max_memory())?;
    let tile = UpscaleOptions::default().max_memory;
    // The rest is for rows that wait, and the picture.
    let max_memory = tile.min(budget.all() / 8);
    let options = UpscaleOptions { tile: arguments.tile.0, max_memory, ensemble: arguments.ensemble };
    let upscaler = Upscaler::with_networks(&device, &checkpoints, &options)?;
    let settings = work::settings(&name, &upscaler);
    console.note(&settings);
    interrupt::listen("stopping; Ctrl-C again stops at once", console);
    let (max_pixels, first_frame) = (arguments.max_pixels, arguments.first_frame);
    let decode = DecodeOptions { max_pixels, first_frame, max_memory: budget.all(), ..DecodeOptions::default() };
    let comparison = arguments.compare.as_deref().map(|page| Comparison::new(page, plan.jobs.len(), settings));
    let beside = comparison.as_ref().map_or(0, Comparison::bytes);
    let survey = Survey { decode, size: arguments.size(), budget: &budget, beside };
    let (prospects, refused) = survey.all(&upscaler, plan.jobs);
    for (input, error) in &refused {
        work::failed(console, input, error);
    }
    let before = Before { refused: plan.refused.len() + refused.len(), skipped: plan.skipped };
    match arguments.dry_run {
        true => dry_run::list(&arguments, &survey, &prospects, before, upscaler, console),
        false => {
            let pictures = Pictures { arguments: &arguments, survey: &survey, comparison: comparison.as_ref() };
            pictures.work(&prospects, before, upscaler, console)
        }
    }
}

/// Starts the threads that arithmetic runs on.
///
/// # Errors
/// When the system gives none; later that would be a panic.
fn threads() -> Result<()> {
    let started = rayon::ThreadPoolBuilder::new().build_global();
    // Started before is as good.
    let none = |e: rayon::ThreadPoolBuildError| std::error::Error::source(&e).map(|e| e.to_string());
    match started.err().and_then(none) {
        Some(why) => Err(Error::execution("threads for arithmetic", why)),
        None => Ok(()),
    }
}
