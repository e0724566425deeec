//! What a row's output says, as text, JSON and a row of a CSV file.

use crate::checkpoint::Checkpoint;
use crate::interface::{OutputSpec, Reading};
use crate::{Error, Result};
use serde_json::{Value, json};

/// Which row of which input an answer is for.
pub struct Place<'a> {
    /// The file.
    pub input: &'a str,
    /// The line of a table, or the place in an IDX file from 1; none for pictures.
    pub row: Option<u64>,
}

impl Place<'_> {
    fn text(&self) -> String {
        self.row.map_or_else(|| self.input.to_string(), |row| format!("{}:{row}", self.input))
    }
}

/// What a row's output says.
pub enum Answer {
    /// The classes in the order of their likelihood, with probabilities.
    Classes(Vec<(usize, f64)>),
    /// Values in the data's units, probabilities, or the network's own numbers.
    Values(Vec<f64>),
    /// The network cannot take the row, and why.
    None(String),
}

impl Answer {
    /// Reads an output; `plain` takes the network's own numbers.
    pub fn new(spec: &OutputSpec, output: &[f32], plain: bool) -> Self {
        if plain {
            return Answer::Values(output.iter().map(|&x| f64::from(x)).collect());
        }
        let probabilities = match spec.read(output) {
            Reading::Classes(probabilities) => probabilities,
            Reading::Probabilities(values) | Reading::Values(values) => return Answer::Values(values),
        };
        let first = spec.class(output);
        let mut order: Vec<usize> = (0..probabilities.len()).collect();
        // Stable, with the answer in front: equal probabilities do not change which class it is.
        order.sort_by(|&a, &b| {
            probabilities[b].total_cmp(&probabilities[a]).then_with(|| (b == first).cmp(&(a == first)))
        });
        Answer::Classes(order.into_iter().map(|class| (class, probabilities[class])).collect())
    }

    /// A line, with the `top` likeliest classes.
    pub fn text(&self, place: &Place<'_>, spec: &OutputSpec, top: usize) -> String {
        let parts: Vec<String> = match self {
            Answer::Classes(classes) => {
                let one = |(class, p): &(usize, f64)| format!("{} {:.1} %", spec.classes()[*class], 100.0 * p);
                classes.iter().take(top).map(one).collect()
            }
            Answer::Values(values) => values.iter().map(|&v| number(v)).collect(),
            Answer::None(_) => vec!["-".into()],
        };
        format!("{}  {}", place.text(), parts.join("  "))
    }

    /// For machines.
    pub fn json(&self, place: &Place<'_>, spec: &OutputSpec, top: usize) -> Value {
        let mut fields = json!({ "input": place.input, "row": place.row });
        match self {
            Answer::Classes(classes) => {
                let one = |(class, p): &(usize, f64)| json!({ "class": spec.classes()[*class], "probability": p });
                fields["classes"] = classes.iter().take(top).map(one).collect();
            }
            Answer::Values(values) => fields["values"] = json!(values),
            Answer::None(why) => fields["error"] = json!(why),
        }
        fields
    }
}

/// As many digits as the network's f32 has.
fn number(value: f64) -> String {
    (value as f32).to_string()
}

/// Answers as CSV: input, row, then the class and a probability per class, or a column per value.
pub struct Sheet<'a> {
    spec: &'a OutputSpec,
    /// Fields of a row.
    width: usize,
    writer: csv::Writer<Vec<u8>>,
}

impl<'a> Sheet<'a> {
    /// A sheet with a header; `plain` has the network's own numbers.
    ///
    /// # Errors
    /// Never, in memory.
    pub fn new(checkpoint: &'a Checkpoint, plain: bool) -> Result<Self> {
        let spec = &checkpoint.interface.output;
        let mut header = vec!["input".to_string(), "row".to_string()];
        match spec {
            _ if plain => header.extend((0..checkpoint.network.outputs()?).map(|i| format!("output {i}"))),
            OutputSpec::Classes { column, names, .. } => {
                header.push(column.clone().unwrap_or("class".into()));
                header.extend(names.iter().map(|name| format!("probability {name}")));
            }
            _ => header.extend(spec.columns().iter().map(|name| name.to_string())),
        }
        let mut writer = csv::Writer::from_writer(Vec::new());
        writer.write_record(&header).map_err(fault)?;
        Ok(Sheet { spec, width: header.len(), writer })
    }

    /// Adds a row.
    ///
    /// # Errors
    /// Never, in memory.
    pub fn push(&mut self, place: &Place<'_>, answer: &Answer) -> Result<()> {
        let mut fields = vec![place.input.to_string(), place.row.map_or(String::new(), |row| row.to_string())];
        match answer {
            Answer::Classes(classes) => {
                fields.push(self.spec.classes()[classes[0].0].clone());
                let mut by_index = classes.clone();
                by_index.sort_by_key(|(class, _)| *class);
                fields.extend(by_index.iter().map(|(_, p)| format!("{p:.6}")));
            }
            Answer::Values(values) => fields.extend(values.iter().map(|&v| number(v))),
            Answer::None(_) => fields.resize(self.width, String::new()),
        }
        self.writer.write_record(fields).map_err(fault)
    }

    /// The file's bytes.
    ///
    /// # Errors
    /// Never, in memory.
    pub fn finish(self) -> Result<Vec<u8>> {
        self.writer.into_inner().map_err(|e| Error::input(format!("CSV: {e}")))
    }
}

fn fault(error: csv::Error) -> Error {
    Error::input(format!("CSV: {error}"))
}
