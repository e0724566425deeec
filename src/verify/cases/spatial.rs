//! What moves, makes and pools pixels.

use super::{Case, Draws, Family, Scale};
use crate::graph::{Interpolation, Op, Pooling};

/// Batch, height, width, channels.
fn picture(draws: &mut Draws) -> [usize; 4] {
    [draws.size(1, 3), draws.size(1, 7), draws.size(1, 7), draws.size(1, 5)]
}

fn larger([n, h, w, c]: [usize; 4], scale: usize) -> [usize; 4] {
    [n, h * scale, w * scale, c]
}

pub(super) fn depth_to_space(draws: &mut Draws) -> Vec<Case> {
    let mut make = |r: usize| {
        let [n, h, w, c] = picture(draws);
        Case::random(Op::DepthToSpace(r), &[&[n, h, w, c * r * r]], Family::Copy, Scale::Magnitudes, draws)
    };
    (2..=4).map(&mut make).collect()
}

pub(super) fn space_to_depth(draws: &mut Draws) -> Vec<Case> {
    let mut make = |r: usize| {
        let shape = larger(picture(draws), r);
        Case::random(Op::SpaceToDepth(r), &[&shape], Family::Copy, Scale::Magnitudes, draws)
    };
    (2..=4).map(&mut make).collect()
}

/// Both modes at three factors.
fn resizes() -> impl Iterator<Item = (Interpolation, usize)> {
    [Interpolation::Nearest, Interpolation::Bilinear].into_iter().flat_map(|mode| (2..=4).map(move |s| (mode, s)))
}

pub(super) fn resize(draws: &mut Draws) -> Vec<Case> {
    let mut make = |(mode, scale)| {
        let shape = picture(draws);
        Case::random(Op::Resize { mode, scale }, &[&shape], Family::Contraction, Scale::Magnitudes, draws)
    };
    resizes().map(&mut make).collect()
}

pub(super) fn resize_gradients(draws: &mut Draws) -> Vec<Case> {
    let mut make = |(mode, scale)| {
        let shape = larger(picture(draws), scale);
        Case::random(Op::ResizeGrad { mode, scale }, &[&shape], Family::Contraction, Scale::Magnitudes, draws)
    };
    resizes().map(&mut make).collect()
}

/// Kinds of pooling, values with and without ties.
fn pools(draws: &mut Draws, gradient: bool) -> Vec<Case> {
    let mut cases = Vec::new();
    for kind in [Pooling::Max, Pooling::Average] {
        for ties in [false, true] {
            let (kernel, stride) = ([draws.size(1, 4), draws.size(1, 4)], draws.size(1, 3));
            let [n, _, _, c] = picture(draws);
            let (h, w) = (draws.size(4, 11), draws.size(4, 11));
            // Magnitudes would change which element is the largest.
            let scale = if kind == Pooling::Average { Scale::Magnitudes } else { Scale::Largest };
            let mut case = Case::new(Family::Contraction, scale, draws);
            let mut values = draws.values(n * h * w * c);
            if ties {
                values.iter_mut().for_each(|v| *v = v.round());
            }
            if gradient {
                let made = |extent: usize, kernel: usize| (extent - kernel) / stride + 1;
                case.input(&[n, made(h, kernel[0]), made(w, kernel[1]), c], draws);
            }
            case.given(&[n, h, w, c], values);
            let pool = Op::Pool { kind, kernel, stride };
            cases.push(case.of(if gradient { Op::PoolGrad { kind, kernel, stride } } else { pool }));
        }
    }
    cases
}

pub(super) fn pool(draws: &mut Draws) -> Vec<Case> {
    pools(draws, false)
}

pub(super) fn pool_gradients(draws: &mut Draws) -> Vec<Case> {
    pools(draws, true)
}
