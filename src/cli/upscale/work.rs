//! The pictures one after the other: one is decoded while another is enlarged and a third is written.

use std::io::{BufWriter, Seek};
use std::path::Path;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use crate::image::{self, Bitmap, EncodeOptions, Header, Rows, SaveOptions};
use crate::upscale::{Enlarged, Fallback, Upscaler};
use crate::{Error, Result};
use serde_json::json;

use super::Arguments;
use super::compare::{Comparison, Figure, Part, Watched};
use super::memory::Share;
use super::plan::{Job, Place};
use super::survey::{Prospect, Survey};
use crate::cli::console::{Console, Mode};
use crate::cli::{Outcome, interrupt, output};

/// Time between two reports of progress within one picture.
const REPORT: Duration = Duration::from_millis(500);

const BAR: &str = "{bar:30} {percent}%  {elapsed}  {msg}";

/// Model and device, in one line.
pub fn settings(name: &str, upscaler: &Upscaler) -> String {
    format!("{name}: x{} on {}", upscaler.scale(), upscaler.device())
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

/// A picture on its way from the networks to its file.
struct Written<'a> {
    at: usize,
    job: &'a Job,
    rows: Enlarged<Bitmap>,
    begun: Instant,
    share: Share<'a>,
    /// The part of it that a page shows.
    part: Option<Part>,
}

/// What became of a picture.
struct Done<'a> {
    at: usize,
    job: &'a Job,
    result: Result<Report>,
}

/// What is said of a picture that was written.
struct Report {
    from: [usize; 2],
    to: [usize; 2],
    warnings: Vec<String>,
    seconds: f64,
    figure: Option<Figure>,
}

/// What became of inputs before the work.
#[derive(Clone, Copy)]
pub struct Before {
    /// How many were refused.
    pub refused: usize,
    /// How many were left out because their output exists.
    pub skipped: usize,
}

/// How pictures are made.
#[derive(Clone, Copy)]
pub struct Pictures<'a> {
    pub arguments: &'a Arguments,
    pub survey: &'a Survey<'a>,
    /// The page that shows them.
    pub comparison: Option<&'a Comparison<'a>>,
}

impl Pictures<'_> {
    /// Enlarges every picture; one that fails does not stop the others. Neighbours overlap, as far as memory allows: one is
    /// read, one is at the networks and one is encoded and written at the same time.
    ///
    /// # Errors
    /// When standard output is closed, or the system gives no threads.
    pub fn work(
        &self,
        prospects: &[Prospect],
        Before { refused, skipped }: Before,
        mut upscaler: Upscaler,
        console: &Console,
    ) -> Result<Outcome> {
        let Pictures { arguments, survey, comparison } = *self;
        let devices = vec![Vec::new(); prospects.len()];
        let mut tally = Tally { console, written: 0, failures: refused, figures: Vec::new(), devices };
        // Of no capacity: one picture is ready while one is enlarged, and no more take memory.
        let (sender, receiver) = mpsc::sync_channel(0);
        // Of one: the networks go on to the next picture while the last bands of one are encoded.
        let (finisher, unfinished) = mpsc::sync_channel::<Written>(1);
        let (finished, done) = mpsc::channel();
        std::thread::scope(|scope| {
            let reader = move || {
                for Prospect { job, bytes } in prospects {
                    let share = survey.budget.take(*bytes);
                    if sender.send((survey.read(job), share)).is_err() {
                        return;
                    }
                }
            };
            let writer = move || {
                for written in unfinished {
                    let (at, job) = (written.at, written.job);
                    let result = write(arguments, written);
                    if finished.send(Done { at, job, result }).is_err() {
                        return;
                    }
                }
            };
            // Dropped at the end of this scope's body, which lets the others go.
            let (receiver, finisher) = (receiver, finisher);
            let none =
                |error| Error::execution("reading and writing beside the networks", format!("no thread: {error}"));
            std::thread::Builder::new().spawn_scoped(scope, reader).map_err(none)?;
            std::thread::Builder::new().spawn_scoped(scope, writer).map_err(none)?;
            let mut halved = false;
            for (at, Prospect { job, .. }) in prospects.iter().enumerate() {
                if interrupt::STOP.requested() {
                    break;
                }
                let (bitmap, mut share) = receiver.recv().expect("the reader sends a picture per job");
                let begun = Instant::now();
                let ready = bitmap.and_then(|bitmap| {
                    let plan = survey.admit(&upscaler, &bitmap, job, &mut share)?;
                    let part = comparison.and_then(|page| page.part(at, &bitmap, plan.size));
                    let (work, rows) = upscaler.begin(bitmap, &plan)?;
                    Ok((plan, work, Written { at, job, rows, begun, share, part }))
                });
                match ready {
                    Ok((plan, work, rows)) => {
                        // The finisher ends when this side does.
                        let _ = finisher.send(rows);
                        let mut progress = Progress { console, job, at, count: prospects.len(), reported: begun };
                        let fallbacks = upscaler.run(work, &mut |done, all| progress.tile(done, all));
                        tally.devices[at] = upscaler.devices(&plan);
                        for fallback in fallbacks {
                            match fallback {
                                Fallback::Device(failure) => {
                                    let input = job.from.path().display().to_string();
                                    console.device_failed(&failure, json!({ "input": input }));
                                }
                                Fallback::Halved { .. } if halved => {}
                                Fallback::Halved { from: [width, height], error } => {
                                    halved = true;
                                    console.note(&format!(
                                        "the device failed on a tile of {width}x{height} ({error}): goes on with smaller tiles"
                                    ));
                                }
                            }
                        }
                    }
                    Err(error) => tally.failed(job, &error)?,
                }
                done.try_iter().try_for_each(|done| tally.done(done))?;
                if upscaler.has_failed() {
                    break;
                }
            }
            drop((receiver, finisher));
            done.iter().try_for_each(|done| tally.done(done))?;
            console.clear();
            Ok(())
        })?;
        if let Some(page) = comparison.filter(|_| !tally.figures.is_empty()) {
            let path = page.path();
            match page.write(std::mem::take(&mut tally.figures)) {
                Ok(()) => {
                    console.line(&format!("{}: before and after", path.display()));
                    console.event("page", json!({ "output": path.display().to_string() }));
                }
                Err(error) => {
                    tally.failures += 1;
                    failed(console, path, &error);
                }
            }
        }
        let Tally { written, failures, .. } = tally;
        if upscaler.has_failed() {
            let left = prospects.len() + refused - written - failures;
            let why = format!("{written} written, {failures} failed, {left} not tried; the device failed");
            return Err(Error::device(why).on(&upscaler.device()));
        }
        console.event("done", json!({ "written": written, "failed": failures, "skipped": skipped }));
        let all = prospects.len() + refused;
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
}

/// Takes the rows of a picture to its file, and keeps the part that a page shows.
fn write(arguments: &Arguments, Written { job, mut rows, begun, share, part, .. }: Written) -> Result<Report> {
    let [width, height] = rows.size();
    let source = rows.picture();
    let (metadata, mut warnings) = (source.metadata.clone(), source.warnings.clone());
    let (from, channels) = ([source.width, source.height], source.channels());
    let before = part.map(|part| (part, part.before(source)));
    let header = Header { width, height, metadata: &metadata, ..source.header() };
    let (figure, losses) = match before {
        None => (None, put(arguments, job, &header, &mut rows)?),
        Some((part, before)) => {
            let mut watched = Watched::new(&mut rows, part.to, width, channels);
            let losses = put(arguments, job, &header, &mut watched)?;
            let after = watched.picture(&before);
            (Some(Figure::new(job, [from, [width, height]], &part, &before, &after)?), losses)
        }
    };
    warnings.extend(losses);
    drop(share);
    Ok(Report { from, to: [width, height], warnings, seconds: begun.elapsed().as_secs_f64(), figure })
}

/// Writes rows to a file or stream; returns what its format does not hold.
fn put(arguments: &Arguments, job: &Job, header: &Header, rows: &mut impl Rows) -> Result<Vec<String>> {
    let (quality, compression, overwrite) = (arguments.quality, arguments.compression, arguments.overwrite);
    match &job.to {
        Place::File(path) => {
            let options = SaveOptions { format: Some(job.format), quality, compression, overwrite };
            image::save(path, header, &options, rows)
        }
        Place::Stream => {
            // A picture that fails half-way leaves nothing on the stream.
            let fail = |e| Error::io("a temporary file", e);
            let mut file = tempfile::SpooledTempFile::new(64 << 20);
            let options = EncodeOptions { quality, compression };
            let losses =
                image::encode(header, job.format, &options, rows, BufWriter::new(&mut file), &job.from.path())?;
            file.rewind().map_err(fail)?;
            output::copy(&mut file)?;
            Ok(losses)
        }
    }
}

/// How many pictures came to what end.
struct Tally<'a> {
    console: &'a Console,
    written: usize,
    failures: usize,
    /// For the page.
    figures: Vec<Figure>,
    /// What enlarged each picture.
    devices: Vec<Vec<String>>,
}

impl Tally<'_> {
    fn done(&mut self, Done { at, job, result }: Done) -> Result<()> {
        match result {
            Ok(mut report) => {
                self.written += 1;
                self.figures.extend(report.figure.take());
                report.say(self.console, job, &self.devices[at]);
                Ok(())
            }
            Err(error) => self.failed(job, &error),
        }
    }

    fn failed(&mut self, job: &Job, error: &Error) -> Result<()> {
        match error {
            Error::Io { path, source } if path.as_os_str() == output::NAME => {
                Err(Error::io(path, std::io::Error::from(source.kind())))
            }
            // What was being made when the interrupt came is neither written nor failed.
            Error::Stopped | Error::Interrupted { .. } => Ok(()),
            error => {
                self.failures += 1;
                failed(self.console, &job.from.path(), error);
                Ok(())
            }
        }
    }
}

/// Progress of one picture.
struct Progress<'a> {
    console: &'a Console,
    job: &'a Job,
    at: usize,
    count: usize,
    reported: Instant,
}

impl Progress<'_> {
    fn tile(&mut self, done: usize, all: usize) -> Result<()> {
        if interrupt::STOP.requested() {
            // A large picture may take minutes to its end.
            return Err(Error::Stopped);
        }
        let (at, count, name) = (self.at + 1, self.count, self.job.from.path());
        let name = name.file_name().unwrap_or(name.as_os_str()).to_string_lossy().into_owned();
        let (total, position) = ((count * 1000) as u64, (self.at * 1000 + done * 1000 / all.max(1)) as u64);
        self.console.bar(position, total, BAR, format!("picture {at}/{count}  tile {done}/{all}  {name}"));
        if self.reported.elapsed() >= REPORT {
            self.reported = Instant::now();
            let input = self.job.from.path().display().to_string();
            self.console.event("tile", json!({ "input": input, "done": done, "all": all }));
        }
        Ok(())
    }
}

impl Report {
    fn say(&self, console: &Console, job: &Job, devices: &[String]) {
        let (from, to) = (job.from.path(), job.to.path());
        let (from, to) = (from.display(), to.display());
        let ([w, h], [width, height], seconds) = (self.from, self.to, self.seconds);
        console.line(&format!("{from} {w}x{h} -> {to} {width}x{height}  {seconds:.1} s"));
        for warning in &self.warnings {
            console.line(&format!("  {from}: {warning}"));
        }
        let fields = json!({ "input": from.to_string(), "output": to.to_string(), "width": width,
                             "height": height, "seconds": seconds, "device": devices.join(", "),
                             "warnings": self.warnings });
        console.event("file", fields);
    }
}
