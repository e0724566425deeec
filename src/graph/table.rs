//! What every operator is, a row each: its name, how many operands it takes, whether its attributes are such that kernels
//! survive them, which state it moves by itself, what can be fused with it. The planner, the shape rules and the executors ask
//! here; nobody matches on operators with a catch-all.

use std::ops::RangeInclusive;

use super::{Activation, Arena, Op, Shape, Update, Window};

/// Largest enlargement, so that its square is a `u32`.
const MOST_SCALE: usize = 1 << 15;

/// A row of the table.
pub(crate) struct Traits {
    /// Its name, as programs print it.
    pub name: &'static str,
    /// How many operands it takes.
    pub operands: RangeInclusive<usize>,
    /// What is wrong with its attributes.
    pub attributes: Result<(), String>,
    /// Arenas that it reads or moves as a whole, beside its operands.
    pub arenas: &'static [Arena],
    /// What it is in a fused step.
    pub fusion: Fusion,
}

/// What an operator is in a fused step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fusion {
    /// Always a step of its own.
    Alone,
    /// A sum of products whose results can be finished on the way out.
    Head,
    /// A sum of products that is a step of its own.
    Contraction,
    /// A part of an epilogue, at this place of its fixed order. The first operand is the result so far; of a sum, either.
    Epilogue(Stage),
    /// No step at all: its result is its operand.
    View,
}

/// The parts of an epilogue in their order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Stage {
    /// `+ bias`
    Bias,
    /// An activation, with or without slopes that are learned.
    Activation,
    /// `+ residual`
    Residual,
    /// `* f'(saved)`
    Derivative,
}

impl Traits {
    fn new(name: &'static str, operands: usize) -> Self {
        let operands = operands..=operands;
        Traits { name, operands, attributes: Ok(()), arenas: &[], fusion: Fusion::Alone }
    }

    fn checked(self, attributes: Result<(), String>) -> Self {
        Traits { attributes, ..self }
    }

    fn fused(self, fusion: Fusion) -> Self {
        Traits { fusion, ..self }
    }

    fn any_number(self) -> Self {
        Traits { operands: 1..=usize::MAX, ..self }
    }

    fn moves(self, arenas: &'static [Arena]) -> Self {
        Traits { arenas, ..self }
    }
}

impl Op {
    /// The operator's row.
    pub(crate) fn traits(&self) -> Traits {
        let row = Traits::new;
        match *self {
            Op::BiasAdd => row("bias", 2).fused(Fusion::Epilogue(Stage::Bias)),
            Op::Add => row("add", 2).fused(Fusion::Epilogue(Stage::Residual)),
            // A factor that is no number shows in the result and endangers nothing else.
            Op::Scale(_) => row("scale", 1),
            Op::Multiply => row("multiply", 2),
            Op::ColumnScale => row("column scale", 2),
            Op::Broadcast { rows } => row("broadcast", 1).checked(extent("number of rows", rows)),
            Op::Dropout { rate, .. } => row("dropout", 1).checked(below_one("rate", rate)),

            Op::Activate(f) => row("activation", 1).checked(activation(f)).fused(Fusion::Epilogue(Stage::Activation)),
            Op::ActivateGrad(f) => {
                row("activation gradient", 2).checked(activation(f)).fused(Fusion::Epilogue(Stage::Derivative))
            }
            Op::Prelu => row("prelu", 2).fused(Fusion::Epilogue(Stage::Activation)),
            Op::PreluGrad => row("prelu gradient", 3),

            Op::MatMul { .. } => row("matmul", 2).fused(Fusion::Head),

            Op::Conv2d(window) => row("conv2d", 2).checked(check_window(window)).fused(Fusion::Head),
            Op::Conv2dInputGrad { window, size: [height, width] } => {
                let size = extent("height", height).and(extent("width", width));
                row("conv2d input gradient", 2).checked(check_window(window).and(size)).fused(Fusion::Head)
            }
            Op::Conv2dWeightGrad(window) => {
                row("conv2d weight gradient", 2).checked(check_window(window)).fused(Fusion::Contraction)
            }

            Op::Normalize { epsilon, .. } => row("normalize", 1).checked(above_zero("epsilon", epsilon)),
            Op::NormalizeGrad { epsilon, .. } => row("normalize gradient", 2).checked(above_zero("epsilon", epsilon)),
            Op::Standardize { epsilon } => row("standardize", 2).checked(above_zero("epsilon", epsilon)),
            Op::TrackStatistics { momentum } => row("track statistics", 2).checked(share("momentum", momentum)),

            Op::Softmax { .. } => row("softmax", 1),
            Op::SoftmaxGrad { .. } => row("softmax gradient", 2),

            Op::ColumnSum => row("column sum", 1),
            Op::ColumnDot => row("column dot", 2),
            Op::PreluSlopeGrad => row("prelu slope gradient", 2),

            Op::DepthToSpace(scale) => row("depth to space", 1).checked(check_scale(scale)),
            Op::SpaceToDepth(scale) => row("space to depth", 1).checked(check_scale(scale)),
            Op::Resize { scale, .. } => row("resize", 1).checked(check_scale(scale)),
            Op::ResizeGrad { scale, .. } => row("resize gradient", 1).checked(check_scale(scale)),
            Op::Pool { kernel, stride, .. } => row("pool", 1).checked(check_pool(kernel, stride)),
            Op::PoolGrad { kernel, stride, .. } => row("pool gradient", 2).checked(check_pool(kernel, stride)),

            Op::Concat => row("concat", 2),
            Op::Slice { len, .. } => row("slice", 1).checked(extent("number of columns", len)),
            Op::Pad { columns, .. } => row("pad", 1).checked(extent("number of columns", columns)),
            Op::Reshape => row("reshape", 1).fused(Fusion::View),

            Op::Loss(loss) => row("loss", loss.operands()).checked(loss.check()),
            Op::LossGrad(loss) => row("loss gradient", loss.operands()).checked(loss.check()),

            Op::GradientNorm => row("gradient norm", 1).any_number(),
            Op::Update { rule, clip } => {
                let clip = clip.map_or(Ok(()), |clip| above_zero("clip", clip));
                let arenas = &[Arena::Parameters, Arena::Gradients, Arena::First, Arena::Second];
                let arenas = &arenas[..2 + rule.moments()];
                row("update", 1).any_number().checked(clip.and(check_rule(rule))).moves(arenas)
            }
            Op::Average { decay } => {
                row("average", 0).checked(share("decay", decay)).moves(&[Arena::Parameters, Arena::Average])
            }

            Op::SampleRows { batch, .. } => row("sample rows", 1).checked(extent("batch", batch)),
            Op::SamplePatches { batch, patch, scale, .. } => {
                let size = extent("batch", batch).and(extent("patch", patch)).and(check_scale(scale));
                row("sample patches", 2).checked(size)
            }
        }
    }

    /// Its name, as programs print it.
    pub fn name(&self) -> &'static str {
        self.traits().name
    }

    /// Checks the attributes by themselves. [`super::Graph::push`] calls it first, so that neither shape rules nor kernels
    /// ever see a stride of zero or a rate of one.
    ///
    /// # Errors
    /// Naming the attribute, what it is, and what it may be.
    pub fn check(&self) -> Result<(), String> {
        self.traits().attributes
    }

    /// Whether it sums products of two operands: a matrix product, or a convolution in one of its three directions.
    pub fn is_contraction(&self) -> bool {
        matches!(self.traits().fusion, Fusion::Head | Fusion::Contraction)
    }
}

fn activation(f: Activation) -> Result<(), String> {
    match f {
        Activation::LeakyRelu(slope) => above_zero("slope", slope),
        _ => Ok(()),
    }
}

fn check_pool(kernel: [usize; 2], stride: usize) -> Result<(), String> {
    extent("kernel", kernel[0]).and(extent("kernel", kernel[1])).and(extent("stride", stride))
}

fn check_window(window: Window) -> Result<(), String> {
    extent("kernel", window.kernel)?;
    extent("stride", window.stride)?;
    whole("padding", window.padding, 0, Shape::MOST)
}

fn check_scale(scale: usize) -> Result<(), String> {
    whole("scale", scale, 1, MOST_SCALE)
}

fn check_rule(rule: Update) -> Result<(), String> {
    let penalty = |decay: f32| real("decay", decay, decay.is_finite() && decay >= 0.0, "a finite number from 0");
    match rule {
        Update::Sgd { momentum, decay, .. } => {
            share("momentum", momentum)?;
            penalty(decay)
        }
        Update::RmsProp { rho, epsilon, decay } => {
            below_one("rho", rho)?;
            above_zero("epsilon", epsilon)?;
            penalty(decay)
        }
        Update::Adam { beta1, beta2, epsilon, decay, .. } => {
            below_one("beta1", beta1)?;
            below_one("beta2", beta2)?;
            above_zero("epsilon", epsilon)?;
            penalty(decay)
        }
    }
}

fn extent(name: &str, value: usize) -> Result<(), String> {
    whole(name, value, 1, Shape::MOST)
}

fn whole(name: &str, value: usize, least: usize, most: usize) -> Result<(), String> {
    match (least..=most).contains(&value) {
        true => Ok(()),
        false => Err(format!("the {name} is {value}; it may be from {least} to {most}")),
    }
}

pub(super) fn above_zero(name: &str, value: f32) -> Result<(), String> {
    real(name, value, value > 0.0 && value.is_finite(), "a finite number above 0")
}

fn below_one(name: &str, value: f32) -> Result<(), String> {
    real(name, value, (0.0..1.0).contains(&value), "from 0 to below 1")
}

pub(super) fn share(name: &str, value: f32) -> Result<(), String> {
    real(name, value, (0.0..=1.0).contains(&value), "from 0 to 1")
}

pub(super) fn real(name: &str, value: f32, fits: bool, range: &str) -> Result<(), String> {
    if fits { Ok(()) } else { Err(format!("the {name} is {value}; it may be {range}")) }
}

#[cfg(test)]
mod tests {
    use super::super::{Axis, Graph, Init, Interpolation, Loss, Pooling, TensorId, WeightLayout};
    use super::*;

    fn picture() -> (Graph, TensorId) {
        let mut g = Graph::new();
        g.layer("body.0");
        let x = g.input("x", &[1, 8, 8, 4]).unwrap();
        (g, x)
    }

    #[test]
    fn attributes_that_no_kernel_survives_are_refused_with_layer_and_name() {
        let huge = usize::MAX;
        let pool = |kernel, stride| Op::Pool { kind: Pooling::Max, kernel, stride };
        let ops = [
            (Op::DepthToSpace(0), "scale"),
            (Op::DepthToSpace(huge), "scale"),
            (Op::SpaceToDepth(0), "scale"),
            (Op::Resize { mode: Interpolation::Nearest, scale: 0 }, "scale"),
            (Op::Resize { mode: Interpolation::Bilinear, scale: huge }, "scale"),
            (Op::ResizeGrad { mode: Interpolation::Nearest, scale: 0 }, "scale"),
            (pool([0, 1], 1), "kernel"),
            (pool([1, 1], 0), "stride"),
            (pool([huge, 1], 1), "kernel"),
            (Op::Dropout { rate: 1.0, stream: 1 }, "rate"),
            (Op::Dropout { rate: f32::NAN, stream: 1 }, "rate"),
            (Op::Slice { start: 0, len: 0 }, "columns"),
            (Op::Normalize { axis: Axis::Rows, epsilon: -1.0 }, "epsilon"),
            (Op::Activate(Activation::LeakyRelu(-0.1)), "slope"),
            (Op::SampleRows { batch: 0, first: 0 }, "batch"),
        ];
        for (op, word) in ops {
            let (mut g, x) = picture();
            let error = g.push(op, &[x]).unwrap_err().to_string();
            assert!(error.contains("`body.0`") && error.contains(word), "{op:?}: {error}");
        }
        for window in [
            Window { kernel: 3, stride: 0, padding: 1 },
            Window { kernel: 0, stride: 1, padding: 1 },
            Window { kernel: 3, stride: 1, padding: huge },
            Window { kernel: huge, stride: 1, padding: 1 },
        ] {
            let (mut g, x) = picture();
            let w = g.parameter("w", &[3, 3, 4, 4], Init::Constant(0.0), WeightLayout::Conv).unwrap();
            assert!(g.push(Op::Conv2d(window), &[x, w]).is_err(), "{window:?}");
            assert!(g.conv_transpose2d(x, w, window, 0).is_err(), "{window:?}");
        }
    }

    #[test]
    fn losses_and_rules_have_ranges() {
        let losses = [
            Loss::Huber(-1.0),
            Loss::Huber(f32::NAN),
            Loss::Charbonnier(0.0),
            Loss::Charbonnier(1e-30),
            Loss::CrossEntropy(2.0),
        ];
        for loss in losses {
            assert!(Op::Loss(loss).check().is_err() && Op::LossGrad(loss).check().is_err(), "{loss:?}");
        }
        let adam = |beta1, beta2, epsilon, decay| Update::Adam { beta1, beta2, epsilon, decay, decoupled: true };
        let rules = [
            adam(-1.0, 0.9, 1e-8, 0.0),
            adam(0.9, 1.0, 1e-8, 0.0),
            adam(0.9, 0.9, 0.0, 0.0),
            adam(0.9, 0.9, 1e-8, f32::NAN),
            Update::Sgd { momentum: 1.5, nesterov: false, decay: 0.0 },
            Update::RmsProp { rho: 1.0, epsilon: 1e-8, decay: 0.0 },
        ];
        for rule in rules {
            assert!(Op::Update { rule, clip: None }.check().is_err(), "{rule:?}");
        }
        let rule = adam(0.9, 0.999, 1e-8, 0.01);
        assert!(Op::Update { rule, clip: Some(1.0) }.check().is_ok());
        assert!(Op::Update { rule, clip: Some(f32::NAN) }.check().is_err());
    }
}
