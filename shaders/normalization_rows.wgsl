// uses: lanes
// Layer normalisation: each row of [rows, columns] by itself.

struct Params {
    rows: u32,
    columns: u32,
    epsilon: f32,
}
@group(0) @binding(0) var<storage, read> a: array<f32>;
@group(0) @binding(1) var<storage, read> dy: array<f32>;
@group(0) @binding(2) var<storage, read_write> y: array<f32>;
@group(0) @binding(3) var<uniform> params: Params;

// Mean of the row, then 1 / sqrt(variance + epsilon) from a second pass: E[x^2] - E[x]^2 would cancel.
fn moments(first: u32, begin: u32, lane: u32) -> vec2f {
    let n = f32(params.columns);
    var part = 0.0;
    for (var c = begin; c < params.columns; c += LANES) {
        part += a[first + c];
    }
    let mean = sum_lanes(part, lane) / n;
    part = 0.0;
    for (var c = begin; c < params.columns; c += LANES) {
        let d = a[first + c] - mean;
        part += d * d;
    }
    return vec2f(mean, 1.0 / sqrt(sum_lanes(part, lane) / n + params.epsilon));
}

// y = (a - mean) / sqrt(variance + epsilon)
@compute @workgroup_size(64)
fn normalize(@builtin(workgroup_id) id: vec3u, @builtin(num_workgroups) groups: vec3u,
             @builtin(local_invocation_index) lane: u32) {
    let group = id.y * groups.x + id.x;
    let first = base(group, lane, params.rows, params.columns);
    let begin = lane % LANES;
    let m = moments(first, begin, lane);
    if (inside(group, lane, params.rows)) {
        for (var c = begin; c < params.columns; c += LANES) {
            y[first + c] = (a[first + c] - m.x) * m.y;
        }
    }
}

// With z = (a - mean) r, r = 1 / sqrt(variance + epsilon): y = r (dy - mean(dy) - z mean(dy z))
@compute @workgroup_size(64)
fn normalize_grad(@builtin(workgroup_id) id: vec3u, @builtin(num_workgroups) groups: vec3u,
                  @builtin(local_invocation_index) lane: u32) {
    let group = id.y * groups.x + id.x;
    let first = base(group, lane, params.rows, params.columns);
    let begin = lane % LANES;
    let m = moments(first, begin, lane);
    var part = 0.0;
    var dot = 0.0;
    for (var c = begin; c < params.columns; c += LANES) {
        part += dy[first + c];
        dot += dy[first + c] * ((a[first + c] - m.x) * m.y);
    }
    let n = f32(params.columns);
    let mean_dy = sum_lanes(part, lane) / n;
    let mean_dot = sum_lanes(dot, lane) / n;
    if (inside(group, lane, params.rows)) {
        for (var c = begin; c < params.columns; c += LANES) {
            let z = (a[first + c] - m.x) * m.y;
            y[first + c] = m.y * (dy[first + c] - mean_dy - z * mean_dot);
        }
    }
}
