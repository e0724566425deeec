//! What moves, makes and pools pixels.

use super::{Case, Family, Noise, Scale};
use crate::graph::{Interpolation, Op, Pooling};

/// Batch, height, width, channels.
fn picture(noise: &mut Noise) -> [usize; 4] {
    [noise.size(1, 3), noise.size(1, 7), noise.size(1, 7), noise.size(1, 5)]
}

fn larger([n, h, w, c]: [usize; 4], scale: usize) -> [usize; 4] {
    [n, h * scale, w * scale, c]
}

pub(super) fn depth_to_space(noise: &mut Noise) -> Vec<Case> {
    let mut make = |r: usize| {
        let [n, h, w, c] = picture(noise);
        Case::random(Op::DepthToSpace(r), &[&[n, h, w, c * r * r]], Family::Copy, Scale::Magnitudes, noise)
    };
    (2..=4).map(&mut make).collect()
}

pub(super) fn space_to_depth(noise: &mut Noise) -> Vec<Case> {
    let mut make = |r: usize| {
        let shape = larger(picture(noise), r);
        Case::random(Op::SpaceToDepth(r), &[&shape], Family::Copy, Scale::Magnitudes, noise)
    };
    (2..=4).map(&mut make).collect()
}

/// Both modes at three factors.
fn resizes() -> impl Iterator<Item = (Interpolation, usize)> {
    [Interpolation::Nearest, Interpolation::Bilinear].into_iter().flat_map(|mode| (2..=4).map(move |s| (mode, s)))
}

pub(super) fn resize(noise: &mut Noise) -> Vec<Case> {
    let mut make = |(mode, scale)| {
        let shape = picture(noise);
        Case::random(Op::Resize { mode, scale }, &[&shape], Family::Contraction, Scale::Magnitudes, noise)
    };
    resizes().map(&mut make).collect()
}

pub(super) fn resize_gradients(noise: &mut Noise) -> Vec<Case> {
    let mut make = |(mode, scale)| {
        let shape = larger(picture(noise), scale);
        Case::random(Op::ResizeGrad { mode, scale }, &[&shape], Family::Contraction, Scale::Magnitudes, noise)
    };
    resizes().map(&mut make).collect()
}

/// Kinds of pooling, values with and without ties.
fn pools(noise: &mut Noise, gradient: bool) -> Vec<Case> {
    let mut cases = Vec::new();
    for kind in [Pooling::Max, Pooling::Average] {
        for ties in [false, true] {
            let (kernel, stride) = ([noise.size(1, 4), noise.size(1, 4)], noise.size(1, 3));
            let [n, _, _, c] = picture(noise);
            let (h, w) = (noise.size(4, 11), noise.size(4, 11));
            // Magnitudes would change which element is the largest.
            let scale = if kind == Pooling::Average { Scale::Magnitudes } else { Scale::Largest };
            let mut case = Case::new(Family::Contraction, scale, noise);
            let mut values = noise.values(n * h * w * c);
            if ties {
                values.iter_mut().for_each(|v| *v = v.round());
            }
            if gradient {
                let made = |extent: usize, kernel: usize| (extent - kernel) / stride + 1;
                case.input(&[n, made(h, kernel[0]), made(w, kernel[1]), c], noise);
            }
            case.given(&[n, h, w, c], values);
            let pool = Op::Pool { kind, kernel, stride };
            cases.push(case.of(if gradient { Op::PoolGrad { kind, kernel, stride } } else { pool }));
        }
    }
    cases
}

pub(super) fn pool(noise: &mut Noise) -> Vec<Case> {
    pools(noise, false)
}

pub(super) fn pool_gradients(noise: &mut Noise) -> Vec<Case> {
    pools(noise, true)
}
