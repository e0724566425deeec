// uses: activation, clock, random
// One value from the values at the same place. Four neighbours per invocation: invocation i owns y[4 i .. 4 i + 4];
// of the last four, those past `count` become 0 (buffers have room for whole fours).
//
// a, b: as the entry point says; v: a vector over columns; y: the result. Shapes [rows, columns], count = rows columns.

struct Params {
    count: u32,
    columns: u32,
    slope: f32,
    factor: f32,
    stream: u32,
    threshold: u32,
}
@group(0) @binding(0) var<storage, read> a: array<vec4f>;
@group(0) @binding(1) var<storage, read> b: array<vec4f>;
@group(0) @binding(2) var<storage, read> v: array<f32>;
@group(0) @binding(3) var<storage, read_write> y: array<vec4f>;
@group(0) @binding(4) var<uniform> params: Params;

// The activation (`Activation::code`).
const CODE: u32 = 0u;

fn store(i: u32, value: vec4f) {
    let past = vec4u(4u * i) + vec4u(0u, 1u, 2u, 3u) >= vec4u(params.count);
    y[i] = select(value, vec4f(), past);
}

// The columns of the four values at i.
fn columns(i: u32) -> vec4u {
    return (vec4u(4u * i) + vec4u(0u, 1u, 2u, 3u)) % vec4u(params.columns);
}

// The vector's values for the four values at i, from the vector's element `first` on.
fn spread(i: u32, first: u32) -> vec4f {
    let c = columns(i) + vec4u(first);
    return vec4f(v[c.x], v[c.y], v[c.z], v[c.w]);
}

fn fours() -> u32 {
    return (params.count + 3u) / 4u;
}

// y = f(a)
@compute @workgroup_size(256)
fn activate_all(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
    let i = id.y * groups.x * 256u + id.x;
    if (i < fours()) {
        store(i, activate4(CODE, params.slope, a[i]));
    }
}

// y = a f'(b), b the saved output or input
@compute @workgroup_size(256)
fn activate_grad(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
    let i = id.y * groups.x * 256u + id.x;
    if (i < fours()) {
        store(i, a[i] * derivative4(CODE, params.slope, b[i]));
    }
}

// y = factor a
@compute @workgroup_size(256)
fn scale(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
    let i = id.y * groups.x * 256u + id.x;
    if (i < fours()) {
        store(i, params.factor * a[i]);
    }
}

// y = a + b
@compute @workgroup_size(256)
fn add(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
    let i = id.y * groups.x * 256u + id.x;
    if (i < fours()) {
        store(i, a[i] + b[i]);
    }
}

// y = a + v[column]
@compute @workgroup_size(256)
fn bias_add(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
    let i = id.y * groups.x * 256u + id.x;
    if (i < fours()) {
        store(i, a[i] + spread(i, 0u));
    }
}

// y = a b
@compute @workgroup_size(256)
fn multiply(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
    let i = id.y * groups.x * 256u + id.x;
    if (i < fours()) {
        store(i, a[i] * b[i]);
    }
}

// y = v[column]
@compute @workgroup_size(256)
fn broadcast(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
    let i = id.y * groups.x * 256u + id.x;
    if (i < fours()) {
        store(i, spread(i, 0u));
    }
}

// y = a v[column]
@compute @workgroup_size(256)
fn column_scale(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
    let i = id.y * groups.x * 256u + id.x;
    if (i < fours()) {
        store(i, a[i] * spread(i, 0u));
    }
}

// y = a where a > 0, else v[column] a
@compute @workgroup_size(256)
fn prelu(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
    let i = id.y * groups.x * 256u + id.x;
    if (i < fours()) {
        let x = a[i];
        store(i, select(spread(i, 0u) * x, x, x > vec4f()));
    }
}

// y = a where b > 0, else v[column] a: a is the gradient of prelu's output, b its input
@compute @workgroup_size(256)
fn prelu_grad(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
    let i = id.y * groups.x * 256u + id.x;
    if (i < fours()) {
        store(i, a[i] * select(spread(i, 0u), vec4f(1.0), b[i] > vec4f()));
    }
}

// y = (a - v[column]) / sqrt(v[columns + column] + factor): v holds means, then variances
@compute @workgroup_size(256)
fn standardize(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
    let i = id.y * groups.x * 256u + id.x;
    if (i < fours()) {
        store(i, (a[i] - spread(i, 0u)) / sqrt(spread(i, params.columns) + params.factor));
    }
}

// y = factor a where pcg4d(element, stream, step, seed).x >= threshold, else 0
@compute @workgroup_size(256)
fn dropout(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
    let i = id.y * groups.x * 256u + id.x;
    if (i < fours()) {
        let x = a[i];
        var drawn = vec4u();
        for (var k = 0u; k < 4u; k++) {
            drawn[k] = pcg4d(vec4u(4u * i + k, params.stream, clock.step, clock.seed)).x;
        }
        store(i, select(vec4f(), params.factor * x, drawn >= vec4u(params.threshold)));
    }
}
