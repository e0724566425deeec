//! `wgrad tune` as a person runs it.

use crate::support::cli::{tree, wgrad, wgrad_remembering};
use crate::support::skip;
use wgrad::internal::gpu::adapters;

#[test]
fn what_makes_no_sense_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let run = |arguments: &[&str]| wgrad(folder.path(), arguments);
    run(&["tune", "--quiet"]).expect(2).says(&["nothing to tune on the CPU", "--device"]);
    run(&["tune", "--budget", "-1"]).expect(2);
    run(&["tune", "--budget", "NaN"]).expect(2).mentions(&["not between"]);
}

#[test]
fn shapes_are_measured_once_and_kept_where_it_says() {
    let Some(adapter) = adapters().into_iter().next() else {
        return skip::no_adapter();
    };
    let (folder, device) = (tempfile::tempdir().unwrap(), adapter.index.to_string());
    let tune = |more: &[&str]| wgrad_remembering(folder.path(), ["tune", "--device", &device].iter().chain(more));
    tune(&["nonsense"]).expect(2).mentions(&["`nonsense`", "W2 mlp b64", "*.toml"]);
    tune(&["W1", "--no-tune"]).expect(2).mentions(&["--no-tune"]);
    tune(&["W3"]).expect(0).mentions(&["nothing to measure"]);
    let none = tune(&["matmul 256", "--budget", "0", "--json"]).expect(0);
    let json: serde_json::Value = serde_json::from_str(&none.stdout).unwrap();
    assert_eq!(json["rows"][0]["step"], "matmul 256x256x256");
    assert!(json["rows"][0]["tile"].is_null() && none.stderr.contains("1 not measured"));
    assert!(!tree(folder.path()).iter().any(|file| file.starts_with("cache/tiles/")));

    let recipe = "steps = 1\nbatch = 64\n[network]\nkind = 'mlp'\nsizes = [2, 128, 130, 3]\n[data]\nkind = 'spirals'";
    std::fs::write(folder.path().join("mine.toml"), recipe).unwrap();
    let run = tune(&["matmul 256", "mine.toml", "--budget", "300"]).expect(0);
    for word in ["best tile", "matmul 256x256x256", "matmul 64x143x128", "matmul ta 128x143x64"] {
        assert!(run.stdout.contains(word), "{}", run.stdout);
    }
    let files = tree(folder.path());
    let kept = files.iter().find(|file| file.starts_with("cache/tiles/")).expect("a file of choices");
    assert!(run.stderr.contains(kept.rsplit('/').next().unwrap()), "{}", run.stderr);
    let again = tune(&["matmul 256", "--budget", "0"]).expect(0);
    assert!(again.stdout.contains("from before"), "{}", again.stdout);
    let forgot = tune(&["matmul 256", "--budget", "0", "--forget"]).expect(0);
    assert!(forgot.stdout.contains("not measured") && !folder.path().join(kept).exists());
}
