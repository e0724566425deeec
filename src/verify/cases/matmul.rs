//! Matrix products.

use super::epilogue::{Behind, case, each};
use super::{Case, Draws, Family, Scale};
use crate::graph::{Activation, Op};

fn product(behind: Behind, draws: &mut Draws) -> Case {
    let extents = [1, 2, 3, 4, 5, 8, 10, 12, 16, 17, 31, 32, 40, 64, 65, 100, 130];
    let [m, n, k] = [0; 3].map(|_| draws.pick(&extents));
    // Long sums are split.
    let k = if draws.size(0, 3) == 0 { draws.pick(&[600, 1023]) } else { k };
    let (ta, tb) = (draws.size(0, 1) == 0, draws.size(0, 1) == 0);
    let (a, b) = (if ta { [k, m] } else { [m, k] }, if tb { [n, k] } else { [k, n] });
    case(Op::MatMul { ta, tb }, [&a, &b], behind, draws)
}

pub(super) fn products(draws: &mut Draws) -> Vec<Case> {
    // Every way to store the operands, with long and short sums.
    let mut cases = Vec::new();
    for (ta, tb) in [(false, false), (false, true), (true, false), (true, true)] {
        let (m, n, k) = (draws.size(2, 40), draws.size(2, 40), draws.size(2, 40));
        let (a, b) = (if ta { [k, m] } else { [m, k] }, if tb { [n, k] } else { [k, n] });
        cases.push(case(Op::MatMul { ta, tb }, [&a, &b], Behind::default(), draws));
    }
    let all = Behind::all(draws);
    cases.extend(each(all, draws, product));
    let parts = [(true, false), (false, true), (true, true), (true, true)];
    cases.extend(parts.map(|(bias, inputs)| layer_gradients(bias, inputs, draws)));
    cases
}

/// Gradients of a layer's bias, weights and input, which small layers make in one dispatch.
fn layer_gradients(bias: bool, inputs: bool, draws: &mut Draws) -> Case {
    let [m, n, k] = [0; 3].map(|_| draws.size(1, 40));
    let mut case = Case::new(Family::Contraction, Scale::Magnitudes, draws);
    let (x, dy) = (case.input(&[k, m], draws), case.input(&[k, n], draws));
    if bias {
        let db = case.push(Op::ColumnSum, &[dy]);
        case.outputs.push(db);
    }
    let dw = case.push(Op::MatMul { ta: true, tb: false }, &[x, dy]);
    case.outputs.push(dw);
    if inputs {
        let (w, saved) = (case.input(&[m, n], draws), case.input(&[k, m], draws));
        let dx = case.push(Op::MatMul { ta: false, tb: true }, &[dy, w]);
        let dx = case.push(Op::ActivateGrad(Activation::Relu), &[dx, saved]);
        case.outputs.push(dx);
    }
    case
}

pub(super) fn tiled_products(draws: &mut Draws) -> Vec<Case> {
    let one = Behind::one(draws);
    each(one, draws, product)
}
