//! Rows: what is done with them, wherever they come from.

use wgrad::internal::data::{Rows, Samples, lessons};

#[test]
fn a_selection_keeps_rows_whole() {
    let rows = Rows {
        features: Samples::Bytes((0..100).flat_map(|k| [k, 255 - k]).collect()),
        width: 2,
        targets: (0..100).map(|k| k as f32).collect(),
        target_width: 1,
        classes: None,
    };
    let (test, train): (Vec<usize>, Vec<usize>) = (0..100).partition(|k| k % 5 == 2);
    let [train, test] = [train, test].map(|part| rows.select(&part));
    assert_eq!((train.count(), test.count()), (80, 20));
    let mut seen = [train.targets.clone(), test.targets.clone()].concat();
    seen.sort_by(f32::total_cmp);
    assert_eq!(seen, rows.targets);
    for part in [&train, &test] {
        for (row, target) in part.targets.iter().enumerate() {
            assert_eq!(part.features.value(row * 2), target / 255.0);
            assert_eq!(part.features.value(row * 2 + 1), (255.0 - target) / 255.0);
        }
    }
}

#[test]
fn checks_find_what_is_wrong() {
    let good = lessons::blobs(1, 6, 3, 0.1);
    let broken = |change: &dyn Fn(&mut Rows)| {
        let mut rows = good.clone();
        change(&mut rows);
        rows.check().unwrap_err().to_string()
    };
    assert!(broken(&|rows| rows.targets[4] = 3.0).contains("row 4: 3 is not a class of 0..3"));
    assert!(broken(&|rows| rows.targets[1] = 0.5).contains("row 1"));
    assert!(broken(&|rows| rows.targets[1] = f32::NAN).contains("row 1"));
    assert!(broken(&|rows| rows.width = 5).contains("12 feature values"));
    assert!(broken(&|rows| rows.targets.truncate(5)).contains("5 target values for 6 rows"));
    let nan = Samples::Floats([&[0.0; 7][..], &[f32::NAN], &[0.0; 4]].concat());
    assert!(broken(&|rows| rows.features = nan.clone()).contains("row 3: feature 1"));
}
