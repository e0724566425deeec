//! `wgrad eval`: how good networks are.

mod pictures;
mod published;
mod rows;
mod show;

use std::path::PathBuf;

use clap::ValueEnum;
use wgrad::image::protocol::{Baseline, Factor};
use wgrad::{Error, Result};

use super::console::Console;
use super::{Common, Outcome, interrupt, output, table};

#[derive(clap::Args)]
pub struct Arguments {
    /// A classifier or another network of rows, to be scored on --data
    #[arg(conflicts_with = "hr", requires = "data")]
    checkpoint: Option<PathBuf>,
    /// Folders of high-resolution pictures: each is shrunk, enlarged and compared
    #[arg(long, num_args = 1.., requires = "scale")]
    hr: Vec<PathBuf>,
    /// Enlargement above 1 up to 4, such as 2 or 1.5: 2, 3 or 4 with a model of that enlargement, others with the next larger one
    /// and reduction
    #[arg(long, short, value_name = "FACTOR", value_parser = factor)]
    scale: Option<Factor>,
    /// Models to score, by name or file
    #[arg(long, short, value_name = "NAME|FILE")]
    model: Vec<PathBuf>,
    /// What stands first for comparison
    #[arg(long, value_enum, default_value_t = Reference::Bicubic)]
    baseline: Reference,
    /// Add figures from the literature, marked as such
    #[arg(long)]
    published: bool,
    /// A row per picture
    #[arg(long)]
    per_image: bool,
    /// Average over eight flips and rotations
    #[arg(long)]
    ensemble: bool,
    /// Write the enlarged pictures to this folder, over those of an earlier eval
    #[arg(long, value_name = "DIR")]
    save: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    json: bool,
    /// Print CSV
    #[arg(long, conflicts_with = "json")]
    csv: bool,
    /// A folder of MNIST's four files, a folder with one of pictures per class, or a table with a target column
    #[arg(long, requires = "checkpoint", value_name = "FOLDER|CSV")]
    data: Option<PathBuf>,
    #[command(flatten)]
    table: table::Arguments,
}

/// Bicubic enlargement as a baseline.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Reference {
    /// Of luma in floating point: what published tables have
    Bicubic,
    /// Of the 8-bit picture: what a program does that reads and writes files
    BicubicRgb,
    /// None
    None,
}

impl Reference {
    fn baseline(self) -> Option<(&'static str, Baseline)> {
        match self {
            Reference::Bicubic => Some(("bicubic", Baseline::Luma)),
            Reference::BicubicRgb => Some(("bicubic-rgb", Baseline::Rgb)),
            Reference::None => None,
        }
    }
}

fn factor(text: &str) -> std::result::Result<Factor, String> {
    text.parse().map_err(|e: Error| e.to_string())
}

pub fn run(arguments: Arguments, common: &Common, console: &Console) -> Result<Outcome> {
    if let (Some(checkpoint), Some(data)) = (&arguments.checkpoint, &arguments.data) {
        let device = console.device(common)?;
        let scored = rows::score(checkpoint, data, &arguments.table, &device)?;
        match (arguments.json, arguments.csv) {
            (true, _) => output::json(&scored.json())?,
            (_, true) => output::line(&scored.csv())?,
            _ => output::line(&scored.text())?,
        }
        scored.failed.iter().for_each(|why| console.error(why));
        return Ok(if scored.failed.is_empty() { Outcome::Done } else { Outcome::Partly });
    }
    if arguments.hr.is_empty() {
        let both = "`eval --hr FOLDER -s 2` scores enlargement, `eval CHECKPOINT --data FOLDER|CSV` classes and values";
        return Err(Error::input(format!("nothing to score: {both}")));
    }
    let scale = arguments.scale.ok_or_else(|| Error::input("-s: the enlargement, such as 2"))?;
    let job = pictures::Job::new(&arguments, scale)?;
    let device = console.device(common)?;
    interrupt::listen("stopping after this picture; Ctrl-C again stops at once", console);
    let results = job.run(&device, console);
    console.clear();
    let Some((mut results, failed)) = results? else { return Ok(Outcome::Interrupted) };
    if arguments.published {
        results.extend(published::rows(scale, &arguments.hr));
    }
    match (arguments.json, arguments.csv) {
        (true, _) => output::json(&show::json(&results, scale))?,
        (_, true) => output::bytes(&show::csv(&results, scale)?)?,
        _ => output::line(&show::text(&results, scale, arguments.per_image))?,
    }
    if arguments.published {
        console.note(published::SOURCE);
    }
    if failed > 0 {
        console.line(&format!("{failed} pictures could not be scored and are not in the means"));
        return Ok(Outcome::Partly);
    }
    Ok(Outcome::Done)
}
