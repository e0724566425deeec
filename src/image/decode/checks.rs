//! What must hold for a file to be read on, and what is said where it does not.

use super::jpeg::State;
use super::{DecodeOptions, Message};

pub(super) fn check_size(width: u32, height: u32, options: &DecodeOptions) -> Result<(), Message> {
    if width == 0 || height == 0 {
        return Err(format!("holds no pixels ({width}x{height})"));
    }
    if u64::from(width) * u64::from(height) > options.max_pixels {
        return Err(format!("{width}x{height} pixels are more than the limit of {} pixels", options.max_pixels));
    }
    Ok(())
}

/// Refuses an animation unless its first frame will do.
pub(super) fn check_animation(
    animated: bool,
    options: &DecodeOptions,
    warnings: &mut Vec<String>,
) -> Result<(), Message> {
    if animated {
        if !options.first_frame {
            return Err("an animation, not a still picture: extract its frames to files first".to_owned());
        }
        warnings.push("an animation: only its first frame was read".to_owned());
    }
    Ok(())
}

/// Refuses a file of several pictures unless the first will do.
pub(super) fn check_several(options: &DecodeOptions, warnings: &mut Vec<String>) -> Result<(), Message> {
    if !options.first_frame {
        return Err("holds several pictures: extract them to files, or take the first (--first-frame)".to_owned());
    }
    warnings.push("holds several pictures: only the first was read".to_owned());
    Ok(())
}

/// Tells of a file that is not whole, or refuses it where it must be.
pub(super) fn check_state(
    state: State,
    progressive: bool,
    options: &DecodeOptions,
    warnings: &mut Vec<String>,
) -> Result<(), Message> {
    let what = match state {
        State::Whole => return Ok(()),
        State::Cut if progressive => "the file is cut short: the picture may be less sharp than it was, or lack parts",
        State::Cut => CUT,
        State::Damaged => DAMAGED,
    };
    if options.whole {
        return Err(what.to_owned());
    }
    warnings.push(what.to_owned());
    Ok(())
}

/// Of a file whose decoder goes on without the rest.
pub(super) const CUT: &str = "the file is cut short: the lower part of the picture may be missing";

/// Of a file whose decoder goes on, whatever stands there.
pub(super) const DAMAGED: &str = "the file is damaged: parts of the picture may be wrong";

/// Of inks that no profile says the colours of.
pub(super) const CMYK: &str = "its CMYK colours were converted without a profile: they are approximate";

pub(super) const NO_MEMORY: &str = "no memory to decode it";
