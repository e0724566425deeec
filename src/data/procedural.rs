//! Pictures that are drawn: dead leaves.
//!
//! Leaves, the discs and polygons of this model, fall on one another until they cover everything. With radii r drawn in
//! proportion to r^-3 the picture looks alike at every scale, and its edges, occlusions and 1/f^2 power spectrum are
//! those of photographs (A. B. Lee, D. Mumford, J. Huang, "Occlusion models for natural images", International Journal
//! of Computer Vision 41, 2001). Networks trained on such pictures learn from them (M. Baradad et al., "Learning to see
//! by looking at noise", 2021). Leaves here also carry stripes, checks, shading and soft noise.

use super::{PairOptions, Pictures, Raster, pair};
use crate::Result;
use rayon::prelude::*;

/// Random numbers from a counter: the numbers of a stream depend on nothing but its key.
pub(super) struct Dice {
    key: [u32; 3],
    drawn: u32,
    lanes: [u32; 4],
}

impl Dice {
    pub(super) fn new(seed: u64, stream: u32) -> Dice {
        Dice { key: [seed as u32, (seed >> 32) as u32, stream], drawn: 0, lanes: [0; 4] }
    }

    pub(super) fn word(&mut self) -> u32 {
        let lane = (self.drawn % 4) as usize;
        if lane == 0 {
            self.lanes = crate::random::pcg4d([self.key[0], self.key[1], self.key[2], self.drawn / 4]);
        }
        self.drawn += 1;
        self.lanes[lane]
    }

    pub(super) fn unit(&mut self) -> f32 {
        crate::random::unit(self.word())
    }

    pub(super) fn between(&mut self, low: f32, high: f32) -> f32 {
        low + (high - low) * self.unit()
    }

    pub(super) fn normal(&mut self) -> f32 {
        crate::random::normal(self.word(), self.word())
    }
}

type Colour = [f32; 3];

/// What a leaf shows inside its edge: two colours, and where each stands.
enum Texture {
    Flat,
    /// From one colour to the other along a direction.
    Shade {
        slope: [f32; 2],
    },
    /// Bands with sharp edges, `wave` radians per pixel along its direction; `cross` makes a check of them.
    Bands {
        wave: [f32; 2],
        sharpness: f32,
        cross: bool,
    },
    /// Three octaves of value noise, the coarsest of `cell` pixels.
    Noise {
        cell: f32,
        seed: u32,
    },
}

struct Leaf {
    centre: [f32; 2],
    /// Radius of the circle around it.
    radius: f32,
    /// Normals and distances of the edges of a convex polygon about the centre; none for a disc.
    edges: Vec<[f32; 3]>,
    /// Width of the edge in pixels: 1 is sharp, more is out of focus.
    softness: f32,
    colours: [Colour; 2],
    texture: Texture,
}

/// Smallest radius, pixels.
const SMALLEST: f32 = 1.5;
/// The leaves' areas together, in areas of the picture.
const LAYERS: f32 = 5.0;

/// Draws an RGB picture of dead leaves: the same seed and size give the same picture on any machine that rounds as IEEE
/// 754 demands and whose `sin`, `cos` and `ln` agree.
pub fn dead_leaves(seed: u64, width: usize, height: usize) -> Raster {
    let mut dice = Dice::new(seed, 0);
    let mut palette = [[0.0; 3]; 6];
    palette.iter_mut().for_each(|entry| *entry = colour(&mut dice));
    let largest = (0.45 * width.max(height) as f32).max(2.0 * SMALLEST);
    let mut canvas: Vec<Colour> = vec![[0.0; 3]; width * height];
    if canvas.is_empty() {
        return Raster { width, height, channels: 3, data: Vec::new() };
    }
    let (area, mut covered) = ((width * height) as f32, 0.0);
    let back = Leaf { centre: [0.0; 2], radius: f32::INFINITY, ..leaf(seed, 1, [0.0; 2], largest, &palette) };
    paint(&mut canvas, width, height, &Leaf { edges: Vec::new(), ..back });
    for number in 2.. {
        if covered >= LAYERS * area {
            break;
        }
        // Inverse of the distribution whose density is proportional to r^-3 between the smallest and largest radius.
        let ratio = SMALLEST / largest;
        let radius = SMALLEST / (1.0 - dice.unit() * (1.0 - ratio * ratio)).sqrt();
        let mut place = |side: usize| dice.between(-radius, side as f32 + radius);
        let centre = [place(width), place(height)];
        let mut leaf = leaf(seed, number, centre, radius, &palette);
        // Small things belong to what they lie on: the smaller the leaf, the more of the colour below it takes on.
        let below = canvas[clamped(centre[1], height) * width + clamped(centre[0], width)];
        let own = (0.3 + 0.2 * (radius / SMALLEST).log2()).min(1.0) * dice.between(0.5, 1.0);
        for colour in &mut leaf.colours {
            *colour = std::array::from_fn(|channel| below[channel] + (colour[channel] - below[channel]) * own);
        }
        covered += leaf.radius * leaf.radius * 2.5;
        paint(&mut canvas, width, height, &leaf);
    }
    let data = canvas.iter().flatten().map(|&value| (value + 0.5) as u8).collect();
    Raster { width, height, channels: 3, data }
}

/// `count` pictures of `side` x `side` pixels, made into pairs. Picture `k` is drawn from `seed + k`.
///
/// Errors as [`Pictures::pack`].
pub fn pictures(seed: u64, count: usize, side: usize, options: &PairOptions) -> Result<Pictures> {
    options.check()?;
    let draw = |index: usize| {
        let truth = dead_leaves(seed.wrapping_add(index as u64), side, side);
        pair(&truth, options, [seed as u32, 0, index as u32])
    };
    let pairs: Vec<_> = (0..count).into_par_iter().map(draw).collect::<Result<_>>()?;
    Pictures::pack(&pairs, options)
}

fn clamped(position: f32, side: usize) -> usize {
    (position.max(0.0) as usize).min(side - 1)
}

/// Any brightness, muted colour: most surfaces are nearly grey.
fn colour(dice: &mut Dice) -> Colour {
    let light = dice.between(15.0, 240.0);
    let (warm, green) = (dice.normal() * 28.0, dice.normal() * 14.0);
    [light + warm, light + green, light - warm].map(|value| value.clamp(0.0, 255.0))
}

fn leaf(seed: u64, number: u32, centre: [f32; 2], radius: f32, palette: &[Colour; 6]) -> Leaf {
    let mut dice = Dice::new(seed, number);
    let tint = |dice: &mut Dice, spread: f32| {
        let base = palette[dice.word() as usize % palette.len()];
        let light = dice.normal() * spread;
        base.map(|value| (value + light + dice.normal() * 0.2 * spread).clamp(0.0, 255.0))
    };
    let first = tint(&mut dice, 30.0);
    let second = if dice.unit() < 0.3 {
        tint(&mut dice, 30.0)
    } else {
        let change = dice.normal() * 45.0;
        first.map(|value| (value + change).clamp(0.0, 255.0))
    };
    let kind = dice.unit();
    let edges = if kind < 0.4 { Vec::new() } else { polygon(&mut dice, radius, kind > 0.85) };
    let angle = dice.between(0.0, std::f32::consts::TAU);
    let direction = [angle.cos(), angle.sin()];
    let texture = match dice.unit() {
        choice if choice < 0.25 || radius < 4.0 => Texture::Flat,
        choice if choice < 0.5 => Texture::Shade { slope: direction.map(|d| d * 0.5 / radius) },
        choice if choice < 0.72 => {
            // Periods from 3 pixels on, short ones more often.
            let period = (3.0 / dice.between(0.1, 1.0)).min(radius.max(3.0));
            let wave = direction.map(|d| d * std::f32::consts::TAU / period);
            Texture::Bands { wave, sharpness: period / std::f32::consts::PI, cross: choice > 0.66 }
        }
        _ => Texture::Noise { cell: dice.between(3.0, 24.0), seed: dice.word() },
    };
    let softness = if dice.unit() < 0.8 { 1.0 } else { dice.between(1.0, 4.0).min(radius) };
    Leaf { centre, radius, edges, softness, colours: [first, second], texture }
}

/// The edges of a polygon of 3 to 6 corners on the circle, or of a thin bar.
fn polygon(dice: &mut Dice, radius: f32, bar: bool) -> Vec<[f32; 3]> {
    let turn = dice.between(0.0, std::f32::consts::TAU);
    if bar {
        let thin = dice.between(0.04, 0.3);
        let (sin, cos) = turn.sin_cos();
        let half = (radius * thin).max(0.5);
        return vec![[cos, sin, radius], [-cos, -sin, radius], [-sin, cos, half], [sin, -cos, half]];
    }
    let corners = 3 + dice.word() as usize % 4;
    let step = std::f32::consts::TAU / corners as f32;
    let angles: Vec<f32> = (0..corners).map(|k| turn + (k as f32 + dice.between(-0.3, 0.3)) * step).collect();
    let edge = |k: usize| {
        let next = angles[(k + 1) % corners] + if k + 1 == corners { std::f32::consts::TAU } else { 0.0 };
        let (middle, half) = ((angles[k] + next) / 2.0, (next - angles[k]) / 2.0);
        [middle.cos(), middle.sin(), radius * half.cos()]
    };
    (0..corners).map(edge).collect()
}

fn paint(canvas: &mut [Colour], width: usize, height: usize, leaf: &Leaf) {
    let reach = leaf.radius + leaf.softness;
    let range = |centre: f32, side: usize| {
        let first = (centre - reach).floor().max(0.0) as usize;
        first.min(side)..((centre + reach).ceil().max(0.0) as usize).min(side)
    };
    for row in range(leaf.centre[1], height) {
        for column in range(leaf.centre[0], width) {
            // Pixel centres lie at halves.
            let (x, y) = (column as f32 + 0.5 - leaf.centre[0], row as f32 + 0.5 - leaf.centre[1]);
            let outside = if leaf.edges.is_empty() {
                (x * x + y * y).sqrt() - leaf.radius
            } else {
                leaf.edges.iter().map(|[nx, ny, d]| nx * x + ny * y - d).fold(f32::NEG_INFINITY, f32::max)
            };
            let cover = (0.5 - outside / leaf.softness).clamp(0.0, 1.0);
            if cover > 0.0 {
                let mix = leaf.texture.at(x, y);
                let pixel = &mut canvas[row * width + column];
                for (channel, value) in pixel.iter_mut().enumerate() {
                    let [first, second] = [leaf.colours[0][channel], leaf.colours[1][channel]];
                    let target = first + (second - first) * mix;
                    *value += (target - *value) * cover;
                }
            }
        }
    }
}

impl Texture {
    /// The share of the second colour at a point relative to the leaf's centre, 0 to 1.
    fn at(&self, x: f32, y: f32) -> f32 {
        match self {
            Texture::Flat => 0.0,
            Texture::Shade { slope: [sx, sy] } => (0.5 + sx * x + sy * y).clamp(0.0, 1.0),
            Texture::Bands { wave: [wx, wy], sharpness, cross } => {
                // About one pixel from band to band: an edge as sharp as a sampled picture can have.
                let band = |phase: f32| (phase.sin() * sharpness).clamp(-1.0, 1.0);
                let along = band(wx * x + wy * y);
                let value = if *cross { along * band(wx * y - wy * x) } else { along };
                0.5 + 0.5 * value
            }
            Texture::Noise { cell, seed } => {
                let octave = |size: f32, seed: u32| lattice(x / size, y / size, seed);
                let sum = octave(*cell, *seed)
                    + 0.5 * octave(cell / 2.1, seed.wrapping_add(1))
                    + 0.35 * octave(cell / 4.3, seed.wrapping_add(2));
                // The mean of the sum is half of 1.85; a little contrast is added.
                (0.5 + 1.2 * (sum / 1.85 - 0.5)).clamp(0.0, 1.0)
            }
        }
    }
}

/// Random values at whole coordinates, smoothly between: 0 to 1.
fn lattice(x: f32, y: f32, seed: u32) -> f32 {
    let (left, top) = (x.floor(), y.floor());
    let corner = |dx: i32, dy: i32| {
        let (i, j) = ((left as i32).wrapping_add(dx) as u32, (top as i32).wrapping_add(dy) as u32);
        crate::random::unit(crate::random::pcg(i.wrapping_mul(0x9e37_79b1) ^ j.wrapping_mul(0x85eb_ca77) ^ seed))
    };
    let smooth = |t: f32| t * t * (3.0 - 2.0 * t);
    let (u, v) = (smooth(x - left), smooth(y - top));
    let upper = corner(0, 0) + (corner(1, 0) - corner(0, 0)) * u;
    let lower = corner(0, 1) + (corner(1, 1) - corner(0, 1)) * u;
    upper + (lower - upper) * v
}
