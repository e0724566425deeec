//! Data that take turns on the device, the next prepared while one trains.

use std::path::Path;
use std::sync::Arc;

use super::{Resident, Trainer};
use crate::data::{Folder, Prefetch, RowShards};
use crate::{Error, Result};

/// Where shards come from.
pub(super) enum Supply {
    /// Folders of pictures to be enlarged.
    Pictures(Box<Folder>),
    /// Rows.
    Rows(RowShards),
}

impl Supply {
    /// The shard to train on `number`th, from 0 without end.
    pub(super) fn shard(&self, number: u64) -> Result<Resident> {
        Ok(match self {
            Supply::Pictures(folder) => Resident::Pictures(folder.shard(number)?),
            Supply::Rows(rows) => Resident::Rows(rows.shard(number).into_owned()),
        })
    }

    /// Which row is number `index` of a shard.
    pub(super) fn row(&self, number: u64, index: usize) -> usize {
        match self {
            Supply::Pictures(_) => index,
            Supply::Rows(rows) => rows.indices(number)[index],
        }
    }

    /// The file of picture `index` of a shard.
    pub(super) fn path(&self, number: u64, index: usize) -> Option<&Path> {
        match self {
            Supply::Pictures(folder) => Some(folder.path(number, index)),
            Supply::Rows(_) => None,
        }
    }
}

/// Shards that take turns on the device.
pub(super) struct Shards {
    source: Arc<Supply>,
    /// Steps that each stays.
    steps: u64,
    /// Number of the one on the device.
    there: u64,
    /// The next, in preparation, with its number.
    next: Option<(u64, Prefetch<Resident>)>,
}

impl Shards {
    /// Shards that each stay for `steps` steps, of a run that goes on after `step` of them; and the first one.
    pub(super) fn new(source: Arc<Supply>, steps: u64, step: u64) -> Result<(Self, Resident)> {
        let there = step / steps;
        let resident = source.shard(there)?;
        Ok((Shards { source, steps, there, next: None }, resident))
    }

    /// The number of the shard that the step after `step` draws from.
    pub(super) fn number(&self, step: u64) -> u64 {
        step / self.steps
    }

    /// The step at which the next shard is due.
    pub(super) fn boundary(&self, step: u64) -> u64 {
        (step / self.steps + 1) * self.steps
    }

    /// What the step after `step` draws from.
    pub(super) fn data(&self, step: u64) -> Result<Resident> {
        self.source.shard(self.number(step))
    }

    /// Puts the shard of the next step on the device, when it is another than the one there, and has the one after it
    /// prepared if the run, of `last` steps, comes to it.
    pub(super) fn feed(&mut self, trainer: &mut Trainer, last: u64) -> Result<()> {
        let number = self.number(trainer.step());
        let ready = self.next.take_if(|(next, _)| *next == number || (*next == number + 1 && self.there == number));
        let mut ahead = match ready {
            Some((_, ahead)) => Some(ahead),
            None if number != self.there => Some(self.ahead(number)?),
            None => None,
        };
        if number != self.there {
            let shard = ahead.as_mut().map(Prefetch::take).transpose()?;
            shard.map(|shard| trainer.set_data(&shard)).transpose()?;
            self.there = number;
        }
        trainer.count_from(number * self.steps);
        if (number + 1) * self.steps < last {
            let ahead = ahead.map_or_else(|| self.ahead(number + 1), Ok)?;
            self.next = Some((number + 1, ahead));
        }
        Ok(())
    }

    /// Puts the shard of the next step on a device that knows nothing of it yet.
    pub(super) fn refill(&mut self, trainer: &mut Trainer) -> Result<()> {
        trainer.set_data(&self.data(trainer.step())?)?;
        (self.there, self.next) = (self.number(trainer.step()), None);
        Ok(())
    }

    /// Prepares shards from `number` on, on threads of their own: those of the kernels have work.
    fn ahead(&self, number: u64) -> Result<Prefetch<Resident>> {
        let source = Arc::clone(&self.source);
        let threads = std::thread::available_parallelism().map_or(1, |n| n.get() / 2).max(1);
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
        let pool = pool.map_err(|e| Error::input(format!("no threads to load data: {e}")))?;
        Prefetch::new(number, move |n| pool.install(|| source.shard(n)))
    }
}
