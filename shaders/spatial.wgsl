// Pixels moved between images [n, height, width, channels]; `low` is the small and `high` the large image of a pair.
// Invocation = element of the result: adjoints gather, in row order, what scatters would add in any order.

struct Params {
    count: u32,
    channels: u32,     // of the large image of a shuffle; of both images otherwise
    low_height: u32,
    low_width: u32,
    high_height: u32,
    high_width: u32,
    scale: u32,
    kernel_height: u32,
    kernel_width: u32,
    stride: u32,
}
@group(0) @binding(0) var<storage, read> a: array<f32>;
@group(0) @binding(1) var<storage, read> b: array<f32>;
@group(0) @binding(2) var<storage, read_write> y: array<f32>;
@group(0) @binding(3) var<uniform> params: Params;

const AVERAGE: u32 = 0u;

// Batch, row, column of element i of an image and its channel.
fn place(i: u32, height: u32, width: u32, channels: u32) -> vec4u {
    let pixel = i / channels;
    let line = pixel / width;
    return vec4u(line / height, line % height, pixel % width, i % channels);
}

fn low_at(n: u32, r: u32, c: u32, k: u32) -> u32 {
    return ((n * params.low_height + r) * params.low_width + c) * params.channels + k;
}

fn high_at(n: u32, r: u32, c: u32, k: u32) -> u32 {
    return ((n * params.high_height + r) * params.high_width + c) * params.channels + k;
}

// y[n, h r + i, w r + j, c] = a[n, h, w, c r^2 + i r + j]
@compute @workgroup_size(256)
fn depth_to_space(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
    let i = id.y * groups.x * 256u + id.x;
    if (i >= params.count) {
        return;
    }
    let s = params.scale;
    let p = place(i, params.high_height, params.high_width, params.channels);
    let pixel = (p.x * params.low_height + p.y / s) * params.low_width + p.z / s;
    y[i] = a[pixel * params.channels * s * s + p.w * s * s + (p.y % s) * s + p.z % s];
}

// The inverse: y[n, h, w, c r^2 + i r + j] = a[n, h r + i, w r + j, c]
@compute @workgroup_size(256)
fn space_to_depth(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
    let i = id.y * groups.x * 256u + id.x;
    if (i >= params.count) {
        return;
    }
    let s = params.scale;
    let p = place(i, params.low_height, params.low_width, params.channels * s * s);
    let cell = p.w % (s * s);
    y[i] = a[high_at(p.x, p.y * s + cell / s, p.z * s + cell % s, p.w / (s * s))];
}

// y[n, i, j, c] = a[n, i / s, j / s, c]
@compute @workgroup_size(256)
fn nearest(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
    let i = id.y * groups.x * 256u + id.x;
    if (i >= params.count) {
        return;
    }
    let p = place(i, params.high_height, params.high_width, params.channels);
    y[i] = a[low_at(p.x, p.y / params.scale, p.z / params.scale, p.w)];
}

// Its adjoint: the sum over the cell
@compute @workgroup_size(256)
fn nearest_grad(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
    let e = id.y * groups.x * 256u + id.x;
    if (e >= params.count) {
        return;
    }
    let p = place(e, params.low_height, params.low_width, params.channels);
    var sum = 0.0;
    for (var i = 0u; i < params.scale; i++) {
        for (var j = 0u; j < params.scale; j++) {
            sum += a[high_at(p.x, p.y * params.scale + i, p.z * params.scale + j, p.w)];
        }
    }
    y[e] = sum;
}

// The two samples that output position i lies between, and the share of the second, in exact arithmetic: the position
// (i + 1/2) / s - 1/2 = (2 i + 1 - s) / (2 s), clamped at the borders.
struct Between {
    first: u32,
    second: u32,
    share: f32,
}
fn between(i: u32, size: u32) -> Between {
    let twice = 2u * i + 1u;
    var at = 0u;
    if (twice > params.scale) {
        at = twice - params.scale;
    }
    let first = min(at / (2u * params.scale), size - 1u);
    let rest = at - first * 2u * params.scale;
    return Between(first, min(first + 1u, size - 1u), f32(rest) / f32(2u * params.scale));
}

@compute @workgroup_size(256)
fn bilinear(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
    let i = id.y * groups.x * 256u + id.x;
    if (i >= params.count) {
        return;
    }
    let p = place(i, params.high_height, params.high_width, params.channels);
    let r = between(p.y, params.low_height);
    let c = between(p.z, params.low_width);
    let upper = (1.0 - c.share) * a[low_at(p.x, r.first, c.first, p.w)] + c.share * a[low_at(p.x, r.first, c.second, p.w)];
    let lower = (1.0 - c.share) * a[low_at(p.x, r.second, c.first, p.w)] + c.share * a[low_at(p.x, r.second, c.second, p.w)];
    y[i] = (1.0 - r.share) * upper + r.share * lower;
}

// Weight with which output position i reads sample `at`.
fn reads(i: u32, at: u32, size: u32) -> f32 {
    let b = between(i, size);
    return select(0.0, 1.0 - b.share, b.first == at) + select(0.0, b.share, b.second == at);
}

// Its adjoint: outputs that read low pixel p lie less than one low pixel away, or beyond a border.
@compute @workgroup_size(256)
fn bilinear_grad(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
    let e = id.y * groups.x * 256u + id.x;
    if (e >= params.count) {
        return;
    }
    let p = place(e, params.low_height, params.low_width, params.channels);
    let s = params.scale;
    let top = max(p.y, 1u) - 1u;
    let left = max(p.z, 1u) - 1u;
    let bottom = min((p.y + 2u) * s, params.high_height);
    let right = min((p.z + 2u) * s, params.high_width);
    var sum = 0.0;
    for (var i = top * s; i < bottom; i++) {
        let wi = reads(i, p.y, params.low_height);
        if (wi == 0.0) {
            continue;
        }
        for (var j = left * s; j < right; j++) {
            sum += wi * reads(j, p.z, params.low_width) * a[high_at(p.x, i, j, p.w)];
        }
    }
    y[e] = sum;
}

// y = largest value or mean of the window that begins at (row stride, column stride); NaN wins.
@compute @workgroup_size(256)
fn pool(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
    let e = id.y * groups.x * 256u + id.x;
    if (e >= params.count) {
        return;
    }
    let p = place(e, params.low_height, params.low_width, params.channels);
    let top = p.y * params.stride;
    let left = p.z * params.stride;
    var value = 0.0;
    if (AVERAGE == 0u) {
        value = a[high_at(p.x, top, left, p.w)];
    }
    for (var i = 0u; i < params.kernel_height; i++) {
        for (var j = 0u; j < params.kernel_width; j++) {
            let x = a[high_at(p.x, top + i, left + j, p.w)];
            if (AVERAGE == 1u) {
                value += x;
            } else if (x > value || (bitcast<u32>(x) & 0x7fffffffu) > 0x7f800000u) {
                value = x;
            }
        }
    }
    if (AVERAGE == 1u) {
        value = value / f32(params.kernel_height * params.kernel_width);
    }
    y[e] = value;
}

// First and last + 1 window along one axis that hold position i: windows w with w stride <= i < w stride + kernel.
fn windows(i: u32, kernel: u32, size: u32) -> vec2u {
    var first = 0u;
    if (i >= kernel) {
        first = (i - kernel) / params.stride + 1u;
    }
    return vec2u(first, min(i / params.stride + 1u, size));
}

// y = sum of a / window size over the windows that hold the pixel
@compute @workgroup_size(256)
fn average_pool_grad(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
    let e = id.y * groups.x * 256u + id.x;
    if (e >= params.count) {
        return;
    }
    let p = place(e, params.high_height, params.high_width, params.channels);
    let rows = windows(p.y, params.kernel_height, params.low_height);
    let columns = windows(p.z, params.kernel_width, params.low_width);
    var sum = 0.0;
    for (var r = rows.x; r < rows.y; r++) {
        for (var c = columns.x; c < columns.y; c++) {
            sum += a[low_at(p.x, r, c, p.w)];
        }
    }
    y[e] = sum / f32(params.kernel_height * params.kernel_width);
}

// y = sum of a over the windows in which b has its first largest value (row order) at the pixel
@compute @workgroup_size(256)
fn max_pool_grad(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
    let e = id.y * groups.x * 256u + id.x;
    if (e >= params.count) {
        return;
    }
    let p = place(e, params.high_height, params.high_width, params.channels);
    let rows = windows(p.y, params.kernel_height, params.low_height);
    let columns = windows(p.z, params.kernel_width, params.low_width);
    var sum = 0.0;
    for (var r = rows.x; r < rows.y; r++) {
        for (var c = columns.x; c < columns.y; c++) {
            let top = r * params.stride;
            let left = c * params.stride;
            var best = b[high_at(p.x, top, left, p.w)];
            var winner = vec2u(top, left);
            for (var i = top; i < top + params.kernel_height; i++) {
                for (var j = left; j < left + params.kernel_width; j++) {
                    let x = b[high_at(p.x, i, j, p.w)];
                    if (x > best) {
                        best = x;
                        winner = vec2u(i, j);
                    }
                }
            }
            if (winner.x == p.y && winner.y == p.z) {
                sum += a[low_at(p.x, r, c, p.w)];
            }
        }
    }
    y[e] = sum;
}
