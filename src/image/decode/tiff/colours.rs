//! From samples to grey or red, green and blue, and opacity that colours are not multiplied by.

use super::super::{CMYK, Message};
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

/// Which of the samples beyond the colours is opacity, and whether the colours are multiplied by it.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Opacity {
    place: usize,
    associated: bool,
}

/// What the samples of a pixel are.
struct Meaning {
    kind: Kind,
    opacity: Option<Opacity>,
    /// How many are neither.
    unshown: usize,
}

impl Meaning {
    fn of(layout: &Layout) -> Result<Meaning, Message> {
        let kind = Kind::of(layout.photometric)?;
        let beyond = layout.samples.checked_sub(kind.samples()).ok_or(FEW)?;
        let opacity = match &layout.extra {
            Some(extra) => extra
                .iter()
                .take(beyond)
                .position(|what| matches!(what, 1 | 2))
                .map(|nth| Opacity { place: kind.samples() + nth, associated: extra[nth] == 1 }),
            // Nothing said: a fourth channel is opacity, as most programs mean and take it.
            None => (beyond == 1).then_some(Opacity { place: kind.samples(), associated: false }),
        };
        Ok(Meaning { kind, opacity, unshown: beyond - usize::from(opacity.is_some()) })
    }

    /// Samples of a pixel that is shown.
    fn channels(&self) -> usize {
        let colours = if matches!(self.kind, Kind::Grey { .. }) { 1 } else { 3 };
        colours + usize::from(self.opacity.is_some())
    }

    /// Whether the samples are shown as they stand.
    fn is_direct(&self) -> bool {
        let associated = self.opacity.is_some_and(|opacity| opacity.associated);
        matches!(self.kind, Kind::Grey { white_is_zero: false } | Kind::Rgb) && self.unshown == 0 && !associated
    }
}

const FEW: &str = "damaged: it has too few samples";

/// Channels of the picture that samples become, and whether it takes the place of them.
///
/// # Errors
/// For colours that are not read.
pub(super) fn channels(layout: &Layout) -> Result<(usize, bool), Message> {
    let meaning = Meaning::of(layout)?;
    Ok((meaning.channels(), meaning.is_direct()))
}

/// Makes a picture of samples, which are numbers of the layout's bits.
///
/// # Errors
/// For colours that are not read, samples that are too few, and lack of memory.
pub(super) fn picture<T: Sample>(
    layout: &Layout,
    mut samples: Vec<T>,
    palette: Option<&[[u8; 3]]>,
    warnings: &mut Vec<String>,
) -> Result<DynamicImage, Message> {
    let meaning = Meaning::of(layout)?;
    let (kind, all, size) = (meaning.kind, layout.samples, [layout.width, layout.height]);
    let few = || FEW.to_owned();
    if meaning.unshown > 0 {
        let unshown = meaning.unshown;
        warnings.push(format!("{unshown} of its channels are neither colour nor opacity and were left out"));
    }
    if kind == Kind::Cmyk {
        warnings.push(CMYK.into());
    }
    if !matches!(layout.bits, 8 | 16) && palette.is_none() {
        let most = (1 << layout.bits) - 1;
        samples.iter_mut().for_each(|sample| *sample = T::of((sample.number() * T::MOST + most / 2) / most));
    }
    let channels = meaning.channels();
    if meaning.is_direct() {
        return T::image(size, channels, samples).ok_or_else(few);
    }
    let mut out = Vec::new();
    out.try_reserve_exact(samples.len() / all * channels).map_err(|_| super::NO_MEMORY.to_owned())?;
    for pixel in samples.chunks_exact(all) {
        let mut colours = colours(kind, &layout.weights, pixel, palette);
        let colours = &mut colours[..channels - usize::from(meaning.opacity.is_some())];
        let opacity = meaning.opacity.map(|opacity| (pixel[opacity.place].number(), opacity.associated));
        if let Some((opacity, true)) = opacity {
            colours.iter_mut().for_each(|colour| {
                *colour = (*colour * T::MOST + opacity / 2).checked_div(opacity).unwrap_or(0).min(T::MOST);
            });
        }
        out.extend(colours.iter().map(|&colour| T::of(colour)));
        out.extend(opacity.map(|(opacity, _)| T::of(opacity)));
    }
    T::image(size, channels, out).ok_or_else(few)
}

/// Red, green and blue of a pixel, or its grey in the first place.
fn colours<T: Sample>(kind: Kind, weights: &[f64; 3], pixel: &[T], palette: Option<&[[u8; 3]]>) -> [u32; 3] {
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
            // JFIF's full range, which is the default of TIFF's tags too; luma weighs the colours (TIFF 6.0, section 21).
            let half = f64::from(T::MOST.div_ceil(2));
            let (y, cb, cr) = (f64::from(number(0)), f64::from(number(1)) - half, f64::from(number(2)) - half);
            let [of_red, of_green, of_blue] = *weights;
            let (red, blue) = (y + (2.0 - 2.0 * of_red) * cr, y + (2.0 - 2.0 * of_blue) * cb);
            let rgb = [red, (y - of_red * red - of_blue * blue) / of_green, blue];
            rgb.map(|value| (value + 0.5).clamp(0.0, f64::from(T::MOST)) as u32)
        }
    }
}
