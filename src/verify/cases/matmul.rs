//! Matrix products.

use super::epilogue::{Behind, case, each};
use super::{Case, Family, Noise, Scale};
use crate::graph::{Activation, Op};

fn product(behind: Behind, noise: &mut Noise) -> Case {
    let extents = [1, 2, 3, 4, 5, 8, 10, 12, 16, 17, 31, 32, 40, 64, 65, 100, 130];
    let [m, n, k] = [0; 3].map(|_| noise.pick(&extents));
    // Long sums are split.
    let k = if noise.size(0, 3) == 0 { noise.pick(&[600, 1023]) } else { k };
    let (ta, tb) = (noise.size(0, 1) == 0, noise.size(0, 1) == 0);
    let (a, b) = (if ta { [k, m] } else { [m, k] }, if tb { [n, k] } else { [k, n] });
    case(Op::MatMul { ta, tb }, [&a, &b], behind, noise)
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

pub(super) fn tiled_products(noise: &mut Noise) -> Vec<Case> {
    let one = Behind::one(noise);
    each(one, noise, product)
}
