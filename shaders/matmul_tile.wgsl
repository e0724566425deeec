// uses: matmul_epilogue
// What products and convolutions for GPUs share: a BM x BN tile of the result per workgroup, BK terms at a time through
// workgroup memory, TM x TN elements per invocation in registers, terms in ascending order with one accumulator each.
// matmul_matrix.wgsl has the same functions for matrix units. The kernel that uses either defines
// `put(value, columns, start, row, column)`, which stores four neighbouring columns of a row of the result.
//
// Both operands lie k-major in workgroup memory, so that an invocation reads its rows and columns as vectors; a row of
// vectors is one vector longer than the tile, so that transposing stores meet different banks. An invocation's quads of
// rows and columns are spread over the tile: neighbours read neighbouring vectors.

const BM: u32 = 64u;
const BN: u32 = 64u;
const BK: u32 = 16u;
const TM: u32 = 4u;
const TN: u32 = 4u;
const THREADS: u32 = BM / TM * BN / TN;
const LDA: u32 = BM / 4u + 1u;
const LDB: u32 = BN / 4u + 1u;

// What an invocation sums: its row quads' rows, and in each its column quads.
alias Sums = array<vec4f, TM * TN / 4u>;

var<workgroup> tile_a: array<vec4f, BK * LDA>;
var<workgroup> tile_b: array<vec4f, BK * LDB>;

// First of the invocation's row quad `i` (of TM / 4) in the tile, and of its column quad `j`.
fn quad_row(thread: u32, i: u32) -> u32 {
    return (i * (BM / TM) + thread / (BN / TN)) * 4u;
}

fn quad_column(thread: u32, j: u32) -> u32 {
    return (j * (BN / TN) + thread % (BN / TN)) * 4u;
}

// Stores four rows' quads along k, transposed: r0 .. r3 are rows 4 quad .. 4 quad + 3 at k .. k + 3.
fn put_a(quad: u32, k: u32, r0: vec4f, r1: vec4f, r2: vec4f, r3: vec4f) {
    tile_a[k * LDA + quad] = vec4f(r0.x, r1.x, r2.x, r3.x);
    tile_a[(k + 1u) * LDA + quad] = vec4f(r0.y, r1.y, r2.y, r3.y);
    tile_a[(k + 2u) * LDA + quad] = vec4f(r0.z, r1.z, r2.z, r3.z);
    tile_a[(k + 3u) * LDA + quad] = vec4f(r0.w, r1.w, r2.w, r3.w);
}

fn put_b(quad: u32, k: u32, c0: vec4f, c1: vec4f, c2: vec4f, c3: vec4f) {
    tile_b[k * LDB + quad] = vec4f(c0.x, c1.x, c2.x, c3.x);
    tile_b[(k + 1u) * LDB + quad] = vec4f(c0.y, c1.y, c2.y, c3.y);
    tile_b[(k + 2u) * LDB + quad] = vec4f(c0.z, c1.z, c2.z, c3.z);
    tile_b[(k + 3u) * LDB + quad] = vec4f(c0.w, c1.w, c2.w, c3.w);
}

// Stores rows 4 quad .. 4 quad + 3 at k.
fn put_a_across(quad: u32, k: u32, v: vec4f) {
    tile_a[k * LDA + quad] = v;
}

fn put_b_across(quad: u32, k: u32, v: vec4f) {
    tile_b[k * LDB + quad] = v;
}

// Adds the products of the tiles in workgroup memory.
fn accumulate(thread: u32, sums: ptr<function, Sums>) {
    let ty = thread / (BN / TN);
    let tx = thread % (BN / TN);
    for (var k = 0u; k < BK; k++) { // unroll
        var x: array<vec4f, TM / 4u>;
        for (var i = 0u; i < TM / 4u; i++) { // unroll
            x[i] = tile_a[k * LDA + i * (BM / TM) + ty];
        }
        for (var j = 0u; j < TN / 4u; j++) { // unroll
            let y = tile_b[k * LDB + j * (BN / TN) + tx];
            for (var i = 0u; i < TM; i++) { // unroll
                (*sums)[i * (TN / 4u) + j] = fma(vec4f(x[i / 4u][i % 4u]), y, (*sums)[i * (TN / 4u) + j]);
            }
        }
    }
}

// Puts the tile whose first element is (row, column); `columns` is how many columns there are for the epilogue.
fn store_tile(thread: u32, start: u32, row: u32, column: u32, columns: u32, sums: ptr<function, Sums>) {
    for (var j = 0u; j < TN / 4u; j++) { // unroll
        let c = column + quad_column(thread, j);
        let extras = columns_at(c, columns - min(c, columns));
        for (var i = 0u; i < TM; i++) { // unroll
            let r = row + quad_row(thread, i / 4u) + i % 4u;
            put((*sums)[i * (TN / 4u) + j], extras, start, r, c);
        }
    }
}
