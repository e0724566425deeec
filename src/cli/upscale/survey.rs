//! Which pictures can begin, as far as their headers say: sizes, formats and memory are checked before any work.

use std::path::PathBuf;

use crate::image::{Bitmap, DecodeOptions, Outline};
use crate::upscale::{Plan, Size, Upscaler};
use crate::{Error, Result};

use super::memory::{self, Budget, Share};
use super::plan::{Job, Place};

/// A picture that may begin.
pub struct Prospect {
    /// Where from, where to.
    pub job: Job,
    /// Memory that it takes beside the program; all there is where no header says.
    pub bytes: u64,
}

/// What pictures are measured by.
pub struct Survey<'a> {
    /// How they are decoded.
    pub decode: DecodeOptions,
    /// How large they become; as the network has it when not given.
    pub size: Option<Size>,
    /// The memory that they share.
    pub budget: &'a Budget,
    /// Bytes that each takes beside being enlarged and written.
    pub beside: u64,
}

/// Pictures that may begin, and those that cannot with the reason.
pub type Prospects = (Vec<Prospect>, Vec<(PathBuf, Error)>);

impl Survey<'_> {
    /// Looks at the headers of all files.
    pub fn all(&self, upscaler: &Upscaler, jobs: Vec<Job>) -> Prospects {
        let (mut prospects, mut refused) = (Vec::new(), Vec::new());
        for job in jobs {
            match self.bytes(upscaler, &job) {
                Ok(bytes) => prospects.push(Prospect { job, bytes }),
                Err(error) => refused.push((job.from.path(), error)),
            }
        }
        (prospects, refused)
    }

    fn bytes(&self, upscaler: &Upscaler, job: &Job) -> Result<u64> {
        let Place::File(path) = &job.from else { return Ok(u64::MAX) };
        let Some(outline) = Outline::open(path, &self.decode)? else { return Ok(u64::MAX) };
        let plan = self.plan(upscaler, [outline.width, outline.height], job)?;
        let bytes = memory::picture(&outline, &plan, job.format) + self.beside;
        self.budget.check(bytes, plan.size).map_err(|error| named(job, &error))?;
        Ok(bytes)
    }

    fn plan(&self, upscaler: &Upscaler, from: [usize; 2], job: &Job) -> Result<Plan> {
        let plan = upscaler.plan(from, self.size).map_err(|error| named(job, &error))?;
        job.format.check_size(plan.size[0], plan.size[1]).map_err(|error| named(job, &error))?;
        Ok(plan)
    }

    /// How a decoded picture is enlarged; its share becomes what that takes.
    ///
    /// # Errors
    /// When it is another than its header said, or had none, and cannot be made.
    pub fn admit(&self, upscaler: &Upscaler, bitmap: &Bitmap, job: &Job, share: &mut Share) -> Result<Plan> {
        let plan = self.plan(upscaler, [bitmap.width, bitmap.height], job)?;
        let enlarging = memory::enlarging(&plan, bitmap.channels(), job.format);
        let bytes = memory::decoded(bitmap) + enlarging + self.beside;
        self.budget.check(bytes, plan.size).map_err(|error| named(job, &error))?;
        if share.bytes() < bytes {
            return Err(named(job, &Error::input("the file was changed meanwhile: try again")));
        }
        share.shrink(bytes);
        Ok(plan)
    }

    /// Reads a picture.
    ///
    /// # Errors
    /// When it cannot be.
    pub fn read(&self, job: &Job) -> Result<Bitmap> {
        match &job.from {
            Place::File(path) => Bitmap::open_with(path, &self.decode),
            Place::Stream => Bitmap::read_with(std::io::stdin().lock(), "standard input", &self.decode),
        }
    }
}

fn named(job: &Job, error: &Error) -> Error {
    Error::input(format!("{}: {error}", job.from.path().display()))
}
