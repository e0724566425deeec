//! `wgrad verify` as a person runs it.

use crate::support::cli::wgrad;

#[test]
fn the_cpu_passes_and_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let run = wgrad(folder.path(), ["verify"]).expect(0);
    let total = format!("in {} rows, 0 of them wrong", wgrad::internal::verify::operators().len());
    for word in ["operator", "worst error", "conv2d weight gradient", "sample patches", &total] {
        assert!(run.stdout.contains(word), "{}", run.stdout);
    }
    assert!(run.stdout == wgrad(folder.path(), ["verify"]).expect(0).stdout, "the seed decides");
    let run = wgrad(folder.path(), ["verify", "softmax", "--seed", "7", "--rounds", "3", "--json"]).expect(0);
    let json: serde_json::Value = serde_json::from_str(&run.stdout).unwrap();
    assert_eq!(json["rows"].as_array().unwrap().len(), 2);
    assert_eq!(json["rows"][0]["operator"], "softmax");
    assert_eq!((json["rows"][0]["passed"].as_bool(), json["rows"][0]["cases"].as_u64()), (Some(true), Some(6)));
}

#[test]
fn what_makes_no_sense_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    wgrad(folder.path(), ["verify", "attention", "--quiet"]).expect(2).says(&["no operator has that name", "conv2d"]);
    wgrad(folder.path(), ["verify", "--checked", "--quiet"]).expect(2).says(&["--checked", "CPU"]);
}
