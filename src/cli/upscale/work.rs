//! The pictures one after the other: the next is decoded while one is enlarged.

use std::path::Path;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use serde_json::json;
use wgrad::image::{DecodeOptions, Picture, SaveOptions};
use wgrad::upscale::Upscaler;
use wgrad::{Error, Result};

use super::Arguments;
use super::plan::{Job, Place, Plan};
use crate::cli::console::{Console, Mode};
use crate::cli::{Outcome, interrupt, output};

/// Time between two reports of progress within one picture.
const REPORT: Duration = Duration::from_millis(500);

const BAR: &str = "{bar:30} {percent}%  {elapsed}  {msg}";

/// Model, tiles and predicted memory, in one line.
///
/// # Errors
/// Never for a network that was accepted.
pub fn settings(name: &str, upscaler: &Upscaler) -> Result<String> {
    let (scale, tile, device) = (upscaler.scale(), upscaler.tile(), upscaler.device());
    let mib = upscaler.bytes()? as f64 / f64::from(1 << 20);
    Ok(format!("{name}: x{scale} on {device}, tiles of at most {tile}x{tile}, {mib:.1} MiB each as predicted"))
}

/// Says that an input failed.
pub fn failed(console: &Console, input: &Path, error: &Error) {
    let (name, text) = (input.display().to_string(), error.to_string());
    let text = if text.contains(&name) { text } else { format!("{name}: {text}") };
    match console.mode() {
        Mode::Json => console.event("failed", json!({ "input": name, "text": text })),
        _ => console.error(&text),
    }
}

/// Enlarges every picture of a plan; one that fails does not stop the others.
///
/// # Errors
/// When standard output is closed.
pub fn work(arguments: &Arguments, plan: &Plan, mut upscaler: Upscaler, console: &Console) -> Result<Outcome> {
    let decode = DecodeOptions {
        max_pixels: arguments.max_pixels,
        first_frame: arguments.first_frame,
        ..DecodeOptions::default()
    };
    let (mut written, mut failures) = (0, plan.refused.len());
    // Of no capacity: one picture is ready while one is enlarged, and no more take memory.
    let (sender, receiver) = mpsc::sync_channel(0);
    let jobs = &plan.jobs;
    std::thread::scope(|scope| {
        scope.spawn(move || {
            for job in jobs {
                if sender.send(read(job, &decode)).is_err() {
                    return;
                }
            }
        });
        // Dropped at the end of this scope's body, which lets the reader go.
        let receiver = receiver;
        for (at, job) in jobs.iter().enumerate() {
            if interrupt::STOP.requested() {
                break;
            }
            let picture = receiver.recv().expect("the reader sends a picture per job");
            let done = picture.and_then(|picture| {
                let one = One { arguments, console, job, at, count: jobs.len() };
                one.enlarge(&picture, &mut upscaler)
            });
            match done {
                Ok(()) => written += 1,
                Err(Error::Io { path, source }) if path.as_os_str() == output::NAME => {
                    return Err(Error::Io { path, source });
                }
                Err(Error::Interrupted { .. }) => break,
                Err(error) => {
                    failures += 1;
                    failed(console, &job.from.path(), &error);
                }
            }
        }
        console.clear();
        Ok(())
    })?;
    let skipped = plan.skipped;
    console.event("done", json!({ "written": written, "failed": failures, "skipped": skipped }));
    let all = jobs.len() + plan.refused.len();
    if interrupt::STOP.requested() && written + failures < all {
        console.line(&format!("interrupted: {written} written, {failures} failed"));
        return Ok(Outcome::Interrupted);
    }
    if failures > 0 {
        console.line(&format!("{failures} of {all} failed; {written} written"));
        return Ok(Outcome::Partly);
    }
    Ok(Outcome::Done)
}

fn read(job: &Job, options: &DecodeOptions) -> Result<Picture> {
    match &job.from {
        Place::File(path) => Picture::open_with(path, options),
        Place::Stream => Picture::read_with(std::io::stdin().lock(), "standard input", options),
    }
}

/// One picture at work.
struct One<'a> {
    arguments: &'a Arguments,
    console: &'a Console,
    job: &'a Job,
    at: usize,
    count: usize,
}

impl One<'_> {
    fn enlarge(&self, picture: &Picture, upscaler: &mut Upscaler) -> Result<()> {
        let (console, begun) = (self.console, Instant::now());
        let (tile, device, scale) = (upscaler.tile(), upscaler.device(), upscaler.scale());
        let fits = self.job.format.check_size(picture.width() * scale, picture.height() * scale);
        fits.map_err(|e| Error::input(format!("{}: enlarged {scale} times: {e}", self.job.from.path().display())))?;
        let mut reported = begun;
        let large = upscaler.upscale(picture, &mut |done, all| {
            if interrupt::STOP.requested() {
                // No file is open here, and a large picture may take minutes to its end.
                console.clear();
                std::process::exit(interrupt::CODE.into());
            }
            self.progress(done, all, &mut reported);
        })?;
        if (tile, &device) != (upscaler.tile(), &upscaler.device()) {
            let (tile, device) = (upscaler.tile(), upscaler.device());
            console.note(&format!("the device failed on a tile: goes on with tiles of {tile} on {device}"));
        }
        let losses = self.save(&large)?;
        let seconds = begun.elapsed().as_secs_f64();
        self.report(picture, &large, &losses, seconds);
        Ok(())
    }

    fn save(&self, large: &Picture) -> Result<Vec<String>> {
        let (format, quality) = (self.job.format, self.arguments.quality);
        match &self.job.to {
            Place::File(path) => {
                large.save(path, &SaveOptions { format: Some(format), quality, overwrite: self.arguments.overwrite })
            }
            Place::Stream => {
                output::bytes(&large.encode(format, quality)?)?;
                Ok(large.losses(format))
            }
        }
    }

    fn progress(&self, done: usize, all: usize, reported: &mut Instant) {
        let (at, count, name) = (self.at + 1, self.count, self.job.from.path());
        let name = name.file_name().unwrap_or(name.as_os_str()).to_string_lossy().into_owned();
        let (total, position) = ((count * 1000) as u64, (self.at * 1000 + done * 1000 / all.max(1)) as u64);
        self.console.bar(position, total, BAR, format!("picture {at}/{count}  tile {done}/{all}  {name}"));
        if reported.elapsed() >= REPORT {
            *reported = Instant::now();
            let input = self.job.from.path().display().to_string();
            self.console.event("tile", json!({ "input": input, "done": done, "all": all }));
        }
    }

    fn report(&self, picture: &Picture, large: &Picture, losses: &[String], seconds: f64) {
        let (from, to) = (self.job.from.path(), self.job.to.path());
        let (from, to) = (from.display(), to.display());
        let size = |p: &Picture| format!("{}x{}", p.width(), p.height());
        let warnings: Vec<&String> = picture.warnings.iter().chain(losses).collect();
        self.console.line(&format!("{from} {} -> {to} {}  {seconds:.1} s", size(picture), size(large)));
        for warning in &warnings {
            self.console.line(&format!("  {from}: {warning}"));
        }
        let fields = json!({ "input": from.to_string(), "output": to.to_string(), "width": large.width(),
                             "height": large.height(), "seconds": seconds, "warnings": warnings });
        self.console.event("file", fields);
    }
}
