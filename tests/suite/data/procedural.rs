//! Drawn pictures and points: the same from the same seed, and with the statistics they are drawn for.

use wgrad::internal::data::{PairOptions, Rows, Samples, lessons, procedural};

#[test]
fn the_same_seed_draws_the_same_picture() {
    let picture = procedural::dead_leaves(7, 90, 61);
    assert_eq!((picture.width, picture.height, picture.channels, picture.data.len()), (90, 61, 3, 90 * 61 * 3));
    assert_eq!(picture, procedural::dead_leaves(7, 90, 61));
    assert_ne!(picture, procedural::dead_leaves(8, 90, 61));
    assert_ne!(picture, procedural::dead_leaves(7 << 32, 90, 61), "the upper half of the seed counts");
    assert!(procedural::dead_leaves(7, 0, 3).data.is_empty());
}

/// Power at distance `k` from the centre of the spectrum of one row or column of 256, Hann window, direct sum.
fn power(line: &[f64], k: usize) -> f64 {
    let turn = std::f64::consts::TAU / line.len() as f64;
    let mean = line.iter().sum::<f64>() / line.len() as f64;
    let (mut re, mut im) = (0.0, 0.0);
    for (at, value) in line.iter().enumerate() {
        let value = (value - mean) * (0.5 - 0.5 * (turn * at as f64).cos());
        re += value * (turn * (k * at) as f64).cos();
        im += value * (turn * (k * at) as f64).sin();
    }
    re * re + im * im
}

#[test]
fn the_power_spectrum_falls_as_in_photographs() {
    // The mean spectrum of a picture's rows. Measured the same way, 40 photographs of BSDS500 lie between -1.0 and -2.1
    // with a mean of -1.6; white noise has 0, a smooth picture -4 and below.
    let mut slopes = Vec::new();
    for seed in 0..4 {
        let picture = procedural::dead_leaves(seed, 256, 256);
        let grey = |x: usize, y: usize| picture.data[(y * 256 + x) * 3 + 1] as f64;
        let bands: Vec<(f64, f64)> = [4usize, 6, 9, 13, 19, 28, 41, 60, 90]
            .into_iter()
            .map(|k| {
                let lines = (0..256).step_by(4);
                let sum: f64 = lines.map(|y| power(&(0..256).map(|x| grey(x, y)).collect::<Vec<_>>(), k)).sum();
                ((k as f64).ln(), sum.ln())
            })
            .collect();
        let count = bands.len() as f64;
        let (mx, my) = (bands.iter().map(|b| b.0).sum::<f64>() / count, bands.iter().map(|b| b.1).sum::<f64>() / count);
        let slope = bands.iter().map(|b| (b.0 - mx) * (b.1 - my)).sum::<f64>()
            / bands.iter().map(|b| (b.0 - mx).powi(2)).sum::<f64>();
        slopes.push(slope);
    }
    let mean = slopes.iter().sum::<f64>() / slopes.len() as f64;
    println!("slopes {slopes:?}");
    assert!((-2.4..=-1.2).contains(&mean), "{slopes:?}");
}

#[test]
fn a_drawn_training_set_is_packed() {
    let set = procedural::pictures(3, 6, 64, &PairOptions::new(2, 1, 16)).unwrap();
    assert_eq!((set.scale, set.channels, set.table.len()), (2, 1, 6));
    assert_eq!(set.positions(), 6 * 17 * 17);
    assert_eq!((set.low.len(), set.high.len()), (6 * 32 * 32, 6 * 64 * 64));
    assert_eq!(set, procedural::pictures(3, 6, 64, &PairOptions::new(2, 1, 16)).unwrap());
    assert!(procedural::pictures(3, 6, 16, &PairOptions::new(2, 1, 16)).is_err(), "too small for a patch");
    assert!(procedural::pictures(3, 6, 64, &PairOptions::new(2, 2, 16)).is_err(), "two channels");
}

fn value(rows: &Rows, row: usize, column: usize) -> f32 {
    rows.features.value(row * rows.width + column)
}

#[test]
fn lessons_are_sound_fair_and_repeatable() {
    for rows in [lessons::blobs(1, 300, 3, 0.1), lessons::spirals(1, 300, 3, 0.02), lessons::digits(1, 300)] {
        rows.check().unwrap();
        assert_eq!((rows.count(), rows.target_width), (300, 1));
        let classes = rows.classes.unwrap();
        for class in 0..classes {
            assert_eq!(rows.targets.iter().filter(|&&target| target == class as f32).count(), 300 / classes);
        }
    }
    assert_eq!(lessons::digits(5, 20), lessons::digits(5, 20));
    assert_ne!(lessons::digits(5, 20), lessons::digits(6, 20));
    assert_eq!(lessons::spirals(5, 20, 2, 0.1), lessons::spirals(5, 20, 2, 0.1));
}

#[test]
fn blobs_lie_about_their_centres() {
    let rows = lessons::blobs(4, 3000, 3, 0.1);
    for class in 0..3 {
        let angle = std::f32::consts::TAU * class as f32 / 3.0;
        for (column, centre) in [angle.cos(), angle.sin()].into_iter().enumerate() {
            let mean = (class..3000).step_by(3).map(|row| value(&rows, row, column)).sum::<f32>() / 1000.0;
            assert!((mean - centre).abs() < 0.02, "class {class}: {mean} and not {centre}");
        }
    }
}

#[test]
fn a_neighbour_tells_most_digits_and_not_all() {
    // Digits of one class look alike enough to learn, and not so alike that a lesson would prove nothing.
    let (known, asked) = (lessons::digits(1, 1500), lessons::digits(2, 300));
    let (Samples::Bytes(known_bytes), Samples::Bytes(asked_bytes)) = (&known.features, &asked.features) else {
        panic!("digits are bytes")
    };
    let distance =
        |a: &[u8], b: &[u8]| a.iter().zip(b).map(|(&a, &b)| (i32::from(a) - i32::from(b)).pow(2)).sum::<i32>();
    let mut right = 0;
    for (row, digit) in asked_bytes.chunks(784).enumerate() {
        let nearest = known_bytes.chunks(784).enumerate().min_by_key(|(_, other)| distance(digit, other)).unwrap().0;
        right += u32::from(known.targets[nearest] == asked.targets[row]);
    }
    println!("{right} of 300");
    assert!((225..300).contains(&right), "{right} of 300");
}
