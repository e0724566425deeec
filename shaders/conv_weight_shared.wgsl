// uses: matmul_tile or matmul_matrix, conv_gradient
// Weight gradient of a convolution for GPUs: the product dY x im2col(X), whose terms are pixels.
//
//   dw[ky, kx, c, n] = sum over image, oy, ox of
//                      x[image, oy stride - padding + ky, ox stride - padding + kx, c] dy[image, oy, ox, n]
//
// x is [images, in_height, in_width, channels], dy [images, height, width, columns]; rows of dw are m = (ky, kx, c).
// A workgroup owns a tile of BM x BN elements (see matmul_tile.wgsl for who owns which). Group z sums the lines
// (image, oy) from z chunk to (z + 1) chunk, pixels in order, and stores its part at z rows columns.

// Index of the first channel that row m's tap reads for the output pixel (line, ox), if it is inside the picture.
struct Source {
    at: u32,
    inside: bool,
}

fn source(m: u32, line: u32, ox: u32) -> Source {
    let tap = m / params.channels;
    let iy = line % params.height * params.stride - params.padding + tap / params.kernel;
    let ix = ox * params.stride - params.padding + tap % params.kernel;
    let inside = m < params.rows && iy < params.in_height && ix < params.in_width;
    let y = line / params.height * params.in_height + iy;
    return Source(select(0u, (y * params.in_width + ix) * params.channels + m % params.channels, inside), inside);
}

// Rows m .. m + 3 at a pixel, zeros outside.
fn quad_of_x(pixel: u32, end: u32, m: u32) -> vec4f {
    var v = vec4f(0.0);
    if (pixel >= end) { return v; }
    let line = pixel / params.width;
    let ox = pixel % params.width;
    let s = source(m, line, ox);
    if (s.inside) { v = x4[s.at / 4u]; } // when VX
    if (s.inside) { v.x = x[s.at]; } // unless VX
    let s1 = source(m + 1u, line, ox); // unless VX
    if (s1.inside) { v.y = x[s1.at]; } // unless VX
    let s2 = source(m + 2u, line, ox); // unless VX
    if (s2.inside) { v.z = x[s2.at]; } // unless VX
    let s3 = source(m + 3u, line, ox); // unless VX
    if (s3.inside) { v.w = x[s3.at]; } // unless VX
    return v;
}

// dy[pixel, n .. n + 4], zeros outside.
fn quad_of_dy(pixel: u32, end: u32, n: u32) -> vec4f {
    var v = vec4f(0.0);
    if (pixel >= end || n >= params.columns) { return v; }
    let at = pixel * params.columns + n;
    v = dy4[at / 4u]; // when VY
    v.x = dy[at]; // unless VY
    if (n + 1u < params.columns) { v.y = dy[at + 1u]; } // unless VY
    if (n + 2u < params.columns) { v.z = dy[at + 2u]; } // unless VY
    if (n + 3u < params.columns) { v.w = dy[at + 3u]; } // unless VY
    return v;
}

fn put(value: vec4f, columns: Columns, start: u32, row: u32, column: u32) {
    let count = select(0u, params.columns - min(column, params.columns), row < params.rows);
    store(value, columns, start + row * params.columns + column, count);
}

@compute @workgroup_size(THREADS)
fn main(
    @builtin(workgroup_id) group: vec3u,
    @builtin(num_workgroups) groups: vec3u,
    @builtin(local_invocation_index) thread: u32,
) {
    // Groups past the end repeat the last tile, so that barriers stand in uniform control flow.
    let tile = min(group.y * groups.x + group.x, params.tiles - 1u);
    let row = tile / params.across * BM;
    let column = tile % params.across * BN;
    let begin = group.z * params.chunk;
    let first = begin * params.width;
    let end = min(begin + params.chunk, params.lines) * params.width;

    var sums: Sums;
    for (var k0 = first; k0 < end; k0 += BK) {
        for (var i = thread; i < BK * BM / 4u; i += THREADS) {
            let k = i / (BM / 4u);
            let quad = i % (BM / 4u);
            put_a_across(quad, k, quad_of_x(k0 + k, end, row + quad * 4u));
        }
        for (var i = thread; i < BK * BN / 4u; i += THREADS) {
            let k = i / (BN / 4u);
            let quad = i % (BN / 4u);
            put_b_across(quad, k, quad_of_dy(k0 + k, end, column + quad * 4u));
        }
        workgroupBarrier();
        accumulate(thread, &sums);
        workgroupBarrier();
    }
    store_tile(thread, group.z * params.rows * params.columns, row, column, params.columns, &sums);
}
