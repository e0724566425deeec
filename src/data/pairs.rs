//! Pairs of low and high resolution pictures, and how they are packed for the device.

use super::degrade::Degradation;
use super::{Patch, PictureEntry, Pictures, Raster, batch};
use crate::image::resize::{Rounding, modcrop_picture, upscale};
use crate::image::{Picture, colour, protocol};
use crate::{Error, Result};

/// How a pair is made of a high-resolution picture.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PairOptions {
    /// High-resolution pixels per low-resolution pixel along one axis, 1 to 8.
    pub scale: usize,
    /// 1: luma (BT.601, 16..=235; grey pictures pass as they are). 3: RGB (grey pictures three times).
    pub channels: usize,
    /// Side of the patches, pixels of the network's input: of the low picture as stored.
    pub patch: usize,
    /// Enlarge the low picture back by bicubic, for networks such as SRCNN; the stored scale is then 1.
    pub upsampled_input: bool,
    /// What else befalls the low picture; nothing: it is the bicubic reduction.
    pub degradation: Option<Degradation>,
}

impl PairOptions {
    /// Clean pairs, nothing upsampled.
    pub fn new(scale: usize, channels: usize, patch: usize) -> Self {
        PairOptions { scale, channels, patch, upsampled_input: false, degradation: None }
    }

    /// Checks that the numbers make sense; the error names the one that does not.
    pub fn check(&self) -> Result<()> {
        if !(1..=8).contains(&self.scale) {
            return Err(Error::key("scale", format!("{} is not within 1 to 8", self.scale)));
        }
        if !matches!(self.channels, 1 | 3) {
            return Err(Error::key("channels", format!("1 (luma) or 3 (RGB), not {}", self.channels)));
        }
        if !(1..=4096).contains(&self.patch) {
            return Err(Error::key("data.patch", format!("{} is not within 1 to 4096 pixels", self.patch)));
        }
        self.degradation.as_ref().map_or(Ok(()), Degradation::check)
    }

    /// What a high-resolution picture of this size comes to, or nothing if it is too small for a patch.
    pub fn measure(&self, width: usize, height: usize) -> Option<Measure> {
        let (low_width, low_height) = (width / self.scale, height / self.scale);
        let high = low_width * low_height * self.scale * self.scale;
        let (low_width, low_height, low) = if self.upsampled_input {
            (low_width * self.scale, low_height * self.scale, high)
        } else {
            (low_width, low_height, low_width * low_height)
        };
        if low_width.min(low_height) < self.patch {
            return None;
        }
        let positions = (low_width - self.patch + 1) as u64 * (low_height - self.patch + 1) as u64;
        Some(Measure { bytes: (low + high) * self.channels, positions })
    }
}

/// The size of a pair as stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Measure {
    /// Bytes of the low and the high picture.
    pub bytes: usize,
    /// Patch positions in the low picture.
    pub positions: u64,
}

/// A low and a high resolution picture of one scene.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pair {
    /// Low resolution.
    pub low: Raster,
    /// High resolution: `scale` times the size of `low`, or its size where the input is upsampled.
    pub high: Raster,
}

/// The low picture of a truth whose sides are multiples of the scale: its MATLAB-compatible bicubic reduction to 8 bits, or
/// what a degradation makes of it. `key` (seed, time, picture) draws the degradation and matters only if there is one.
///
/// # Errors
/// When the picture is smaller than the scale.
pub fn low(truth: &Picture, scale: usize, degradation: Option<&Degradation>, key: [u32; 3]) -> Result<Picture> {
    let clean = || protocol::low_resolution(truth, scale);
    let Some(degradation) = degradation else { return clean() };
    let high = [truth.width(), truth.height()];
    if high.iter().any(|&side| side < scale) {
        return clean();
    }
    match degradation.draw(key, high.map(|side| side / scale)) {
        None => clean(),
        Some(stages) => stages.iter().try_fold(truth.clone(), |picture, stage| stage.apply(picture)),
    }
}

/// Makes a pair: `truth` cropped to a multiple of the scale, and its [`low`] picture.
///
/// With one channel, the low luma is that of the reduced *8-bit RGB* picture, since that is what an upscaler is given.
/// Errors when the picture is smaller than the scale; whether a patch fits is [`PairOptions::measure`]'s to say.
pub fn pair(truth: &Raster, options: &PairOptions, key: [u32; 3]) -> Result<Pair> {
    let scale = options.scale;
    let high = modcrop_picture(&truth.to_picture(), scale);
    let low = low(&high, scale, options.degradation.as_ref(), key)?;
    let channels = |picture: Picture| match options.channels {
        1 => Picture::new(vec![colour::luma_unrounded(&picture)]),
        _ if picture.is_grey() => Picture::new(vec![picture.planes[0].clone(); 3]),
        _ => picture,
    };
    let mut low = channels(low);
    if options.upsampled_input {
        low = low.map(|plane| upscale(plane, scale, Rounding::None));
    }
    Ok(Pair { low: Raster::from_picture(&low), high: Raster::from_picture(&channels(high)) })
}

impl Pictures {
    /// Packs pairs made with `options`, in order.
    ///
    /// Errors: no pair, a pair too small for a patch or of another scale or channel count, more than 2^32 - 1 bytes on
    /// a side or patch positions altogether.
    pub fn pack(pairs: &[Pair], options: &PairOptions) -> Result<Pictures> {
        let scale = if options.upsampled_input { 1 } else { options.scale };
        let (channels, patch) = (options.channels, options.patch);
        let (mut low, mut high, mut table) = (Vec::new(), Vec::new(), Vec::with_capacity(pairs.len()));
        let mut end = 0u64;
        let word = |value: u64, what: &str| {
            let advice = "divide it into shards";
            u32::try_from(value).map_err(|_| Error::input(format!("the dataset has more than 2^32 {what}: {advice}")))
        };
        for (index, pair) in pairs.iter().enumerate() {
            let (width, height) = (pair.low.width, pair.low.height);
            let fits = |raster: &Raster, scale: usize| {
                (raster.width, raster.height, raster.channels) == (width * scale, height * scale, channels)
                    && raster.data.len() == raster.width * raster.height * channels
            };
            if !(fits(&pair.low, 1) && fits(&pair.high, scale)) || width.min(height) < patch {
                let high = (pair.high.width, pair.high.height);
                return Err(Error::input(format!(
                    "pair {index}: {width}x{height} low and {}x{} high pixels do not fit a scale of {scale}, \
                     {channels} channels and patches of {patch}",
                    high.0, high.1
                )));
            }
            end += (width - patch + 1) as u64 * (height - patch + 1) as u64;
            table.push(PictureEntry {
                end: word(end, "patch positions")?,
                width: word(width as u64, "columns")?,
                height: word(height as u64, "rows")?,
                low: word(low.len() as u64, "low-resolution bytes")?,
                high: word(high.len() as u64, "high-resolution bytes")?,
            });
            low.extend_from_slice(&pair.low.data);
            high.extend_from_slice(&pair.high.data);
        }
        word(low.len().max(high.len()) as u64, "bytes")?;
        if table.is_empty() {
            return Err(Error::input(format!("no picture is large enough for patches of {patch} pixels")));
        }
        Ok(Pictures { scale, channels, patch, low, high, table })
    }

    /// Bytes of the low and high store and the table.
    pub fn bytes(&self) -> usize {
        self.low.len() + self.high.len() + size_of_val(&self.table[..])
    }

    /// Patch positions in all pictures.
    pub fn positions(&self) -> u32 {
        self.table.last().map_or(0, |entry| entry.end)
    }

    /// The bytes of a patch, transformed: low `[patch, patch, channels]` and high `[scale * patch, scale * patch,
    /// channels]`. What the sampling kernel does, before it divides by 255. Panics if the patch is not of this table.
    pub fn cut(&self, patch: Patch) -> (Vec<u8>, Vec<u8>) {
        let entry = self.table[patch.picture as usize];
        let cut = |store: &[u8], base: u32, scale: usize| {
            let side = self.patch * scale;
            let width = entry.width as usize * scale;
            let (left, top) = (patch.x as usize * scale, patch.y as usize * scale);
            let mut out = Vec::with_capacity(side * side * self.channels);
            for i in 0..side as u32 {
                for j in 0..side as u32 {
                    let (row, column) = batch::transform(patch.transform, i, j, side as u32);
                    let pixel = (top + row as usize) * width + left + column as usize;
                    let at = base as usize + pixel * self.channels;
                    out.extend_from_slice(&store[at..at + self.channels]);
                }
            }
            out
        };
        (cut(&self.low, entry.low, 1), cut(&self.high, entry.high, self.scale))
    }
}
