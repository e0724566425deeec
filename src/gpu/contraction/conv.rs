//! Convolutions: forward and input gradient by one kernel that sweeps packed weights over pixels, weight gradient by
//! another.

use super::super::launch::{Launch, Operand, Scalar, fold};
use super::tile::{self, Lanes};
use super::{Class, Exit, PACKED, PARTIAL, Tile, reduce};
use crate::graph::{Arena, Plan, Step, TensorId, TensorSource, Window};

/// Pixels `o` of a grid, each the sum over taps `t` of the picture at `o stride + base + t step` times weights of the
/// tap, per axis.
pub(super) struct ConvGeometry {
    /// The picture that is read: `images, height, width, channels`.
    picture: (usize, usize, usize, usize),
    weights: TensorId,
    /// Whether the weights stay as they are while the plan runs.
    settled: bool,
    /// Side of the kernel in the weights' tensor.
    kernel: usize,
    /// Pixels swept per image, `height, width`.
    grid: [usize; 2],
    /// Columns of the weights once packed.
    columns: usize,
    taps: usize,
    stride: usize,
    base: i32,
    step: i32,
    /// 0 for a forward convolution, the window's stride for an input gradient (see `conv_pack.wgsl`).
    phases: usize,
    /// Extents of the result, `height, width, channels`.
    output: [usize; 3],
    /// With phases, the output's pixel is `o phases + phase - shift`.
    shift: usize,
}

impl ConvGeometry {
    pub(super) fn forward(plan: &Plan, step: &Step, window: Window) -> ConvGeometry {
        let (_, height, width, columns) = output(plan, step);
        ConvGeometry {
            picture: image(plan, step.inputs[0]),
            weights: step.inputs[1],
            settled: settled(plan, step.inputs[1]),
            kernel: window.kernel,
            grid: [height, width],
            columns,
            taps: window.kernel,
            stride: window.stride,
            base: -(window.padding as i32),
            step: 1,
            phases: 0,
            output: [height, width, columns],
            shift: 0,
        }
    }

    /// With `i = o' stride - padding + k`, the pixel `i` is reached from `o' = q - j` by the taps `k = r + j stride`,
    /// where `q, r` are quotient and remainder of `(i + padding) / stride`.
    pub(super) fn input_gradient(plan: &Plan, step: &Step, window: Window, size: [usize; 2]) -> ConvGeometry {
        let (_, _, _, inner) = output(plan, step);
        let Window { kernel, stride, padding } = window;
        let first = padding / stride;
        ConvGeometry {
            picture: image(plan, step.inputs[0]),
            weights: step.inputs[1],
            settled: settled(plan, step.inputs[1]),
            kernel,
            grid: size.map(|extent| (extent - 1 + padding) / stride - first + 1),
            columns: stride * stride * inner,
            taps: kernel.div_ceil(stride),
            stride: 1,
            base: first as i32,
            step: -1,
            phases: stride,
            output: [size[0], size[1], inner],
            shift: padding - first * stride,
        }
    }
}

fn image(plan: &Plan, tensor: TensorId) -> (usize, usize, usize, usize) {
    plan.shape(tensor).image().expect("checked when the graph was built")
}

/// Whether a tensor is a parameter that runs of the plan do not move.
fn settled(plan: &Plan, tensor: TensorId) -> bool {
    let source = plan.tensors[tensor.0].source;
    matches!(source, TensorSource::State(Arena::Parameters | Arena::Average, _)) && !plan.moves_parameters()
}

fn output(plan: &Plan, step: &Step) -> (usize, usize, usize, usize) {
    image(plan, step.output.expect("a convolution has an output"))
}

/// Launches of a forward convolution or an input gradient: weights are packed, then swept. Weights that stay are packed
/// once, into memory of their own.
pub(super) fn lower(step: &Step, geometry: &ConvGeometry, class: Class, tile: Tile) -> Vec<Launch> {
    let (images, in_height, in_width, channels) = geometry.picture;
    let quad = if channels < 4 { channels } else { 4 };
    let channels_padded = channels.next_multiple_of(quad);
    let vx = u32::from(channels.is_multiple_of(4));
    let pixels = images * geometry.grid[0] * geometry.grid[1];
    let phases = if geometry.phases > 1 { geometry.phases as u32 } else { 0 };
    let exit = Exit::finished(step, geometry.output[2]);
    let vy = u32::from(geometry.output[2].is_multiple_of(4));
    let mut constants = vec![("VX", vx), ("PHASES", phases), ("VY", vy)];
    let (shader, high, wide) = match tile {
        Tile::Register { rows, columns } => {
            // Reading channel by channel takes much code, and software drivers compile all of it.
            let rows = if vx == 1 || quad < 4 { rows } else { rows.min(8) };
            let lanes = Lanes::new(rows, columns, geometry.columns);
            constants.extend(lanes.constants());
            constants.push(("QUAD", quad as u32));
            ("conv_register", lanes.tm * lanes.lm, lanes.tn * lanes.ln)
        }
        Tile::Shared { .. } | Tile::Matrix { .. } => {
            let block = tile.through_memory(class, [false, true]).expect("no register tile");
            constants.extend(block.constants);
            ("conv_shared", block.rows, block.columns)
        }
    };
    let across = geometry.columns.div_ceil(wide as usize);
    let columns_padded = across * wide as usize;
    let tiles = across * pixels.div_ceil(high as usize);
    let elements = geometry.taps * geometry.taps * channels_padded * columns_padded;
    let packed = match step.output.filter(|_| geometry.settled) {
        Some(of) => Operand::Kept { of, elements },
        None => Operand::Scratch { index: PACKED, elements },
    };
    let pack = Launch {
        shader: "conv_pack",
        entry: "main",
        constants: vec![("PHASES", geometry.phases as u32)],
        bindings: vec![("w", Operand::Tensor(geometry.weights)), ("packed", packed)],
        params: sizes(&[
            ("kernel", geometry.kernel),
            ("taps", geometry.taps),
            ("channels_padded", channels_padded),
            ("columns_padded", columns_padded),
            ("channels", channels),
            ("columns", geometry.columns),
        ]),
        groups: fold(elements.div_ceil(64)),
        once: geometry.settled,
    };
    let picture = Operand::Tensor(step.inputs[0]);
    let mut bindings = vec![(if vx == 1 { "x4" } else { "x" }, picture), ("w4", packed)];
    bindings.extend(exit.bindings);
    constants.extend(exit.constants);
    let mut params = sizes(&[
        ("in_height", in_height),
        ("in_width", in_width),
        ("channels", channels),
        ("channels_padded", channels_padded),
        ("height", geometry.grid[0]),
        ("width", geometry.grid[1]),
        ("pixels", pixels),
        ("columns", geometry.columns),
        ("columns_padded", columns_padded),
        ("taps", geometry.taps),
        ("stride", geometry.stride),
        ("out_height", geometry.output[0]),
        ("out_width", geometry.output[1]),
        ("shift", geometry.shift),
        ("across", across),
        ("tiles", tiles),
    ]);
    params.extend([("base", Scalar::U32(geometry.base as u32)), ("step", Scalar::U32(geometry.step as u32))]);
    vec![pack, Launch { shader, entry: "main", constants, bindings, params, groups: fold(tiles), once: false }]
}

/// Launches of a weight gradient: parts over ranges of lines, then their sum.
pub(super) fn weight_gradient(plan: &Plan, step: &Step, window: Window, class: Class, tile: Tile) -> Vec<Launch> {
    let (images, in_height, in_width, channels) = image(plan, step.inputs[0]);
    let (_, height, width, columns) = image(plan, step.inputs[1]);
    let rows = window.kernel * window.kernel * channels;
    let (vx, vy) = (u32::from(channels.is_multiple_of(4)), u32::from(columns.is_multiple_of(4)));
    let mut constants = vec![("VX", vx), ("VY", vy)];
    let (shader, high, wide) = match tile {
        Tile::Register { rows, columns: most } => {
            let lanes = Lanes::new(rows, most, columns);
            constants.extend(lanes.constants());
            constants.push(("UNIT", if vx == 1 { 4 } else { 1 }));
            ("conv_weight", lanes.tm * lanes.lm, lanes.tn * lanes.ln)
        }
        Tile::Shared { .. } | Tile::Matrix { .. } => {
            let block = tile.through_memory(class, [true, true]).expect("no register tile");
            constants.extend(block.constants);
            ("conv_weight_shared", block.rows, block.columns)
        }
    };
    let across = columns.div_ceil(wide as usize);
    let tiles = across * rows.div_ceil(high as usize);
    let lines = images * height;
    let parts = tile::groups(plan, step, class, rows).clamp(1, 256).min(lines);
    let chunk = lines.div_ceil(parts);
    let parts = lines.div_ceil(chunk);
    let exit = match parts {
        1 => Exit::finished(step, columns),
        _ => Exit::raw(Operand::Scratch { index: PARTIAL, elements: parts * rows * columns }, columns),
    };
    let (x, dy) = (Operand::Tensor(step.inputs[0]), Operand::Tensor(step.inputs[1]));
    let mut bindings = vec![(if vx == 1 { "x4" } else { "x" }, x), (if vy == 1 { "dy4" } else { "dy" }, dy)];
    bindings.extend(exit.bindings);
    constants.extend(exit.constants);
    let params = sizes(&[
        ("in_height", in_height),
        ("in_width", in_width),
        ("channels", channels),
        ("height", height),
        ("width", width),
        ("rows", rows),
        ("columns", columns),
        ("kernel", window.kernel),
        ("stride", window.stride),
        ("padding", window.padding),
        ("lines", lines),
        ("chunk", chunk),
        ("across", across),
        ("tiles", tiles),
    ]);
    let [gx, gy, _] = fold(tiles);
    let gradient =
        Launch { shader, entry: "main", constants, bindings, params, groups: [gx, gy, parts as u32], once: false };
    match parts {
        1 => vec![gradient],
        _ => vec![gradient, reduce(step, parts, rows, columns)],
    }
}

fn sizes(fields: &[(&'static str, usize)]) -> Vec<(&'static str, Scalar)> {
    fields.iter().map(|&(name, value)| (name, Scalar::size(value))).collect()
}
