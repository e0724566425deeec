//! Which outputs a network must have for what the data ask of it.

use crate::checkpoint::LossSpec;
use crate::interface::{OutputSpec, Scores, Value};
use crate::{Error, Result};

/// What the data ask a network for.
pub(super) enum Targets {
    /// A class of several.
    Classes {
        /// The table's column.
        column: Option<String>,
        /// The classes by index.
        names: Vec<String>,
    },
    /// Numbers.
    Values(Vec<Value>),
}

impl Targets {
    /// Classes that are called by their numbers.
    pub(super) fn numbered(classes: usize) -> Self {
        Targets::Classes { column: None, names: (0..classes).map(|c| c.to_string()).collect() }
    }

    /// What is said beside an error about classes that are all numbers.
    fn hint(&self) -> &'static str {
        match self {
            Targets::Classes { column: _, names } if names.len() > 2 && names.iter().all(|name| is_number(name)) => {
                "; if the numbers are values and no classes: data.classes = false"
            }
            _ => "",
        }
    }

    /// How a network of so many outputs, trained by `loss`, answers.
    ///
    /// # Errors
    /// When loss, outputs and data do not go together, naming the key to change.
    pub(super) fn output(self, loss: LossSpec, outputs: usize) -> Result<OutputSpec> {
        let bad = |why: String| Err(Error::input(why));
        let hint = self.hint();
        match self {
            Targets::Classes { names, .. } if names.len() < 2 => {
                let only = names.first().map_or("no class".into(), |name| format!("class {name:?} only"));
                bad(format!("data: there is {only}, and nothing to tell apart; two classes are the least"))
            }
            Targets::Classes { column, names } => {
                let count = names.len();
                let scores = match (loss, outputs, count) {
                    (LossSpec::CrossEntropy { .. }, outputs, count) if outputs >= count => Scores::Logits,
                    (LossSpec::CrossEntropy { .. }, ..) => {
                        return bad(format!(
                            "network: it has {outputs} outputs, the data has {count} classes ({}){hint}",
                            some(&names)
                        ));
                    }
                    (LossSpec::BceWithLogits {}, 1, 2) => Scores::Logit,
                    (LossSpec::Bce {}, 1, 2) => Scores::Probability,
                    (loss, 1, 2) if !loss.is_binary() => Scores::Probability,
                    (loss, _, 2) => {
                        return bad(format!("network: {} takes 1 output, it has {outputs}", loss.name()));
                    }
                    (loss, ..) => {
                        let name = loss.name();
                        let why = format!("{name} takes 2 classes, the data has {count} ({})", some(&names));
                        return bad(format!("loss.kind: {why}; use cross_entropy, with an output per class{hint}"));
                    }
                };
                Ok(OutputSpec::Classes { column, names, scores })
            }
            Targets::Values(columns) => {
                if matches!(loss, LossSpec::CrossEntropy { .. }) {
                    return bad(
                        "loss.kind: cross_entropy needs classes; use mse, mae, huber or charbonnier for values".into(),
                    );
                }
                if columns.len() != outputs {
                    let count = columns.len();
                    return bad(format!("network: it has {outputs} outputs, the data has {count} target columns"));
                }
                Ok(match loss.is_binary() {
                    true => OutputSpec::Probabilities {
                        columns: columns.into_iter().map(|c| c.name).collect(),
                        logits: loss == LossSpec::BceWithLogits {},
                    },
                    false => OutputSpec::Values { columns },
                })
            }
        }
    }
}

/// The first of some names.
fn some(names: &[String]) -> String {
    let first = names.iter().take(8).cloned().collect::<Vec<_>>().join(", ");
    if names.len() > 8 { format!("{first}, ...") } else { first }
}

fn is_number(text: &str) -> bool {
    text.contains(|c: char| c.is_ascii_digit()) && text.chars().all(|c| c.is_ascii_digit() || "+-.,' eE".contains(c))
}
