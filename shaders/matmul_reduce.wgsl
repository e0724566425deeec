// uses: matmul_epilogue
// out[row, column] = epilogue(sum over p of partial[p, row, column]), p ascending: the second pass of a split sum.
//
// partial is [parts, rows, columns]. An invocation owns four neighbouring columns of one row.

// Whether partials are read as vectors: columns are a multiple of four.
const VP: u32 = 0u;

struct Params {
    rows: u32,
    columns: u32,
    parts: u32,
}

@group(0) @binding(0) var<storage, read> partial: array<f32>; // unless VP
@group(0) @binding(1) var<storage, read> partial4: array<vec4f>; // when VP
@group(0) @binding(4) var<uniform> params: Params;

@compute @workgroup_size(64)
fn main(
    @builtin(workgroup_id) group: vec3u,
    @builtin(num_workgroups) groups: vec3u,
    @builtin(local_invocation_index) lane: u32,
) {
    let quad = (group.y * groups.x + group.x) * 64u + lane;
    let quads = (params.columns + 3u) / 4u;
    let row = quad / quads;
    if (row >= params.rows) { return; }
    let column = quad % quads * 4u;
    let count = params.columns - column;
    let at = row * params.columns + column;
    let size = params.rows * params.columns;
    var sum = vec4f(0.0);
    for (var p = 0u; p < params.parts; p++) {
        let i = p * size + at;
        sum += partial4[i / 4u]; // when VP
        sum.x += partial[i]; // unless VP
        if (count > 1u) { sum.y += partial[i + 1u]; } // unless VP
        if (count > 2u) { sum.z += partial[i + 2u]; } // unless VP
        if (count > 3u) { sum.w += partial[i + 3u]; } // unless VP
    }
    store(sum, columns_at(column, count), at, count);
}
