// What the two kernels of matrix products share: the operands.

const TA: u32 = 0u;
const TB: u32 = 0u;
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
