//! Products too small for tiles: they would leave most of a tile empty, and a network of such layers is bound by the
//! number of its dispatches.

use super::super::launch::{Launch, Operand, Scalar, fold};
use super::{Class, Exit};
use crate::graph::{Epilogue, Op, Plan, Step, TensorId};

/// Most multiply-accumulates of a small product: about what a software adapter does while it would start another
/// dispatch, and a GPU long before.
const MOST: usize = 1 << 16;
/// The same on software adapters where tiles read an operand element by element, since an extent is no multiple of
/// four: that takes so much code that it compiles for a second.
const MOST_ODD: usize = 1 << 19;
/// Most terms of its sums: an invocation adds them one after the other.
const MOST_TERMS: usize = 1024;

/// A product's extents.
struct Extents {
    m: usize,
    n: usize,
    k: usize,
    ta: bool,
    tb: bool,
}

fn extents(plan: &Plan, step: &Step) -> Option<Extents> {
    let Op::MatMul { ta, tb } = step.op else { return None };
    let (rows, inner) = plan.shape(step.inputs[0]).matrix()?;
    let (m, k) = if ta { (inner, rows) } else { (rows, inner) };
    Some(Extents { m, n: plan.shape(step.output?).columns(), k, ta, tb })
}

/// Whether a step is a product that [`lower`] should take unless a tile was asked for. Shapes alone decide.
pub(in crate::internal::gpu) fn is_small(plan: &Plan, step: &Step, class: Class) -> bool {
    let Some(Extents { m, n, k, .. }) = extents(plan, step) else { return false };
    let odd = [m, n, k].iter().any(|extent| !extent.is_multiple_of(4));
    let most = if odd && class == Class::Software { MOST_ODD } else { MOST };
    k <= MOST_TERMS && m.saturating_mul(n).saturating_mul(k) <= most
}

/// Whether sums over the rows of `tensor` can be made beside this product.
pub(in crate::internal::gpu) fn sums_rows_of(step: &Step, tensor: TensorId) -> bool {
    matches!(step.op, Op::MatMul { tb: false, .. }) && step.inputs[1] == tensor
}

/// The launch of a small product; with `sums`, the sums over the rows of its second operand go there.
///
/// # Panics
/// For any other operator.
pub(in crate::internal::gpu) fn lower(plan: &Plan, step: &Step, class: Class, sums: Option<TensorId>) -> Launch {
    let Extents { m, n, k, ta, tb } = extents(plan, step).expect("a product");
    let vb = !tb && n.is_multiple_of(4);
    let exit = Exit::finished(step, n);
    let (a, b) = (Operand::Tensor(step.inputs[0]), Operand::Tensor(step.inputs[1]));
    let mut bindings = vec![("a", a), (if vb { "b4" } else { "b" }, b)];
    bindings.extend(exit.bindings);
    bindings.extend(sums.map(|tensor| ("sums", Operand::Tensor(tensor))));
    let across = n.div_ceil(4);
    let count = across * (m + usize::from(sums.is_some())).div_ceil(4);
    let (a_row, a_next) = if ta { (1, m) } else { (k, 1) };
    let (b_column, b_next) = if tb { (k, 1) } else { (1, n) };
    let params = [
        ("m", m),
        ("n", n),
        ("k", k),
        ("a_row", a_row),
        ("a_next", a_next),
        ("b_column", b_column),
        ("b_next", b_next),
        ("across", across),
        ("count", count),
    ];
    launch("matmul_small", class, [sums.is_some(), vb], exit.constants, bindings, &params)
}

/// The launch of a small linear layer's backward pass: `weights` is the step of `dW = X^T dY`, `inputs` that of
/// `dX = dY W^T`; with `sums`, the sums over the rows of dY go there. None unless the steps are that, on the same dY.
pub(in crate::internal::gpu) fn lower_backward(
    plan: &Plan,
    [weights, inputs]: [&Step; 2],
    class: Class,
    sums: Option<TensorId>,
) -> Option<Launch> {
    let forms = [(weights, true, false), (inputs, false, true)];
    let fits = |&(step, ta, tb): &(&Step, bool, bool)| step.op == Op::MatMul { ta, tb } && is_small(plan, step, class);
    let Epilogue { bias, slopes, residual, .. } = inputs.epilogue;
    let plain = weights.epilogue == Epilogue::NONE && [bias, slopes, residual] == [None; 3];
    if !forms.iter().all(fits) || !plain || weights.inputs[1] != inputs.inputs[0] {
        return None;
    }
    let Extents { m: width, n: outputs, k: rows, .. } = extents(plan, weights)?;
    let exit = Exit::finished(inputs, width);
    let vb = outputs.is_multiple_of(4);
    let dy = Operand::Tensor(weights.inputs[1]);
    let mut bindings = vec![
        ("x", Operand::Tensor(weights.inputs[0])),
        ("dy", dy),
        ("w", Operand::Tensor(inputs.inputs[1])),
        ("dw", Operand::Tensor(weights.output?)),
    ];
    bindings.extend(vb.then_some(("dy4", dy)));
    bindings.extend(sums.map(|tensor| ("db", Operand::Tensor(tensor))));
    bindings.extend(exit.bindings);
    let quads = |rows: usize, columns: usize| rows.div_ceil(4) * columns.div_ceil(4);
    let first = quads(width + usize::from(sums.is_some()), outputs);
    let count = first + quads(rows, width);
    let params = [("rows", rows), ("inputs", width), ("outputs", outputs), ("weights", first), ("count", count)];
    Some(launch("matmul_backward", class, [sums.is_some(), vb], exit.constants, bindings, &params))
}

/// A launch of as many invocations as the last of `params` says, `count`.
fn launch(
    shader: &'static str,
    class: Class,
    [sums, vb]: [bool; 2],
    mut constants: Vec<(&'static str, u32)>,
    bindings: Vec<(&'static str, Operand)>,
    params: &[(&'static str, usize)],
) -> Launch {
    let lanes: usize = match class {
        Class::Software => 8,
        Class::Hardware | Class::Matrix(_) => 64,
    };
    constants.extend([("LANES", lanes as u32), ("SUMS", u32::from(sums)), ("VB", u32::from(vb))]);
    let count = params.last().map_or(0, |&(_, count)| count);
    let params = params.iter().map(|&(name, value)| (name, Scalar::size(value))).collect();
    Launch { shader, entry: "main", constants, bindings, params, groups: fold(count.div_ceil(lanes)), once: false }
}
