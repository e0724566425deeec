// uses: matmul_epilogue
// C = A B for software adapters: register tiles, no workgroup memory.
// Those drivers pay for a load far more than for arithmetic (in a loop, each lane's load is a branch of its own), so
// tiles are larger than registers: the accumulators that spill are cheaper than the loads they save.
//
//   c[row, column] = epilogue(sum over k of a[row, k] b[k, column]), k ascending, one accumulator per element
//
// a is [m, k], or [k, m] with TA; b is [k, n], or [n, k] with TB. A workgroup is one subgroup of 8 invocations, LM
// along rows and LN along columns; each owns TM rows of TN neighbouring columns. With LM = 1 all lanes read the same rows of
// a: newer drivers do such loads once. Group z sums k in z chunk .. (z + 1) chunk and stores at z m n.
// Rows and columns past the edge repeat the last one and are not stored.

const TA: u32 = 0u;
const TB: u32 = 0u;
const TM: u32 = 8u;
const TN: u32 = 8u;
const LM: u32 = 1u;
const LN: u32 = 8u;
// Whether a (b) is read as vectors: its innermost extent and k are multiples of four.
const VA: u32 = 0u;
const VB: u32 = 0u;

struct Params {
    m: u32,
    n: u32,
    k: u32,
    // Tiles along columns, and tiles in all.
    columns: u32,
    tiles: u32,
    // Terms per group along z, a multiple of four.
    chunk: u32,
}

@group(0) @binding(0) var<storage, read> a: array<f32>; // unless VA
@group(0) @binding(1) var<storage, read> a4: array<vec4f>; // when VA
@group(0) @binding(2) var<storage, read> b: array<f32>; // unless VB
@group(0) @binding(3) var<storage, read> b4: array<vec4f>; // when VB
@group(0) @binding(4) var<uniform> params: Params;

// a[row, k .. k + 4]; zeros past the end of k.
fn row_of_a(row: u32, k: u32) -> vec4f {
    var v = vec4f(0.0);
    v = a4[(row * params.k + k) / 4u]; // when VA
    let stride = select(1u, params.m, TA == 1u); // unless VA
    let first = select(row * params.k + k, k * params.m + row, TA == 1u); // unless VA
    v.x = a[first]; // unless VA
    if (k + 1u < params.k) { v.y = a[first + stride]; } // unless VA
    if (k + 2u < params.k) { v.z = a[first + 2u * stride]; } // unless VA
    if (k + 3u < params.k) { v.w = a[first + 3u * stride]; } // unless VA
    return v;
}

// b[k, column .. column + 4], columns past the edge repeated.
fn row_of_b(k: u32, column: u32) -> vec4f {
    var v = vec4f(0.0);
    v = b4[(k * params.n + min(column, params.n - 4u)) / 4u]; // when VB
    if (k >= params.k) { return v; } // unless VB
    let last = params.n - 1u; // unless VB
    let stride = select(1u, params.k, TB == 1u); // unless VB
    let first = select(k * params.n, k, TB == 1u); // unless VB
    v.x = b[first + min(column, last) * stride]; // unless VB
    v.y = b[first + min(column + 1u, last) * stride]; // unless VB
    v.z = b[first + min(column + 2u, last) * stride]; // unless VB
    v.w = b[first + min(column + 3u, last) * stride]; // unless VB
    return v;
}

@compute @workgroup_size(8)
fn main(
    @builtin(workgroup_id) group: vec3u,
    @builtin(num_workgroups) groups: vec3u,
    @builtin(local_invocation_index) lane: u32,
) {
    // Groups past the end repeat the last tile: cheaper than a branch around everything.
    let tile = min(group.y * groups.x + group.x, params.tiles - 1u);
    // The factor folds to zero where one lane covers the rows, so that the driver sees a uniform address.
    let row = (tile / params.columns * LM + lane / LN * min(LM - 1u, 1u)) * TM;
    let column = (tile % params.columns * LN + lane % LN) * TN;
    let begin = group.z * params.chunk;
    let end = min(begin + params.chunk, params.k);

    var sums: array<vec4f, TM * TN / 4u>;
    for (var k = begin; k < end; k += 4u) {
        var x: array<vec4f, TM>;
        for (var i = 0u; i < TM; i++) { // unroll
            x[i] = row_of_a(min(row + i, params.m - 1u), k); // unless VA * TA
        }
        for (var i = 0u; i < VA * TA * TM / 4u; i++) { // unroll
            let at = (k * params.m + min(row + 4u * i, params.m - 4u)) / 4u;
            let s = params.m / 4u;
            let t = transpose(mat4x4f(a4[at], a4[at + s], a4[at + 2u * s], a4[at + 3u * s])); // when VA * TA
            x[4u * i] = t[0]; // when VA * TA
            x[4u * i + 1u] = t[1]; // when VA * TA
            x[4u * i + 2u] = t[2]; // when VA * TA
            x[4u * i + 3u] = t[3]; // when VA * TA
        }
        for (var j = 0u; j < TN / 4u; j++) { // unroll
            let first = column + 4u * j;
            var y = mat4x4f();
            y[0] = row_of_b(k, first); // unless VB * TB
            y[1] = row_of_b(k + 1u, first); // unless VB * TB
            y[2] = row_of_b(k + 2u, first); // unless VB * TB
            y[3] = row_of_b(k + 3u, first); // unless VB * TB
            let s = params.k / 4u; // when VB * TB
            let last = params.n - 1u; // when VB * TB
            let q = k / 4u; // when VB * TB
            let u0 = b4[min(first, last) * s + q]; // when VB * TB
            let u1 = b4[min(first + 1u, last) * s + q]; // when VB * TB
            let u2 = b4[min(first + 2u, last) * s + q]; // when VB * TB
            let u3 = b4[min(first + 3u, last) * s + q]; // when VB * TB
            y = transpose(mat4x4f(u0, u1, u2, u3)); // when VB * TB
            for (var i = 0u; i < TM; i++) { // unroll
                var sum = sums[i * (TN / 4u) + j];
                sum = fma(vec4f(x[i].x), y[0], sum);
                sum = fma(vec4f(x[i].y), y[1], sum);
                sum = fma(vec4f(x[i].z), y[2], sum);
                sums[i * (TN / 4u) + j] = fma(vec4f(x[i].w), y[3], sum);
            }
        }
    }

    // One loop over a copy stays: with both unrolled, epilogues would be most of the text, and a variable index would keep
    // `sums` itself out of registers. The other is unrolled, since Mesa only unrolls loops of up to 32 rounds, and an array
    // that is left with a variable index compiles ten times longer than all the rest.
    var results: array<vec4f, TM * TN / 4u>;
    for (var i = 0u; i < TM * TN / 4u; i++) { // unroll
        results[i] = sums[i];
    }
    for (var j = 0u; j < TN / 4u; j++) { // unroll
        let first = column + 4u * j;
        let count = params.n - min(first, params.n);
        let columns = columns_at(first, count);
        for (var i = 0u; i < TM; i++) {
            let r = row + i;
            let at = (group.z * params.m + r) * params.n + first;
            store(results[i * (TN / 4u) + j], columns, at, select(0u, count, r < params.m));
        }
    }
}
