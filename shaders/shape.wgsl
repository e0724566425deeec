// Columns moved between tensors of [rows, ..]. Invocation = element of the result.

struct Params {
    count: u32,
    columns: u32,    // of the result
    columns_a: u32,
    columns_b: u32,
    start: u32,      // first column taken from a
    at: u32,         // where it lands
}
@group(0) @binding(0) var<storage, read> a: array<f32>;
@group(0) @binding(1) var<storage, read> b: array<f32>;
@group(0) @binding(2) var<storage, read_write> y: array<f32>;
@group(0) @binding(3) var<uniform> params: Params;

// y = columns of a, then columns of b
@compute @workgroup_size(256)
fn concat(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
    let i = id.y * groups.x * 256u + id.x;
    if (i >= params.count) {
        return;
    }
    let r = i / params.columns;
    let c = i % params.columns;
    if (c < params.columns_a) {
        y[i] = a[r * params.columns_a + c];
    } else {
        y[i] = b[r * params.columns_b + c - params.columns_a];
    }
}

// y[r, c] = a[r, c - at + start], 0 where a has no such column: slices (at = 0) and their adjoint (start = 0)
@compute @workgroup_size(256)
fn columns(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
    let i = id.y * groups.x * 256u + id.x;
    if (i >= params.count) {
        return;
    }
    let r = i / params.columns;
    let c = i % params.columns;
    var value = 0.0;
    if (c >= params.at && c - params.at + params.start < params.columns_a) {
        value = a[r * params.columns_a + c - params.at + params.start];
    }
    y[i] = value;
}
