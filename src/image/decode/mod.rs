//! From a file to a picture.
//!
//! ```text
//! file | stream --source--> bytes --kind--> decoder, supervised --> Bitmap --> Picture
//! ```

mod checks;
mod jpeg;
#[cfg(feature = "jxl")]
mod jxl;
mod kind;
mod outline;
mod png;
mod pnm;
mod repair;
mod source;
mod supervise;
mod tiff;

use super::{Bitmap, Metadata, Picture, metadata};
use crate::Error;
use ::image::codecs::{self, bmp, gif, webp};
use ::image::metadata::Orientation;
use ::image::{AnimationDecoder, DynamicImage, ImageBuffer, ImageDecoder, ImageFormat, Limits};
use checks::{CMYK, NO_MEMORY, check_animation, check_several, check_size, check_state};
use kind::READ;
pub use kind::{Kind, kind};
pub use outline::Outline;
use std::io::{Cursor, Read};
use std::path::Path;
use supervise::{patience, supervise};

/// How much decoding may take on, and what it does with an animation or half a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DecodeOptions {
    /// Pictures with more pixels are refused before memory is taken for them, and so are files that go on after what so many
    /// pixels can need. 2^28 (16384 x 16384) by default.
    pub max_pixels: u64,
    /// Take the first frame of an animated GIF, WebP or PNG, or the first page of a TIFF, with a warning, instead of refusing
    /// the file.
    pub first_frame: bool,
    /// Bytes that a picture may take while it is decoded, its file included: what takes more is refused before. As many as
    /// the system gives by default.
    pub max_memory: u64,
    /// Refuse a file that is cut short where its decoder would go on with a warning: ground truth is whole.
    pub whole: bool,
}

impl Default for DecodeOptions {
    fn default() -> Self {
        Self { max_pixels: 1 << 28, first_frame: false, max_memory: u64::MAX, whole: false }
    }
}

impl DecodeOptions {
    /// For ground truth and training pictures: half a picture is none.
    pub fn truth() -> Self {
        Self { whole: true, ..Self::default() }
    }
}

impl Picture {
    /// Reads a PNG, JPEG, WebP, BMP, TIFF, PNM or GIF file; its content, not its name, says which. An animation is refused.
    ///
    /// # Errors
    /// When the file cannot be read, is no such picture, is damaged, animated or too large; the message names the file. A
    /// decoder that panics, or does not come to an end, is such an error too.
    pub fn open(path: impl AsRef<Path>) -> crate::Result<Picture> {
        Self::open_with(path, &DecodeOptions::default())
    }

    /// [`Picture::open`] with other limits.
    ///
    /// # Errors
    /// As [`Picture::open`].
    pub fn open_with(path: impl AsRef<Path>, options: &DecodeOptions) -> crate::Result<Picture> {
        Ok((&Bitmap::open_with(path, options)?).into())
    }

    /// Decodes the bytes of a file; `name` is what errors call it.
    ///
    /// # Errors
    /// As [`Picture::open`].
    pub fn decode(bytes: &[u8], name: impl AsRef<Path>) -> crate::Result<Picture> {
        Self::decode_with(bytes, name, &DecodeOptions::default())
    }

    /// [`Picture::decode`] with other limits.
    ///
    /// # Errors
    /// As [`Picture::open`].
    pub fn decode_with(bytes: &[u8], name: impl AsRef<Path>, options: &DecodeOptions) -> crate::Result<Picture> {
        Ok((&Bitmap::decode_with(bytes, name, options)?).into())
    }
}

impl Bitmap {
    /// As [`Picture::open_with`], in the file's own samples.
    ///
    /// # Errors
    /// As [`Picture::open`].
    pub fn open_with(path: impl AsRef<Path>, options: &DecodeOptions) -> crate::Result<Bitmap> {
        let path = path.as_ref();
        supervised(source::open(path, options)?, path, options)
    }

    /// Decodes a stream, which may be endless: no more is read than a picture within the limits can need. `name` is what
    /// errors call it.
    ///
    /// # Errors
    /// As [`Picture::open`].
    pub fn read_with(from: impl Read, name: impl AsRef<Path>, options: &DecodeOptions) -> crate::Result<Bitmap> {
        let name = name.as_ref();
        supervised(source::read(from, name, options)?, name, options)
    }

    /// As [`Picture::decode_with`], in the file's own samples.
    ///
    /// # Errors
    /// As [`Picture::open`].
    pub fn decode_with(bytes: &[u8], name: impl AsRef<Path>, options: &DecodeOptions) -> crate::Result<Bitmap> {
        supervised(bytes.to_vec(), name.as_ref(), options)
    }
}

/// What is wrong with a file, without its name; [`supervised`] puts that before it.
type Message = String;

fn supervised(bytes: Vec<u8>, name: &Path, options: &DecodeOptions) -> crate::Result<Bitmap> {
    let options = *options;
    let decoded = supervise(patience(bytes.len()), move || decode(&bytes, &options));
    decoded.map_err(|message| Error::input(format!("{}: {message}", name.display())))
}

/// What a format's reader gives.
struct Decoded {
    /// As it is stored.
    image: DynamicImage,
    /// How it is to be turned.
    orientation: Orientation,
    /// Whether the file stores places in a list of colours.
    palette: bool,
    metadata: Metadata,
    warnings: Vec<String>,
}

fn decode(bytes: &[u8], options: &DecodeOptions) -> Result<Bitmap, Message> {
    let decoded = match kind(bytes) {
        Kind::Read(format) => {
            let bytes = &repair::repair(bytes, format)?;
            // Damaged headers are left to the decoder to tell.
            if let Some(outline) = Outline::of(bytes, format, options)? {
                outline.check_memory(options)?;
            }
            match format {
                ImageFormat::Tiff => tiff::decode(bytes, options)?,
                ImageFormat::Png => png::decode(bytes, options)?,
                format => decode_other(format, bytes, options)?,
            }
        }
        #[cfg(feature = "jxl")]
        Kind::JpegXl => jxl::decode(bytes, options)?,
        Kind::Foreign(name, remedy) => return Err(format!("{name} pictures are not read: {remedy}")),
        Kind::Unknown if bytes.is_empty() => return Err("is empty".to_owned()),
        Kind::Unknown => return Err(format!("not a picture of a known format ({READ})")),
    };
    let Decoded { mut image, orientation, palette, mut metadata, warnings } = decoded;
    image.apply_orientation(metadata.turn(orientation));
    let colour = image.color();
    let mut picture = Bitmap::from_dynamic(image)
        .ok_or_else(|| format!("{colour:?} samples are not read: convert the file to 8 or 16 bits per channel"))?;
    let icc = metadata.icc.take();
    (picture.metadata, picture.warnings) = (metadata, warnings);
    if palette && icc.as_deref().and_then(|icc| icc.get(16..20)) != Some(b"RGB ") {
        // A palette says nothing about channels: grey if all colours in use are, unless a profile of colours goes with it.
        picture.collapse_equal_colours();
    }
    attach_profile(&mut picture, icc);
    Ok(picture)
}

/// Every other format, which the `image` crate decodes.
fn decode_other(format: ImageFormat, bytes: &[u8], options: &DecodeOptions) -> Result<Decoded, Message> {
    let explain = |error: ::image::ImageError| explain(&error, options);
    let mut warnings = Vec::new();
    let remade = if format == ImageFormat::Jpeg { whole_jpeg(bytes, options, &mut warnings)? } else { None };
    let (mut decoder, animated) = decoder(format, remade.as_deref().unwrap_or(bytes), options)?;
    let (width, height) = decoder.dimensions();
    check_size(width, height, options)?;
    if format == ImageFormat::Pnm && pnm::is_followed(bytes) {
        check_several(options, &mut warnings)?;
    }
    check_animation(animated, options, &mut warnings)?;
    let metadata = metadata(format, bytes, &mut *decoder, &mut warnings);
    let orientation = decoder.orientation().unwrap_or(Orientation::NoTransforms);
    decoder.set_limits(limits(options)).map_err(explain)?;
    let mut image = DynamicImage::from_decoder(decoder).map_err(explain)?;
    if let Some(rgba) = image.as_rgba8() {
        let all = |opacity: u8| rgba.pixels().all(|pixel| pixel.0[3] == opacity);
        let opaque = match format {
            // Its decoder always adds alpha; all opaque, it is none.
            ImageFormat::Gif => all(255),
            // Programs that have no use for the fourth byte leave it 0, and show such pictures opaque.
            ImageFormat::Bmp => all(0),
            _ => false,
        };
        if opaque {
            image = without_opacity(image);
        }
    }
    Ok(Decoded { image, orientation, palette: has_palette(format, bytes), metadata, warnings })
}

/// Red, green and blue of a picture of 8 bits, in their place.
fn without_opacity(image: DynamicImage) -> DynamicImage {
    let (width, height, mut samples) = (image.width(), image.height(), image.into_bytes());
    let pixels = samples.len() / 4;
    for pixel in 1..pixels {
        samples.copy_within(4 * pixel..4 * pixel + 3, 3 * pixel);
    }
    samples.truncate(3 * pixels);
    samples.shrink_to_fit();
    ImageBuffer::from_raw(width, height, samples).map(DynamicImage::ImageRgb8).expect("three samples of every pixel")
}

fn limits(options: &DecodeOptions) -> Limits {
    let mut limits = Limits::default();
    // Twice the largest pixel (RGBA, 16 bits): the picture itself, and what a codec keeps beside it.
    limits.max_alloc = Some(options.max_pixels.saturating_mul(16));
    limits
}

/// The decoder of a format, and whether there is an animation.
fn decoder<'a>(
    format: ImageFormat,
    bytes: &'a [u8],
    options: &DecodeOptions,
) -> Result<(Box<dyn ImageDecoder + 'a>, bool), Message> {
    let (reader, limits) = (Cursor::new(bytes), limits(options));
    let explain = |error: ::image::ImageError| explain(&error, options);
    Ok(match format {
        ImageFormat::WebP => {
            let decoder = webp::WebPDecoder::new(reader).map_err(explain)?;
            let animated = decoder.has_animation();
            (Box::new(decoder), animated)
        }
        ImageFormat::Gif => {
            (Box::new(gif::GifDecoder::new(reader).map_err(explain)?), gif_is_animated(bytes, &limits, options))
        }
        ImageFormat::Jpeg => (Box::new(codecs::jpeg::JpegDecoder::new(reader).map_err(explain)?), false),
        ImageFormat::Bmp => (Box::new(bmp::BmpDecoder::new(reader).map_err(explain)?), false),
        ImageFormat::Pnm => (Box::new(codecs::pnm::PnmDecoder::new(reader).map_err(explain)?), false),
        other => return Err(format!("{other:?} pictures are not read ({READ})")),
    })
}

/// Looks whether all of a JPEG is there; returns it as its decoder reads it rightly where that is not as it stands: with
/// its channels in one scan, and with the colours that they are.
fn whole_jpeg(bytes: &[u8], options: &DecodeOptions, warnings: &mut Vec<String>) -> Result<Option<Vec<u8>>, Message> {
    let jpeg::Inspected { state, progressive, components, joined } = jpeg::inspect(bytes, options)?;
    if components == 2 {
        return Err("a JPEG of two channels is not read: save it as PNG first".into());
    }
    check_state(state, progressive, options, warnings)?;
    if components == 4 {
        warnings.push(CMYK.into());
    }
    let coloured = jpeg::with_colours(joined.as_deref().unwrap_or(bytes))?;
    Ok(coloured.or(joined))
}

fn explain(error: &::image::ImageError, options: &DecodeOptions) -> Message {
    match error {
        ::image::ImageError::Limits(_) => {
            format!("needs more memory than a picture of {} pixels may take", options.max_pixels)
        }
        ::image::ImageError::Unsupported(_) => {
            format!("a kind of picture that is not read: convert it to PNG first ({error})")
        }
        ::image::ImageError::IoError(_) => "damaged or cut short: it ends too early".to_owned(),
        _ => format!("damaged or cut short ({error})"),
    }
}

/// Whether a second frame follows the first. Damage is left to the decoding proper to report.
fn gif_is_animated(bytes: &[u8], limits: &Limits, options: &DecodeOptions) -> bool {
    let Ok(mut decoder) = gif::GifDecoder::new(Cursor::new(bytes)) else { return false };
    let (width, height) = decoder.dimensions();
    check_size(width, height, options).is_ok()
        && decoder.set_limits(limits.clone()).is_ok()
        && decoder.into_frames().nth(1).is_some_and(|frame| frame.is_ok())
}

/// What a file says beside its pixels; what of it cannot be read is told.
fn metadata(format: ImageFormat, bytes: &[u8], decoder: &mut dyn ImageDecoder, warnings: &mut Vec<String>) -> Metadata {
    let mut part = |what: &str, read: ::image::ImageResult<Option<Vec<u8>>>| {
        read.unwrap_or_else(|error| {
            warnings.push(format!("its {what} cannot be read and was left out: {error}"));
            None
        })
    };
    let mut metadata = Metadata {
        icc: part("ICC profile", decoder.icc_profile()),
        exif: part("EXIF data", decoder.exif_metadata()),
        xmp: part("XMP packet", decoder.xmp_metadata()),
        ..Metadata::default()
    };
    match format {
        ImageFormat::Jpeg => {
            let resources = part("IPTC data", decoder.iptc_metadata());
            metadata.iptc = resources.and_then(|resources| metadata::iptc_of(&resources));
            metadata.density = metadata::jfif_density(bytes);
            let extended = metadata::extended_xmp(bytes);
            if extended > 0 {
                let kib = extended.div_ceil(1 << 10);
                warnings.push(format!("the part of its XMP packet beyond 64 KiB ({kib} KiB) was left out"));
            }
        }
        ImageFormat::Bmp => {
            metadata.density = metadata::bmp_density(bytes);
            metadata.icc = metadata::bmp_icc(bytes);
        }
        _ => {}
    }
    metadata.density = metadata.density.or_else(|| metadata::exif_density(metadata.exif.as_deref()?));
    metadata
}

/// Whether the file stores indices into a palette: BMP of at most 8 bits per pixel, any GIF.
fn has_palette(format: ImageFormat, bytes: &[u8]) -> bool {
    let short = |at: usize| bytes.get(at..at + 2).map(|b| u16::from_le_bytes([b[0], b[1]]));
    match format {
        ImageFormat::Gif => true,
        // The oldest header, of 12 bytes, has 16-bit sizes.
        ImageFormat::Bmp => short(if short(14) == Some(12) { 24 } else { 28 }).is_some_and(|bits| bits <= 8),
        _ => false,
    }
}

/// Keeps the profile if it describes the planes: that of a CMYK file, converted on decoding, or of a palette turned grey
/// does not.
fn attach_profile(picture: &mut Bitmap, icc: Option<Vec<u8>>) {
    let Some(icc) = icc else { return };
    // ICC.1, 7.2: bytes 16 to 19 of the header are the colour space of the data.
    let expected: &[u8] = if picture.colours == 1 { b"GRAY" } else { b"RGB " };
    if icc.get(16..20) == Some(expected) {
        picture.metadata.icc = Some(icc);
    } else {
        let space = String::from_utf8_lossy(icc.get(16..20).unwrap_or_default()).trim().to_owned();
        picture
            .warnings
            .push(format!("its ICC profile (colour space {space:?}) does not fit the pixels and was left out"));
    }
}
