//! Small classification sets that are drawn, so that a lesson runs without a download.
//!
//! All follow from their seed; rows come with the classes in turn (row `k` is of class `k % classes`), so that the first
//! rows are a fair part of the whole.

use super::procedural::Dice;
use super::{Rows, Samples};
use rayon::prelude::*;
use std::f32::consts::{PI, TAU};

const BLOBS: u32 = 0x424c_4f42;
const SPIRALS: u32 = 0x5350_4952;
const DIGITS: u32 = 0x4447_5453;

/// Points in the plane, one Gaussian cloud of standard deviation `spread` per class, their centres evenly on the unit
/// circle: linearly separable when there are few and `spread` is small. Features `[count, 2]`.
pub fn blobs(seed: u64, count: usize, classes: usize, spread: f32) -> Rows {
    points(seed, BLOBS, count, classes, |class, dice| {
        let angle = TAU * class as f32 / classes as f32;
        [angle.cos() + spread * dice.normal(), angle.sin() + spread * dice.normal()]
    })
}

/// Points in the plane on interleaved spiral arms within the unit circle, one per class, with Gaussian noise of
/// standard deviation `noise`: no straight line separates them. Features `[count, 2]`.
pub fn spirals(seed: u64, count: usize, classes: usize, noise: f32) -> Rows {
    points(seed, SPIRALS, count, classes, |class, dice| {
        let along = dice.unit().sqrt();
        let angle = TAU * class as f32 / classes as f32 + 1.5 * PI * along;
        [along * angle.cos() + noise * dice.normal(), along * angle.sin() + noise * dice.normal()]
    })
}

fn points(
    seed: u64,
    stream: u32,
    count: usize,
    classes: usize,
    mut point: impl FnMut(usize, &mut Dice) -> [f32; 2],
) -> Rows {
    assert!(classes > 0, "no class");
    let mut dice = Dice::new(seed, stream);
    let features = (0..count).flat_map(|index| point(index % classes, &mut dice)).collect();
    rows(Samples::Floats(features), 2, count, classes)
}

fn rows(features: Samples, width: usize, count: usize, classes: usize) -> Rows {
    let targets = (0..count).map(|index| (index % classes) as f32).collect();
    Rows { features, width, targets, target_width: 1, classes: Some(classes) }
}

/// Side of a drawn digit, pixels; that of MNIST.
pub const DIGIT_SIDE: usize = 28;

/// Drawn digits 0 to 9 in MNIST's form: bytes `[count, 28 * 28]`, white strokes on black, turned, sheared, stretched,
/// bent, moved and thickened at random, with some noise.
pub fn digits(seed: u64, count: usize) -> Rows {
    let mut bytes = vec![0; count * DIGIT_SIDE * DIGIT_SIDE];
    bytes.par_chunks_mut(DIGIT_SIDE * DIGIT_SIDE).enumerate().for_each(|(index, picture)| {
        // The number of the picture joins the seed's upper half, so that no two pictures share a stream.
        let mut dice = Dice::new(seed ^ (index as u64).rotate_left(32), DIGITS);
        draw(index % 10, &mut dice, picture);
    });
    rows(Samples::Bytes(bytes), DIGIT_SIDE * DIGIT_SIDE, count, 10)
}

type Point = [f32; 2];

/// The strokes of a digit in the unit square, y downwards.
fn strokes(digit: usize) -> Vec<Vec<Point>> {
    let arc = |cx: f32, cy: f32, rx: f32, ry: f32, from: f32, to: f32| -> Vec<Point> {
        // Angles in turns, clockwise on the page from three o'clock.
        let angle = |k: usize| TAU * (from + (to - from) * k as f32 / 12.0);
        (0..=12).map(|k| [cx + rx * angle(k).cos(), cy + ry * angle(k).sin()]).collect()
    };
    let join = |mut first: Vec<Point>, second: &[Point]| {
        first.extend_from_slice(second);
        vec![first]
    };
    match digit {
        0 => vec![arc(0.5, 0.5, 0.27, 0.4, 0.0, 1.0)],
        1 => vec![vec![[0.36, 0.26], [0.54, 0.1], [0.54, 0.9]]],
        2 => join(arc(0.5, 0.33, 0.25, 0.23, 0.5, 1.08), &[[0.25, 0.9], [0.77, 0.9]]),
        3 => join(arc(0.47, 0.3, 0.24, 0.2, 0.6, 1.25), &arc(0.47, 0.7, 0.27, 0.2, 0.75, 1.4)),
        4 => vec![vec![[0.62, 0.9], [0.62, 0.1], [0.22, 0.64], [0.8, 0.64]]],
        5 => join(vec![[0.73, 0.1], [0.34, 0.1], [0.3, 0.48]], &arc(0.48, 0.65, 0.26, 0.25, 0.68, 1.42)),
        6 => join(vec![[0.64, 0.1], [0.4, 0.3]], &arc(0.5, 0.67, 0.24, 0.23, 0.55, 1.55)),
        7 => vec![vec![[0.22, 0.1], [0.77, 0.1], [0.42, 0.9]]],
        8 => vec![arc(0.5, 0.29, 0.21, 0.19, 0.0, 1.0), arc(0.5, 0.69, 0.25, 0.21, 0.0, 1.0)],
        _ => join(arc(0.5, 0.33, 0.24, 0.23, 0.0, 1.0), &[[0.72, 0.45], [0.6, 0.9]]),
    }
}

fn draw(digit: usize, dice: &mut Dice, picture: &mut [u8]) {
    let side = DIGIT_SIDE as f32;
    let (sin, cos) = (dice.normal() * 0.14).clamp(-0.35, 0.35).sin_cos();
    let shear = (dice.normal() * 0.15).clamp(-0.35, 0.35);
    let (wide, tall) = (dice.between(0.55, 0.85) * side, dice.between(0.65, 0.85) * side);
    let (left, top) = (side / 2.0 + dice.between(-2.0, 2.0), side / 2.0 + dice.between(-2.0, 2.0));
    let (bend, phase) = (dice.between(0.0, 0.05), dice.between(0.0, TAU));
    let thickness = dice.between(1.1, 2.6);
    let brightness = dice.between(180.0, 255.0);
    let place = |[x, y]: Point| -> Point {
        let x = x - 0.5 + bend * (TAU * y + phase).sin() - shear * (y - 0.5);
        let y = y - 0.5;
        [left + (cos * x - sin * y) * wide, top + (sin * x + cos * y) * tall]
    };
    let lines: Vec<[Point; 2]> = strokes(digit)
        .into_iter()
        .flat_map(|stroke| {
            let points: Vec<Point> = stroke.into_iter().map(place).collect();
            points.windows(2).map(|pair| [pair[0], pair[1]]).collect::<Vec<_>>()
        })
        .collect();
    for (at, byte) in picture.iter_mut().enumerate() {
        let point = [(at % DIGIT_SIDE) as f32 + 0.5, (at / DIGIT_SIDE) as f32 + 0.5];
        let nearest = lines.iter().map(|line| square_distance(point, line)).fold(f32::INFINITY, f32::min).sqrt();
        let cover = (0.5 + thickness / 2.0 - nearest).clamp(0.0, 1.0);
        let noise = dice.normal() * 8.0;
        *byte = (cover * brightness + if cover > 0.0 { noise } else { noise - 12.0 }).clamp(0.0, 255.0) as u8;
    }
}

/// Squared distance of a point from a line between two others.
fn square_distance([x, y]: Point, [[ax, ay], [bx, by]]: &[Point; 2]) -> f32 {
    let (dx, dy) = (bx - ax, by - ay);
    let length = dx * dx + dy * dy;
    let share = if length > 0.0 { (((x - ax) * dx + (y - ay) * dy) / length).clamp(0.0, 1.0) } else { 0.0 };
    (x - ax - share * dx).powi(2) + (y - ay - share * dy).powi(2)
}
