//! JPEG XL, where the program is built with the feature `jxl`.

use super::super::Metadata;
use super::checks::{CUT, check_animation, check_size};
use super::{DecodeOptions, Decoded, Message};
use ::image::metadata::Orientation;
use ::image::{DynamicImage, ImageBuffer};
use jxl_oxide::image::BitDepth;
use jxl_oxide::{AllocTracker, AuxBoxData, ExtraChannelType, ImageStream, JxlImage, JxlThreadPool};

/// # Errors
/// In words, without the file's name.
pub(super) fn decode(bytes: &[u8], options: &DecodeOptions) -> Result<Decoded, Message> {
    let damaged = |error: &dyn std::fmt::Display| format!("damaged or cut short: {error}");
    let most = usize::try_from(options.max_pixels.saturating_mul(16)).unwrap_or(usize::MAX);
    let builder = JxlImage::builder().pool(JxlThreadPool::none()).alloc_tracker(AllocTracker::with_limit(most));
    let jxl = builder.read(bytes).map_err(|error| damaged(&error))?;
    check_size(jxl.width(), jxl.height(), options)?;
    if !jxl.is_loading_done() {
        return Err(CUT.to_owned());
    }
    let (header, mut warnings) = (&jxl.image_header().metadata, Vec::new());
    check_animation(jxl.num_loaded_keyframes() > 1, options, &mut warnings)?;
    let refused =
        |what: &str| Err(format!("JPEG XL {what} are not read: convert it to PNG first (`djxl FILE FILE.png`)"));
    let bits = header.bit_depth.bits_per_sample();
    if matches!(header.bit_depth, BitDepth::FloatSample { .. }) || bits > 16 || jxl.hdr_type().is_some() {
        return refused("pictures of high dynamic range");
    }
    if jxl.pixel_format().has_black() {
        return refused("pictures of CMYK colours");
    }
    let associated = |kind: &ExtraChannelType| matches!(kind, ExtraChannelType::Alpha { alpha_associated: true });
    if header.ec_info.iter().any(|channel| associated(&channel.ty)) {
        return refused("pictures whose colours are multiplied by opacity");
    }
    let render = jxl.render_frame(0).map_err(|error| damaged(&error))?;
    let image = pixels(render.stream(), bits > 8).ok_or("damaged: its channels cannot be")?;
    // What is not sRGB keeps its profile, made of its numbers if it has none.
    let srgb = jxl.rendered_cicp().is_some_and(|cicp| cicp[..2] == [1, 13]);
    let icc = jxl.original_icc().map(<[u8]>::to_vec).or_else(|| (!srgb).then(|| jxl.rendered_icc()));
    let boxes = jxl.aux_boxes();
    let exif = match boxes.first_exif() {
        Ok(AuxBoxData::Data(exif)) => {
            let mut exif = exif.payload().to_vec();
            // The picture's own header says how it is turned, and the decoder has done it.
            let _ = Orientation::remove_from_exif_chunk(&mut exif);
            Some(exif)
        }
        _ => None,
    };
    let xmp = match boxes.first_xml() {
        AuxBoxData::Data(xmp) => Some(xmp.to_vec()),
        _ => None,
    };
    let metadata = Metadata { icc, exif, xmp, ..Metadata::default() };
    Ok(Decoded { image, orientation: Orientation::NoTransforms, palette: false, metadata, warnings })
}

fn pixels(mut stream: ImageStream, sixteen: bool) -> Option<DynamicImage> {
    let (width, height, channels) = (stream.width(), stream.height(), stream.channels());
    let count = width as usize * height as usize * channels as usize;
    if sixteen {
        let mut samples = vec![0u16; count];
        stream.write_to_buffer(&mut samples);
        return Some(match channels {
            1 => DynamicImage::ImageLuma16(ImageBuffer::from_raw(width, height, samples)?),
            2 => DynamicImage::ImageLumaA16(ImageBuffer::from_raw(width, height, samples)?),
            3 => DynamicImage::ImageRgb16(ImageBuffer::from_raw(width, height, samples)?),
            4 => DynamicImage::ImageRgba16(ImageBuffer::from_raw(width, height, samples)?),
            _ => return None,
        });
    }
    let mut samples = vec![0u8; count];
    stream.write_to_buffer(&mut samples);
    Some(match channels {
        1 => DynamicImage::ImageLuma8(ImageBuffer::from_raw(width, height, samples)?),
        2 => DynamicImage::ImageLumaA8(ImageBuffer::from_raw(width, height, samples)?),
        3 => DynamicImage::ImageRgb8(ImageBuffer::from_raw(width, height, samples)?),
        4 => DynamicImage::ImageRgba8(ImageBuffer::from_raw(width, height, samples)?),
        _ => return None,
    })
}
