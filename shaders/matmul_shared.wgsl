// uses: matmul_tile or matmul_matrix, matmul_operands
// C = A B for GPUs.
//
//   c[row, column] = epilogue(sum over k of a[row, k] b[k, column])
//
// a is [m, k], or [k, m] with TA; b is [k, n], or [n, k] with TB. A workgroup owns a tile of BM x BN elements (see
// matmul_tile.wgsl for who owns which). Group z sums k in z chunk .. (z + 1) chunk and stores at z m n.

// Elements (line, at .. at + 4) of a as it is stored; zeros outside.
fn quad_of_a(line: u32, at: u32, lines: u32, length: u32, width: u32) -> vec4f {
    var v = vec4f(0.0);
    if (line >= lines || at >= length) { return v; }
    let i = line * width + at;
    v = a4[i / 4u]; // when VA
    v.x = a[i]; // unless VA
    if (at + 1u < length) { v.y = a[i + 1u]; } // unless VA
    if (at + 2u < length) { v.z = a[i + 2u]; } // unless VA
    if (at + 3u < length) { v.w = a[i + 3u]; } // unless VA
    return v;
}

fn quad_of_b(line: u32, at: u32, lines: u32, length: u32, width: u32) -> vec4f {
    var v = vec4f(0.0);
    if (line >= lines || at >= length) { return v; }
    let i = line * width + at;
    v = b4[i / 4u]; // when VB
    v.x = b[i]; // unless VB
    if (at + 1u < length) { v.y = b[i + 1u]; } // unless VB
    if (at + 2u < length) { v.z = b[i + 2u]; } // unless VB
    if (at + 3u < length) { v.w = b[i + 3u]; } // unless VB
    return v;
}

fn put(value: vec4f, columns: Columns, start: u32, row: u32, column: u32) {
    let count = select(0u, params.n - min(column, params.n), row < params.m);
    store(value, columns, start + row * params.n + column, count);
}

@compute @workgroup_size(THREADS)
fn main(
    @builtin(workgroup_id) group: vec3u,
    @builtin(num_workgroups) groups: vec3u,
    @builtin(local_invocation_index) thread: u32,
) {
    // Groups past the end repeat the last tile, so that barriers stand in uniform control flow.
    let tile = min(group.y * groups.x + group.x, params.tiles - 1u);
    let row = tile / params.columns * BM;
    let column = tile % params.columns * BN;
    let begin = group.z * params.chunk;
    let end = min(begin + params.chunk, params.k);
    let m = params.m;
    let n = params.n;
    let width = params.k;

    var sums: Sums;
    for (var k0 = begin; k0 < end; k0 += BK) {
        if (TA == 1u) {
            for (var i = thread; i < BK * BM / 4u; i += THREADS) {
                let k = i / (BM / 4u);
                let quad = i % (BM / 4u);
                put_a_across(quad, k, quad_of_a(k0 + k, row + quad * 4u, end, m, m));
            }
        } else {
            for (var i = thread; i < BK * BM / 16u; i += THREADS) {
                let k = i % (BK / 4u) * 4u;
                let quad = i / (BK / 4u);
                let r = row + quad * 4u;
                put_a(quad, k, quad_of_a(r, k0 + k, m, end, width), quad_of_a(r + 1u, k0 + k, m, end, width),
                    quad_of_a(r + 2u, k0 + k, m, end, width), quad_of_a(r + 3u, k0 + k, m, end, width));
            }
        }
        if (TB == 0u) {
            for (var i = thread; i < BK * BN / 4u; i += THREADS) {
                let k = i / (BN / 4u);
                let quad = i % (BN / 4u);
                put_b_across(quad, k, quad_of_b(k0 + k, column + quad * 4u, end, n, n));
            }
        } else {
            for (var i = thread; i < BK * BN / 16u; i += THREADS) {
                let k = i % (BK / 4u) * 4u;
                let quad = i / (BK / 4u);
                let c = column + quad * 4u;
                put_b(quad, k, quad_of_b(c, k0 + k, n, end, width), quad_of_b(c + 1u, k0 + k, n, end, width),
                    quad_of_b(c + 2u, k0 + k, n, end, width), quad_of_b(c + 3u, k0 + k, n, end, width));
            }
        }
        workgroupBarrier();
        accumulate(thread, &sums);
        workgroupBarrier();
    }
    store_tile(thread, group.z * m * n, row, column, n, &sums);
}
