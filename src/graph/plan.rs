//! The graph lowered once: fused steps in order, tensors placed in shared slots, bytes known in advance.

use super::{Activation, Arena, DatasetBuffer, Graph, Op, Shape, Tensor, TensorId, TensorSource, fuse, verify};
use crate::{Error, Result};

/// What differs from step to step; the only thing the host sends while training.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, bytemuck::Pod, bytemuck::Zeroable)]
pub struct StepParams {
    /// Number of this update, from 1.
    pub step: u32,
    /// Seed of all draws.
    pub seed: u32,
    /// Pass over the resident dataset that the batch starts in.
    pub epoch: u32,
    /// Rows of that pass already drawn.
    pub offset: u32,
    /// Rows (or pictures) in the resident dataset.
    pub count: u32,
    /// Learning rate.
    pub learning_rate: f32,
    /// Factor on the gradients of the loss; the update divides by it.
    pub loss_scale: f32,
    /// Entry of the loss ring that this step writes; set by the executor.
    pub slot: u32,
}

/// The first step of a training run without a dataset, at a rate that Adam does well with: gradients as they are.
impl Default for StepParams {
    fn default() -> Self {
        StepParams { step: 1, seed: 0, epoch: 0, offset: 0, count: 0, learning_rate: 1e-3, loss_scale: 1.0, slot: 0 }
    }
}

/// What a matrix product or convolution does to each result before storing it, in this order.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Epilogue {
    /// `+ bias[column]`
    pub bias: Option<TensorId>,
    /// `f(..)`
    pub activation: Activation,
    /// Parametric ReLU with these slopes, instead of `activation`.
    pub slopes: Option<TensorId>,
    /// `+ residual`
    pub residual: Option<TensorId>,
    /// `* f'(saved)`: the derivative of the activation that fed this layer.
    pub derivative: Option<(Activation, TensorId)>,
}

impl Epilogue {
    /// Stores the result as it is.
    pub const NONE: Epilogue =
        Epilogue { bias: None, activation: Activation::Identity, slopes: None, residual: None, derivative: None };

    /// The tensors it reads.
    pub fn operands(&self) -> impl Iterator<Item = TensorId> {
        [self.bias, self.slopes, self.residual, self.derivative.map(|d| d.1)].into_iter().flatten()
    }
}

/// One operator to run, with what was fused into it.
#[derive(Clone, Debug)]
pub struct Step {
    /// The operator.
    pub op: Op,
    /// Its operands; those of the epilogue stand there.
    pub inputs: Vec<TensorId>,
    /// What it makes.
    pub output: Option<TensorId>,
    /// What is done to the result on the way out; only for products and convolutions.
    pub epilogue: Epilogue,
    /// The layer it belongs to.
    pub label: String,
}

impl Step {
    /// Everything the step reads.
    pub fn reads(&self) -> impl Iterator<Item = TensorId> + '_ {
        self.inputs.iter().copied().chain(self.epilogue.operands())
    }
}

/// Where a tensor's elements are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Storage {
    /// The beginning of a slot of this plan.
    Slot(usize),
    /// Elements from `offset` on in an arena.
    Arena {
        /// Which one.
        arena: Arena,
        /// First element.
        offset: usize,
    },
    /// The resident dataset.
    DatasetBuffer(DatasetBuffer),
    /// Nowhere: fused away.
    Fused,
}

/// One parameter's part of an arena.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Segment {
    /// The parameter's name.
    pub name: String,
    /// Its shape in the kernels' layout.
    pub shape: Shape,
    /// First element, a multiple of [`Layout::ALIGN`].
    pub offset: usize,
}

/// How parameters share flat arenas; plans of one network have equal layouts and so share state.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Layout {
    /// One segment per parameter.
    pub(crate) parameters: Vec<Segment>,
    /// One segment per tensor of running statistics.
    pub(crate) statistics: Vec<Segment>,
}

impl Layout {
    /// Elements that every segment's offset is a multiple of: 256 bytes, the largest binding alignment in use.
    pub const ALIGN: usize = 64;

    /// # Errors
    /// When there are more parameters than kernels, which update all in one dispatch, can count.
    fn of(graph: &Graph) -> Result<Self> {
        let lay = |items: Vec<(String, Shape)>| {
            let (mut offset, mut segments) = (0usize, Vec::with_capacity(items.len()));
            for (name, shape) in items {
                segments.push(Segment { name, shape, offset });
                offset = offset.saturating_add(shape.len().next_multiple_of(Self::ALIGN));
            }
            match offset {
                0..=Shape::MOST => Ok(segments),
                _ => {
                    let why = format!("it has {offset} parameters, more than {}; make it narrower", Shape::MOST);
                    Err(Error::key("network", why))
                }
            }
        };
        Ok(Layout {
            parameters: lay(graph.parameters.iter().map(|p| (p.name.clone(), p.shape)).collect())?,
            statistics: lay(graph.statistics.clone())?,
        })
    }

    /// The segments of an arena.
    pub fn segments(&self, arena: Arena) -> &[Segment] {
        match arena {
            Arena::Statistics => &self.statistics,
            _ => &self.parameters,
        }
    }

    /// Elements of an arena, gaps included.
    pub fn len(&self, arena: Arena) -> usize {
        self.segments(arena).last().map_or(0, |s| s.offset + s.shape.len().next_multiple_of(Self::ALIGN))
    }

    /// Whether nothing is learned.
    pub fn is_empty(&self) -> bool {
        self.parameters.is_empty()
    }
}

/// What lowering may do. Both on is the rule; the oracle of the tests switches both off.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Fuses bias, activation, residual and derivative into products and convolutions.
    pub fuse: bool,
    /// Lets tensors whose lifetimes do not overlap share a slot.
    pub share: bool,
}

impl Default for Options {
    fn default() -> Self {
        Options { fuse: true, share: true }
    }
}

/// A program ready for any executor. [`Plan::new`] is the only way to one, so that executors can rely on what it verified:
/// kernels run without bounds checks.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Tensors, as in the graph.
    pub(crate) tensors: Vec<Tensor>,
    /// What runs, in order.
    pub(crate) steps: Vec<Step>,
    /// Where each tensor is.
    pub(crate) storage: Vec<Storage>,
    /// Elements of each slot.
    pub(crate) slots: Vec<usize>,
    /// How state is laid out.
    pub(crate) layout: Layout,
    /// Arenas that the plan touches.
    pub(crate) arenas: Vec<Arena>,
    /// Tensors that can be read after a run.
    pub(crate) outputs: Vec<TensorId>,
    /// The tensor whose memory each tensor uses: itself, or what it reshapes.
    pub(crate) roots: Vec<TensorId>,
    /// The losses that make up a run's loss, each with its share.
    terms: Vec<(TensorId, f32)>,
}

/// A loss as a part of a run's loss.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Term {
    /// Whether it is the first of a run.
    pub first: bool,
    /// The factor it has in the run's loss.
    pub share: f32,
}

impl Plan {
    /// Lowers a graph.
    ///
    /// # Errors
    /// When there are more parameters than kernels count. When the result breaks a rule of plans, which is an error of this program, not of its user.
    pub fn new(graph: &Graph, options: Options) -> Result<Plan> {
        graph.own(&graph.outputs)?;
        let steps = if options.fuse { fuse::fuse(graph) } else { fuse::unfused(graph) };
        let layout = Layout::of(graph)?;
        let (storage, slots) = super::slots::assign(graph, &steps, &layout, options.share);
        let mut arenas: Vec<Arena> = Vec::new();
        for step in &steps {
            let states = step.reads().chain(step.output).filter_map(|t| match graph.tensors[t.0].source {
                TensorSource::State(arena, _) => Some(arena),
                _ => None,
            });
            arenas.extend(states.chain(step.op.traits().arenas.iter().copied()));
        }
        arenas.sort();
        arenas.dedup();
        let losses: Vec<TensorId> =
            steps.iter().filter(|s| matches!(s.op, Op::Loss(_))).filter_map(|s| s.output).collect();
        // In the order in which they run: the first of a run begins its sum. Without an objective, in plans that do not train,
        // all losses count alike.
        let even = 1.0 / losses.len() as f32;
        let share = |loss: TensorId| match graph.objective.is_empty() {
            true => Some(even),
            false => graph.objective.iter().find(|term| term.0 == loss).map(|term| term.1),
        };
        let terms = losses.iter().filter_map(|&loss| Some((loss, share(loss)?))).collect();
        let plan = Plan {
            tensors: graph.tensors.clone(),
            steps,
            storage,
            slots,
            layout,
            arenas,
            outputs: graph.outputs.clone(),
            roots: super::slots::roots(graph),
            terms,
        };
        verify::verify(&plan)?;
        Ok(plan)
    }

    /// What runs, in order.
    pub fn steps(&self) -> &[Step] {
        &self.steps
    }

    /// Elements of each slot that tensors share.
    pub fn slots(&self) -> &[usize] {
        &self.slots
    }

    /// How state is laid out.
    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    /// Arenas that the plan touches.
    pub fn arenas(&self) -> &[Arena] {
        &self.arenas
    }

    /// Shape of a tensor.
    ///
    /// # Panics
    /// When the tensor is another, larger graph's.
    pub fn shape(&self, tensor: TensorId) -> Shape {
        self.tensors[tensor.0].shape
    }

    /// The loss of the batch, or of its last part, if the plan has one.
    pub fn loss(&self) -> Option<TensorId> {
        self.terms.last().map(|term| term.0)
    }

    /// What a loss is in a run's loss, if it is a part of it: the executors put the sum into the loss ring.
    pub fn term(&self, loss: TensorId) -> Option<Term> {
        let at = self.terms.iter().position(|term| term.0 == loss)?;
        Some(Term { first: at == 0, share: self.terms[at].1 })
    }

    /// A factor that undoes the mean of the plan's loss, as a power of two: with it the gradients of the loss are of
    /// the order of one sample's, which f16 holds, where their mean over a batch of pictures would be lost in it.
    pub fn loss_scale(&self) -> f32 {
        let items = self.steps.iter().filter_map(|step| match step.op {
            Op::Loss(loss) => Some(loss.items(self.shape(step.inputs[0]))),
            _ => None,
        });
        items.max().unwrap_or(1).next_power_of_two() as f32
    }

    /// Whether a step reads the tensor or it can be read after a run.
    pub fn is_read(&self, tensor: TensorId) -> bool {
        let same = |other: TensorId| self.roots[other.0] == self.roots[tensor.0];
        self.outputs.iter().copied().chain(self.steps.iter().flat_map(Step::reads)).any(same)
    }

    /// Whether a run moves the parameters or their average.
    pub fn moves_parameters(&self) -> bool {
        self.steps.iter().any(|step| step.op.traits().arenas.contains(&Arena::Parameters))
    }

    /// Bytes of the slots: what activations and gradients on the way need.
    pub fn slot_bytes(&self) -> u64 {
        self.slots.iter().map(|&n| 4 * n as u64).sum()
    }

    /// Bytes of everything an executor allocates for this plan: slots, arenas and the resident dataset's stores.
    pub fn bytes(&self) -> u64 {
        let arenas: u64 = self.arenas.iter().map(|&a| 4 * self.layout.len(a) as u64).sum();
        self.slot_bytes() + arenas + self.stores().map(|(store, len)| store.width() as u64 * len as u64).sum::<u64>()
    }

    /// Bytes below which no placement of this plan's tensors can go: [`Plan::bytes`] with slots no larger than what
    /// lives at the worst step.
    pub fn least_bytes(&self) -> u64 {
        self.bytes() - self.slot_bytes() + 4 * super::slots::least(self) as u64
    }

    /// The dataset's stores that the plan reads, with the elements each has room for.
    pub fn stores(&self) -> impl Iterator<Item = (DatasetBuffer, usize)> + '_ {
        self.tensors.iter().filter_map(|t| match t.source {
            TensorSource::Dataset(store) => Some((store, t.shape.len())),
            _ => None,
        })
    }

    /// Multiply-accumulate operations of one run, products and convolutions only.
    pub fn macs(&self) -> u64 {
        self.steps.iter().map(|s| self.step_macs(s)).sum()
    }

    /// Multiply-accumulate operations of one step.
    pub fn step_macs(&self, step: &Step) -> u64 {
        let len = |t: TensorId| self.shape(t).len() as u64;
        let Some(output) = step.output else { return 0 };
        match step.op {
            Op::MatMul { ta, .. } => {
                let (rows, columns) = self.shape(step.inputs[0]).matrix().expect("checked");
                len(output) * if ta { rows } else { columns } as u64
            }
            Op::Conv2d(_) => len(output) * len(step.inputs[1]) / self.shape(output).columns() as u64,
            Op::Conv2dInputGrad { .. } => {
                let dy = self.shape(step.inputs[0]);
                len(step.inputs[0]) * len(step.inputs[1]) / dy.columns() as u64
            }
            Op::Conv2dWeightGrad(_) => {
                let dy = self.shape(step.inputs[1]);
                len(output) * dy.rows() as u64
            }
            _ => 0,
        }
    }
}
