//! Whether a device's matrix units can be trusted: drivers list sizes that compilers get wrong, so a trial decides.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use half::f16;

use super::contraction::{Class, MatrixUnit, tiles};
use super::device::matrix_units;
use super::executor::Gpu;
use super::guard::guarded;
use super::options::GpuOptions;
use crate::executor::{Executor, Precision};
use crate::graph::{Graph, Op, Options, Plan, StepParams};
use crate::{Error, Result};

/// Whether adapter number `index` can compute with [`Precision::Mixed`].
///
/// # Errors
/// Saying why it cannot: it lists no matrix unit that kernels are written for, or the trial gave wrong numbers.
pub fn mixed(index: usize) -> Result<()> {
    unit(index).map(drop)
}

/// The matrix unit of an adapter that passed the trial, tried once; errors as those of [`mixed`].
pub(super) fn unit(index: usize) -> Result<MatrixUnit> {
    type Known = Mutex<Option<HashMap<usize, std::result::Result<MatrixUnit, String>>>>;
    static KNOWN: Known = Mutex::new(None);
    let mut known = KNOWN.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    let found = known.get_or_insert_default().entry(index).or_insert_with(|| find(index)).clone();
    found.map_err(|why| Error::device(format!("no mixed precision here: {why}")))
}

fn find(index: usize) -> std::result::Result<MatrixUnit, String> {
    let mut why = "it has no matrix unit that multiplies 8x8 or 16x16 matrices of f16 with sums in f32".to_string();
    for unit in matrix_units(index) {
        // The compiler of shaders may panic on what it does not know yet.
        match guarded(|| trial(index, unit)) {
            Ok(Ok(())) => return Ok(unit),
            Ok(Err(error)) => why = format!("its matrix unit failed the trial: {error}"),
            Err(_) => why = "kernels for its matrix unit cannot be compiled".into(),
        }
    }
    Err(why)
}

/// Multiplies matrices that span several rounds and tiles, in all four forms, and compares with sums in f64.
fn trial(index: usize, unit: MatrixUnit) -> std::result::Result<(), String> {
    let (m, n, k) = (72, 56, 104);
    let tile = tiles(Op::MatMul { ta: false, tb: false }, Class::Matrix(unit)).first().map(|tile| tile.name());
    let options = GpuOptions { precision: Precision::Mixed, tile, ..GpuOptions::default() };
    let mut gpu = Gpu::on_unit(index, options, Some(unit)).map_err(|e| e.to_string())?;
    for (ta, tb) in [(false, false), (true, false), (false, true), (true, true)] {
        let mut graph = Graph::new();
        let a = graph.input("a", &if ta { [k, m] } else { [m, k] }).map_err(|e| e.to_string())?;
        let b = graph.input("b", &if tb { [n, k] } else { [k, n] }).map_err(|e| e.to_string())?;
        let c = graph.push(Op::MatMul { ta, tb }, &[a, b]).map_err(|e| e.to_string())?;
        graph.output(c);
        let values = |salt: usize, len: usize| -> Vec<f32> {
            (0..len).map(|i| ((i * 7919 + salt) % 1021) as f32 / 510.5 - 1.0).collect()
        };
        let (x, y) = (values(17, m * k), values(331, k * n));
        let mut compute = || -> Result<Vec<f32>> {
            let id = gpu.load(Arc::new(Plan::new(&graph, Options::default())?))?;
            gpu.write(id, a, &x)?;
            gpu.write(id, b, &y)?;
            gpu.run(id, &[StepParams::default()])?;
            gpu.read(id, c)
        };
        let got = compute().map_err(|e| e.to_string())?;
        let round = |v: f32| f64::from(f16::from_f32(v));
        for (i, &result) in got.iter().enumerate() {
            let (r, c) = (i / n, i % n);
            let term = |t: usize| {
                round(x[if ta { t * m + r } else { r * k + t }]) * round(y[if tb { c * k + t } else { t * n + c }])
            };
            let (sum, size) = (0..k).map(term).fold((0.0, 0.0), |(s, z), p: f64| (s + p, z + p.abs()));
            // Units may align the terms of a block before they add them, which costs some of f32's digits.
            let error = (f64::from(result) - sum).abs();
            // A NaN is no small error.
            if error.is_nan() || error > 1e-4 * size {
                return Err(format!("{result} instead of {sum} with transposes {ta} {tb}"));
            }
        }
    }
    Ok(())
}
