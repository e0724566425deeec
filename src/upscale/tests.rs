//! What is seen only with an executor that fails when it is told to.

use std::cell::Cell;
use std::sync::Arc;

use super::*;
use crate::cpu::Cpu;
use crate::device::Failure;
use crate::executor::{Executor, PlanId};
use crate::gpu::{AdapterInfo, AdapterKind};
use crate::graph::{Arena, DatasetBuffer, Plan as Lowered, StepParams, TensorId};
use crate::models;

#[test]
fn an_upscaler_can_move_to_another_thread() {
    fn send<T: Send>() {}
    send::<Upscaler>();
    send::<Enlargement>();
    send::<Enlarged<&Picture>>();
}

thread_local! {
    /// Runs of the failing device so far, and those from which to before which it fails.
    static RUNS: Cell<usize> = const { Cell::new(0) };
    static FAILS: Cell<(usize, usize)> = const { Cell::new((0, 0)) };
    /// Pixels of tiles that it fails on.
    static FULL: Cell<usize> = const { Cell::new(usize::MAX) };
    /// How often it was opened.
    static OPENED: Cell<usize> = const { Cell::new(0) };
}

/// The CPU, posing as a device that fails.
struct Failing {
    cpu: Cpu<f32>,
    pixels: usize,
}

impl Executor for Failing {
    fn name(&self) -> String {
        "failing".into()
    }
    fn load(&mut self, plan: Arc<Lowered>) -> Result<PlanId> {
        self.cpu.load(plan)
    }
    fn unload(&mut self, plan: PlanId) -> Result<()> {
        self.cpu.unload(plan)
    }
    fn write(&mut self, plan: PlanId, tensor: TensorId, values: &[f32]) -> Result<()> {
        self.pixels = values.len();
        self.cpu.write(plan, tensor, values)
    }
    fn read(&mut self, plan: PlanId, tensor: TensorId) -> Result<Vec<f32>> {
        self.cpu.read(plan, tensor)
    }
    fn write_state(&mut self, arena: Arena, values: &[f32]) -> Result<()> {
        self.cpu.write_state(arena, values)
    }
    fn read_state(&mut self, arena: Arena) -> Result<Vec<f32>> {
        self.cpu.read_state(arena)
    }
    fn write_store(&mut self, store: DatasetBuffer, bytes: &[u8]) -> Result<()> {
        self.cpu.write_store(store, bytes)
    }
    fn run(&mut self, plan: PlanId, clocks: &[StepParams]) -> Result<()> {
        let run = RUNS.replace(RUNS.get() + 1);
        let (from, to) = FAILS.get();
        if (from..to).contains(&run) || self.pixels > FULL.get() {
            return Err(Error::execution("a tile", "told to fail").on("failing"));
        }
        self.cpu.run(plan, clocks)
    }
    fn losses(&mut self) -> Result<Vec<f32>> {
        self.cpu.losses()
    }
    fn profile(&mut self, plan: PlanId, clock: &StepParams) -> Result<Vec<f64>> {
        self.cpu.profile(plan, clock)
    }
    fn allocated(&self) -> u64 {
        self.cpu.allocated()
    }
}

fn open(device: &Device) -> Result<Box<dyn Executor>> {
    match device {
        Device::Cpu => device.executor(),
        Device::Gpu(..) => {
            OPENED.set(OPENED.get() + 1);
            Ok(Box::new(Failing { cpu: Cpu::new(), pixels: 0 }))
        }
    }
}

/// What becomes of a picture on a device that fails so, and on the CPU; how often the device was opened.
fn upscaled(fails: (usize, usize), full: usize, options: &UpscaleOptions) -> (Upscaled, Picture, usize) {
    RUNS.set(0);
    FAILS.set(fails);
    FULL.set(full);
    OPENED.set(0);
    let adapter = AdapterInfo {
        index: 0,
        name: "failing".into(),
        backend: "none".into(),
        kind: AdapterKind::Discrete,
        driver: String::new(),
        pci: String::new(),
        ids: [0; 2],
    };
    let picture =
        Picture::new((0..3).map(|k| Plane::from_fn(201, 143, |x, y| ((x * y + 37 * k) % 251) as f32)).collect());
    let networks = [models::find(Some("tiny"), Some(2)).unwrap()];
    let mut failing = Upscaler::opened((&adapter.into(), open), &networks, options).unwrap();
    let mut cpu = Upscaler::with_networks(&Device::Cpu, &networks, &UpscaleOptions::default()).unwrap();
    let of_cpu = cpu.upscale(&picture, &mut |_, _| {}).unwrap();
    assert!(of_cpu.fallbacks.is_empty());
    (failing.upscale(&picture, &mut |_, _| {}).unwrap(), of_cpu.picture, OPENED.get())
}

/// Kinds of fallbacks, in their order.
fn kinds(fallbacks: &[Fallback]) -> Vec<&'static str> {
    let kind = |fallback: &Fallback| match fallback {
        Fallback::Halved { error: why, .. } | Fallback::Device(Failure { why, .. })
            if !why.contains("told to fail") =>
        {
            "?"
        }
        Fallback::Halved { .. } => "half",
        Fallback::Device(failure) if failure.why.starts_with("failing: ") && failure.then.contains("with CPU") => "cpu",
        Fallback::Device(_) => "?",
    };
    fallbacks.iter().map(kind).collect()
}

#[test]
fn a_device_that_fails_once_goes_on_with_halves() {
    let options = UpscaleOptions { tile: Some(96), ..UpscaleOptions::default() };
    let (result, cpu, opened) = upscaled((2, 3), usize::MAX, &options);
    assert_eq!(kinds(&result.fallbacks), ["half"]);
    assert_eq!(opened, 2, "a fresh device after the failure");
    assert_eq!(result.picture, cpu, "bit for bit");
}

#[test]
fn a_device_that_is_full_takes_smaller_tiles() {
    for (tile, full) in [(None, 20_000), (Some(96), 6_000)] {
        let (result, cpu, opened) = upscaled((0, 0), full, &UpscaleOptions { tile, ..UpscaleOptions::default() });
        assert_eq!(kinds(&result.fallbacks), ["half"], "later tiles are cut before they are tried");
        assert_eq!(opened, 2);
        assert_eq!(result.picture, cpu, "bit for bit");
    }
}

#[test]
fn a_device_that_is_lost_leaves_the_rest_to_the_cpu() {
    for first in [0, 1, 3] {
        let options = UpscaleOptions { tile: Some(96), ..UpscaleOptions::default() };
        let (result, cpu, opened) = upscaled((first, usize::MAX), usize::MAX, &options);
        assert_eq!(kinds(&result.fallbacks), ["half", "cpu"], "from run {first} on");
        assert_eq!(opened, 2, "it is not tried a third time");
        assert_eq!(result.picture, cpu, "bit for bit");
    }
}
