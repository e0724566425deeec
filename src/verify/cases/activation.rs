//! Elementwise functions, their derivatives, parametric ReLU.

use super::{Case, Draws, Family, Scale, table};
use crate::graph::{Activation, Op};

/// What networks put behind a layer, a usual slope for the one with a parameter.
pub(super) const LAYERS: [Activation; 11] = [
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
pub(super) fn functions() -> impl Iterator<Item = Activation> {
    LAYERS.into_iter().chain([Activation::Exp, Activation::Log])
}

/// What an activation may have left for its derivative: outputs lie in its range.
pub(super) fn saved(f: Activation, mut values: Vec<f32>) -> Vec<f32> {
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

pub(super) fn activations(draws: &mut Draws) -> Vec<Case> {
    let mut cases = Vec::new();
    for f in functions() {
        let mut case = Case::new(Family::Transcendental, Scale::One, draws);
        let n = draws.size(1, 2000);
        let mut values: Vec<f32> = draws.values(n).iter().map(|v| 4.0 * v).collect();
        // The ends, where formulas overflow, and both zeros.
        values.extend([0.0, -0.0, 30.0, -30.0, 100.0, -100.0, 1e-6, -1e-6, 20.0, 20.01, 1e10, -1e10]);
        // exp beyond f32 is infinite in f32 alone, log below 0 is NaN: neither can be compared.
        match f {
            Activation::Exp => values.iter_mut().for_each(|v| *v = v.clamp(-80.0, 80.0)),
            Activation::Log => values.iter_mut().for_each(|v| *v = v.abs().max(1e-30)),
            _ => {}
        }
        case.given(&[values.len()], values);
        cases.push(case.of(Op::Activate(f)));
    }
    cases
}

pub(super) fn activation_gradients(draws: &mut Draws) -> Vec<Case> {
    let mut cases = Vec::new();
    for f in functions() {
        let mut case = Case::new(Family::Transcendental, Scale::Largest, draws);
        let n = draws.size(1, 2000);
        case.input(&[n], draws);
        let mut values = draws.values(n);
        values[0] = 0.0;
        case.given(&[n], saved(f, values));
        cases.push(case.of(Op::ActivateGrad(f)));
    }
    cases
}

pub(super) fn prelu_gradients(draws: &mut Draws) -> Vec<Case> {
    let shape = table(draws);
    let shapes: [&[usize]; 3] = [&shape, &shape, &shape[1..]];
    vec![Case::random(Op::PreluGrad, &shapes, Family::Elementwise, Scale::Largest, draws)]
}
