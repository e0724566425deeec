//! What goes into a network and what comes out of it, in the terms of the data: a network alone knows widths only.
//!
//! Every checkpoint carries an [`Interface`]; `predict`, `eval`, `upscale` and `info` read it and guess nothing.
mod input;
mod output;
mod pixels;

use serde::{Deserialize, Serialize};

pub use input::{Column, Decimal, Encoding, InputSpec, Written};
pub use output::{OutputSpec, Reading, Scores, Value};
pub use pixels::{Colour, Pixels};

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

/// Height, width and channels of the pictures that a network of images takes; of a network of rows, grey squares.
pub fn image_size(network: &Network) -> Option<[usize; 3]> {
    match network.input() {
        Input::Image(size @ [_, _, 1 | 3]) => Some(size),
        Input::Rows(width) => (1..=width).find(|side| side * side >= width).map(|side| [side, side, 1]),
        _ => None,
    }
    .filter(|[h, w, c]| !matches!(network.input(), Input::Rows(width) if h * w * c != width))
}

fn distinct(names: &[String]) -> bool {
    names.iter().collect::<std::collections::BTreeSet<_>>().len() == names.len()
}

fn scale_is_sound(mean: f64, deviation: f64) -> bool {
    mean.is_finite() && deviation.is_finite() && deviation > 0.0
}

/// Four digits that mean something.
fn short(value: f64) -> String {
    match value.abs() {
        0.0 => "0".into(),
        0.001..1e6 => format!("{value:.4}").trim_end_matches('0').trim_end_matches('.').to_string(),
        _ => format!("{value:.3e}"),
    }
}
