//! How much memory pictures take, predicted from their headers, and who may take it.

use std::sync::{Condvar, Mutex};

use crate::image::{Bitmap, Depth, Format, Outline};
use crate::upscale::Plan;
use crate::{Error, Result, memory};

/// The program itself, the networks' weights, threads, and what encoders keep of some rows. Measured on Linux with the
/// built-in networks, rounded up.
const PROGRAM: u64 = 48 << 20;

/// Of the system's room: the stacks of the threads that read, decode and write, and what allocators take in advance.
const THREADS: u64 = 32 << 20;

/// Below so much room a start is not tried: the system's own libraries end a program that gets no memory.
const LEAST: u64 = 40 << 20;

/// Bytes that the whole process takes, at most, while nothing but a picture that takes so many is at work.
pub fn whole(picture: u64) -> u64 {
    PROGRAM.saturating_add(picture)
}

/// Bytes that a picture takes beside the program: while it is decoded, or decoded and enlarged, whichever is more.
pub fn picture(outline: &Outline, plan: &Plan, format: Format) -> u64 {
    outline.decoding.max(outline.decoded + enlarging(plan, outline.channels, format))
}

/// Bytes of a decoded picture.
pub fn decoded(bitmap: &Bitmap) -> u64 {
    let sample = if bitmap.depth() == Depth::Sixteen { 2 } else { 1 };
    (bitmap.width * bitmap.height * bitmap.channels()) as u64 * sample
}

/// Bytes that it takes to enlarge and write a decoded picture.
pub fn enlarging(plan: &Plan, channels: usize, format: Format) -> u64 {
    let pixels = (plan.size[0] * plan.size[1]) as u64;
    // Such encoders hold all samples, and what they make of them.
    let whole = if format.is_written_whole() { 3 * channels.max(3) as u64 * pixels } else { 0 };
    let opacity = if channels.is_multiple_of(2) { 2 } else { 1 };
    plan.tile_bytes + plan.host_bytes + opacity * plan.row_bytes + whole
}

/// Memory that pictures at work share: each takes what it was predicted to take before it is read, and waits until its
/// neighbours have given back so much.
pub struct Budget {
    all: u64,
    /// What `--max-memory` says, where that is the limit.
    stated: Option<u64>,
    taken: Mutex<u64>,
    given_back: Condvar,
}

/// What a picture has taken; given back when it is dropped.
pub struct Share<'a> {
    budget: &'a Budget,
    bytes: u64,
}

impl Budget {
    /// What `--max-memory` leaves beside the program, and what the system has left at this moment.
    ///
    /// # Errors
    /// When that is too little to begin with.
    pub fn new(max_memory: Option<u64>) -> Result<Budget> {
        let room = memory::room();
        if room < LEAST {
            let (room, least) = (mib(room), mib(LEAST));
            let why = format!(
                "{room} MiB are free, and the program needs {least} MiB more: raise `ulimit -v`, or close others"
            );
            return Err(Error::execution("memory", why));
        }
        let room = room - THREADS;
        let stated = max_memory.filter(|most| most.saturating_sub(PROGRAM) <= room);
        let all = stated.map_or(room, |most| most.saturating_sub(PROGRAM));
        Ok(Budget { all, stated, taken: Mutex::new(0), given_back: Condvar::new() })
    }

    /// Bytes that a picture may take at most.
    pub fn all(&self) -> u64 {
        self.all
    }

    /// Refuses a picture that takes more than there is, alone.
    ///
    /// # Errors
    /// Saying how much it takes.
    pub fn check(&self, bytes: u64, [width, height]: [usize; 2]) -> Result<()> {
        if bytes <= self.all {
            return Ok(());
        }
        let what = match self.stated {
            Some(most) => {
                format!("takes {} MiB, more than --max-memory {}: allow more, or", mib(whole(bytes)), mib(most))
            }
            None => format!("takes {} MiB, and {} MiB are free:", mib(bytes), mib(self.all)),
        };
        Err(Error::input(format!("{width}x{height} {what} take smaller tiles (--tile) or a smaller size")))
    }

    /// Takes so much, or all there is, once it is there.
    pub fn take(&self, bytes: u64) -> Share<'_> {
        let bytes = bytes.min(self.all);
        let taken = self.taken.lock().expect("nobody panics with it");
        let enough = |taken: &mut u64| *taken > self.all - bytes;
        let mut taken = self.given_back.wait_while(taken, enough).expect("nobody panics with it");
        *taken += bytes;
        Share { budget: self, bytes }
    }
}

impl Share<'_> {
    /// How much it is.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Keeps so much, if that is less.
    pub fn shrink(&mut self, bytes: u64) {
        let more = self.bytes.saturating_sub(bytes);
        self.bytes -= more;
        *self.budget.taken.lock().expect("nobody panics with it") -= more;
        self.budget.given_back.notify_all();
    }
}

impl Drop for Share<'_> {
    fn drop(&mut self) {
        self.shrink(0);
    }
}

/// Whole MiB, rounded up.
pub fn mib(bytes: u64) -> u64 {
    bytes.div_ceil(1 << 20)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pictures_wait_for_each_other_and_the_largest_has_all() {
        let budget = Budget { all: 10, stated: None, taken: Mutex::new(0), given_back: Condvar::new() };
        let first = budget.take(6);
        std::thread::scope(|scope| {
            let second = scope.spawn(|| {
                let share = budget.take(5);
                assert_eq!(*budget.taken.lock().unwrap(), 5, "the first was given back");
                drop(share);
            });
            drop(first);
            second.join().unwrap();
        });
        let mut all = budget.take(u64::MAX);
        all.shrink(3);
        drop(budget.take(7));
        drop(all);
        assert_eq!(*budget.taken.lock().unwrap(), 0);
        assert!(budget.check(11, [1, 1]).is_err() && budget.check(10, [1, 1]).is_ok());
    }
}
