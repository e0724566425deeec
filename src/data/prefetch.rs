//! Preparing the next shard while the present one trains.

use crate::{Error, Result};
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread::JoinHandle;

/// A thread that prepares item `first`, `first + 1`, ... one ahead of the taker: at any time one item is being used and
/// one is in preparation or waiting, never more.
pub struct Prefetch<T> {
    /// Taken first on drop, so that a thread that waits to hand over stops waiting.
    receiver: Option<Receiver<Result<T>>>,
    thread: Option<JoinHandle<()>>,
}

impl<T: Send + 'static> Prefetch<T> {
    /// Starts the thread. `prepare` makes an item from its number; after an error the thread ends.
    ///
    /// Errors when the operating system gives no thread.
    pub fn new(first: u64, mut prepare: impl FnMut(u64) -> Result<T> + Send + 'static) -> Result<Prefetch<T>> {
        // Without a buffer: the item that waits is the one the thread holds.
        let (sender, receiver) = sync_channel(0);
        let work = move || {
            for number in first.. {
                let item = prepare(number);
                let failed = item.is_err();
                if sender.send(item).is_err() || failed {
                    return;
                }
            }
        };
        let builder = std::thread::Builder::new().name("prefetch".into());
        let thread = builder.spawn(work).map_err(|error| Error::input(format!("no thread to load data: {error}")))?;
        Ok(Prefetch { receiver: Some(receiver), thread: Some(thread) })
    }

    /// The next item, waiting for it if need be. Errors are those of `prepare`, or that it failed before (an error was
    /// already returned, or it panicked).
    pub fn take(&mut self) -> Result<T> {
        let received = self.receiver.as_ref().and_then(|receiver| receiver.recv().ok());
        received.unwrap_or_else(|| Err(Error::input("the thread that loads data has stopped after a failure")))
    }
}

impl<T> Drop for Prefetch<T> {
    fn drop(&mut self) {
        drop(self.receiver.take());
        if let Some(thread) = self.thread.take() {
            // A panic in the thread was reported by `take` or concerns an item that nobody wants.
            let _ = thread.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU64, Ordering};

    #[test]
    fn items_come_in_order_and_one_ahead_at_most() {
        let made = Arc::new(AtomicU64::new(0));
        let count = Arc::clone(&made);
        let mut items = Prefetch::new(5, move |number| {
            count.fetch_add(1, Ordering::SeqCst);
            Ok(number * 10)
        })
        .unwrap();
        for taken in 0..20 {
            assert!(made.load(Ordering::SeqCst) <= taken + 1, "one ahead");
            assert_eq!(items.take().unwrap(), (5 + taken) * 10);
        }
        drop(items);
        assert!(made.load(Ordering::SeqCst) <= 22);
    }

    #[test]
    fn errors_and_panics_reach_the_taker() {
        let fail = |number| if number == 1 { Err(Error::input("broken")) } else { Ok(number) };
        let mut items = Prefetch::new(0, fail).unwrap();
        assert_eq!(items.take().unwrap(), 0);
        assert_eq!(items.take().unwrap_err().to_string(), "broken");
        assert!(items.take().is_err());
        let mut panics: Prefetch<u8> = Prefetch::new(0, |_| panic!("on purpose, in a test")).unwrap();
        assert!(panics.take().is_err());
    }
}
