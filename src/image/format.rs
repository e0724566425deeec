//! Formats that pictures are written in, and what they hold.

use crate::{Error, Result};
use std::path::Path;
use std::str::FromStr;

/// A format pictures are written in.
///
/// | | grey | alpha | 16 bits | ICC | EXIF, XMP | IPTC | resolution | colours of PNG | lossless |
/// |---|---|---|---|---|---|---|---|---|---|
/// | PNG | yes | yes | yes | yes | yes | yes | yes | yes | yes |
/// | JPEG | yes | composed over white | to 8 bits | yes | up to 64 KiB | up to 64 KiB | yes | no | no |
/// | WebP | as RGB | yes | to 8 bits | yes | yes | no | no | no | yes |
/// | TIFF | yes; with alpha as RGBA | yes | yes | yes | yes | yes | yes | no | yes |
/// | BMP | yes; with alpha as RGBA | yes | to 8 bits | no | no | no | yes | no | yes |
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

    /// Whether its encoder takes only whole pictures: WebP's looks at all pixels, BMP begins with the last row.
    pub fn is_written_whole(self) -> bool {
        matches!(self, Format::WebP | Format::Bmp)
    }

    pub(super) fn has_alpha(self) -> bool {
        self != Format::Jpeg
    }

    pub(super) fn has_sixteen_bits(self) -> bool {
        matches!(self, Format::Png | Format::Tiff)
    }

    pub(super) fn has_grey(self, alpha: bool) -> bool {
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
