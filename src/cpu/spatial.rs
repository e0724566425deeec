//! Rearranging and resampling pictures: pixel shuffle, resize, pooling.

use std::ops::Range;

use rayon::prelude::*;

use super::parallel;
use super::real::Real;
use crate::graph::{Interpolation, Pooling, Shape};

fn image(shape: Shape) -> (usize, usize, usize, usize) {
    shape.image().expect("checked by the graph")
}

/// Pixel shuffle by `r`: `[n, h, w, c r^2]` to `[n, h r, w r, c]`; `y` is the output's shape.
pub(super) fn depth_to_space<T: Real>(out: &mut [T], x: &[T], y: Shape, r: usize) {
    let (_, _, wide, c) = image(y);
    let (row, cell) = (wide * c, c * r * r);
    parallel::rows(out, row, |at, block| {
        for (line, out) in block.chunks_exact_mut(row).enumerate() {
            // A row of pixels comes from one row of cells: row `i` of each.
            let line = at / row + line;
            let i = line % r;
            let cells = &x[line / r * (wide / r) * cell..][..wide / r * cell];
            for (pixels, cell) in out.chunks_exact_mut(r * c).zip(cells.chunks_exact(cell)) {
                for (j, pixel) in pixels.chunks_exact_mut(c).enumerate() {
                    let from = cell[i * r + j..].iter().step_by(r * r);
                    pixel.iter_mut().zip(from).for_each(|(o, &v)| *o = v);
                }
            }
        }
    });
}

/// The inverse: `[n, h, w, c]` to `[n, h/r, w/r, c r^2]`; `x_shape` is the input's shape.
pub(super) fn space_to_depth<T: Real>(out: &mut [T], x: &[T], x_shape: Shape, r: usize) {
    let (_, _, wide, c) = image(x_shape);
    let cell = c * r * r;
    let row = wide / r * cell;
    parallel::rows(out, row, |at, block| {
        for (line, out) in block.chunks_exact_mut(row).enumerate() {
            let lines = &x[(at / row + line) * r * wide * c..][..r * wide * c];
            for (column, cell) in out.chunks_exact_mut(cell).enumerate() {
                for i in 0..r {
                    let pixels = &lines[(i * wide + column * r) * c..][..r * c];
                    for (j, pixel) in pixels.chunks_exact(c).enumerate() {
                        let to = cell[i * r + j..].iter_mut().step_by(r * r);
                        to.zip(pixel).for_each(|(o, &v)| *o = v);
                    }
                }
            }
        }
    });
}

/// The two samples that make output position `at` and the second one's weight.
fn taps<T: Real>(mode: Interpolation, at: usize, scale: usize, len: usize) -> (usize, usize, T) {
    match mode {
        Interpolation::Nearest => (at / scale, at / scale, T::ZERO),
        Interpolation::Bilinear => {
            let position = ((at as f64 + 0.5) / scale as f64 - 0.5).max(0.0);
            let first = (position as usize).min(len - 1);
            (first, (first + 1).min(len - 1), T::of(position - first as f64))
        }
    }
}

/// Enlarges `x` by `scale`.
pub(super) fn resize<T: Real>(out: &mut [T], x: &[T], shape: Shape, mode: Interpolation, scale: usize) {
    let (_, h, w, c) = image(shape);
    let row = w * scale * c;
    parallel::rows(out, row, |at, block| {
        for (line, out) in block.chunks_exact_mut(row).enumerate() {
            let line = at / row + line;
            let (n, y) = (line / (h * scale), line % (h * scale));
            let (top, bottom, down) = taps::<T>(mode, y, scale, h);
            let source = |y: usize| &x[(n * h + y) * w * c..][..w * c];
            let (top, bottom) = (source(top), source(bottom));
            for (at, pixel) in out.chunks_exact_mut(c).enumerate() {
                let (left, right, across) = taps::<T>(mode, at, scale, w);
                if mode == Interpolation::Nearest {
                    pixel.iter_mut().zip(&top[left * c..]).for_each(|(o, &v)| *o = v);
                    continue;
                }
                for (i, o) in pixel.iter_mut().enumerate() {
                    let mix = |row: &[T]| row[left * c + i] * (T::ONE - across) + row[right * c + i] * across;
                    *o = mix(top) * (T::ONE - down) + mix(bottom) * down;
                }
            }
        }
    });
}

/// Output positions that sample `at` can reach: those of its own cell and, for bilinear, its neighbours'.
fn reached(mode: Interpolation, at: usize, scale: usize, len: usize) -> Range<usize> {
    match mode {
        Interpolation::Nearest => at * scale..(at + 1) * scale,
        Interpolation::Bilinear => at.saturating_sub(1) * scale..((at + 2) * scale).min(len * scale),
    }
}

/// Adjoint of [`resize`]: each input pixel gathers what its values went into. `shape` is that of `dx`.
pub(super) fn resize_grad<T: Real>(out: &mut [T], dy: &[T], shape: Shape, mode: Interpolation, scale: usize) {
    let (_, h, w, c) = image(shape);
    let row = w * c;
    let weight = |at: usize, of: usize, len: usize| {
        let (first, second, share) = taps::<T>(mode, of, scale, len);
        let one = if first == at { T::ONE - share } else { T::ZERO };
        one + if second == at { share } else { T::ZERO }
    };
    parallel::rows(out, row, |at, block| {
        block.fill(T::ZERO);
        for (line, out) in block.chunks_exact_mut(row).enumerate() {
            let (n, y) = ((at / row + line) / h, (at / row + line) % h);
            for oy in reached(mode, y, scale, h) {
                let down = weight(y, oy, h);
                let line = &dy[(n * h * scale + oy) * w * scale * c..][..w * scale * c];
                for (x, pixel) in out.chunks_exact_mut(c).enumerate() {
                    for ox in reached(mode, x, scale, w) {
                        let share = down * weight(x, ox, w);
                        pixel.iter_mut().zip(&line[ox * c..]).for_each(|(o, &v)| *o += share * v);
                    }
                }
            }
        }
    });
}

/// Pools `x` of shape `x_shape` into `out` of shape `y`.
pub(super) fn pool<T: Real>(
    out: &mut [T],
    x: &[T],
    (x_shape, y): (Shape, Shape),
    kind: Pooling,
    kernel: [usize; 2],
    stride: usize,
) {
    let ((_, h, w, c), (_, ho, wo, _)) = (image(x_shape), image(y));
    let share = T::of(1.0 / (kernel[0] * kernel[1]) as f64);
    parallel::rows(out, wo * c, |at, block| {
        for (i, pixel) in block.chunks_exact_mut(c).enumerate() {
            let i = at / c + i;
            let (n, oy, ox) = (i / (ho * wo), i / wo % ho, i % wo);
            let start = (n * h + oy * stride) * w + ox * stride;
            pixel.copy_from_slice(&x[start * c..][..c]);
            for j in 1..kernel[0] * kernel[1] {
                let from = &x[(start + j / kernel[1] * w + j % kernel[1]) * c..][..c];
                match kind {
                    Pooling::Average => pixel.iter_mut().zip(from).for_each(|(o, &v)| *o += v),
                    // A NaN wins and stays.
                    Pooling::Max => pixel.iter_mut().zip(from).for_each(|(o, &v)| {
                        if v > *o || is_nan(v) {
                            *o = v;
                        }
                    }),
                }
            }
            if kind == Pooling::Average {
                pixel.iter_mut().for_each(|o| *o *= share);
            }
        }
    });
}

fn is_nan<T: Real>(x: T) -> bool {
    x.wide().is_nan()
}

/// Gradient in the input of [`pool`]; the shapes are those of `x` and `dy`.
pub(super) fn pool_grad<T: Real>(
    out: &mut [T],
    dy: &[T],
    x: &[T],
    (x_shape, y): (Shape, Shape),
    kind: Pooling,
    kernel: [usize; 2],
    stride: usize,
) {
    let ((_, h, w, c), (_, ho, wo, _)) = (image(x_shape), image(y));
    let share = T::of(1.0 / (kernel[0] * kernel[1]) as f64);
    // Windows may overlap: each picture is one task, so that its sums run in one order.
    out.par_chunks_mut(h * w * c).enumerate().for_each(|(n, out)| {
        out.fill(T::ZERO);
        let x = &x[n * h * w * c..][..h * w * c];
        for (i, dy) in dy[n * ho * wo * c..][..ho * wo * c].chunks_exact(c).enumerate() {
            let start = i / wo * stride * w + i % wo * stride;
            let pixels = (0..kernel[0] * kernel[1]).map(|j| start + j / kernel[1] * w + j % kernel[1]);
            for (channel, &dy) in dy.iter().enumerate() {
                match kind {
                    Pooling::Average => pixels.clone().for_each(|p| out[p * c + channel] += share * dy),
                    Pooling::Max => {
                        let mut best = start * c + channel;
                        for p in pixels.clone() {
                            if x[p * c + channel] > x[best] {
                                best = p * c + channel;
                            }
                        }
                        out[best] += dy;
                    }
                }
            }
        }
    });
}
