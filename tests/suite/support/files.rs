//! Golden files: safetensors with tensors named `CASE/TENSOR` and a JSON object of attributes per case.

use std::collections::BTreeMap;
use std::path::PathBuf;

use safetensors::SafeTensors;
use serde_json::Value;

/// A stored tensor, in PyTorch's layout.
#[derive(Clone, Debug)]
pub struct Stored {
    pub shape: Vec<usize>,
    pub values: Vec<f32>,
}

/// One case: its attributes and tensors.
#[derive(Clone, Debug)]
pub struct Case {
    pub name: String,
    pub attributes: Value,
    pub tensors: BTreeMap<String, Stored>,
}

impl Case {
    /// A tensor that the case must have.
    pub fn get(&self, name: &str) -> &Stored {
        self.tensors.get(name).unwrap_or_else(|| panic!("case `{}` has no tensor `{name}`", self.name))
    }

    /// A whole number among the attributes.
    pub fn whole(&self, name: &str) -> usize {
        let value = self.attributes.get(name).and_then(Value::as_u64);
        value.unwrap_or_else(|| panic!("case `{}` has no whole attribute `{name}`", self.name)) as usize
    }

    /// A number among the attributes.
    pub fn number(&self, name: &str) -> Option<f32> {
        self.attributes.get(name).and_then(Value::as_f64).map(|v| v as f32)
    }

    /// A number that the case must have.
    pub fn needed(&self, name: &str) -> f32 {
        self.number(name).unwrap_or_else(|| panic!("case `{}` has no attribute `{name}`", self.name))
    }
}

/// The folder of golden files: `WGRAD_GOLDENS`, or the ones that came with the source.
pub fn folder() -> PathBuf {
    let given = std::env::var_os("WGRAD_GOLDENS").map(PathBuf::from);
    given.unwrap_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/goldens"))
}

/// All cases of one file.
pub fn cases(stem: &str) -> Vec<Case> {
    let path = folder().join(format!("{stem}.safetensors"));
    let bytes = std::fs::read(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    let (_, header) = SafeTensors::read_metadata(&bytes).expect("a safetensors file");
    let attributes = header.metadata().clone().unwrap_or_default();
    let file = SafeTensors::deserialize(&bytes).expect("a safetensors file");
    let mut cases: BTreeMap<String, Case> = attributes
        .iter()
        .map(|(name, json)| {
            let attributes = serde_json::from_str(json).unwrap_or_else(|e| panic!("case `{name}`: {e}"));
            (name.clone(), Case { name: name.clone(), attributes, tensors: BTreeMap::new() })
        })
        .collect();
    for (name, view) in file.tensors() {
        let (case, tensor) = name.split_once('/').unwrap_or_else(|| panic!("`{name}` is not CASE/TENSOR"));
        let values = view.data().chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect();
        let case = cases.get_mut(case).unwrap_or_else(|| panic!("`{name}` belongs to no case of the metadata"));
        case.tensors.insert(tensor.into(), Stored { shape: view.shape().to_vec(), values });
    }
    assert!(!cases.is_empty(), "{} holds no cases", path.display());
    cases.into_values().collect()
}

/// How a tensor is laid out in the file.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Layout {
    /// The same on both sides.
    Plain,
    /// `[out, in]` there, `[in, out]` here.
    Linear,
    /// `[n, c, h, w]` there, `[n, h, w, c]` here.
    Image,
    /// `[out, in, k, k]` (or `[in, out, k, k]` transposed) there; the first two last and swapped here.
    Kernel,
}

impl Layout {
    /// Which of the file's axes each of ours is.
    fn axes(self) -> Option<Vec<usize>> {
        match self {
            Layout::Plain => None,
            Layout::Linear => Some(vec![1, 0]),
            Layout::Image => Some(vec![0, 2, 3, 1]),
            Layout::Kernel => Some(vec![2, 3, 1, 0]),
        }
    }

    /// Into the kernels' layout.
    pub fn ours(self, stored: &Stored) -> Stored {
        let Some(axes) = self.axes() else { return stored.clone() };
        assert_eq!(axes.len(), stored.shape.len(), "{self:?} of {:?}", stored.shape);
        let shape: Vec<usize> = axes.iter().map(|&a| stored.shape[a]).collect();
        let strides: Vec<usize> = axes.iter().map(|&a| stored.shape[a + 1..].iter().product()).collect();
        let values = (0..stored.values.len())
            .map(|mut i| {
                let mut at = 0;
                for (extent, stride) in shape.iter().zip(&strides).rev() {
                    at += i % extent * stride;
                    i /= extent;
                }
                stored.values[at]
            })
            .collect();
        Stored { shape, values }
    }
}
