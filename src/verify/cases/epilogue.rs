//! Products and convolutions with everything that can be fused behind them.

use super::{Case, Draws, Family, Scale, activation};
use crate::graph::{Activation, Op};

/// What follows the operator.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Behind {
    pub bias: bool,
    pub activation: Option<Activation>,
    pub prelu: bool,
    pub residual: bool,
    pub derivative: Option<Activation>,
}

impl Behind {
    /// Every part alone and all that go together.
    pub fn all(draws: &mut Draws) -> Vec<Behind> {
        let none = Behind::default();
        let mut f = || Some(draws.pick(&activation::LAYERS[1..]));
        vec![
            none,
            Behind { bias: true, ..none },
            Behind { activation: f(), ..none },
            Behind { prelu: true, ..none },
            Behind { residual: true, ..none },
            Behind { derivative: f(), ..none },
            Behind { bias: true, prelu: true, residual: true, derivative: f(), ..none },
            Behind { bias: true, activation: f(), residual: true, derivative: f(), ..none },
        ]
    }

    /// One of those with most parts, since each tile shape compiles each anew.
    pub fn one(draws: &mut Draws) -> Vec<Behind> {
        let all = Behind::all(draws);
        vec![draws.pick(&all[6..])]
    }
}

/// Operands of the operator, and what stands behind it; the error is measured against the sum of magnitudes.
pub(super) fn case(op: Op, shapes: [&[usize]; 2], behind: Behind, draws: &mut Draws) -> Case {
    let transcendental = behind.activation.is_some() || behind.derivative.is_some();
    let family = if transcendental { Family::Transcendental } else { Family::Contraction };
    let mut case = Case::new(family, Scale::One, draws);
    let mut scale = Case::new(family, Scale::One, draws);
    // A step jumps at zero: sums must be exact there, and small multiples of a power of two are.
    let exact = behind.activation == Some(Activation::Step);
    let mut draw = |n: usize| -> Vec<f32> {
        let values = draws.values(n);
        if exact { values.iter().map(|v| (4.0 * v).round() / 4.0).collect() } else { values }
    };
    let sizes = |values: &[f32]| -> Vec<f32> { values.iter().map(|v| v.abs()).collect() };
    for shape in shapes {
        let values = draw(shape.iter().product());
        scale.given(shape, sizes(&values));
        case.given(shape, values);
    }
    let mut y = case.push(op, &[case.inputs[0].0, case.inputs[1].0]);
    let mut size = scale.push(op, &[scale.inputs[0].0, scale.inputs[1].0]);
    let shape = case.graph.shape(y);
    let (columns, extents) = ([shape.columns()], shape.extents().to_vec());
    // Activations have errors of their own, of the order of 1.
    let floor = if behind.activation.is_some() { 1.0 } else { 0.0 };
    let mut offset = vec![floor; columns[0]];
    if behind.bias {
        let values = draw(columns[0]);
        offset.iter_mut().zip(&values).for_each(|(o, v)| *o += v.abs());
        let bias = case.given(&columns, values);
        y = case.push(Op::BiasAdd, &[y, bias]);
    }
    let offset = scale.given(&columns, offset);
    size = scale.push(Op::BiasAdd, &[size, offset]);
    if let Some(f) = behind.activation {
        y = case.push(Op::Activate(f), &[y]);
    }
    if behind.prelu {
        let values = draw(columns[0]);
        let factors = values.iter().map(|v| v.abs().max(1.0)).collect();
        let slopes = case.given(&columns, values);
        y = case.push(Op::Prelu, &[y, slopes]);
        let factors = scale.given(&columns, factors);
        size = scale.push(Op::ColumnScale, &[size, factors]);
    }
    if behind.residual {
        let values = draw(shape.len());
        let magnitudes = scale.given(&extents, sizes(&values));
        size = scale.push(Op::Add, &[size, magnitudes]);
        let residual = case.given(&extents, values);
        y = case.push(Op::Add, &[y, residual]);
    }
    if let Some(f) = behind.derivative {
        let saved = case.given(&extents, activation::saved(f, draw(shape.len())));
        y = case.push(Op::ActivateGrad(f), &[y, saved]);
        // No derivative is larger than 1.2.
        size = scale.push(Op::Scale(1.2), &[size]);
    }
    scale.outputs.push(size);
    case.outputs.push(y);
    case.scale = Scale::Program(Box::new(scale));
    case
}

pub(super) fn each(behinds: Vec<Behind>, draws: &mut Draws, make: fn(Behind, &mut Draws) -> Case) -> Vec<Case> {
    behinds.into_iter().map(|behind| make(behind, draws)).collect()
}
