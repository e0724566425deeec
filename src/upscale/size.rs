//! How large a picture is to become, and by which passes.

use crate::{Error, Result};

/// The largest enlargement.
pub const LARGEST: f64 = 16.0;

/// How large pictures are to become.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Size {
    /// So many times as wide and high, 1 to [`LARGEST`].
    Factor(f64),
    /// So many pixels wide.
    Width(usize),
    /// So many pixels high.
    Height(usize),
    /// As large as fits into a width and a height.
    Fit(usize, usize),
}

impl Size {
    /// Width and height of what a picture of a width and height becomes; its shape stays, but for a fraction of a pixel.
    ///
    /// # Errors
    /// When that is smaller than the picture, or larger than [`LARGEST`] times.
    pub fn of(self, [width, height]: [usize; 2]) -> Result<[usize; 2]> {
        let (w, h) = (width as f64, height as f64);
        let factor = match self {
            Size::Factor(factor) => factor,
            Size::Width(to) => to as f64 / w,
            Size::Height(to) => to as f64 / h,
            Size::Fit(to, high) => (to as f64 / w).min(high as f64 / h),
        };
        let size = match self {
            Size::Width(to) => [to, (h * factor).round() as usize],
            Size::Height(to) => [(w * factor).round() as usize, to],
            Size::Factor(_) | Size::Fit(..) => [(w * factor).round() as usize, (h * factor).round() as usize],
        };
        if !(1.0..=LARGEST).contains(&factor) {
            let [to, high] = size;
            return Err(Error::input(format!(
                "{width}x{height} to {to}x{high} is {factor:.2} times: pictures are enlarged 1 to {LARGEST} times"
            )));
        }
        Ok(size)
    }
}

/// The passes of networks, as indices of `scales`, whose product is the least that is no less than `factor`; fewest passes
/// first, then small enlargements first, which leaves the least to compute. None for 1.
///
/// # Errors
/// When no passes reach it.
pub(super) fn passes(scales: &[usize], factor: f64) -> Result<Vec<usize>> {
    let mut found: Vec<Vec<usize>> = vec![Vec::new()];
    let mut at = 0;
    while at < found.len() {
        let product: usize = found[at].iter().map(|&i| scales[i]).product();
        let least = found[at].last().map_or(0, |&last| scales[last]);
        if (product as f64) < factor - 1e-9 {
            for (i, &scale) in scales.iter().enumerate().filter(|&(_, &scale)| scale >= least.max(2)) {
                debug_assert!(scale > 1);
                let mut longer = found[at].clone();
                longer.push(i);
                found.push(longer);
            }
        }
        at += 1;
    }
    let product = |passes: &Vec<usize>| passes.iter().map(|&i| scales[i]).product::<usize>();
    let reaching = found.into_iter().filter(|passes| product(passes) as f64 >= factor - 1e-9);
    reaching
        .min_by_key(|passes| (product(passes), passes.len()))
        .ok_or_else(|| Error::input(format!("no passes of these networks enlarge {factor} times")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passes_reach_the_next_whole_factor() {
        let scales = [2, 3, 4];
        let of = |factor: f64| passes(&scales, factor).unwrap().iter().map(|&i| scales[i]).collect::<Vec<_>>();
        let cases: [(f64, &[usize]); 9] = [
            (1.0, &[]),
            (1.5, &[2]),
            (2.0, &[2]),
            (2.5, &[3]),
            (4.0, &[4]),
            (5.0, &[2, 3]),
            (8.0, &[2, 4]),
            (9.0, &[3, 3]),
            (16.0, &[4, 4]),
        ];
        for (factor, expected) in cases {
            assert_eq!(of(factor), expected, "{factor}");
        }
        assert_eq!(passes(&[2], 3.0).unwrap(), [0, 0]);
    }

    #[test]
    fn sizes_keep_the_shape() {
        assert_eq!(Size::Factor(1.5).of([101, 67]).unwrap(), [152, 101]);
        assert_eq!(Size::Width(300).of([100, 67]).unwrap(), [300, 201]);
        assert_eq!(Size::Height(201).of([100, 67]).unwrap(), [300, 201]);
        assert_eq!(Size::Fit(1000, 134).of([100, 67]).unwrap(), [200, 134]);
        assert!(Size::Width(99).of([100, 67]).unwrap_err().to_string().contains("1 to 16"));
        assert!(Size::Factor(17.0).of([100, 67]).is_err());
    }
}
