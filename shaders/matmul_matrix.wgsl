// uses: matmul_epilogue
// What products and convolutions share on matrix units (tensor cores): the functions of matmul_tile.wgsl, with operands
// rounded to f16 on their way to workgroup memory and sums in f32.
//
// A workgroup owns a BM x BN tile of the result, BK terms at a time; each of its subgroups of LANES invocations owns
// TM x TN elements of it as blocks of SIDE x SIDE. An operand lies in workgroup memory as the kernel gathers it: rows of
// terms, or, when it is gathered across (A_ACROSS, B_ACROSS), terms of rows; rows are padded by 16 bytes, which keeps
// them aligned and spreads them over the banks. Results pass through workgroup memory, since nothing says which
// invocation holds which element of a block.
enable f16;
enable wgpu_cooperative_matrix;

const BM: u32 = 64u;
const BN: u32 = 64u;
const BK: u32 = 32u;
const TM: u32 = 32u;
const TN: u32 = 32u;
// Side of the unit's matrices: 8 or 16.
const SIDE: u32 = 16u;
// Invocations per subgroup.
const LANES: u32 = 32u;
const A_ACROSS: u32 = 0u;
const B_ACROSS: u32 = 0u;
const SUBGROUPS: u32 = BM / TM * BN / TN;
const THREADS: u32 = SUBGROUPS * LANES;
// Vectors of four in a block, per invocation.
const QUADS: u32 = (SIDE * SIDE / 4u + LANES - 1u) / LANES;
const LDA: u32 = (1u - A_ACROSS) * BK + A_ACROSS * BM + 8u;
const LDB: u32 = (1u - B_ACROSS) * BK + B_ACROSS * BN + 8u;

alias MatrixA = coop_mat16x16<f16, A>; // when SIDE - 8u
alias MatrixB = coop_mat16x16<f16, B>; // when SIDE - 8u
alias MatrixC = coop_mat16x16<f32, C>; // when SIDE - 8u
alias MatrixA = coop_mat8x8<f16, A>; // unless SIDE - 8u
alias MatrixB = coop_mat8x8<f16, B>; // unless SIDE - 8u
alias MatrixC = coop_mat8x8<f32, C>; // unless SIDE - 8u
// The blocks of a subgroup, row by row.
alias Sums = array<MatrixC, TM * TN / (SIDE * SIDE)>;

var<workgroup> tile_a: array<f16, ((1u - A_ACROSS) * BM + A_ACROSS * BK) * LDA>;
var<workgroup> tile_b: array<f16, ((1u - B_ACROSS) * BN + B_ACROSS * BK) * LDB>;
var<workgroup> blocks: array<f32, SUBGROUPS * SIDE * SIDE>;

// To f16, what is finite but beyond its range to its ends: an overflow would turn into NaN in the sums.
fn narrow(v: vec4f) -> vec4<f16> {
    let exponent = vec4u(0x7f800000u);
    return vec4<f16>(select(clamp(v, vec4f(-65504.0), vec4f(65504.0)), v, (bitcast<vec4u>(v) & exponent) == exponent));
}

fn put_row_a(at: u32, v: vec4f) {
    let h = narrow(v);
    tile_a[at] = h.x;
    tile_a[at + 1u] = h.y;
    tile_a[at + 2u] = h.z;
    tile_a[at + 3u] = h.w;
}

fn put_row_b(at: u32, v: vec4f) {
    let h = narrow(v);
    tile_b[at] = h.x;
    tile_b[at + 1u] = h.y;
    tile_b[at + 2u] = h.z;
    tile_b[at + 3u] = h.w;
}

// Stores four rows' quads along k: r0 .. r3 are rows 4 quad .. 4 quad + 3 at k .. k + 3.
fn put_a(quad: u32, k: u32, r0: vec4f, r1: vec4f, r2: vec4f, r3: vec4f) {
    let at = quad * 4u * LDA + k;
    put_row_a(at, r0);
    put_row_a(at + LDA, r1);
    put_row_a(at + 2u * LDA, r2);
    put_row_a(at + 3u * LDA, r3);
}

fn put_b(quad: u32, k: u32, c0: vec4f, c1: vec4f, c2: vec4f, c3: vec4f) {
    let at = quad * 4u * LDB + k;
    put_row_b(at, c0);
    put_row_b(at + LDB, c1);
    put_row_b(at + 2u * LDB, c2);
    put_row_b(at + 3u * LDB, c3);
}

// Stores rows 4 quad .. 4 quad + 3 at k.
fn put_a_across(quad: u32, k: u32, v: vec4f) {
    put_row_a(k * LDA + quad * 4u, v);
}

fn put_b_across(quad: u32, k: u32, v: vec4f) {
    put_row_b(k * LDB + quad * 4u, v);
}

// Adds the products of the tiles in workgroup memory.
fn accumulate(thread: u32, sums: ptr<function, Sums>) {
    let row = thread / LANES / (BN / TN) * TM;
    let column = thread / LANES % (BN / TN) * TN;
    for (var k = 0u; k < BK / SIDE; k++) { // unroll
        var a: array<MatrixA, TM / SIDE>;
        for (var i = 0u; i < TM / SIDE; i++) { // unroll
            let at = (row + i * SIDE) * LDA + k * SIDE; // unless A_ACROSS
            a[i] = coopLoadT<MatrixA>(&tile_a[at], LDA); // unless A_ACROSS
            let at = k * SIDE * LDA + row + i * SIDE; // when A_ACROSS
            a[i] = coopLoad<MatrixA>(&tile_a[at], LDA); // when A_ACROSS
        }
        for (var j = 0u; j < TN / SIDE; j++) { // unroll
            let at = (column + j * SIDE) * LDB + k * SIDE; // unless B_ACROSS
            let b = coopLoad<MatrixB>(&tile_b[at], LDB); // unless B_ACROSS
            let at = k * SIDE * LDB + column + j * SIDE; // when B_ACROSS
            let b = coopLoadT<MatrixB>(&tile_b[at], LDB); // when B_ACROSS
            for (var i = 0u; i < TM / SIDE; i++) { // unroll
                (*sums)[i * (TN / SIDE) + j] = coopMultiplyAdd(a[i], b, (*sums)[i * (TN / SIDE) + j]);
            }
        }
    }
}

// Puts the tile whose first element is (row, column); `columns` is how many columns there are for the epilogue.
fn store_tile(thread: u32, start: u32, row: u32, column: u32, columns: u32, sums: ptr<function, Sums>) {
    let own = thread / LANES * (SIDE * SIDE);
    let first = row + thread / LANES / (BN / TN) * TM;
    let left = column + thread / LANES % (BN / TN) * TN;
    let line = thread % LANES / (SIDE / 4u);
    let quad = thread % (SIDE / 4u) * 4u;
    for (var q = 0u; q < TM * TN / (SIDE * SIDE); q++) { // unroll
        workgroupBarrier();
        coopStoreT((*sums)[q], &blocks[own], SIDE);
        workgroupBarrier();
        let c = left + q % (TN / SIDE) * SIDE + quad;
        let extras = columns_at(c, columns - min(c, columns));
        for (var p = 0u; p < QUADS; p++) { // unroll
            let r = p * (LANES * 4u / SIDE) + line;
            let at = own + min(r, SIDE - 1u) * SIDE + quad;
            let value = vec4f(blocks[at], blocks[at + 1u], blocks[at + 2u], blocks[at + 3u]);
            if (r < SIDE) { put(value, extras, start, first + q / (TN / SIDE) * SIDE + r, c); }
        }
    }
}
