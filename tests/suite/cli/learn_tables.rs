//! Tables as people have them, from the file to the answers.

use std::fs;
use std::path::Path;

use crate::support::cli::{Run, wgrad};
use serde_json::Value;
use tempfile::tempdir;

/// Numbers from 0 to 1 without a pattern.
fn noise(k: usize) -> f64 {
    let mut x = (k as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    ((x ^ (x >> 31)) >> 11) as f64 / (1u64 << 53) as f64
}

struct House {
    area: f64,
    year: usize,
    district: &'static str,
    price: f64,
}

/// Prices in the hundred thousands that follow from area, year and district, but for a noise of one percent.
fn house(k: usize) -> House {
    let (area, year) = (1000.0 + 4000.0 * noise(3 * k), 1900 + (120.0 * noise(3 * k + 1)) as usize);
    let (district, base) = [("north", 80_000.0), ("old town", 200_000.0), ("Süd", 0.0)][k % 3];
    let price = 150.0 * area + 900.0 * (year - 1900) as f64 + base;
    House { area, year, district, price: (price * (0.99 + 0.02 * noise(3 * k + 2))).round() }
}

/// Semicolons, decimal commas, points between thousands, words, holes, a column that tells nothing, and row numbers.
fn houses(path: &Path, rows: std::ops::Range<usize>, holes: bool) {
    let comma = |value: f64| format!("{value:.1}").replace('.', ",");
    let mut text = "\u{feff};area;year;district;country;price\r\n".to_string();
    for k in rows {
        let House { area, year, district, price } = house(k);
        let area = if holes && k % 29 == 5 { "n/a".into() } else { comma(area) };
        let price = price as u64;
        let price = match (price / 1_000_000, price / 1000 % 1000, price % 1000) {
            (0, thousands, rest) => format!("{thousands}.{rest:03},00"),
            (millions, thousands, rest) => format!("{millions}.{thousands:03}.{rest:03},00"),
        };
        text += &format!("{k};{area};{year};{district};AT;{price}\r\n");
    }
    fs::write(path, text).unwrap();
}

fn run(folder: &Path, line: &str) -> Run {
    wgrad(folder, line.split_whitespace())
}

fn json(run: Run) -> Value {
    serde_json::from_str(&run.stdout).unwrap_or_else(|e| panic!("{e}: {}", run.stdout))
}

#[test]
fn prices_are_learned_as_they_come_and_predicted_in_their_units() {
    let folder = tempdir().unwrap();
    let at = folder.path();
    houses(&at.join("houses.csv"), 0..600, true);
    houses(&at.join("new.csv"), 600..700, false);
    let train = "train -o run --set steps=600 --set batch=32 --set network.kind=mlp --set network.sizes=[6,16,1] \
                 --set data.kind=csv --set data.path=houses.csv --set data.target=price --set data.classes=false \
                 --set optimizer.lr=1e-2";
    // A hole is asked about.
    run(at, &format!("{train} -q")).expect(2).says(&["houses.csv: line 7, column 2 (area)", "data.empty"]);
    let trained = run(at, &format!("{train} --set data.empty=mean")).expect(0);
    for said in [
        "600 rows, semicolons, decimal commas",
        "column 1 has no name",
        "column 4 (district) holds words, and is 3 features: Süd, north, old town",
        "column 5 (country) holds words, and is 1 features: AT",
        "column 5 (country) is AT in every row",
    ] {
        let said = if said.starts_with("column 1 ") { "column 1 () has no name" } else { said };
        assert!(trained.stderr.contains(said), "no {said:?} in {}", trained.stderr);
    }
    // R squared on rows that it has not seen.
    let scores = json(run(at, "eval run/best.safetensors --data new.csv --json -q").expect(0));
    let price = &scores["columns"][0];
    assert!(price["R2"].as_f64().unwrap() > 0.99, "{scores}");
    let (mae, constant) = (price["MAE"].as_f64().unwrap(), price["constant"]["MAE"].as_f64().unwrap());
    assert!(mae > 1000.0 && mae < 30_000.0 && constant > 100_000.0, "in the units of the data: {scores}");
    let text = run(at, "eval run/best.safetensors --data new.csv -q").expect(0).stdout;
    assert!(["R2", "MAE", "RMSE", "price", "always"].iter().all(|word| text.contains(word)), "{text}");

    // The raw table, and one with columns in another order, points for commas and no target.
    run(at, "predict run/best.safetensors new.csv -o answers.csv -q").expect(0);
    let mut reader = csv::Reader::from_path(at.join("answers.csv")).unwrap();
    assert_eq!(reader.headers().unwrap(), vec!["input", "row", "price"]);
    let answers: Vec<(u64, f64)> =
        reader.deserialize().map(|r| r.unwrap()).map(|(_, row, price): (String, u64, f64)| (row, price)).collect();
    assert_eq!(answers.len(), 100);
    let mut off = 0.0f64;
    for (i, (line, price)) in answers.iter().enumerate() {
        assert_eq!(*line, i as u64 + 2, "the line of the file");
        off += (price - house(600 + i).price).abs() / answers.len() as f64;
    }
    assert!((off / mae - 1.0).abs() < 1e-4, "the answers are off by {off} on average, eval says {mae}");
    let House { area, year, district, .. } = house(600);
    fs::write(at.join("one.csv"), format!("district,year,country,area\n{district},{year},AT,{area:.1}\n")).unwrap();
    let one = json(run(at, "predict run/best.safetensors one.csv --json -q").expect(0));
    let (value, row) = (one[0]["values"][0].as_f64().unwrap(), one[0]["row"].as_u64().unwrap());
    assert!((value / answers[0].1 - 1.0).abs() < 1e-5 && row == 2, "{one}");

    // What does not fit is named by line and column; what stands in the way of a file is kept.
    fs::write(at.join("odd.csv"), "district,year,country,area\nnorth,1950,AT,2000.5\nwest,1950,AT,2000.5\n").unwrap();
    let odd = run(at, "predict run/best.safetensors odd.csv -q").expect(1);
    odd.says(&["odd.csv: line 3, column 1 (district)", "\"west\"", "Süd, north, old town"]);
    fs::write(at.join("few.csv"), "year,area\n1950,2000\n").unwrap();
    run(at, "predict run/best.safetensors few.csv -q").expect(2).says(&["few.csv", "no column district, country"]);
    run(at, "predict run/best.safetensors one.csv -o answers.csv -q").expect(2).says(&["answers.csv", "--overwrite"]);
    run(at, "predict run/best.safetensors one.csv odd.csv -o answers.csv --overwrite -q")
        .expect(1)
        .mentions(&["line 3"]);
    assert_eq!(fs::read_to_string(at.join("answers.csv")).unwrap().lines().count(), 4);
}

/// Flowers by size and colour; the kind follows from both, but for one in a hundred.
fn flower(k: usize) -> (f64, f64, &'static str, &'static str) {
    let (length, width, colour) = (2000.0 + 5000.0 * noise(4 * k), 0.01 * noise(4 * k + 1), ["red", "white"][k % 2]);
    let kind = match (length > 4500.0, colour) {
        (true, "red") => "rose",
        (true, _) => "lily",
        (false, _) => "daisy",
    };
    let kind = if noise(4 * k + 2) < 0.01 { "rose" } else { kind };
    (length, width, colour, kind)
}

#[test]
fn kinds_are_learned_as_they_come_and_told_apart() {
    let folder = tempdir().unwrap();
    let at = folder.path();
    let write = |name: &str, rows: std::ops::Range<usize>| {
        let line = |k: usize| {
            let (length, width, colour, kind) = flower(k);
            let colour = if k % 40 == 3 { "?" } else { colour };
            format!("{kind}\t{length:.0}\t{width:.5}\t{colour}\tnote {k}")
        };
        let lines: Vec<String> = rows.map(line).collect();
        fs::write(at.join(name), format!("kind\tlength\twidth\tcolour\tremark\n{}\n", lines.join("\n"))).unwrap();
    };
    write("flowers.tsv", 0..600);
    write("more.tsv", 600..800);
    let train = "train -o run --set steps=500 --set batch=32 --set network.kind=mlp --set network.sizes=[4,16,3] --set data.kind=csv \
                 --set data.path=flowers.tsv --set data.target=kind --set data.features=['length','width','colour'] \
                 --set data.empty=drop --set optimizer.lr=1e-2";
    run(at, train).expect(0).mentions(&["left out 15 rows", "holds words, and is 2 features: red, white"]);
    let wide = train.replace("[4,", "[3,").replace("-o run", "-o wide -q");
    run(at, &wide).expect(2).says(&["takes 3 values, the data has rows of 4", "network.sizes begin with 4"]);
    // Rows with a hole that the network learned nothing for have no answer, whole rows are scored.
    run(at, "predict run/best.safetensors more.tsv -q").expect(1).mentions(&["more.tsv: line 5, column 4 (colour)"]);
    let whole = fs::read_to_string(at.join("more.tsv")).unwrap();
    let whole: Vec<&str> = whole.lines().filter(|line| !line.contains('?')).collect();
    fs::write(at.join("whole.tsv"), whole.join("\n")).unwrap();
    let scores = json(run(at, "eval run/best.safetensors --data whole.tsv --json -q").expect(0));
    assert!(scores["accuracy"].as_f64().unwrap() > 0.95, "{scores}");
    let counts = |value: &Value| value.as_array().unwrap().iter().map(|n| n.as_u64().unwrap()).sum::<u64>();
    let rows: u64 = scores["confusion"].as_array().unwrap().iter().map(counts).sum();
    assert_eq!((rows, scores["rows"].as_u64().unwrap()), (195, 195));
    assert_eq!(scores["classes"][1]["class"], "lily");
    assert!(scores["classes"][1]["f1"].as_f64().unwrap() > 0.9 && scores["constant"]["class"] == "daisy", "{scores}");
    let text = run(at, "eval run/best.safetensors --data whole.tsv -q").expect(0).stdout;
    assert!(["precision", "recall", "F1", "always daisy", "is \\ given"].iter().all(|w| text.contains(w)), "{text}");
    // Classes and their probabilities, by the line.
    run(at, "predict run/best.safetensors whole.tsv -o out.csv -q").expect(0);
    let mut reader = csv::Reader::from_path(at.join("out.csv")).unwrap();
    let names = vec!["input", "row", "kind", "probability daisy", "probability lily", "probability rose"];
    assert_eq!(reader.headers().unwrap(), names);
    for (k, record) in reader.records().enumerate() {
        let record = record.unwrap();
        let p: Vec<f64> = (3..6).map(|i| record[i].parse().unwrap()).collect();
        assert!((p.iter().sum::<f64>() - 1.0).abs() < 1e-5 && record[1] == (k + 2).to_string());
        let first = (0..3).max_by(|&a, &b| p[a].total_cmp(&p[b])).unwrap();
        assert_eq!(record[2], *["daisy", "lily", "rose"][first]);
    }
    // Other classes: both lists.
    fs::write(at.join("trees.tsv"), "kind\tlength\twidth\tcolour\noak\t3000\t0.005\tred\n").unwrap();
    let refused = run(at, "eval run/best.safetensors --data trees.tsv -q").expect(2);
    refused.says(&["trees.tsv: line 2, column 1 (kind)", "daisy, lily, rose", "oak"]);
}

#[test]
fn what_cannot_be_learned_is_said_before_the_first_step() {
    let folder = tempdir().unwrap();
    let at = folder.path();
    let write = |name: &str, row: &dyn Fn(usize) -> String| {
        let lines: Vec<String> =
            (0..40).map(|k| format!("{:.3},{:.3},{}", noise(2 * k), noise(2 * k + 1), row(k))).collect();
        fs::write(at.join(name), format!("a,b,y\n{}\n", lines.join("\n"))).unwrap();
    };
    let train = |table: &str, more: &str| {
        let line = format!(
            "train -o run-{table} --set steps=5 --set batch=4 --set network.kind=mlp --set data.kind=csv --set data.path={table} {more}"
        );
        run(at, &line)
    };
    write("one", &|_| "x".into());
    train("one", "--set network.sizes=[2,2] -q").expect(2).says(&["class \"x\" only"]);
    write("two", &|k| ["1", "1.0", "0"][k % 3].into());
    train("two", "--set network.sizes=[2,2]").expect(0).mentions(&["two: column 3 (y): 1 and 1.0 are one number"]);
    write("three", &|k| (k % 3).to_string());
    let refused = train("three", "--set network.sizes=[2,1] --set loss.kind=bce_with_logits -q").expect(2);
    refused.says(&["bce_with_logits takes 2 classes", "0, 1, 2", "cross_entropy"]);
    train("three", "--set network.sizes=[2,2] -q").expect(2).says(&["2 outputs", "3 classes"]);
    write("flat", &|_| "5".into());
    let flat = train("flat", "--set network.sizes=[2,1] --set data.classes=false").expect(0);
    flat.mentions(&["column 3 (y) is 5 in every row"]);
    fs::copy(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/tables/years.csv"), at.join("years")).unwrap();
    train("years", "--set network.sizes=[2,3] -q").expect(2).says(&["2019, 2020, 2021", "data.header"]);
    train("years", "--set network.sizes=[2,3] --set data.header=true")
        .expect(0)
        .mentions(&["columns 2019, 2020, 2021"]);
    for (set, key) in [
        ("data.separator=colon", "colon"),
        ("data.target=z", "no column \"z\""),
        ("data.features=['a','y']", "data.features"),
        ("data.features=['a','a']", "data.features"),
        ("data.empty=ignore", "ignore"),
    ] {
        train("three", &format!("--set network.sizes=[2,3] --set {set} -q")).expect(2).says(&[key]);
    }
}

#[test]
fn rows_beyond_the_budget_take_turns_and_go_on_bit_for_bit() {
    let folder = tempdir().unwrap();
    let at = folder.path();
    // 1.2 MiB of features in two shards of one MiB at most, each for four steps.
    let line = |k: usize| {
        let cells: Vec<f64> = (0..40).map(|c| (1000.0 * noise(40 * k + c)).round() / 1000.0).collect();
        let sum = cells[0] + 2.0 * cells[1] - cells[2];
        format!("{},{sum:.3}", cells.iter().map(f64::to_string).collect::<Vec<_>>().join(","))
    };
    let names: Vec<String> = (0..40).map(|c| format!("c{c}")).collect();
    let lines: Vec<String> = (0..9000).map(line).collect();
    fs::write(at.join("wide.csv"), format!("{},y\n{}\n", names.join(","), lines.join("\n"))).unwrap();
    let train = |out: &str, more: &str| {
        let line = format!(
            "train -o {out} --set batch=800 --set network.kind=mlp --set network.sizes=[40,1] --set data.kind=csv \
             --set data.path=wide.csv --set data.classes=false --set data.budget_mib=1 --set validate.every=7 \
             --set schedule.kind=constant --set optimizer.lr=0.02 {more}"
        );
        run(at, &line)
    };
    train("whole", "--set steps=240").expect(0).mentions(&["in 2 shards"]);
    train("parts", "--set steps=21").expect(0);
    run(at, "train -o parts --resume -q --set steps=240").expect(0);
    let weights = |out: &str| {
        wgrad::internal::checkpoint::Checkpoint::open(&at.join(out).join("checkpoint.safetensors")).unwrap().weights
    };
    assert!(weights("whole") == weights("parts"));
    let scores = json(run(at, "eval whole/best.safetensors --data wide.csv --json -q").expect(0));
    assert!(scores["R2"].as_f64().unwrap() > 0.9, "{scores}");
    let refused = train("small", "--set steps=60 --set batch=5000 -q").expect(2);
    refused.says(&["data.budget_mib", "5000"]);
}

#[test]
fn a_rare_class_comes_as_often_as_others_where_it_is_balanced() {
    let folder = tempdir().unwrap();
    let at = folder.path();
    // Two classes that overlap, one of them twenty times rarer: alike by chance, the common one is the safer answer.
    let line = |k: usize| {
        let (rare, x) = (k.is_multiple_of(20), 2.0 * noise(k) - 1.0);
        format!("{:.4},{}", if rare { x + 0.8 } else { x }, if rare { "rare" } else { "common" })
    };
    let lines: Vec<String> = (0..2000).map(line).collect();
    fs::write(at.join("t.csv"), format!("x,y\n{}\n", lines.join("\n"))).unwrap();
    let recall = |out: &str, more: &str| {
        let line = format!(
            "train -o {out} -q --set steps=300 --set network.kind=mlp --set network.sizes=[1,8,2] --set data.kind=csv \
             --set data.path=t.csv --set optimizer.lr=1e-2 {more}"
        );
        run(at, &line).expect(0);
        let scores = json(run(at, &format!("eval {out}/checkpoint.safetensors --data t.csv --json -q")).expect(0));
        scores["classes"][1]["recall"].as_f64().unwrap()
    };
    let (plain, balanced) = (recall("plain", ""), recall("balanced", "--set data.balanced=true"));
    assert!(balanced > 0.7 && balanced > plain + 0.2, "{plain} {balanced}");
    let weighed = recall("weighed", "--set data.class_weights=[1.0,20.0]");
    assert!((weighed - balanced).abs() < 0.2, "{weighed} {balanced}");
    let refused = "train -o none -q --set network.kind=mlp --set network.sizes=[1,8,2] --set data.kind=csv --set data.path=t.csv \
                   --set data.class_weights=[1.0]";
    run(at, refused).expect(2).says(&["data.class_weights", "2 classes"]);
}
