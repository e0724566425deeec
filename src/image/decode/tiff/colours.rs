//! From samples to grey or red, green and blue, and opacity that colours are not multiplied by.

use super::super::Message;
use super::layout::Layout;
use ::image::{DynamicImage, ImageBuffer};
use tiff::decoder::DecodingResult;

/// A sample in memory, of 8 or 16 bits.
pub(super) trait Sample: Copy + Default {
    /// The largest.
    const MOST: u32;

    /// Of a number up to the largest.
    fn of(number: u32) -> Self;

    fn number(self) -> u32;

    /// Samples that were decoded as this type.
    fn direct(read: DecodingResult) -> Option<Vec<Self>>;

    /// None when the samples are not as many as they must be.
    fn image(size: [u32; 2], channels: usize, samples: Vec<Self>) -> Option<DynamicImage>;
}

macro_rules! sample {
    ($type:ty, $variant:ident, $grey:ident, $grey_alpha:ident, $rgb:ident, $rgba:ident) => {
        impl Sample for $type {
            const MOST: u32 = <$type>::MAX as u32;

            fn of(number: u32) -> $type {
                number as $type
            }

            fn number(self) -> u32 {
                self.into()
            }

            fn direct(read: DecodingResult) -> Option<Vec<$type>> {
                if let DecodingResult::$variant(samples) = read { Some(samples) } else { None }
            }

            fn image([width, height]: [u32; 2], channels: usize, samples: Vec<$type>) -> Option<DynamicImage> {
                Some(match channels {
                    1 => DynamicImage::$grey(ImageBuffer::from_raw(width, height, samples)?),
                    2 => DynamicImage::$grey_alpha(ImageBuffer::from_raw(width, height, samples)?),
                    3 => DynamicImage::$rgb(ImageBuffer::from_raw(width, height, samples)?),
                    _ => DynamicImage::$rgba(ImageBuffer::from_raw(width, height, samples)?),
                })
            }
        }
    };
}

sample!(u8, U8, ImageLuma8, ImageLumaA8, ImageRgb8, ImageRgba8);
sample!(u16, U16, ImageLuma16, ImageLumaA16, ImageRgb16, ImageRgba16);

/// What the colours of a pixel are.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Grey { white_is_zero: bool },
    Rgb,
    Palette,
    Cmyk,
    YCbCr,
}

impl Kind {
    fn of(photometric: u64) -> Result<Kind, Message> {
        let what = match photometric {
            0 => return Ok(Kind::Grey { white_is_zero: true }),
            1 => return Ok(Kind::Grey { white_is_zero: false }),
            2 => return Ok(Kind::Rgb),
            3 => return Ok(Kind::Palette),
            5 => return Ok(Kind::Cmyk),
            6 => return Ok(Kind::YCbCr),
            4 => "TIFF of a transparency mask alone",
            8..=10 => "TIFF of L*a*b* colours",
            32_803 | 34_892 => return Err(super::RAW.into()),
            32_844 | 32_845 => "TIFF of LogLuv colours",
            _ => "TIFF of unknown colours",
        };
        Err(format!("{what} are not read: save it as RGB first"))
    }

    /// Samples that are colours.
    fn samples(self) -> usize {
        match self {
            Kind::Grey { .. } | Kind::Palette => 1,
            Kind::Rgb | Kind::YCbCr => 3,
            Kind::Cmyk => 4,
        }
    }
}

/// What the first sample beyond the colours is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Extra {
    /// Nothing to show.
    None,
    /// Opacity.
    Straight,
    /// Opacity that the colours are multiplied by.
    Associated,
}

/// Makes a picture of samples, which are numbers of the layout's bits.
///
/// # Errors
/// For colours that are not read, and samples that are too few.
pub(super) fn picture<T: Sample>(
    layout: &Layout,
    mut samples: Vec<T>,
    palette: Option<&[[u8; 3]]>,
    warnings: &mut Vec<String>,
) -> Result<DynamicImage, Message> {
    let (kind, all) = (Kind::of(layout.photometric)?, layout.samples);
    let size = [layout.width, layout.height];
    let few = || "damaged: it has too few samples".to_owned();
    let beyond = all.checked_sub(kind.samples()).ok_or_else(few)?;
    let extra = match layout.extra.as_deref().map(|extra| extra.first().copied().unwrap_or(0)) {
        _ if beyond == 0 => Extra::None,
        Some(1) => Extra::Associated,
        Some(2) => Extra::Straight,
        // Nothing said: a fourth channel is opacity, as most programs mean and take it.
        None if beyond == 1 => Extra::Straight,
        _ => Extra::None,
    };
    let unshown = beyond - usize::from(extra != Extra::None);
    if unshown > 0 {
        warnings.push(format!("{unshown} of its channels are neither colour nor opacity and were left out"));
    }
    if kind == Kind::Cmyk {
        warnings.push("its CMYK colours were converted without a profile: they are approximate".into());
    }
    if !matches!(layout.bits, 8 | 16) && palette.is_none() {
        let most = (1 << layout.bits) - 1;
        samples.iter_mut().for_each(|sample| *sample = T::of((sample.number() * T::MOST + most / 2) / most));
    }
    let channels = match kind {
        Kind::Grey { .. } => 1,
        _ => 3,
    } + usize::from(extra != Extra::None);
    if let (Kind::Grey { white_is_zero: false } | Kind::Rgb, 0, true) = (kind, unshown, extra != Extra::Associated) {
        return T::image(size, channels, samples).ok_or_else(few);
    }
    let mut out = Vec::with_capacity(samples.len() / all * channels);
    for pixel in samples.chunks_exact(all) {
        let mut colours = colours(kind, pixel, palette);
        let colours = &mut colours[..channels - usize::from(extra != Extra::None)];
        let opacity = pixel.get(kind.samples()).map_or(0, |sample| sample.number());
        if extra == Extra::Associated {
            colours.iter_mut().for_each(|colour| {
                *colour = (*colour * T::MOST + opacity / 2).checked_div(opacity).unwrap_or(0).min(T::MOST);
            });
        }
        out.extend(colours.iter().map(|&colour| T::of(colour)));
        if extra != Extra::None {
            out.push(T::of(opacity));
        }
    }
    T::image(size, channels, out).ok_or_else(few)
}

/// Red, green and blue of a pixel, or its grey in the first place.
fn colours<T: Sample>(kind: Kind, pixel: &[T], palette: Option<&[[u8; 3]]>) -> [u32; 3] {
    let number = |nth: usize| pixel[nth].number();
    match kind {
        Kind::Grey { white_is_zero } => [if white_is_zero { T::MOST - number(0) } else { number(0) }; 3],
        Kind::Rgb => [number(0), number(1), number(2)],
        Kind::Palette => palette.and_then(|list| list.get(number(0) as usize)).map_or([0; 3], |rgb| rgb.map(u32::from)),
        Kind::Cmyk => {
            let white = u64::from(T::MOST - number(3));
            [0, 1, 2].map(|ink| {
                ((u64::from(T::MOST - number(ink)) * white + u64::from(T::MOST) / 2) / u64::from(T::MOST)) as u32
            })
        }
        Kind::YCbCr => {
            // JFIF's full range, which is the default of TIFF's tags too: luma 0.299, 0.587, 0.114.
            let half = f64::from(T::MOST.div_ceil(2));
            let (y, cb, cr) = (f64::from(number(0)), f64::from(number(1)) - half, f64::from(number(2)) - half);
            let rgb = [y + 1.402 * cr, y - 0.344_136_286 * cb - 0.714_136_286 * cr, y + 1.772 * cb];
            rgb.map(|value| (value + 0.5).clamp(0.0, f64::from(T::MOST)) as u32)
        }
    }
}
