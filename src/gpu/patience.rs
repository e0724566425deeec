//! When a device that does not answer counts as hung.
//!
//! A GPU is given the time that its work should take, many times over. A driver that computes on the processor is slow when
//! other programs want the processor too, for minutes if need be; but while it works it takes processor time, and one that
//! takes none for some seconds waits for something that does not come.

use std::time::{Duration, Instant};

use sysinfo::{Pid, ProcessRefreshKind, ProcessesToUpdate, System};

/// How long a driver on the processor may take no processor time.
const IDLE: Duration = Duration::from_secs(10);
/// Shortest limit for such a driver while it does: a kernel may loop without end.
const BUSY: Duration = Duration::from_secs(120);
/// How often processor time is looked at, and the share of it that is work: looking itself takes far less, and even a
/// process of the lowest priority on a crowded machine has more.
const WINDOW: Duration = Duration::from_secs(1);
const SHARE: f64 = 0.01;
/// Longest time that counts between two looks: what is longer, this program was stopped for.
const STRIDE: Duration = Duration::from_millis(500);

/// One wait, while it lasts.
pub(super) struct Patience {
    limit: Duration,
    /// The driver computes on the processor.
    software: bool,
    looked: Instant,
    waited: Duration,
    /// Time since the driver was last seen to work.
    idle: Duration,
    /// Time and processor time of this process at the beginning of the window.
    window: (Duration, Duration),
}

impl Patience {
    /// A wait that should end within `limit`.
    pub(super) fn new(limit: Duration, software: bool) -> Self {
        let limit = if software { limit.max(BUSY) } else { limit };
        let zero = Duration::ZERO;
        Patience { limit, software, looked: Instant::now(), waited: zero, idle: zero, window: (zero, zero) }
    }

    /// How long it has lasted, times that the program was stopped not counted.
    pub(super) fn waited(&self) -> Duration {
        self.waited
    }

    /// When it ends if nothing happens.
    pub(super) fn end(&self) -> Duration {
        let idle = self.waited + IDLE.saturating_sub(self.idle);
        if self.software { self.limit.min(idle) } else { self.limit }
    }

    /// Time goes on. Says whether the device is to be given up.
    pub(super) fn look(&mut self) -> bool {
        self.look_at(Instant::now(), processor_time)
    }

    fn look_at(&mut self, now: Instant, processor_time: impl Fn() -> Option<Duration>) -> bool {
        self.waited += now.duration_since(self.looked).min(STRIDE);
        self.looked = now;
        let passed = self.waited - self.window.0;
        if self.software && passed >= WINDOW {
            // A system that does not tell is believed to work.
            let spent = processor_time().map_or(Duration::MAX, |time| time.saturating_sub(self.window.1));
            // The first window has no beginning to compare with.
            let works = self.window.1.is_zero() || spent.as_secs_f64() >= SHARE * passed.as_secs_f64();
            self.idle = if works { Duration::ZERO } else { self.idle + passed };
            self.window = (self.waited, processor_time().unwrap_or_default());
        }
        self.waited >= self.end()
    }
}

/// Time that all threads of this process have computed.
fn processor_time() -> Option<Duration> {
    let me = Pid::from_u32(std::process::id());
    let mut system = System::new();
    system.refresh_processes_specifics(ProcessesToUpdate::Some(&[me]), false, ProcessRefreshKind::nothing().with_cpu());
    system.process(me).map(|process| Duration::from_millis(process.accumulated_cpu_time()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Seconds until a wait ends in which a second brings so much processor time.
    fn lasts(limit: u64, software: bool, milliseconds: impl Fn(u64) -> u64) -> u64 {
        let mut patience = Patience::new(Duration::from_secs(limit), software);
        let (begun, mut spent) = (patience.looked, 1);
        for tenths in 1..100_000 {
            if tenths % 10 == 0 {
                spent += milliseconds(tenths / 10);
            }
            let time = || Some(Duration::from_millis(spent));
            if patience.look_at(begun + Duration::from_millis(100 * tenths), time) {
                return tenths / 10;
            }
        }
        panic!("the wait never ends")
    }

    #[test]
    fn a_driver_on_the_processor_has_time_while_it_works_and_little_when_it_does_not() {
        assert_eq!(lasts(5, false, |_| 0), 5);
        assert_eq!(lasts(5, false, |_| 1000), 5, "a GPU's work takes no processor time");
        assert!((11..14).contains(&lasts(5, true, |_| 0)), "it hangs");
        assert!((48..52).contains(&lasts(5, true, |second| if second < 40 { 20 } else { 0 })), "worked for 40 s");
        assert_eq!(lasts(5, true, |_| 2000), 120, "it loops without end");
        assert_eq!(
            lasts(300, true, |second| if second % 5 == 0 { 500 } else { 0 }),
            300,
            "has little of the processor"
        );
    }

    #[test]
    fn while_the_program_is_stopped_no_time_passes() {
        let mut patience = Patience::new(Duration::from_secs(5), false);
        let begun = patience.looked;
        assert!(!patience.look_at(begun + Duration::from_secs(3600), || None));
        assert_eq!(patience.waited(), STRIDE);
    }

    #[test]
    fn this_process_has_computed_something() {
        let before = processor_time().expect("this system tells");
        let begun = Instant::now();
        while begun.elapsed() < Duration::from_millis(200) {
            std::hint::black_box(begun);
        }
        assert!(processor_time().unwrap() > before);
    }
}
