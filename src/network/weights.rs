//! Weights by name in PyTorch's layouts, and their way into the kernels' layouts and back.

use std::collections::{BTreeMap, BTreeSet};

use crate::graph::{Arena, Graph, Layout, Parameter, Shape, WeightLayout};
use crate::{Error, Result};

/// A tensor in PyTorch's layout.
#[derive(Clone, Debug, PartialEq)]
pub struct Array {
    /// Extents, outermost first.
    pub shape: Vec<usize>,
    /// Elements, row-major.
    pub values: Vec<f32>,
}

/// Named tensors in PyTorch's layouts: the contents of a checkpoint.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Weights {
    tensors: BTreeMap<String, Array>,
}

impl Weights {
    /// Adds or replaces a tensor.
    pub fn insert(&mut self, name: impl Into<String>, array: Array) {
        self.tensors.insert(name.into(), array);
    }

    /// A tensor that must be there.
    ///
    /// # Errors
    /// Naming the tensor.
    pub fn get(&self, name: &str) -> Result<&Array> {
        self.find(name).ok_or_else(|| Error::tensor(name, "is missing"))
    }

    /// A tensor that may be there.
    pub fn find(&self, name: &str) -> Option<&Array> {
        self.tensors.get(name)
    }

    /// All tensors by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Array)> {
        self.tensors.iter().map(|(name, array)| (name.as_str(), array))
    }

    /// Number of values in all.
    pub fn parameters(&self) -> usize {
        self.tensors.values().map(|a| a.values.len()).sum()
    }

    /// From an arena with a segment per parameter: weights, moments, averages.
    pub fn from_parameters(graph: &Graph, layout: &Layout, values: &[f32]) -> Self {
        let mut weights = Weights::default();
        for (parameter, segment) in graph.parameters.iter().zip(&layout.parameters) {
            let values = &values[segment.offset..][..segment.shape.len()];
            weights.insert(parameter.name.clone(), to_file(parameter, values));
        }
        weights
    }

    /// To an arena with a segment per parameter; gaps are zero.
    ///
    /// # Errors
    /// When a tensor is missing or has another shape, naming it.
    pub fn to_parameters(&self, graph: &Graph, layout: &Layout) -> Result<Vec<f32>> {
        // A declaration may ask for more than its file has: nothing is allocated before all tensors are there.
        for parameter in &graph.parameters {
            fits(parameter, self.get(&parameter.name)?)?;
        }
        let mut values = vec![0.0; layout.len(Arena::Parameters)];
        for (parameter, segment) in graph.parameters.iter().zip(&layout.parameters) {
            let kernel = from_file(parameter, self.get(&parameter.name)?);
            values[segment.offset..][..kernel.len()].copy_from_slice(&kernel);
        }
        Ok(values)
    }

    /// From flat state in the kernels' layout.
    pub fn from_state(graph: &Graph, layout: &Layout, state: &State) -> Self {
        let mut weights = Weights::from_parameters(graph, layout, &state.parameters);
        for segment in &layout.statistics {
            let columns = segment.shape.columns();
            let values = &state.statistics[segment.offset..][..2 * columns];
            for (part, values) in STATISTICS.iter().zip(values.chunks(columns)) {
                let array = Array { shape: vec![columns], values: values.to_vec() };
                weights.insert(format!("{}.{part}", segment.name), array);
            }
        }
        weights
    }

    /// To flat state in the kernels' layout; gaps are zero.
    ///
    /// # Errors
    /// When a tensor is missing, has another shape, or is left over, naming it.
    pub fn to_state(&self, graph: &Graph, layout: &Layout) -> Result<State> {
        let parameters = self.to_parameters(graph, layout)?;
        let mut state = State { parameters, statistics: vec![0.0; layout.len(Arena::Statistics)] };
        let mut known: BTreeSet<String> = graph.parameters.iter().map(|p| p.name.clone()).collect();
        for segment in &layout.statistics {
            let columns = segment.shape.columns();
            for (part, values) in STATISTICS.iter().zip(state.statistics[segment.offset..].chunks_mut(columns)) {
                let name = format!("{}.{part}", segment.name);
                let array = self.get(&name)?;
                if array.shape != [columns] || array.values.len() != columns {
                    let have = &array.shape;
                    return Err(Error::tensor(name, format!("is {have:?}, this network needs [{columns}]")));
                }
                values.copy_from_slice(&array.values);
                known.insert(name);
            }
        }
        match self.tensors.keys().find(|name| !known.contains(*name)) {
            Some(extra) => Err(Error::tensor(extra, "belongs to no layer of this network")),
            None => Ok(state),
        }
    }
}

/// What a network has learned, flat, in the kernels' layout.
#[derive(Clone, Debug, PartialEq)]
pub struct State {
    /// [`crate::graph::Arena::Parameters`].
    pub parameters: Vec<f32>,
    /// [`crate::graph::Arena::Statistics`].
    pub statistics: Vec<f32>,
}

impl State {
    /// All zeros.
    pub fn zeros(layout: &Layout) -> Self {
        State {
            parameters: vec![0.0; layout.len(Arena::Parameters)],
            statistics: vec![0.0; layout.len(Arena::Statistics)],
        }
    }
}

/// PyTorch's names of the rows of running statistics.
const STATISTICS: [&str; 2] = ["running_mean", "running_var"];

impl Parameter {
    /// Its extents in files.
    pub fn file_shape(&self) -> Vec<usize> {
        file_shape(self.kind, self.shape)
    }
}

/// The file's extents of a kernel shape.
fn file_shape(kind: WeightLayout, shape: Shape) -> Vec<usize> {
    let e = shape.extents();
    match kind {
        WeightLayout::Plain => e.to_vec(),
        WeightLayout::Linear | WeightLayout::LinearOfImage(_) => vec![e[1], e[0]],
        // `[k, k, in, out]` -> `[out, in, k, k]`; a transposed convolution's `[k, k, out, in]` -> `[in, out, k, k]`.
        WeightLayout::Conv | WeightLayout::ConvTranspose => vec![e[3], e[2], e[0], e[1]],
    }
}

/// Index in the kernels' layout of every element in the file's order.
fn order(kind: WeightLayout, shape: Shape) -> Box<dyn Iterator<Item = usize>> {
    let e = shape.extents().to_vec();
    match kind {
        WeightLayout::Plain => Box::new(0..shape.len()),
        WeightLayout::Linear => Box::new((0..e[1]).flat_map(move |o| {
            let (rows, columns) = (e[0], e[1]);
            (0..rows).map(move |i| i * columns + o)
        })),
        WeightLayout::LinearOfImage([height, width, channels]) => Box::new((0..e[1]).flat_map(move |o| {
            let (plane, columns) = (height * width, e[1]);
            (0..channels).flat_map(move |c| (0..plane).map(move |p| (p * channels + c) * columns + o))
        })),
        WeightLayout::Conv | WeightLayout::ConvTranspose => {
            let (k, k2, inner, outer) = (e[0], e[1], e[2], e[3]);
            Box::new((0..outer).flat_map(move |o| {
                (0..inner).flat_map(move |i| (0..k * k2).map(move |tap| (tap * inner + i) * outer + o))
            }))
        }
    }
}

fn to_file(parameter: &Parameter, values: &[f32]) -> Array {
    let shape = file_shape(parameter.kind, parameter.shape);
    Array { shape, values: order(parameter.kind, parameter.shape).map(|i| values[i]).collect() }
}

/// Checks that a file's tensor is the parameter's.
fn fits(parameter: &Parameter, array: &Array) -> Result<()> {
    let want = file_shape(parameter.kind, parameter.shape);
    if array.shape != want || array.values.len() != parameter.shape.len() {
        let have = &array.shape;
        return Err(Error::tensor(&parameter.name, format!("is {have:?}, this network needs {want:?}")));
    }
    Ok(())
}

fn from_file(parameter: &Parameter, array: &Array) -> Vec<f32> {
    let mut values = vec![0.0; array.values.len()];
    for (value, i) in array.values.iter().zip(order(parameter.kind, parameter.shape)) {
        values[i] = *value;
    }
    values
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::Init;

    #[test]
    fn layouts_round_trip_and_a_kernel_is_transposed_as_pytorch_has_it() {
        let shape = Shape::new(&[2, 2, 3, 4]).unwrap();
        let parameter = Parameter { name: "w".into(), shape, init: Init::Constant(0.0), kind: WeightLayout::Conv };
        let values: Vec<f32> = (0..48).map(|i| i as f32).collect();
        let file = to_file(&parameter, &values);
        assert_eq!(file.shape, [4, 3, 2, 2]);
        // file[o=1][i=2][ky=1][kx=0] is kernel[1][0][2][1]
        assert_eq!(file.values[((3 + 2) * 2 + 1) * 2], values[(2 * 3 + 2) * 4 + 1]);
        assert_eq!(from_file(&parameter, &file), values);
        let linear = Parameter { shape: Shape::new(&[3, 2]).unwrap(), kind: WeightLayout::Linear, ..parameter };
        assert_eq!(to_file(&linear, &[0., 1., 2., 3., 4., 5.]).values, [0., 2., 4., 1., 3., 5.]);
    }
}
