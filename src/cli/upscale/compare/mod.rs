//! `--compare`: one page with every picture before and after, and a slider between them.
//!
//! The page holds all it shows and asks nobody for anything. Its pictures are PNG, so that it shows what was made; where
//! that would be too much, it shows the middle of each.

mod part;

use std::collections::HashMap;
use std::path::Path;

use crate::image::{Bitmap, Format, Picture};
use crate::{Error, Result, files};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

pub use part::{Part, Watched};

use super::plan::{Job, Place, unique};

const PAGE: &str = include_str!("page.html");
const FIGURE: &str = include_str!("figure.html");

/// Bytes of a page, about.
const LARGEST: f64 = 20e6;

/// Pictures of a page: of more, parts would be too small to tell anything.
const MOST: usize = 40;

/// What a page shows of a picture.
pub struct Figure {
    html: String,
    cut: bool,
}

/// The page that was asked for.
pub struct Comparison<'a> {
    path: &'a Path,
    /// By what its pictures are made.
    settings: String,
    /// Bytes that each picture may take.
    share: f64,
    left_out: usize,
}

impl<'a> Comparison<'a> {
    /// A page for so many pictures.
    pub fn new(path: &'a Path, pictures: usize, settings: String) -> Self {
        // Base64 makes four bytes of three.
        let share = LARGEST * 0.75 / pictures.clamp(1, MOST) as f64;
        Comparison { path, settings, share, left_out: pictures.saturating_sub(MOST) }
    }

    /// Checks that the page can be written: not over an input or an output, and over a file that exists only if asked.
    ///
    /// # Errors
    /// Saying which it would replace.
    pub fn check(path: &Path, jobs: &[Job], overwrite: bool) -> Result<()> {
        let (name, this) = (path.display(), unique(path));
        if path.is_dir() {
            return Err(Error::input(format!("--compare {name}: a folder; name a file, as {name}/compare.html")));
        }
        for job in jobs {
            for (place, what) in [(&job.from, "an input"), (&job.to, "an output")] {
                if matches!(place, Place::File(file) if unique(file) == this || same_file::is_same_file(file, path).unwrap_or(false))
                {
                    return Err(Error::input(format!("--compare {name}: is {what}; give the page another name")));
                }
            }
        }
        match path.symlink_metadata().is_ok() && !overwrite {
            true => Err(Error::input(format!("--compare {name}: exists already; --overwrite replaces it"))),
            false => Ok(()),
        }
    }

    /// The part of the `at`th picture to show; none where the page is full.
    pub fn part(&self, at: usize, source: &Bitmap, to: [usize; 2]) -> Option<Part> {
        let from = [source.width, source.height];
        let reduced = (from[0] * from[1]) as f64 / (to[0] * to[1]) as f64;
        // PNG at its worst: the samples, and a little more.
        let pixel = source.channels() as f64 * (2.0 + reduced) * 1.02;
        (at < MOST).then(|| Part::middle(from, to, (self.share / pixel) as usize))
    }

    /// Bytes that a picture takes for its part in the page: planes of it before and after, files of them and their text.
    pub fn bytes(&self) -> u64 {
        (10.0 * self.share) as u64
    }

    /// Where it goes.
    pub fn path(&self) -> &Path {
        self.path
    }

    /// Writes the page.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write(&self, figures: Vec<Figure>) -> Result<()> {
        let mut about = vec![format!("{}.", self.settings)];
        if figures.iter().any(|figure| figure.cut) {
            about.push("The middle of large pictures is shown, so that the page stays below 20 MB.".into());
        }
        if self.left_out > 0 {
            about.push(format!("The first {MOST} pictures are shown, {} more are not.", self.left_out));
        }
        about.push("Drag the bar, or use the arrow keys on the slider below a picture.".into());
        let figures: String = figures.into_iter().map(|figure| figure.html).collect();
        let values = [("title", "Before and after".into()), ("about", escape(&about.join(" "))), ("figures", figures)];
        files::replace(self.path, fill(PAGE, values).as_bytes())
    }
}

impl Figure {
    /// What a page shows of a picture; `sizes` are those of the whole input and the whole result.
    ///
    /// # Errors
    /// When it holds what is no number.
    pub fn new(job: &Job, sizes: [[usize; 2]; 2], part: &Part, before: &Picture, after: &Picture) -> Result<Figure> {
        let bicubic = part.bicubic(before);
        let uri = |picture: &Picture| -> Result<String> {
            Ok(format!("data:image/png;base64,{}", STANDARD.encode(picture.encode(Format::Png, 100)?)))
        };
        let size = |[width, height]: [usize; 2]| format!("{width}x{height}");
        let (shown, cut) = ([part.to.width, part.to.height], [part.to.width, part.to.height] != sizes[1]);
        let place = match cut {
            true => format!("; shown: {} of it from {}, {}", size(shown), part.to.x, part.to.y),
            false => String::new(),
        };
        let name = |place: &Place| escape(&place.path().display().to_string());
        let html = fill(
            FIGURE,
            [
                ("from", name(&job.from)),
                ("to", name(&job.to)),
                ("from-size", size(sizes[0])),
                ("to-size", size(sizes[1])),
                ("part", place),
                ("size", size(shown)),
                ("before", uri(before)?),
                ("bicubic", uri(&bicubic)?),
                ("after", uri(after)?),
            ],
        );
        Ok(Figure { html, cut })
    }
}

/// Puts values in the places of a template that are named `{{name}}`; what values hold is not looked into.
fn fill<const N: usize>(template: &str, values: [(&str, String); N]) -> String {
    let values = HashMap::from(values);
    let mut parts = template.split("{{");
    let mut out = parts.next().unwrap_or_default().to_string();
    for part in parts {
        let (name, rest) = part.split_once("}}").expect("templates are constants");
        out.push_str(&values[name]);
        out.push_str(rest);
    }
    out
}

fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            c => out.push(c),
        }
    }
    out
}
