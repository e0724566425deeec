//! wgpu and drivers panic where others return an error: when a device is lost while it is waited for, and on kernels that
//! a compiler does not know yet. Here a panic becomes a message.

use std::any::Any;
use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Once;

thread_local! {
    static GUARDED: Cell<bool> = const { Cell::new(false) };
}

/// Does something that may panic; what the panic said is the error. Nothing of it is printed.
pub(super) fn guarded<T>(work: impl FnOnce() -> T) -> Result<T, String> {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let usual = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            if !GUARDED.get() {
                usual(info);
            }
        }));
    });
    let before = GUARDED.replace(true);
    // Whatever was under way is given up with the device it belongs to.
    let done = catch_unwind(AssertUnwindSafe(work));
    GUARDED.set(before);
    done.map_err(|panic| said(panic.as_ref()))
}

/// The last line of a panic's message: wgpu names the cause there.
fn said(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str).or_else(|| panic.downcast_ref::<&str>().copied());
    let mut lines = text.unwrap_or_default().lines().map(str::trim).filter(|line| !line.is_empty());
    lines.next_back().unwrap_or("the driver panicked").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_its_last_line() {
        assert_eq!(guarded(|| 1), Ok(1));
        let error = guarded(|| panic!("Error in poll\n\nCaused by:\n  {}\n", "Parent device is lost"));
        assert_eq!(error, Err::<(), _>("Parent device is lost".into()));
        let inner = guarded(|| guarded(|| panic!("inner")).and(Ok(())).unwrap_or_else(|_| panic!("outer")));
        assert_eq!(inner, Err("outer".into()));
    }
}
