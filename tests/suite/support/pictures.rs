//! Pictures as files: read, told, refused.

use std::fs;
use std::path::Path;

use wgrad::internal::image::{DecodeOptions, Picture, Plane};

pub const FIXTURES: &str = "tests/fixtures";

pub fn file(name: &str) -> Vec<u8> {
    fs::read(Path::new(FIXTURES).join(name)).unwrap()
}

/// What is said of a file that is read, and why it is no ground truth.
#[track_caller]
pub fn told(bytes: &[u8], words: &str) -> Picture {
    let picture = Picture::decode(bytes, "told").unwrap();
    assert!(picture.warnings.iter().any(|warning| warning.contains(words)), "{words}: {:?}", picture.warnings);
    picture
}

#[track_caller]
pub fn refused(bytes: &[u8], words: &[&str]) {
    let error = Picture::decode(bytes, "refused").unwrap_err().to_string();
    assert!(words.iter().all(|word| error.contains(word)), "{words:?}: {error}");
}

#[track_caller]
pub fn no_truth(bytes: &[u8], words: &str) {
    let error = Picture::decode_with(bytes, "truth", &DecodeOptions::truth()).unwrap_err().to_string();
    assert!(error.contains(words), "{words}: {error}");
}

/// A picture whose channels rise from left to right and from top to bottom.
pub fn gradient(channels: usize) -> Picture {
    Picture::new((0..channels).map(|k| Plane::from_fn(9, 7, |x, y| ((x * 20 + y * 9 + k * 31) % 256) as f32)).collect())
}
