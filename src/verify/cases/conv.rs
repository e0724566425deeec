//! Convolution in its three directions.

use super::epilogue::{Behind, case, each};
use super::{Case, Noise};
use crate::graph::{Op, Window};

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
