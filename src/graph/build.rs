//! A graph: tensors and operators in the order they run, each checked as it is added.

use super::{Activation, Op, Shape, Window, origin, shapes::output_shape};
use crate::{Error, Result};

/// Names a tensor of one graph.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TensorId(pub(crate) usize);

/// Flat state on the device with one segment per parameter, the same offsets in each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Arena {
    /// The weights.
    Parameters,
    /// Their gradients of the current step.
    Gradients,
    /// Velocity, mean square or first moment of the update rule.
    First,
    /// Second moment of the update rule.
    Second,
    /// Exponential moving average of the weights.
    Average,
    /// Running statistics of batch normalisation; has segments of its own.
    Statistics,
}

impl Arena {
    /// All arenas.
    pub const ALL: [Arena; 6] =
        [Arena::Parameters, Arena::Gradients, Arena::First, Arena::Second, Arena::Average, Arena::Statistics];
}

/// A part of the resident dataset.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DatasetBuffer {
    /// Row features as floats.
    Features,
    /// Row features as bytes that stand for `byte / 255`.
    FeatureBytes,
    /// Row targets, floats.
    Targets,
    /// Low-resolution picture bytes.
    Low,
    /// High-resolution picture bytes.
    High,
    /// Index table of the pictures, five `u32` a row (`data::PictureEntry`).
    Table,
}

impl DatasetBuffer {
    /// All stores.
    pub const ALL: [DatasetBuffer; 6] = [
        DatasetBuffer::Features,
        DatasetBuffer::FeatureBytes,
        DatasetBuffer::Targets,
        DatasetBuffer::Low,
        DatasetBuffer::High,
        DatasetBuffer::Table,
    ];

    /// Bytes per element.
    pub fn width(self) -> usize {
        match self {
            DatasetBuffer::FeatureBytes | DatasetBuffer::Low | DatasetBuffer::High => 1,
            DatasetBuffer::Features | DatasetBuffer::Targets | DatasetBuffer::Table => 4,
        }
    }
}

/// Where a tensor comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TensorSource {
    /// An operator makes it, in every run.
    Value,
    /// The host writes it.
    Input,
    /// The resident dataset.
    Dataset(DatasetBuffer),
    /// Segment number `.1` of an arena; kept from run to run.
    State(Arena, usize),
}

/// What is known of a tensor.
#[derive(Clone, Debug)]
pub struct Tensor {
    /// For messages: a parameter's name, or the label of the layer that makes it.
    pub name: String,
    /// Its extents.
    pub shape: Shape,
    /// Where it comes from.
    pub source: TensorSource,
}

/// One operator at work.
#[derive(Clone, Debug)]
pub struct Node {
    /// What it does.
    pub op: Op,
    /// Its operands.
    pub inputs: Vec<TensorId>,
    /// What it makes; none for operators that move state in place.
    pub output: Option<TensorId>,
    /// The layer a person wrote.
    pub label: String,
}

/// How a parameter starts.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Init {
    /// All the same.
    Constant(f32),
    /// Uniform in `+-bound`.
    Uniform(f32),
    /// Normal with this standard deviation.
    Normal(f32),
}

/// How a parameter is laid out in files, which follow PyTorch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WeightLayout {
    /// The same in both: biases, slopes, scales.
    Plain,
    /// Here `[in, out]`, there `[out, in]`.
    Linear,
    /// The same, of a flattened picture `[height, width, channels]` that PyTorch flattens channels first.
    LinearOfImage([usize; 3]),
    /// Here `[k, k, in, out]`, there `[out, in, k, k]`.
    Conv,
    /// Here `[k, k, out, in]`, there `[in, out, k, k]`.
    ConvTranspose,
}

/// Something that is learned.
#[derive(Clone, Debug)]
pub struct Parameter {
    /// Its name in checkpoints, as PyTorch would have it: `body.0.weight`.
    pub name: String,
    /// Shape in the kernels' layout.
    pub shape: Shape,
    /// First value.
    pub init: Init,
    /// Layout in files.
    pub kind: WeightLayout,
}

/// A program under construction.
#[derive(Clone, Debug, Default)]
pub struct Graph {
    /// All tensors; [`TensorId`] indexes them.
    pub(crate) tensors: Vec<Tensor>,
    /// All operators in order.
    pub(crate) nodes: Vec<Node>,
    /// What is learned, in the order it was declared.
    pub(crate) parameters: Vec<Parameter>,
    /// Names and shapes of running statistics.
    pub(crate) statistics: Vec<(String, Shape)>,
    /// Tensors that can be read after a run.
    pub(crate) outputs: Vec<TensorId>,
    /// The losses that are minimised, each with the factor it has in the whole.
    pub(crate) objective: Vec<(TensorId, f32)>,
    label: String,
}

impl Graph {
    /// An empty graph.
    pub fn new() -> Self {
        Graph::default()
    }

    /// Names the layer that the next operators belong to; error messages and profiles quote it.
    pub fn layer(&mut self, label: impl Into<String>) {
        self.label = label.into();
    }

    /// All tensors, in the order they were made.
    pub fn tensors(&self) -> &[Tensor] {
        &self.tensors
    }

    /// All operators, in the order they run.
    pub fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    /// Tensors that the host writes, in the order they were made.
    pub fn inputs(&self) -> Vec<TensorId> {
        (0..self.tensors.len()).filter(|&i| self.tensors[i].source == TensorSource::Input).map(TensorId).collect()
    }

    /// What is learned, in the order it was declared.
    pub fn parameters(&self) -> &[Parameter] {
        &self.parameters
    }

    /// Tensors that can be read after a run.
    pub fn outputs(&self) -> &[TensorId] {
        &self.outputs
    }

    /// Shape of a tensor.
    ///
    /// # Panics
    /// When the tensor is another, larger graph's.
    pub fn shape(&self, tensor: TensorId) -> Shape {
        self.tensors[tensor.0].shape
    }

    fn tensor(&mut self, name: String, shape: Shape, source: TensorSource) -> TensorId {
        self.tensors.push(Tensor { name, shape, source });
        TensorId(self.tensors.len() - 1)
    }

    /// A tensor that the host writes before a run.
    ///
    /// # Errors
    /// When no tensor can have the shape (see [`Shape::new`]), naming it.
    pub fn input(&mut self, name: &str, shape: &[usize]) -> Result<TensorId> {
        let shape = Shape::new(shape).map_err(|why| Error::tensor(name, format!("cannot be made: {why}")))?;
        Ok(self.tensor(name.into(), shape, TensorSource::Input))
    }

    /// A part of the resident dataset with room for `shape`.
    ///
    /// # Errors
    /// When no tensor can have the shape (see [`Shape::new`]), naming the store.
    pub fn dataset(&mut self, store: DatasetBuffer, shape: &[usize]) -> Result<TensorId> {
        let name = format!("{store:?}");
        let shape = Shape::new(shape).map_err(|why| Error::tensor(&name, format!("cannot be made: {why}")))?;
        Ok(self.tensor(name, shape, TensorSource::Dataset(store)))
    }

    /// Something to learn. A name that exists already yields the same parameter, so that weights can be shared.
    ///
    /// # Errors
    /// When no tensor can have the shape, or the parameter has another one already; the message names it.
    pub fn parameter(&mut self, name: &str, shape: &[usize], init: Init, kind: WeightLayout) -> Result<TensorId> {
        let shape = Shape::new(shape).map_err(|why| Error::tensor(name, format!("cannot be made: {why}")))?;
        let fits = match kind {
            WeightLayout::Plain => true,
            WeightLayout::Linear => shape.rank() == 2,
            WeightLayout::LinearOfImage(image) => {
                shape.matrix().is_some_and(|(rows, _)| rows == image.iter().product::<usize>())
            }
            WeightLayout::Conv | WeightLayout::ConvTranspose => shape.rank() == 4,
        };
        if !fits {
            return Err(Error::tensor(name, format!("is {shape}, which {kind:?} cannot be")));
        }
        if let Some(i) = self.parameters.iter().position(|p| p.name == name) {
            if self.parameters[i].shape != shape {
                let have = self.parameters[i].shape;
                return Err(Error::tensor(name, format!("is {have}, and is asked for again as {shape}")));
            }
            return Ok(self.state(Arena::Parameters, i));
        }
        self.parameters.push(Parameter { name: name.into(), shape, init, kind });
        Ok(self.state(Arena::Parameters, self.parameters.len() - 1))
    }

    /// Running mean and variance, `[2, columns]`, that [`Op::TrackStatistics`] moves.
    ///
    /// # Errors
    /// When there are more columns than a tensor can have.
    pub fn statistics(&mut self, name: &str, columns: usize) -> Result<TensorId> {
        let shape = Shape::new(&[2, columns]).map_err(|why| Error::tensor(name, format!("cannot be made: {why}")))?;
        let i = self.statistics.iter().position(|(n, _)| n == name).unwrap_or_else(|| {
            self.statistics.push((name.into(), shape));
            self.statistics.len() - 1
        });
        Ok(self.state(Arena::Statistics, i))
    }

    /// The tensor of a segment of an arena; one tensor per segment, however often it is asked for.
    pub(crate) fn state(&mut self, arena: Arena, segment: usize) -> TensorId {
        let source = TensorSource::State(arena, segment);
        if let Some(i) = self.tensors.iter().position(|t| t.source == source) {
            return TensorId(i);
        }
        let (name, shape) = match arena {
            Arena::Statistics => self.statistics[segment].clone(),
            _ => (self.parameters[segment].name.clone(), self.parameters[segment].shape),
        };
        self.tensor(name, shape, source)
    }

    /// Appends an operator with one output.
    ///
    /// # Errors
    /// When the operands do not fit; the message names the layer and the shapes.
    pub fn push(&mut self, op: Op, inputs: &[TensorId]) -> Result<TensorId> {
        let shape = self.check(op, inputs)?;
        let Some(shape) = shape else {
            return Err(Error::input(format!("{}: {op:?} has no output to use", self.label)));
        };
        let output = self.tensor(self.label.clone(), shape, TensorSource::Value);
        self.nodes.push(Node { op, inputs: inputs.to_vec(), output: Some(output), label: self.label.clone() });
        Ok(output)
    }

    /// Appends an operator that only moves state.
    ///
    /// # Errors
    /// When the operands do not fit.
    pub fn push_effect(&mut self, op: Op, inputs: &[TensorId]) -> Result<()> {
        if self.check(op, inputs)?.is_some() {
            return Err(Error::input(format!("{}: the output of {op:?} would be lost", self.label)));
        }
        self.nodes.push(Node { op, inputs: inputs.to_vec(), output: None, label: self.label.clone() });
        Ok(())
    }

    fn check(&self, op: Op, inputs: &[TensorId]) -> Result<Option<Shape>> {
        self.own(inputs)?;
        let shapes: Vec<Shape> = inputs.iter().map(|&t| self.shape(t)).collect();
        let operands: Vec<&Tensor> = inputs.iter().map(|t| &self.tensors[t.0]).collect();
        output_shape(op, &shapes).and_then(|shape| origin::check(op, &operands).map(|()| shape)).map_err(|why| {
            let operands: Vec<String> = shapes.iter().take(4).map(Shape::to_string).collect();
            Error::input(format!("layer `{}`: {why} ({op:?} of {})", self.label, operands.join(", ")))
        })
    }

    /// Checks that tensors are of this graph, and not of a larger one.
    pub(super) fn own(&self, tensors: &[TensorId]) -> Result<()> {
        match tensors.iter().find(|t| t.0 >= self.tensors.len()) {
            Some(other) => Err(Error::input(format!("layer `{}`: {other:?} is another graph's tensor", self.label))),
            None => Ok(()),
        }
    }

    /// Marks a tensor to be kept for reading after a run.
    pub fn output(&mut self, tensor: TensorId) {
        if !self.outputs.contains(&tensor) {
            self.outputs.push(tensor);
        }
    }

    /// Gives the values another shape of as many elements.
    ///
    /// # Errors
    /// When the numbers of elements differ.
    pub fn reshape(&mut self, x: TensorId, shape: &[usize]) -> Result<TensorId> {
        self.own(&[x])?;
        let have = self.shape(x);
        origin::check(Op::Reshape, &[&self.tensors[x.0]])
            .map_err(|why| Error::input(format!("layer `{}`: {why}", self.label)))?;
        let want = Shape::new(shape).ok().filter(|want| want.len() == have.len());
        let Some(want) = want else {
            return Err(Error::input(format!("layer `{}`: {have} cannot be reshaped to {shape:?}", self.label)));
        };
        let output = self.tensor(self.label.clone(), want, TensorSource::Value);
        let label = self.label.clone();
        self.nodes.push(Node { op: Op::Reshape, inputs: vec![x], output: Some(output), label });
        Ok(output)
    }

    /// `x w + b` for `x [rows, in]`, `w [in, out]`, `b [out]`.
    ///
    /// # Errors
    /// When shapes do not fit.
    pub fn linear(&mut self, x: TensorId, w: TensorId, b: TensorId) -> Result<TensorId> {
        let y = self.push(Op::MatMul { ta: false, tb: false }, &[x, w])?;
        self.push(Op::BiasAdd, &[y, b])
    }

    /// Convolution and bias.
    ///
    /// # Errors
    /// When shapes do not fit.
    pub fn conv2d(&mut self, x: TensorId, w: TensorId, b: TensorId, window: Window) -> Result<TensorId> {
        let y = self.push(Op::Conv2d(window), &[x, w])?;
        self.push(Op::BiasAdd, &[y, b])
    }

    /// Transposed convolution without bias, with PyTorch's `output_padding`; `w` is `[k, k, out, in]`.
    ///
    /// # Errors
    /// When shapes do not fit.
    pub fn conv_transpose2d(
        &mut self,
        x: TensorId,
        w: TensorId,
        window: Window,
        output_padding: usize,
    ) -> Result<TensorId> {
        self.own(&[x, w])?;
        let Some((_, h, wide, _)) = self.shape(x).image() else {
            return Err(Error::input(format!("layer `{}`: {} is not an image batch", self.label, self.shape(x))));
        };
        let grow = |n: usize| {
            let grown = (n - 1).checked_mul(window.stride)?.checked_add(window.kernel)?.checked_add(output_padding)?;
            grown.checked_sub(window.padding.checked_mul(2)?)
        };
        let (Some(h), Some(wide)) = (grow(h), grow(wide)) else {
            let why = format!("{window:?} with output padding {output_padding} makes no picture of {h}x{wide}");
            return Err(Error::input(format!("layer `{}`: {why}", self.label)));
        };
        self.push(Op::Conv2dInputGrad { window, size: [h, wide] }, &[x, w])
    }

    /// The mean of all elements, `[1]`.
    ///
    /// # Errors
    /// When the tensor is the dataset or another graph's.
    pub fn mean(&mut self, x: TensorId) -> Result<TensorId> {
        self.own(&[x])?;
        let len = self.shape(x).len();
        let column = self.reshape(x, &[len, 1])?;
        let sum = self.push(Op::ColumnSum, &[column])?;
        self.push(Op::Scale(1.0 / len as f32), &[sum])
    }

    /// Elementwise function; the identity adds nothing.
    ///
    /// # Errors
    /// Never for a tensor of this graph.
    pub fn activate(&mut self, x: TensorId, activation: Activation) -> Result<TensorId> {
        match activation {
            Activation::Identity => Ok(x),
            _ => self.push(Op::Activate(activation), &[x]),
        }
    }
}
