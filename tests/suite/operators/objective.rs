//! What is minimised: weighted sums of losses, and what stands for one.

use std::sync::Arc;

use crate::support::{clock, subjects};
use wgrad::graph::{
    Arena, Graph, Init, Loss, Objective, Op, Options, Plan, StepParams, TensorId, WeightLayout, accumulate,
    differentiate,
};
use wgrad::internal::executor::Executor;

/// A product, and what is made of it: two losses and a tensor that is none.
fn terms(g: &mut Graph) -> [TensorId; 3] {
    let (x, t) = (g.input("x", &[6, 4]).unwrap(), g.input("t", &[6, 3]).unwrap());
    let w = g.parameter("w", &[4, 3], Init::Constant(0.0), WeightLayout::Linear).unwrap();
    let y = g.push(Op::MatMul { ta: false, tb: false }, &[x, w]).unwrap();
    let losses = [Loss::Mse, Loss::Mae].map(|loss| g.push(Op::Loss(loss), &[y, t]).unwrap());
    [losses[0], losses[1], g.push(Op::Multiply, &[y, y]).unwrap()]
}

/// The loss of a run and the gradients.
fn run(executor: &mut dyn Executor, graph: &Graph, options: Options) -> (f32, Vec<f32>) {
    let plan = Arc::new(Plan::new(graph, options).unwrap());
    let id = executor.load(plan.clone()).unwrap();
    let wave = |n: usize, k: f32| (0..n).map(|i| (i as f32 * k).sin()).collect::<Vec<f32>>();
    for (i, tensor) in graph.inputs().into_iter().enumerate() {
        executor.write(id, tensor, &wave(plan.shape(tensor).len(), 0.7 + i as f32)).unwrap();
    }
    executor.write_state(Arena::Parameters, &wave(plan.layout().len(Arena::Parameters), 1.3)).unwrap();
    executor.run(id, &[StepParams { loss_scale: 4.0, ..clock(1, 0.0) }]).unwrap();
    (executor.losses().unwrap()[0], executor.read_state(Arena::Gradients).unwrap())
}

#[test]
fn an_objective_is_the_weighted_sum_of_its_terms() {
    for subject in subjects() {
        let of = |weights: &[(usize, f32)]| {
            let mut g = Graph::new();
            let terms = terms(&mut g);
            let objective: Vec<(TensorId, f32)> = weights.iter().map(|&(i, weight)| (terms[i], weight)).collect();
            differentiate(&mut g, objective, None, &[]).unwrap();
            run(&mut *(subject.make)(), &g, subject.options)
        };
        let alone: Vec<(f32, Vec<f32>)> = (0..3).map(|i| of(&[(i, 1.0)])).collect();
        // In another order than they run in: the last was made into a loss last.
        let (loss, gradients) = of(&[(2, 2.0), (0, 0.5), (1, -0.25)]);
        let sum = |of: [f32; 3]| 0.5 * of[0] + 2.0 * of[2] - 0.25 * of[1];
        let want = sum([0, 1, 2].map(|i| alone[i].0));
        assert!((loss - want).abs() < 1e-5, "{}: {loss}, not {want}", subject.name);
        assert!(alone.iter().all(|(loss, _)| *loss != 0.0));
        for (i, got) in gradients.iter().enumerate() {
            let want = sum([0, 1, 2].map(|term| alone[term].1[i]));
            assert!((got - want).abs() < 1e-5, "{}: gradient {i} is {got}, not {want}", subject.name);
        }
    }
}

/// Losses that are looked at and not minimised move nothing and are not told.
#[test]
fn a_loss_outside_the_objective_is_a_score() {
    for subject in subjects() {
        let mut g = Graph::new();
        let [mse, mae, _] = terms(&mut g);
        g.output(mae);
        differentiate(&mut g, mse, None, &[]).unwrap();
        let both = run(&mut *(subject.make)(), &g, subject.options);
        let mut g = Graph::new();
        let [mse, ..] = terms(&mut g);
        differentiate(&mut g, mse, None, &[]).unwrap();
        assert_eq!(both, run(&mut *(subject.make)(), &g, subject.options), "{}", subject.name);
    }
}

/// Two parts that see the same rows: loss and gradients are those of one.
#[test]
fn parts_of_a_batch_share_the_objective() {
    for subject in subjects() {
        let of = |parts: usize| {
            let mut g = Graph::new();
            let (x, t) = (g.input("x", &[6, 4]).unwrap(), g.input("t", &[6, 3]).unwrap());
            let w = g.parameter("w", &[4, 3], Init::Constant(0.0), WeightLayout::Linear).unwrap();
            accumulate(&mut g, parts, |g, _| {
                let y = g.push(Op::MatMul { ta: false, tb: false }, &[x, w])?;
                let squares = g.push(Op::Multiply, &[y, y])?;
                Ok([(g.push(Op::Loss(Loss::Mae), &[y, t])?, 0.3), (squares, 0.1)])
            })
            .unwrap();
            run(&mut *(subject.make)(), &g, subject.options)
        };
        let (one, two) = (of(1), of(2));
        assert!((one.0 - two.0).abs() < 1e-6, "{}: {} and {}", subject.name, one.0, two.0);
        let near = one.1.iter().zip(&two.1).all(|(a, b)| (a - b).abs() < 1e-6);
        assert!(near && one.1.iter().any(|g| *g != 0.0), "{}", subject.name);
    }
}

#[test]
fn what_is_no_objective_is_refused() {
    let refused = |make: &dyn Fn(&mut Graph, [TensorId; 3]) -> Objective, word: &str| {
        let mut g = Graph::new();
        let terms = terms(&mut g);
        let objective = make(&mut g, terms);
        let error = differentiate(&mut g, objective, None, &[]).unwrap_err().to_string();
        assert!(error.contains(word), "{error}");
    };
    refused(&|_, _| vec![].into(), "no terms");
    refused(&|_, [mse, ..]| [(mse, f32::NAN)].into(), "weight");
    refused(&|_, [mse, ..]| [(mse, 1.0), (mse, 1.0)].into(), "one weight");
    // A sum of losses by hand would scale its gradients twice.
    refused(&|g, [mse, mae, _]| g.push(Op::Add, &[mse, mae]).unwrap().into(), "terms of an objective");
}
