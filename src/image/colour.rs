//! BT.601 studio-range colour, with the constants of MATLAB's `rgb2ycbcr` and `ycbcr2rgb` (Poynton, "A Technical
//! Introduction to Digital Video", ch. 9): Y is 16..=235, Cb and Cr are 16..=240 around 128, for RGB in 0..=255.

use super::plane::round_to_byte;
use super::{Picture, Plane};
use rayon::prelude::*;

/// Rows Y, Cb, Cr over columns R, G, B; divided by 255 where used.
const FORWARD: [[f64; 3]; 3] = [[65.481, 128.553, 24.966], [-37.797, -74.203, 112.0], [112.0, -93.786, -18.214]];
const OFFSET: [f64; 3] = [16.0, 128.0, 128.0];

/// Luma rounded to 8 bits: MATLAB's `rgb2ycbcr` for `uint8` pictures. A grey picture's plane passes as it stands, rounded.
pub fn luma(picture: &Picture) -> Plane {
    match &picture.planes[..] {
        [grey] => grey.to_eight_bits(),
        planes => combine(planes, |rgb| round_to_byte(component(0, rgb))),
    }
}

/// Luma without rounding; 16-bit pictures keep their precision. A grey picture's plane passes as it stands.
pub fn luma_unrounded(picture: &Picture) -> Plane {
    match &picture.planes[..] {
        [grey] => grey.clone(),
        planes => combine(planes, |rgb| component(0, rgb)),
    }
}

/// The planes Y, Cb, Cr of an RGB picture, not rounded; a grey picture's one plane passes as it stands.
pub fn to_ycbcr(picture: &Picture) -> Vec<Plane> {
    match &picture.planes[..] {
        [grey] => vec![grey.clone()],
        planes => (0..3).map(|row| combine(planes, |rgb| component(row, rgb))).collect(),
    }
}

/// The planes R, G, B of Y, Cb, Cr: the inverse of [`to_ycbcr`], neither rounded nor saturated. One plane passes as it stands.
///
/// # Panics
/// When there are neither 1 nor 3 planes, or their sizes differ.
pub fn to_rgb(planes: &[Plane]) -> Vec<Plane> {
    match planes {
        [grey] => vec![grey.clone()],
        [_, _, _] => {
            let inverse = inverse(FORWARD);
            let row = |row: usize| {
                combine(planes, |ycc| 255.0 * (0..3).map(|i| inverse[row][i] * (ycc[i] - OFFSET[i])).sum::<f64>())
            };
            (0..3).map(row).collect()
        }
        _ => panic!("{} planes are neither grey nor YCbCr", planes.len()),
    }
}

/// Y, or Cb and Cr, of rows of R, G and B, in f32: what a stream of rows is converted by.
pub(crate) fn component_row(which: usize, [r, g, b]: [&[f32]; 3], out: &mut [f32]) {
    let [wr, wg, wb] = FORWARD[which].map(|w| (w / 255.0) as f32);
    let offset = OFFSET[which] as f32;
    for (((out, &r), &g), &b) in out.iter_mut().zip(r).zip(g).zip(b) {
        *out = offset + (wr * r + wg * g + wb * b);
    }
}

/// The way back from Y, Cb and Cr for rows of f32.
pub(crate) struct Inverse([[f32; 3]; 3]);

impl Inverse {
    pub fn new() -> Inverse {
        Inverse(inverse(FORWARD).map(|row| row.map(|w| (255.0 * w) as f32)))
    }

    /// Takes rows of Y, Cb and Cr to R, G and B in place, saturated.
    pub fn rows(&self, y: &mut [f32], cb: &mut [f32], cr: &mut [f32]) {
        let [red, green, blue] = self.0;
        let [luma, first, second] = OFFSET.map(|o| o as f32);
        for ((y, cb), cr) in y.iter_mut().zip(cb).zip(cr) {
            let (l, b, r) = (*y - luma, *cb - first, *cr - second);
            let channel = |w: [f32; 3]| (w[0] * l + w[1] * b + w[2] * r).clamp(0.0, 255.0);
            (*y, *cb, *cr) = (channel(red), channel(green), channel(blue));
        }
    }
}

/// One of Y, Cb, Cr.
fn component(row: usize, [r, g, b]: [f64; 3]) -> f64 {
    let weights = FORWARD[row];
    OFFSET[row] + (weights[0] * r + weights[1] * g + weights[2] * b) / 255.0
}

fn combine(planes: &[Plane], f: impl Fn([f64; 3]) -> f64 + Sync) -> Plane {
    let [a, b, c] = planes else { panic!("{} planes instead of 3", planes.len()) };
    assert!([b, c].iter().all(|p| (p.width, p.height) == (a.width, a.height)), "planes differ in size");
    let samples = a.data.par_iter().zip(&b.data).zip(&c.data).with_min_len(1 << 14);
    let data = samples.map(|((&a, &b), &c)| f([a, b, c].map(f64::from)) as f32).collect();
    Plane { width: a.width, height: a.height, data }
}

/// The inverse of a 3x3 matrix: transposed cofactors over the determinant.
fn inverse(m: [[f64; 3]; 3]) -> [[f64; 3]; 3] {
    let cofactor = |row: usize, column: usize| {
        let (r1, r2, c1, c2) = ((row + 1) % 3, (row + 2) % 3, (column + 1) % 3, (column + 2) % 3);
        m[r1][c1] * m[r2][c2] - m[r1][c2] * m[r2][c1]
    };
    let determinant: f64 = (0..3).map(|column| m[0][column] * cofactor(0, column)).sum();
    std::array::from_fn(|row| std::array::from_fn(|column| cofactor(column, row) / determinant))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pixel(rgb: [f32; 3]) -> Picture {
        Picture::new(rgb.iter().map(|&v| Plane::filled(1, 1, v)).collect())
    }

    #[test]
    fn luma_of_known_colours() {
        // MATLAB: rgb2ycbcr(uint8(cat(3, 255, 0, 0))) and so on.
        let cases = [([0.0; 3], 16.0), ([255.0; 3], 235.0), ([255.0, 0.0, 0.0], 81.0), ([0.0, 255.0, 0.0], 145.0)];
        for (rgb, y) in cases.into_iter().chain([([0.0, 0.0, 255.0], 41.0), ([100.0; 3], 102.0)]) {
            assert_eq!(luma(&pixel(rgb)).data, [y], "{rgb:?}");
        }
        assert!((luma_unrounded(&pixel([255.0, 0.0, 0.0])).data[0] - 81.481).abs() < 1e-4);
    }

    #[test]
    fn chroma_of_known_colours() {
        let ycc = to_ycbcr(&pixel([0.0, 0.0, 255.0]));
        assert!((ycc[1].data[0] - 240.0).abs() < 1e-4 && (ycc[2].data[0] - 109.786).abs() < 1e-3);
        let grey = to_ycbcr(&pixel([77.0; 3]));
        // MATLAB's rows sum to 0 within 1e-15 for Cb and Cr: a neutral colour has no chroma.
        assert!((grey[1].data[0] - 128.0).abs() < 1e-4 && (grey[2].data[0] - 128.0).abs() < 1e-4);
    }

    #[test]
    fn ycbcr_and_back_is_the_identity() {
        let channel = |k: usize| Plane::from_fn(16, 16, |x, y| ((x * 17 + y * 5 * k + 40 * k) % 256) as f32);
        let picture = Picture::new(vec![channel(0), channel(1), channel(2)]);
        let back = to_rgb(&to_ycbcr(&picture));
        for (before, after) in picture.planes.iter().zip(&back) {
            assert!(before.data.iter().zip(&after.data).all(|(a, b)| (a - b).abs() < 1e-3));
        }
    }

    #[test]
    fn rows_of_f32_agree_with_planes() {
        let channel = |k: usize| Plane::from_fn(16, 16, |x, y| ((x * 17 + y * 5 * k + 40 * k) % 256) as f32);
        let picture = Picture::new(vec![channel(0), channel(1), channel(2)]);
        let ycc = to_ycbcr(&picture);
        let rgb = [0, 1, 2].map(|k| &picture.planes[k].data[..]);
        let mut rows = [0, 1, 2].map(|which| {
            let mut row = vec![0.0; 256];
            component_row(which, rgb, &mut row);
            row
        });
        let close = |a: &[f32], b: &[f32]| a.iter().zip(b).all(|(a, b)| (a - b).abs() < 1e-3);
        assert!((0..3).all(|k| close(&rows[k], &ycc[k].data)));
        let [y, cb, cr] = &mut rows;
        Inverse::new().rows(y, cb, cr);
        assert!((0..3).all(|k| close(&rows[k], &picture.planes[k].data)));
    }

    #[test]
    fn grey_passes_unchanged() {
        let grey = Picture::new(vec![Plane::from_fn(4, 1, |x, _| x as f32 * 50.0)]);
        assert_eq!(luma(&grey), grey.planes[0]);
        assert_eq!(to_rgb(&to_ycbcr(&grey)), grey.planes);
    }
}
