// uses: matmul_epilogue
// The backward pass of a linear layer too small for tiles, in one dispatch:
//
//   dw[i, o] = sum over r of x[r, i] dy[r, o]
//   db[o]    = sum over r of dy[r, o]                                                                  with SUMS
//   dx[r, i] = epilogue(sum over o of dy[r, o] w[i, o])
//
// each sum ascending with one accumulator per element, as matmul_small.wgsl computes them apart. x is [rows, inputs], dy
// [rows, outputs], w [inputs, outputs]. An invocation owns 4 rows of 4 neighbouring columns of dw or of dx: the first
// `weights` invocations those of dw. With SUMS, x has one more column, of ones, whose products are db. Rows and columns past
// the edge repeat the last one and are not stored.

const LANES: u32 = 8u;
const SUMS: u32 = 0u;
// Whether dy is read as vectors for dw: outputs are a multiple of four.
const VB: u32 = 0u;

struct Params {
    rows: u32,
    inputs: u32,
    outputs: u32,
    // Invocations for dw, and all of them.
    weights: u32,
    count: u32,
}

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read> dy: array<f32>;
@group(0) @binding(2) var<storage, read> dy4: array<vec4f>; // when VB
@group(0) @binding(3) var<storage, read> w: array<f32>;
@group(0) @binding(4) var<uniform> params: Params;
@group(0) @binding(5) var<storage, read_write> db: array<f32>; // when SUMS
@group(0) @binding(6) var<storage, read_write> dw: array<f32>;

fn put_weights(row: u32, column: u32, value: vec4f) {
    let count = params.outputs - column;
    if (row < params.inputs) {
        let at = row * params.outputs + column;
        dw[at] = value.x;
        if (count > 1u) { dw[at + 1u] = value.y; }
        if (count > 2u) { dw[at + 2u] = value.z; }
        if (count > 3u) { dw[at + 3u] = value.w; }
    }
    if (row == params.inputs) { // when SUMS
        db[column] = value.x; // when SUMS
        if (count > 1u) { db[column + 1u] = value.y; } // when SUMS
        if (count > 2u) { db[column + 2u] = value.z; } // when SUMS
        if (count > 3u) { db[column + 3u] = value.w; } // when SUMS
    } // when SUMS
}

fn weights(number: u32) {
    let across = (params.outputs + 3u) / 4u;
    let row = number / across * 4u;
    let column = number % across * 4u;
    let last = params.outputs - 1u;
    let columns = min(vec4u(column, column + 1u, column + 2u, column + 3u), vec4u(last));
    var results: array<vec4f, 4>;
    for (var r = 0u; r < params.rows; r++) {
        let y = dy4[(r * params.outputs + column) / 4u]; // when VB
        let at = columns + r * params.outputs; // unless VB
        let y = vec4f(dy[at.x], dy[at.y], dy[at.z], dy[at.w]); // unless VB
        for (var i = 0u; i < 4u; i++) { // unroll
            var a = x[r * params.inputs + min(row + i, params.inputs - 1u)];
            a = select(a, 1.0, row + i == params.inputs); // when SUMS
            results[i] = fma(vec4f(a), y, results[i]);
        }
    }
    for (var i = 0u; i < 4u; i++) { // unroll
        put_weights(row + i, column, results[i]);
    }
}

fn inputs(number: u32) {
    let across = (params.inputs + 3u) / 4u;
    let row = number / across * 4u;
    let column = number % across * 4u;
    let last = params.inputs - 1u;
    let columns = min(vec4u(column, column + 1u, column + 2u, column + 3u), vec4u(last)) * params.outputs;
    var results: array<vec4f, 4>;
    for (var o = 0u; o < params.outputs; o++) {
        let y = vec4f(w[columns.x + o], w[columns.y + o], w[columns.z + o], w[columns.w + o]);
        for (var i = 0u; i < 4u; i++) { // unroll
            let a = dy[min(row + i, params.rows - 1u) * params.outputs + o];
            results[i] = fma(vec4f(a), y, results[i]);
        }
    }
    let count = params.inputs - column;
    let extras = columns_at(column, count);
    for (var i = 0u; i < 4u; i++) { // unroll
        let r = row + i;
        store(results[i], extras, r * params.inputs + column, select(0u, count, r < params.rows));
    }
}

@compute @workgroup_size(LANES)
fn main(
    @builtin(workgroup_id) group: vec3u,
    @builtin(num_workgroups) groups: vec3u,
    @builtin(local_invocation_index) lane: u32,
) {
    let number = (group.y * groups.x + group.x) * LANES + lane;
    if (number < params.weights) {
        weights(number);
    } else if (number < params.count) {
        inputs(number - params.weights);
    }
}
