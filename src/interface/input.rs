//! What a network takes.

use serde::{Deserialize, Serialize};

use super::{Colour, Pixels, distinct, scale_is_sound, short};
use crate::image::fit::Fit;
use crate::network::{Input, Network};
use crate::{Error, Result};

/// What a network takes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum InputSpec {
    /// Rows of a table, a group of features per column, in this order.
    Columns {
        /// The columns.
        columns: Vec<Column>,
        /// The columns have names of their own; else a table is matched by places.
        named: bool,
    },
    /// Pictures of one size, or rows that are such pictures, flattened.
    Image {
        /// Pixels.
        height: usize,
        /// Pixels.
        width: usize,
        /// The values of its pixels.
        pixels: Pixels,
        /// How a picture of another shape comes to this one.
        #[serde(default, skip_serializing_if = "Fit::is_pad")]
        fit: Fit,
    },
    /// Pictures of any size.
    Picture {
        /// The values of its pixels.
        pixels: Pixels,
        /// The picture is enlarged by bicubic interpolation before the network sees it.
        enlarged: bool,
    },
}

/// A column of a table.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Column {
    /// Its name; where a table has no header, its place as a number.
    pub name: String,
    /// Its place in the table that was learned from, from 0.
    pub place: usize,
    /// How its numbers were written there; not known of networks of earlier programs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub written: Option<Written>,
    /// How its cells become features.
    #[serde(flatten)]
    pub encoding: Encoding,
}

/// How numbers are written.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Written {
    /// What stands before decimals; none where no number has decimals or thousands apart.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decimal: Option<Decimal>,
    /// What stands beside each of them, such as `%` or `€`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unit: Option<String>,
}

/// What stands before the decimals.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Decimal {
    /// `3.14`
    #[serde(alias = ".")]
    Point,
    /// `3,14`
    #[serde(alias = ",")]
    Comma,
}

impl Decimal {
    /// The mark itself.
    pub fn mark(self) -> char {
        if self == Decimal::Comma { ',' } else { '.' }
    }
}

/// How the cells of a column become features.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "holds", rename_all = "snake_case")]
pub enum Encoding {
    /// A number is one feature, `(number - mean) / deviation`.
    Number {
        /// Mean over the rows that were learned from; 0 where nothing is standardised.
        mean: f64,
        /// Standard deviation over them; 1 where nothing is standardised.
        deviation: f64,
        /// The number that an empty cell stands for; where there is none, an empty cell is an error.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        empty: Option<f64>,
    },
    /// A word is as many features as there are words: 1 for itself, 0 for the others.
    Words {
        /// The words, in the order of their features.
        words: Vec<String>,
        /// An empty cell is none of the words; else it is an error.
        #[serde(default)]
        empty: bool,
    },
}

impl InputSpec {
    /// What a declaration alone tells of a network of rows.
    pub(super) fn of(network: &Network) -> Self {
        match network.input() {
            Input::Image([height, width, channels @ (1 | 3)]) => {
                let colour = if channels == 1 { Colour::Grey } else { Colour::Rgb };
                InputSpec::Image { height, width, pixels: Pixels::plain(colour), fit: Fit::Pad }
            }
            input => InputSpec::plain((0..input.width()).map(|i| i.to_string()), false),
        }
    }

    /// Columns of numbers that are taken as they are.
    pub fn plain(names: impl IntoIterator<Item = String>, named: bool) -> Self {
        let number = Encoding::Number { mean: 0.0, deviation: 1.0, empty: None };
        let column = |(place, name)| Column { name, place, written: None, encoding: number.clone() };
        InputSpec::Columns { columns: names.into_iter().enumerate().map(column).collect(), named }
    }

    /// Features of a row or image; 0 for pictures of any size.
    pub fn width(&self) -> usize {
        match self {
            InputSpec::Columns { columns, .. } => columns.iter().map(|c| c.encoding.width()).sum(),
            InputSpec::Image { height, width, pixels, .. } => height * width * pixels.colour.channels(),
            InputSpec::Picture { .. } => 0,
        }
    }

    pub(super) fn check(&self) -> Result<()> {
        match self {
            InputSpec::Columns { columns, .. } => {
                let bad = columns.iter().find(|column| match &column.encoding {
                    Encoding::Number { mean, deviation, empty } => {
                        !scale_is_sound(*mean, *deviation) || empty.is_some_and(|e| !e.is_finite())
                    }
                    Encoding::Words { words, .. } => words.is_empty() || !distinct(words),
                });
                match bad {
                    Some(Column { name, .. }) => Err(Error::input(format!(
                        "its interface: the statistics or words of column {name:?} are damaged"
                    ))),
                    None => Ok(()),
                }
            }
            InputSpec::Image { pixels, .. } => pixels.check(pixels.colour.channels()),
            InputSpec::Picture { .. } => Ok(()),
        }
    }

    /// A line for people.
    pub fn describe(&self) -> String {
        match self {
            InputSpec::Columns { columns, named } => {
                let one = |c: &Column| match &c.encoding {
                    Encoding::Number { mean, deviation, .. } if (*mean, *deviation) == (0.0, 1.0) => c.name.clone(),
                    Encoding::Number { mean, deviation, .. } => {
                        format!("{} (mean {}, deviation {})", c.name, short(*mean), short(*deviation))
                    }
                    Encoding::Words { words, .. } => format!("{} ({})", c.name, words.join("|")),
                };
                let mut parts: Vec<String> = columns.iter().take(12).map(one).collect();
                if columns.len() > 12 {
                    parts.push(format!("... {} in all", columns.len()));
                }
                format!("columns {}{}", if *named { "" } else { "by place: " }, parts.join(", "))
            }
            InputSpec::Image { height, width, pixels, .. } => {
                format!("images of {width}x{height}, {}", pixels.describe())
            }
            InputSpec::Picture { pixels, enlarged: true } => {
                format!("pictures, enlarged by bicubic beforehand, {}", pixels.describe())
            }
            InputSpec::Picture { pixels, .. } => format!("pictures as they are, {}", pixels.describe()),
        }
    }
}

impl Encoding {
    /// Features of a cell.
    pub fn width(&self) -> usize {
        match self {
            Encoding::Number { .. } => 1,
            Encoding::Words { words, .. } => words.len(),
        }
    }
}
