// uses: activation
struct Params { m: u32, n: u32, k: u32, ta: u32, tb: u32, biased: u32, code: u32, slope: f32, derived: u32, slope2: f32 }
@group(0) @binding(0) var<storage, read> a: array<f32>;
@group(0) @binding(1) var<storage, read> b: array<f32>;
@group(0) @binding(2) var<storage, read> bias: array<f32>;
@group(0) @binding(3) var<storage, read> saved: array<f32>;
@group(0) @binding(4) var<storage, read_write> y: array<f32>;
@group(0) @binding(5) var<uniform> params: Params;
@compute @workgroup_size(64)
fn product(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
    let i = id.y * groups.x * 64u + id.x;
    if (i >= params.m * params.n) { return; }
    let r = i / params.n;
    let c = i % params.n;
    var sum = 0.0;
    for (var j = 0u; j < params.k; j++) {
        let p = select(r * params.k + j, j * params.m + r, params.ta == 1u);
        let q = select(j * params.n + c, c * params.k + j, params.tb == 1u);
        sum += a[p] * b[q];
    }
    if (params.biased == 1u) { sum += bias[c]; }
    sum = activate(params.code, params.slope, sum);
    if (params.derived > 0u) { sum = sum * derivative(params.derived - 1u, params.slope2, saved[i]); }
    y[i] = sum;
}
