//! Tables that can be misread: what is learned, scored and answered is what the table says.

use std::fs;
use std::path::Path;

use crate::support::cli::{Run, wgrad};
use serde_json::Value;
use tempfile::tempdir;

/// Numbers from 0 to 1 without a pattern.
fn noise(k: usize) -> f64 {
    let mut x = (k as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    ((x ^ (x >> 27)) >> 11) as f64 / (1u64 << 53) as f64
}

fn write(folder: &Path, name: &str, header: &str, rows: usize, row: impl Fn(usize) -> String) {
    let lines: Vec<String> = (0..rows).map(row).collect();
    fs::write(folder.join(name), format!("{header}\n{}\n", lines.join("\n"))).unwrap();
}

fn run(folder: &Path, line: &str) -> Run {
    wgrad(folder, line.split_whitespace())
}

/// Trains a network of some sizes on `NAME.csv` into `NAME`.
fn train(folder: &Path, name: &str, sizes: &str, more: &str) -> Run {
    let line = format!(
        "train -o {name} --set data.kind=csv --set data.path={name}.csv --set network.kind=mlp --set network.sizes={sizes} \
         --set batch=16 --set optimizer.lr=1e-2 --set validate.every=100 {more}"
    );
    run(folder, &line)
}

fn eval(folder: &Path, name: &str, table: &str) -> Value {
    let run = run(folder, &format!("eval {name}/best.safetensors --data {table} --json -q")).expect(0);
    serde_json::from_str(&run.stdout).unwrap()
}

const VALUES: &str = "--set data.classes=false --set steps=400";

/// A whole number with points between thousands.
fn grouped(value: i64) -> String {
    let (sign, size) = (if value < 0 { "-" } else { "" }, value.abs());
    if size < 1000 { format!("{value}") } else { format!("{sign}{}.{:03}", size / 1000, size % 1000) }
}

#[test]
fn thousands_without_decimals_are_learned_as_such_and_read_so_again() {
    let folder = tempdir().unwrap();
    let at = folder.path();
    let row = |k: usize| {
        let [sales, costs] = [noise(2 * k), noise(2 * k + 1)].map(|part| (20.0 + 4000.0 * part) as i64);
        [sales, costs, sales - costs].map(grouped).join(";")
    };
    write(at, "t.csv", "sales;costs;gain", 300, row);
    train(at, "t", "[2,16,1]", VALUES).expect(0).mentions(&["decimal commas"]);
    let scores = eval(at, "t", "t.csv");
    assert!(scores["R2"].as_f64().unwrap() > 0.97, "{scores}");
    // One row alone says nothing of its points: the network remembers.
    fs::write(at.join("points.csv"), "sales;costs\n1.200;2.300\n").unwrap();
    fs::write(at.join("plain.csv"), "sales;costs\n1200;2300\n").unwrap();
    let answer = |table: &str| {
        let run = run(at, &format!("predict t/best.safetensors {table}")).expect(0);
        run.stdout.split_whitespace().nth(1).unwrap().to_string()
    };
    assert_eq!(answer("points.csv"), answer("plain.csv"));
    let run = run(at, "predict t/best.safetensors points.csv").expect(0);
    run.mentions(&["points.csv: 1 rows, semicolons, decimal commas"]);
    // Where nothing says it, it is asked.
    write(at, "open.csv", "km;price", 40, |k| format!("{0}.{0};{0}.{1}", 101 + k, 900 - k));
    train(at, "open", "[1,4,1]", &format!("{VALUES} -q")).expect(2).says(&["column 1 (km)", "data.decimal"]);
    train(at, "open", "[1,4,1]", &format!("{VALUES} -q --set data.decimal=comma")).expect(0);
}

#[test]
fn probabilities_are_scored_as_they_are_answered() {
    let folder = tempdir().unwrap();
    let at = folder.path();
    let row = |k: usize| {
        let [a, b] = [noise(2 * k), noise(2 * k + 1)].map(|part| 6.0 * part - 3.0);
        format!("{a:.4},{b:.4},{:.4}", 1.0 / (1.0 + (b - 2.0 * a).exp()))
    };
    write(at, "p.csv", "a,b,p", 400, row);
    train(at, "p", "[2,16,1]", &format!("{VALUES} --set loss.kind=bce_with_logits -q")).expect(0);
    let scores = eval(at, "p", "p.csv");
    let (head, column) = (scores["R2"].as_f64().unwrap(), scores["columns"][0]["R2"].as_f64().unwrap());
    assert!(head == column && head > 0.98, "{scores}");
    let metrics = fs::read_to_string(at.join("p/metrics.csv")).unwrap();
    let scores: Vec<f64> =
        metrics.lines().skip(1).map(|line| line.split(',').nth(4).unwrap().parse().unwrap()).collect();
    assert!(scores.iter().all(|score| (0.5..=1.0).contains(score)), "{metrics}");
}

#[test]
fn several_targets_are_scored_one_by_one() {
    let folder = tempdir().unwrap();
    let at = folder.path();
    // The means lie far apart, and within a column nothing follows from x.
    let row = |k: usize| format!("{:.3},{:.3},{:.3}", noise(3 * k), noise(3 * k + 1), 1000.0 + noise(3 * k + 2));
    write(at, "t.csv", "x,a,b", 300, row);
    let more = format!("{VALUES} --set data.target=['a','b'] --set data.standardise=false -q");
    let trained = train(at, "t", "[1,16,2]", &more).expect(0);
    let scores = eval(at, "t", "t.csv");
    let column = |i: usize| scores["columns"][i]["R2"].as_f64().unwrap();
    let (head, mean) = (scores["R2"].as_f64().unwrap(), (column(0) + column(1)) / 2.0);
    assert!((head - mean).abs() < 1e-9 * mean.abs().max(1.0) && head < 0.5, "{scores}: {}", trained.stdout);
    let text = run(at, "eval t/best.safetensors --data t.csv -q").expect(0).stdout;
    assert!(text.contains("(the mean of the columns')"), "{text}");
}

#[test]
fn columns_without_names_and_of_one_name_stay_apart() {
    let folder = tempdir().unwrap();
    let at = folder.path();
    let cells = |k: usize| [noise(3 * k), noise(3 * k + 1), noise(3 * k + 2)].map(|part| 20.0 * part - 10.0);
    for (name, header) in [("blank", "x,,,y"), ("twins", "x,x,z,y")] {
        let row = |k: usize| {
            let [a, b, c] = cells(k);
            format!("{a:.3},{b:.3},{c:.3},{:.3}", a - 2.0 * b + 3.0 * c)
        };
        write(at, &format!("{name}.csv"), header, 300, row);
        train(at, name, "[3,16,1]", &format!("{VALUES} -q")).expect(0);
        let scores = eval(at, name, &format!("{name}.csv"));
        assert!(scores["R2"].as_f64().unwrap() > 0.97, "{name}: {scores}");
        run(at, &format!("predict {name}/best.safetensors {name}.csv -o {name}-answers.csv -q")).expect(0);
    }
    // A network that knows one x asks which of two it is.
    write(at, "one.csv", "x,z,y", 60, |k| format!("{:.3},{:.3},{:.3}", noise(k), noise(k + 500), noise(k)));
    train(at, "one", "[2,4,1]", &format!("{VALUES} -q")).expect(0);
    let refused = run(at, "predict one/best.safetensors twins.csv -q").expect(2);
    refused.says(&["more than one column is named \"x\"", "rename"]);
}

#[test]
fn rows_with_holes_are_left_out_of_scores_and_have_no_answer() {
    let folder = tempdir().unwrap();
    let at = folder.path();
    let row = |k: usize| {
        let (a, b) = (noise(2 * k), noise(2 * k + 1));
        let cell = |hole: bool, value: f64| if hole { "NA".to_string() } else { format!("{value:.3}") };
        format!("{},{},{}", cell(k % 20 == 3, a), cell(false, b), cell(k % 30 == 7, a - b))
    };
    write(at, "t.csv", "a,b,y", 300, row);
    train(at, "t", "[2,8,1]", &format!("{VALUES} --set data.empty=drop")).expect(0).mentions(&["left out 10 rows"]);
    let run_eval = run(at, "eval t/best.safetensors --data t.csv --json").expect(0);
    let run_eval =
        run_eval.mentions(&["left out 10 rows without a target", "left out 15 rows without a value in some column"]);
    let scores: Value = serde_json::from_str(&run_eval.stdout).unwrap();
    assert_eq!(scores["rows"], 275);
    // Holes and cells that are no numbers: the others have their answers.
    fs::write(at.join("new.csv"), "a,b\n0.5,0.5\nNA,0.5\n0.25,abc\n0.1,0.2\n").unwrap();
    let some = run(at, "predict t/best.safetensors new.csv -q").expect(1);
    let some = some.mentions(&["new.csv: line 3, column 1 (a)", "new.csv: line 4, column 2 (b): \"abc\""]);
    let lines: Vec<&str> = some.stdout.lines().collect();
    assert!(lines.len() == 4 && lines[1] == "new.csv:3  -" && lines[3].starts_with("new.csv:5  "), "{lines:?}");
    run(at, "predict t/best.safetensors new.csv -o out.csv -q").expect(1);
    let out = fs::read_to_string(at.join("out.csv")).unwrap();
    assert_eq!(out.lines().nth(2), Some("new.csv,3,"), "{out}");
    let rows = run(at, "predict t/best.safetensors new.csv --json -q").expect(1).stdout;
    let rows: Value = serde_json::from_str(&rows).unwrap();
    assert!(rows[2]["error"].as_str().unwrap().contains("line 4") && rows[3]["values"][0].is_f64(), "{rows}");
    fs::write(at.join("none.csv"), "a,b\nNA,0.5\n").unwrap();
    run(at, "predict t/best.safetensors none.csv -q").expect(2).says(&["none.csv: line 2"]);
    // A column that is empty once rows without a target are gone.
    write(at, "gone.csv", "a,b,y", 60, |k| match k {
        0 => "1.5,0.5,".into(),
        k => format!(",{:.3},{:.3}", noise(k), 2.0 * noise(k)),
    });
    let gone = train(at, "gone", "[1,8,1]", &format!("{VALUES} --set data.empty=mean")).expect(0);
    gone.mentions(&["column 1 (a) has no value and is left out"]);
}

#[test]
fn answers_of_two_classes_are_probabilities_whatever_the_loss() {
    let folder = tempdir().unwrap();
    let at = folder.path();
    write(at, "t.csv", "x,kind", 200, |k| format!("{:.3},{}", noise(k), ["no", "yes"][usize::from(noise(k) > 0.5)]));
    train(at, "t", "[1,8,1]", "--set steps=200 --set loss.kind=mse -q").expect(0);
    fs::write(at.join("far.csv"), "x\n-9\n0.1\n0.9\n9\n").unwrap();
    run(at, "predict t/best.safetensors far.csv -o out.csv -q").expect(0);
    let mut reader = csv::Reader::from_path(at.join("out.csv")).unwrap();
    for record in reader.records().map(Result::unwrap) {
        let parts: Vec<f64> = (3..5).map(|i| record[i].parse().unwrap()).collect();
        assert!(
            parts.iter().all(|p| (0.0..=1.0).contains(p)) && (parts[0] + parts[1] - 1.0).abs() < 1e-6,
            "{record:?}"
        );
    }
}

#[test]
fn what_is_meant_otherwise_is_named_with_its_remedy() {
    let folder = tempdir().unwrap();
    let at = folder.path();
    write(at, "numbers.csv", "x,y", 60, |k| format!("{:.3},{:.3}", noise(k), 5.0 * noise(k)));
    train(at, "numbers", "[1,8,1]", "-q").expect(2).says(&["60 classes", "data.classes = false"]);
    fs::write(at.join("text.png"), "a,b\n1,2\n").unwrap();
    train(at, "numbers", "[1,8,1]", &format!("{VALUES} -q")).expect(0);
    run(at, "predict numbers/best.safetensors text.png -q").expect(2).says(&["text.png: its name is a picture's"]);
    // Parts of a data set are no classes.
    for part in ["train", "val"] {
        for class in ["bar", "disc"] {
            let folder = at.join("nested").join(part).join(class);
            fs::create_dir_all(&folder).unwrap();
            image::GrayImage::new(8, 8).save(folder.join("0.png")).unwrap();
        }
    }
    let nested = "train -o nested-run -q --set data.kind=classes --set data.path=nested --set network.kind=sequential \
                  --set network.input=[8,8,3] --set network.layers=[{layer='linear',out=2}]";
    run(at, nested).expect(2).says(&["nested: its folders train and val both hold a folder", "nested/train"]);
    // Pictures of another size than those to learn from, and than the network takes.
    let idx = |path: &str, shape: &[u32]| {
        let head = [0, 0, 8, shape.len() as u8].into_iter().chain(shape.iter().flat_map(|size| size.to_be_bytes()));
        let count = shape.iter().product::<u32>() as usize;
        fs::write(at.join(path), head.chain((0..count).map(|k| (k % 3) as u8)).collect::<Vec<u8>>()).unwrap();
    };
    fs::create_dir(at.join("idx")).unwrap();
    idx("idx/train-images-idx3-ubyte", &[6, 8, 8]);
    idx("idx/train-labels-idx1-ubyte", &[6]);
    idx("idx/t10k-images-idx3-ubyte", &[6, 4, 16]);
    idx("idx/t10k-labels-idx1-ubyte", &[6]);
    let digits = "train -o idx-run -q --set data.kind=idx --set data.path=idx --set network.kind=mlp \
                  --set network.sizes=[64,3] --set steps=2 --set batch=2";
    run(at, digits).expect(2).says(&["t10k-images-idx3-ubyte", "4x16", "8x8"]);
    idx("idx/t10k-images-idx3-ubyte", &[6, 8, 8]);
    run(at, digits).expect(0);
    idx("flat", &[6, 4, 16]);
    run(at, "predict idx-run/best.safetensors flat -q").expect(2).says(&["flat: pictures of 4x16", "8x8"]);
}
