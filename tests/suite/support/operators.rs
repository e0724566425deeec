//! Operator cases: a graph from the case's name, its gradients under the stored cotangent, and the comparison.

use wgrad::graph::{Activation, Graph, Interpolation, Loss, Op, Options, Pooling, TensorId, Window, differentiate};
use wgrad::internal::cpu::Cpu;

use super::files::{Case, Layout, Stored};
use super::tolerance::{Family, Tolerance};
use super::{Subject, evaluate};

/// A case as a graph: what goes in, what comes out, and how either is judged.
pub struct Program {
    graph: Graph,
    inputs: Vec<(TensorId, Stored)>,
    /// Output tensor, its name in the case, expected values, family.
    outputs: Vec<(TensorId, String, Stored, Family)>,
    /// Linear in each operand: magnitudes follow from running it on absolute values.
    linear: bool,
}

struct Builder<'a> {
    case: &'a Case,
    graph: Graph,
    inputs: Vec<(TensorId, String, Layout, Stored)>,
}

impl Builder<'_> {
    fn input(&mut self, name: &str, layout: Layout) -> TensorId {
        let stored = layout.ours(self.case.get(name));
        let tensor = self.graph.input(name, &stored.shape).unwrap();
        self.inputs.push((tensor, name.into(), layout, stored));
        tensor
    }

    fn push(&mut self, op: Op, inputs: &[TensorId]) -> TensorId {
        self.graph.push(op, inputs).unwrap_or_else(|e| panic!("{}: {e}", self.case.name))
    }

    fn window(&self, weights: &str) -> Window {
        let kernel = self.case.get(weights).shape[2];
        Window { kernel, stride: self.case.whole("stride"), padding: self.case.whole("padding") }
    }
}

/// The graph that a case's name and attributes ask for.
///
/// # Errors
/// When no rule knows the name: an unknown case is a failure, not something to pass over.
pub fn program(case: &Case) -> Result<Program, String> {
    use Layout::{Image, Kernel, Linear, Plain};
    let mut b = Builder { case, graph: Graph::new(), inputs: Vec::new() };
    b.graph.layer(case.name.clone());
    let named =
        |prefix: &str| case.name.strip_prefix(prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with('_'));
    let activations = [
        ("sigmoid", Activation::Sigmoid),
        ("tanh", Activation::Tanh),
        ("relu", Activation::Relu),
        ("silu", Activation::Silu),
        ("gelu_tanh", Activation::GeluTanh),
        ("gelu", Activation::Gelu),
        ("softplus", Activation::Softplus),
        ("elu", Activation::Elu),
        ("exp", Activation::Exp),
    ];
    let losses = [
        ("mse", Loss::Mse),
        ("mae", Loss::Mae),
        ("huber", Loss::Huber(case.number("delta").unwrap_or(1.0))),
        ("charbonnier", Loss::Charbonnier(case.number("epsilon").unwrap_or(1e-3))),
        ("bce_with_logits", Loss::BceWithLogits),
        ("bce", Loss::Bce),
        ("cross_entropy", Loss::CrossEntropy(case.number("label_smoothing").unwrap_or(0.0))),
    ];
    let (y, layout, family, linear) = if named("matmul") {
        let (x, w) = (b.input("x", Plain), b.input("w", Plain));
        (b.push(Op::MatMul { ta: false, tb: false }, &[x, w]), Plain, Family::Contraction, true)
    } else if named("linear") {
        let (x, w, bias) = (b.input("x", Plain), b.input("w", Linear), b.input("b", Plain));
        let y = b.push(Op::MatMul { ta: false, tb: false }, &[x, w]);
        (b.push(Op::BiasAdd, &[y, bias]), Plain, Family::Contraction, true)
    } else if named("conv2d") || named("conv_transpose2d") {
        let (x, w, bias) = (b.input("x", Image), b.input("w", Kernel), b.input("b", Plain));
        let window = b.window("w");
        let y = if named("conv2d") {
            b.push(Op::Conv2d(window), &[x, w])
        } else {
            let y = b.graph.conv_transpose2d(x, w, window, case.whole("output_padding"));
            y.map_err(|e| e.to_string())?
        };
        (b.push(Op::BiasAdd, &[y, bias]), Image, Family::Contraction, true)
    } else if named("pixel_shuffle") {
        let x = b.input("x", Image);
        (b.push(Op::DepthToSpace(case.whole("upscale_factor")), &[x]), Image, Family::Copy, true)
    } else if named("max_pool2d") || named("avg_pool2d") {
        let x = b.input("x", Image);
        let kind = if named("max_pool2d") { Pooling::Max } else { Pooling::Average };
        let (side, stride) = (case.whole("kernel"), case.whole("stride"));
        let op = Op::Pool { kind, kernel: [side, side], stride };
        (b.push(op, &[x]), Image, Family::Contraction, kind == Pooling::Average)
    } else if named("global_avg_pool2d") {
        let x = b.input("x", Image);
        let (n, h, w, c) = b.graph.shape(x).image().expect("an image");
        let y = b.push(Op::Pool { kind: Pooling::Average, kernel: [h, w], stride: 1 }, &[x]);
        (b.graph.reshape(y, &[n, c]).map_err(|e| e.to_string())?, Plain, Family::Contraction, true)
    } else if named("upsample_nearest") || named("upsample_bilinear") {
        let x = b.input("x", Image);
        let nearest = named("upsample_nearest");
        let mode = if nearest { Interpolation::Nearest } else { Interpolation::Bilinear };
        (b.push(Op::Resize { mode, scale: case.whole("scale") }, &[x]), Image, Family::Contraction, true)
    } else if named("prelu") {
        let image = case.get("x").shape.len() == 4;
        let layout = if image { Image } else { Plain };
        let (x, w) = (b.input("x", layout), b.input("w", Plain));
        (b.push(Op::Prelu, &[x, w]), layout, Family::Contraction, false)
    } else if named("softmax") || named("log_softmax") {
        let x = b.input("x", Plain);
        (b.push(Op::Softmax { log: named("log_softmax") }, &[x]), Plain, Family::Transcendental, false)
    } else if named("leaky_relu") {
        let x = b.input("x", Plain);
        let slope = case.needed("negative_slope");
        (b.push(Op::Activate(Activation::LeakyRelu(slope)), &[x]), Plain, Family::Elementwise, false)
    } else if named("multiply") {
        let (x, w) = (b.input("x", Plain), b.input("w", Plain));
        (b.push(Op::Multiply, &[x, w]), Plain, Family::Elementwise, true)
    } else if named("mean") {
        let x = b.input("x", Plain);
        (b.push(Op::Loss(Loss::Mean), &[x]), Plain, Family::Loss, false)
    } else if named("log_cosh") {
        let (x, t) = (b.input("x", Plain), b.input("t", Plain));
        let minus = b.push(Op::Scale(-1.0), &[t]);
        let d = b.push(Op::Add, &[x, minus]);
        let back = b.push(Op::Scale(-1.0), &[d]);
        let [up, down] = [d, back].map(|d| b.push(Op::Activate(Activation::Exp), &[d]));
        let sum = b.push(Op::Add, &[up, down]);
        let cosh = b.push(Op::Scale(0.5), &[sum]);
        let log = b.push(Op::Activate(Activation::Log), &[cosh]);
        (b.push(Op::Loss(Loss::Mean), &[log]), Plain, Family::Loss, false)
    } else if named("log") {
        let x = b.input("x", Plain);
        (b.push(Op::Activate(Activation::Log), &[x]), Plain, Family::Transcendental, false)
    } else if let Some((_, f)) = activations.into_iter().find(|(name, _)| named(name)) {
        let x = b.input("x", Plain);
        (b.push(Op::Activate(f), &[x]), Plain, Family::Transcendental, false)
    } else if let Some((_, loss)) = losses.into_iter().find(|(name, _)| named(name)) {
        let (x, t) = (b.input("x", Plain), b.input("t", Plain));
        (b.push(Op::Loss(loss), &[x, t]), Plain, Family::Loss, false)
    } else {
        return Err(format!("no rule knows the case `{}`", case.name));
    };
    finish(b, y, layout, family, linear)
}

/// Adds the backward pass and pairs every stored result with its tensor.
fn finish(mut b: Builder, y: TensorId, layout: Layout, family: Family, linear: bool) -> Result<Program, String> {
    let case = b.case;
    let dy = case.tensors.contains_key("dy").then(|| b.input("dy", layout));
    let mut known: Vec<String> = vec!["y".into(), "dy".into()];
    let mut wanted = Vec::new();
    for (tensor, name, layout, _) in &b.inputs {
        known.push(name.clone());
        if let Some(grad) = case.tensors.get(&format!("d{name}")) {
            known.push(format!("d{name}"));
            wanted.push((*tensor, format!("d{name}"), layout.ours(grad)));
        }
    }
    if let Some(stray) = case.tensors.keys().find(|k| !known.contains(k)) {
        return Err(format!("nothing checks the tensor `{stray}` of case `{}`", case.name));
    }
    let extra: Vec<TensorId> = wanted.iter().map(|w| w.0).collect();
    let grads = differentiate(&mut b.graph, y, dy, &extra).map_err(|e| e.to_string())?;
    let mut expected = layout.ours(case.get("y"));
    if expected.shape.is_empty() {
        expected.shape = vec![1];
    }
    let mut outputs = vec![(y, "y".to_string(), expected, family)];
    for (grad, (_, name, stored)) in grads.into_iter().zip(wanted) {
        // Whatever the forward operator moves, its gradients may add up.
        outputs.push((grad, name, stored, if family == Family::Copy { Family::Copy } else { family }));
    }
    for output in &outputs {
        b.graph.output(output.0);
        let shape = b.graph.shape(output.0);
        if shape.len() != output.2.values.len() {
            return Err(format!("`{}` of case `{}` is {shape}, stored {:?}", output.1, case.name, output.2.shape));
        }
    }
    let inputs = b.inputs.into_iter().map(|(tensor, _, _, stored)| (tensor, stored)).collect();
    Ok(Program { graph: b.graph, inputs, outputs, linear })
}

impl Program {
    /// Per output and element, the sum of the magnitudes that made it.
    fn scales(&self) -> Vec<Vec<f64>> {
        let ids: Vec<TensorId> = self.outputs.iter().map(|o| o.0).collect();
        if self.linear {
            let inputs: Vec<_> =
                self.inputs.iter().map(|(t, s)| (*t, s.values.iter().map(|v| v.abs()).collect())).collect();
            let plain = Options { fuse: false, share: false };
            let sums = evaluate(&mut Cpu::<f64>::new(), &self.graph, plain, &inputs, &ids);
            return sums.into_iter().map(|s| s.into_iter().map(f64::from).collect()).collect();
        }
        // Elsewhere a result is a function of few values: the largest of them bounds what rounding can do. Gradients
        // are products with the cotangent (1 for a loss, shared out among its elements).
        let largest = |values: &[f32]| values.iter().fold(0.0f64, |m, v| m.max(f64::from(v.abs())));
        let operands = self.inputs.iter().map(|(_, s)| largest(&s.values)).fold(1.0, f64::max);
        let own = |o: &(TensorId, String, Stored, Family)| match o.3 {
            // A loss and its gradients are differences that may all but cancel: of logits, of a probability and a target. What
            // rounding can do follows from what is subtracted, for a gradient from each item's share of it.
            Family::Loss if o.1 == "y" => 1.0,
            Family::Loss => 1.0 / self.inputs.last().map_or(1, |(_, s)| s.values.len()) as f64,
            _ => largest(&o.2.values).min(1.0),
        };
        self.outputs.iter().map(|o| vec![operands.min(1e3) * own(o); o.2.values.len()]).collect()
    }

    /// Runs the program on a subject and judges every stored result.
    ///
    /// # Errors
    /// Lists each result that is out of bounds.
    pub fn check(&self, subject: &Subject) -> Result<(), String> {
        let mut executor = (subject.make)();
        let inputs: Vec<_> = self.inputs.iter().map(|(t, s)| (*t, s.values.clone())).collect();
        let ids: Vec<TensorId> = self.outputs.iter().map(|o| o.0).collect();
        let results = evaluate(executor.as_mut(), &self.graph, subject.options, &inputs, &ids);
        let mut failures = String::new();
        for ((result, scale), (_, name, stored, family)) in results.iter().zip(self.scales()).zip(&self.outputs) {
            let tolerance = Tolerance::of(*family, subject.precision);
            if let Err(why) = tolerance.check(result, &stored.values, &scale) {
                failures += &format!("\n    {name}: {why}");
            }
        }
        if failures.is_empty() { Ok(()) } else { Err(failures) }
    }
}
