//! Planning: fusion, lifetimes, placement.

use super::*;

fn network() -> (Graph, TensorId) {
    let mut g = Graph::new();
    let x = g.input("x", &[2, 5, 6, 3]).unwrap();
    let window = Window { kernel: 3, stride: 1, padding: 1 };
    let mut h = x;
    for (i, (ci, co)) in [(3, 4), (4, 4), (4, 4)].into_iter().enumerate() {
        g.layer(format!("conv{i}"));
        let w = g.parameter(&format!("{i}.weight"), &[3, 3, ci, co], Init::Normal(0.1), WeightLayout::Conv).unwrap();
        let b = g.parameter(&format!("{i}.bias"), &[co], Init::Constant(0.0), WeightLayout::Plain).unwrap();
        let y = g.conv2d(h, w, b, window).unwrap();
        let y = g.activate(y, Activation::Relu).unwrap();
        h = if i == 2 { g.push(Op::Add, &[y, h]).unwrap() } else { y };
    }
    let t = g.input("t", &[2, 5, 6, 4]).unwrap();
    let loss = g.push(Op::Loss(Loss::Mse), &[h, t]).unwrap();
    (g, loss)
}

#[test]
fn bias_activation_and_residual_become_epilogues() {
    let (g, _) = network();
    let plan = Plan::new(&g, Options::default()).unwrap();
    let ops: Vec<&Op> = plan.steps.iter().map(|s| &s.op).collect();
    assert_eq!(plan.steps.len(), 4, "{ops:?}");
    let last = &plan.steps[2].epilogue;
    assert!(last.bias.is_some() && last.residual.is_some() && last.activation == Activation::Relu);
}

#[test]
fn derivatives_are_fused_where_gradients_are_made() {
    let (mut g, loss) = network();
    differentiate(&mut g, loss, None, &[]).unwrap();
    let plan = Plan::new(&g, Options::default()).unwrap();
    let fused = plan.steps.iter().filter(|s| s.epilogue.derivative.is_some()).count();
    assert_eq!(fused, 2);
    assert!(plan.steps.iter().filter(|s| matches!(s.op, Op::ActivateGrad(_))).count() == 1);
}

#[test]
fn sharing_saves_bytes_and_keeps_inputs_and_outputs() {
    let (mut g, loss) = network();
    differentiate(&mut g, loss, None, &[]).unwrap();
    g.output(loss);
    let [shared, own] = [true, false].map(|share| Plan::new(&g, Options { fuse: false, share }).unwrap());
    assert!(shared.slot_bytes() < own.slot_bytes());
    assert_eq!(shared.loss(), Some(loss));
}

#[test]
fn every_gradient_lands_in_its_segment() {
    let (mut g, loss) = network();
    differentiate(&mut g, loss, None, &[]).unwrap();
    optimize(&mut g, Update::Sgd { momentum: 0.9, nesterov: false, decay: 0.0 }, Some(1.0), Some(0.99)).unwrap();
    let plan = Plan::new(&g, Options::default()).unwrap();
    let made = plan.steps.iter().filter_map(|s| s.output);
    let gradients =
        made.filter(|t| matches!(plan.storage[t.0], Storage::Arena { arena: Arena::Gradients, .. })).count();
    assert_eq!(gradients, g.parameters.len());
    assert_eq!(plan.arenas, [Arena::Parameters, Arena::Gradients, Arena::First, Arena::Average]);
}

#[test]
fn a_shape_that_does_not_fit_names_the_layer() {
    let mut g = Graph::new();
    g.layer("head");
    let x = g.input("x", &[1, 5, 5, 3]).unwrap();
    let w = g.parameter("head.weight", &[3, 3, 4, 8], Init::Constant(0.0), WeightLayout::Conv).unwrap();
    let error = g.push(Op::Conv2d(Window { kernel: 3, stride: 1, padding: 1 }), &[x, w]).unwrap_err().to_string();
    assert!(error.contains("`head`") && error.contains("3 channels") && error.contains("take 4"), "{error}");
}

#[test]
fn a_parameter_without_influence_is_an_error() {
    let (mut g, loss) = network();
    g.parameter("spare", &[3], Init::Constant(0.0), WeightLayout::Plain).unwrap();
    let error = differentiate(&mut g, loss, None, &[]).unwrap_err().to_string();
    assert!(error.contains("`spare`"), "{error}");
}

#[test]
fn verification_rejects_a_clobbered_slot() {
    let (mut g, loss) = network();
    differentiate(&mut g, loss, None, &[]).unwrap();
    let mut plan = Plan::new(&g, Options { fuse: false, share: false }).unwrap();
    for place in &mut plan.storage {
        if let Storage::Slot(slot) = place {
            *slot = (*slot).min(1);
        }
    }
    assert!(verify::verify(&plan).is_err());
}
