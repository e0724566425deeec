//! The contract of executors: what one refuses the other refuses, as an error of the same kind, and nothing panics.

use crate::support::gpu;
use std::sync::Arc;

use wgrad::Error;
use wgrad::graph::{
    Arena, DatasetBuffer, Graph, Init, Loss, Op, Options, Plan, StepParams, TensorId, Update, WeightLayout,
    differentiate, optimize,
};
use wgrad::internal::cpu::Cpu;
use wgrad::internal::data::PictureEntry;
use wgrad::internal::executor::{Executor, PlanId};

/// The processor in both precisions, and the GPU that tests run on.
fn executors() -> Vec<Box<dyn Executor>> {
    let processor: [Box<dyn Executor>; 2] = [Box::new(Cpu::<f32>::new()), Box::new(Cpu::<f64>::new())];
    let gpu = gpu::open().map(|gpu| Box::new(gpu) as Box<dyn Executor>);
    processor.into_iter().chain(gpu).collect()
}

fn plan(graph: &Graph) -> Arc<Plan> {
    Arc::new(Plan::new(graph, Options::default()).unwrap())
}

/// Asserts that every executor refuses something as a person's error, and says why in one line.
#[track_caller]
fn refused<T>(executor: &dyn Executor, result: wgrad::Result<T>, word: &str) {
    match result {
        Err(error @ Error::Input { .. }) => {
            let said = error.to_string();
            assert!(said.contains(word) && !said.contains('\n'), "{}: `{said}` lacks `{word}`", executor.name());
        }
        Err(other) => panic!("{}: another kind of error: {other:?}", executor.name()),
        Ok(_) => panic!("{}: allowed, and should not be ({word})", executor.name()),
    }
}

const SGD: Update = Update::Sgd { momentum: 0.0, nesterov: false, decay: 0.0 };

/// `y = x w` against targets from the dataset.
struct Regression {
    graph: Graph,
    rows: TensorId,
    weight: TensorId,
    hidden: TensorId,
    loss: TensorId,
}

impl Regression {
    const ROWS: usize = 6;

    fn new(outputs: usize) -> Regression {
        let mut graph = Graph::new();
        let features = graph.dataset(DatasetBuffer::Features, &[Self::ROWS, 2]).unwrap();
        let targets = graph.dataset(DatasetBuffer::Targets, &[Self::ROWS, outputs]).unwrap();
        let rows = graph.push(Op::SampleRows { batch: 4, first: 0 }, &[features]).unwrap();
        let wanted = graph.push(Op::SampleRows { batch: 4, first: 0 }, &[targets]).unwrap();
        let weight = graph.parameter("weight", &[2, outputs], Init::Constant(0.5), WeightLayout::Linear).unwrap();
        let hidden = graph.push(Op::MatMul { ta: false, tb: false }, &[rows, weight]).unwrap();
        let loss = graph.push(Op::Loss(Loss::Mse), &[hidden, wanted]).unwrap();
        graph.output(loss);
        differentiate(&mut graph, loss, None, &[]).unwrap();
        optimize(&mut graph, SGD, None, None).unwrap();
        Regression { graph, rows, weight, hidden, loss }
    }

    fn clock() -> StepParams {
        StepParams { count: Self::ROWS as u32, learning_rate: 0.1, ..StepParams::default() }
    }

    fn load(&self, executor: &mut dyn Executor) -> PlanId {
        executor.load(plan(&self.graph)).unwrap()
    }

    fn fill(executor: &mut dyn Executor) {
        executor.write_store(DatasetBuffer::Features, bytemuck::cast_slice(&[1.0f32; 12])).unwrap();
        executor.write_store(DatasetBuffer::Targets, bytemuck::cast_slice(&[2.0f32; 6])).unwrap();
    }
}

#[test]
fn what_is_no_input_is_not_written_and_what_is_not_kept_is_not_read() {
    for mut executor in executors() {
        let mut graph = Graph::new();
        let (x, other) = (graph.input("x", &[2, 3]).unwrap(), graph.input("other", &[2, 3]).unwrap());
        let sum = graph.push(Op::Add, &[x, other]).unwrap();
        let y = graph.push(Op::Scale(2.0), &[sum]).unwrap();
        graph.output(y);
        let id = executor.load(plan(&graph)).unwrap();
        let wrong = executor.write(id, sum, &[0.0; 6]);
        refused(&*executor, wrong, "is no input");
        let wrong = executor.write(id, x, &[0.0; 5]);
        refused(&*executor, wrong, "tensor `x` is 2x3; 5 values were given");
        let wrong = executor.read(id, sum);
        refused(&*executor, wrong, "is not kept");
        executor.write(id, x, &[1.0; 6]).unwrap();
        executor.write(id, other, &[2.0; 6]).unwrap();
        executor.run(id, &[StepParams::default()]).unwrap();
        assert_eq!(executor.read(id, y).unwrap(), [6.0; 6]);
        assert_eq!(executor.read(id, x).unwrap(), [1.0; 6]);
    }
}

#[test]
fn ids_of_another_graph_or_executor_are_refused() {
    let regression = Regression::new(1);
    let mut larger = regression.graph.clone();
    let strange = (0..20).map(|i| larger.input(&format!("i{i}"), &[1]).unwrap()).last().unwrap();
    let mut many = Cpu::<f32>::new();
    let elsewhere = (0..3).map(|_| regression.load(&mut many)).last().unwrap();
    for mut executor in executors() {
        let id = regression.load(&mut *executor);
        let wrong = executor.write(id, strange, &[0.0]);
        refused(&*executor, wrong, "none of the plan's");
        let wrong = executor.read(id, strange);
        refused(&*executor, wrong, "none of the plan's");
        for wrong in [
            executor.run(elsewhere, &[Regression::clock()]),
            executor.write(elsewhere, regression.rows, &[0.0; 8]),
            executor.read(elsewhere, regression.loss).map(drop),
            executor.profile(elsewhere, &Regression::clock()).map(drop),
            executor.unload(elsewhere),
        ] {
            refused(&*executor, wrong, "not loaded");
        }
    }
}

#[test]
fn a_plan_is_unloaded_once() {
    for mut executor in executors() {
        let regression = Regression::new(1);
        let (id, second) = (regression.load(&mut *executor), regression.load(&mut *executor));
        executor.unload(id).unwrap();
        let wrong = executor.unload(id);
        refused(&*executor, wrong, "not loaded, or no longer");
        let wrong = executor.run(id, &[Regression::clock()]);
        refused(&*executor, wrong, "not loaded");
        // What the others share stays.
        Regression::fill(&mut *executor);
        executor.run(second, &[Regression::clock()]).unwrap();
        assert_eq!(executor.losses().unwrap().len(), 1);
    }
}

#[test]
fn plans_share_one_layout_and_arenas_are_written_whole() {
    for mut executor in executors() {
        let regression = Regression::new(1);
        let wrong = executor.read_state(Arena::Parameters);
        refused(&*executor, wrong, "no loaded plan has the state Parameters");
        let id = regression.load(&mut *executor);
        let wrong = executor.load(plan(&Regression::new(3).graph));
        refused(&*executor, wrong, "other parameters than those loaded before");
        let wrong = executor.write_state(Arena::Parameters, &[0.0; 2]);
        refused(&*executor, wrong, "Parameters holds 64 values, not 2");
        let wrong = executor.write_state(Arena::Second, &[0.0; 64]);
        refused(&*executor, wrong, "no loaded plan has the state Second");
        assert_eq!(executor.read(id, regression.weight).unwrap(), [0.0; 2]);
        let wrong = executor.read(id, regression.hidden);
        refused(&*executor, wrong, "is not kept");
    }
}

#[test]
fn stores_take_what_plans_have_room_for() {
    for mut executor in executors() {
        let wrong = executor.write_store(DatasetBuffer::Features, &[0; 4]);
        refused(&*executor, wrong, "Features has room for 0 bytes, not 4");
        Regression::new(1).load(&mut *executor);
        let wrong = executor.write_store(DatasetBuffer::Features, &[0; 52]);
        refused(&*executor, wrong, "Features has room for 48 bytes, not 52");
        let wrong = executor.write_store(DatasetBuffer::Features, &[0; 47]);
        refused(&*executor, wrong, "elements of 4 bytes");
        let wrong = executor.write_store(DatasetBuffer::Low, &[0]);
        refused(&*executor, wrong, "room for 0 bytes");
    }
}

#[test]
fn no_run_draws_rows_that_were_not_written() {
    for mut executor in executors() {
        let regression = Regression::new(1);
        let id = regression.load(&mut *executor);
        let clock = Regression::clock();
        let wrong = executor.run(id, &[clock]);
        refused(&*executor, wrong, "6 rows are to be drawn from; Features holds 0");
        executor.write_store(DatasetBuffer::Features, bytemuck::cast_slice(&[1.0f32; 12])).unwrap();
        let wrong = executor.run(id, &[clock]);
        refused(&*executor, wrong, "Targets holds 0");
        Regression::fill(&mut *executor);
        for (wrong, word) in [
            (StepParams { count: 7, ..clock }, "7 rows are to be drawn from; Features holds 6"),
            (StepParams { count: u32::MAX, ..clock }, "rows are to be drawn"),
            (StepParams { count: 0, ..clock }, "a batch of 4 rows is to be drawn from 0"),
            (StepParams { count: 3, ..clock }, "a batch of 4 rows is to be drawn from 3"),
            (StepParams { offset: 6, ..clock }, "begins at row 6 of 6"),
            (StepParams { step: 0, ..clock }, "counted from 1"),
            (StepParams { loss_scale: 0.0, ..clock }, "loss scale"),
            (StepParams { loss_scale: f32::NAN, ..clock }, "loss scale"),
            (StepParams { learning_rate: f32::INFINITY, ..clock }, "learning rate"),
        ] {
            let before = executor.read_state(Arena::Parameters).unwrap();
            // The first of two could run, and does not.
            let result = executor.run(id, &[clock, wrong]);
            refused(&*executor, result, word);
            let result = executor.profile(id, &wrong);
            refused(&*executor, result, word);
            assert!(executor.losses().unwrap().is_empty(), "{word}");
            assert_eq!(executor.read_state(Arena::Parameters).unwrap(), before, "{word}");
        }
        executor.run(id, &[clock, StepParams { offset: 5, step: 2, ..clock }]).unwrap();
        assert!(executor.losses().unwrap().iter().all(|loss| loss.is_finite() && *loss > 0.0));
        // A shorter dataset replaces the longer one.
        executor.write_store(DatasetBuffer::Features, bytemuck::cast_slice(&[1.0f32; 10])).unwrap();
        let wrong = executor.run(id, &[clock]);
        refused(&*executor, wrong, "Features holds 5");
    }
}

#[test]
fn no_run_draws_patches_that_lie_outside_the_pictures() {
    let (side, channels, scale) = (3usize, 2usize, 2usize);
    let mut graph = Graph::new();
    let low = graph.dataset(DatasetBuffer::Low, &[40, channels]).unwrap();
    let high = graph.dataset(DatasetBuffer::High, &[160, channels]).unwrap();
    let table = graph.dataset(DatasetBuffer::Table, &[2, 5]).unwrap();
    let draw = |scale, high| Op::SamplePatches { batch: 5, patch: side, scale, high, first: 0 };
    let drawn =
        [graph.push(draw(1, false), &[low, table]).unwrap(), graph.push(draw(scale, true), &[high, table]).unwrap()];
    drawn.iter().for_each(|&t| graph.output(t));
    let good = [
        PictureEntry { end: 6, width: 5, height: 4, low: 0, high: 0 },
        PictureEntry { end: 12, width: 4, height: 5, low: 40, high: 160 },
    ];
    let bad = |spoil: fn(&mut [PictureEntry; 2])| {
        let mut table = good;
        spoil(&mut table);
        table
    };
    let spoilt = [
        (bad(|t| t[1].low = 41), "picture 1 of the table ends past the 80 bytes of Low"),
        (bad(|t| t[1].low = u32::MAX), "ends past"),
        (bad(|t| t[0].high = 161), "picture 0 of the table ends past the 320 bytes of High"),
        (bad(|t| t[0].width = 2), "smaller than patches of 3"),
        (bad(|t| t[0].width = 0), "smaller than patches of 3"),
        (bad(|t| t[0].width = u32::MAX), "positions"),
        (bad(|t| t[1].end = 13), "the table counts 13 positions up to picture 1, which are 12"),
        (bad(|t| t[0].end = 0), "positions"),
    ];
    for mut executor in executors() {
        let id = executor.load(plan(&graph)).unwrap();
        let clock = StepParams { count: 2, ..StepParams::default() };
        executor.write_store(DatasetBuffer::Low, &[7; 80]).unwrap();
        executor.write_store(DatasetBuffer::High, &[9; 320]).unwrap();
        let wrong = executor.run(id, &[clock]);
        refused(&*executor, wrong, "2 pictures are to be drawn from; the table holds 0");
        for (table, word) in &spoilt {
            executor.write_store(DatasetBuffer::Table, bytemuck::cast_slice(table)).unwrap();
            let wrong = executor.run(id, &[clock]);
            refused(&*executor, wrong, word);
        }
        executor.write_store(DatasetBuffer::Table, bytemuck::cast_slice(&good)).unwrap();
        executor.run(id, &[clock]).unwrap();
        assert!(executor.read(id, drawn[0]).unwrap().iter().all(|&v| v == 7.0 / 255.0));
        for count in [0, 3] {
            let wrong = executor.run(id, &[StepParams { count, ..clock }]);
            refused(&*executor, wrong, "the table holds 2");
        }
        // What was sound is looked at again when the stores have changed.
        executor.write_store(DatasetBuffer::High, &[9; 318]).unwrap();
        let wrong = executor.run(id, &[clock]);
        refused(&*executor, wrong, "ends past the 318 bytes of High");
    }
}

#[test]
fn the_default_step_trains() {
    for mut executor in executors() {
        let regression = Regression::new(1);
        let id = regression.load(&mut *executor);
        Regression::fill(&mut *executor);
        let count = Regression::ROWS as u32;
        let clocks: Vec<StepParams> =
            (1..=50).map(|step| StepParams { step, count, ..StepParams::default() }).collect();
        executor.run(id, &clocks).unwrap();
        let losses = executor.losses().unwrap();
        assert!(losses.is_sorted_by(|a, b| a > b), "{}: {losses:?}", executor.name());
    }
}
