//! What a network gives.

use serde::{Deserialize, Serialize};

use super::{Pixels, short};

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
                // A network that was trained by squares may leave 0..1.
                let p = if *scores == Scores::Logit { sigmoid(p) } else { p.clamp(0.0, 1.0) };
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
