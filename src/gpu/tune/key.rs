//! What a measured tile shape is good for: steps that are alike get one key, and the key says what is measured.

use crate::Result;
use crate::gpu::contraction::{Class, suited};
use crate::graph::{Graph, Op, Options, Plan, Step, Window};

/// Rows or pixels from which on a step keeps any device busy, so that more of them ask for no other shape.
const LONG: usize = 1 << 16;
/// Elements of an operand, and terms of all sums, above which fewer rows are measured: memory and time are the user's.
const ELEMENTS: usize = 1 << 22;
const MACS: u64 = 1 << 33;

/// Multiply-accumulates below which a step's time is that of a dispatch, whatever its shape.
const LEAST: u64 = 1 << 20;

/// Products or convolutions that are measured as one.
#[derive(Clone, Debug)]
pub(super) struct Key {
    /// What it is remembered by.
    pub(super) name: String,
    /// The kernels that suit it.
    pub(super) class: Class,
    op: Op,
    operands: [Vec<usize>; 2],
}

impl Key {
    /// The key of a step; none if it is no contraction, or too small for its tile to matter.
    pub(super) fn of(plan: &Plan, step: &Step, class: Class) -> Option<Key> {
        if plan.step_macs(step) < LEAST {
            return None;
        }
        let class = suited(plan, step, class);
        let mut key = Key { class, ..Key::shape(plan, step)? };
        if matches!(class, Class::Matrix(_)) {
            key.name.insert_str(0, "mixed ");
        }
        Some(key)
    }

    fn shape(plan: &Plan, step: &Step) -> Option<Key> {
        let image = |i: usize| plan.shape(step.inputs[i]).image();
        match step.op {
            Op::MatMul { ta, tb } => {
                let (rows, inner) = plan.shape(step.inputs[0]).matrix()?;
                let n = plan.shape(step.output?).columns();
                Some(Key::product([ta, tb], if ta { [inner, n, rows] } else { [rows, n, inner] }))
            }
            Op::Conv2d(window) => {
                let (_, _, ci, co) = image(1)?;
                Some(Key::convolution("conv2d", window, [ci, co], plan.shape(step.output?).rows()))
            }
            Op::Conv2dInputGrad { window, .. } => {
                let (_, _, ci, co) = image(1)?;
                let pixels = plan.shape(step.inputs[0]).rows();
                Some(Key::convolution("conv2d input gradient", window, [ci, co], pixels))
            }
            Op::Conv2dWeightGrad(window) => {
                let [x, dy] = [0, 1].map(|i| plan.shape(step.inputs[i]));
                let channels = [x.columns(), dy.columns()];
                Some(Key::convolution("conv2d weight gradient", window, channels, dy.rows()))
            }
            _ => None,
        }
    }

    /// A product `[m, k] [k, n]`; the extent that grows with the batch is `k` where the left operand is transposed.
    fn product([ta, tb]: [bool; 2], [m, n, k]: [usize; 3]) -> Key {
        let [m, n, k] = match ta {
            false => {
                let (n, k) = (near(n), near(k));
                [long(m, n.max(k), n * k), n, k]
            }
            true => {
                let (m, n) = (near(m), near(n));
                let terms = long(k, m.max(n), m * n);
                [m, n, if k.is_multiple_of(4) { terms } else { terms.max(2) - 1 }]
            }
        };
        let marks = [(ta, " ta"), (tb, " tb")].map(|(on, mark)| if on { mark } else { "" }).concat();
        let operands = [if ta { [k, m] } else { [m, k] }, if tb { [n, k] } else { [k, n] }].map(Vec::from);
        Key { name: format!("matmul{marks} {m}x{n}x{k}"), class: Class::Hardware, op: Op::MatMul { ta, tb }, operands }
    }

    /// A convolution of one of the three kinds, `pixels` counted where its output channels are.
    fn convolution(kind: &str, window: Window, channels: [usize; 2], pixels: usize) -> Key {
        let Window { kernel, stride, .. } = window;
        let [ci, co] = channels.map(near);
        let widest = (ci * stride * stride).max(co);
        let pixels = long(pixels, widest, kernel * kernel * ci * co);
        // One picture, square or twice as wide as high: how pixels are spread over pictures decides nothing.
        let h = 1 << (pixels.ilog2() / 2);
        let w = pixels / h;
        let window = Window { padding: (kernel - 1) / 2, ..window };
        let [high, wide] = [h, w].map(|extent| (extent - 1) * stride + kernel - 2 * window.padding);
        let (x, weights, y) = (vec![1, high, wide, ci], vec![kernel, kernel, ci, co], vec![1, h, w, co]);
        let (op, operands) = match kind {
            "conv2d" => (Op::Conv2d(window), [x, weights]),
            "conv2d input gradient" => (Op::Conv2dInputGrad { window, size: [high, wide] }, [y, weights]),
            _ => (Op::Conv2dWeightGrad(window), [x, y]),
        };
        Key {
            name: format!("{kind} {kernel}x{kernel}/{stride} {ci}x{co} {pixels}"),
            class: Class::Hardware,
            op,
            operands,
        }
    }

    /// The operator alone on operands of the key's own shape.
    ///
    /// # Errors
    /// Never: keys are made of shapes that fit together.
    pub(super) fn plan(&self) -> Result<Plan> {
        let mut graph = Graph::new();
        graph.layer(self.name.clone());
        let operands = [graph.input("operand 0", &self.operands[0])?, graph.input("operand 1", &self.operands[1])?];
        let result = graph.push(self.op, &operands)?;
        graph.output(result);
        Plan::new(&graph, Options::default())
    }
}

/// A feature or channel count: itself up to 64, then the next of eight per octave. What is no multiple of four stays
/// none, for kernels read it element by element.
fn near(extent: usize) -> usize {
    let up = match extent {
        0..=64 => return extent,
        _ => extent.next_multiple_of(extent.next_power_of_two() / 16),
    };
    if extent.is_multiple_of(4) { up } else { up - 1 }
}

/// An extent that grows with batch and picture: the nearest power of two, no more than tells. `width` is the widest
/// operand's other extent, `work` the multiply-accumulates of one.
fn long(extent: usize, width: usize, work: usize) -> usize {
    let extent = extent.clamp(1, LONG);
    let up = extent.next_power_of_two();
    let mut near = if extent < up - up / 4 { up / 2 } else { up };
    while near > 256 && (near * width > ELEMENTS || (near * work) as u64 > MACS) {
        near /= 2;
    }
    near
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(op: Op, a: &[usize], b: &[usize]) -> Option<String> {
        let mut graph = Graph::new();
        let operands = [graph.input("a", a).unwrap(), graph.input("b", b).unwrap()];
        let result = graph.push(op, &operands).unwrap();
        graph.output(result);
        let plan = Plan::new(&graph, Options::default()).unwrap();
        let key = Key::of(&plan, &plan.steps[0], Class::Hardware)?;
        let measured = key.plan().unwrap();
        let again = Key::of(&measured, &measured.steps[0], Class::Hardware).unwrap();
        assert_eq!(again.name, key.name, "what is measured for a key has that key");
        Some(key.name)
    }

    #[test]
    fn like_steps_share_a_key_and_it_says_what_is_measured() {
        let product = |ta, tb| Op::MatMul { ta, tb };
        let plain = |m: usize, n: usize, k: usize| names(product(false, false), &[m, k], &[k, n]).unwrap();
        assert_eq!(plain(256, 512, 784), "matmul 256x512x832");
        assert_eq!(plain(300, 512, 784), plain(256, 512, 784));
        assert_ne!(plain(400, 512, 784), plain(256, 512, 784));
        assert_ne!(plain(256, 512, 783), plain(256, 512, 784), "vector loads and others are two things");
        assert_eq!(plain(1 << 22, 8, 8), "matmul 65536x8x8");
        assert_eq!(plain(1 << 17, 512, 512), "matmul 8192x512x512");
        let weights = names(product(true, false), &[300, 784], &[300, 512]).unwrap();
        assert_eq!(weights, "matmul ta 832x512x256");
        let odd = names(product(true, false), &[301, 784], &[301, 512]).unwrap();
        assert_eq!(odd, "matmul ta 832x512x255");
        assert_eq!(names(product(false, true), &[256, 512], &[784, 512]).unwrap(), "matmul tb 256x832x512");
        assert_eq!(names(product(false, false), &[8, 8], &[8, 8]), None);
    }

    #[test]
    fn convolutions_are_told_apart_by_window_and_channels_and_little_by_size() {
        let window = Window { kernel: 3, stride: 1, padding: 1 };
        let on = |n: usize, h: usize, w: usize| names(Op::Conv2d(window), &[n, h, w, 32], &[3, 3, 32, 12]).unwrap();
        assert_eq!(on(16, 48, 48), "conv2d 3x3/1 32x12 32768");
        assert_eq!(on(1, 180, 180), on(16, 48, 48));
        assert_eq!(on(1, 720, 1280), on(1, 2000, 2000));
        let strided = Window { kernel: 4, stride: 2, padding: 1 };
        let back = Op::Conv2dInputGrad { window: strided, size: [64, 64] };
        let back = names(back, &[4, 32, 32, 56], &[4, 4, 3, 56]).unwrap();
        assert_eq!(back, "conv2d input gradient 4x4/2 3x56 4096");
        let weights = names(Op::Conv2dWeightGrad(window), &[4, 30, 30, 7], &[4, 30, 30, 9]).unwrap();
        assert_eq!(weights, "conv2d weight gradient 3x3/1 7x9 4096");
    }
}
