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
    let rows = |line: &str| format!("{line}\n").repeat(3);
    // Numbers of rows as pandas writes them, and names in quotes over numbers without.
    for text in [",0,1,2\n0,1,1,0\n1,0,1,1\n2,1,1,0\n", "\"2019\",\"2020\"\n2006,2106\n8078,8178\n"] {
        assert!(headed(text), "{text:?}");
    }
    let both_sides = format!("country,2019,2020,2021\n{}{}", rows("A,5685,5785,6069"), rows("B,210,33,4"));
    let binary = format!("0,1,2\n{}{}", rows("1,1,0"), rows("0,0,0"));
    let spectrum = format!("900.1,902.2,904.3,label\n{}{}", rows("0.65,0.74,-0.09,spam"), rows("0.32,0.22,0.12,ham"));
    let protein = format!("sample,900.1,902.2,protein\n{}{}", rows("s0,0.27,0.53,10.8"), rows("s1,0.95,0.54,12.8"));
    let words = format!("weekend,sky,play\n{}{}", rows("weekday,rain,no"), rows("weekend,sun,yes"));
    let doses = format!("0.5,1,2,5,10\n{}{}", rows("90,91,92,93,94").repeat(3), rows("80,71,62,93,94"));
    let pandas = "0,1\nred,5\nblue,7\nred,9\n";
    let index = format!(",2019,2021\n{}{}", rows("a,5,6"), rows("b,9000,3"));
    for text in [
        &*both_sides,
        &*binary,
        &*spectrum,
        &*protein,
        &*words,
        &*index,
        &*doses,
        pandas,
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
    let error = table("a;b\n1,234;2\n3;4\n").settled(&[0]).unwrap_err().to_string();
    assert!(error.contains("1,234") && error.contains("data.decimal") && error.contains("--decimal"), "{error}");
    let said = Format { decimal: Some(Decimal::Comma), ..Format::default() };
    assert_eq!(Table::parse(b"a;b\n1,234;2\n", "x", &said, &[]).unwrap().number(0, 0), Some(1.234));
}

/// A table with one more column of `cells`.
fn with_column(separator: char, first: &str, cells: &[&str]) -> Table {
    let lines: Vec<String> = cells.iter().map(|cell| format!("{first}{separator}{cell}")).collect();
    table(&format!("a{separator}b\n{}\n", lines.join("\n")))
}

#[test]
fn thousands_are_told_from_decimals_by_what_the_cells_say() {
    // Groups beside whole numbers that need none.
    let groups = ["308", "2.838", "-1.969", "17", "3.990", "1.166", "4.462", "-296", "9.001", "1.234", "5.678"];
    for separator in [';', '\t', '|'] {
        let table = with_column(separator, "x", &groups);
        table.settled(&[1]).unwrap();
        assert_eq!((table.number(0, 1), table.number(2, 1)), (Some(308.0), Some(-1969.0)), "{separator}");
    }
    let english: Vec<String> = groups.iter().map(|cell| cell.replace('.', ",")).collect();
    let english: Vec<&str> = english.iter().map(String::as_str).collect();
    assert_eq!(with_column(';', "x", &english).number(1, 1), Some(2838.0));
    // A leading zero has decimals behind it, in this column or in the others.
    for (first, cells, value) in [
        ("x", vec!["0.418", "5.214"], 5.214),
        ("x", vec!["-0,123", "5,214"], 5.214),
        ("0.5", vec!["2.644", "5.214"], 5.214),
        ("0,5", vec!["2.644", "5.214"], 5214.0),
        ("0,5", vec!["2,644", "5,214"], 5.214),
        ("7", vec!["1.234.567", "5.214"], 5214.0),
    ] {
        let table = with_column(';', first, &cells);
        table.settled(&[0, 1]).unwrap_or_else(|e| panic!("{first} {cells:?}: {e}"));
        assert_eq!(table.number(1, 1), Some(value), "{first} {cells:?}");
    }
    let quoted = table("a,b\n\"0,424\",6\n\"2,644\",7\n");
    assert_eq!((quoted.number(0, 0), quoted.number(1, 0)), (Some(0.424), Some(2.644)));
    // Nothing settles it: the column is asked for, and only where it is used.
    for cells in [&["2.644", "5.214"][..], &["22.509", "186.718", "27749"], &["1.5", "3,5"]] {
        let table = with_column(';', "x", cells);
        let mixed = cells[0] == "1.5";
        assert_eq!(table.settled(&[1]).is_ok(), mixed, "{cells:?}");
        assert!(table.settled(&[0]).is_ok());
    }
    let error = with_column(';', "0,5", &groups.map(|c| c.replace('.', ",")).iter().map(|c| &**c).collect::<Vec<_>>())
        .settled(&[1])
        .unwrap_err()
        .to_string();
    assert!(error.contains("column 2 (b)") && error.contains("data.decimal"), "{error}");
}

#[test]
fn each_column_has_its_own_decimal_mark() {
    let clock = table("time;degrees\n14.30;19,1\n15.45;8,1\n00.00;1,2\n");
    assert_eq!((clock.number(0, 0), clock.number(0, 1)), (Some(14.3), Some(19.1)));
    assert!(clock.describe().contains("decimal commas, but points in column 1 (time)"), "{}", clock.describe());
}

#[test]
fn units_are_read_where_the_whole_column_has_them() {
    let text = "price,rate,size,loss\n\"$1,234\",12%,102 m²,(29.45)\n\"$835,268.26\",7%,88 m²,12.5\n";
    let table = table(text);
    let numbers: Vec<f64> = (0..4).map(|place| table.number(0, place).unwrap()).collect();
    assert_eq!(numbers, [1234.0, 12.0, 102.0, -29.45]);
    assert_eq!(table.style(1).unit.as_deref(), Some("%"));
    let euros = self::table("a;b\n1.234,56 €;1\n0,5 €;2\n");
    assert_eq!(euros.number(0, 0), Some(1234.56));
    let rows = [0, 1, 2];
    let mixed = self::table("w,y\n5 kg,1\n300 g,2\n2 kg,3\n");
    let error = columns::fit(&mixed, &[0], &rows, &rows, rules(Empty::Refuse)).unwrap_err().to_string();
    assert!(error.contains("units (5 kg, 300 g)") && error.contains("data.words"), "{error}");
    // Words are words.
    let words = self::table("c,y\n1st,1\n2nd,2\n3rd,3\n");
    assert!(columns::fit(&words, &[0], &rows, &rows, rules(Empty::Refuse)).is_ok());
}

#[test]
fn what_stands_above_or_between_the_rows_is_no_row() {
    let remarks = table("# made by me\n# twice\nlength,kind\n1.5,a\n# again\n2.5,b\n");
    assert_eq!((remarks.columns(), remarks.count(), remarks.line(0)), (&["length".into(), "kind".into()][..], 2, 4));
    assert!(remarks.notes().any(|note| note.contains("3 lines that begin with #")));
    let twice = table("a,b\n1,2\na,b\n3,4\n");
    assert_eq!((twice.count(), twice.line(1)), (2, 4));
    assert!(twice.notes().any(|note| note.contains("left out 1 rows that repeat the names")));
    let title = "Report of 2024\n\nExported by Bob\n\na,b,y\n1,2,3\n4,5,6\n7,8,9\n";
    let error = read(title).unwrap_err().to_string();
    assert!(error.contains("data.skip = 4") && error.contains("--skip 4"), "{error}");
    let below = Table::parse(title.as_bytes(), "x", &Format { skip: 4, ..Format::default() }, &[]).unwrap();
    assert_eq!((below.columns().len(), below.count(), below.line(0)), (3, 3, 6));
    let spaced = table("age, job, pay\n24, \"clerk, junior\", >50K.\n39, \"boss\", <=50K.\n");
    assert_eq!(cells(&spaced)[0], ["24", "clerk, junior", ">50K."]);
    // The fuel data of the UCI collection: spaces, then a tab, then names with spaces in quotes.
    let fuel =
        table("18     8   307.0  70  1\t\"chevrolet chevelle malibu\"\n15     8   ?  70  1\t\"buick skylark 320\"\n");
    assert_eq!(cells(&fuel)[1], ["15", "8", "?", "70", "1", "buick skylark 320"]);
    let names = table("First Name\tCount Of\nNew York\t5\nLos Angeles\t6\n");
    assert_eq!(names.columns(), ["First Name", "Count Of"]);
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
        let (features, notes) = named.features(&[2], &[0, 1]);
        assert_eq!((features, notes.len()), (vec![1], 1));
    }
    let twins = table("a,b,a\n1,2,3\n");
    assert_eq!(twins.columns(), ["a", "b", "a (2)"]);
    assert!(twins.place("a").unwrap_err().to_string().contains("more than one column is named \"a\""));
    assert_eq!((twins.place("-1").unwrap(), twins.place("0").unwrap()), (2, 0));
    let unnamed = table("x,,,y\n1.5,2,3,4\n2.5,7,9,8\n");
    assert_eq!(unnamed.columns(), ["x", "", "column 3", "y"]);
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
