//! Memory: what a device holds for a plan, against what the plan's live tensors need at the worst moment.

use crate::support::gpu;
use std::sync::Arc;

use wgrad::graph::{Options, Plan};
use wgrad::internal::bench::workloads;
use wgrad::internal::cpu::Cpu;
use wgrad::internal::executor::Executor;
use wgrad::internal::gpu::{Gpu, GpuOptions};

/// Rings, clocks and kernels' parameters, whatever the plan.
const FIXED: u64 = 256 << 10;

#[test]
fn a_device_holds_little_more_than_the_live_tensors_need() {
    let Some(first) = gpu::open() else { return };
    let index = first.info().index;
    for workload in workloads() {
        let plan = Plan::new(&workload.program().unwrap().graph, Options::default()).unwrap();
        let least = plan.least_bytes();
        let mut device = Gpu::open(index).unwrap();
        device.load(Arc::new(plan.clone())).unwrap();
        let (planned, held) = (plan.bytes(), device.allocated());
        println!("{}: {least} needed, {planned} planned, {held} held", workload.name());
        let bound = least + least / 5;
        assert!(planned <= bound, "{}: {planned} bytes planned, {least} are needed", workload.name());
        assert!(held <= bound + FIXED, "{}: {held} bytes held, {least} are needed", workload.name());
    }
}

#[test]
fn tensors_whose_lives_overlap_are_all_counted() {
    let workload = workloads().into_iter().find(|w| w.name().starts_with("W5")).unwrap();
    let plan = Plan::new(&workload.program().unwrap().graph, Options::default()).unwrap();
    let apart = Plan::new(&workload.program().unwrap().graph, Options { fuse: true, share: false }).unwrap();
    assert_eq!(plan.least_bytes(), apart.least_bytes());
    assert!(plan.least_bytes() <= plan.bytes() && plan.bytes() < apart.bytes());
}

/// What a plan will need is known before anything is made: both executors refuse at the same bound, and hold what they held.
#[test]
fn a_plan_beyond_the_memory_stated_is_refused_before_anything_is_made() {
    let workload = workloads().into_iter().find(|w| w.name().starts_with("W2")).unwrap();
    let plan = Arc::new(Plan::new(&workload.program().unwrap().graph, Options::default()).unwrap());
    let refused = |executor: &mut dyn Executor| {
        let before = executor.allocated();
        let error = executor.load(plan.clone()).unwrap_err();
        let said = error.to_string();
        assert!(matches!(error, wgrad::Error::Device { .. }) && said.contains("of memory, there are"), "{said}");
        assert_eq!(executor.allocated(), before, "{}", executor.name());
    };
    let allowed = plan.bytes() / 2;
    refused(&mut Cpu::<f32>::new().with_memory(allowed));
    if gpu::open().is_some() {
        refused(&mut gpu::open_with(GpuOptions { memory: Some(allowed), ..GpuOptions::default() }).unwrap());
        let enough = GpuOptions { memory: Some(2 * plan.bytes() + FIXED), ..GpuOptions::default() };
        gpu::open_with(enough).unwrap().load(plan.clone()).unwrap();
    }
}
