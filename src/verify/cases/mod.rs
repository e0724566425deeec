//! Random cases of every operator.

mod activation;
mod conv;
mod elementwise;
mod epilogue;
mod loss;
mod matmul;
mod normalization;
mod optimizer;
mod reduction;
mod sampling;
mod shape;
mod softmax;
mod spatial;

use super::case::{Case, Scale};
use super::tolerance::Family;
use crate::graph::{Activation, Op, Window};
use crate::random::Draws;

/// One operator of the proof.
pub(super) struct Operator {
    /// Its name, as programs print it.
    pub name: &'static str,
    /// Cases of one round.
    pub cases: fn(&mut Draws) -> Vec<Case>,
    /// What each tile shape is tried with; none where there are no tiles.
    pub tiled: Option<fn(&mut Draws) -> Vec<Case>>,
}

/// A row per operator, under the name it has in `graph/table.rs`: an operator without a row does not compile.
macro_rules! operators {
    ($($pattern:pat => $name:literal, $cases:expr, $tiled:expr;)*) => {
        // Never called: the compiler asks for a row of every operator.
        const _: fn(&Op) = |op| match op { $($pattern => ()),* };

        /// Every operator.
        pub(super) const OPERATORS: &[Operator] =
            &[$(Operator { name: $name, cases: $cases, tiled: $tiled }),*];
    };
}

operators! {
    Op::MatMul { .. } => "matmul", matmul::products, Some(matmul::tiled_products);
    Op::Conv2d(_) => "conv2d", conv::forward, Some(conv::tiled_forward);
    Op::Conv2dInputGrad { .. } => "conv2d input gradient", conv::input_gradients,
        Some(conv::tiled_input_gradients);
    Op::Conv2dWeightGrad(_) => "conv2d weight gradient", conv::weight_gradients,
        Some(conv::tiled_weight_gradients);
    Op::BiasAdd => "bias", |draws| elementwise::by_column(Op::BiasAdd, draws), None;
    Op::ColumnSum => "column sum", |draws| reduction::sums(Op::ColumnSum, draws), None;
    Op::Activate(_) => "activation", activation::activations, None;
    Op::ActivateGrad(_) => "activation gradient", activation::activation_gradients, None;
    Op::Prelu => "prelu", |draws| elementwise::by_column(Op::Prelu, draws), None;
    Op::PreluGrad => "prelu gradient", activation::prelu_gradients, None;
    Op::PreluSlopeGrad => "prelu slope gradient", |draws| reduction::sums(Op::PreluSlopeGrad, draws), None;
    Op::Softmax { .. } => "softmax", softmax::softmax, None;
    Op::SoftmaxGrad { .. } => "softmax gradient", softmax::softmax_gradients, None;
    Op::Add => "add", |draws| elementwise::pair(Op::Add, draws), None;
    Op::Scale(_) => "scale", elementwise::scale, None;
    Op::Multiply => "multiply", |draws| elementwise::pair(Op::Multiply, draws), None;
    Op::ColumnScale => "column scale", |draws| elementwise::by_column(Op::ColumnScale, draws), None;
    Op::Broadcast { .. } => "broadcast", elementwise::broadcast, None;
    Op::ColumnDot => "column dot", |draws| reduction::sums(Op::ColumnDot, draws), None;
    Op::DepthToSpace(_) => "depth to space", spatial::depth_to_space, None;
    Op::SpaceToDepth(_) => "space to depth", spatial::space_to_depth, None;
    Op::Resize { .. } => "resize", spatial::resize, None;
    Op::ResizeGrad { .. } => "resize gradient", spatial::resize_gradients, None;
    Op::Pool { .. } => "pool", spatial::pool, None;
    Op::PoolGrad { .. } => "pool gradient", spatial::pool_gradients, None;
    Op::Concat => "concat", shape::concat, None;
    Op::Slice { .. } => "slice", shape::slice, None;
    Op::Pad { .. } => "pad", shape::pad, None;
    Op::Dropout { .. } => "dropout", elementwise::dropout, None;
    Op::Normalize { .. } => "normalize", normalization::normalize, None;
    Op::NormalizeGrad { .. } => "normalize gradient", normalization::normalize_gradients, None;
    Op::Standardize { .. } => "standardize", normalization::standardize, None;
    Op::TrackStatistics { .. } => "track statistics", normalization::statistics, None;
    Op::Loss(_) => "loss", |draws| loss::losses(false, draws), None;
    Op::LossGrad(_) => "loss gradient", |draws| loss::losses(true, draws), None;
    Op::GradientNorm => "gradient norm", optimizer::norms, None;
    Op::Update { .. } => "update", optimizer::updates, None;
    Op::Average { .. } => "average", optimizer::averages, None;
    Op::SampleRows { .. } => "sample rows", sampling::rows, None;
    Op::SamplePatches { .. } => "sample patches", sampling::patches, None;
    // No kernel: a reshape's result is its operand. What reads it must find it there.
    Op::Reshape => "reshape", shape::reshape, None;
}

/// Rows and columns of a table.
fn table(draws: &mut Draws) -> [usize; 2] {
    [draws.size(1, 70), draws.pick(&[1, 3, 7, 64, 257, 300])]
}

/// A product and a convolution with something behind them, large enough for several workgroups each way.
pub(in crate::internal::verify) fn known_products(draws: &mut Draws) -> Vec<Case> {
    let behind = epilogue::Behind {
        bias: true,
        activation: Some(Activation::Relu),
        residual: true,
        ..epilogue::Behind::default()
    };
    let product = epilogue::case(Op::MatMul { ta: false, tb: false }, [&[200, 72], &[72, 150]], behind, draws);
    let window = Window { kernel: 3, stride: 1, padding: 1 };
    let behind = epilogue::Behind { bias: true, prelu: true, ..epilogue::Behind::default() };
    vec![product, epilogue::case(Op::Conv2d(window), [&[1, 21, 24, 8], &[3, 3, 8, 20]], behind, draws)]
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A row's cases must hold the operator that the row is for.
    #[test]
    fn every_row_tries_its_own_operator() {
        for operator in OPERATORS {
            for make in [Some(operator.cases), operator.tiled].into_iter().flatten() {
                let cases = make(&mut Draws::new(1));
                assert!(!cases.is_empty(), "{}", operator.name);
                for case in cases {
                    assert!(case.graph.nodes.iter().any(|n| n.op.name() == operator.name), "{}", operator.name);
                }
            }
        }
    }

    #[test]
    fn every_activation_is_tried() {
        let codes: Vec<u32> = activation::functions().map(|f| f.code().0).collect();
        assert_eq!(codes, (0..13).collect::<Vec<u32>>());
    }
}
