//! PNG: pixels by its decoder; what stands beside them is read elsewhere, within bounds.

use std::io::Cursor;

use ::image::metadata::Orientation;
use ::image::{DynamicImage, ImageBuffer};
use ::png::{self, BitDepth, ColorType, DecodingError, Transformations};
use flate2::{Decompress, FlushDecompress, Status};

use super::super::ifd::Bytes;
use super::super::metadata::{self, Metadata};
use super::jpeg::State;
use super::{DecodeOptions, Decoded, Message, NO_MEMORY, check_animation, check_size, check_state};

/// # Errors
/// In words, without the file's name.
pub(super) fn decode(bytes: &[u8], options: &DecodeOptions) -> Result<Decoded, Message> {
    if bytes.get(12..16) == Some(b"CgBI") {
        return Err("PNG of Apple's own kind (from an iPhone app) is not read: \
                    convert it first (`pngcrush -revert-iphone-optimizations FILE NEW`)"
            .into());
    }
    let mut warnings = Vec::new();
    let (image, palette) = pixels(bytes, options, &mut warnings)?;
    if !is_whole(bytes, 2 * image.as_bytes().len() + (1 << 20)) {
        check_state(State::Damaged, false, options, &mut warnings)?;
    }
    let metadata = metadata(bytes, &mut warnings);
    Ok(Decoded { image, orientation: Orientation::NoTransforms, palette, metadata, warnings })
}

/// Whether the pixels' data come to their end, at most so many bytes long, with the right checksum: the decoder is content
/// with as many pixels as it needs.
fn is_whole(bytes: &[u8], most: usize) -> bool {
    let (mut inflater, mut out, mut length) = (Decompress::new(true), vec![0; 1 << 16], 0);
    for mut part in metadata::png_pixels(bytes) {
        loop {
            let before = (inflater.total_in(), inflater.total_out());
            match inflater.decompress(part, &mut out, FlushDecompress::None) {
                Ok(Status::StreamEnd) => return true,
                Ok(_) => {}
                Err(_) => return false,
            }
            let (taken, made) = (inflater.total_in() - before.0, inflater.total_out() - before.1);
            part = &part[taken as usize..];
            length += made as usize;
            if length > most {
                return false;
            }
            if taken == 0 && made == 0 {
                break;
            }
        }
    }
    false
}

/// The picture, and whether it was stored as places in a list of colours.
fn pixels(bytes: &[u8], options: &DecodeOptions, warnings: &mut Vec<String>) -> Result<(DynamicImage, bool), Message> {
    let mut how = png::DecodeOptions::default();
    // They may unpack to anything.
    how.set_ignore_text_chunk(true);
    how.set_ignore_iccp_chunk(true);
    let explain = |error: DecodingError| explain(&error, options);
    let mut decoder = png::Decoder::new_with_options(Cursor::new(bytes), how);
    let most = usize::try_from(options.max_pixels.saturating_mul(16)).unwrap_or(usize::MAX);
    decoder.set_limits(png::Limits { bytes: most });
    decoder.set_transformations(Transformations::EXPAND);
    let (width, height) = decoder.read_header_info().map_err(explain)?.size();
    check_size(width, height, options)?;
    let mut reader = decoder.read_info().map_err(explain)?;
    let info = reader.info();
    let animated = info.animation_control.is_some_and(|control| control.num_frames > 1);
    let palette = info.color_type == ColorType::Indexed;
    check_animation(animated, options, warnings)?;
    let length = reader.output_buffer_size().ok_or_else(|| NO_MEMORY.to_owned())?;
    let (colour, depth) = reader.output_color_type();
    let no_memory = |_| NO_MEMORY.to_owned();
    let image = if depth == BitDepth::Sixteen {
        let mut samples: Vec<u16> = Vec::new();
        samples.try_reserve_exact(length / 2).map_err(no_memory)?;
        samples.resize(length / 2, 0);
        reader.next_frame(bytemuck::cast_slice_mut(&mut samples)).map_err(explain)?;
        samples.iter_mut().for_each(|sample| *sample = u16::from_be(*sample));
        match colour {
            ColorType::Grayscale => ImageBuffer::from_raw(width, height, samples).map(DynamicImage::ImageLuma16),
            ColorType::GrayscaleAlpha => ImageBuffer::from_raw(width, height, samples).map(DynamicImage::ImageLumaA16),
            ColorType::Rgba => ImageBuffer::from_raw(width, height, samples).map(DynamicImage::ImageRgba16),
            _ => ImageBuffer::from_raw(width, height, samples).map(DynamicImage::ImageRgb16),
        }
    } else {
        let mut samples: Vec<u8> = Vec::new();
        samples.try_reserve_exact(length).map_err(no_memory)?;
        samples.resize(length, 0);
        reader.next_frame(&mut samples).map_err(explain)?;
        match colour {
            ColorType::Grayscale => ImageBuffer::from_raw(width, height, samples).map(DynamicImage::ImageLuma8),
            ColorType::GrayscaleAlpha => ImageBuffer::from_raw(width, height, samples).map(DynamicImage::ImageLumaA8),
            ColorType::Rgba => ImageBuffer::from_raw(width, height, samples).map(DynamicImage::ImageRgba8),
            _ => ImageBuffer::from_raw(width, height, samples).map(DynamicImage::ImageRgb8),
        }
    };
    Ok((image.ok_or("damaged: it has too few samples")?, palette))
}

fn explain(error: &DecodingError, options: &DecodeOptions) -> Message {
    match error {
        DecodingError::LimitsExceeded => {
            format!("needs more memory than a picture of {} pixels may take", options.max_pixels)
        }
        DecodingError::IoError(_) => "damaged or cut short: it ends too early".into(),
        error => {
            let said = error.to_string();
            // The chunk that is spoken of, if one is.
            let names = ["IHDR", "PLTE", "IDAT", "tRNS", "IEND", "fcTL", "fdAT", "acTL"];
            let part = names.into_iter().find(|name| said.contains(name)).unwrap_or("PNG");
            match said.contains("CRC") {
                true => format!("damaged or cut short: the checksum of a part of it ({part}) is wrong"),
                false => format!("damaged or cut short: its {part} data cannot be"),
            }
        }
    }
}

/// What a file's chunks say of its picture, but for its pixels: size, bits, channels as they are decoded, and which way up.
/// None when they do not say it.
pub(super) fn outline(bytes: &(impl Bytes + ?Sized)) -> Option<(u32, u32, usize, usize, Orientation)> {
    let number = |at: usize| {
        let mut number = [0; 4];
        bytes.take(at, &mut number).map(|()| u32::from_be_bytes(number))
    };
    let mut head = [0; 26];
    bytes.take(0, &mut head)?;
    if head[12..16] != *b"IHDR" {
        return None;
    }
    let (width, height, depth, colour) = (number(16)?, number(20)?, usize::from(head[24]), head[25]);
    let (mut clear, mut at) = (false, SIGNATURE);
    // A PNG of those chunks alone that may hold EXIF data.
    let mut exif = head[..SIGNATURE].to_vec();
    for _ in 0..1 << 16 {
        let (Some(length), mut name) = (number(at), [0; 4]) else { break };
        bytes.take(at + 4, &mut name)?;
        clear |= name == *b"tRNS";
        if name == *b"IEND" {
            break;
        }
        if matches!(&name, b"eXIf" | b"tEXt" | b"zTXt") && length < 1 << 20 {
            let mut chunk = vec![0; 12 + length as usize];
            if bytes.take(at, &mut chunk).is_some() {
                exif.extend(chunk);
            }
        }
        at = at.checked_add(12 + length as usize)?;
    }
    let channels = match colour {
        0 => 1,
        4 => 2,
        6 => 4,
        _ => 3,
    };
    let turned = metadata::png_exif(&exif).and_then(|exif| Orientation::from_exif_chunk(&exif));
    let bits = if depth > 8 { 16 } else { 8 };
    let channels = channels + usize::from(clear && channels % 2 == 1);
    Some((width, height, channels, bits, turned.unwrap_or(Orientation::NoTransforms)))
}

/// Bytes before the first chunk.
const SIGNATURE: usize = 8;

fn metadata(bytes: &[u8], warnings: &mut Vec<String>) -> Metadata {
    let icc = metadata::png_icc(bytes).unwrap_or_else(|why| {
        warnings.push(format!("its ICC profile {why} and was left out"));
        None
    });
    let exif = metadata::png_exif(bytes);
    Metadata {
        icc,
        density: metadata::png_density(bytes).or_else(|| metadata::exif_density(exif.as_deref()?)),
        exif,
        xmp: metadata::png_xmp(bytes),
        iptc: metadata::png_iptc(bytes),
        colours: metadata::png_colours(bytes),
    }
}
