// uses: matmul_tile or matmul_matrix, conv_geometry
// Convolution and its input gradient for GPUs: the product im2col(X) x W, gathered while it passes to workgroup memory.
//
//   y[pixel, n] = epilogue(sum over ty, tx, c of
//                 x[image, oy stride + base + ty step, ox stride + base + tx step, c] w[ty, tx, c, n])
//
// Operands, parameters, order of the sum and PHASES are those of conv_register.wgsl; terms are k = (ty, tx, c).
// A workgroup owns a tile of BM pixels x BN columns (see matmul_tile.wgsl for who owns which).

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
