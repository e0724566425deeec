//! `--dry-run`: what would be made of every input, and what that takes.

use std::time::Instant;

use crate::image::{EncodeOptions, Header};
use crate::upscale::{Plan, Upscaler};
use crate::{Error, Result};
use serde_json::json;

use super::estimate::Estimator;
use super::plan::Job;
use super::survey::{Prospect, Survey};
use super::work::{self, Before};
use super::{Arguments, memory};
use crate::cli::console::{Console, Mode};
use crate::cli::{Outcome, interrupt, output};

/// What is known of a picture that would be made.
struct Forecast {
    from: [usize; 2],
    plan: Plan,
    /// Tiles of colours and opacity.
    tiles: usize,
    /// Of the whole process.
    memory: u64,
    /// From reading to the written file.
    seconds: f64,
    warnings: Vec<String>,
}

/// Says what would be made, in the order given, and nothing is written.
///
/// # Errors
/// When standard output is closed, or the device fails.
pub fn list(
    arguments: &Arguments,
    survey: &Survey,
    prospects: &[Prospect],
    Before { refused, skipped }: Before,
    upscaler: Upscaler,
    console: &Console,
) -> Result<Outcome> {
    let encode = EncodeOptions { quality: arguments.quality, compression: arguments.compression };
    let tick = || if interrupt::STOP.requested() { Err(Error::Stopped) } else { Ok(()) };
    let mut estimator = Estimator::new(upscaler, encode, &tick);
    let mut rows = vec![COLUMNS.map(String::from).to_vec()];
    let (mut failures, mut memory, mut seconds) = (refused, 0, 0.0);
    for prospect in prospects {
        if interrupt::STOP.requested() {
            return Ok(Outcome::Interrupted);
        }
        match forecast(survey, prospect, &mut estimator) {
            Ok(forecast) => {
                memory = forecast.memory.max(memory);
                seconds += forecast.seconds;
                forecast.say(console, &prospect.job, &mut rows);
            }
            Err(Error::Stopped | Error::Interrupted { .. }) => return Ok(Outcome::Interrupted),
            Err(error) => {
                failures += 1;
                work::failed(console, &prospect.job.from.path(), &error);
            }
        }
    }
    let (planned, all) = (rows.len() - 1, prospects.len() + refused);
    if planned > 1 {
        rows.push(row(&format!("{planned} pictures"), ["", "", "", "", ""], memory, seconds));
    }
    if planned > 0 && console.mode() != Mode::Json {
        output::line(&output::table(&rows, WORDS))?;
    }
    let fields = json!({ "written": 0, "planned": planned, "failed": failures, "skipped": skipped,
                         "memory": memory, "seconds": seconds });
    console.event("done", fields);
    if failures > 0 {
        console.line(&format!("{failures} of {all} would fail"));
        return Ok(Outcome::Partly);
    }
    Ok(Outcome::Done)
}

fn forecast(survey: &Survey, Prospect { job, bytes }: &Prospect, estimator: &mut Estimator) -> Result<Forecast> {
    let mut share = survey.budget.take(*bytes);
    let begun = Instant::now();
    let bitmap = survey.read(job)?;
    let reading = begun.elapsed().as_secs_f64();
    let read = share.bytes();
    let plan = survey.admit(estimator.upscaler(), &bitmap, job, &mut share)?;
    // Where no header told, what the picture takes once it is decoded.
    let memory = memory::whole(if *bytes == u64::MAX { share.bytes() } else { read });
    let seconds = reading + estimator.seconds(&bitmap, &plan, job.format)?;
    let header = Header { width: plan.size[0], height: plan.size[1], ..bitmap.header() };
    let warnings = bitmap.warnings.iter().cloned().chain(header.losses(job.format, bitmap.alpha)).collect();
    let tiles = plan.tiles * if bitmap.alpha { 2 } else { 1 };
    Ok(Forecast { from: [bitmap.width, bitmap.height], plan, tiles, memory, seconds, warnings })
}

const COLUMNS: [&str; 8] = ["input", "size", "output", "size", "passes", "tiles", "memory", "time"];

/// Columns of words.
const WORDS: usize = 6;

fn row(input: &str, rest: [&str; 5], memory: u64, seconds: f64) -> Vec<String> {
    let (memory, seconds) = (format!("{} MiB", memory::mib(memory)), format!("{seconds:.1} s"));
    [input].into_iter().chain(rest).map(String::from).chain([memory, seconds]).collect()
}

impl Forecast {
    fn say(&self, console: &Console, job: &Job, rows: &mut Vec<Vec<String>>) {
        let (from, to) = (job.from.path().display().to_string(), job.to.path().display().to_string());
        let Plan { size: [width, height], passes, tile: [wide, high], .. } = &self.plan;
        let by: Vec<String> = passes.iter().map(|pass| format!("x{pass}")).collect();
        let [w, h] = self.from;
        let cells = [
            format!("{w}x{h}"),
            to.clone(),
            format!("{width}x{height}"),
            if by.is_empty() { "none".into() } else { by.join(" ") },
            format!("{} of {wide}x{high}", self.tiles),
        ];
        rows.push(row(&from, cells.each_ref().map(String::as_str), self.memory, self.seconds));
        for warning in &self.warnings {
            console.line(&format!("{from}: {warning}"));
        }
        let fields = json!({ "input": from, "from": [w, h], "output": to, "width": width, "height": height,
                             "passes": passes, "tiles": self.tiles, "tile": [wide, high], "memory": self.memory,
                             "seconds": self.seconds, "warnings": self.warnings });
        console.event("planned", fields);
    }
}
