//! The shape rule of every operator.

use super::{Op, Shape};

/// The output's shape (none for operators that only move state), or what does not fit.
pub(super) fn output_shape(op: Op, inputs: &[Shape]) -> Result<Option<Shape>, String> {
    let traits = op.traits();
    traits.attributes?;
    let (least, given) = (traits.operands.start(), inputs.len());
    fits(traits.operands.contains(&given), || format!("takes {least} operands, not {given}"))?;
    let shape = match op {
        Op::MatMul { ta, tb } => {
            let (a, b) = (matrix(inputs[0])?, matrix(inputs[1])?);
            let (m, k) = if ta { (a.1, a.0) } else { a };
            let (k2, n) = if tb { (b.1, b.0) } else { b };
            fits(k == k2, || format!("the inner extents differ: {k} and {k2}"))?;
            Shape::new(&[m, n])?
        }
        Op::Conv2d(window) => {
            let (n, h, w, ci) = image(inputs[0])?;
            let (k, k2, wi, wo) = image(inputs[1])?;
            fits(k == window.kernel && k2 == k, || format!("weights are {k}x{k2}, the window is {}", window.kernel))?;
            fits(ci == wi, || format!("the input has {ci} channels, the weights take {wi}"))?;
            let size = (window.output(h), window.output(w));
            let (Some(h), Some(w)) = size else { return Err(format!("a {k}x{k} window does not fit in {h}x{w}")) };
            Shape::new(&[n, h, w, wo])?
        }
        Op::Conv2dInputGrad { window, size } => {
            let (n, h, w, co) = image(inputs[0])?;
            let (k, k2, wi, wo) = image(inputs[1])?;
            fits(k == window.kernel && k2 == k, || format!("weights are {k}x{k2}, the window is {}", window.kernel))?;
            fits(co == wo, || format!("the input has {co} channels, the weights take {wo}"))?;
            let back = (window.output(size[0]), window.output(size[1]));
            fits(back == (Some(h), Some(w)), || format!("a result of {}x{} has no {h}x{w} windows", size[0], size[1]))?;
            Shape::new(&[n, size[0], size[1], wi])?
        }
        Op::Conv2dWeightGrad(window) => {
            let ((n, h, w, ci), (n2, ho, wo, co)) = (image(inputs[0])?, image(inputs[1])?);
            let size = (window.output(h), window.output(w));
            fits(n == n2 && size == (Some(ho), Some(wo)), || "input and output gradient do not match".into())?;
            Shape::new(&[window.kernel, window.kernel, ci, co])?
        }
        Op::BiasAdd | Op::Prelu | Op::ColumnScale => {
            vector(inputs[1], inputs[0].columns())?;
            inputs[0]
        }
        Op::ColumnSum => Shape::vector(inputs[0].columns()),
        Op::Activate(_) | Op::Scale(_) | Op::Softmax { .. } | Op::Dropout { .. } | Op::Normalize { .. } => inputs[0],
        Op::ActivateGrad(_) | Op::SoftmaxGrad { .. } | Op::Add | Op::Multiply | Op::NormalizeGrad { .. } => {
            same(inputs[0], inputs[1])?;
            inputs[0]
        }
        Op::PreluGrad => {
            same(inputs[0], inputs[1])?;
            vector(inputs[2], inputs[0].columns())?;
            inputs[0]
        }
        Op::PreluSlopeGrad | Op::ColumnDot => {
            same(inputs[0], inputs[1])?;
            Shape::vector(inputs[0].columns())
        }
        Op::Broadcast { rows } => {
            let columns = inputs[0].len();
            vector(inputs[0], columns)?;
            Shape::new(&[rows, columns])?
        }
        Op::DepthToSpace(r) => {
            let (n, h, w, c) = image(inputs[0])?;
            fits(c % (r * r) == 0, || format!("{c} channels are no multiple of {}", r * r))?;
            Shape::new(&[n, times(h, r)?, times(w, r)?, c / (r * r)])?
        }
        Op::SpaceToDepth(r) => {
            let (n, h, w, c) = image(inputs[0])?;
            fits(h % r == 0 && w % r == 0, || format!("{h}x{w} is no multiple of {r}"))?;
            Shape::new(&[n, h / r, w / r, times(c, r * r)?])?
        }
        Op::Resize { scale, .. } => {
            let (n, h, w, c) = image(inputs[0])?;
            Shape::new(&[n, times(h, scale)?, times(w, scale)?, c])?
        }
        Op::ResizeGrad { scale, .. } => {
            let (n, h, w, c) = image(inputs[0])?;
            fits(h % scale == 0 && w % scale == 0, || format!("{h}x{w} is no multiple of {scale}"))?;
            Shape::new(&[n, h / scale, w / scale, c])?
        }
        Op::Pool { kernel, stride, .. } => pooled(inputs[0], kernel, stride)?,
        Op::PoolGrad { kernel, stride, .. } => {
            same(inputs[0], pooled(inputs[1], kernel, stride)?)?;
            inputs[1]
        }
        Op::Concat => {
            let [a, b] = [inputs[0], inputs[1]];
            same(a.with_columns(1)?, b.with_columns(1)?)?;
            a.with_columns(a.columns() + b.columns())?
        }
        Op::Slice { start, len } => {
            let columns = inputs[0].columns();
            let end = start.checked_add(len).filter(|&end| end <= columns);
            fits(end.is_some(), || format!("{len} columns from {start} on are not in {columns}"))?;
            inputs[0].with_columns(len)?
        }
        Op::Pad { start, columns } => {
            let len = inputs[0].columns();
            let end = start.checked_add(len).filter(|&end| end <= columns);
            fits(end.is_some(), || format!("{len} columns from {start} on are not in {columns}"))?;
            inputs[0].with_columns(columns)?
        }
        Op::Standardize { .. } => {
            statistics(inputs[1], inputs[0].columns())?;
            inputs[0]
        }
        Op::TrackStatistics { .. } => {
            fits(inputs[0].rows() > 1, || "the variance of a single row is unknown".into())?;
            statistics(inputs[1], inputs[0].columns())?;
            return Ok(None);
        }
        Op::Loss(loss) => {
            loss.check_operands(inputs)?;
            Shape::vector(1)
        }
        Op::LossGrad(loss) => {
            loss.check_operands(inputs)?;
            inputs[0]
        }
        Op::GradientNorm => Shape::vector(1),
        Op::Update { .. } | Op::Average { .. } => return Ok(None),
        Op::SampleRows { batch, .. } => match inputs[0].extents() {
            [_] => Shape::vector(batch),
            [_, columns] => Shape::new(&[batch, *columns])?,
            _ => return Err("rows are drawn from a table".into()),
        },
        Op::SamplePatches { batch, patch, scale, .. } => {
            let channels = inputs[0].columns();
            let side = times(patch, scale)?;
            Shape::new(&[batch, side, side, channels])?
        }
        Op::Reshape => return Err("a reshape states its own shape".into()),
    };
    Ok(Some(shape))
}

pub(super) fn fits(holds: bool, why: impl FnOnce() -> String) -> Result<(), String> {
    if holds { Ok(()) } else { Err(why()) }
}

fn times(extent: usize, factor: usize) -> Result<usize, String> {
    extent.checked_mul(factor).ok_or_else(|| format!("{extent} x {factor} is too large an extent"))
}

pub(super) fn same(a: Shape, b: Shape) -> Result<(), String> {
    fits(a == b, || format!("shapes differ: {a} and {b}"))
}

pub(super) fn matrix(shape: Shape) -> Result<(usize, usize), String> {
    shape.matrix().ok_or_else(|| format!("{shape} is no matrix"))
}

fn image(shape: Shape) -> Result<(usize, usize, usize, usize), String> {
    shape.image().ok_or_else(|| format!("{shape} is no image batch [n, h, w, c]"))
}

fn vector(shape: Shape, len: usize) -> Result<(), String> {
    fits(shape == Shape::vector(len), || format!("a vector of {len} is needed, not {shape}"))
}

fn statistics(shape: Shape, columns: usize) -> Result<(), String> {
    fits(shape.matrix() == Some((2, columns)), || format!("statistics are {shape}, not 2x{columns}"))
}

fn pooled(x: Shape, kernel: [usize; 2], stride: usize) -> Result<Shape, String> {
    let (n, h, w, c) = image(x)?;
    fits(kernel[0] <= h && kernel[1] <= w, || format!("a {}x{} window does not fit in {h}x{w}", kernel[0], kernel[1]))?;
    Shape::new(&[n, (h - kernel[0]) / stride + 1, (w - kernel[1]) / stride + 1, c])
}
