//! Resizing, colour and scores against the reference evaluator of the super-resolution papers' protocol.
//!
//! The expected numbers were printed by a numpy program that follows MATLAB's `imresize`, `rgb2ycbcr` and Wang's
//! `ssim_index.m` (dense resize matrices, float64), on the picture that `pattern` draws here.

use wgrad::internal::image::protocol::{Baseline, bicubic, compare, low_resolution};
use wgrad::internal::image::resize::{Rounding, imresize, modcrop_picture, upscale};
use wgrad::internal::image::{Picture, Plane};

/// Gradients, stripes and sharp-edged blocks, from integers only.
fn pattern(width: usize, height: usize, channels: usize) -> Picture {
    let plane = |k: usize| {
        Plane::from_fn(width, height, |x, y| {
            let v = x * (3 + k) + y * (5 - k) + (x / 7) * (y / 5) * (11 + 2 * k) + (x * x + 3 * y * y) / (16 + k);
            let v = v % 256;
            (if (x / 13 + y / 9 + k).is_multiple_of(3) { 255 - v / 4 } else { v }) as f32
        })
    };
    Picture::new((0..channels).map(plane).collect())
}

/// FNV-1a over the interleaved bytes.
fn hash(picture: &Picture) -> u64 {
    let mut hash = 0xcbf2_9ce4_8422_2325u64;
    for i in 0..picture.planes[0].data.len() {
        for plane in &picture.planes {
            assert_eq!(plane.data[i].fract(), 0.0);
            hash = (hash ^ plane.data[i] as u64).wrapping_mul(0x100_0000_01b3);
        }
    }
    hash
}

struct Case {
    channels: usize,
    scale: usize,
    low: u64,
    first: [u8; 6],
    luma: (f64, f64),
    rgb: (f64, f64),
}

#[rustfmt::skip]
const CASES: [Case; 6] = [
    Case { channels: 1, scale: 2, low: 0x0e51_5c56_2df5_fd6a, first: [255, 253, 252, 250, 248, 254], luma: (15.981235281, 0.721933518), rgb: (15.977357838, 0.721598292) },
    Case { channels: 1, scale: 3, low: 0x6f74_d228_2a0b_8cb3, first: [254, 251, 248, 252, 118, 61], luma: (14.260901746, 0.542758133), rgb: (14.261994369, 0.542695085) },
    Case { channels: 1, scale: 4, low: 0xeffd_3b57_d5b4_a1c7, first: [253, 250, 249, 108, 72, 99], luma: (13.025665520, 0.356256921), rgb: (13.025119194, 0.356134178) },
    Case { channels: 3, scale: 2, low: 0xf803_f445_8c24_8796, first: [255, 4, 3, 253, 12, 13], luma: (21.029422222, 0.704820182), rgb: (21.026016217, 0.704580799) },
    Case { channels: 3, scale: 3, low: 0xc146_e030_001e_73b8, first: [254, 8, 7, 251, 20, 23], luma: (19.444687798, 0.520533530), rgb: (19.441649701, 0.519765488) },
    Case { channels: 3, scale: 4, low: 0x18dc_4f0d_9d65_9b2c, first: [253, 11, 11, 250, 29, 33], luma: (18.473982417, 0.363976601), rgb: (18.470022119, 0.363380325) },
];

#[test]
fn low_resolution_pictures_are_bit_identical() {
    for case in &CASES {
        let low = low_resolution(&pattern(97, 71, case.channels), case.scale).unwrap();
        assert_eq!((low.width(), low.height()), (97 / case.scale, 71 / case.scale));
        let first: Vec<u8> = (0..6).map(|i| low.planes[i % case.channels].data[i / case.channels] as u8).collect();
        assert_eq!(first, case.first, "x{} {} channels", case.scale, case.channels);
        assert_eq!(hash(&low), case.low, "x{} {} channels", case.scale, case.channels);
    }
}

#[test]
fn bicubic_baselines_agree_with_the_reference() {
    for case in &CASES {
        let truth = pattern(97, 71, case.channels);
        for (baseline, expected) in [(Baseline::Luma, case.luma), (Baseline::Rgb, case.rgb)] {
            let score = bicubic(&truth, case.scale, baseline).unwrap();
            let close = (score.psnr - expected.0).abs() < 1e-5 && (score.ssim - expected.1).abs() < 1e-6;
            assert!(close, "x{} {} channels {baseline:?}: {score:?}, not {expected:?}", case.scale, case.channels);
        }
    }
}

#[test]
fn grey_and_colour_are_compared_as_the_reference_does() {
    let (grey, colour) = (pattern(97, 71, 1), pattern(97, 71, 3));
    let cropped = modcrop_picture(&colour, 2);
    for (output, truth, expected) in [
        (&colour, &grey, (11.499_155_921_436_602, 0.377_791_809_722_321_74)),
        (&cropped, &grey, (11.499_155_921_436_602, 0.377_791_809_722_321_74)),
        (&grey, &colour, (11.783_761_148_691_323, 0.302_496_364_477_431_8)),
    ] {
        let score = compare(output, truth, 2).unwrap();
        assert!((score.psnr - expected.0).abs() < 1e-9 && (score.ssim - expected.1).abs() < 1e-9, "{score:?}");
    }
}

#[test]
fn floating_resizes_agree_with_the_reference() {
    let picture = pattern(10, 7, 1);
    let third = imresize(&picture.planes[0], 4, 3, 1.0 / 3.0, Rounding::None);
    #[rustfmt::skip]
    let expected = [
        253.555556, 251.045267, 248.025149, 246.501143,
        248.855967, 246.310471, 242.756744, 240.811919,
        246.263374, 243.773663, 239.039781, 236.547325,
    ];
    assert!(third.data.iter().zip(expected).all(|(&v, e): (_, f64)| (f64::from(v) - e).abs() < 3e-5), "{third:?}");

    let tripled = upscale(&picture.planes[0].crop(0, 0, 3, 2), 3, Rounding::None);
    assert_eq!((tripled.width, tripled.height), (9, 6));
    let expected = [255.09877, 255.11111, 255.18519, 255.2716, 255.22222, 254.90123, 254.44444, 254.11111, 253.98765];
    assert!(
        tripled.row(0).iter().zip(expected).all(|(&v, e): (_, f64)| (f64::from(v) - e).abs() < 3e-5),
        "{tripled:?}"
    );
}
