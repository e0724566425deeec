//! The picture and its parts.

use super::{Metadata, Plane};
use crate::{Error, Result};

/// Bits per sample of the file a picture came from, and of the file it is written to where the format has them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Depth {
    /// 8 bits: samples are whole numbers 0..=255.
    Eight,
    /// 16 bits: samples are `sample / 257`.
    Sixteen,
}

/// A still picture with all that is kept of its file.
///
/// Kept: one grey or three RGB channels as the file has them, alpha, 8 or 16 bits, and [`Metadata`]. The EXIF
/// orientation is applied to the pixels and its tag reset to 1. A palette picture becomes grey when every colour it uses
/// is grey, else RGB; an RGB file with three equal channels stays RGB (scores depend on it, see [`super::protocol`]).
///
/// Not kept: comments and other text.
#[derive(Clone, Debug, PartialEq)]
pub struct Picture {
    /// One grey plane, or red, green and blue. All of one size.
    pub planes: Vec<Plane>,
    /// Opacity, 0 transparent to 255 opaque, of the size of the planes. Colour is not premultiplied.
    pub alpha: Option<Plane>,
    /// Bits per sample.
    pub depth: Depth,
    /// What the file says beside the pixels.
    pub metadata: Metadata,
    /// What decoding could not keep, a sentence each, for the caller to print beside the file's name.
    pub warnings: Vec<String>,
}

impl Picture {
    /// An 8-bit picture of one or three planes, without alpha and metadata.
    ///
    /// # Panics
    /// With another number of planes, or planes of different sizes.
    pub fn new(planes: Vec<Plane>) -> Self {
        assert!(matches!(planes.len(), 1 | 3), "a picture has 1 or 3 planes, not {}", planes.len());
        assert!(
            planes.iter().all(|p| (p.width, p.height) == (planes[0].width, planes[0].height)),
            "planes differ in size"
        );
        Self { planes, alpha: None, depth: Depth::Eight, metadata: Metadata::default(), warnings: Vec::new() }
    }

    /// A picture of red, green and blue bytes, row by row.
    ///
    /// # Errors
    /// When there are not three bytes a pixel.
    pub fn from_rgb8(width: usize, height: usize, bytes: &[u8]) -> Result<Self> {
        if width == 0 || height == 0 || width.checked_mul(height).and_then(|n| n.checked_mul(3)) != Some(bytes.len()) {
            let count = bytes.len();
            return Err(Error::input(format!(
                "a picture of {width}x{height} has three bytes a pixel; {count} were given"
            )));
        }
        let plane = |channel: usize| {
            let data = bytes.iter().skip(channel).step_by(3).map(|&byte| f32::from(byte)).collect();
            Plane { width, height, data }
        };
        Ok(Picture::new((0..3).map(plane).collect()))
    }

    /// Red, green and blue bytes, row by row, rounded; opacity is left out.
    pub fn to_rgb8(&self) -> Vec<u8> {
        let byte = |value: f32| value.round().clamp(0.0, 255.0) as u8;
        let channel = |i: usize| &self.planes[i.min(self.planes.len() - 1)].data;
        let pixels = channel(0).iter().zip(channel(1)).zip(channel(2));
        pixels.flat_map(|((&r, &g), &b)| [r, g, b].map(byte)).collect()
    }

    /// This picture with other pixels: depth and metadata stay. Sizes may differ from the old ones, not among each other.
    ///
    /// # Panics
    /// As [`Picture::new`]; also when `alpha` differs in size or the number of planes changes (the profile would no longer fit).
    pub fn with_pixels(&self, planes: Vec<Plane>, alpha: Option<Plane>) -> Self {
        assert_eq!(planes.len(), self.planes.len(), "number of planes");
        let mut picture = Picture::new(planes);
        if let Some(alpha) = &alpha {
            assert_eq!((alpha.width, alpha.height), (picture.width(), picture.height()), "size of the alpha plane");
        }
        picture.alpha = alpha;
        Self { depth: self.depth, metadata: self.metadata.clone(), warnings: self.warnings.clone(), ..picture }
    }

    /// This picture with `f` applied to every plane, alpha included.
    pub fn map(&self, mut f: impl FnMut(&Plane) -> Plane) -> Self {
        let planes = self.planes.iter().map(&mut f).collect();
        let alpha = self.alpha.as_ref().map(f);
        self.with_pixels(planes, alpha)
    }

    /// Pixels per row.
    pub fn width(&self) -> usize {
        self.planes[0].width
    }

    /// Number of rows.
    pub fn height(&self) -> usize {
        self.planes[0].height
    }

    /// One channel rather than three.
    pub fn is_grey(&self) -> bool {
        self.planes.len() == 1
    }
}
