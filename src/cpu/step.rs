//! One step of a plan: the match from operator to function, and the working memory each one needs.

use super::activation::{Finish, activate, activate_grad, leaky};
use super::conv::{self, Geometry};
use super::parallel::{self, Lanes, PARTS};
use super::real::Real;
use super::sampling::{self, Patches, Stores};
use super::{loss, matmul, normalization, optimizer, reduction, shape, softmax, spatial};
use crate::graph::{
    Arena, DatasetBuffer, Epilogue, Op, Plan, Shape, Step, StepParams, Storage, TensorId, TensorSource,
};

/// What a step can see. The slot or arena that it writes has been taken out.
pub(super) struct Context<'a, T> {
    pub plan: &'a Plan,
    pub slots: &'a [Vec<T>],
    pub arenas: &'a [Vec<T>; 6],
    pub stores: &'a Stores,
    pub lanes: &'a Lanes<T>,
    pub clock: StepParams,
}

impl<'a, T: Real> Context<'a, T> {
    /// A tensor's elements.
    pub fn get(&self, tensor: TensorId) -> &'a [T] {
        elements(self.plan, self.slots, self.arenas, tensor)
    }

    fn shape(&self, tensor: TensorId) -> Shape {
        self.plan.shape(tensor)
    }

    fn store(&self, tensor: TensorId) -> DatasetBuffer {
        match self.plan.tensors[tensor.0].source {
            TensorSource::Dataset(store) => store,
            source => panic!("samples are drawn from the dataset, not {source:?}"),
        }
    }

    fn finish(&self, epilogue: &Epilogue) -> Finish<'a, T> {
        Finish {
            bias: epilogue.bias.map(|t| self.get(t)),
            activation: epilogue.activation,
            slopes: epilogue.slopes.map(|t| self.get(t)),
            residual: epilogue.residual.map(|t| self.get(t)),
            derivative: epilogue.derivative.map(|(f, t)| (f, self.get(t))),
        }
    }
}

fn elements<'a, T>(plan: &Plan, slots: &'a [Vec<T>], arenas: &'a [Vec<T>; 6], tensor: TensorId) -> &'a [T] {
    let len = plan.shape(tensor).len();
    match plan.storage[tensor.0] {
        Storage::Slot(slot) => &slots[slot][..len],
        Storage::Arena { arena, offset } => &arenas[arena as usize][offset..offset + len],
        Storage::DatasetBuffer(_) | Storage::Fused => panic!("the plan was verified: operands are values or state"),
    }
}

/// Runs a step that moves state in place.
pub(super) fn effect<T: Real>(
    plan: &Plan,
    slots: &[Vec<T>],
    arenas: &mut [Vec<T>; 6],
    step: &Step,
    clock: &StepParams,
    shared: &mut [T],
) {
    match step.op {
        Op::TrackStatistics { momentum } => {
            let mut all = std::mem::take(&mut arenas[Arena::Statistics as usize]);
            let Storage::Arena { offset, .. } = plan.storage[step.inputs[1].0] else { panic!("statistics are state") };
            let len = plan.shape(step.inputs[1]).len();
            normalization::track(
                &mut all[offset..offset + len],
                elements(plan, slots, arenas, step.inputs[0]),
                momentum,
                shared,
            );
            arenas[Arena::Statistics as usize] = all;
        }
        Op::Update { rule, clip } => {
            let norm = clip.and(step.inputs.last()).map(|&t| elements(plan, slots, arenas, t)[0]);
            let Some(factor) = optimizer::factor(clip, norm, clock) else { return };
            let [parameters, gradients, first, second, ..] = arenas;
            optimizer::update(rule, optimizer::Arenas { parameters, gradients, first, second }, factor, clock);
        }
        Op::Average { decay } => {
            let [parameters, _, _, _, average, _] = arenas;
            optimizer::average(average, parameters, decay, clock);
        }
        _ => unreachable!("{:?} has an output", step.op),
    }
}

/// The geometry of a convolution step, from the shapes of `x` and `y` wherever they stand.
fn geometry(plan: &Plan, step: &Step) -> Option<Geometry> {
    let shape = |i: usize| plan.shape(step.inputs[i]);
    let output = step.output.map(|t| plan.shape(t));
    Some(match step.op {
        Op::Conv2d(window) => Geometry::new(shape(0), output?, window),
        Op::Conv2dInputGrad { window, .. } => Geometry::new(output?, shape(0), window),
        Op::Conv2dWeightGrad(window) => Geometry::new(shape(0), shape(1), window),
        _ => return None,
    })
}

/// Elements of working memory a step needs: per thread, and shared.
pub(super) fn memory(plan: &Plan, step: &Step) -> (usize, usize) {
    let columns = |i: usize| plan.shape(step.inputs[i]).columns();
    match (step.op, geometry(plan, step)) {
        (Op::Conv2d(_), Some(g)) => (g.lane(), conv::forward_shared(&g)),
        (Op::Conv2dInputGrad { .. }, Some(g)) => (conv::input_grad_lane(&g), conv::input_grad_shared(&g)),
        (Op::Conv2dWeightGrad(_), Some(g)) => (g.lane(), conv::weight_grad_shared(&g)),
        (Op::ColumnSum | Op::ColumnDot | Op::PreluSlopeGrad, _) => (0, PARTS * columns(0)),
        (Op::Normalize { .. } | Op::NormalizeGrad { .. } | Op::TrackStatistics { .. }, _) => {
            (0, normalization::shared(columns(0)))
        }
        _ => (0, 0),
    }
}

/// Computes the output of a step.
pub(super) fn compute<T: Real>(cx: &Context<T>, step: &Step, out: &mut [T], shared: &mut [T]) {
    let x = |i: usize| cx.get(step.inputs[i]);
    let shape = |i: usize| cx.shape(step.inputs[i]);
    let output = step.output.map_or(Shape::vector(1), |t| cx.shape(t));
    let columns = output.columns();
    let convolution = || geometry(cx.plan, step).expect("a convolution");
    let target = || step.inputs.get(1).map_or(&[][..], |&t| cx.get(t));
    match step.op {
        Op::MatMul { ta, tb } => {
            matmul::matmul(out, output, (x(0), shape(0), ta), (x(1), tb), &cx.finish(&step.epilogue));
        }
        Op::Conv2d(_) => {
            conv::forward(out, x(0), x(1), convolution(), &cx.finish(&step.epilogue), cx.lanes, shared);
        }
        Op::Conv2dInputGrad { .. } => {
            conv::input_grad(out, x(0), x(1), convolution(), &cx.finish(&step.epilogue), cx.lanes, shared);
        }
        Op::Conv2dWeightGrad(_) => conv::weight_grad(out, x(0), x(1), convolution(), cx.lanes, shared),
        Op::BiasAdd => parallel::by_column(out, x(0), x(1), |x, b| x + b),
        Op::ColumnSum => reduction::fold_columns(out, x(0), x(0), shared, |a, _| a),
        Op::Activate(f) => activate(out, x(0), f),
        Op::ActivateGrad(f) => activate_grad(out, x(0), x(1), f),
        Op::Prelu => parallel::by_column(out, x(0), x(1), leaky),
        Op::PreluGrad => {
            let (dy, x, slopes) = (x(0), x(1), x(2));
            parallel::rows(out, columns, |at, block| {
                let rows = dy[at..].chunks_exact(columns).zip(x[at..].chunks_exact(columns));
                for (out, (dy, x)) in block.chunks_exact_mut(columns).zip(rows) {
                    for ((o, &s), (&d, &x)) in out.iter_mut().zip(slopes).zip(dy.iter().zip(x)) {
                        *o = if x > T::ZERO { d } else { s * d };
                    }
                }
            });
        }
        Op::PreluSlopeGrad => {
            reduction::fold_columns(out, x(0), x(1), shared, |d, x| if x > T::ZERO { T::ZERO } else { d * x });
        }
        Op::Softmax { log } => softmax::softmax(out, x(0), columns, log),
        Op::SoftmaxGrad { log } => softmax::softmax_grad(out, x(0), x(1), columns, log),
        Op::Add => parallel::zip(out, x(0), x(1), |a, b| a + b),
        Op::Scale(factor) => {
            let factor = T::constant(factor);
            parallel::map(out, x(0), |x| factor * x);
        }
        Op::Multiply => parallel::zip(out, x(0), x(1), |a, b| a * b),
        Op::Broadcast { .. } => parallel::rows(out, columns, |_, block| {
            block.chunks_exact_mut(columns).for_each(|row| row.copy_from_slice(x(0)));
        }),
        Op::ColumnScale => parallel::by_column(out, x(0), x(1), |x, s| x * s),
        Op::ColumnDot => reduction::fold_columns(out, x(0), x(1), shared, |a, b| a * b),
        Op::DepthToSpace(r) => spatial::depth_to_space(out, x(0), output, r),
        Op::SpaceToDepth(r) => spatial::space_to_depth(out, x(0), shape(0), r),
        Op::Resize { mode, scale } => spatial::resize(out, x(0), shape(0), mode, scale),
        Op::ResizeGrad { mode, scale } => spatial::resize_grad(out, x(0), output, mode, scale),
        Op::Pool { kind, kernel, stride } => spatial::pool(out, x(0), (shape(0), output), kind, kernel, stride),
        Op::PoolGrad { kind, kernel, stride } => {
            spatial::pool_grad(out, x(0), x(1), (output, shape(0)), kind, kernel, stride);
        }
        Op::Concat => shape::concat(out, (x(0), shape(0).columns()), (x(1), shape(1).columns())),
        Op::Slice { start, len } => shape::slice(out, x(0), shape(0).columns(), start, len),
        Op::Pad { start, columns } => shape::pad(out, x(0), shape(0).columns(), start, columns),
        Op::Dropout { rate, stream } => sampling::dropout(out, x(0), rate, stream, &cx.clock),
        Op::Normalize { axis, epsilon } => normalization::normalize(out, x(0), columns, axis, epsilon, shared),
        Op::NormalizeGrad { axis, epsilon } => {
            normalization::normalize_grad(out, x(0), x(1), columns, axis, epsilon, shared);
        }
        Op::Standardize { epsilon } => normalization::standardize(out, x(0), x(1), epsilon),
        Op::Loss(f) => out[0] = loss::value(f, x(0), target(), shape(0).columns(), &mut [0.0; PARTS]),
        Op::LossGrad(f) => loss::gradient(f, out, x(0), target(), columns, cx.clock.loss_scale),
        Op::GradientNorm => {
            let gradients = &cx.arenas[Arena::Gradients as usize];
            out[0] = optimizer::norm(gradients, &cx.plan.layout.parameters, &cx.clock);
        }
        Op::SampleRows { first, .. } => {
            // A table of one column is drawn as a vector; either way a row is what follows the first extent.
            let row = out.len() / output.extents()[0];
            sampling::rows(out, cx.stores, cx.store(step.inputs[0]), (row, first), &cx.clock);
        }
        Op::SamplePatches { patch, scale, high, first, .. } => {
            let how = Patches { store: cx.store(step.inputs[0]), patch, scale, high, first };
            sampling::patches(out, cx.stores, output, how, &cx.clock);
        }
        Op::TrackStatistics { .. } | Op::Update { .. } | Op::Average { .. } | Op::Reshape => {
            unreachable!("{:?} computes nothing", step.op)
        }
    }
}
