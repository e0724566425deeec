// uses: math
// Each row of [rows, columns] by itself: softmax and layer normalisation with their gradients. LANES invocations share
// a row (1 or 64) and a workgroup of 64 holds ROWS = 64 / LANES rows; lane l owns columns l, l + LANES, ... of its row.

struct Params {
    rows: u32,
    columns: u32,
    epsilon: f32,
}
@group(0) @binding(0) var<storage, read> a: array<f32>;
@group(0) @binding(1) var<storage, read> dy: array<f32>;
@group(0) @binding(2) var<storage, read_write> y: array<f32>;
@group(0) @binding(3) var<uniform> params: Params;

const LANES: u32 = 64u;
const ROWS: u32 = 1u;
const LOG: u32 = 0u;

var<workgroup> shared_values: array<f32, 64>;

// The row's sum of `value` over its lanes, in lane order, to all of them.
fn sum_lanes(value: f32, lane: u32) -> f32 {
    if (LANES == 1u) {
        return value;
    }
    workgroupBarrier();
    shared_values[lane] = value;
    workgroupBarrier();
    if (lane < 8u) {
        var sum = 0.0;
        for (var k = 0u; k < 8u; k++) {
            sum += shared_values[8u * lane + k];
        }
        shared_values[8u * lane] = sum;
    }
    workgroupBarrier();
    var sum = 0.0;
    for (var k = 0u; k < 8u; k++) {
        sum += shared_values[8u * k];
    }
    return sum;
}

fn max_lanes(value: f32, lane: u32) -> f32 {
    if (LANES == 1u) {
        return value;
    }
    workgroupBarrier();
    shared_values[lane] = value;
    workgroupBarrier();
    var top = value;
    for (var k = 0u; k < 64u; k++) {
        top = max(top, shared_values[k]);
    }
    return top;
}

// First element of the lane's row; rows past the end work on the last one and store nothing.
fn base(group: u32, lane: u32) -> u32 {
    return min(group * ROWS + lane / LANES, params.rows - 1u) * params.columns;
}

fn inside(group: u32, lane: u32) -> bool {
    return group * ROWS + lane / LANES < params.rows;
}

// y = exp(a - max) / sum exp(a - max), or its logarithm a - max - log sum
@compute @workgroup_size(64)
fn softmax(@builtin(workgroup_id) id: vec3u, @builtin(num_workgroups) groups: vec3u,
           @builtin(local_invocation_index) lane: u32) {
    let group = id.y * groups.x + id.x;
    let first = base(group, lane);
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
    if (inside(group, lane)) {
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
    let first = base(group, lane);
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
    if (inside(group, lane)) {
        for (var c = begin; c < params.columns; c += LANES) {
            if (LOG == 1u) {
                y[first + c] = dy[first + c] - exponential(a[first + c]) * sum;
            } else {
                y[first + c] = a[first + c] * (dy[first + c] - sum);
            }
        }
    }
}

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
    let first = base(group, lane);
    let begin = lane % LANES;
    let m = moments(first, begin, lane);
    if (inside(group, lane)) {
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
    let first = base(group, lane);
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
    if (inside(group, lane)) {
        for (var c = begin; c < params.columns; c += LANES) {
            let z = (a[first + c] - m.x) * m.y;
            y[first + c] = m.y * (dy[first + c] - mean_dy - z * mean_dot);
        }
    }
}
