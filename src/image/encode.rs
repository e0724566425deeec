//! From a picture to the bytes of a file.

use super::plane::round_to_byte;
use super::{Depth, Picture, Plane};
use crate::{Error, Result};
use ::image::codecs::{bmp, jpeg, png, tiff, webp};
use ::image::{ExtendedColorType, ImageEncoder, ImageError};
use std::io::Cursor;
use std::path::Path;
use std::str::FromStr;

/// JPEG quality where none is given.
pub const DEFAULT_QUALITY: u8 = 95;

/// A format pictures are written in.
///
/// | | grey | alpha | 16 bits | ICC | EXIF | lossless |
/// |---|---|---|---|---|---|---|
/// | PNG | yes | yes | yes | yes | yes | yes |
/// | JPEG | yes | composed over white | to 8 bits | yes | up to 64 KiB | no |
/// | WebP | as RGB | yes | to 8 bits | yes | yes | yes |
/// | TIFF | yes; with alpha as RGBA | yes | yes | yes | no | yes |
/// | BMP | yes; with alpha as RGBA | yes | to 8 bits | no | no | yes |
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// PNG.
    Png,
    /// Baseline JPEG.
    Jpeg,
    /// Lossless WebP.
    WebP,
    /// Uncompressed TIFF.
    Tiff,
    /// BMP.
    Bmp,
}

impl Format {
    /// The usual file name extension, without a dot.
    pub fn extension(self) -> &'static str {
        match self {
            Format::Png => "png",
            Format::Jpeg => "jpg",
            Format::WebP => "webp",
            Format::Tiff => "tif",
            Format::Bmp => "bmp",
        }
    }

    /// The format that a file name's extension asks for, in any case.
    ///
    /// # Errors
    /// When there is no extension, or none of a format that is written.
    pub fn from_path(path: impl AsRef<Path>) -> Result<Format> {
        let path = path.as_ref();
        let extension = path.extension().and_then(|e| e.to_str()).unwrap_or_default();
        extension.parse().map_err(|_| {
            Error::input(format!(
                "{}: the name must end in .png, .jpg, .webp, .tif or .bmp, or the format be given",
                path.display()
            ))
        })
    }

    /// The most pixels along one side.
    fn largest_side(self) -> u32 {
        match self {
            Format::Jpeg => 65_535,
            Format::WebP => 16_383,
            Format::Png | Format::Tiff | Format::Bmp => i32::MAX as u32,
        }
    }

    /// Whether the format holds a picture of this size.
    ///
    /// # Errors
    /// Saying what it does hold.
    pub fn check_size(self, width: usize, height: usize) -> Result<()> {
        let (largest, name) = (self.largest_side(), self.extension());
        if width == 0 || height == 0 {
            return Err(Error::input(format!("a picture of {width}x{height} pixels cannot be written")));
        }
        if width.max(height) > largest as usize {
            let why = format!("{width}x{height} pixels are too many for {name}, which ends at {largest} a side");
            return Err(Error::input(format!("{why}: write png or tif (--format png)")));
        }
        // Sizes in the headers of BMP and TIFF are 32 bits; up to 4 and 8 bytes a pixel, and some metadata.
        let bytes = match self {
            Format::Bmp => 4,
            Format::Tiff => 8,
            Format::Png | Format::Jpeg | Format::WebP => 0,
        };
        if (width as u64 * height as u64).saturating_mul(bytes) > u64::from(u32::MAX) - (1 << 24) {
            let why = format!("{width}x{height} pixels may take more than the 4 GiB of a {name} file");
            return Err(Error::input(format!("{why}: write png (--format png)")));
        }
        Ok(())
    }

    fn has_alpha(self) -> bool {
        self != Format::Jpeg
    }

    fn has_sixteen_bits(self) -> bool {
        matches!(self, Format::Png | Format::Tiff)
    }

    fn has_grey(self, alpha: bool) -> bool {
        match self {
            Format::Png | Format::Jpeg => true,
            Format::Tiff | Format::Bmp => !alpha,
            Format::WebP => false,
        }
    }
}

impl FromStr for Format {
    type Err = Error;

    /// `png`, `jpg`, `webp`, `tif` or `bmp`, or another usual ending of their files, in any case.
    fn from_str(name: &str) -> Result<Format> {
        match name.to_ascii_lowercase().as_str() {
            "png" => Ok(Format::Png),
            "jpg" | "jpeg" | "jpe" | "jfif" => Ok(Format::Jpeg),
            "webp" => Ok(Format::WebP),
            "tif" | "tiff" => Ok(Format::Tiff),
            "bmp" | "dib" => Ok(Format::Bmp),
            _ => Err(Error::input(format!("format {name:?} is not written: png, jpg, webp, tif and bmp are"))),
        }
    }
}

/// EXIF must fit one JPEG segment: 65,535 bytes with the length and the marker's six.
const JPEG_EXIF: usize = 65_535 - 2 - 6;
/// 255 segments of profile data.
const JPEG_ICC: usize = 255 * (65_533 - 14);

impl Picture {
    /// What `format` cannot hold of this picture and encoding leaves out, a sentence each. Empty when all is kept (JPEG's
    /// compression aside).
    pub fn losses(&self, format: Format) -> Vec<String> {
        let name = format.extension();
        let mut losses = Vec::new();
        if !format.has_alpha() && self.alpha.as_ref().is_some_and(|alpha| alpha.data.iter().any(|&a| a < 255.0)) {
            losses.push(format!("{name} has no transparency: the picture was composed over white"));
        }
        if !format.has_sixteen_bits() && self.depth == Depth::Sixteen {
            losses.push(format!("{name} has 8 bits per channel: 16 bits were reduced"));
        }
        if self.is_grey() && !format.has_grey(self.alpha.is_some()) {
            losses.push(format!("{name} has no such grey pictures: written as RGB"));
        }
        if self.icc.is_some() && self.icc_for(format).is_none() {
            losses.push(format!("the ICC profile does not fit into {name} and was left out"));
        }
        if self.exif.is_some() && self.exif_for(format).is_none() {
            losses.push(format!("the EXIF data do not fit into {name} and were left out"));
        }
        losses
    }

    /// The bytes of a file in `format`. `quality`, 1 to 100, is for JPEG.
    ///
    /// Samples are rounded half up and saturated. For JPEG, transparency is composed over white, and 16 bits become 8;
    /// [`Picture::losses`] lists what a format does not hold.
    ///
    /// # Errors
    /// When a sample is not a number, the picture is too large for the format, or quality is out of range.
    pub fn encode(&self, format: Format, quality: u8) -> Result<Vec<u8>> {
        self.encode_named(format, quality, Path::new("picture"))
    }

    /// [`Picture::encode`] with a name for errors.
    pub(super) fn encode_named(&self, format: Format, quality: u8, name: &Path) -> Result<Vec<u8>> {
        let fail = |message: String| Error::input(format!("{}: {message}", name.display()));
        if self.planes.iter().chain(&self.alpha).any(|plane| plane.data.iter().any(|v| !v.is_finite())) {
            return Err(Error::NonFinite(format!(
                "{}: the picture holds values that are not numbers; not written",
                name.display()
            )));
        }
        if !(1..=100).contains(&quality) {
            return Err(fail(format!("JPEG quality {quality} is not within 1 to 100")));
        }
        format.check_size(self.width(), self.height()).map_err(|error| fail(error.to_string()))?;
        let (width, height) = (self.width() as u32, self.height() as u32);
        self.write(format, quality, width, height).map_err(|error| fail(format!("cannot be encoded: {error}")))
    }

    fn write(&self, format: Format, quality: u8, width: u32, height: u32) -> ::image::ImageResult<Vec<u8>> {
        let mut bytes = Vec::new();
        match format {
            Format::Png => self.run(format, png::PngEncoder::new(&mut bytes), width, height)?,
            Format::Jpeg => {
                self.run(format, jpeg::JpegEncoder::new_with_quality(&mut bytes, quality), width, height)?
            }
            Format::WebP => self.run(format, webp::WebPEncoder::new_lossless(&mut bytes), width, height)?,
            Format::Tiff => self.run(format, tiff::TiffEncoder::new(Cursor::new(&mut bytes)), width, height)?,
            Format::Bmp => self.run(format, bmp::BmpEncoder::new(&mut bytes), width, height)?,
        }
        Ok(bytes)
    }

    fn run(&self, format: Format, mut encoder: impl ImageEncoder, width: u32, height: u32) -> ::image::ImageResult<()> {
        if let Some(icc) = self.icc_for(format) {
            encoder.set_icc_profile(icc.clone()).map_err(ImageError::Unsupported)?;
        }
        if let Some(exif) = self.exif_for(format) {
            encoder.set_exif_metadata(exif.clone()).map_err(ImageError::Unsupported)?;
        }
        let planes = self.planes_for(format);
        let sixteen = self.depth == Depth::Sixteen && format.has_sixteen_bits();
        let colour = match (planes.len(), sixteen) {
            (1, false) => ExtendedColorType::L8,
            (2, false) => ExtendedColorType::La8,
            (3, false) => ExtendedColorType::Rgb8,
            (_, false) => ExtendedColorType::Rgba8,
            (1, true) => ExtendedColorType::L16,
            (2, true) => ExtendedColorType::La16,
            (3, true) => ExtendedColorType::Rgb16,
            (_, true) => ExtendedColorType::Rgba16,
        };
        if sixteen {
            let samples = interleave(&planes, |v| (f64::from(v) * 257.0 + 0.5).clamp(0.0, 65_535.0) as u16);
            encoder.write_image(bytemuck::cast_slice(&samples), width, height, colour)
        } else {
            encoder.write_image(&interleave(&planes, |v| round_to_byte(f64::from(v)) as u8), width, height, colour)
        }
    }

    /// The channels in the file's order: grey or RGB as the format has it, then alpha.
    fn planes_for(&self, format: Format) -> Vec<std::borrow::Cow<'_, Plane>> {
        use std::borrow::Cow;
        let alpha = self.alpha.as_ref();
        let mut planes: Vec<Cow<'_, Plane>> = match alpha {
            Some(alpha) if !format.has_alpha() => {
                self.planes.iter().map(|plane| Cow::Owned(over_white(plane, alpha))).collect()
            }
            _ => self.planes.iter().map(Cow::Borrowed).collect(),
        };
        if self.is_grey() && !format.has_grey(alpha.is_some()) {
            planes = vec![planes[0].clone(), planes[0].clone(), planes[0].clone()];
        }
        planes.extend(alpha.filter(|_| format.has_alpha()).map(Cow::Borrowed));
        planes
    }

    /// The profile, if the format holds it and it describes the channels that are written.
    fn icc_for(&self, format: Format) -> Option<&Vec<u8>> {
        let grey_as_rgb = self.is_grey() && !format.has_grey(self.alpha.is_some());
        let fits = match format {
            Format::Bmp => false,
            Format::Jpeg => self.icc.as_ref().is_some_and(|icc| icc.len() <= JPEG_ICC),
            Format::Png | Format::WebP | Format::Tiff => true,
        };
        self.icc.as_ref().filter(|_| fits && !grey_as_rgb)
    }

    fn exif_for(&self, format: Format) -> Option<&Vec<u8>> {
        self.exif.as_ref().filter(|exif| match format {
            Format::Png | Format::WebP => true,
            Format::Jpeg => exif.len() <= JPEG_EXIF,
            Format::Tiff | Format::Bmp => false,
        })
    }
}

fn over_white(plane: &Plane, alpha: &Plane) -> Plane {
    let over = |(&v, &a): (&f32, &f32)| 255.0 + (v - 255.0) * (a / 255.0).clamp(0.0, 1.0);
    Plane { data: plane.data.iter().zip(&alpha.data).map(over).collect(), ..*plane }
}

fn interleave<T: Copy + Default>(planes: &[std::borrow::Cow<'_, Plane>], convert: impl Fn(f32) -> T) -> Vec<T> {
    let channels = planes.len();
    let mut samples = vec![T::default(); planes[0].data.len() * channels];
    for (channel, plane) in planes.iter().enumerate() {
        for (pixel, &value) in samples.chunks_exact_mut(channels).zip(&plane.data) {
            pixel[channel] = convert(value);
        }
    }
    samples
}
