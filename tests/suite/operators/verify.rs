//! `wgrad verify` as a test: every kernel on this machine's GPU against the oracle; and the checks themselves, which
//! must find faults that are planted in kernels.

use crate::support::gpu;
use wgrad::internal::device::Device;
use wgrad::internal::executor::Precision;
use wgrad::internal::gpu::{FaultInjection, GpuOptions, tile_names};
use wgrad::internal::verify;
use wgrad::internal::verify::{Effort, Row};

fn assert_passed(rows: &[Row]) {
    let wrong: Vec<String> = rows.iter().filter(|row| !row.passed()).map(|row| format!("{row:?}")).collect();
    assert!(wrong.is_empty(), "{} of {} rows:\n  {}", wrong.len(), rows.len(), wrong.join("\n  "));
}

/// Operators that are tried with every tile shape.
const CONTRACTIONS: [&str; 2] = ["matmul", "conv2d"];

fn on_this_gpu(only: &[&str], tiles: &[String]) -> Option<Vec<Row>> {
    let make = verify::on_gpu(gpu::open()?.info().index, GpuOptions::default());
    let effort = Effort { only: only.iter().map(|part| part.to_string()).collect(), ..Effort::default() };
    Some(verify::run(&make, tiles, &effort, &mut |_| {}).unwrap())
}

#[test]
fn every_operator_computes_its_formula() {
    let Some(rows) = on_this_gpu(&[], &[]) else { return };
    assert_eq!(rows.len(), verify::operators().len());
    assert_passed(&rows);
    assert!(rows.iter().any(|row| row.ratio > 0.0), "results equal to the last bit are suspicious");
}

/// The tiles of one name in a test of their own, so that one core compiles these while another compiles those.
fn in_tiles(named: &str) {
    let tiles: Vec<String> = tile_names(Precision::F32).into_iter().filter(|name| name.starts_with(named)).collect();
    assert!(!tiles.is_empty());
    let Some(rows) = on_this_gpu(&CONTRACTIONS, &tiles) else { return };
    assert_eq!(rows.len(), 4 + 4 * tiles.len());
    assert_passed(&rows);
}

#[test]
fn register_tiles_compute_their_formulas() {
    in_tiles("register-");
}

#[test]
fn shared_tiles_compute_their_formulas() {
    in_tiles("shared-");
}

#[test]
fn every_tile_has_one_of_these_names() {
    let named = |name: &String| name.starts_with("register-") || name.starts_with("shared-");
    assert!(tile_names(Precision::F32).iter().all(named), "a tile that no test tries");
}

#[test]
fn kernels_that_are_no_contraction_on_other_draws() {
    let Some(device) = gpu::open() else { return };
    let make = verify::on_gpu(device.info().index, GpuOptions::default());
    let parts = ["sum", "dot", "prelu", "softmax", "normalize", "loss", "pool", "resize", "space", "sample", "update"];
    let effort = Effort { only: parts.map(String::from).to_vec(), seed: 2, rounds: 3 };
    assert_passed(&verify::run(&make, &[], &effort, &mut |_| {}).unwrap());
}

#[test]
fn the_cpu_computes_every_formula() {
    let effort = Effort { rounds: 8, ..Effort::default() };
    let rows = Device::Cpu.verify(false, &effort, &mut |_| {}).unwrap();
    assert_eq!(rows.len(), verify::operators().len());
    assert_passed(&rows);
}

#[test]
fn an_operator_that_is_not_there_is_refused() {
    let effort = Effort { only: vec!["attention".into()], ..Effort::default() };
    let error = Device::Cpu.verify(false, &effort, &mut |_| {}).unwrap_err();
    assert!(error.to_string().contains("no operator has that name; there are matmul, conv2d"), "{error}");
}

/// Operators that fail with a fault in one shader's text, of those tried, with what was said of each.
fn with_fault(tried: &[&str], shader: &str, from: &str, to: &str) -> Option<Vec<(String, String)>> {
    let index = gpu::open()?.info().index;
    let plant = FaultInjection { shader: shader.into(), from: from.into(), to: to.into() };
    // A tile shape given, so that every device uses the kernel that has the fault.
    let tile = Some("register-16x16".into());
    let make = verify::on_gpu(index, GpuOptions { plant: Some(plant), tile, ..GpuOptions::default() });
    let effort = Effort { only: tried.iter().map(|s| s.to_string()).collect(), ..Effort::default() };
    let rows = verify::run(&make, &[], &effort, &mut |_| {}).unwrap();
    Some(rows.into_iter().filter_map(|row| Some((row.operator.to_string(), row.failure?))).collect())
}

/// Asserts that exactly these operators failed and that the first complaint holds a word.
#[track_caller]
fn assert_found(found: Option<Vec<(String, String)>>, operators: &[&str], word: &str) {
    let Some(found) = found else { return };
    let names: Vec<&str> = found.iter().map(|f| f.0.as_str()).collect();
    assert_eq!(names, operators, "{found:?}");
    assert!(found[0].1.contains(word), "{found:?}");
}

#[test]
fn a_dropped_epilogue_is_found() {
    let found = with_fault(&["matmul", "column sum"], "matmul_register", "x = x + columns.bias;", "");
    assert_found(found, &["matmul"], "BiasAdd");
}

#[test]
fn a_transposed_read_is_found() {
    let (right, wrong) = ("k * params.m + row, TA == 1u)", "k * params.m + row, TA == 0u)");
    assert_found(with_fault(&["matmul", "add"], "matmul_register", right, wrong), &["matmul"], "MatMul");
}

#[test]
fn a_kernel_that_writes_nothing_is_found() {
    let wrong = "if (params.count == 0u) { y[i] = value; }";
    let found = with_fault(&["add", "scale", "concat"], "elementwise", "y[i] = select(value, vec4f(), past);", wrong);
    assert_found(found, &["add", "scale", "column scale"], "NaN");
}

#[test]
fn a_kernel_that_writes_nan_is_found() {
    let (right, wrong) = ("params.factor * sum + params.offset;", "sqrt(-1.0 - sum * sum);");
    assert_found(with_fault(&["column sum", "scale"], "reduction", right, wrong), &["column sum"], "NaN");
}

#[test]
fn a_kernel_that_leaves_out_the_last_row_is_found() {
    let (right, wrong) = ("begin + params.block, params.rows)", "begin + params.block, params.rows - 1u)");
    assert_found(with_fault(&["column sum"], "reduction", right, wrong), &["column sum"], "element");
}

#[test]
fn a_kernel_that_writes_past_the_end_is_found() {
    let wrong = "y[i] = select(value, vec4f(), past); if (i == 0u) { y[fours()] = vec4f(7.0); }";
    let found = with_fault(&["scale", "concat"], "elementwise", "y[i] = select(value, vec4f(), past);", wrong);
    assert_found(found, &["scale", "column scale"], "wrote past the end");
}

#[test]
fn a_kernel_that_does_not_compile_is_an_error_that_names_it() {
    let found = with_fault(&["scale", "concat"], "elementwise", "params.factor * a[i]", "params.nothing * a[i]");
    assert_found(found, &["scale", "column scale"], "kernel elementwise::scale");
}

/// Every dispatch cut into as many parts as it has workgroups, at most.
#[test]
fn kernels_dispatched_in_parts_compute_their_formula() {
    let Some(device) = gpu::open() else { return };
    let dispatch = Some(std::time::Duration::from_nanos(1));
    let make = verify::on_gpu(device.info().index, GpuOptions { dispatch, ..GpuOptions::default() });
    assert_passed(&verify::run(&make, &[], &Effort::default(), &mut |_| {}).unwrap());
}
