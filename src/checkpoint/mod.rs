//! Checkpoints: safetensors files with PyTorch's names and layouts, and the declaration to run them by.

mod loss;
mod standing;

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use half::{bf16, f16};
use safetensors::tensor::{Dtype, SafeTensors, TensorView};

use crate::files;
use crate::interface::{Interface, OutputSpec, Scores};
use crate::network::{Array, Network, Weights};
use crate::{Error, Result};

pub use loss::LossSpec;
pub use standing::{Mark, Standing};

/// A network with its weights, and what a training run needs to go on.
#[derive(Clone, Debug, PartialEq)]
pub struct Checkpoint {
    /// The declaration.
    pub network: Network,
    /// What it learned.
    pub weights: Weights,
    /// What goes in and what comes out.
    pub interface: Interface,
    /// What it was trained to make small, where that is known.
    pub loss: Option<LossSpec>,
    /// State of the run that wrote it; none in files for use.
    pub training: Option<TrainingState>,
    /// Free notes: what made the file, its scores.
    pub notes: BTreeMap<String, String>,
}

/// What a run needs to go on bit for bit.
#[derive(Clone, Debug, PartialEq)]
pub struct TrainingState {
    /// Updates done.
    pub step: u64,
    /// Seed of the run.
    pub seed: u32,
    /// First moments by parameter, for rules that keep them.
    pub first: Option<Weights>,
    /// Second moments.
    pub second: Option<Weights>,
    /// Averaged weights.
    pub average: Option<Weights>,
    /// The best validations so far.
    pub standing: Standing,
    /// Hash of the run's record, where it has one.
    pub record: Option<String>,
    /// The device that ran it: another sums in another order.
    pub device: String,
}

/// How numbers are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FloatFormat {
    /// 32-bit floats.
    F32,
    /// 16-bit floats: half the bytes, for use rather than for training.
    F16,
}

/// The format that is written. Format 1 had no interface and no checksum; it is read still.
const FORMAT: &str = "2";
const MOMENTS: [&str; 3] = ["optimizer.first.", "optimizer.second.", "average."];

impl Checkpoint {
    /// A file for use.
    pub fn new(network: Network, weights: Weights, interface: Interface) -> Self {
        Checkpoint { network, weights, interface, loss: None, training: None, notes: BTreeMap::new() }
    }

    /// Reads a file.
    ///
    /// # Errors
    /// Naming the file, and the tensor or entry that is wrong.
    pub fn open(path: &Path) -> Result<Self> {
        let bytes = std::fs::read(path).map_err(|e| Error::io(path, e))?;
        Checkpoint::decode(&bytes, &path.display().to_string())
    }

    /// Reads bytes; `name` stands for the file in messages.
    ///
    /// # Errors
    /// As [`Checkpoint::open`].
    pub fn decode(bytes: &[u8], name: &str) -> Result<Self> {
        let bad = |why: String| Error::file(name, why);
        let corrupt = |e: safetensors::SafeTensorError| bad(format!("no safetensors file, or a damaged one ({e})"));
        let (_, header) = SafeTensors::read_metadata(bytes).map_err(corrupt)?;
        let file = SafeTensors::deserialize(bytes).map_err(corrupt)?;
        let metadata = header.metadata().clone().unwrap_or_default();
        let entry = |key: &str| {
            let missing = || bad(format!("no `{key}` in its metadata, so it is no checkpoint of wgrad"));
            metadata.get(key).ok_or_else(missing)
        };
        let format = entry("wgrad")?;
        match format.as_str() {
            "1" => {}
            FORMAT if *entry("checksum")? == checksum(&metadata, &file) => {}
            FORMAT => return Err(bad("is damaged: its checksum is another; copy it again from where it came".into())),
            _ => return Err(bad(format!("format {format} is newer than this program understands; update it"))),
        }
        let network: Network = serde_json::from_str(entry("network")?)
            .map_err(|e| bad(format!("its `network` is not understood: {e}")))?;
        network.check().map_err(|e| e.in_file(name))?;
        let mut parts: [Weights; 4] = Default::default();
        for (tensor, view) in file.iter() {
            let array = array(&view).map_err(|why| Error::tensor(tensor, why).in_file(name))?;
            match MOMENTS.iter().position(|prefix| tensor.starts_with(prefix)) {
                Some(i) => parts[i + 1].insert(&tensor[MOMENTS[i].len()..], array),
                None => parts[0].insert(tensor, array),
            }
        }
        let [weights, first, second, average] = parts;
        let some = |w: Weights| (w.parameters() > 0).then_some(w);
        let number = |key: &str| {
            let text = entry(key)?;
            text.parse::<u64>().map_err(|_| bad(format!("its `{key}` is `{text}`, not a number")))
        };
        let training = match metadata.contains_key("step") {
            false => None,
            true => Some(TrainingState {
                step: number("step")?,
                seed: number("seed")? as u32,
                first: some(first),
                second: some(second),
                average: some(average),
                standing: Standing::read(metadata.get("standing"), metadata.get("best"))
                    .map_err(|e| bad(format!("its `standing` is not understood: {e}")))?,
                record: metadata.get("record").cloned(),
                device: metadata.get("device").cloned().unwrap_or_default(),
            }),
        };
        let notes = metadata.iter().filter_map(|(k, v)| Some((k.strip_prefix("note.")?.to_string(), v.clone())));
        let mut notes: BTreeMap<String, String> = notes.collect();
        let (loss, interface) = if format == "1" {
            let loss = notes.remove("loss");
            format_1(&network, metadata.get("classes"), loss.as_ref()).map_err(|e| e.in_file(name))?
        } else {
            let damaged = |key: &str, e: serde_json::Error| bad(format!("its `{key}` is not understood: {e}"));
            let loss = metadata.get("loss").map(|text| serde_json::from_str(text).map_err(|e| damaged("loss", e)));
            let interface = serde_json::from_str(entry("interface")?).map_err(|e| damaged("interface", e))?;
            (loss.transpose()?, interface)
        };
        let checkpoint = Checkpoint { network, weights, interface, loss, training, notes };
        checkpoint.fits().map_err(|e| e.in_file(name))?;
        Ok(checkpoint)
    }

    /// Whether the weights are those of the network, and the interface one that it can have.
    fn fits(&self) -> Result<()> {
        self.interface.check(&self.network)?;
        let mode = if self.training.is_some() { crate::network::Mode::Train } else { crate::network::Mode::Infer };
        let (graph, ..) = self.network.graph(2, [16, 16], mode)?;
        let layout = crate::graph::Plan::new(&graph, Default::default())?.layout;
        self.weights.to_state(&graph, &layout).map(|_| ())
    }

    /// The file's bytes, the same for the same contents.
    ///
    /// # Errors
    /// When the file cannot be laid out, which no network of this program causes.
    pub fn encode(&self, storage: FloatFormat) -> Result<Vec<u8>> {
        let mut metadata: HashMap<String, String> = HashMap::new();
        let mut put = |key: &str, value: String| metadata.insert(key.to_string(), value);
        put("wgrad", FORMAT.into());
        put("network", serde_json::to_string(&self.network).expect("a declaration is plain data"));
        put("interface", serde_json::to_string(&self.interface).expect("an interface is plain data"));
        if let Some(loss) = &self.loss {
            put("loss", serde_json::to_string(loss).expect("a loss is plain data"));
        }
        for (key, note) in &self.notes {
            put(&format!("note.{key}"), note.clone());
        }
        let mut tensors: BTreeMap<String, &Array> = self.weights.iter().map(|(n, a)| (n.to_string(), a)).collect();
        if let Some(training) = &self.training {
            put("step", training.step.to_string());
            put("seed", training.seed.to_string());
            put("device", training.device.clone());
            put("standing", serde_json::to_string(&training.standing).expect("finite numbers"));
            if let Some(record) = &training.record {
                put("record", record.clone());
            }
            for (prefix, part) in MOMENTS.iter().zip([&training.first, &training.second, &training.average]) {
                tensors.extend(part.iter().flat_map(|w| w.iter()).map(|(n, a)| (format!("{prefix}{n}"), a)));
            }
        }
        let bytes: Vec<(String, &Array, Vec<u8>)> =
            tensors.into_iter().map(|(name, array)| (name, array, store(&array.values, storage))).collect();
        let dtype = if storage == FloatFormat::F16 { Dtype::F16 } else { Dtype::F32 };
        let lay = |e| Error::input(format!("checkpoint: {e}"));
        let views = bytes.iter().map(|(name, array, data)| {
            Ok((name.as_str(), TensorView::new(dtype, array.shape.clone(), data).map_err(lay)?))
        });
        let views: Vec<(&str, TensorView<'_>)> = views.collect::<Result<_>>()?;
        let file = safetensors::serialize(views, None).map_err(lay)?;
        let sum = checksum(&metadata, &SafeTensors::deserialize(&file).map_err(lay)?);
        metadata.insert("checksum".into(), sum);
        Ok(with_metadata(&file, metadata))
    }

    /// Writes a file, whole or not at all.
    ///
    /// # Errors
    /// Naming the path.
    pub fn save(&self, path: &Path, storage: FloatFormat) -> Result<()> {
        files::replace(path, &self.encode(storage)?)
    }
}

/// CRC-32 of everything that the file says: metadata but for the checksum itself, and every tensor with its name, type
/// and shape. Each in its own order, so that tools that lay a file out anew do not change it.
fn checksum(metadata: &HashMap<String, String>, file: &SafeTensors<'_>) -> String {
    let mut sum = crc32fast::Hasher::new();
    // Each part with its length, so that none can pass for the end of another.
    let mut add = |part: &[u8]| {
        sum.update(&(part.len() as u64).to_le_bytes());
        sum.update(part);
    };
    let entries: BTreeMap<&String, &String> = metadata.iter().filter(|(key, _)| *key != "checksum").collect();
    for (key, value) in entries {
        add(key.as_bytes());
        add(value.as_bytes());
    }
    let mut tensors: Vec<(&str, TensorView<'_>)> = file.iter().collect();
    tensors.sort_by_key(|(name, _)| *name);
    for (name, view) in tensors {
        add(name.as_bytes());
        add(format!("{:?} {:?}", view.dtype(), view.shape()).as_bytes());
        add(view.data());
    }
    format!("crc32:{:08x}", sum.finalize())
}

/// What a file of format 1 tells of its outputs: class names for tables of classes, and the loss in a note.
fn format_1(
    network: &Network,
    classes: Option<&String>,
    loss: Option<&String>,
) -> Result<(Option<LossSpec>, Interface)> {
    let damaged = |key: &str, e: serde_json::Error| Error::input(format!("its `{key}` is damaged: {e}"));
    let loss: Option<LossSpec> =
        loss.map(|text| serde_json::from_str(text).map_err(|e| damaged("note.loss", e))).transpose()?;
    let names: Option<Vec<String>> =
        classes.map(|text| serde_json::from_str(text).map_err(|e| damaged("classes", e))).transpose()?;
    let mut interface = Interface::of(network)?;
    if matches!(interface.output, OutputSpec::Picture { .. }) {
        return Ok((loss, interface));
    }
    let (outputs, column) = (network.outputs()?, None);
    let numbered = |count: usize| (0..count).map(|c| c.to_string()).collect();
    let classes = |scores, count| {
        let names = names.clone().unwrap_or_else(|| numbered(count));
        OutputSpec::Classes { column, names, scores }
    };
    // Where the loss is not told, several outputs were read as classes and one as a value.
    match loss {
        Some(LossSpec::Bce {}) if outputs == 1 => interface.output = classes(Scores::Probability, 2),
        Some(LossSpec::BceWithLogits {}) if outputs == 1 => interface.output = classes(Scores::Logit, 2),
        None | Some(LossSpec::CrossEntropy { .. }) if outputs > 1 => {
            interface.output = classes(Scores::Logits, outputs);
        }
        _ => {}
    }
    Ok((loss, interface))
}

/// Puts metadata into a safetensors file in the order of its keys: the crate takes a hash map, whose order would make
/// equal checkpoints differ.
fn with_metadata(file: &[u8], metadata: HashMap<String, String>) -> Vec<u8> {
    let length = u64::from_le_bytes(file[..8].try_into().expect("a file has a header")) as usize;
    let header: serde_json::Value = serde_json::from_slice(&file[8..8 + length]).expect("the crate wrote it");
    let serde_json::Value::Object(mut header) = header else { unreachable!("a header is an object") };
    let metadata: BTreeMap<String, String> = metadata.into_iter().collect();
    header.insert("__metadata__".into(), serde_json::to_value(metadata).expect("plain text"));
    let mut text = serde_json::to_vec(&header).expect("plain data");
    text.resize(text.len().next_multiple_of(8), b' ');
    let mut out = (text.len() as u64).to_le_bytes().to_vec();
    out.extend(text);
    out.extend(&file[8 + length..]);
    out
}

fn store(values: &[f32], storage: FloatFormat) -> Vec<u8> {
    match storage {
        FloatFormat::F32 => values.iter().flat_map(|v| v.to_le_bytes()).collect(),
        FloatFormat::F16 => values.iter().flat_map(|v| f16::from_f32(*v).to_le_bytes()).collect(),
    }
}

fn array(view: &TensorView<'_>) -> std::result::Result<Array, String> {
    let data = view.data();
    let values: Vec<f32> = match view.dtype() {
        Dtype::F32 => data.chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect(),
        Dtype::F16 => data.chunks_exact(2).map(|b| f16::from_le_bytes([b[0], b[1]]).to_f32()).collect(),
        Dtype::BF16 => data.chunks_exact(2).map(|b| bf16::from_le_bytes([b[0], b[1]]).to_f32()).collect(),
        other => return Err(format!("holds {other:?}; F32, F16 and BF16 are understood")),
    };
    match values.iter().all(|v| v.is_finite()) {
        true => Ok(Array { shape: view.shape().to_vec(), values }),
        false => Err("holds a value that is not finite".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::{Activation, Options, Plan};
    use crate::interface::{Colour, InputSpec, Pixels, Value};
    use crate::network::{Mode, initial};

    fn checkpoint() -> Checkpoint {
        let network = Network::Mlp { sizes: vec![3, 5, 2], activation: Activation::Relu, dropout: 0.0 };
        let (graph, ..) = network.graph(1, [0, 0], Mode::Infer).unwrap();
        let layout = Plan::new(&graph, Options::default()).unwrap().layout;
        let weights = Weights::from_state(&graph, &layout, &initial(&graph, &layout, 1));
        let interface = Interface::of(&network).unwrap();
        Checkpoint::new(network, weights, interface)
    }

    #[test]
    fn a_checkpoint_round_trips_and_equal_contents_are_equal_bytes() {
        let mut one = checkpoint();
        let names = vec!["cat".into(), "dög".into()];
        one.interface.output = OutputSpec::Classes { column: Some("y".into()), names, scores: Scores::Logits };
        one.loss = Some(LossSpec::CrossEntropy { smoothing: 0.1 });
        let zeros = one.weights.clone();
        one.training = Some(TrainingState {
            step: 7,
            seed: 3,
            first: Some(zeros),
            second: None,
            average: None,
            standing: Standing { best: vec![Mark { step: 7, score: 1.5, loss: None }], since: 2 },
            record: Some("xxh3:0123456789abcdef".into()),
            device: "cpu".into(),
        });
        let bytes = one.encode(FloatFormat::F32).unwrap();
        assert_eq!(Checkpoint::decode(&bytes, "x").unwrap(), one);
        assert_eq!(bytes, one.encode(FloatFormat::F32).unwrap());
    }

    #[test]
    fn damage_names_the_file_and_never_panics() {
        let bytes = checkpoint().encode(FloatFormat::F32).unwrap();
        for cut in [0, 4, 8, 20, bytes.len() / 2, bytes.len() - 1] {
            let error = Checkpoint::decode(&bytes[..cut], "cut.safetensors").unwrap_err().to_string();
            assert!(error.contains("cut.safetensors"), "{error}");
        }
    }

    #[test]
    fn every_flipped_bit_is_found() {
        let bytes = checkpoint().encode(FloatFormat::F32).unwrap();
        for bit in 0..8 * bytes.len() {
            let mut damaged = bytes.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            let error = Checkpoint::decode(&damaged, "x").unwrap_err().to_string();
            assert!(error.starts_with("x: "), "bit {bit}: {error}");
        }
    }

    #[test]
    fn an_interface_of_another_network_is_refused() {
        let refused = |output: OutputSpec| {
            let mut wrong = checkpoint();
            wrong.interface.output = output;
            let bytes = wrong.encode(FloatFormat::F32).unwrap();
            Checkpoint::decode(&bytes, "x").unwrap_err().to_string()
        };
        let names = |n: &[&str]| n.iter().map(|n| n.to_string()).collect::<Vec<_>>();
        let classes = |n: &[&str], scores| OutputSpec::Classes { column: None, names: names(n), scores };
        for output in [
            classes(&["a", "b", "c"], Scores::Logits),
            classes(&["a", "a"], Scores::Logits),
            classes(&["a", "b"], Scores::Logit),
            OutputSpec::Values { columns: vec![Value::plain("one")] },
            OutputSpec::Values { columns: vec![Value { name: "z".into(), mean: 0.0, deviation: 0.0 }; 2] },
        ] {
            let error = refused(output);
            assert!(error.contains("2 outputs"), "{error}");
        }
        assert!(refused(OutputSpec::Picture { pixels: Pixels::plain(Colour::Rgb) }).contains("picture"));
        let mut wrong = checkpoint();
        wrong.interface.input = InputSpec::plain(names(&["a", "b"]), true);
        let error = Checkpoint::decode(&wrong.encode(FloatFormat::F32).unwrap(), "x").unwrap_err().to_string();
        assert!(error.contains("2 features") && error.contains("takes 3"), "{error}");
    }

    #[test]
    fn another_networks_tensors_are_named() {
        let mut wrong = checkpoint();
        wrong.network = Network::Mlp { sizes: vec![3, 6, 2], activation: Activation::Relu, dropout: 0.0 };
        let bytes = wrong.encode(FloatFormat::F32).unwrap();
        let error = Checkpoint::decode(&bytes, "x").unwrap_err().to_string();
        assert!(error.contains("`0."), "{error}");
    }
}
