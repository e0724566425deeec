//! Optimizer cases step by step, and whole training runs.

use wgrad::graph::{
    Activation, Arena, Graph, Init, Interpolation, Layout as Arenas, Loss, Op, TensorId, TensorSource, Update,
    WeightLayout, Window, differentiate, optimize,
};
use wgrad::internal::executor::Executor;

use super::files::{Case, Layout, Stored};
use super::tolerance::{Family, Tolerance};
use super::{Subject, clock, load};

/// The rule that an optimizer's name and PyTorch's arguments ask for; PyTorch's defaults where there are none.
fn rule(kind: &str, case: &Case) -> Result<Update, String> {
    let number = |name: &str, default: f32| case.number(name).unwrap_or(default);
    let decay = number("weight_decay", if kind == "adamw" { 0.01 } else { 0.0 });
    let epsilon = number("eps", 1e-8);
    let family = kind.split('_').next().unwrap_or(kind);
    Ok(match family {
        "sgd" => {
            let nesterov = case.attributes.get("nesterov").and_then(serde_json::Value::as_bool).unwrap_or(false);
            Update::Sgd { momentum: number("momentum", 0.0), nesterov, decay }
        }
        "rmsprop" => Update::RmsProp { rho: number("alpha", 0.99), epsilon, decay },
        "adam" | "adamw" => Update::Adam { beta1: 0.9, beta2: 0.999, epsilon, decay, decoupled: family == "adamw" },
        _ => return Err(format!("no rule knows the optimizer `{kind}`")),
    })
}

/// Gives a parameter's segment in an arena new values.
fn set(executor: &mut dyn Executor, arenas: &Arenas, values: &[(String, Stored)]) {
    let mut state = vec![0.0; arenas.len(Arena::Parameters)];
    for segment in arenas.segments(Arena::Parameters) {
        let (_, stored) = values.iter().find(|(n, _)| *n == segment.name).expect("every parameter has a start");
        state[segment.offset..segment.offset + stored.values.len()].copy_from_slice(&stored.values);
    }
    executor.write_state(Arena::Parameters, &state).expect("the state fits");
}

fn parameters(executor: &mut dyn Executor, arenas: &Arenas, name: &str) -> Vec<f32> {
    let state = executor.read_state(Arena::Parameters).expect("state can be read");
    let segment = arenas.segments(Arena::Parameters).iter().find(|s| s.name == name).expect("a parameter");
    state[segment.offset..segment.offset + segment.shape.len()].to_vec()
}

/// Given gradients, the parameter after each step.
///
/// # Errors
/// Names the step that strays.
pub fn check_optimizer(case: &Case, subject: &Subject) -> Result<(), String> {
    let rule = rule(&case.name, case)?;
    let (start, gradients, path) = (case.get("p0"), case.get("g"), case.get("p"));
    let n = start.values.len();
    let mut graph = Graph::new();
    let p = graph.parameter("p", &[1, n], Init::Constant(0.0), WeightLayout::Plain).expect("a parameter");
    // y = g p has the gradient g, whatever p is.
    let g = graph.input("g", &[1, n]).unwrap();
    let y = graph.push(Op::MatMul { ta: false, tb: true }, &[p, g]).expect("shapes fit");
    let dy = graph.input("dy", &[1, 1]).unwrap();
    differentiate(&mut graph, y, Some(dy), &[]).map_err(|e| e.to_string())?;
    optimize(&mut graph, rule, None, None).map_err(|e| e.to_string())?;
    let mut executor = (subject.make)();
    let plan = load(executor.as_mut(), &graph, subject.options);
    let arenas = wgrad::graph::Plan::new(&graph, subject.options).expect("lowered before").layout().clone();
    set(executor.as_mut(), &arenas, &[("p".into(), start.clone())]);
    executor.write(plan, dy, &[1.0]).map_err(|e| e.to_string())?;
    let tolerance = Tolerance::of(Family::Update, subject.precision);
    for (step, (g_now, want)) in gradients.values.chunks(n).zip(path.values.chunks(n)).enumerate() {
        executor.write(plan, g, g_now).map_err(|e| e.to_string())?;
        executor.run(plan, &[clock(step as u32 + 1, case.needed("lr"))]).map_err(|e| e.to_string())?;
        let got = parameters(executor.as_mut(), &arenas, "p");
        tolerance.check(&got, want, &vec![1.0; n]).map_err(|why| format!("step {}: {why}", step + 1))?;
    }
    Ok(())
}

/// A network under construction, with parameters shaped as the case stores them.
struct Network<'a> {
    case: &'a Case,
    graph: Graph,
    layouts: Vec<(String, Layout)>,
}

impl Network<'_> {
    fn parameter(&mut self, name: &str, layout: Layout) -> TensorId {
        let shape = layout.ours(self.case.get(&format!("init.{name}"))).shape;
        self.layouts.push((name.into(), layout));
        self.graph.parameter(name, &shape, Init::Constant(0.0), WeightLayout::Plain).expect("a parameter")
    }

    fn linear(&mut self, x: TensorId, name: &str) -> TensorId {
        let w = self.parameter(&format!("{name}.weight"), Layout::Linear);
        let b = self.parameter(&format!("{name}.bias"), Layout::Plain);
        self.graph.linear(x, w, b).expect("shapes fit")
    }

    /// A convolution that keeps the size.
    fn conv(&mut self, x: TensorId, name: &str) -> TensorId {
        let w = self.parameter(&format!("{name}.weight"), Layout::Kernel);
        let b = self.parameter(&format!("{name}.bias"), Layout::Plain);
        let kernel = self.graph.shape(w).extents()[0];
        self.graph.conv2d(x, w, b, Window { kernel, stride: 1, padding: kernel / 2 }).expect("shapes fit")
    }

    fn activate(&mut self, x: TensorId, f: Activation) -> TensorId {
        self.graph.activate(x, f).expect("any tensor")
    }

    fn push(&mut self, op: Op, inputs: &[TensorId]) -> TensorId {
        self.graph.push(op, inputs).expect("shapes fit")
    }

    /// The named architectures of the training cases.
    fn forward(&mut self, x: TensorId, scale: usize) -> Result<(TensorId, Loss), String> {
        use Activation::{Relu, Sigmoid, Silu, Tanh};
        let name = self.case.name.clone();
        Ok(if name.starts_with("mlp_cross_entropy") {
            let h = self.linear(x, "0");
            let h = self.activate(h, Relu);
            let h = self.linear(h, "2");
            let h = self.activate(h, Tanh);
            (self.linear(h, "4"), Loss::CrossEntropy(0.0))
        } else if name.starts_with("mlp_xor_bce") {
            let h = self.linear(x, "0");
            let h = self.activate(h, Sigmoid);
            (self.linear(h, "2"), Loss::BceWithLogits)
        } else if name.starts_with("espcn_mse") {
            let h = self.conv(x, "0");
            let h = self.activate(h, Tanh);
            let h = self.conv(h, "2");
            let h = self.activate(h, Tanh);
            let h = self.conv(h, "4");
            (self.push(Op::DepthToSpace(scale), &[h]), Loss::Mse)
        } else if name.starts_with("fsrcnn_mae") {
            let mut h = x;
            let last =
                self.case.tensors.keys().filter_map(|k| k.strip_prefix("init.")?.split('.').next()?.parse().ok());
            let last: usize = last.max().ok_or("no layers")?;
            for i in (0..last).step_by(2) {
                h = self.conv(h, &i.to_string());
                let slopes = self.parameter(&format!("{}.weight", i + 1), Layout::Plain);
                h = self.push(Op::Prelu, &[h, slopes]);
            }
            let w = self.parameter(&format!("{last}.weight"), Layout::Kernel);
            let b = self.parameter(&format!("{last}.bias"), Layout::Plain);
            let kernel = self.graph.shape(w).extents()[0];
            let window = Window { kernel, stride: scale, padding: kernel / 2 };
            let h = self.graph.conv_transpose2d(h, w, window, scale - 1).map_err(|e| e.to_string())?;
            (self.push(Op::BiasAdd, &[h, b]), Loss::Mae)
        } else if name.starts_with("residual_charbonnier") {
            let h = self.conv(x, "head");
            let a = self.conv(h, "a");
            let a = self.activate(a, Silu);
            let b = self.conv(a, "b");
            let h = self.push(Op::Add, &[h, b]);
            let h = self.conv(h, "tail");
            let h = self.push(Op::DepthToSpace(scale), &[h]);
            let skip = self.push(Op::Resize { mode: Interpolation::Bilinear, scale }, &[x]);
            (self.push(Op::Add, &[h, skip]), Loss::Charbonnier(1e-3))
        } else {
            return Err(format!("no rule knows the case `{name}`"));
        })
    }
}

/// One batch of a stack of batches, in our layout.
fn batches(stack: &Stored) -> Vec<Stored> {
    let shape = stack.shape[1..].to_vec();
    let layout = if shape.len() == 4 { Layout::Image } else { Layout::Plain };
    let size: usize = shape.iter().product();
    let part = |v: &[f32]| layout.ours(&Stored { shape: shape.clone(), values: v.to_vec() });
    stack.values.chunks(size).map(part).collect()
}

/// Follows a training run: the loss before each step, and the parameters after the last.
///
/// # Errors
/// Names the loss or parameter that strays.
pub fn check_training(case: &Case, subject: &Subject) -> Result<(), String> {
    let (xs, ts) = (batches(case.get("x")), batches(case.get("t")));
    let mut network = Network { case, graph: Graph::new(), layouts: Vec::new() };
    let x = network.graph.input("x", &xs[0].shape).unwrap();
    let scale = if xs[0].shape.len() == 4 { ts[0].shape[1] / xs[0].shape[1] } else { 1 };
    let (y, loss) = network.forward(x, scale)?;
    let Network { mut graph, layouts, .. } = network;
    let t = graph.input("t", &ts[0].shape).unwrap();
    let loss = graph.push(Op::Loss(loss), &[y, t]).map_err(|e| e.to_string())?;
    differentiate(&mut graph, loss, None, &[]).map_err(|e| e.to_string())?;
    let kind = case.attributes.get("optimizer").and_then(serde_json::Value::as_str).ok_or("no optimizer")?;
    optimize(&mut graph, rule(kind, case)?, None, None).map_err(|e| e.to_string())?;
    assert!(graph.tensors().iter().any(|t| matches!(t.source, TensorSource::State(Arena::Gradients, _))));

    let mut executor = (subject.make)();
    let plan = load(executor.as_mut(), &graph, subject.options);
    let arenas = wgrad::graph::Plan::new(&graph, subject.options).expect("lowered before").layout().clone();
    let start: Vec<_> =
        layouts.iter().map(|(name, l)| (name.clone(), l.ours(case.get(&format!("init.{name}"))))).collect();
    set(executor.as_mut(), &arenas, &start);
    for (step, (x_now, t_now)) in xs.iter().zip(&ts).enumerate() {
        executor.write(plan, x, &x_now.values).map_err(|e| e.to_string())?;
        executor.write(plan, t, &t_now.values).map_err(|e| e.to_string())?;
        executor.run(plan, &[clock(step as u32 + 1, case.needed("lr"))]).map_err(|e| e.to_string())?;
    }
    let tolerance = Tolerance::of(Family::Training, subject.precision);
    let losses = executor.losses().map_err(|e| e.to_string())?;
    let want = &case.get("losses").values;
    tolerance.check(&losses, want, &vec![1.0; want.len()]).map_err(|why| format!("losses: {why}"))?;
    let finals = case.tensors.keys().filter(|k| k.starts_with("final.")).count();
    if finals != layouts.len() {
        return Err(format!("{finals} final parameters are stored, {} were trained", layouts.len()));
    }
    for (name, layout) in &layouts {
        let want = layout.ours(case.get(&format!("final.{name}")));
        let got = parameters(executor.as_mut(), &arenas, name);
        let scale = vec![1.0; got.len()];
        tolerance.check(&got, &want.values, &scale).map_err(|why| format!("final `{name}`: {why}"))?;
    }
    Ok(())
}
