//! Checkpoints: safetensors files with PyTorch's names and layouts, and the declaration to run them by.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use half::{bf16, f16};
use safetensors::tensor::{Dtype, SafeTensors, TensorView};

use crate::files;
use crate::network::{Array, Input, Network, Weights};
use crate::{Error, Result};

/// A network with its weights, and what a training run needs to go on.
#[derive(Clone, Debug, PartialEq)]
pub struct Checkpoint {
    /// The declaration.
    pub network: Network,
    /// What it learned.
    pub weights: Weights,
    /// Names of the classes, for classifiers.
    pub classes: Vec<String>,
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
    /// Best validation score so far.
    pub best: Option<f64>,
    /// The device that ran it: another sums in another order.
    pub device: String,
}

/// How numbers are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Storage {
    /// 32-bit floats.
    F32,
    /// 16-bit floats: half the bytes, for use rather than for training.
    F16,
}

const FORMAT: &str = "1";
const MOMENTS: [&str; 3] = ["optimizer.first.", "optimizer.second.", "average."];

impl Checkpoint {
    /// A file for use.
    pub fn new(network: Network, weights: Weights) -> Self {
        Checkpoint { network, weights, classes: Vec::new(), training: None, notes: BTreeMap::new() }
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
        let bad = |why: String| Error::input(format!("{name}: {why}"));
        let corrupt = |e: safetensors::SafeTensorError| bad(format!("no safetensors file, or a damaged one ({e})"));
        let (_, header) = SafeTensors::read_metadata(bytes).map_err(corrupt)?;
        let file = SafeTensors::deserialize(bytes).map_err(corrupt)?;
        let metadata = header.metadata().clone().unwrap_or_default();
        let entry = |key: &str| {
            let missing = || bad(format!("no `{key}` in its metadata, so it is no checkpoint of wgrad"));
            metadata.get(key).ok_or_else(missing)
        };
        let format = entry("wgrad")?;
        if format != FORMAT {
            return Err(bad(format!("format {format} is newer than this program understands; update it")));
        }
        let network: Network = serde_json::from_str(entry("network")?)
            .map_err(|e| bad(format!("its `network` is not understood: {e}")))?;
        network.check().map_err(|e| bad(e.to_string()))?;
        let mut parts: [Weights; 4] = Default::default();
        for (tensor, view) in file.iter() {
            let array = array(&view).map_err(|why| bad(format!("tensor `{tensor}` {why}")))?;
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
                best: metadata.get("best").and_then(|t| t.parse().ok()),
                device: metadata.get("device").cloned().unwrap_or_default(),
            }),
        };
        let classes = match metadata.get("classes") {
            None => Vec::new(),
            Some(text) => serde_json::from_str(text).map_err(|e| bad(format!("its `classes` are damaged: {e}")))?,
        };
        let notes = metadata.iter().filter_map(|(k, v)| Some((k.strip_prefix("note.")?.to_string(), v.clone())));
        let checkpoint = Checkpoint { network, weights, classes, training, notes: notes.collect() };
        checkpoint.fits().map_err(|e| bad(e.to_string()))?;
        Ok(checkpoint)
    }

    /// Whether the weights are those of the network.
    fn fits(&self) -> Result<()> {
        let mode = if self.training.is_some() { crate::network::Mode::Train } else { crate::network::Mode::Infer };
        let (graph, ..) = self.network.graph(2, [16, 16], mode)?;
        let layout = crate::graph::Plan::new(&graph, Default::default())?.layout;
        self.weights.to_state(&graph, &layout).map(|_| ())
    }

    /// The file's bytes, the same for the same contents.
    ///
    /// # Errors
    /// When the file cannot be laid out, which no network of this program causes.
    pub fn encode(&self, storage: Storage) -> Result<Vec<u8>> {
        let mut metadata: HashMap<String, String> = HashMap::new();
        let mut put = |key: &str, value: String| metadata.insert(key.to_string(), value);
        put("wgrad", FORMAT.into());
        put("network", serde_json::to_string(&self.network).expect("a declaration is plain data"));
        if let Input::Picture { channels, prepared, .. } = self.network.input() {
            put("colour", if channels == 1 { "luma, chroma by bicubic" } else { "rgb" }.into());
            put("input", if prepared { "enlarged by bicubic" } else { "low resolution" }.into());
        }
        if !self.classes.is_empty() {
            put("classes", serde_json::to_string(&self.classes).expect("names are plain data"));
        }
        for (key, note) in &self.notes {
            put(&format!("note.{key}"), note.clone());
        }
        let mut tensors: BTreeMap<String, &Array> = self.weights.iter().map(|(n, a)| (n.to_string(), a)).collect();
        if let Some(training) = &self.training {
            put("step", training.step.to_string());
            put("seed", training.seed.to_string());
            put("device", training.device.clone());
            if let Some(best) = training.best {
                put("best", best.to_string());
            }
            for (prefix, part) in MOMENTS.iter().zip([&training.first, &training.second, &training.average]) {
                tensors.extend(part.iter().flat_map(|w| w.iter()).map(|(n, a)| (format!("{prefix}{n}"), a)));
            }
        }
        let bytes: Vec<(String, &Array, Vec<u8>)> =
            tensors.into_iter().map(|(name, array)| (name, array, store(&array.values, storage))).collect();
        let dtype = if storage == Storage::F16 { Dtype::F16 } else { Dtype::F32 };
        let lay = |e| Error::input(format!("checkpoint: {e}"));
        let views = bytes.iter().map(|(name, array, data)| {
            Ok((name.as_str(), TensorView::new(dtype, array.shape.clone(), data).map_err(lay)?))
        });
        let views: Vec<(&str, TensorView<'_>)> = views.collect::<Result<_>>()?;
        let file = safetensors::serialize(views, None).map_err(lay)?;
        Ok(with_metadata(&file, metadata))
    }

    /// Writes a file, whole or not at all.
    ///
    /// # Errors
    /// Naming the path.
    pub fn save(&self, path: &Path, storage: Storage) -> Result<()> {
        files::replace(path, &self.encode(storage)?)
    }
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

fn store(values: &[f32], storage: Storage) -> Vec<u8> {
    match storage {
        Storage::F32 => values.iter().flat_map(|v| v.to_le_bytes()).collect(),
        Storage::F16 => values.iter().flat_map(|v| f16::from_f32(*v).to_le_bytes()).collect(),
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
    use crate::network::{Mode, initial};

    fn checkpoint() -> Checkpoint {
        let network = Network::Mlp { sizes: vec![3, 5, 2], activation: Activation::Relu, dropout: 0.0 };
        let (graph, ..) = network.graph(1, [0, 0], Mode::Infer).unwrap();
        let layout = Plan::new(&graph, Options::default()).unwrap().layout;
        let weights = Weights::from_state(&graph, &layout, &initial(&graph, &layout, 1));
        Checkpoint::new(network, weights)
    }

    #[test]
    fn a_checkpoint_round_trips_and_equal_contents_are_equal_bytes() {
        let mut one = checkpoint();
        one.classes = vec!["cat".into(), "dög".into()];
        let zeros = one.weights.clone();
        one.training = Some(TrainingState {
            step: 7,
            seed: 3,
            first: Some(zeros),
            second: None,
            average: None,
            best: Some(1.5),
            device: "cpu".into(),
        });
        let bytes = one.encode(Storage::F32).unwrap();
        assert_eq!(Checkpoint::decode(&bytes, "x").unwrap(), one);
        assert_eq!(bytes, one.encode(Storage::F32).unwrap());
    }

    #[test]
    fn damage_names_the_file_and_never_panics() {
        let bytes = checkpoint().encode(Storage::F32).unwrap();
        for cut in [0, 4, 8, 20, bytes.len() / 2, bytes.len() - 1] {
            let error = Checkpoint::decode(&bytes[..cut], "cut.safetensors").unwrap_err().to_string();
            assert!(error.contains("cut.safetensors"), "{error}");
        }
    }

    #[test]
    fn another_networks_tensors_are_named() {
        let mut wrong = checkpoint();
        wrong.network = Network::Mlp { sizes: vec![3, 6, 2], activation: Activation::Relu, dropout: 0.0 };
        let bytes = wrong.encode(Storage::F32).unwrap();
        let error = Checkpoint::decode(&bytes, "x").unwrap_err().to_string();
        assert!(error.contains("`0."), "{error}");
    }
}
