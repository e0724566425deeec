// uses: matmul_epilogue
// What the two kernels of convolutions and their input gradients share: operands and where results go.
//
// With PHASES > 0 columns are (ry, rx, channel): they go to the pixel (oy PHASES + ry - padding, ox ..) of the output.

// Whether x is read as vectors: channels are a multiple of four.
const VX: u32 = 0u;
// Stride of an input gradient, if it is more than 1.
const PHASES: u32 = 0u;
// Whether y is stored as vectors: its channels are a multiple of four.
const VY: u32 = 0u;

struct Params {
    in_height: u32,
    in_width: u32,
    channels: u32,
    channels_padded: u32,
    // Pixels (oy, ox) that are swept per image, and all of them.
    height: u32,
    width: u32,
    pixels: u32,
    columns: u32,
    columns_padded: u32,
    taps: u32,
    stride: u32,
    base: i32,
    step: i32,
    // With phases: extents of the output, and the padding less the first pixel swept times PHASES.
    out_height: u32,
    out_width: u32,
    shift: i32,
    // Tiles along columns, and tiles in all.
    across: u32,
    tiles: u32,
}

@group(0) @binding(0) var<storage, read> x: array<f32>; // unless VX
@group(0) @binding(1) var<storage, read> x4: array<vec4f>; // when VX
@group(0) @binding(2) var<storage, read> w4: array<vec4f>;
@group(0) @binding(4) var<uniform> params: Params;

// Stores columns `first` .. of a swept pixel; `start` is 0, since the sum is in one part.
fn put(value: vec4f, columns: Columns, start: u32, number: u32, first: u32) {
    let count = params.columns - min(first, params.columns);
    if (number >= params.pixels || count == 0u) { return; }
    store(value, columns, start + number * params.columns + first, count); // unless PHASES
    let inner = params.columns / max(PHASES * PHASES, 1u); // when PHASES
    let ox = i32(number % params.width * PHASES) - params.shift; // when PHASES
    let oy = i32(number / params.width % params.height * PHASES) - params.shift; // when PHASES
    let image = number / params.width / params.height; // when PHASES
    // A vector's columns are of one phase: `inner` is a multiple of four.
    put_phase(value, image, oy, ox, first, inner, 4u); // when PHASES * VY
    put_phase(vec4f(value.x), image, oy, ox, first, inner, 1u); // when PHASES * (1 - VY)
    if (count > 1u) { put_phase(vec4f(value.y), image, oy, ox, first + 1u, inner, 1u); } // when PHASES * (1 - VY)
    if (count > 2u) { put_phase(vec4f(value.z), image, oy, ox, first + 2u, inner, 1u); } // when PHASES * (1 - VY)
    if (count > 3u) { put_phase(vec4f(value.w), image, oy, ox, first + 3u, inner, 1u); } // when PHASES * (1 - VY)
}

fn put_phase(value: vec4f, image: u32, oy: i32, ox: i32, column: u32, inner: u32, count: u32) {
    let phase = column / inner;
    let py = u32(oy + i32(phase / max(PHASES, 1u)));
    let px = u32(ox + i32(phase % max(PHASES, 1u)));
    if (py >= params.out_height || px >= params.out_width) { return; }
    let channel = column % inner;
    let at = ((image * params.out_height + py) * params.out_width + px) * inner + channel;
    store(value, columns_at(channel, count), at, count);
}
