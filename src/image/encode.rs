//! From rows to the bytes of a file.

use super::metadata::{Tree, exif_density};
use super::rows::PictureRows;
use super::{Density, Depth, Format, Metadata, Picture, Rows, writers};
use crate::{Error, Result};
use std::io::{Cursor, Seek, Write};
use std::path::Path;

/// JPEG quality where none is given.
pub const DEFAULT_QUALITY: u8 = 95;

/// How much work goes into making a PNG small. The pixels are the same.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "cli", derive(clap::ValueEnum))]
pub enum Compression {
    /// None: as large as the pixels.
    None,
    /// Little.
    #[default]
    Fast,
    /// As most programs.
    Balanced,
    /// As much as there is.
    Best,
}

/// What a file says of its picture before the pixels.
#[derive(Clone, Copy, Debug)]
pub struct Header<'a> {
    /// Pixels per row.
    pub width: usize,
    /// Rows.
    pub height: usize,
    /// 1 (grey) or 3 (red, green, blue).
    pub colours: usize,
    /// Whether opacity follows.
    pub alpha: bool,
    /// Bits per sample.
    pub depth: Depth,
    /// As [`Picture::metadata`]; sizes in it are corrected when it is written.
    pub metadata: &'a Metadata,
}

/// EXIF must fit one JPEG segment: 65,535 bytes with the length and the marker's six.
const JPEG_EXIF: usize = 65_535 - 2 - 6;
/// So must XMP, with a marker of 29 bytes, and IPTC records among Photoshop's resources.
const JPEG_XMP: usize = 65_535 - 2 - 29;
const JPEG_IPTC: usize = 65_535 - 2 - 14 - 14;
/// Profile data of 254 segments, as many as the encoder writes.
const JPEG_ICC: usize = 254 * (65_533 - 14);

impl<'a> Header<'a> {
    /// What `format` cannot hold of a picture and encoding leaves out, a sentence each. `transparent` says whether any
    /// pixel is not opaque.
    pub fn losses(&self, format: Format, transparent: bool) -> Vec<String> {
        let name = format.extension();
        let mut losses = Vec::new();
        if !format.has_alpha() && transparent {
            losses.push(format!("{name} has no transparency: the picture was composed over white"));
        }
        if !format.has_sixteen_bits() && self.depth == Depth::Sixteen {
            losses.push(format!("{name} has 8 bits per channel: 16 bits were reduced"));
        }
        if self.colours == 1 && !format.has_grey(self.alpha) {
            losses.push(format!("{name} has no such grey pictures: written as RGB"));
        }
        let Metadata { icc, exif, xmp, iptc, density, .. } = self.metadata;
        let mut lost = |what: &str, is_there: bool, is_kept: bool| {
            if is_there && !is_kept {
                losses.push(format!("the {what} not fit into {name} and was left out"));
            }
        };
        lost("ICC profile does", icc.is_some(), self.icc_for(format).is_some());
        lost("EXIF block does", exif.is_some(), self.exif_for(format).is_some());
        lost("XMP packet does", xmp.is_some(), self.xmp_for(format).is_some());
        lost("IPTC block does", iptc.is_some(), self.iptc_for(format).is_some());
        lost("print resolution does", density.is_some(), self.density_for(format).is_some());
        let colours = self.metadata.telling_colours();
        if format != Format::Png && !colours.is_empty() {
            let chunks = colours.join(" and ");
            losses.push(format!(
                "{name} has no place for PNG's {chunks}: colours may look different; write png to keep them"
            ));
        }
        losses
    }

    /// Checks that `format` holds a picture of this size.
    ///
    /// # Errors
    /// When it does not, naming `name`.
    pub fn check(&self, format: Format, name: &Path) -> Result<()> {
        let fits = format.check_size(self.width, self.height);
        fits.map_err(|error| Error::file(name, error.to_string()))
    }

    /// The profile, if the format holds it and it describes the channels that are written.
    pub(super) fn icc_for(&self, format: Format) -> Option<&'a [u8]> {
        let grey_as_rgb = self.colours == 1 && !format.has_grey(self.alpha);
        self.metadata.icc.as_deref().filter(|icc| match format {
            _ if grey_as_rgb => false,
            Format::Bmp => false,
            Format::Jpeg => icc.len() <= JPEG_ICC,
            Format::Png | Format::WebP | Format::Tiff => true,
        })
    }

    /// The EXIF block with the size that is written, if the format holds it.
    pub(super) fn exif_for(&self, format: Format) -> Option<Vec<u8>> {
        let exif = self.metadata.exif_of(self.width, self.height);
        exif.filter(|exif| match format {
            Format::Png | Format::WebP => true,
            Format::Jpeg => exif.len() <= JPEG_EXIF,
            // As directories of its own; what cannot be read as such has no place.
            Format::Tiff => Tree::read(exif).is_some(),
            Format::Bmp => false,
        })
    }

    /// The XMP packet with the size that is written, if the format holds it.
    pub(super) fn xmp_for(&self, format: Format) -> Option<Vec<u8>> {
        let xmp = self.metadata.xmp_of(self.width, self.height);
        xmp.filter(|xmp| match format {
            // As text.
            Format::Png => std::str::from_utf8(xmp).is_ok(),
            Format::WebP | Format::Tiff => true,
            Format::Jpeg => xmp.len() <= JPEG_XMP,
            Format::Bmp => false,
        })
    }

    /// The IPTC records, if the format holds them.
    pub(super) fn iptc_for(&self, format: Format) -> Option<&'a [u8]> {
        self.metadata.iptc.as_deref().filter(|iptc| match format {
            Format::Png | Format::Tiff => true,
            Format::Jpeg => iptc.len() <= JPEG_IPTC,
            Format::WebP | Format::Bmp => false,
        })
    }

    /// The print resolution, if the format holds it.
    pub(super) fn density_for(&self, format: Format) -> Option<Density> {
        let short = |number: f64| (0.5..65_535.5).contains(&number);
        self.metadata.density.filter(|density| match format {
            Format::Png | Format::Tiff => true,
            Format::Jpeg => short(density.x) && short(density.y),
            Format::Bmp => density.unit.is_some(),
            // There only EXIF says it.
            Format::WebP => self.metadata.exif.as_deref().and_then(exif_density) == Some(*density),
        })
    }
}

/// How a picture is encoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EncodeOptions {
    /// JPEG quality, 1 to 100.
    pub quality: u8,
    /// Of PNG.
    pub compression: Compression,
}

impl Default for EncodeOptions {
    fn default() -> Self {
        EncodeOptions { quality: DEFAULT_QUALITY, compression: Compression::default() }
    }
}

/// Writes a picture whose rows are made meanwhile, and returns what the format did not hold; `name` is what errors call
/// it. Beside what makes the rows, memory is that of some rows, or of all samples where the format
/// [is written whole](Format::is_written_whole).
///
/// Samples are rounded half up and saturated. For JPEG, transparency is composed over white, and 16 bits become 8.
///
/// # Errors
/// When the rows fail, the picture is too large for the format, quality is out of range, or nothing more can be written.
pub fn encode(
    header: &Header,
    format: Format,
    options: &EncodeOptions,
    rows: &mut impl Rows,
    out: impl Write + Seek,
    name: &Path,
) -> Result<Vec<String>> {
    if !(1..=100).contains(&options.quality) {
        let (name, quality) = (name.display(), options.quality);
        return Err(Error::input(format!("{name}: JPEG quality {quality} is not within 1 to 100")));
    }
    header.check(format, name)?;
    let transparent = writers::write(header, format, options, rows, out).map_err(|failure| match failure {
        writers::Failure::Rows(error) => error,
        writers::Failure::Encoder(message) => Error::file(name, format!("cannot be encoded: {message}")),
    })?;
    Ok(header.losses(format, transparent))
}

impl Picture {
    /// What a file says of this picture before its pixels.
    pub fn header(&self) -> Header<'_> {
        Header {
            width: self.width(),
            height: self.height(),
            colours: self.planes.len(),
            alpha: self.alpha.is_some(),
            depth: self.depth,
            metadata: &self.metadata,
        }
    }

    /// What `format` cannot hold of this picture and encoding leaves out, a sentence each. Empty when all is kept (JPEG's
    /// compression aside).
    pub fn losses(&self, format: Format) -> Vec<String> {
        let transparent = self.alpha.as_ref().is_some_and(|alpha| alpha.data.iter().any(|&a| a < 254.5));
        self.header().losses(format, transparent)
    }

    /// The bytes of a file in `format`. `quality`, 1 to 100, is for JPEG.
    ///
    /// Samples are rounded half up and saturated. For JPEG, transparency is composed over white, and 16 bits become 8;
    /// [`Picture::losses`] lists what a format does not hold.
    ///
    /// # Errors
    /// When a sample is not a number, the picture is too large for the format, or quality is out of range.
    pub fn encode(&self, format: Format, quality: u8) -> Result<Vec<u8>> {
        let mut bytes = Vec::new();
        let options = EncodeOptions { quality, ..EncodeOptions::default() };
        self.encode_to(format, &options, Cursor::new(&mut bytes), Path::new("picture"))?;
        Ok(bytes)
    }

    /// [`encode`] of a picture that is there.
    pub(super) fn encode_to(
        &self,
        format: Format,
        options: &EncodeOptions,
        out: impl Write + Seek,
        name: &Path,
    ) -> Result<Vec<String>> {
        if self.planes.iter().chain(&self.alpha).any(|plane| plane.data.iter().any(|v| !v.is_finite())) {
            return Err(Error::NonFinite(format!(
                "{}: the picture holds values that are not numbers; not written",
                name.display()
            )));
        }
        encode(&self.header(), format, options, &mut PictureRows::new(self), out, name)
    }
}
