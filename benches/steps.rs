//! Training steps and inference on the CPU and on the first adapter, under criterion: `cargo bench`, `cargo bench -- W5`.
//!
//! `wgrad bench` measures the same workloads in a table; this keeps a history to compare a change against.

use std::sync::Arc;

use criterion::{Criterion, criterion_group, criterion_main};
use wgrad::graph::{Arena, Options, Plan, StepParams};
use wgrad::internal::bench::workloads;
use wgrad::internal::device::Device;
use wgrad::internal::gpu;

fn steps(criterion: &mut Criterion) {
    let mut devices = vec![("cpu", Device::Cpu)];
    devices.extend(gpu::adapters().into_iter().take(1).map(|adapter| ("gpu", Device::from(adapter))));
    for workload in workloads() {
        for (name, device) in &devices {
            let program = workload.program().expect("workloads fit together");
            let plan = Arc::new(Plan::new(&program.graph, Options::default()).expect("workloads can be lowered"));
            let mut executor = device.executor().expect("the device opens");
            let id = executor.load(Arc::clone(&plan)).expect("the device holds the workload");
            for (tensor, values) in &program.inputs {
                executor.write(id, *tensor, values).expect("inputs fit");
            }
            if !plan.layout().is_empty() {
                executor.write_state(Arena::Parameters, &program.parameters(plan.layout())).expect("parameters fit");
            }
            let mut clock =
                StepParams { learning_rate: workload.learning_rate(), loss_scale: 1.0, ..StepParams::default() };
            criterion.bench_function(&format!("{} {name}", workload.name()), |bencher| {
                bencher.iter(|| {
                    clock.step += 1;
                    executor.run(id, &[clock]).and_then(|()| executor.losses()).expect("the device works")
                });
            });
        }
    }
}

criterion_group! {
    name = benches;
    config = Criterion::default().sample_size(10);
    targets = steps
}
criterion_main!(benches);
