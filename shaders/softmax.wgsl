// uses: math, lanes
// Softmax of each row of [rows, columns], its logarithm, and their gradients.

struct Params {
    rows: u32,
    columns: u32,
}
@group(0) @binding(0) var<storage, read> a: array<f32>;
@group(0) @binding(1) var<storage, read> dy: array<f32>;
@group(0) @binding(2) var<storage, read_write> y: array<f32>;
@group(0) @binding(3) var<uniform> params: Params;

const LOG: u32 = 0u;

// y = exp(a - max) / sum exp(a - max), or its logarithm a - max - log sum
@compute @workgroup_size(64)
fn softmax(@builtin(workgroup_id) id: vec3u, @builtin(num_workgroups) groups: vec3u,
           @builtin(local_invocation_index) lane: u32) {
    let group = id.y * groups.x + id.x;
    let first = base(group, lane, params.rows, params.columns);
    let begin = lane % LANES;
    var top = a[first];
    for (var c = begin; c < params.columns; c += LANES) {
        top = max(top, a[first + c]);
    }
    top = max_lanes(top, lane);
    var part = 0.0;
    for (var c = begin; c < params.columns; c += LANES) {
        part += exponential(a[first + c] - top);
    }
    let sum = sum_lanes(part, lane);
    let log_sum = natural_log(sum);
    if (inside(group, lane, params.rows)) {
        for (var c = begin; c < params.columns; c += LANES) {
            let x = a[first + c] - top;
            if (LOG == 1u) {
                y[first + c] = x - log_sum;
            } else {
                y[first + c] = exponential(x) / sum;
            }
        }
    }
}

// From the result a: y = a (dy - sum a dy), or dy - exp(a) sum dy for the logarithm
@compute @workgroup_size(64)
fn softmax_grad(@builtin(workgroup_id) id: vec3u, @builtin(num_workgroups) groups: vec3u,
                @builtin(local_invocation_index) lane: u32) {
    let group = id.y * groups.x + id.x;
    let first = base(group, lane, params.rows, params.columns);
    let begin = lane % LANES;
    var part = 0.0;
    for (var c = begin; c < params.columns; c += LANES) {
        if (LOG == 1u) {
            part += dy[first + c];
        } else {
            part += a[first + c] * dy[first + c];
        }
    }
    let sum = sum_lanes(part, lane);
    if (inside(group, lane, params.rows)) {
        for (var c = begin; c < params.columns; c += LANES) {
            if (LOG == 1u) {
                y[first + c] = dy[first + c] - exponential(a[first + c]) * sum;
            } else {
                y[first + c] = a[first + c] * (dy[first + c] - sum);
            }
        }
    }
}
