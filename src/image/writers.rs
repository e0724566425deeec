//! One writer per format: rows in, bytes out.

use std::cell::RefCell;
use std::fmt::Display;
use std::io::{Seek, SeekFrom, Write};

use ::image::codecs::bmp;
use ::image::{ExtendedColorType, ImageEncoder};
use image_webp::WebPEncoder;
use jpeg_encoder::{ImageBuffer, JpegColorType, PixelDensity, PixelDensityUnit, SamplingFactor, rgb_to_ycbcr};
use tiff::Directory;
use tiff::encoder::colortype::{ColorType, Gray8, Gray16, RGB8, RGB16, RGBA8, RGBA16};
use tiff::encoder::{DirectoryEncoder, Rational, TiffEncoder, TiffKind, TiffValue};
use tiff::tags::{CompressionMethod, ResolutionUnit, Tag, Type};

use super::metadata::{Group, Tree, png_iptc_text, resources};
use super::rows::{Sample, Sampled};
use super::{Compression, EncodeOptions, Format, Header, Length, Rows};
use crate::Error;

/// Why a picture was not written.
pub(super) enum Failure {
    /// Its rows failed.
    Rows(Error),
    /// The encoder, or what it writes to.
    Encoder(String),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Failure::Rows(error)
    }
}

fn encoder(error: impl Display) -> Failure {
    Failure::Encoder(error.to_string())
}

/// Writes a picture; returns whether any pixel was not opaque.
pub(super) fn write<R: Rows>(
    header: &Header,
    format: Format,
    options: &EncodeOptions,
    rows: &mut R,
    out: impl Write + Seek,
) -> Result<bool, Failure> {
    let mut sampled = Sampled::new(header, format, rows);
    match format {
        Format::Png => png(header, options.compression, &mut sampled, out)?,
        Format::Jpeg => return jpeg(header, options.quality, sampled, out),
        Format::Tiff => tiff(header, &mut sampled, out)?,
        Format::WebP => {
            let mut encoder = WebPEncoder::new(out);
            encoder.set_icc_profile(header.icc_for(format).map(<[u8]>::to_vec).unwrap_or_default());
            encoder.set_exif_metadata(header.exif_for(format).unwrap_or_default());
            encoder.set_xmp_metadata(header.xmp_for(format).unwrap_or_default());
            let colour =
                if sampled.layout.channels == 3 { image_webp::ColorType::Rgb8 } else { image_webp::ColorType::Rgba8 };
            let samples = whole(header, &mut sampled)?;
            encoder.encode(&samples, header.width as u32, header.height as u32, colour).map_err(self::encoder)?;
        }
        Format::Bmp => bmp(header, &mut sampled, out)?,
    }
    Ok(sampled.transparent())
}

fn png(
    header: &Header,
    compression: Compression,
    sampled: &mut Sampled<impl Rows>,
    out: impl Write,
) -> Result<(), Failure> {
    let mut info = png::Info::with_size(header.width as u32, header.height as u32);
    info.icc_profile = header.icc_for(Format::Png).map(Into::into);
    info.exif_metadata = header.exif_for(Format::Png).map(Into::into);
    info.pixel_dims = header.density_for(Format::Png).map(|density| {
        let (scale, unit) =
            density.per_metre().map_or(([density.x, density.y], png::Unit::Unspecified), |per| (per, png::Unit::Meter));
        let [xppu, yppu] = scale.map(|number| number.round().max(1.0) as u32);
        png::PixelDimensions { xppu, yppu, unit }
    });
    let mut encoder = png::Encoder::with_info(out, info).map_err(self::encoder)?;
    if let Some(xmp) = header.xmp_for(Format::Png).and_then(|xmp| String::from_utf8(xmp).ok()) {
        encoder.add_itxt_chunk("XML:com.adobe.xmp".into(), xmp).map_err(self::encoder)?;
    }
    if let Some(iptc) = header.iptc_for(Format::Png) {
        let (name, text) = png_iptc_text(iptc);
        encoder.add_ztxt_chunk(name, text).map_err(self::encoder)?;
    }
    encoder.set_color(match sampled.layout.channels {
        1 => png::ColorType::Grayscale,
        2 => png::ColorType::GrayscaleAlpha,
        3 => png::ColorType::Rgb,
        _ => png::ColorType::Rgba,
    });
    encoder.set_depth(if sampled.layout.sixteen { png::BitDepth::Sixteen } else { png::BitDepth::Eight });
    encoder.set_compression(match compression {
        Compression::None => png::Compression::NoCompression,
        Compression::Fast => png::Compression::Fast,
        Compression::Balanced => png::Compression::Balanced,
        Compression::Best => png::Compression::High,
    });
    let mut file = encoder.write_header().map_err(self::encoder)?;
    for chunk in &header.metadata.colours {
        // A profile and this one exclude each other (PNG 3, 11.3.2.5).
        if chunk.name != *b"sRGB" || header.icc_for(Format::Png).is_none() {
            file.write_chunk(png::chunk::ChunkType(chunk.name), &chunk.content).map_err(self::encoder)?;
        }
    }
    let mut writer = file.stream_writer_with_size(1 << 20).map_err(self::encoder)?;
    let handful = sampled.handful();
    if sampled.layout.sixteen {
        let mut samples = Vec::<u16>::new();
        while let () = sampled.read(handful, &mut samples)?
            && !samples.is_empty()
        {
            samples.iter_mut().for_each(|sample| *sample = sample.to_be());
            writer.write_all(bytemuck::cast_slice(&samples)).map_err(self::encoder)?;
        }
    } else {
        let mut samples = Vec::<u8>::new();
        while let () = sampled.read(handful, &mut samples)?
            && !samples.is_empty()
        {
            writer.write_all(&samples).map_err(self::encoder)?;
        }
    }
    writer.finish().map_err(self::encoder)?;
    file.finish().map_err(self::encoder)
}

fn tiff(header: &Header, sampled: &mut Sampled<impl Rows>, out: impl Write + Seek) -> Result<(), Failure> {
    // Offsets of 32 bits end at 4 GiB.
    let bytes = (sampled.row() * header.height) as u64 * if sampled.layout.sixteen { 2 } else { 1 };
    if bytes < (4 << 30) - (64 << 20) {
        strips(header, sampled, TiffEncoder::new(out).map_err(encoder)?)
    } else {
        strips(header, sampled, TiffEncoder::new_big(out).map_err(encoder)?)
    }
}

fn strips<K: TiffKind>(
    header: &Header,
    sampled: &mut Sampled<impl Rows>,
    encoder: TiffEncoder<impl Write + Seek, K>,
) -> Result<(), Failure> {
    match (sampled.layout.channels, sampled.layout.sixteen) {
        (1, false) => strips_of::<Gray8, K>(header, sampled, encoder),
        (3, false) => strips_of::<RGB8, K>(header, sampled, encoder),
        (_, false) => strips_of::<RGBA8, K>(header, sampled, encoder),
        (1, true) => strips_of::<Gray16, K>(header, sampled, encoder),
        (3, true) => strips_of::<RGB16, K>(header, sampled, encoder),
        (_, true) => strips_of::<RGBA16, K>(header, sampled, encoder),
    }
}

fn strips_of<C: ColorType<Inner: Sample>, K: TiffKind>(
    header: &Header,
    sampled: &mut Sampled<impl Rows>,
    mut encoder: TiffEncoder<impl Write + Seek, K>,
) -> Result<(), Failure>
where
    [C::Inner]: TiffValue,
{
    let (handful, mut samples) = (sampled.handful(), Vec::new());
    let said = header.exif_for(Format::Tiff).and_then(|exif| Tree::read(&exif));
    let mut below = Vec::new();
    for (tag, group) in said.iter().flat_map(|tree| [(Tag::ExifDirectory, &tree.exif), (Tag::GpsDirectory, &tree.gps)])
    {
        if !group.is_empty() {
            let mut directory = encoder.extra_directory().map_err(self::encoder)?;
            fields(&mut directory, &said.as_ref().expect("what its group is of").native(group))
                .map_err(self::encoder)?;
            below.push((tag, directory.finish_with_offsets().map_err(self::encoder)?.pointer));
        }
    }
    // Not by the encoder of whole pictures, which names a predictor where nothing is compressed.
    let mut directory = encoder.image_directory().map_err(self::encoder)?;
    let mut tag = |tag: Tag, values: &[u16]| directory.write_tag(tag, values).map_err(self::encoder);
    tag(Tag::BitsPerSample, C::BITS_PER_SAMPLE)?;
    tag(Tag::SampleFormat, &C::SAMPLE_FORMAT.iter().map(|format| format.to_u16()).collect::<Vec<_>>())?;
    tag(Tag::SamplesPerPixel, &[C::BITS_PER_SAMPLE.len() as u16])?;
    tag(Tag::PhotometricInterpretation, &[C::TIFF_VALUE.to_u16()])?;
    tag(Tag::Compression, &[CompressionMethod::None.to_u16()])?;
    if sampled.layout.channels == 4 {
        // TIFF 6.0, section 18: colours are not multiplied by opacity.
        tag(Tag::ExtraSamples, &[2])?;
    }
    let sides = [(Tag::ImageWidth, header.width), (Tag::ImageLength, header.height), (Tag::RowsPerStrip, handful)];
    for (tag, number) in sides {
        directory.write_tag(tag, number as u32).map_err(self::encoder)?;
    }
    if let Some(icc) = header.icc_for(Format::Tiff) {
        directory.write_tag(Tag::IccProfile, icc).map_err(self::encoder)?;
    }
    if let Some(tree) = &said {
        fields(&mut directory, &tree.native(&tree.main)).map_err(self::encoder)?;
    }
    for (tag, pointer) in below {
        // Placed before the pixels, so that 32 bits hold it.
        directory.write_tag(tag, pointer.0 as u32).map_err(self::encoder)?;
    }
    if let Some(xmp) = header.xmp_for(Format::Tiff) {
        directory.write_tag(Tag::Unknown(700), &xmp[..]).map_err(self::encoder)?;
    }
    if let Some(iptc) = header.iptc_for(Format::Tiff) {
        fields(&mut directory, &vec![(33_723, 7, iptc.len(), iptc.to_vec())]).map_err(self::encoder)?;
    }
    if let Some(density) = header.density_for(Format::Tiff) {
        let unit = match density.unit {
            None => ResolutionUnit::None,
            Some(Length::Inch) => ResolutionUnit::Inch,
            Some(Length::Centimetre) => ResolutionUnit::Centimeter,
        };
        directory.write_tag(Tag::ResolutionUnit, unit.to_u16()).map_err(self::encoder)?;
        directory.write_tag(Tag::XResolution, fraction(density.x)).map_err(self::encoder)?;
        directory.write_tag(Tag::YResolution, fraction(density.y)).map_err(self::encoder)?;
    }
    let (mut places, mut lengths) = (Vec::new(), Vec::new());
    for _ in (0..header.height).step_by(handful) {
        sampled.read(handful, &mut samples)?;
        let place = directory.write_data(&samples[..]).map_err(self::encoder)?;
        places.push(K::convert_offset(place).map_err(self::encoder)?);
        lengths.push(K::convert_offset(size_of_val(&samples[..]) as u64).map_err(self::encoder)?);
    }
    directory.write_tag(Tag::StripOffsets, K::convert_slice(&places)).map_err(self::encoder)?;
    directory.write_tag(Tag::StripByteCounts, K::convert_slice(&lengths)).map_err(self::encoder)?;
    directory.finish().map_err(self::encoder)
}

/// Adds fields to a directory, as EXIF data have them.
fn fields<K: TiffKind>(directory: &mut DirectoryEncoder<impl Write + Seek, K>, group: &Group) -> tiff::TiffResult<()> {
    let mut list = Directory::empty();
    for (tag, kind, _, content) in group {
        if let Some(kind) = Type::from_u16(*kind) {
            let entry = directory.write_entry_bytes(kind, content)?;
            list.extend([(Tag::from_u16_exhaustive(*tag), entry)]);
        }
    }
    directory.extend_from(&list);
    Ok(())
}

/// A number as TIFF has it.
fn fraction(number: f64) -> Rational {
    let d = if number.fract() == 0.0 { 1 } else { 10_000 };
    Rational { n: (number * f64::from(d)).round() as u32, d }
}

/// A JPEG encoder asks for rows; these are made as it asks, from top to bottom.
struct Asked<'a, R> {
    width: u16,
    height: u16,
    state: RefCell<State<'a, R>>,
}

struct State<'a, R> {
    sampled: Sampled<'a, R>,
    samples: Vec<u8>,
    /// Row of the picture that `samples` begins with.
    first: usize,
    failure: Option<Error>,
}

impl<R: Rows> ImageBuffer for &Asked<'_, R> {
    fn get_jpeg_color_type(&self) -> JpegColorType {
        if self.state.borrow().sampled.layout.channels == 1 { JpegColorType::Luma } else { JpegColorType::Ycbcr }
    }

    fn width(&self) -> u16 {
        self.width
    }

    fn height(&self) -> u16 {
        self.height
    }

    fn fill_buffers(&self, y: u16, buffers: &mut [Vec<u8>; 4]) {
        let State { sampled, samples, first, failure } = &mut *self.state.borrow_mut();
        let (y, row) = (usize::from(y), sampled.row());
        let mut made = samples.len() / row;
        if y >= *first + made && failure.is_none() {
            *first += made;
            let handful = sampled.handful();
            if let Err(error) = sampled.read(handful, samples) {
                *failure = Some(error);
            }
            made = samples.len() / row;
        }
        // After a failure the encoder runs to its end on whatever is there, and the failure is what is returned.
        if failure.is_some() || y < *first || y >= *first + made {
            let channels = if sampled.layout.channels == 1 { 1 } else { 3 };
            buffers[..channels].iter_mut().for_each(|b| b.resize(b.len() + usize::from(self.width), 0));
            return;
        }
        let row = &samples[(y - *first) * row..][..row];
        if sampled.layout.channels == 1 {
            buffers[0].extend_from_slice(row);
            return;
        }
        let [luma, blue, red, _] = buffers;
        for pixel in row.chunks_exact(3) {
            let (y, cb, cr) = rgb_to_ycbcr(pixel[0], pixel[1], pixel[2]);
            luma.push(y);
            blue.push(cb);
            red.push(cr);
        }
    }
}

fn jpeg<R: Rows>(header: &Header, quality: u8, sampled: Sampled<R>, out: impl Write) -> Result<bool, Failure> {
    let mut encoder = jpeg_encoder::Encoder::new(out, quality);
    encoder.set_sampling_factor(SamplingFactor::R_4_4_4);
    if let Some(density) = header.density_for(Format::Jpeg) {
        let unit = match density.unit {
            None => PixelDensityUnit::PixelAspectRatio,
            Some(Length::Inch) => PixelDensityUnit::Inches,
            Some(Length::Centimetre) => PixelDensityUnit::Centimeters,
        };
        encoder.set_density(PixelDensity { density: (density.x.round() as u16, density.y.round() as u16), unit });
    }
    if let Some(exif) = header.exif_for(Format::Jpeg) {
        encoder.add_exif_metadata(&exif).map_err(self::encoder)?;
    }
    if let Some(xmp) = header.xmp_for(Format::Jpeg) {
        let segment = [&b"http://ns.adobe.com/xap/1.0/\0"[..], &xmp].concat();
        encoder.add_app_segment(1, segment).map_err(self::encoder)?;
    }
    if let Some(iptc) = header.iptc_for(Format::Jpeg) {
        let segment = [&b"Photoshop 3.0\0"[..], &resources(iptc)].concat();
        encoder.add_app_segment(13, segment).map_err(self::encoder)?;
    }
    if let Some(icc) = header.icc_for(Format::Jpeg) {
        encoder.add_icc_profile(icc).map_err(self::encoder)?;
    }
    let state = RefCell::new(State { sampled, samples: Vec::new(), first: 0, failure: None });
    // The format's largest side, which was checked, is that of u16.
    let asked = Asked { width: header.width as u16, height: header.height as u16, state };
    let written = encoder.encode_image(&asked);
    let State { sampled, failure, .. } = asked.state.into_inner();
    match failure {
        Some(error) => Err(Failure::Rows(error)),
        None => written.map(|()| sampled.transparent()).map_err(self::encoder),
    }
}

/// For encoders that take all samples at once: 8 bits.
fn whole(header: &Header, sampled: &mut Sampled<impl Rows>) -> Result<Vec<u8>, Failure> {
    let mut samples = Vec::new();
    sampled.read(header.height, &mut samples)?;
    Ok(samples)
}

fn bmp(header: &Header, sampled: &mut Sampled<impl Rows>, mut out: impl Write + Seek) -> Result<(), Failure> {
    let colour = match sampled.layout.channels {
        1 => ExtendedColorType::L8,
        3 => ExtendedColorType::Rgb8,
        _ => ExtendedColorType::Rgba8,
    };
    let samples = whole(header, sampled)?;
    let (width, height) = (header.width as u32, header.height as u32);
    bmp::BmpEncoder::new(&mut out).write_image(&samples, width, height, colour).map_err(self::encoder)?;
    if let Some(per_metre) = header.density_for(Format::Bmp).and_then(|density| density.per_metre()) {
        // Bytes 38 to 45 of the file, which the encoder leaves 0.
        let numbers = per_metre.map(|number| (number.round() as u32).to_le_bytes());
        let end = out.stream_position().map_err(self::encoder)?;
        out.seek(SeekFrom::Start(38)).map_err(self::encoder)?;
        out.write_all(&numbers.concat()).map_err(self::encoder)?;
        out.seek(SeekFrom::Start(end)).map_err(self::encoder)?;
    }
    Ok(())
}
