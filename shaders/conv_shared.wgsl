// uses: matmul_tile or matmul_matrix
// Convolution and its input gradient for GPUs: the product im2col(X) x W, gathered while it passes to workgroup memory.
//
//   y[pixel, n] = epilogue(sum over ty, tx, c of
//                 x[image, oy stride + base + ty step, ox stride + base + tx step, c] w[ty, tx, c, n])
//
// Operands, parameters, order of the sum and PHASES are those of conv_register.wgsl; terms are k = (ty, tx, c).
// A workgroup owns a tile of BM pixels x BN columns (see matmul_tile.wgsl for who owns which).

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

// For each pixel of the tile: row and column that its first tap reads, and the image's first row.
var<workgroup> corners: array<vec3i, BM>;

// Index of channel c at tap k / channels_padded of a pixel of the tile, or -1 outside.
fn source(pixel: u32, k: u32) -> i32 {
    let c = k % params.channels_padded;
    let tap = k / params.channels_padded;
    let corner = corners[pixel];
    let iy = u32(corner.x + i32(tap / params.taps) * params.step);
    let ix = u32(corner.y + i32(tap % params.taps) * params.step);
    let exists = c < params.channels && tap < params.taps * params.taps;
    let inside = exists && iy < params.in_height && ix < params.in_width;
    return select(-1, i32(((u32(corner.z) + iy) * params.in_width + ix) * params.channels + c), inside);
}

// Terms k .. k + 3 of a pixel of the tile, zeros outside.
fn quad_of_x(pixel: u32, k: u32) -> vec4f {
    var v = vec4f(0.0);
    let at = source(pixel, k);
    if (at >= 0) { v = x4[at / 4]; } // when VX
    if (at >= 0) { v.x = x[at]; } // unless VX
    let at1 = source(pixel, k + 1u); // unless VX
    if (at1 >= 0) { v.y = x[at1]; } // unless VX
    let at2 = source(pixel, k + 2u); // unless VX
    if (at2 >= 0) { v.z = x[at2]; } // unless VX
    let at3 = source(pixel, k + 3u); // unless VX
    if (at3 >= 0) { v.w = x[at3]; } // unless VX
    return v;
}

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

@compute @workgroup_size(THREADS)
fn main(
    @builtin(workgroup_id) group: vec3u,
    @builtin(num_workgroups) groups: vec3u,
    @builtin(local_invocation_index) thread: u32,
) {
    // Groups past the end repeat the last tile, so that barriers stand in uniform control flow.
    let tile = min(group.y * groups.x + group.x, params.tiles - 1u);
    let number = tile / params.across * BM;
    let column = tile % params.across * BN;
    for (var i = thread; i < BM; i += THREADS) {
        let at = min(number + i, params.pixels - 1u);
        let line = at / params.width;
        let iy = i32(line % params.height * params.stride) + params.base;
        let ix = i32(at % params.width * params.stride) + params.base;
        corners[i] = vec3i(iy, ix, i32(line / params.height * params.in_height));
    }
    workgroupBarrier();

    let terms = params.taps * params.taps * params.channels_padded;
    let quads = params.columns_padded / 4u;
    var sums: Sums;
    for (var k0 = 0u; k0 < terms; k0 += BK) {
        for (var i = thread; i < BK * BM / 16u; i += THREADS) {
            let k = i % (BK / 4u) * 4u;
            let quad = i / (BK / 4u);
            let r = quad * 4u;
            put_a(quad, k, quad_of_x(r, k0 + k), quad_of_x(r + 1u, k0 + k), quad_of_x(r + 2u, k0 + k),
                quad_of_x(r + 3u, k0 + k));
        }
        for (var i = thread; i < BK * BN / 4u; i += THREADS) {
            let k = i / (BN / 4u);
            let quad = i % (BN / 4u);
            var weights = vec4f(0.0);
            if (k0 + k < terms) { weights = w4[(k0 + k) * quads + column / 4u + quad]; }
            put_b_across(quad, k, weights);
        }
        workgroupBarrier();
        accumulate(thread, &sums);
        workgroupBarrier();
    }
    // With phases a column is no channel: `put` finds what belongs to it.
    store_tile(thread, 0u, number, column, select(params.columns, 0u, PHASES > 0u), &sums);
}
