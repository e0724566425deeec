// What the two kernels of a convolution's weight gradient share: the operands.

// Whether x is read as vectors: its channels are a multiple of four.
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
