// uses: matmul_epilogue
// C = A B for products too small for tiles, and beside it the sums over the rows of B: a layer's gradients of weights
// and bias in one dispatch.
//
//   c[row, column] = epilogue(sum over k of a[row, k] b[k, column]), k ascending, one accumulator per element
//   sums[column] = sum over k of b[k, column], k ascending                                        with SUMS
//
// a is [m, k] and b is [k, n], either stored transposed: strides say where the next row (column) and the next k stand, so
// that one text serves all. An invocation owns 4 rows of 4 neighbouring columns. With SUMS, a has one more row, of
// ones, whose products are the sums. Rows and columns past the edge repeat the last one and are not stored.

const LANES: u32 = 8u;
const SUMS: u32 = 0u;
// Whether b is read as vectors: its columns are neighbours and a multiple of four.
const VB: u32 = 0u;

struct Params {
    m: u32,
    n: u32,
    k: u32,
    a_row: u32,
    a_next: u32,
    b_column: u32,
    b_next: u32,
    // Invocations along columns, and all of them.
    across: u32,
    count: u32,
}

@group(0) @binding(0) var<storage, read> a: array<f32>;
@group(0) @binding(1) var<storage, read> b: array<f32>; // unless VB
@group(0) @binding(2) var<storage, read> b4: array<vec4f>; // when VB
@group(0) @binding(4) var<uniform> params: Params;
@group(0) @binding(5) var<storage, read_write> sums: array<f32>; // when SUMS

@compute @workgroup_size(LANES)
fn main(
    @builtin(workgroup_id) group: vec3u,
    @builtin(num_workgroups) groups: vec3u,
    @builtin(local_invocation_index) lane: u32,
) {
    let number = (group.y * groups.x + group.x) * LANES + lane;
    if (number >= params.count) { return; }
    let row = number / params.across * 4u;
    let column = number % params.across * 4u;
    let last = params.n - 1u; // unless VB
    let columns = min(vec4u(column, column + 1u, column + 2u, column + 3u), vec4u(last)) * params.b_column; // unless VB
    var results: array<vec4f, 4>;
    var at: array<u32, 4>;
    for (var i = 0u; i < 4u; i++) { // unroll
        at[i] = min(row + i, params.m - 1u) * params.a_row;
    }
    for (var k = 0u; k < params.k; k++) {
        let y = b4[(k * params.n + column) / 4u]; // when VB
        let at_b = columns + k * params.b_next; // unless VB
        let y = vec4f(b[at_b.x], b[at_b.y], b[at_b.z], b[at_b.w]); // unless VB
        for (var i = 0u; i < 4u; i++) { // unroll
            var x = a[at[i] + k * params.a_next];
            x = select(x, 1.0, row + i == params.m); // when SUMS
            results[i] = fma(vec4f(x), y, results[i]);
        }
    }
    let count = params.n - column;
    let extras = columns_at(column, count);
    for (var i = 0u; i < 4u; i++) { // unroll
        let r = row + i;
        store(results[i], extras, r * params.n + column, select(0u, count, r < params.m));
        if (r == params.m) { // when SUMS
            sums[column] = results[i].x; // when SUMS
            if (count > 1u) { sums[column + 1u] = results[i].y; } // when SUMS
            if (count > 2u) { sums[column + 2u] = results[i].z; } // when SUMS
            if (count > 3u) { sums[column + 3u] = results[i].w; } // when SUMS
        } // when SUMS
    }
}
