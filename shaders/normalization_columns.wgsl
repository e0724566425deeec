// Batch normalisation once the sums over rows are there: vectors over columns mean and inverse = 1 / sqrt(variance +
// epsilon). Shapes [rows, columns]. Invocation = element, or column where it says so.

struct Params {
    count: u32,
    columns: u32,
    momentum: f32,
}
@group(0) @binding(0) var<storage, read> a: array<f32>;
@group(0) @binding(1) var<storage, read> dy: array<f32>;
@group(0) @binding(2) var<storage, read> mean: array<f32>;
@group(0) @binding(3) var<storage, read> inverse: array<f32>;
@group(0) @binding(4) var<storage, read> mean_dy: array<f32>;
@group(0) @binding(5) var<storage, read> mean_dot: array<f32>;
@group(0) @binding(6) var<storage, read_write> y: array<f32>;
@group(0) @binding(7) var<uniform> params: Params;

// y = (a - mean) inverse
@compute @workgroup_size(256)
fn normalize(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
    let i = id.y * groups.x * 256u + id.x;
    if (i < params.count) {
        let c = i % params.columns;
        y[i] = (a[i] - mean[c]) * inverse[c];
    }
}

// y = inverse (dy - mean_dy - z mean_dot) with z = (a - mean) inverse
@compute @workgroup_size(256)
fn normalize_grad(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
    let i = id.y * groups.x * 256u + id.x;
    if (i < params.count) {
        let c = i % params.columns;
        let z = (a[i] - mean[c]) * inverse[c];
        y[i] = inverse[c] * (dy[i] - mean_dy[c] - z * mean_dot[c]);
    }
}

// Running statistics y [2, columns] move towards the batch's mean and (here in `inverse`) variance. Invocation = column.
@compute @workgroup_size(64)
fn track(@builtin(global_invocation_id) id: vec3u) {
    let c = id.x;
    if (c < params.columns) {
        let v = params.columns + c;
        y[c] = (1.0 - params.momentum) * y[c] + params.momentum * mean[c];
        y[v] = (1.0 - params.momentum) * y[v] + params.momentum * inverse[c];
    }
}
