//! Every form of every contraction against a plain loop in f64.

use super::cases::{Behind, ContractionCase, convolution, product};
use super::harness::Gpu;
use super::{Class, Tile, tiles};
use crate::graph::{Epilogue, Op, Window};
use crate::random::Draws;

/// Every tile of a class, some cases each; some drivers compile for long, so a kernel is made few times. These cases are
/// the same in every run, so that the driver's cache serves; [`contractions_on_fresh_draws`] has others each time.
fn every_tile(class: Class, make: impl FnMut(&mut Draws) -> ContractionCase) {
    draws(class, 2, 1, make);
}

/// `cases` for every tile of a class, drawn from `seed` on.
fn draws(class: Class, cases: usize, seed: u64, mut make: impl FnMut(&mut Draws) -> ContractionCase) {
    let Some(gpu) = Gpu::open() else { return };
    let mut random = Draws::new(seed);
    for &tile in tiles(Op::MatMul { ta: false, tb: false }, class) {
        for _ in 0..cases {
            let case = make(&mut random);
            let got = case.run(&gpu, class, Some(tile));
            case.check(&got, &format!("{} (seed {seed})", tile.name()));
        }
    }
}

/// `WGRAD_CASES` for each tile and form; `PROPTEST_RNG_SEED` draws a failure's cases again.
#[test]
#[ignore = "compiles hundreds of kernels; .ci/full runs it"]
fn contractions_on_fresh_draws() {
    let number = |name: &str| std::env::var(name).ok().and_then(|n| n.parse().ok());
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("after 1970");
    let seed = number("PROPTEST_RNG_SEED").unwrap_or(now.as_nanos() as u64);
    let cases = number("WGRAD_CASES").unwrap_or(6) as usize;
    for class in [Class::Software, Class::Hardware] {
        draws(class, cases, seed, product);
        (0..3).for_each(|kind| draws(class, cases, seed, |random| convolution(random, kind)));
    }
}

#[test]
fn software_products_equal_the_loop() {
    every_tile(Class::Software, product);
}

#[test]
fn software_convolutions_equal_the_loop() {
    every_tile(Class::Software, |random| convolution(random, 0));
}

#[test]
fn software_input_gradients_equal_the_loop() {
    every_tile(Class::Software, |random| convolution(random, 1));
}

#[test]
fn software_weight_gradients_equal_the_loop() {
    every_tile(Class::Software, |random| convolution(random, 2));
}

#[test]
fn hardware_products_equal_the_loop() {
    every_tile(Class::Hardware, product);
}

#[test]
fn hardware_convolutions_equal_the_loop() {
    every_tile(Class::Hardware, |random| convolution(random, 0));
}

#[test]
fn hardware_input_gradients_equal_the_loop() {
    every_tile(Class::Hardware, |random| convolution(random, 1));
}

#[test]
fn hardware_weight_gradients_equal_the_loop() {
    every_tile(Class::Hardware, |random| convolution(random, 2));
}

/// As `every_tile`, on the device's matrix unit.
fn every_matrix_tile(mut make: impl FnMut(&mut Draws) -> ContractionCase) {
    if let Some(class) = Gpu::open().and_then(|gpu| gpu.matrix()) {
        every_tile(class, |random| make(random).narrow());
    }
}

#[test]
fn products_on_matrix_units_equal_the_loop() {
    every_matrix_tile(product);
}

#[test]
fn convolutions_on_matrix_units_equal_the_loop() {
    every_matrix_tile(|random| convolution(random, 0));
}

#[test]
fn input_gradients_on_matrix_units_equal_the_loop() {
    every_matrix_tile(|random| convolution(random, 1));
}

#[test]
fn weight_gradients_on_matrix_units_equal_the_loop() {
    every_matrix_tile(|random| convolution(random, 2));
}

#[test]
fn matrix_units_saturate_what_f16_cannot_hold_and_keep_what_is_not_finite() {
    let Some(gpu) = Gpu::open() else { return };
    let Some(class) = gpu.matrix() else { return };
    let mut case = ContractionCase::new(
        &mut Draws::new(5),
        Op::MatMul { ta: false, tb: false },
        &[&[16, 32], &[32, 16]],
        Behind::default(),
    );
    case.inputs[0].1.fill(0.0);
    case.inputs[1].1.fill(1.0);
    case.inputs[0].1[..32].fill(1e6);
    case.inputs[0].1[33] = f32::NAN;
    case.inputs[0].1[65] = f32::INFINITY;
    for &tile in tiles(case.step.op, class) {
        let got = case.run(&gpu, class, Some(tile));
        assert_eq!(got[0], 32.0 * 65504.0, "{}", tile.name());
        // Bits are looked at: some drivers compile comparisons with NaN away.
        assert!(!got[16].is_finite() && !got[32].is_finite(), "{}: {} {}", tile.name(), got[16], got[32]);
        assert!(got[48..].iter().all(|&v| v == 0.0), "{}", tile.name());
    }
}

/// A step's result in every tile of both classes.
fn in_every_tile(gpu: &Gpu, case: &ContractionCase) -> Vec<(String, Vec<f32>)> {
    let both = [Class::Software, Class::Hardware];
    let forms = both.into_iter().flat_map(|class| tiles(case.step.op, class).iter().map(move |&tile| (class, tile)));
    forms.map(|(class, tile)| (tile.name(), case.run(gpu, class, Some(tile)))).collect()
}

/// Tiled inference equals untiled inference bit for bit only if this holds.
#[test]
fn a_pixels_sum_depends_neither_on_its_position_nor_on_the_tile() {
    let Some(gpu) = Gpu::open() else { return };
    let mut random = Draws::new(2);
    let window = Window { kernel: 3, stride: 1, padding: 1 };
    let (h, w, ci, co) = (9, 11, 8, 12);
    let whole =
        ContractionCase::new(&mut random, Op::Conv2d(window), &[&[1, h, w, ci], &[3, 3, ci, co]], Behind::default());
    let (top, left, high, wide) = (2, 3, 6, 7);
    let mut part = ContractionCase::new(
        &mut random,
        Op::Conv2d(window),
        &[&[1, high, wide, ci], &[3, 3, ci, co]],
        Behind::default(),
    );
    let x = whole.values(whole.step.inputs[0]).to_vec();
    let line = |y: usize| x[((top + y) * w + left) * ci..][..wide * ci].iter().copied();
    part.inputs[0].1 = (0..high).flat_map(line).collect();
    part.inputs[1].1 = whole.values(whole.step.inputs[1]).to_vec();
    let results = in_every_tile(&gpu, &whole);
    for ((name, got), (_, cropped)) in results.iter().zip(in_every_tile(&gpu, &part)) {
        assert_eq!(bits(got), bits(&results[0].1), "{name} and {}", results[0].0);
        for y in 1..high - 1 {
            let inner = |values: &[f32], width: usize, y: usize, x: usize| {
                bits(&values[(y * width + x) * co..][..(wide - 2) * co])
            };
            assert_eq!(inner(got, w, top + y, left + 1), inner(&cropped, wide, y, 1), "{name}, line {y}");
        }
    }
}

#[test]
fn split_sums_are_the_same_in_every_run() {
    let Some(gpu) = Gpu::open() else { return };
    let mut random = Draws::new(3);
    let window = Window { kernel: 3, stride: 1, padding: 1 };
    let shapes: [&[usize]; 2] = [&[2, 20, 20, 4], &[2, 20, 20, 4]];
    let case = ContractionCase::new(&mut random, Op::Conv2dWeightGrad(window), &shapes, Behind::default());
    for class in [Class::Software, Class::Hardware] {
        assert_eq!(case.launches(class, None).len(), 2, "the sum over pixels is split");
        let first = case.run(&gpu, class, None);
        case.check(&first, "split");
        assert_eq!(first, case.run(&gpu, class, None));
    }
}

fn bits(values: &[f32]) -> Vec<u32> {
    values.iter().map(|v| v.to_bits()).collect()
}

/// Choosing tiles by measurement rests on this: the choice changes no bit, long sums that are split included.
#[test]
fn every_tile_of_a_class_gives_the_same_bits() {
    let Some(gpu) = Gpu::open() else { return };
    let mut random = Draws::new(5);
    let window = Window { kernel: 3, stride: 1, padding: 1 };
    let strided = Window { kernel: 5, stride: 2, padding: 2 };
    let mut case = |op: Op, a: &[usize], b: &[usize]| ContractionCase::new(&mut random, op, &[a, b], Behind::default());
    let product = |ta, tb| Op::MatMul { ta, tb };
    // What says `true` is split in both classes.
    let cases = [
        (case(product(false, false), &[70, 36], &[36, 40]), false),
        (case(product(true, false), &[1029, 18], &[1029, 20]), true),
        (case(product(false, true), &[20, 1200], &[24, 1200]), true),
        (case(Op::Conv2d(window), &[1, 9, 11, 6], &[3, 3, 6, 20]), false),
        (case(Op::Conv2d(strided), &[1, 9, 11, 4], &[5, 5, 4, 12]), false),
        (case(Op::Conv2dInputGrad { window: strided, size: [9, 11] }, &[1, 5, 6, 12], &[5, 5, 4, 12]), false),
        (case(Op::Conv2dWeightGrad(window), &[2, 18, 10, 12], &[2, 18, 10, 20]), true),
        (case(Op::Conv2dWeightGrad(strided), &[3, 17, 11, 3], &[3, 9, 6, 5]), true),
    ];
    for (case, split) in &cases {
        for class in [Class::Software, Class::Hardware] {
            let first = case.run(&gpu, class, None);
            for &tile in tiles(case.step.op, class) {
                let reduced = case.launches(class, Some(tile)).iter().any(|l| l.shader == "matmul_reduce");
                assert_eq!(reduced, *split, "{:?} in {}", case.step.op, tile.name());
                let got = case.run(&gpu, class, Some(tile));
                assert_eq!(bits(&got), bits(&first), "{:?} in {}", case.step.op, tile.name());
            }
        }
    }
}

#[test]
fn all_tiles_have_names_that_find_them() {
    for class in [Class::Software, Class::Hardware] {
        for &tile in tiles(Op::MatMul { ta: false, tb: false }, class) {
            assert_eq!(Tile::named(&tile.name()), Some(tile));
        }
    }
    assert_eq!(Tile::named("shared-64x64x16-8x8").map(Tile::name).as_deref(), Some("shared-64x64x16-8x8"));
    assert!(tiles(Op::Add, Class::Software).is_empty());
}

fn spoilt(spoil: impl FnOnce(&mut Vec<f32>)) {
    let case = product(&mut Draws::new(4));
    let (sums, _) = ContractionCase { behind: Behind::default(), ..product(&mut Draws::new(4)) }.contraction();
    let mut plain = case;
    (plain.step.epilogue, plain.behind) = (Epilogue::NONE, Behind::default());
    let mut got: Vec<f32> = sums.iter().map(|&s| s as f32).collect();
    plain.check(&got, "exact");
    spoil(&mut got);
    plain.check(&got, "spoilt");
}

#[test]
#[should_panic(expected = "spoilt")]
fn the_check_sees_an_element_that_was_never_written() {
    spoilt(|got| *got.last_mut().expect("not empty") = f32::NAN);
}

#[test]
#[should_panic(expected = "spoilt")]
fn the_check_sees_a_small_error() {
    spoilt(|got| got[0] += 1e-3);
}
