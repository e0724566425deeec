//! Convolution in its three directions.

use super::epilogue::{Behind, case, each};
use super::{Case, Draws};
use crate::graph::{Op, Window};

/// Which of the three.
#[derive(Clone, Copy)]
enum Pass {
    Forward,
    Input,
    Weight,
}

fn convolution(pass: Pass, behind: Behind, draws: &mut Draws) -> Case {
    let channels = [1, 2, 3, 4, 5, 8, 12, 13, 16, 20, 33];
    let [ci, co] = [0; 2].map(|_| draws.pick(&channels));
    let kernel = draws.pick(&[1, 2, 3, 3, 4, 5, 9]);
    let window = Window { kernel, stride: draws.pick(&[1, 1, 2, 3, 4]), padding: draws.size(0, kernel) };
    let least = kernel.saturating_sub(2 * window.padding).max(1);
    let [h, w] = [0; 2].map(|_| least + draws.size(0, 9));
    let n = draws.size(1, 3);
    let [oh, ow] = [h, w].map(|extent| window.output(extent).expect("at least one window fits"));
    let (x, weights, y) = ([n, h, w, ci], [kernel, kernel, ci, co], [n, oh, ow, co]);
    match pass {
        Pass::Forward => case(Op::Conv2d(window), [&x, &weights], behind, draws),
        Pass::Input => case(Op::Conv2dInputGrad { window, size: [h, w] }, [&y, &weights], behind, draws),
        Pass::Weight => case(Op::Conv2dWeightGrad(window), [&x, &y], behind, draws),
    }
}

pub(super) fn forward(draws: &mut Draws) -> Vec<Case> {
    let all = Behind::all(draws);
    each(all, draws, |behind, draws| convolution(Pass::Forward, behind, draws))
}

pub(super) fn tiled_forward(draws: &mut Draws) -> Vec<Case> {
    let one = Behind::one(draws);
    each(one, draws, |behind, draws| convolution(Pass::Forward, behind, draws))
}

pub(super) fn input_gradients(draws: &mut Draws) -> Vec<Case> {
    let all = Behind::all(draws);
    each(all, draws, |behind, draws| convolution(Pass::Input, behind, draws))
}

pub(super) fn tiled_input_gradients(draws: &mut Draws) -> Vec<Case> {
    let one = Behind::one(draws);
    each(one, draws, |behind, draws| convolution(Pass::Input, behind, draws))
}

pub(super) fn weight_gradients(draws: &mut Draws) -> Vec<Case> {
    (0..3).map(|_| convolution(Pass::Weight, Behind::default(), draws)).collect()
}

pub(super) fn tiled_weight_gradients(draws: &mut Draws) -> Vec<Case> {
    vec![convolution(Pass::Weight, Behind::default(), draws)]
}
