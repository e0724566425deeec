//! PSNR and SSIM of planes in units of 0..=255.

use super::Plane;
use crate::{Error, Result};
use rayon::prelude::*;

/// A picture's figures against its ground truth.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Score {
    /// Peak signal-to-noise ratio, dB; infinite for equal pictures.
    pub psnr: f64,
    /// Structural similarity, 1 for equal pictures.
    pub ssim: f64,
}

/// Side of the SSIM window.
pub const SSIM_WINDOW: usize = 11;

/// Peak signal-to-noise ratio, `10 log10(255^2 / mean((a - b)^2))` dB; infinite if the planes are equal.
///
/// # Panics
/// When the planes differ in size.
pub fn psnr(a: &Plane, b: &Plane) -> f64 {
    assert_eq!((a.width, a.height), (b.width, b.height), "planes differ in size");
    // Sums per row, then over rows in order: the same figure whatever the number of threads.
    let rows: Vec<f64> = a
        .data
        .par_chunks(a.width.max(1))
        .zip(b.data.par_chunks(a.width.max(1)))
        .with_min_len(16)
        .map(|(a, b)| a.iter().zip(b).map(|(&a, &b)| (f64::from(a) - f64::from(b)).powi(2)).sum())
        .collect();
    let mean = rows.iter().sum::<f64>() / a.data.len() as f64;
    if mean == 0.0 { f64::INFINITY } else { 10.0 * (255.0f64.powi(2) / mean).log10() }
}

/// Structural similarity after Wang, Bovik, Sheikh, Simoncelli 2004 (`ssim_index.m`): 11x11 Gaussian window, sigma 1.5,
/// K = 0.01 and 0.03, L = 255, mean over the positions at which the window lies inside the picture, no downsampling.
///
/// # Errors
/// When the planes are smaller than the window or differ in size.
pub fn ssim(a: &Plane, b: &Plane) -> Result<f64> {
    if (a.width, a.height) != (b.width, b.height) {
        return Err(Error::input(format!("SSIM of {}x{} against {}x{} pixels", a.width, a.height, b.width, b.height)));
    }
    if a.width < SSIM_WINDOW || a.height < SSIM_WINDOW {
        return Err(Error::input(format!(
            "SSIM needs at least {SSIM_WINDOW}x{SSIM_WINDOW} pixels, and there are {}x{}",
            a.width, a.height
        )));
    }
    let window = gaussian();
    let (out_width, out_height) = (a.width - SSIM_WINDOW + 1, a.height - SSIM_WINDOW + 1);
    let rows: Vec<f64> = (0..out_height)
        .into_par_iter()
        .map_init(
            || [(); 5].map(|()| vec![0.0f64; a.width]),
            |columns, y| {
                vertical(a, b, y, &window, columns);
                let column = |k: usize, x: usize| -> f64 {
                    columns[k][x..x + SSIM_WINDOW].iter().zip(&window).map(|(v, g)| v * g).sum()
                };
                (0..out_width).map(|x| similarity(std::array::from_fn(|k| column(k, x)))).sum()
            },
        )
        .collect();
    Ok(rows.iter().sum::<f64>() / (out_width * out_height) as f64)
}

/// The window's columns at row `y`: weighted sums of a, b, a*a, b*b and a*b over 11 rows.
fn vertical(a: &Plane, b: &Plane, y: usize, window: &[f64; SSIM_WINDOW], columns: &mut [Vec<f64>; 5]) {
    let [sum_a, sum_b, sum_aa, sum_bb, sum_ab] = columns;
    for sums in [&mut *sum_a, &mut *sum_b, &mut *sum_aa, &mut *sum_bb, &mut *sum_ab] {
        sums.fill(0.0);
    }
    for (row, &weight) in window.iter().enumerate() {
        let samples = a.row(y + row).iter().zip(b.row(y + row));
        let moments =
            sum_a.iter_mut().zip(sum_b.iter_mut()).zip(sum_aa.iter_mut().zip(sum_bb.iter_mut()).zip(sum_ab.iter_mut()));
        for ((&va, &vb), ((ma, mb), ((maa, mbb), mab))) in samples.zip(moments) {
            let (va, vb) = (f64::from(va), f64::from(vb));
            *ma += weight * va;
            *mb += weight * vb;
            *maa += weight * va * va;
            *mbb += weight * vb * vb;
            *mab += weight * va * vb;
        }
    }
}

/// The formula of SSIM for one window, from the means of a, b, a*a, b*b and a*b.
fn similarity([mean_a, mean_b, aa, bb, ab]: [f64; 5]) -> f64 {
    let (c1, c2) = ((0.01f64 * 255.0).powi(2), (0.03f64 * 255.0).powi(2));
    let (variance_a, variance_b) = (aa - mean_a * mean_a, bb - mean_b * mean_b);
    let covariance = ab - mean_a * mean_b;
    ((2.0 * mean_a * mean_b + c1) * (2.0 * covariance + c2))
        / ((mean_a * mean_a + mean_b * mean_b + c1) * (variance_a + variance_b + c2))
}

/// One axis of MATLAB's `fspecial('gaussian', 11, 1.5)`.
fn gaussian() -> [f64; SSIM_WINDOW] {
    let centre = (SSIM_WINDOW / 2) as f64;
    let weights: [f64; SSIM_WINDOW] = std::array::from_fn(|i| (-(i as f64 - centre).powi(2) / (2.0 * 1.5 * 1.5)).exp());
    let total: f64 = weights.iter().sum();
    weights.map(|w| w / total)
}

/// `plane` without `border` samples at each edge.
///
/// # Errors
/// When nothing would be left.
pub fn shave(plane: &Plane, border: usize) -> Result<Plane> {
    if plane.width <= 2 * border || plane.height <= 2 * border {
        return Err(Error::input(format!(
            "a picture of {}x{} pixels is too small to leave out {border} at each border",
            plane.width, plane.height
        )));
    }
    Ok(plane.crop(border, border, plane.width - 2 * border, plane.height - 2 * border))
}

/// PSNR and SSIM with `border` samples left out at each edge.
///
/// # Errors
/// As [`ssim`] and [`shave`].
pub fn score(a: &Plane, b: &Plane, border: usize) -> Result<Score> {
    let (a, b) = (shave(a, border)?, shave(b, border)?);
    // SSIM first: it reports a difference in size as an error.
    let ssim = ssim(&a, &b)?;
    Ok(Score { psnr: psnr(&a, &b), ssim })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn noise(seed: usize) -> Plane {
        Plane::from_fn(40, 30, |x, y| ((x * 7919 + y * 104_729 + seed * 31 + x * y * 13) % 256) as f32)
    }

    #[test]
    fn equal_planes() {
        assert_eq!(psnr(&noise(1), &noise(1)), f64::INFINITY);
        assert!((ssim(&noise(1), &noise(1)).unwrap() - 1.0).abs() < 1e-12);
    }

    #[test]
    fn psnr_of_a_known_error() {
        let plane = noise(1);
        let off = Plane { data: plane.data.iter().map(|v| v + 1.0).collect(), ..plane };
        assert!((psnr(&plane, &off) - 48.130_803_608_679_1).abs() < 1e-9);
    }

    #[test]
    fn ssim_of_constant_planes_is_its_luminance_term() {
        let (a, b) = (Plane::filled(11, 11, 100.0), Plane::filled(11, 11, 110.0));
        let c1 = 2.55f64 * 2.55;
        let expected = (2.0 * 100.0 * 110.0 + c1) / (100.0 * 100.0 + 110.0 * 110.0 + c1);
        assert!((ssim(&a, &b).unwrap() - expected).abs() < 1e-9);
    }

    #[test]
    fn a_difference_shows_and_nan_is_not_hidden() {
        let value = ssim(&noise(1), &noise(90)).unwrap();
        assert!(value < 0.9, "{value}");
        let mut bad = noise(1);
        bad.data[77] = f32::NAN;
        assert!(psnr(&noise(1), &bad).is_nan() && ssim(&noise(1), &bad).unwrap().is_nan());
    }

    #[test]
    fn too_small_or_unequal_is_an_error() {
        assert!(
            ssim(&Plane::filled(10, 20, 0.0), &Plane::filled(10, 20, 0.0)).unwrap_err().to_string().contains("11x11")
        );
        assert!(score(&Plane::filled(20, 20, 0.0), &Plane::filled(21, 20, 0.0), 2).is_err());
        assert!(shave(&Plane::filled(8, 20, 0.0), 4).is_err());
        assert_eq!(shave(&noise(1), 3).unwrap(), noise(1).crop(3, 3, 34, 24));
    }
}
