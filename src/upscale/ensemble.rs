//! Geometric self-ensemble (Timofte et al. 2016): the mean over the eight flips and rotations.

use crate::Result;
use crate::image::Plane;

/// Number of flips and rotations.
const TURNS: usize = 8;

/// Runs `enlarge` on every turned copy, turns the results back and averages them.
pub(super) fn average(planes: &[Plane], mut enlarge: impl FnMut(&[Plane]) -> Result<Vec<Plane>>) -> Result<Vec<Plane>> {
    let mut sum: Option<Vec<Plane>> = None;
    for turn in 0..TURNS {
        let turned: Vec<Plane> = planes.iter().map(|p| forth(p, turn)).collect();
        let results = enlarge(&turned)?;
        let back: Vec<Plane> = results.iter().map(|p| back(p, turn)).collect();
        match &mut sum {
            None => sum = Some(back),
            Some(sum) => {
                for (total, part) in sum.iter_mut().zip(&back) {
                    total.data.iter_mut().zip(&part.data).for_each(|(t, p)| *t += p);
                }
            }
        }
    }
    let mut planes = sum.unwrap_or_default();
    planes.iter_mut().flat_map(|p| &mut p.data).for_each(|v| *v /= TURNS as f32);
    Ok(planes)
}

/// Transposes for bit 2, then mirrors columns for bit 0 and rows for bit 1.
fn forth(plane: &Plane, turn: usize) -> Plane {
    let plane = if turn & 4 != 0 { transposed(plane) } else { plane.clone() };
    mirrored(&plane, turn)
}

fn back(plane: &Plane, turn: usize) -> Plane {
    let plane = mirrored(plane, turn);
    if turn & 4 != 0 { transposed(&plane) } else { plane }
}

fn transposed(plane: &Plane) -> Plane {
    Plane::from_fn(plane.height, plane.width, |x, y| plane.at(y, x))
}

fn mirrored(plane: &Plane, turn: usize) -> Plane {
    let (w, h) = (plane.width, plane.height);
    let column = |x| if turn & 1 != 0 { w - 1 - x } else { x };
    let row = |y| if turn & 2 != 0 { h - 1 - y } else { y };
    Plane::from_fn(w, h, |x, y| plane.at(column(x), row(y)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_turn_is_undone_and_no_two_are_alike() {
        let plane = Plane::from_fn(3, 2, |x, y| (x + 3 * y) as f32);
        let turned: Vec<Plane> = (0..TURNS).map(|t| forth(&plane, t)).collect();
        for (t, one) in turned.iter().enumerate() {
            assert_eq!(back(one, t), plane);
            assert!(turned[..t].iter().all(|other| other != one));
        }
    }
}
