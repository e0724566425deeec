//! Folders of pictures: pairs, rescaled copies, duplicates, leakage, shards.

use std::path::{Path, PathBuf};
use wgrad::internal::data::{Degradation, Folder, FolderOptions, PairOptions, Raster, batch, pair, procedural};
use wgrad::internal::image::{Picture, Plane, SaveOptions, colour, protocol, resize};

fn save(raster: &Raster, path: PathBuf) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    raster.to_picture().save(path, &SaveOptions::default()).unwrap();
}

/// A folder of drawn pictures `0.png` ... of these sizes.
fn folder(sizes: &[(usize, usize)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (index, &(width, height)) in sizes.iter().enumerate() {
        save(&procedural::dead_leaves(index as u64, width, height), folder.path().join(format!("{index}.png")));
    }
    folder
}

fn open(folder: &Path, options: FolderOptions) -> wgrad::Result<Folder> {
    Folder::open(&[folder.to_path_buf()], options)
}

fn message(result: wgrad::Result<Folder>) -> String {
    result.err().expect("an error").to_string()
}

#[test]
fn a_pair_is_what_the_protocol_says() {
    let truth = procedural::dead_leaves(1, 65, 50);
    let low = protocol::low_resolution(&truth.to_picture(), 3).unwrap();
    let rgb = pair(&truth, &PairOptions::new(3, 3, 8), [0; 3]).unwrap();
    assert_eq!((rgb.high.width, rgb.high.height, rgb.low.width, rgb.low.height), (63, 48, 21, 16));
    assert_eq!(rgb.low, Raster::from_picture(&low));
    assert_eq!(rgb.high.data[..63 * 3], truth.data[..63 * 3]);
    let luma = pair(&truth, &PairOptions::new(3, 1, 8), [0; 3]).unwrap();
    assert_eq!(luma.low.to_picture().planes[0], colour::luma(&low), "luma of the reduced 8-bit RGB picture");
    let high = resize::modcrop_picture(&truth.to_picture(), 3);
    assert_eq!(luma.high.to_picture().planes[0], colour::luma(&high));
    let options = PairOptions { upsampled_input: true, ..PairOptions::new(3, 1, 8) };
    let upsampled = pair(&truth, &options, [0; 3]).unwrap();
    assert_eq!((upsampled.low.width, upsampled.low.height), (63, 48));
    let expected = resize::upscale(&colour::luma_unrounded(&low), 3, resize::Rounding::None).to_eight_bits();
    assert_eq!(upsampled.low.to_picture().planes[0], expected);
}

#[test]
fn grey_pictures_pass_as_they_are() {
    let grey = Raster { width: 8, height: 6, channels: 1, data: (0..48).collect() };
    assert_eq!(pair(&grey, &PairOptions::new(2, 1, 2), [0; 3]).unwrap().high, grey);
    let rgb = pair(&grey, &PairOptions::new(2, 3, 2), [0; 3]).unwrap().high;
    assert_eq!(rgb.data[..6], [0, 0, 0, 1, 1, 1]);
    let equal = Raster { channels: 3, data: rgb.data.clone(), ..rgb };
    assert_eq!(pair(&equal, &PairOptions::new(2, 1, 2), [0; 3]).unwrap().high.data[0], 16, "equal channels are colour");
}

#[test]
fn a_folder_is_packed_in_order_with_its_copies() {
    let folder = folder(&[(40, 30), (33, 47), (10, 60)]);
    let mut options = FolderOptions::new(PairOptions::new(2, 3, 12));
    options.rescale = vec![1.0, 0.8, 0.1];
    let set = open(folder.path(), options).unwrap();
    let report = set.report();
    assert_eq!((report.files, report.pictures, report.pairs), (3, 2, 4));
    assert_eq!(report.too_small, [folder.path().join("2.png")]);
    assert!(report.warnings()[0].contains("left out 1 of 3 pictures, too small for a patch"));
    assert!(set.is_fixed() && set.shards() == 1);
    let shard = set.shard(0).unwrap();
    assert_eq!(shard.low.len() + shard.high.len(), report.bytes, "the prediction");
    let sizes: Vec<_> = shard.table.iter().map(|entry| (entry.width, entry.height)).collect();
    assert_eq!(sizes, [(20, 15), (16, 12), (16, 23), (13, 19)]);
    let mut end = 0;
    for entry in &shard.table {
        end += (entry.width - 11) * (entry.height - 11);
        assert_eq!(entry.end, end);
    }
    let whole = pair(&procedural::dead_leaves(1, 33, 47), &PairOptions::new(2, 3, 12), [0; 3]).unwrap();
    let (low, high) = (shard.table[2].low as usize, shard.table[2].high as usize);
    assert_eq!(shard.low[low..low + whole.low.data.len()], whole.low.data);
    assert_eq!(shard.high[high..high + whole.high.data.len()], whole.high.data);
    for index in 0..100 {
        let (low, high) = shard.cut(batch::patch(1, 1, index, &shard.table, 12));
        assert_eq!((low.len(), high.len()), (12 * 12 * 3, 24 * 24 * 3));
    }
}

#[test]
fn large_photographs_are_halved() {
    let folder = folder(&[(80, 60)]);
    let mut options = FolderOptions::new(PairOptions::new(2, 1, 8));
    options.max_pixels = Some(1200);
    let entry = open(folder.path(), options).unwrap().shard(0).unwrap().table[0];
    assert_eq!((entry.width, entry.height), (20, 15), "80x60 becomes 40x30, and half of that is low");
}

#[test]
fn duplicates_are_left_out_and_counted() {
    let folder = folder(&[(40, 40), (40, 40)]);
    save(&procedural::dead_leaves(0, 40, 40), folder.path().join("deeper/copy.bmp"));
    std::fs::write(folder.path().join("notes.txt"), "no picture").unwrap();
    let set = open(folder.path(), FolderOptions::new(PairOptions::new(2, 3, 8))).unwrap();
    let [first, second] = [folder.path().join("0.png"), folder.path().join("deeper/copy.bmp")];
    assert_eq!((set.report().files, set.report().pictures), (3, 2));
    assert_eq!(set.report().duplicates, [(second, first)]);
}

#[test]
fn test_pictures_among_training_pictures_are_an_error() {
    let train = folder(&[(64, 48), (50, 50)]);
    let test = tempfile::tempdir().unwrap();
    let mut options = FolderOptions::new(PairOptions::new(2, 3, 8));
    options.exclude = vec![test.path().to_path_buf()];
    save(&procedural::dead_leaves(9, 64, 48), test.path().join("other.png"));
    assert!(open(train.path(), options.clone()).is_ok(), "another picture of the same kind is no leak");
    let copy = procedural::dead_leaves(1, 50, 50).to_picture();
    let smaller = |plane: &Plane| resize::imresize(plane, 35, 35, 0.7, resize::Rounding::Eight);
    let quality = SaveOptions { quality: 60, ..SaveOptions::default() };
    copy.map(smaller).save(test.path().join("shrunk.jpg"), &quality).unwrap();
    let found = message(open(train.path(), options.clone()));
    assert!(found.contains("1.png looks like a copy of") && found.contains("shrunk.jpg"), "{found}");
    copy.save(test.path().join("a.bmp"), &SaveOptions::default()).unwrap();
    let found = message(open(train.path(), options));
    assert!(found.contains("1.png is the same picture as") && found.contains("a.bmp"), "{found}");
}

#[test]
fn shards_keep_to_the_budget_and_come_in_every_pass() {
    let folder = folder(&[(40, 40); 7]);
    let mut options = FolderOptions::new(PairOptions::new(2, 1, 8));
    options.budget = 2 * (40 * 40 + 20 * 20);
    let kept = open(folder.path(), options.clone()).unwrap();
    options.host_budget = 0;
    let decoded_again = open(folder.path(), options).unwrap();
    assert_eq!(kept.shards(), 4);
    let mut passes = Vec::new();
    for pass in 0..6u64 {
        let shards: Vec<_> = (0..4).map(|k| kept.shard(pass * 4 + k).unwrap()).collect();
        assert!(shards.iter().all(|shard| shard.low.len() + shard.high.len() <= 4000));
        assert_eq!(shards.iter().map(|shard| shard.table.len()).sum::<usize>(), 7);
        assert_eq!(shards[1], decoded_again.shard(pass * 4 + 1).unwrap());
        let first: Vec<Vec<u8>> = shards.iter().map(|shard| shard.low[..400].to_vec()).collect();
        let mut sorted = first.clone();
        sorted.sort();
        passes.push((first, sorted));
    }
    assert!(passes.iter().all(|pass| pass.1 == passes[0].1), "the same shards");
    assert!(passes.iter().any(|pass| pass.0 != passes[0].0), "in another order");
}

#[test]
fn degradations_are_drawn_anew_each_pass_and_repeatably() {
    let folder = folder(&[(48, 48), (40, 56)]);
    let degradation = Some(Degradation { clean: 0.0, ..Degradation::default() });
    let clean = open(folder.path(), FolderOptions::new(PairOptions::new(2, 3, 8))).unwrap().shard(0).unwrap();
    let options = FolderOptions::new(PairOptions { degradation, ..PairOptions::new(2, 3, 8) });
    let set = open(folder.path(), options.clone()).unwrap();
    assert!(!set.is_fixed());
    let (first, second) = (set.shard(0).unwrap(), set.shard(1).unwrap());
    assert_ne!(first.low, second.low);
    assert_eq!((&first.high, &first.table), (&second.high, &second.table));
    assert_eq!(clean.high, first.high, "the truth stays clean");
    assert_eq!(first, open(folder.path(), options.clone()).unwrap().shard(0).unwrap());
    assert_ne!(first, open(folder.path(), FolderOptions { seed: 1, ..options }).unwrap().shard(0).unwrap());
    let difference = clean.low.iter().zip(&first.low).map(|(&a, &b)| f64::from(a.abs_diff(b))).sum::<f64>();
    let mean = difference / clean.low.len() as f64;
    assert!((1.0..40.0).contains(&mean), "{mean}");
}

#[test]
fn every_degraded_picture_lies_over_its_truth() {
    // Whatever is drawn, a slow change of brightness stays where it was, up to noise, JPEG and half a pixel of `nearest`.
    let truth = Picture::new(vec![Plane::from_fn(96, 80, |x, y| 40.0 + x as f32 + y as f32); 3]);
    let clean = wgrad::internal::data::low(&truth, 2, None, [0; 3]).unwrap();
    let degradation = Degradation { clean: 0.0, twice: 0.5, ..Degradation::default() };
    for picture in 0..200 {
        let low = wgrad::internal::data::low(&truth, 2, Some(&degradation), [5, 0, picture]).unwrap();
        assert_eq!((low.width(), low.height()), (48, 40));
        for (a, b) in low.planes.iter().zip(&clean.planes) {
            assert!(a.data.iter().all(|v| v.fract() == 0.0 && (0.0..=255.0).contains(v)));
            let inner = |p: &Plane| p.crop(12, 12, 24, 16).data.iter().sum::<f32>() / 384.0;
            assert!((inner(a) - inner(b)).abs() < 4.0, "picture {picture}: {} and not {}", inner(a), inner(b));
        }
    }
}

#[test]
fn bad_input_is_refused_by_name() {
    let folder = folder(&[(40, 40)]);
    let options = FolderOptions::new(PairOptions::new(2, 3, 8));
    let empty = tempfile::tempdir().unwrap();
    assert!(message(open(empty.path(), options.clone())).contains("holds no picture"));
    assert!(message(open(&empty.path().join("none"), options.clone())).contains("none"));
    assert!(message(open(folder.path(), FolderOptions { budget: 99, ..options.clone() })).contains("raise the budget"));
    let rescale = vec![1.5];
    let refused = message(open(folder.path(), FolderOptions { rescale, ..options.clone() }));
    assert!(refused.contains("data.rescale") && refused.contains("[1.5]"), "{refused}");
    let large = FolderOptions::new(PairOptions::new(2, 3, 30));
    assert!(message(open(folder.path(), large)).contains("patch = 30"));
}

#[test]
fn what_cannot_be_read_whole_is_left_out_by_name() {
    let folder = folder(&[(40, 40)]);
    std::fs::write(folder.path().join("broken.png"), b"\x89PNG\r\n\x1a\n").unwrap();
    std::fs::write(folder.path().join("notes.txt"), "no picture").unwrap();
    for name in ["half.jpg", "tiled_planar.tif", "folder/e.heic"] {
        let path = Path::new("tests/fixtures/pictures").join(name);
        std::fs::copy(&path, folder.path().join(path.file_name().unwrap())).unwrap();
    }
    let options = FolderOptions::new(PairOptions::new(2, 3, 8));
    let report = open(folder.path(), options.clone()).unwrap().report().clone();
    let names = |left: &[(PathBuf, String)]| -> Vec<String> {
        left.iter().map(|(path, _)| path.file_name().unwrap().to_string_lossy().into_owned()).collect()
    };
    assert_eq!(names(&report.failed)[..2], ["broken.png", "half.jpg"], "{:?}", report.failed);
    assert!(report.failed[1].1.contains("half.jpg") && report.failed[1].1.contains("cut short"), "{:?}", report.failed);
    assert_eq!(names(&report.left_out), ["e.heic", "notes.txt"]);
    assert!(report.left_out[0].1.contains("HEIC"), "{:?}", report.left_out);
    assert!(Picture::open(folder.path().join("0.png")).is_ok());
}

#[test]
fn pieces_and_mirror_images_of_test_pictures_are_all_named() {
    let train = folder(&[(90, 80), (64, 48)]);
    let test = tempfile::tempdir().unwrap();
    let mut options = FolderOptions::new(PairOptions::new(2, 3, 8));
    options.exclude = vec![test.path().to_path_buf()];
    let whole = procedural::dead_leaves(7, 160, 140);
    save(&whole, test.path().join("test.png"));
    let mirrored = |plane: &Plane| Plane::from_fn(plane.width, plane.height, |x, y| plane.at(plane.width - 1 - x, y));
    let piece = whole.to_picture().map(|plane| plane.crop(31, 23, 90, 77));
    let quality = SaveOptions { quality: 80, ..SaveOptions::default() };
    piece.save(train.path().join("piece.jpg"), &quality).unwrap();
    whole.to_picture().map(mirrored).save(train.path().join("mirror.png"), &SaveOptions::default()).unwrap();
    let found = message(open(train.path(), options));
    assert!(found.contains("mirror.png looks like a copy of"), "{found}");
    assert!(found.contains("piece.jpg looks like a piece of") && found.contains("test.png"), "{found}");
    assert!(!found.contains("0.png") && !found.contains("1.png"), "{found}");
}

#[test]
fn pictures_are_held_out_by_what_they_show() {
    let folder = folder(&[(40, 40); 40]);
    // A piece of each, so that some pieces are of pictures that are held out.
    for index in 0..40 {
        let piece = procedural::dead_leaves(index, 40, 40).to_picture().map(|plane| plane.crop(3, 2, 34, 35));
        piece.save(folder.path().join(format!("piece-{index}.png")), &SaveOptions::default()).unwrap();
    }
    let mut options = FolderOptions::new(PairOptions::new(2, 3, 8));
    options.holdout = 0.25;
    let held = |folder: &Folder| folder.held().map(|path| path.file_name().unwrap().to_owned()).collect::<Vec<_>>();
    let set = open(folder.path(), options.clone()).unwrap();
    let out = held(&set);
    assert!((8..36).contains(&out.len()), "{out:?}");
    assert!(set.report().alike.len() > 3, "{:?}", set.report().alike);
    assert_eq!(set.report().pictures + out.len() + set.report().alike.len(), 80);
    let number = |path: &Path| path.file_stem().unwrap().to_string_lossy().trim_start_matches("piece-").to_string();
    let held_numbers: Vec<String> = set.held().map(number).collect();
    assert!(
        set.sources().all(|(path, _)| !held_numbers.contains(&number(path))),
        "nothing of a held-out scene is learned"
    );
    assert_ne!(out, held(&open(folder.path(), FolderOptions { split_seed: 1, ..options.clone() }).unwrap()));
    // More pictures, under other names: those that were there stay where they were.
    for index in 100..110 {
        save(&procedural::dead_leaves(index, 40, 40), folder.path().join(format!("{index}.png")));
    }
    let more = held(&open(folder.path(), options.clone()).unwrap());
    assert!(out.iter().all(|name| more.contains(name)), "{out:?} {more:?}");
    let pair = self::folder(&[(40, 40), (40, 40)]);
    options.holdout = 1e-6;
    let set = open(pair.path(), options).unwrap();
    assert_eq!((set.held().count(), set.report().pictures, set.report().moved.len()), (1, 1, 1));
    assert!(set.report().warnings().iter().any(|line| line.contains("changed sides")));
}

#[test]
fn a_picture_that_cannot_be_read_is_left_out_or_refused() {
    let folder = folder(&[(40, 40), (40, 40)]);
    let path = folder.path().join("bad.png");
    let bytes = std::fs::read(folder.path().join("0.png")).unwrap();
    std::fs::write(&path, &bytes[..bytes.len() / 2]).unwrap();
    let options = FolderOptions::new(PairOptions::new(2, 3, 8));
    let set = open(folder.path(), options.clone()).unwrap();
    assert_eq!((set.report().pictures, set.report().failed.len()), (2, 1));
    let found = message(open(folder.path(), FolderOptions { strict: true, ..options }));
    assert!(found.contains("data.strict") && found.contains("bad.png"), "{found}");
}
