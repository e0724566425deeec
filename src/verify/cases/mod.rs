//! Random cases of every operator.

mod contraction;
mod image;
mod rows;
mod state;

use super::case::{Case, Scale};
use super::noise::Noise;
use super::tolerance::Family;
use crate::graph::{Activation, Op};

pub(in crate::verify) use contraction::known as known_products;

/// One operator of the proof.
pub(super) struct Operator {
    /// Its name, as programs print it.
    pub name: &'static str,
    /// Cases of one round.
    pub cases: fn(&mut Noise) -> Vec<Case>,
    /// What each tile shape is tried with; none where there are no tiles.
    pub tiled: Option<fn(&mut Noise) -> Vec<Case>>,
}

/// A row per operator, from which both a list and a match are made: an operator without a row does not compile.
macro_rules! operators {
    ($($pattern:pat => $name:literal, $cases:expr, $tiled:expr;)*) => {
        /// The operator's name.
        pub(super) fn name(op: &Op) -> &'static str {
            match op { $($pattern => $name),* }
        }

        /// Every operator.
        pub(super) const OPERATORS: &[Operator] =
            &[$(Operator { name: $name, cases: $cases, tiled: $tiled }),*];
    };
}

operators! {
    Op::MatMul { .. } => "matmul", contraction::products, Some(contraction::tiled_products);
    Op::Conv2d(_) => "conv2d", contraction::forward, Some(contraction::tiled_forward);
    Op::Conv2dInputGrad { .. } => "conv2d input gradient", contraction::input_gradients,
        Some(contraction::tiled_input_gradients);
    Op::Conv2dWeightGrad(_) => "conv2d weight gradient", contraction::weight_gradients,
        Some(contraction::tiled_weight_gradients);
    Op::BiasAdd => "bias", |noise| rows::by_column(Op::BiasAdd, noise), None;
    Op::ColumnSum => "column sum", |noise| rows::sums(Op::ColumnSum, noise), None;
    Op::Activate(_) => "activation", rows::activations, None;
    Op::ActivateGrad(_) => "activation gradient", rows::activation_gradients, None;
    Op::Prelu => "prelu", |noise| rows::by_column(Op::Prelu, noise), None;
    Op::PreluGrad => "prelu gradient", rows::prelu_gradients, None;
    Op::PreluSlopeGrad => "prelu slope gradient", |noise| rows::sums(Op::PreluSlopeGrad, noise), None;
    Op::Softmax { .. } => "softmax", rows::softmax, None;
    Op::SoftmaxGrad { .. } => "softmax gradient", rows::softmax_gradients, None;
    Op::Add => "add", |noise| rows::pair(Op::Add, noise), None;
    Op::Scale(_) => "scale", rows::scale, None;
    Op::Multiply => "multiply", |noise| rows::pair(Op::Multiply, noise), None;
    Op::ColumnScale => "column scale", |noise| rows::by_column(Op::ColumnScale, noise), None;
    Op::Broadcast { .. } => "broadcast", rows::broadcast, None;
    Op::ColumnDot => "column dot", |noise| rows::sums(Op::ColumnDot, noise), None;
    Op::DepthToSpace(_) => "depth to space", image::depth_to_space, None;
    Op::SpaceToDepth(_) => "space to depth", image::space_to_depth, None;
    Op::Resize { .. } => "resize", image::resize, None;
    Op::ResizeGrad { .. } => "resize gradient", image::resize_gradients, None;
    Op::Pool { .. } => "pool", image::pool, None;
    Op::PoolGrad { .. } => "pool gradient", image::pool_gradients, None;
    Op::Concat => "concat", rows::concat, None;
    Op::Slice { .. } => "slice", rows::slice, None;
    Op::Pad { .. } => "pad", rows::pad, None;
    Op::Dropout { .. } => "dropout", rows::dropout, None;
    Op::Normalize { .. } => "normalize", rows::normalize, None;
    Op::NormalizeGrad { .. } => "normalize gradient", rows::normalize_gradients, None;
    Op::Standardize { .. } => "standardize", rows::standardize, None;
    Op::TrackStatistics { .. } => "track statistics", state::statistics, None;
    Op::Loss(_) => "loss", |noise| rows::losses(false, noise), None;
    Op::LossGrad(_) => "loss gradient", |noise| rows::losses(true, noise), None;
    Op::GradientNorm => "gradient norm", state::norms, None;
    Op::Update { .. } => "update", state::updates, None;
    Op::Average { .. } => "average", state::averages, None;
    Op::SampleRows { .. } => "sample rows", state::rows, None;
    Op::SamplePatches { .. } => "sample patches", state::patches, None;
    // No kernel: a reshape's result is its operand. What reads it must find it there.
    Op::Reshape => "reshape", rows::reshape, None;
}

/// What networks put behind a layer, a usual slope for the one with a parameter.
const LAYERS: [Activation; 11] = [
    Activation::Identity,
    Activation::Step,
    Activation::Relu,
    Activation::LeakyRelu(0.2),
    Activation::Sigmoid,
    Activation::Tanh,
    Activation::Gelu,
    Activation::GeluTanh,
    Activation::Silu,
    Activation::Softplus,
    Activation::Elu,
];

/// All elementwise functions: beside those, the ones that magnify an error without bound, so that they are tried on operands
/// of their own and not on sums that are rounded.
fn functions() -> impl Iterator<Item = Activation> {
    LAYERS.into_iter().chain([Activation::Exp, Activation::Log])
}

/// What an activation may have left for its derivative: outputs lie in its range.
fn saved(f: Activation, mut values: Vec<f32>) -> Vec<f32> {
    let fit = |v: f32| match f {
        Activation::Sigmoid => (v + 3.0) / 6.0,
        Activation::Tanh => v / 3.0,
        Activation::Elu => v.max(-0.99),
        // What exp yields, and what log takes.
        Activation::Exp | Activation::Log => v.abs() + 0.01,
        Activation::Identity
        | Activation::Step
        | Activation::Relu
        | Activation::LeakyRelu(_)
        | Activation::Gelu
        | Activation::GeluTanh
        | Activation::Silu
        | Activation::Softplus => v,
    };
    values.iter_mut().for_each(|v| *v = fit(*v));
    values
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A row's cases must hold the operator that the row is for.
    #[test]
    fn every_row_tries_its_own_operator() {
        for operator in OPERATORS {
            for make in [Some(operator.cases), operator.tiled].into_iter().flatten() {
                let cases = make(&mut Noise::new(1));
                assert!(!cases.is_empty(), "{}", operator.name);
                for case in cases {
                    assert!(case.graph.nodes.iter().any(|n| name(&n.op) == operator.name), "{}", operator.name);
                }
            }
        }
    }

    #[test]
    fn every_activation_is_tried() {
        let codes: Vec<u32> = functions().map(|f| f.code().0).collect();
        assert_eq!(codes, (0..13).collect::<Vec<u32>>());
    }
}
