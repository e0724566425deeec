//! Products and convolutions, with everything that can be fused behind them.

use super::{Case, Family, Noise, Scale, saved};
use crate::graph::{Activation, Op, Window};

/// What follows the operator.
#[derive(Clone, Copy, Debug, Default)]
struct Behind {
    bias: bool,
    activation: Option<Activation>,
    prelu: bool,
    residual: bool,
    derivative: Option<Activation>,
}

impl Behind {
    /// Every part alone and all that go together.
    fn all(noise: &mut Noise) -> Vec<Behind> {
        let none = Behind::default();
        let mut f = || Some(noise.pick(&super::LAYERS[1..]));
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
    fn one(noise: &mut Noise) -> Vec<Behind> {
        let all = Behind::all(noise);
        vec![noise.pick(&all[6..])]
    }
}

/// Operands of the operator, and what stands behind it; the error is measured against the sum of magnitudes.
fn case(op: Op, shapes: [&[usize]; 2], behind: Behind, noise: &mut Noise) -> Case {
    let transcendental = behind.activation.is_some() || behind.derivative.is_some();
    let family = if transcendental { Family::Transcendental } else { Family::Contraction };
    let mut case = Case::new(family, Scale::One, noise);
    let mut scale = Case::new(family, Scale::One, noise);
    // A step jumps at zero: sums must be exact there, and small multiples of a power of two are.
    let exact = behind.activation == Some(Activation::Step);
    let mut draw = |n: usize| -> Vec<f32> {
        let values = noise.values(n);
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
        let saved = case.given(&extents, saved(f, draw(shape.len())));
        y = case.push(Op::ActivateGrad(f), &[y, saved]);
        // No derivative is larger than 1.2.
        size = scale.push(Op::Scale(1.2), &[size]);
    }
    scale.outputs.push(size);
    case.outputs.push(y);
    case.scale = Scale::Program(Box::new(scale));
    case
}

fn product(behind: Behind, noise: &mut Noise) -> Case {
    let extents = [1, 2, 3, 4, 5, 8, 10, 12, 16, 17, 31, 32, 40, 64, 65, 100, 130];
    let [m, n, k] = [0; 3].map(|_| noise.pick(&extents));
    // Long sums are split.
    let k = if noise.size(0, 3) == 0 { noise.pick(&[600, 1023]) } else { k };
    let (ta, tb) = (noise.size(0, 1) == 0, noise.size(0, 1) == 0);
    let (a, b) = (if ta { [k, m] } else { [m, k] }, if tb { [n, k] } else { [k, n] });
    case(Op::MatMul { ta, tb }, [&a, &b], behind, noise)
}

/// Which of the three.
#[derive(Clone, Copy)]
enum Pass {
    Forward,
    Input,
    Weight,
}

fn convolution(pass: Pass, behind: Behind, noise: &mut Noise) -> Case {
    let channels = [1, 2, 3, 4, 5, 8, 12, 13, 16, 20, 33];
    let [ci, co] = [0; 2].map(|_| noise.pick(&channels));
    let kernel = noise.pick(&[1, 2, 3, 3, 4, 5, 9]);
    let window = Window { kernel, stride: noise.pick(&[1, 1, 2, 3, 4]), padding: noise.size(0, kernel) };
    let least = kernel.saturating_sub(2 * window.padding).max(1);
    let [h, w] = [0; 2].map(|_| least + noise.size(0, 9));
    let n = noise.size(1, 3);
    let [oh, ow] = [h, w].map(|extent| window.output(extent).expect("at least one window fits"));
    let (x, weights, y) = ([n, h, w, ci], [kernel, kernel, ci, co], [n, oh, ow, co]);
    match pass {
        Pass::Forward => case(Op::Conv2d(window), [&x, &weights], behind, noise),
        Pass::Input => case(Op::Conv2dInputGrad { window, size: [h, w] }, [&y, &weights], behind, noise),
        Pass::Weight => case(Op::Conv2dWeightGrad(window), [&x, &y], behind, noise),
    }
}

fn each(behinds: Vec<Behind>, noise: &mut Noise, make: fn(Behind, &mut Noise) -> Case) -> Vec<Case> {
    behinds.into_iter().map(|behind| make(behind, noise)).collect()
}

pub(super) fn products(noise: &mut Noise) -> Vec<Case> {
    // Every way to store the operands, with long and short sums.
    let mut cases = Vec::new();
    for (ta, tb) in [(false, false), (false, true), (true, false), (true, true)] {
        let (m, n, k) = (noise.size(2, 40), noise.size(2, 40), noise.size(2, 40));
        let (a, b) = (if ta { [k, m] } else { [m, k] }, if tb { [n, k] } else { [k, n] });
        cases.push(case(Op::MatMul { ta, tb }, [&a, &b], Behind::default(), noise));
    }
    let all = Behind::all(noise);
    cases.extend(each(all, noise, product));
    let parts = [(true, false), (false, true), (true, true), (true, true)];
    cases.extend(parts.map(|(bias, inputs)| layer_gradients(bias, inputs, noise)));
    cases
}

/// Gradients of a layer's bias, weights and input, which small layers make in one dispatch.
fn layer_gradients(bias: bool, inputs: bool, noise: &mut Noise) -> Case {
    let [m, n, k] = [0; 3].map(|_| noise.size(1, 40));
    let mut case = Case::new(Family::Contraction, Scale::Magnitudes, noise);
    let (x, dy) = (case.input(&[k, m], noise), case.input(&[k, n], noise));
    if bias {
        let db = case.push(Op::ColumnSum, &[dy]);
        case.outputs.push(db);
    }
    let dw = case.push(Op::MatMul { ta: true, tb: false }, &[x, dy]);
    case.outputs.push(dw);
    if inputs {
        let (w, saved) = (case.input(&[m, n], noise), case.input(&[k, m], noise));
        let dx = case.push(Op::MatMul { ta: false, tb: true }, &[dy, w]);
        let dx = case.push(Op::ActivateGrad(Activation::Relu), &[dx, saved]);
        case.outputs.push(dx);
    }
    case
}

/// A product and a convolution with something behind them, large enough for several workgroups each way.
pub(in crate::verify) fn known(noise: &mut Noise) -> Vec<Case> {
    let behind = Behind { bias: true, activation: Some(Activation::Relu), residual: true, ..Behind::default() };
    let product = case(Op::MatMul { ta: false, tb: false }, [&[200, 72], &[72, 150]], behind, noise);
    let window = Window { kernel: 3, stride: 1, padding: 1 };
    let behind = Behind { bias: true, prelu: true, ..Behind::default() };
    vec![product, case(Op::Conv2d(window), [&[1, 21, 24, 8], &[3, 3, 8, 20]], behind, noise)]
}

pub(super) fn tiled_products(noise: &mut Noise) -> Vec<Case> {
    let one = Behind::one(noise);
    each(one, noise, product)
}

pub(super) fn forward(noise: &mut Noise) -> Vec<Case> {
    let all = Behind::all(noise);
    each(all, noise, |behind, noise| convolution(Pass::Forward, behind, noise))
}

pub(super) fn tiled_forward(noise: &mut Noise) -> Vec<Case> {
    let one = Behind::one(noise);
    each(one, noise, |behind, noise| convolution(Pass::Forward, behind, noise))
}

pub(super) fn input_gradients(noise: &mut Noise) -> Vec<Case> {
    let all = Behind::all(noise);
    each(all, noise, |behind, noise| convolution(Pass::Input, behind, noise))
}

pub(super) fn tiled_input_gradients(noise: &mut Noise) -> Vec<Case> {
    let one = Behind::one(noise);
    each(one, noise, |behind, noise| convolution(Pass::Input, behind, noise))
}

pub(super) fn weight_gradients(noise: &mut Noise) -> Vec<Case> {
    (0..3).map(|_| convolution(Pass::Weight, Behind::default(), noise)).collect()
}

pub(super) fn tiled_weight_gradients(noise: &mut Noise) -> Vec<Case> {
    vec![convolution(Pass::Weight, Behind::default(), noise)]
}
