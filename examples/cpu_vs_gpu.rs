//! Lesson 10: how fast is it, and is it the same?
//!
//! A fair race: the same plans on every device, all cores of the CPU with the fastest matrix product there is for it.
//! GPUs work on their own clock, so a stopwatch that is read after `run` measures how fast work is *ordered*.
//! `losses()` waits until all is done. The first run warms up caches and clocks and does not count; of the others the
//! median does.
//!
//! Work is counted in multiply-accumulates, two operations each: `m k n` for a matrix product, and for a training step
//! three products per layer (forward, gradient of the input, gradient of the weights). Small products are decided by
//! the cost of starting them, large ones by arithmetic: the ratio grows with the size.
//!
//! Devices add in different orders, so their sums differ in the last digits, and training amplifies that slowly. Equal
//! within a tolerance is what can be asked, and it is asked here.

mod common;

use std::time::Instant;

use anyhow::Result;
use clap::Parser;
use common::Program;
use wgrad::graph::{Activation, Graph, Loss, Op, Update};
use wgrad::{AdapterKind, Device, Network, Resident, Room, Setup, Trainer, lessons};

/// The median of five timings, seconds per repetition.
fn median(repeats: u64, mut work: impl FnMut(u64) -> Result<()>) -> Result<f64> {
    work(1)?;
    let mut seconds = Vec::new();
    for _ in 0..5 {
        let begun = Instant::now();
        work(repeats)?;
        seconds.push(begun.elapsed().as_secs_f64() / repeats as f64);
    }
    seconds.sort_by(f64::total_cmp);
    Ok(seconds[2])
}

/// Seconds and operations of a product of two square matrices, and some of its elements.
fn product(device: &Device, side: usize, repeats: u64) -> Result<(f64, f64, Vec<f32>)> {
    let mut graph = Graph::new();
    let (a, b) = (graph.input("a", &[side, side]).unwrap(), graph.input("b", &[side, side]).unwrap());
    let c = graph.push(Op::MatMul { ta: false, tb: false }, &[a, b])?;
    graph.output(c);
    let mut program = Program::load(device, &graph, 0)?;
    for (seed, input) in [a, b].into_iter().enumerate() {
        let value = |i: usize| wgrad::random::pcg((2 * i + seed) as u32) as f32 / u32::MAX as f32 - 0.5;
        program.executor.write(program.id, input, &(0..side * side).map(value).collect::<Vec<f32>>())?;
    }
    let seconds = median(repeats, |times| {
        program.run(times as u32, 0.0)?;
        program.executor.losses()?; // waits
        Ok(())
    })?;
    let result = program.executor.read(program.id, c)?;
    Ok((seconds, 2.0 * program.plan.macs() as f64, result.into_iter().step_by(97).collect()))
}

/// Seconds and operations of a training step of 784-w-w-10, and the losses of the first 20 steps.
fn training(device: &Device, width: usize, repeats: u64) -> Result<(f64, f64, Vec<f32>)> {
    let setup = Setup {
        network: Network::Mlp { sizes: vec![784, width, width, 10], activation: Activation::Relu, dropout: 0.0 },
        loss: Loss::CrossEntropy(0.0),
        rule: Update::Sgd { momentum: 0.9, nesterov: false, decay: 0.0 },
        clip: None,
        average: None,
        batch: 128,
        accumulate: 1,
        seed: 1,
    };
    let data = Resident::Rows(lessons::digits(1, 1000));
    let mut trainer = Trainer::new(device.executor()?, setup, &data, Room::of(&data))?;
    trainer.advance(20, |_| 0.01)?;
    let losses = trainer.losses()?;
    let seconds = median(repeats, |steps| {
        trainer.advance(steps, |_| 0.01)?;
        trainer.losses()?;
        Ok(())
    })?;
    Ok((seconds, 2.0 * trainer.plan().macs() as f64, losses))
}

/// Whether all values agree within `tolerance`, absolute and relative; NaN agrees with nothing.
fn agree(ours: &[f32], theirs: &[f32], tolerance: f32) -> bool {
    ours.len() == theirs.len() && ours.iter().zip(theirs).all(|(a, b)| (a - b).abs() <= tolerance * (1.0 + b.abs()))
}

fn main() -> Result<()> {
    let lesson = common::Lesson::parse();
    // With --device, the CPU races against that device alone; otherwise against every adapter.
    let mut devices = vec![Device::Cpu];
    match lesson.chosen()? {
        Some(device) if device != Device::Cpu => devices.push(device),
        Some(_) => {}
        None => devices.extend(wgrad::adapters().into_iter().map(Device::from)),
    }
    if devices.len() == 1 {
        println!("no adapter to race against: the CPU runs alone, and there is nothing to compare\n");
    }
    type Work = fn(&Device, usize, u64) -> Result<(f64, f64, Vec<f32>)>;
    let works: [(&str, Work, Vec<usize>, f32); 2] = [
        ("matrix product, side", product, lesson.pick(vec![64, 256], vec![64, 256, 1024, 2048]), 1e-4),
        ("training step, width", training, lesson.pick(vec![128], vec![128, 512, 2048]), 1e-3),
    ];
    for (name, work, sizes, tolerance) in works {
        for size in sizes {
            println!("{name} {size}");
            let (mut first, mut expected): (Option<f64>, Vec<f32>) = (None, Vec::new());
            // The processor posing as a GPU would take minutes for what it is not made for.
            let posing = |d: &Device| matches!(d, Device::Gpu(adapter, _) if adapter.kind == AdapterKind::Software);
            for device in devices.iter().filter(|d| size <= 256 || !posing(d)) {
                let (seconds, operations, values) = work(device, size, lesson.pick(3, 5))?;
                let cpu = *first.get_or_insert(seconds);
                let (milliseconds, rate) = (1e3 * seconds, 1e-9 * operations / seconds);
                println!("{milliseconds:12.3} ms {rate:10.1} GFLOP/s {:8.2} x   {}", cpu / seconds, device.describe());
                if expected.is_empty() {
                    expected = values;
                } else {
                    assert!(agree(&values, &expected, tolerance), "{} computes something else", device.describe());
                }
            }
        }
    }
    Ok(())
}
