// uses: matmul_epilogue
// Weight gradient of a convolution for software adapters: register tiles, no workgroup memory.
//
//   dw[ky, kx, c, n] = sum over image, oy, ox of
//                      x[image, oy stride - padding + ky, ox stride - padding + kx, c] dy[image, oy, ox, n]
//
// x is [images, in_height, in_width, channels], dy [images, height, width, columns]; rows of dw are m = (ky, kx, c).
// A workgroup is one subgroup of 8 invocations, LM along m and LN along n; each owns TM rows of TN columns. Group z
// sums the lines (image, oy) from z chunk to (z + 1) chunk, pixels in order, and stores its part at z rows columns.

const TM: u32 = 8u;
const TN: u32 = 8u;
const LM: u32 = 1u;
const LN: u32 = 8u;
// Neighbouring rows that share a tap and are read as a vector: 4 if channels are a multiple of four, else 1.
const UNIT: u32 = 1u;
const VX: u32 = 0u;
// Whether dy is read as vectors: columns are a multiple of four.
const VY: u32 = 0u;

struct Params {
    in_height: u32,
    in_width: u32,
    channels: u32,
    height: u32,
    width: u32,
    rows: u32,
    columns: u32,
    kernel: u32,
    stride: u32,
    padding: u32,
    // Lines (image, oy) in all, and per group along z.
    lines: u32,
    chunk: u32,
    // Tiles along columns, and tiles in all.
    across: u32,
    tiles: u32,
}

@group(0) @binding(0) var<storage, read> x: array<f32>; // unless VX
@group(0) @binding(1) var<storage, read> x4: array<vec4f>; // when VX
@group(0) @binding(2) var<storage, read> dy: array<f32>; // unless VY
@group(0) @binding(3) var<storage, read> dy4: array<vec4f>; // when VY
@group(0) @binding(4) var<uniform> params: Params;

// dy[at + column ..], columns past the edge repeated.
fn row_of_dy(at: u32, column: u32) -> vec4f {
    var v = vec4f(0.0);
    v = dy4[(at + min(column, params.columns - 4u)) / 4u]; // when VY
    let last = params.columns - 1u; // unless VY
    v.x = dy[at + min(column, last)]; // unless VY
    v.y = dy[at + min(column + 1u, last)]; // unless VY
    v.z = dy[at + min(column + 2u, last)]; // unless VY
    v.w = dy[at + min(column + 3u, last)]; // unless VY
    return v;
}

@compute @workgroup_size(8)
fn main(
    @builtin(workgroup_id) group: vec3u,
    @builtin(num_workgroups) groups: vec3u,
    @builtin(local_invocation_index) lane: u32,
) {
    let tile = min(group.y * groups.x + group.x, params.tiles - 1u);
    let row = (tile / params.across * LM + lane / LN * min(LM - 1u, 1u)) * TM;
    let column = (tile % params.across * LN + lane % LN) * TN;
    let begin = group.z * params.chunk;
    let end = min(begin + params.chunk, params.lines);

    var ky: array<u32, TM / UNIT>;
    var kx: array<u32, TM / UNIT>;
    var channel: array<u32, TM / UNIT>;
    for (var i = 0u; i < TM / UNIT; i++) { // unroll
        let m = min(row + i * UNIT, params.rows - UNIT);
        let tap = m / params.channels;
        ky[i] = tap / params.kernel;
        kx[i] = tap % params.kernel;
        channel[i] = m % params.channels;
    }
    var sums: array<vec4f, TM * TN / 4u>;
    for (var line = begin; line < end; line++) {
        let image = line / params.height;
        let top = line % params.height * params.stride - params.padding;
        var above: array<bool, TM / UNIT>;
        var origin: array<u32, TM / UNIT>;
        for (var i = 0u; i < TM / UNIT; i++) { // unroll
            let iy = top + ky[i];
            above[i] = iy < params.in_height;
            origin[i] = (image * params.in_height + iy) * params.in_width * params.channels + channel[i];
        }
        for (var ox = 0u; ox < params.width; ox++) {
            var v: array<f32, TM>;
            for (var i = 0u; i < TM / UNIT; i++) { // unroll
                let ix = ox * params.stride - params.padding + kx[i];
                let inside = above[i] && ix < params.in_width;
                let at = select(0u, origin[i] + ix * params.channels, inside);
                let four = select(vec4f(0.0), x4[at / 4u], inside); // when VX
                v[UNIT * i] = four.x; // when VX
                v[UNIT * i + 1u] = four.y; // when VX
                v[UNIT * i + 2u] = four.z; // when VX
                v[UNIT * i + 3u] = four.w; // when VX
                v[UNIT * i] = select(0.0, x[at], inside); // unless VX
            }
            let pixel = (line * params.width + ox) * params.columns;
            for (var j = 0u; j < TN / 4u; j++) { // unroll
                let d = row_of_dy(pixel, column + 4u * j);
                for (var i = 0u; i < TM; i++) { // unroll
                    sums[i * (TN / 4u) + j] = fma(vec4f(v[i]), d, sums[i * (TN / 4u) + j]);
                }
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
        let count = params.columns - min(first, params.columns);
        let columns = columns_at(first, count);
        for (var i = 0u; i < TM; i++) {
            let m = row + i;
            let at = (group.z * params.rows + m) * params.columns + first;
            store(results[i * (TN / 4u) + j], columns, at, select(0u, count, m < params.rows));
        }
    }
}
