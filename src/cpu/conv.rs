//! Convolution in its three passes, as matrix products over bands of rows that stay in the cache.
//!
//! In NHWC the patch under a window is, for each of its rows, one contiguous run of `k * ci` values, and neighbouring
//! patches are `ci` apart. So a band of input rows, copied once with its zero borders, already *is* a patch matrix whose
//! rows overlap: one product per kernel row, no im2col. Where `k * ci` is too short for an efficient product (one to a
//! few channels), or windows stride, the band is copied with its `k` kernel rows interleaved, and one product does all.
//!
//! Positions run over the band's rows without a break; the few that straddle two rows make results that are dropped.

use gemm::Parallelism;
use rayon::prelude::*;

use super::activation::Finish;
use super::matmul::{View, multiply};
use super::parallel::{self, Lanes};
use super::real::Real;
use crate::graph::{Shape, Window};

/// Elements that a band's working set should stay under: half a MiB of f32, which fits most L2 caches.
const BAND: usize = 128 * 1024;

/// Runs shorter than this are interleaved.
const SHORT: usize = 24;

/// Cross-correlation of `[n, h, w, ci]` to `[n, ho, wo, co]`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Geometry {
    n: usize,
    h: usize,
    w: usize,
    ci: usize,
    ho: usize,
    wo: usize,
    co: usize,
    k: usize,
    stride: usize,
    /// Imagined zeros before the first row and column; negative when the window starts inside.
    padding: isize,
}

impl Geometry {
    /// The convolution itself.
    pub fn new(x: Shape, y: Shape, window: Window) -> Self {
        let (n, h, w, ci) = x.image().expect("checked by the graph");
        let (_, ho, wo, co) = y.image().expect("checked by the graph");
        Geometry { n, h, w, ci, ho, wo, co, k: window.kernel, stride: window.stride, padding: window.padding as isize }
    }

    /// For a stride of 1: the convolution of `dy` with flipped weights that yields the input's gradient.
    fn flipped(self) -> Self {
        Geometry {
            h: self.ho,
            w: self.wo,
            ci: self.co,
            ho: self.h,
            wo: self.w,
            co: self.ci,
            padding: self.k as isize - 1 - self.padding,
            ..self
        }
    }

    fn pointwise(&self) -> bool {
        self.k == 1 && self.stride == 1 && self.padding == 0
    }

    /// Whether a band holds, for each output row, all kernel rows interleaved.
    fn interleaved(&self) -> bool {
        self.stride > 1 || self.k * self.ci < SHORT
    }

    /// Kernel rows in a band row.
    fn interleave(&self) -> usize {
        if self.interleaved() { self.k } else { 1 }
    }

    /// Patch positions per band row, the dropped ones included.
    fn positions(&self) -> usize {
        self.wo - 1 + self.k.div_ceil(self.stride)
    }

    /// Rows of the band for `rows` output rows.
    fn band_rows(&self, rows: usize) -> usize {
        if self.interleaved() { rows } else { rows + self.k - 1 }
    }

    /// Elements of one band row.
    fn band_row(&self) -> usize {
        self.positions() * self.stride * self.interleave() * self.ci
    }

    /// Output rows per band.
    fn rows(&self) -> usize {
        let each = self.band_row() + self.positions() * self.co;
        let fit = (BAND / each).max(1);
        // Enough bands to share out, but not so thin that rows are mostly borders.
        fit.min((self.n * self.ho).div_ceil(16).max(4)).min(self.ho)
    }

    /// Elements of the two parts of a thread's working memory: the band, and its products or padded gradients.
    fn band(&self) -> [usize; 2] {
        let rows = self.rows();
        [self.band_rows(rows) * self.band_row(), rows * self.positions() * self.co]
    }

    /// Elements of working memory per thread.
    pub fn lane(&self) -> usize {
        self.band().iter().sum()
    }

    fn weights(&self) -> usize {
        self.k * self.k * self.ci * self.co
    }

    /// Which image and output rows band `i` covers.
    fn cover(&self, i: usize) -> (usize, usize, usize) {
        let (rows, per) = (self.rows(), self.ho.div_ceil(self.rows()));
        let first = i % per * rows;
        (i / per, first, rows.min(self.ho - first))
    }

    fn bands(&self) -> usize {
        self.n * self.ho.div_ceil(self.rows())
    }

    /// Copies what output rows `first..first + rows` of image `image` see, zero borders included.
    fn fill<T: Real>(&self, band: &mut [T], x: &[T], image: usize, first: usize, rows: usize) {
        let (q, ci, width) = (self.interleave(), self.ci, self.positions() * self.stride);
        let x = &x[image * self.h * self.w * ci..][..self.h * self.w * ci];
        let top = (first * self.stride) as isize - self.padding;
        // Columns of the band that lie inside the picture, and the picture's column at the first of them.
        let left = self.padding.max(0) as usize;
        let skip = (-self.padding).max(0) as usize;
        let inside = self.w.saturating_sub(skip).min(width.saturating_sub(left));
        for (r, strip) in band.chunks_exact_mut(self.band_row()).take(self.band_rows(rows)).enumerate() {
            for ky in 0..q {
                let y = top + (r * self.stride + ky) as isize;
                let row = usize::try_from(y).ok().filter(|&y| y < self.h && inside > 0);
                let Some(y) = row else {
                    strip.chunks_exact_mut(ci).skip(ky).step_by(q).for_each(|pixel| pixel.fill(T::ZERO));
                    continue;
                };
                let source = &x[(y * self.w + skip) * ci..][..inside * ci];
                if !self.interleaved() {
                    strip[..left * ci].fill(T::ZERO);
                    strip[left * ci..][..inside * ci].copy_from_slice(source);
                    strip[(left + inside) * ci..].fill(T::ZERO);
                    continue;
                }
                let (before, after) = (left, left + inside);
                for pixel in (0..before).chain(after..width) {
                    strip[(pixel * q + ky) * ci..][..ci].fill(T::ZERO);
                }
                let inner = &mut strip[before * q * ci..after * q * ci];
                if ci == 1 {
                    inner.iter_mut().skip(ky).step_by(q).zip(source).for_each(|(o, &s)| *o = s);
                } else {
                    let pixels = inner.chunks_exact_mut(q * ci).zip(source.chunks_exact(ci));
                    pixels.for_each(|(o, s)| o[ky * ci..][..ci].iter_mut().zip(s).for_each(|(o, &s)| *o = s));
                }
            }
        }
    }

    /// The products of a band: `(offset in the band, offset in the weights, inner extent)` each.
    fn products(&self) -> impl Iterator<Item = (usize, usize, usize)> + use<> {
        let q = self.interleave();
        let run = self.k * q * self.ci;
        let (band_row, step) = (self.band_row(), run * self.co);
        (0..self.k / q).map(move |ky| (ky * band_row, ky * step, run))
    }

    /// Distance of neighbouring patches.
    fn pitch(&self) -> usize {
        self.stride * self.interleave() * self.ci
    }

    /// Positions a band of `rows` output rows computes: the dropped ones after the last row are left out.
    fn count(&self, rows: usize) -> usize {
        (rows - 1) * self.positions() + self.wo
    }

    /// Weights from `[ky, kx, ..]` to `[kx, ky, ..]` or back, for interleaved bands.
    fn transpose<T: Real>(&self, out: &mut [T], w: &[T]) {
        let (k, run) = (self.k, self.ci * self.co);
        for i in 0..k {
            for j in 0..k {
                out[(j * k + i) * run..][..run].copy_from_slice(&w[(i * k + j) * run..][..run]);
            }
        }
    }
}

/// Elements of shared working memory that [`forward`] needs.
pub(super) fn forward_shared(g: &Geometry) -> usize {
    if g.interleaved() { g.weights() } else { 0 }
}

/// `y = x * w`, finished.
pub(super) fn forward<T: Real>(
    y: &mut [T],
    x: &[T],
    w: &[T],
    g: Geometry,
    finish: &Finish<T>,
    lanes: &Lanes<T>,
    shared: &mut [T],
) {
    if g.pointwise() {
        let rows = (BAND / (g.ci + g.co)).clamp(1, (y.len() / g.co).div_ceil(16).max(64));
        return parallel::blocks(y, rows * g.co, |at, block| {
            let pixels = block.len() / g.co;
            let a = View { data: &x[at / g.co * g.ci..], row: g.ci, column: 1 };
            let b = View { data: w, row: g.co, column: 1 };
            multiply((&mut *block, g.co), [pixels, g.co, g.ci], a, b, false, Parallelism::None);
            finish.apply(block, at, g.co);
        });
    }
    let w = if g.interleaved() {
        g.transpose(shared, w);
        &*shared
    } else {
        w
    };
    let image = g.ho * g.wo * g.co;
    let work = |i: usize, y: &mut [T]| {
        let (n, first, rows) = g.cover(i);
        lanes.with(g.lane(), |lane| {
            let (band, products) = lane.split_at_mut(g.band()[0]);
            g.fill(band, x, n, first, rows);
            for (at, weights, run) in g.products() {
                let a = View { data: &band[at..], row: g.pitch(), column: 1 };
                let b = View { data: &w[weights..], row: g.co, column: 1 };
                multiply((products, g.co), [g.count(rows), g.co, run], a, b, at > 0, Parallelism::None);
            }
            let row = g.wo * g.co;
            for (r, out) in y.chunks_exact_mut(row).enumerate() {
                out.copy_from_slice(&products[r * g.positions() * g.co..][..row]);
                finish.apply(out, n * image + (first + r) * row, g.co);
            }
        });
    };
    if g.bands() == 1 {
        return work(0, y);
    }
    // Bands do not cross images, so the last of each may be shorter.
    let band = g.rows() * g.wo * g.co;
    let per = g.ho.div_ceil(g.rows());
    let images = y.par_chunks_mut(image).enumerate();
    images.for_each(|(n, y)| y.par_chunks_mut(band).enumerate().for_each(|(i, y)| work(n * per + i, y)));
}

/// Elements of shared working memory that [`weight_grad`] needs.
pub(super) fn weight_grad_shared(g: &Geometry) -> usize {
    (parallel::PARTS + 1) * g.weights()
}

/// `dw = sum over positions of x^T dy`
pub(super) fn weight_grad<T: Real>(dw: &mut [T], x: &[T], dy: &[T], g: Geometry, lanes: &Lanes<T>, shared: &mut [T]) {
    let (own, partials) = shared.split_at_mut(g.weights());
    if g.pointwise() {
        let pixels = dy.len() / g.co;
        parallel::partial_sums(dw, partials, pixels, 256, |range, sum| {
            let a = View { data: &x[range.start * g.ci..], row: 1, column: g.ci };
            let b = View { data: &dy[range.start * g.co..], row: g.co, column: 1 };
            multiply((sum, g.co), [g.ci, g.co, range.len()], a, b, false, Parallelism::None);
        });
        return;
    }
    let out: &mut [T] = if g.interleaved() { own } else { &mut *dw };
    let grain = g.bands().div_ceil(16);
    parallel::partial_sums(out, partials, g.bands(), grain, |bands, sum| {
        lanes.with(g.lane(), |lane| {
            let (band, padded) = lane.split_at_mut(g.band()[0]);
            for i in bands {
                let (n, first, rows) = g.cover(i);
                g.fill(band, x, n, first, rows);
                let row = g.wo * g.co;
                let dy = &dy[(n * g.ho + first) * row..][..rows * row];
                // Positions that straddle two rows get no gradient.
                for (out, dy) in padded.chunks_exact_mut(g.positions() * g.co).zip(dy.chunks_exact(row)) {
                    out[..row].copy_from_slice(dy);
                    out[row..].fill(T::ZERO);
                }
                for (at, weights, run) in g.products() {
                    let a = View { data: &band[at..], row: 1, column: g.pitch() };
                    let b = View { data: &*padded, row: g.co, column: 1 };
                    let sum = &mut sum[weights..][..run * g.co];
                    multiply((sum, g.co), [run, g.co, g.count(rows)], a, b, true, Parallelism::None);
                }
            }
        });
    });
    if g.interleaved() {
        g.transpose(dw, own);
    }
}

/// Elements of shared working memory that [`input_grad`] needs.
pub(super) fn input_grad_shared(g: &Geometry) -> usize {
    if g.stride == 1 { g.weights() + forward_shared(&g.flipped()) } else { 0 }
}

/// Elements of working memory per thread that [`input_grad`] needs.
pub(super) fn input_grad_lane(g: &Geometry) -> usize {
    if g.stride == 1 { g.flipped().lane() } else { g.scatter_rows().1 * g.wo * g.k * g.k * g.ci }
}

impl Geometry {
    /// For scattering: rows of the input per band, and the most rows of `dy` that reach into one.
    fn scatter_rows(&self) -> (usize, usize) {
        let row = self.wo * self.k * self.k * self.ci;
        let halo = self.k.div_ceil(self.stride);
        let rows = (2 * BAND / row).max(4 * halo).min(self.ho) * self.stride;
        let rows = rows.min(self.h);
        (rows, (rows.div_ceil(self.stride) + halo).min(self.ho))
    }

    /// The rows of `dy` that reach input rows `first..last`.
    fn reach(&self, first: usize, last: usize) -> std::ops::Range<usize> {
        let p = self.padding as usize;
        let from = (first + p + 1).saturating_sub(self.k).div_ceil(self.stride).min(self.ho);
        from..((last - 1 + p) / self.stride + 1).clamp(from, self.ho)
    }
}

/// `dx`, the adjoint of [`forward`] in `x`, finished. It also is the transposed convolution.
pub(super) fn input_grad<T: Real>(
    dx: &mut [T],
    dy: &[T],
    w: &[T],
    g: Geometry,
    finish: &Finish<T>,
    lanes: &Lanes<T>,
    shared: &mut [T],
) {
    if g.stride == 1 {
        let (flipped, rest) = shared.split_at_mut(g.weights());
        let (ci, co) = (g.ci, g.co);
        for (i, out) in flipped.chunks_exact_mut(ci * co).enumerate() {
            let w = &w[(g.k * g.k - 1 - i) * ci * co..][..ci * co];
            for (o, out) in out.chunks_exact_mut(ci).enumerate() {
                out.iter_mut().zip(w[o..].iter().step_by(co)).for_each(|(out, &w)| *out = w);
            }
        }
        return forward(dx, dy, flipped, g.flipped(), finish, lanes, rest);
    }
    let (image, row, patch) = (g.h * g.w * g.ci, g.w * g.ci, g.k * g.k * g.ci);
    let (rows, _) = g.scatter_rows();
    let work = |n: usize, band: usize, dx: &mut [T]| {
        let first = band * rows;
        let sources = g.reach(first, first + dx.len() / row);
        lanes.with(sources.len() * g.wo * patch, |patches| {
            dx.fill(T::ZERO);
            if !sources.is_empty() {
                let a = View { data: &dy[(n * g.ho + sources.start) * g.wo * g.co..], row: g.co, column: 1 };
                let b = View { data: w, row: 1, column: g.co };
                let extents = [sources.len() * g.wo, patch, g.co];
                multiply((&mut *patches, patch), extents, a, b, false, Parallelism::None);
                g.scatter(dx, patches, first, sources);
            }
            finish.apply(dx, n * image + first * row, g.ci);
        });
    };
    let images = dx.par_chunks_mut(image).enumerate();
    images.for_each(|(n, dx)| dx.par_chunks_mut(rows * row).enumerate().for_each(|(i, dx)| work(n, i, dx)));
}

impl Geometry {
    /// Adds each patch to where its window lay, as far as that is in the band of `dx` that starts at row `first`.
    fn scatter<T: Real>(&self, dx: &mut [T], patches: &[T], first: usize, sources: std::ops::Range<usize>) {
        let (ci, k, row) = (self.ci, self.k, self.w * self.ci);
        let last = first + dx.len() / row;
        for (i, oy) in sources.enumerate() {
            for ky in 0..k {
                let y = (oy * self.stride + ky) as isize - self.padding;
                let Some(y) = usize::try_from(y).ok().filter(|y| (first..last).contains(y)) else { continue };
                let out = &mut dx[(y - first) * row..][..row];
                for ox in 0..self.wo {
                    let x = (ox * self.stride) as isize - self.padding;
                    let skip = (-x).max(0) as usize;
                    let end = k.min((self.w as isize - x).max(0) as usize);
                    if skip >= end {
                        continue;
                    }
                    let patch = &patches[((i * self.wo + ox) * k + ky) * k * ci..][skip * ci..end * ci];
                    let at = (x + skip as isize) as usize * ci;
                    out[at..][..patch.len()].iter_mut().zip(patch).for_each(|(o, &p)| *o += p);
                }
            }
        }
    }
}
