//! Stand-in until the products and convolutions are there: a plain matrix product.

use super::launch::Launch;
use crate::graph::{Op, Plan, Step};

/// What kernels are chosen for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Class {
    /// A processor posing as a GPU.
    Software,
    /// A GPU.
    Hardware,
}

pub(super) fn lower(plan: &Plan, step: &Step, _class: Class) -> Vec<Launch> {
    let Op::MatMul { ta, tb } = step.op else { return Vec::new() };
    let output = step.output.unwrap();
    let (m, n) = plan.shape(output).matrix().unwrap();
    let a = plan.shape(step.inputs[0]).matrix().unwrap();
    let k = if ta { a.0 } else { a.1 };
    let e = step.epilogue;
    let (code, slope) = e.activation.code();
    let mut launch = Launch::new("standin", "product")
        .tensor("a", step.inputs[0])
        .tensor("b", step.inputs[1])
        .tensor("y", output)
        .size("m", m)
        .size("n", n)
        .size("k", k)
        .size("ta", usize::from(ta))
        .size("tb", usize::from(tb))
        .size("code", code as usize)
        .float("slope", slope)
        .over(m * n, 64);
    if let Some(bias) = e.bias {
        launch = launch.tensor("bias", bias).size("biased", 1);
    }
    if let Some((f, saved)) = e.derivative {
        let (code, slope) = f.code();
        launch = launch.tensor("saved", saved).size("derived", 1 + code as usize).float("slope2", slope);
    }
    vec![launch]
}
