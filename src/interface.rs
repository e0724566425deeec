//! What goes into a network and what comes out of it, in the terms of the data: a network alone knows widths only.
//!
//! Every checkpoint carries an [`Interface`]; `predict`, `eval`, `upscale` and `info` read it and guess nothing.

use serde::{Deserialize, Serialize};

use crate::network::{Input, Network};
use crate::{Error, Result};

/// Both ends of a network.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Interface {
    /// What it takes.
    pub input: InputSpec,
    /// What it gives.
    pub output: OutputSpec,
}

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
    /// How its cells become features.
    #[serde(flatten)]
    pub encoding: Encoding,
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

/// What a network gives.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum OutputSpec {
    /// One class of several.
    Classes {
        /// Name of the table's column that holds the class, where there is one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        column: Option<String>,
        /// The classes in the order of their indices. The network may have more outputs: they are not looked at.
        names: Vec<String>,
        /// What the numbers are.
        scores: Scores,
    },
    /// A probability for each of some columns that hold 0 to 1.
    Probabilities {
        /// Names of the columns.
        columns: Vec<String>,
        /// The numbers are logits, of which the sigmoid is the probability.
        logits: bool,
    },
    /// Values: `number * deviation + mean`.
    Values {
        /// What they are.
        columns: Vec<Value>,
    },
    /// A picture.
    Picture {
        /// The values of its pixels.
        pixels: Pixels,
    },
}

/// What the numbers of a classifier are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scores {
    /// A logit per class: their softmax is the probabilities.
    Logits,
    /// One logit, of the second of two classes.
    Logit,
    /// One probability, of the second of two classes.
    Probability,
}

/// A value that a network gives.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Value {
    /// Name of its column.
    pub name: String,
    /// Mean over the rows that were learned from; 0 where nothing is standardised.
    pub mean: f64,
    /// Standard deviation over them; 1 where nothing is standardised.
    pub deviation: f64,
}

/// Most values that may go in or come out of a network of rows: each has a name, which takes some 50 bytes.
const MOST_NAMED: usize = 1 << 20;

impl Interface {
    /// What a declaration alone tells: pictures from 0 to 1, or plain numbers by their places.
    ///
    /// # Errors
    /// When the declaration does not fit together.
    pub fn of(network: &Network) -> Result<Self> {
        Ok(match network.input() {
            Input::Picture { channels, prepared, .. } => {
                let colour = if channels == 1 { Colour::Luma } else { Colour::Rgb };
                let pixels = Pixels::plain(colour);
                Interface {
                    input: InputSpec::Picture { pixels: pixels.clone(), enlarged: prepared },
                    output: OutputSpec::Picture { pixels },
                }
            }
            Input::Rows(_) | Input::Image(_) => {
                let (takes, gives) = (network.input().width(), network.outputs()?);
                if takes.max(gives) > MOST_NAMED {
                    let why = format!(
                        "takes {takes} values and gives {gives}; each has a name, and {MOST_NAMED} are the most"
                    );
                    return Err(Error::key("network", why));
                }
                let values = (0..gives).map(|i| Value::plain(i.to_string()));
                Interface { input: InputSpec::of(network), output: OutputSpec::Values { columns: values.collect() } }
            }
        })
    }

    /// Whether it is one that this network can have.
    ///
    /// # Errors
    /// Saying what does not fit.
    pub fn check(&self, network: &Network) -> Result<()> {
        let bad = |what: String| Err(Error::input(format!("its interface: {what}")));
        let channels = match network.input() {
            Input::Picture { channels, .. } => Some(channels),
            Input::Rows(_) | Input::Image(_) => None,
        };
        match (&self.input, network.input()) {
            (InputSpec::Picture { pixels, enlarged }, Input::Picture { channels, prepared, .. }) => {
                pixels.check(channels)?;
                if *enlarged != prepared {
                    return bad("the input is enlarged beforehand by one account only".into());
                }
            }
            (InputSpec::Picture { .. }, _) => return bad("pictures of any size, to a network of rows".into()),
            (_, Input::Picture { .. }) => return bad("rows, to a network of pictures of any size".into()),
            (input, Input::Rows(_) | Input::Image(_)) => {
                let (width, takes) = (input.width(), network.input().width());
                if width != takes {
                    return bad(format!("{width} features, to a network that takes {takes}"));
                }
                input.check()?;
            }
        }
        match (&self.output, channels) {
            (OutputSpec::Picture { pixels }, Some(channels)) => return pixels.check(channels),
            (OutputSpec::Picture { .. }, None) => return bad("a picture, of a network of rows".into()),
            (_, Some(_)) => return bad("no picture, of a network that enlarges pictures".into()),
            _ => {}
        }
        let outputs = network.outputs()?;
        let fits = match &self.output {
            OutputSpec::Classes { names, scores: Scores::Logits, .. } => {
                names.len() <= outputs && names.len() > 1 && distinct(names)
            }
            OutputSpec::Classes { names, .. } => names.len() == 2 && outputs == 1 && distinct(names),
            OutputSpec::Probabilities { columns, .. } => columns.len() == outputs,
            OutputSpec::Values { columns } => {
                columns.len() == outputs && columns.iter().all(|c| scale_is_sound(c.mean, c.deviation))
            }
            OutputSpec::Picture { .. } => true,
        };
        if !fits {
            return bad(format!("{} does not fit a network of {outputs} outputs", self.output.describe()));
        }
        Ok(())
    }
}

fn distinct(names: &[String]) -> bool {
    names.iter().collect::<std::collections::BTreeSet<_>>().len() == names.len()
}

fn scale_is_sound(mean: f64, deviation: f64) -> bool {
    mean.is_finite() && deviation.is_finite() && deviation > 0.0
}

impl InputSpec {
    /// What a declaration alone tells of a network of rows.
    fn of(network: &Network) -> Self {
        match network.input() {
            Input::Image([height, width, channels @ (1 | 3)]) => {
                let colour = if channels == 1 { Colour::Grey } else { Colour::Rgb };
                InputSpec::Image { height, width, pixels: Pixels::plain(colour) }
            }
            input => InputSpec::plain((0..input.width()).map(|i| i.to_string()), false),
        }
    }

    /// Columns of numbers that are taken as they are.
    pub fn plain(names: impl IntoIterator<Item = String>, named: bool) -> Self {
        let number = Encoding::Number { mean: 0.0, deviation: 1.0, empty: None };
        let column = |(place, name)| Column { name, place, encoding: number.clone() };
        InputSpec::Columns { columns: names.into_iter().enumerate().map(column).collect(), named }
    }

    /// Features of a row or image; 0 for pictures of any size.
    pub fn width(&self) -> usize {
        match self {
            InputSpec::Columns { columns, .. } => columns.iter().map(|c| c.encoding.width()).sum(),
            InputSpec::Image { height, width, pixels } => height * width * pixels.colour.channels(),
            InputSpec::Picture { .. } => 0,
        }
    }

    fn check(&self) -> Result<()> {
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
            InputSpec::Image { height, width, pixels } => format!("images of {width}x{height}, {}", pixels.describe()),
            InputSpec::Picture { pixels, enlarged: true } => {
                format!("pictures, enlarged by bicubic beforehand, {}", pixels.describe())
            }
            InputSpec::Picture { pixels, .. } => format!("pictures as they are, {}", pixels.describe()),
        }
    }
}

/// Four digits that mean something.
fn short(value: f64) -> String {
    match value.abs() {
        0.0 => "0".into(),
        0.001..1e6 => format!("{value:.4}").trim_end_matches('0').trim_end_matches('.').to_string(),
        _ => format!("{value:.3e}"),
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

    fn check(&self, channels: usize) -> Result<()> {
        let mean = self.mean.is_empty() || self.mean.len() == channels;
        let finite = self.white.is_finite() && self.white > 0.0 && self.mean.iter().all(|m| m.is_finite());
        match mean && finite && self.colour.channels() == channels {
            true => Ok(()),
            false => Err(Error::input(format!("its interface: {} does not fit {channels} channels", self.describe()))),
        }
    }

    fn describe(&self) -> String {
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

impl Value {
    /// A value that is the network's number.
    pub fn plain(name: impl Into<String>) -> Self {
        Value { name: name.into(), mean: 0.0, deviation: 1.0 }
    }
}

/// A row's output, read.
#[derive(Clone, Debug, PartialEq)]
pub enum Reading {
    /// A probability per class; the class is the first of the largest.
    Classes(Vec<f64>),
    /// A probability per column.
    Probabilities(Vec<f64>),
    /// A value per column, in the data's units.
    Values(Vec<f64>),
}

impl OutputSpec {
    /// Classes that are called by their numbers, from 0.
    pub fn numbered(classes: usize, scores: Scores) -> Self {
        OutputSpec::Classes { column: None, names: (0..classes).map(|c| c.to_string()).collect(), scores }
    }

    /// Names of the classes; none where values come out.
    pub fn classes(&self) -> &[String] {
        match self {
            OutputSpec::Classes { names, .. } => names,
            _ => &[],
        }
    }

    /// Names of the table's columns that hold what comes out.
    pub fn columns(&self) -> Vec<&str> {
        match self {
            OutputSpec::Classes { column, .. } => column.iter().map(String::as_str).collect(),
            OutputSpec::Probabilities { columns, .. } => columns.iter().map(String::as_str).collect(),
            OutputSpec::Values { columns } => columns.iter().map(|c| c.name.as_str()).collect(),
            OutputSpec::Picture { .. } => Vec::new(),
        }
    }

    /// The index of the class that an output stands for; 0 where there are no classes. The first of equals wins, and
    /// of two classes the second where its probability is above one half.
    pub fn class(&self, output: &[f32]) -> usize {
        match self {
            OutputSpec::Classes { scores: Scores::Logit, .. } => usize::from(output[0] > 0.0),
            OutputSpec::Classes { scores: Scores::Probability, .. } => usize::from(output[0] > 0.5),
            OutputSpec::Classes { names, .. } => {
                let first = |best: usize, i: usize| if output[i] > output[best] { i } else { best };
                (0..names.len()).fold(0, first)
            }
            _ => 0,
        }
    }

    /// Reads a row's numbers.
    pub fn read(&self, output: &[f32]) -> Reading {
        let numbers = || output.iter().map(|&x| f64::from(x));
        let sigmoid = |x: f64| 1.0 / (1.0 + (-x).exp());
        match self {
            OutputSpec::Classes { names, scores: Scores::Logits, .. } => {
                Reading::Classes(softmax(&output[..names.len()]))
            }
            OutputSpec::Classes { scores, .. } => {
                let p = f64::from(output[0]);
                let p = if *scores == Scores::Logit { sigmoid(p) } else { p };
                Reading::Classes(vec![1.0 - p, p])
            }
            OutputSpec::Probabilities { logits: true, .. } => Reading::Probabilities(numbers().map(sigmoid).collect()),
            OutputSpec::Probabilities { .. } => Reading::Probabilities(numbers().collect()),
            OutputSpec::Values { columns } => {
                Reading::Values(numbers().zip(columns).map(|(x, c)| x * c.deviation + c.mean).collect())
            }
            OutputSpec::Picture { .. } => Reading::Values(numbers().collect()),
        }
    }

    /// A line for people.
    pub fn describe(&self) -> String {
        match self {
            OutputSpec::Classes { names, column, scores } => {
                let of = column.as_ref().map_or(String::new(), |c| format!("{c}: "));
                let how = match scores {
                    Scores::Logits => "softmax of logits",
                    Scores::Logit => "sigmoid of a logit",
                    Scores::Probability => "a probability",
                };
                format!("classes {of}{} ({how})", names.join(", "))
            }
            OutputSpec::Probabilities { columns, logits } => {
                let how = if *logits { " (sigmoid of logits)" } else { "" };
                format!("probability of {}{how}", columns.join(", "))
            }
            OutputSpec::Values { columns } => {
                let one = |c: &Value| match (c.mean, c.deviation) {
                    (0.0, 1.0) => c.name.clone(),
                    (mean, deviation) => format!("{} (mean {}, deviation {})", c.name, short(mean), short(deviation)),
                };
                format!("values {}", columns.iter().map(one).collect::<Vec<_>>().join(", "))
            }
            OutputSpec::Picture { pixels } => format!("a picture, {}", pixels.describe()),
        }
    }
}

fn softmax(output: &[f32]) -> Vec<f64> {
    let largest = output.iter().fold(f64::MIN, |m, &x| m.max(f64::from(x)));
    let powers: Vec<f64> = output.iter().map(|&x| (f64::from(x) - largest).exp()).collect();
    let sum: f64 = powers.iter().sum();
    powers.into_iter().map(|p| p / sum).collect()
}
