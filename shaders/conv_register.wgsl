// uses: conv_geometry
// Convolution and its input gradient for software adapters: register tiles, no workgroup memory.
//
//   y[pixel, n] = epilogue(sum over ty, tx, c of
//                 x[image, oy stride + base + ty step, ox stride + base + tx step, c] w[ty, tx, c, n])
//
// x is [images, in_height, in_width, channels], w is packed by conv_pack.wgsl. The sum runs over ty, tx, c in that
// order with one accumulator per element; x outside the picture is zero. Pixels (image, oy, ox) are numbered in a row.
// A workgroup is one subgroup of 8 invocations, LM along pixels and LN along columns; each owns TM pixels in a row of
// TN neighbouring columns. Pixels past the end repeat the last one and are not stored.

const TM: u32 = 8u;
const TN: u32 = 8u;
const LM: u32 = 1u;
const LN: u32 = 8u;
// Channels per round: the packed weights' channels are a multiple of it.
const QUAD: u32 = 4u;

// x[at + c .. at + c + QUAD], zeros past the last channel.
fn pixel(at: u32, c: u32) -> vec4f {
    var v = vec4f(0.0);
    v = x4[(at + c) / 4u]; // when VX
    v.x = x[at + c]; // unless VX
    if (QUAD > 1u && c + 1u < params.channels) { v.y = x[at + c + 1u]; } // unless VX
    if (QUAD > 2u && c + 2u < params.channels) { v.z = x[at + c + 2u]; } // unless VX
    if (QUAD > 3u && c + 3u < params.channels) { v.w = x[at + c + 3u]; } // unless VX
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
    // The factor folds to zero where one lane covers the pixels, so that the driver sees a uniform address.
    let number = (tile / params.across * LM + lane / LN * min(LM - 1u, 1u)) * TM;
    let column = (tile % params.across * LN + lane % LN) * TN;

    var iy: array<i32, TM>;
    var ix: array<i32, TM>;
    var start: array<u32, TM>;
    for (var i = 0u; i < TM; i++) { // unroll
        let at = min(number + i, params.pixels - 1u);
        let line = at / params.width;
        ix[i] = i32(at % params.width * params.stride) + params.base;
        iy[i] = i32(line % params.height * params.stride) + params.base;
        start[i] = line / params.height * params.in_height;
    }
    var sums: array<vec4f, TM * TN / 4u>;
    let quads = params.columns_padded / 4u;
    for (var tap = 0u; tap < params.taps * params.taps; tap++) {
        let ty = i32(tap / params.taps) * params.step;
        let tx = i32(tap % params.taps) * params.step;
        var inside: array<bool, TM>;
        var origin: array<u32, TM>;
        for (var i = 0u; i < TM; i++) { // unroll
            let y = u32(iy[i] + ty);
            let xx = u32(ix[i] + tx);
            inside[i] = y < params.in_height && xx < params.in_width;
            origin[i] = select(0u, ((start[i] + y) * params.in_width + xx) * params.channels, inside[i]);
        }
        for (var c = 0u; c < params.channels_padded; c += QUAD) {
            var v: array<vec4f, TM>;
            for (var i = 0u; i < TM; i++) { // unroll
                v[i] = select(vec4f(0.0), pixel(origin[i], c), inside[i]);
            }
            let weights = (tap * params.channels_padded + c) * quads + column / 4u;
            for (var j = 0u; j < TN / 4u; j++) { // unroll
                for (var q = 0u; q < QUAD; q++) { // unroll
                    let u = w4[weights + q * quads + j];
                    for (var i = 0u; i < TM; i++) { // unroll
                        sums[i * (TN / 4u) + j] = fma(vec4f(v[i][q]), u, sums[i * (TN / 4u) + j]);
                    }
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
        var columns = Columns(vec4f(0.0), vec4f(0.0));
        columns = columns_at(first, params.columns - min(first, params.columns)); // unless PHASES
        for (var i = 0u; i < TM; i++) {
            put(results[i * (TN / 4u) + j], columns, 0u, number + i, first);
        }
    }
}
