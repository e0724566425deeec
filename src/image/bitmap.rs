//! Pixels as a file holds them.

use ::image::DynamicImage;
use rayon::prelude::*;

use super::{Depth, Header, Metadata, Picture, Plane};

/// Interleaved samples, row after row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Samples {
    /// 8 bits.
    Eight(Vec<u8>),
    /// 16 bits.
    Sixteen(Vec<u16>),
}

/// A decoded picture in its file's own samples: a quarter of the memory of a [`Picture`] of 8 bits, half of one of 16.
#[derive(Clone, Debug, PartialEq)]
pub struct Bitmap {
    /// Pixels per row.
    pub width: usize,
    /// Rows.
    pub height: usize,
    /// 1 (grey) or 3 (red, green, blue).
    pub colours: usize,
    /// Whether opacity follows the colours of each pixel.
    pub alpha: bool,
    /// `width * height * channels` samples.
    pub samples: Samples,
    /// As [`Picture::metadata`].
    pub metadata: Metadata,
    /// As [`Picture::warnings`].
    pub warnings: Vec<String>,
}

/// A picture whose rows can be read as numbers, however it is stored. Channels are colours first, then opacity.
pub trait Pixels: Send + Sync {
    /// Pixels per row.
    fn width(&self) -> usize;

    /// Rows.
    fn height(&self) -> usize;

    /// 1 (grey) or 3 (red, green, blue).
    fn colours(&self) -> usize;

    /// Whether there is opacity.
    fn has_alpha(&self) -> bool;

    /// Row `y` of a channel, in units of 0..=255.
    fn read(&self, channel: usize, y: usize, row: &mut [f32]);
}

impl<T: Pixels + ?Sized> Pixels for &T {
    fn width(&self) -> usize {
        (**self).width()
    }

    fn height(&self) -> usize {
        (**self).height()
    }

    fn colours(&self) -> usize {
        (**self).colours()
    }

    fn has_alpha(&self) -> bool {
        (**self).has_alpha()
    }

    fn read(&self, channel: usize, y: usize, row: &mut [f32]) {
        (**self).read(channel, y, row);
    }
}

impl Bitmap {
    /// What a file says of this picture before its pixels.
    pub fn header(&self) -> Header<'_> {
        let Bitmap { width, height, colours, alpha, ref metadata, .. } = *self;
        Header { width, height, colours, alpha, depth: self.depth(), metadata }
    }

    /// The pixels of a decoded picture, without metadata; none when they are of another kind than 8 or 16 bits.
    pub(super) fn from_dynamic(image: DynamicImage) -> Option<Bitmap> {
        let (width, height) = (image.width() as usize, image.height() as usize);
        let channels = usize::from(image.color().channel_count());
        let samples = match image {
            DynamicImage::ImageLuma8(_)
            | DynamicImage::ImageLumaA8(_)
            | DynamicImage::ImageRgb8(_)
            | DynamicImage::ImageRgba8(_) => Samples::Eight(image.into_bytes()),
            DynamicImage::ImageLuma16(image) => Samples::Sixteen(image.into_raw()),
            DynamicImage::ImageLumaA16(image) => Samples::Sixteen(image.into_raw()),
            DynamicImage::ImageRgb16(image) => Samples::Sixteen(image.into_raw()),
            DynamicImage::ImageRgba16(image) => Samples::Sixteen(image.into_raw()),
            _ => return None,
        };
        let (alpha, warnings) = (channels.is_multiple_of(2), Vec::new());
        let colours = channels - usize::from(alpha);
        Some(Bitmap { width, height, colours, alpha, samples, metadata: Metadata::default(), warnings })
    }

    /// The piece of at most `width` by `height` pixels in its middle, without metadata.
    pub fn middle(&self, width: usize, height: usize) -> Bitmap {
        let (width, height) = (width.min(self.width), height.min(self.height));
        let (x, y, channels) = ((self.width - width) / 2, (self.height - height) / 2, self.channels());
        fn rows<T: Copy>(samples: &[T], first: usize, row: usize, part: usize, count: usize) -> Vec<T> {
            (0..count).flat_map(|y| &samples[first + y * row..][..part]).copied().collect()
        }
        let (first, row, part) = ((y * self.width + x) * channels, self.width * channels, width * channels);
        let samples = match &self.samples {
            Samples::Eight(samples) => Samples::Eight(rows(samples, first, row, part, height)),
            Samples::Sixteen(samples) => Samples::Sixteen(rows(samples, first, row, part, height)),
        };
        let (colours, alpha) = (self.colours, self.alpha);
        Bitmap { width, height, colours, alpha, samples, metadata: Metadata::default(), warnings: Vec::new() }
    }

    /// Samples per pixel.
    pub fn channels(&self) -> usize {
        self.colours + usize::from(self.alpha)
    }

    /// Bits per sample.
    pub fn depth(&self) -> Depth {
        match self.samples {
            Samples::Eight(_) => Depth::Eight,
            Samples::Sixteen(_) => Depth::Sixteen,
        }
    }

    /// Makes a picture grey whose three colours are equal everywhere.
    pub(super) fn collapse_equal_colours(&mut self) {
        fn equal<T: PartialEq>(samples: &[T], channels: usize) -> bool {
            samples.chunks_exact(channels).all(|p| p[0] == p[1] && p[0] == p[2])
        }
        fn keep<T: Copy>(samples: &[T], channels: usize) -> Vec<T> {
            samples.chunks_exact(channels).flat_map(|p| [p[0]].into_iter().chain(p[3..].iter().copied())).collect()
        }
        let channels = self.channels();
        if self.colours == 1 {
            return;
        }
        match &mut self.samples {
            Samples::Eight(samples) if equal(samples, channels) => *samples = keep(samples, channels),
            Samples::Sixteen(samples) if equal(samples, channels) => *samples = keep(samples, channels),
            _ => return,
        }
        self.colours = 1;
    }
}

impl Pixels for Bitmap {
    fn width(&self) -> usize {
        self.width
    }

    fn height(&self) -> usize {
        self.height
    }

    fn colours(&self) -> usize {
        self.colours
    }

    fn has_alpha(&self) -> bool {
        self.alpha
    }

    fn read(&self, channel: usize, y: usize, row: &mut [f32]) {
        let channels = self.channels();
        let from = y * self.width * channels..(y + 1) * self.width * channels;
        match &self.samples {
            Samples::Eight(samples) => {
                let values = samples[from].chunks_exact(channels).map(|pixel| f32::from(pixel[channel]));
                row.iter_mut().zip(values).for_each(|(out, value)| *out = value);
            }
            Samples::Sixteen(samples) => {
                let values = samples[from].chunks_exact(channels).map(|p| (f64::from(p[channel]) / 257.0) as f32);
                row.iter_mut().zip(values).for_each(|(out, value)| *out = value);
            }
        }
    }
}

impl Pixels for Picture {
    fn width(&self) -> usize {
        Picture::width(self)
    }

    fn height(&self) -> usize {
        Picture::height(self)
    }

    fn colours(&self) -> usize {
        self.planes.len()
    }

    fn has_alpha(&self) -> bool {
        self.alpha.is_some()
    }

    fn read(&self, channel: usize, y: usize, row: &mut [f32]) {
        let plane = self.planes.iter().chain(&self.alpha).nth(channel).expect("a channel of the picture");
        row.copy_from_slice(plane.row(y));
    }
}

impl From<&Bitmap> for Picture {
    fn from(bitmap: &Bitmap) -> Picture {
        let (width, height) = (bitmap.width, bitmap.height);
        let plane = |channel: usize| {
            let mut plane = Plane::filled(width, height, 0.0);
            plane.data.par_chunks_mut(width).enumerate().for_each(|(y, row)| bitmap.read(channel, y, row));
            plane
        };
        Picture {
            alpha: bitmap.alpha.then(|| plane(bitmap.colours)),
            depth: bitmap.depth(),
            metadata: bitmap.metadata.clone(),
            warnings: bitmap.warnings.clone(),
            ..Picture::new((0..bitmap.colours).map(plane).collect())
        }
    }
}
