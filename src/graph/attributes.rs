//! What the attributes of an operator may be: the first gate, before any shape is computed from them.

use super::{Activation, Loss, Op, Shape, Update, Window};

/// Largest enlargement, so that its square is a `u32`.
const MOST_SCALE: usize = 1 << 15;

impl Op {
    /// Checks the attributes by themselves. [`super::Graph::push`] calls it first, so that neither shape rules nor kernels
    /// ever see a stride of zero or a rate of one.
    ///
    /// # Errors
    /// Naming the attribute, what it is, and what it may be.
    pub fn check(&self) -> Result<(), String> {
        match *self {
            Op::Conv2d(window) | Op::Conv2dWeightGrad(window) => check_window(window),
            Op::Conv2dInputGrad { window, size } => {
                check_window(window)?;
                extent("height", size[0])?;
                extent("width", size[1])
            }
            Op::Activate(activation) | Op::ActivateGrad(activation) => match activation {
                Activation::LeakyRelu(slope) => above_zero("slope", slope),
                Activation::Identity
                | Activation::Step
                | Activation::Relu
                | Activation::Sigmoid
                | Activation::Tanh
                | Activation::Gelu
                | Activation::GeluTanh
                | Activation::Silu
                | Activation::Softplus
                | Activation::Elu
                | Activation::Exp
                | Activation::Log => Ok(()),
            },
            Op::DepthToSpace(scale) | Op::SpaceToDepth(scale) => check_scale(scale),
            Op::Resize { scale, .. } | Op::ResizeGrad { scale, .. } => check_scale(scale),
            Op::Pool { kernel, stride, .. } | Op::PoolGrad { kernel, stride, .. } => {
                extent("kernel", kernel[0])?;
                extent("kernel", kernel[1])?;
                extent("stride", stride)
            }
            Op::Slice { len, .. } => extent("number of columns", len),
            Op::Pad { columns, .. } => extent("number of columns", columns),
            Op::Dropout { rate, .. } => below_one("rate", rate),
            Op::Normalize { epsilon, .. } | Op::NormalizeGrad { epsilon, .. } | Op::Standardize { epsilon } => {
                above_zero("epsilon", epsilon)
            }
            Op::TrackStatistics { momentum } => share("momentum", momentum),
            Op::Loss(loss) | Op::LossGrad(loss) => check_loss(loss),
            Op::Update { rule, clip } => {
                if let Some(clip) = clip {
                    above_zero("clip", clip)?;
                }
                check_rule(rule)
            }
            Op::Average { decay } => share("decay", decay),
            Op::Broadcast { rows } => extent("number of rows", rows),
            Op::SampleRows { batch, .. } => extent("batch", batch),
            Op::SamplePatches { batch, patch, scale, .. } => {
                extent("batch", batch)?;
                extent("patch", patch)?;
                check_scale(scale)
            }
            // A factor that is no number shows in the result and endangers nothing else.
            Op::Scale(_)
            | Op::MatMul { .. }
            | Op::BiasAdd
            | Op::ColumnSum
            | Op::Prelu
            | Op::PreluGrad
            | Op::PreluSlopeGrad
            | Op::Softmax { .. }
            | Op::SoftmaxGrad { .. }
            | Op::Add
            | Op::ColumnScale
            | Op::Multiply
            | Op::ColumnDot
            | Op::Concat
            | Op::GradientNorm
            | Op::Reshape => Ok(()),
        }
    }
}

fn check_window(window: Window) -> Result<(), String> {
    extent("kernel", window.kernel)?;
    extent("stride", window.stride)?;
    whole("padding", window.padding, 0, Shape::MOST)
}

fn check_scale(scale: usize) -> Result<(), String> {
    whole("scale", scale, 1, MOST_SCALE)
}

fn check_loss(loss: Loss) -> Result<(), String> {
    match loss {
        Loss::Huber(delta) => above_zero("delta", delta),
        // Its square is added to that of a difference of zero, whose root is divided by.
        Loss::Charbonnier(epsilon) => {
            let fits = epsilon > 0.0 && (epsilon * epsilon).is_normal();
            real("epsilon", epsilon, fits, "a number above 0 whose square is not lost in f32")
        }
        Loss::CrossEntropy(smoothing) => share("smoothing", smoothing),
        Loss::Mse | Loss::Mae | Loss::Bce | Loss::BceWithLogits | Loss::Mean => Ok(()),
    }
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

fn above_zero(name: &str, value: f32) -> Result<(), String> {
    real(name, value, value > 0.0 && value.is_finite(), "a finite number above 0")
}

fn below_one(name: &str, value: f32) -> Result<(), String> {
    real(name, value, (0.0..1.0).contains(&value), "from 0 to below 1")
}

fn share(name: &str, value: f32) -> Result<(), String> {
    real(name, value, (0.0..=1.0).contains(&value), "from 0 to 1")
}

fn real(name: &str, value: f32, fits: bool, range: &str) -> Result<(), String> {
    if fits { Ok(()) } else { Err(format!("the {name} is {value}; it may be {range}")) }
}

#[cfg(test)]
mod tests {
    use super::super::{Axis, Graph, Init, Interpolation, Kind, Pooling, TensorId};
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
            let w = g.parameter("w", &[3, 3, 4, 4], Init::Constant(0.0), Kind::Conv).unwrap();
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
