//! Mixed precision: f16 operands on matrix units, f32 sums, weights and updates. Adapters without such a unit say so.

use crate::support::{gpu, skip};
use wgrad::internal::device::{Device, Kernels, Tiles};
use wgrad::internal::executor::Precision;
use wgrad::internal::gpu::{GpuOptions, mixed, tile_names};
use wgrad::internal::train::{CancelToken, DataSpec, Recipe, Silent};
use wgrad::internal::verify;
use wgrad::internal::verify::Effort;

/// The adapter, where it has a matrix unit.
fn able() -> Option<usize> {
    let index = gpu::open()?.info().index;
    match mixed(index) {
        Ok(()) => Some(index),
        Err(why) => {
            skip::skip(&why.to_string());
            None
        }
    }
}

#[test]
fn contractions_keep_to_the_bound_of_f16() {
    let Some(index) = able() else { return };
    let options = GpuOptions { precision: Precision::Mixed, ..GpuOptions::default() };
    let effort = Effort { only: vec!["matmul".into(), "conv2d".into()], ..Effort::default() };
    let tiles = &tile_names(Precision::Mixed)[..2];
    let rows = verify::run(&verify::on_gpu(index, options), tiles, &effort, &mut |_| {}).unwrap();
    for row in &rows {
        assert!(row.passed(), "{row:?}");
    }
    let rounded = rows.iter().filter(|row| row.tile.is_some()).all(|row| row.error > 1e-5);
    assert!(rounded, "f16 leaves its mark, or it was not used");
}

#[test]
fn training_in_mixed_precision_learns_as_in_f32() {
    let Some(index) = able() else { return };
    let adapter = wgrad::internal::gpu::adapters().swap_remove(index);
    let mut losses = Vec::new();
    for precision in [Precision::F32, Precision::Mixed] {
        let folder = tempfile::tempdir().unwrap();
        let data = DataSpec::Procedural { pictures: 8, size: 96, patch: 24 };
        let mut recipe = Recipe { steps: 60, batch: 4, data, precision, ..Recipe::default() };
        recipe.validate.every = 60;
        let device = Device::Gpu(adapter.clone(), Kernels { tiles: Tiles::Default, precision, ..Kernels::default() });
        let stop = CancelToken::default();
        let summary = wgrad::internal::train::run(&recipe, &device, folder.path(), false, &stop, &mut Silent).unwrap();
        let last = summary.last.unwrap();
        losses.push(last.scores[0].1);
    }
    assert!(losses[0] > 20.0 && (losses[0] - losses[1]).abs() < 0.2, "PSNR in f32 and mixed: {losses:?}");
}

#[test]
fn a_device_without_a_matrix_unit_is_refused_with_the_reason() {
    let error = Device::Cpu.with_precision(Precision::Mixed).unwrap_err().to_string();
    assert!(error.contains("f32 only"), "{error}");
    let Some(gpu) = gpu::open() else { return };
    let index = gpu.info().index;
    let adapter = wgrad::internal::gpu::adapters().swap_remove(index);
    match (mixed(index), Device::from(adapter).with_precision(Precision::Mixed)) {
        (Ok(()), Ok(device)) => {
            assert_eq!(device.precision(), Precision::Mixed);
            assert_eq!(device.executor().unwrap().precision(), Precision::Mixed);
            assert!(device.describe().contains("mixed precision"));
        }
        (Err(_), Err(error)) => assert!(error.to_string().contains("matrix unit"), "{error}"),
        (tried, opened) => panic!("{tried:?} and {:?}", opened.map(|d| d.describe())),
    }
}
