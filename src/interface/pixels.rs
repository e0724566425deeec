//! Pixels as a network sees them.

use serde::{Deserialize, Serialize};

use crate::{Error, Result};

/// Pixels as numbers: `value / 255 * white - mean`, where `value` is that of the 8-bit picture.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pixels {
    /// What a pixel is.
    pub colour: Colour,
    /// The number that stands for white; black is 0. Mostly 1, in some networks 255.
    pub white: f32,
    /// Subtracted from each channel, in the unit of `white`; nothing where it is empty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub mean: Vec<f32>,
}

/// What a pixel is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Colour {
    /// BT.601's luma; chroma goes by bicubic interpolation.
    Luma,
    /// One shade of grey.
    Grey,
    /// Red, green, blue.
    Rgb,
}

impl Colour {
    /// Planes that a network sees.
    pub fn channels(self) -> usize {
        match self {
            Colour::Luma | Colour::Grey => 1,
            Colour::Rgb => 3,
        }
    }
}

impl Pixels {
    /// From 0 to 1.
    pub fn plain(colour: Colour) -> Self {
        Pixels { colour, white: 1.0, mean: Vec::new() }
    }

    pub(super) fn check(&self, channels: usize) -> Result<()> {
        let mean = self.mean.is_empty() || self.mean.len() == channels;
        let finite = self.white.is_finite() && self.white > 0.0 && self.mean.iter().all(|m| m.is_finite());
        match mean && finite && self.colour.channels() == channels {
            true => Ok(()),
            false => Err(Error::input(format!("its interface: {} does not fit {channels} channels", self.describe()))),
        }
    }

    pub(super) fn describe(&self) -> String {
        let colour = match self.colour {
            Colour::Luma => "luma; chroma by bicubic",
            Colour::Grey => "grey",
            Colour::Rgb => "RGB",
        };
        let mean = if self.mean.is_empty() { String::new() } else { format!(", less {:?}", self.mean) };
        format!("{colour}, values from 0 to {}{mean}", self.white)
    }

    /// The number that stands for an 8-bit value.
    pub fn encode(&self, value: f32, channel: usize) -> f32 {
        value / 255.0 * self.white - self.mean.get(channel).copied().unwrap_or(0.0)
    }

    /// The 8-bit value, not rounded, that a number stands for.
    pub fn decode(&self, number: f32, channel: usize) -> f32 {
        (number + self.mean.get(channel).copied().unwrap_or(0.0)) / self.white * 255.0
    }
}
