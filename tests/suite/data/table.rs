//! Tables: how they are written is found, cells become numbers, and what is odd is named.

use crate::support::property;
use proptest::prelude::*;
use wgrad::Result;
use wgrad::internal::data::table::columns::{Empty, Rules};
use wgrad::internal::data::table::{Decimal, Format, Table, classes, columns};
use wgrad::internal::interface::Encoding;

fn read(text: &str) -> Result<Table> {
    Table::parse(text.as_bytes(), "some.csv", &Format::default(), &[])
}

fn table(text: &str) -> Table {
    read(text).unwrap_or_else(|e| panic!("{text:?}: {e}"))
}

fn all(table: &Table) -> Vec<usize> {
    (0..table.count()).collect()
}

/// Cells row by row.
fn cells(table: &Table) -> Vec<Vec<&str>> {
    (0..table.count()).map(|row| table.cells(row).collect()).collect()
}

fn rules(empty: Empty) -> Rules<'static> {
    Rules { empty, standardise: true, words: &[] }
}

#[test]
fn separators_are_found() {
    for (text, columns, first) in [
        ("a,b,y\n1,2,3\n4,5,6\n", vec!["a", "b", "y"], vec!["1", "2", "3"]),
        ("a;b\n1,5;2,5\n3,5;4,5\n", vec!["a", "b"], vec!["1,5", "2,5"]),
        ("a\tb\n1\t2\n", vec!["a", "b"], vec!["1", "2"]),
        ("a|b\r\n1|2\r\n", vec!["a", "b"], vec!["1", "2"]),
        ("a  b\n 1   2\n", vec!["a", "b"], vec!["1", "2"]),
        // Excel's line, its mark and line ends.
        ("\u{feff}sep=;\r\na;b\r\n1;2\r\n", vec!["a", "b"], vec!["1", "2"]),
        // The wine quality data of the UCI collection: quoted names, semicolons.
        (
            "\"fixed acidity\";\"pH\";\"quality\"\n7.4;3.51;5\n7.8;3.2;5\n",
            vec!["fixed acidity", "pH", "quality"],
            vec!["7.4", "3.51", "5"],
        ),
        // Its census data: a space behind each comma.
        (
            "age, work, income\n39, State-gov, <=50K\n50, Private, >50K\n",
            vec!["age", "work", "income"],
            vec!["39", "State-gov", "<=50K"],
        ),
        // Commas, semicolons and line ends in quotes.
        ("a,b\n\"x, y; z\",\"1\n2\"\n\"x;;;;\",3\n", vec!["a", "b"], vec!["x, y; z", "1\n2"]),
        // A semicolon table of which some words hold commas, and one with a lone column.
        ("name;size\n\"Doe, J\";1\nRoe, K;2\n", vec!["name", "size"], vec!["Doe, J", "1"]),
        ("y\n1\n2\n", vec!["y"], vec!["1"]),
        // Old Macintosh line ends.
        ("a,b\r1,2\r3,4\r", vec!["a", "b"], vec!["1", "2"]),
    ] {
        let table = table(text);
        assert_eq!(
            (table.columns().to_vec(), cells(&table)[0].clone()),
            (columns.iter().map(|c| c.to_string()).collect(), first),
            "{text:?}"
        );
    }
}

#[test]
fn headers_are_found_and_asked_for_in_doubt() {
    let headed = |text: &str| table(text).headed();
    for text in [
        "a,b\n1,2\n",
        "x,y\n1,oak\n2,ash\n",
        ",a,b\n0,1,2\n1,3,4\n",
        "a,b\n,\n1,2\n",
        "colour,kind\nred,oak\nblue,ash\nred,ash\n",
        // Files that the sniffers of other programs were reported to misjudge.
        "sample,fastq_1,fastq_2\nA1-35-8,/mnt/A1_R1.fastq.gz,/mnt/A1_R2.fastq.gz\nA2-102-5,/mnt/A2_R1.fastq.gz,/mnt/A2_R2.fastq.gz\n",
        "col1,col2,col3\n1,2,3\na,b,c\nA,B,C\n22,22,12\n",
        "col1,col2,col3\nhello,\"hello world\", 1.2\nworld,\"hello world\", 1.2\ntest,\"hello world 您\", 1\n",
        "Value\n\"68,527.00\"\n",
        "Date,n\n02/01/2019,1\n08//01/2019,2\n",
        "is_nc,n\nFalse,\nFalse,\n",
    ] {
        assert!(headed(text), "{text:?}");
    }
    for text in [
        "1,2\n3,4\n",
        "5.1,3.5,1.4,0.2,setosa\n4.9,3.0,1.4,0.2,setosa\n",
        "1540,125205,PRODAJA,04-JUN-18,-3,-.625,-.726\n1540,125205,PRODAJA,29-JUN-18,-1.00,-0.62,-0.75\n",
        "p,x,s,n\ne,x,s,y\np,b,s,w\n",
        "?,2\n1,3\n",
        "-,1\n2,3\n",
    ] {
        assert!(!headed(text), "{text:?}");
    }
    for text in [
        include_str!("../../fixtures/tables/years.csv"),
        "0,1,2,3\n5,6,7,8\n1,9,4,4\n",
        "country,2019,2020\nFrance,1.5,2.5\nGhana,3.5,0.5\n",
        "1,red,3\n4,5,6\n7,8,9\n",
    ] {
        let error = read(text).unwrap_err().to_string();
        assert!(error.contains("first line") && error.contains("data.header") && error.contains("--header"), "{error}");
        for header in [true, false] {
            let format = Format { header: Some(header), ..Format::default() };
            assert_eq!(Table::parse(text.as_bytes(), "x", &format, &[]).unwrap().headed(), header);
        }
    }
    // Names that are expected settle it.
    let years = include_bytes!("../../fixtures/tables/years.csv");
    assert!(Table::parse(years, "x", &Format::default(), &["2020", "2019"]).unwrap().headed());
}

#[test]
fn decimal_marks_are_found_and_asked_for_in_doubt() {
    let number = |text: &str| table(text).number(0, 0);
    assert_eq!(number("a;b\n1,5;2\n3;4\n"), Some(1.5));
    assert_eq!(number("a;b\n1.234,5;2\n3;4\n"), Some(1234.5));
    assert_eq!(number("a,b\n\"1,234.5\",2\n3,4\n"), Some(1234.5));
    assert_eq!(number("a,b\n\"1,234\",2\n3,4\n"), Some(1234.0), "commas that separate are no decimal marks");
    assert_eq!(number("a;b\n1 234,5;0,5\n3;4\n"), Some(1234.5));
    assert_eq!(number("a\tb\n1,234\t0.5\n"), Some(1234.0));
    let error = read("a;b\n1,234;2\n3;4\n").unwrap_err().to_string();
    assert!(error.contains("1,234") && error.contains("data.decimal") && error.contains("--decimal"), "{error}");
    let said = Format { decimal: Some(Decimal::Comma), ..Format::default() };
    assert_eq!(Table::parse(b"a;b\n1,234;2\n", "x", &said, &[]).unwrap().number(0, 0), Some(1.234));
}

#[test]
fn letters_are_read_as_they_were_written() {
    let parse = |bytes: &[u8]| Table::parse(bytes, "some.csv", &Format::default(), &[]);
    let utf16 = |text: &str, swap: bool| -> Vec<u8> {
        let units = text.encode_utf16();
        units.flat_map(|u| if swap { u.to_be_bytes() } else { u.to_le_bytes() }).collect()
    };
    let text = "\u{feff}größe,y\n1,2\n";
    for bytes in [text.as_bytes().to_vec(), utf16(text, false), utf16(text, true)] {
        assert_eq!(parse(&bytes).unwrap().columns(), ["größe", "y"]);
    }
    let latin = parse(b"gr\xf6\xdfe,y\n1,2\n").unwrap();
    assert_eq!(latin.columns(), ["größe", "y"]);
    assert!(latin.notes().any(|note| note.contains("not UTF-8")));
    for (bytes, why) in [
        (&b"PK\x03\x04abc"[..], "spreadsheet"),
        (&b"\x1f\x8babc"[..], "compressed"),
        (&b"a\0,\0b\0\n\0"[..], "zero bytes"),
        (&b""[..], "is empty"),
        (&b"\xef\xbb\xbf\n\n"[..], "is empty"),
    ] {
        let error = parse(bytes).unwrap_err().to_string();
        assert!(error.starts_with("some.csv: ") && error.contains(why), "{error}");
    }
}

#[test]
fn ends_of_lines_and_names_of_rows_shift_nothing() {
    // As vendors of market data and thermostats write them: a separator at the end of rows, not of names.
    let trailing = table("A,B,C\n1,4,7,\n2,5,8,\n3,6,9,\n");
    assert_eq!((trailing.columns().len(), cells(&trailing)[1].clone()), (3, vec!["2", "5", "8"]));
    let both = table("A,B,\n1,4,\n2,5,\n");
    assert_eq!(both.columns(), ["A", "B"]);
    assert_eq!(cells(&table("1.5,4,\n2,5,\n"))[0], ["1.5", "4"]);
    // R leaves out the name of its row names, pandas writes it empty.
    for text in ["\"x\" \"y\"\n\"1\" 5 0.5\n\"2\" 6 0.7\n", ",x,y\n0,5,0.5\n1,6,0.7\n"] {
        let named = table(text);
        assert_eq!(named.columns(), ["", "x", "y"], "{text:?}");
        let (features, notes) = named.features(&[2]);
        assert_eq!((features, notes.len()), (vec![1], 1));
    }
    let twins = table("a,b,a\n1,2,3\n");
    assert_eq!(twins.columns(), ["a", "b", "a (2)"]);
    assert!(twins.place("a").unwrap_err().to_string().contains("more than one column is named \"a\""));
    assert_eq!((twins.place("-1").unwrap(), twins.place("0").unwrap()), (2, 0));
    let blank = table("a,b\n1,2\n,\n\n3,4\n");
    assert_eq!((blank.count(), blank.line(1)), (2, 5));
    assert!(blank.notes().any(|note| note.contains("left out 1 rows")));
}

#[test]
fn errors_name_line_and_column() {
    for (text, why) in [
        ("x,y\n1,2,3\n", "line 2: has 3 fields, and there are 2 columns"),
        ("x,y\n\"1\n1\",2\n3\n", "line 4: has 1 fields"),
        ("x,y\n", "has a header and no row"),
    ] {
        let error = read(text).unwrap_err().to_string();
        assert!(error.starts_with("some.csv: ") && error.contains(why), "{text:?}: {error}");
    }
    let fit = |text: &str, empty| {
        let table = table(text);
        let rows = all(&table);
        columns::fit(&table, &[0], &rows, &rows, rules(empty)).unwrap_err().to_string()
    };
    let mixed = fit("x,y\n1,2\nred,4\n3,1\n", Empty::Refuse);
    assert!(mixed.contains("line 3, column 1 (x): \"red\" is no finite number"), "{mixed}");
    let hole = fit("x,y\n1,2\n,4\nNA,1\n", Empty::Refuse);
    assert!(hole.contains("line 3, column 1 (x)") && hole.contains("1 more") && hole.contains("data.empty"), "{hole}");
    let dates: String = (0..300).map(|k| format!("{}-01-{},1\n", 2000 + k / 28, k % 28 + 1)).collect();
    let many = fit(&format!("x,y\n{dates}"), Empty::Refuse);
    assert!(many.contains("300 different words"), "{many}");
    let table = table("x,y\n1,2\n");
    assert!(table.place("z").unwrap_err().to_string().contains("no column \"z\" among x, y"));
    assert!(table.place("9").unwrap_err().to_string().contains("no column 9: there are 2"));
    assert!(table.place("-9223372036854775808").is_err());
}

#[test]
fn columns_are_learned_from_the_rows_to_learn_from() {
    let table = table("size,colour,same\n1000,red,7\n3000,blue,7\n,red,7\n9000,,7\n");
    let rows = all(&table);
    let learned = columns::fit(&table, &[0, 1, 2], &rows, &[0, 1], rules(Empty::Mean)).unwrap();
    assert_eq!(learned[0].encoding, Encoding::Number { mean: 2000.0, deviation: 1000.0, empty: Some(2000.0) });
    assert_eq!(learned[1].encoding, Encoding::Words { words: vec!["blue".into(), "red".into()], empty: true });
    let features = columns::features(&table, &learned, &[0, 1, 2], &rows).unwrap();
    assert_eq!(features, [-1., 0., 1., 0., 1., 1., 0., 0., 0., 0., 1., 0., 7., 0., 0., 0.]);
    let told = columns::constant(&table, &[0, 1, 2], &rows);
    assert!(told.len() == 1 && told[0].contains("column 3 (same) is 7"), "{told:?}");
    let (kept, dropped) = columns::filled(&table, &[0, 1], &rows, rules(Empty::Drop));
    assert_eq!((kept, dropped), (vec![0, 1], vec![2, 3]));
}

#[test]
fn numbers_may_be_kinds_and_holes_differ_from_words() {
    let table = table("postcode,fence,size\n1010,none,-\n1020,wood,3\n1010,none,4\n");
    let rows = all(&table);
    let by = Rules { words: &[0], ..rules(Empty::Mean) };
    let learned = columns::fit(&table, &[0, 1, 2], &rows, &rows, by).unwrap();
    assert_eq!(learned[0].encoding, Encoding::Words { words: vec!["1010".into(), "1020".into()], empty: true });
    let Encoding::Words { words, .. } = &learned[1].encoding else { panic!("words") };
    assert_eq!(words, &["none", "wood"], "among words, none is one");
    assert!(matches!(learned[2].encoding, Encoding::Number { mean: 3.5, .. }), "among numbers, - is none");
}

#[test]
fn classes_are_words_or_numbers_by_value() {
    let table = table("x,kind,n,f\n1,oak,10,1\n3,ash,9,1.0\n5,oak,10,0\n");
    let rows = all(&table);
    assert_eq!(classes::names(&table, 1, &rows).0, ["ash", "oak"]);
    assert_eq!(classes::names(&table, 2, &rows).0, ["9", "10"]);
    let (names, notes) = classes::names(&table, 3, &rows);
    assert_eq!((names.clone(), notes.len()), (vec!["0".into(), "1".into()], 1));
    assert!(notes[0].contains("1 and 1.0 are one number"), "{}", notes[0]);
    assert_eq!(classes::indices(&table, 3, &names, &rows).unwrap(), [1.0, 1.0, 0.0]);
    let known = ["oak", "elm"].map(String::from);
    let error = classes::indices(&table, 1, &known, &rows).unwrap_err().to_string();
    assert!(error.contains("line 3") && error.contains("oak, elm") && error.contains("ash, oak"), "{error}");
}

proptest! {
    #![proptest_config(property::config(256))]

    #[test]
    fn no_text_makes_it_panic(text in "[0-9a-c,\"\n\r. ;|\t-]{0,60}", header: Option<bool>, place in -4i64..4) {
        let format = Format { header, ..Format::default() };
        if let Ok(table) = Table::parse(text.as_bytes(), "x", &format, &[]) {
            let rows = all(&table);
            let Ok(place) = table.place(&place.to_string()) else { return Ok(()) };
            for empty in [Empty::Refuse, Empty::Drop, Empty::Mean] {
                let Ok(learned) = columns::fit(&table, &[place], &rows, &rows, rules(empty)) else { continue };
                if let Ok(features) = columns::features(&table, &learned, &[place], &rows) {
                    prop_assert_eq!(features.len(), rows.len() * learned[0].encoding.width());
                    prop_assert!(features.iter().all(|f| f.is_finite()));
                }
            }
        }
    }

    #[test]
    fn what_is_written_is_read(values in proptest::collection::vec((-1e6f64..1e6, -1e-3f64..1e-3), 2..20), mark in 0..4usize) {
        let (separator, comma) = [(",", false), (";", true), ("\t", true), ("|", false)][mark];
        let write = |v: f64| if comma { v.to_string().replace('.', ",") } else { v.to_string() };
        let lines: Vec<String> = values.iter().map(|(a, b)| format!("{}{separator}{}", write(*a), write(*b))).collect();
        let table = table(&format!("one{separator}two\n{}\n", lines.join("\n")));
        for (row, (a, b)) in values.iter().enumerate() {
            prop_assert_eq!((table.number(row, 0), table.number(row, 1)), (Some(*a), Some(*b)));
        }
    }
}
