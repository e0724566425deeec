//! Tables: CSV in, and what is done with rows.

#[path = "support/property.rs"]
mod property;

use proptest::prelude::*;
use std::path::Path;
use wgrad::data::csv::{self, Column, Options, Table, Target};
use wgrad::data::{Rows, Samples, lessons};

fn parse(text: &str, options: &Options) -> wgrad::Result<Table> {
    csv::parse(text.as_bytes(), Path::new("some.csv"), options)
}

fn class(column: Column) -> Options {
    Options::new(Target::Class { column, names: None })
}

fn name(name: &str) -> Column {
    Column::Name(name.into())
}

fn floats(rows: &Rows) -> &[f32] {
    let Samples::Floats(values) = &rows.features else { panic!("floats expected") };
    values
}

#[test]
fn classes_are_words_or_numbers() {
    let text = "width, kind ,height\n1,oak,2\n3,ash,4.5\n5,oak,-6e1\n";
    let table = parse(text, &class(name("kind"))).unwrap();
    assert_eq!(floats(&table.rows), [1.0, 2.0, 3.0, 4.5, 5.0, -60.0]);
    assert_eq!((table.rows.width, table.rows.target_width, table.rows.classes), (2, 1, Some(2)));
    assert_eq!(table.rows.targets, [1.0, 0.0, 1.0]);
    assert_eq!((table.features, table.targets), (vec!["width".into(), "height".into()], vec!["kind".into()]));
    assert_eq!(table.classes, ["ash", "oak"]);
    let numbers = parse("1,10\n2,9\n3,10\n", &class(Column::Index(-1))).unwrap();
    assert_eq!((numbers.rows.targets, numbers.classes), (vec![1.0, 0.0, 1.0], vec!["9".into(), "10".into()]));
    assert_eq!(numbers.features, ["0"]);
}

#[test]
fn given_class_names_fix_the_indices() {
    let names = ["oak", "elm", "ash"].map(String::from).to_vec();
    let options = Options::new(Target::Class { column: Column::Index(1), names: Some(names.clone()) });
    let table = parse("1,ash\n2,oak\n", &options).unwrap();
    assert_eq!((table.rows.targets, table.rows.classes, table.classes), (vec![2.0, 0.0], Some(3), names));
    let message = parse("1,ash\n2,fir\n", &options).unwrap_err().to_string();
    assert!(message.contains("line 2") && message.contains("\"fir\""), "{message}");
}

#[test]
fn regression_takes_columns_in_the_order_asked_for() {
    let options = Options::new(Target::Values(vec![name("c"), name("a")]));
    let table = parse("a,b,c\n1,2,3\n4,5,6\n", &options).unwrap();
    assert_eq!((floats(&table.rows), &table.rows.targets[..]), (&[2.0, 5.0][..], &[3.0, 1.0, 6.0, 4.0][..]));
    assert_eq!((table.rows.target_width, table.rows.classes), (2, None));
    table.rows.check().unwrap();
}

#[test]
fn a_table_without_targets_and_a_forced_header() {
    let plain = Options::new(Target::None);
    assert_eq!(parse("1,2\n3,4\n", &plain).unwrap().rows.count(), 2);
    let forced = Options { header: Some(true), delimiter: b';', ..plain };
    let table = parse("1;2\n3;4\n", &forced).unwrap();
    assert_eq!((table.rows.count(), table.features), (1, vec!["1".to_owned(), "2".to_owned()]));
}

#[test]
fn errors_name_line_and_column() {
    let regression = Options::new(Target::Values(vec![name("y")]));
    let cases = [
        ("x,y\n1,2\nred,4\n", "line 3, column 1 (x): \"red\" is no finite number"),
        ("x,y\n1,2\n3,\n", "line 3, column 2 (y): \"\" is no finite number"),
        ("x,y\n1,inf\n", "line 2, column 2 (y): \"inf\""),
        ("x,y\n1,2,3\n", "line 2 has 3 fields, the first has 2"),
        ("x,z\n1,2\n", "no column \"y\" among x, z"),
        ("y,y\n1,2\n", "more than one column is named \"y\""),
        ("1,2\n", "no header"),
        ("x,y\n", "no row"),
        ("", "is empty"),
        ("y\n1\n", "no column is left for features"),
    ];
    for (text, why) in cases {
        let message = parse(text, &regression).unwrap_err().to_string();
        assert!(message.starts_with("some.csv") && message.contains(why), "{text:?}: {message:?} should say {why:?}");
    }
    let message = parse("1,2\n", &class(Column::Index(2))).unwrap_err().to_string();
    assert!(message.contains("no column 2: there are 2"), "{message}");
    assert!(parse("1,2\n", &class(Column::Index(i64::MIN))).is_err());
    assert!(parse("1,\n", &class(Column::Index(1))).unwrap_err().to_string().contains("no class"));
}

proptest! {
    #![proptest_config(property::config(256))]

    #[test]
    fn no_text_makes_it_panic(text in "[0-9a-c,\"\n. ;-]{0,60}", column in -4i64..4, header: Option<bool>) {
        let target = Target::Class { column: Column::Index(column), names: None };
        if let Ok(table) = parse(&text, &Options { header, ..Options::new(target) }) {
            prop_assert!(table.rows.check().is_ok());
        }
    }

    #[test]
    fn shards_hold_every_row_once_within_the_budget(count in 1usize..300, budget in 12usize..4000, seed: u32) {
        let rows = lessons::blobs(1, count, 3, 0.1);
        let shards = rows.shards(budget, seed).unwrap();
        let mut all = shards.concat();
        all.sort_unstable();
        prop_assert_eq!(all, (0..count).collect::<Vec<_>>());
        for shard in &shards {
            let shard = rows.select(shard);
            prop_assert!(shard.bytes() <= budget && shard.count() > 0);
        }
    }
}

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
    assert!(rows.shards(5, 0).unwrap_err().to_string().contains("raise the budget"));
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
