//! Whether a picture fits into memory, said before the work.

use wgrad::image::{Bitmap, Depth, Format};
use wgrad::upscale::Plan;
use wgrad::{Error, Result};

/// The program itself, the networks' weights, threads, and what encoders keep of some rows. Measured on Linux with the
/// built-in networks, rounded up.
const PROGRAM: u64 = 80 << 20;

/// Bytes that the whole process takes, at most, to enlarge a picture that was decoded: the picture itself and a
/// neighbour's that is read meanwhile not counted.
pub fn predicted(plan: &Plan, bitmap: &Bitmap, format: Format) -> u64 {
    let channels = bitmap.channels() as u64;
    let pixels = (plan.size[0] * plan.size[1]) as u64;
    // Such encoders hold all samples, and what they make of them.
    let whole = if format.is_written_whole() { 3 * channels.max(3) * pixels } else { 0 };
    let opacity = if bitmap.alpha { 2 } else { 1 };
    PROGRAM + 3 * plan.tile_bytes + opacity * plan.row_bytes + whole
}

/// Bytes of a decoded picture.
fn decoded(bitmap: &Bitmap) -> u64 {
    let depth = if bitmap.depth() == Depth::Sixteen { 2 } else { 1 };
    (bitmap.width * bitmap.height * bitmap.channels()) as u64 * depth
}

/// Refuses a picture that takes more than `most`, or than the system gives.
///
/// # Errors
/// Saying how much it takes.
pub fn check(plan: &Plan, bitmap: &Bitmap, format: Format, most: Option<u64>) -> Result<()> {
    let more = predicted(plan, bitmap, format);
    let bytes = more + decoded(bitmap);
    let mib = |bytes: u64| bytes.div_ceil(1 << 20);
    let ([width, height], taken) = (plan.size, mib(bytes));
    if let Some(most) = most.filter(|&most| bytes > most) {
        let most = mib(most);
        return Err(Error::input(format!(
            "{width}x{height} takes {taken} MiB, more than --max-memory {most}: allow more, or take smaller tiles (--tile)"
        )));
    }
    // Asked for and given back at once: limits of the process are those of this moment.
    let room = usize::try_from(more).ok().and_then(|more| Vec::<u8>::new().try_reserve_exact(more).ok());
    room.ok_or_else(|| {
        Error::input(format!(
            "{width}x{height} takes {taken} MiB, more than the system gives: take smaller tiles (--tile) or a smaller size"
        ))
    })
}
