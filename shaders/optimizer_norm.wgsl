// uses: clock
// The global Euclidean norm of all gradients, in two stages and a fixed order. Gaps between segments are zeros.

struct Params {
    fours: u32,
    block: u32,  // fours per workgroup
    first: u32,  // sum that the first workgroup owns
    parts: u32,
}
@group(0) @binding(0) var<storage, read> g: array<vec4f>;
@group(0) @binding(1) var<storage, read_write> sums: array<f32>;
@group(0) @binding(2) var<storage, read_write> y: array<f32>;
@group(0) @binding(3) var<uniform> params: Params;

var<workgroup> lanes: array<f32, 256>;

fn fold(value: f32, lane: u32) -> f32 {
    lanes[lane] = value;
    workgroupBarrier();
    if (lane < 16u) {
        var sum = 0.0;
        for (var k = 0u; k < 16u; k++) {
            sum += lanes[lane * 16u + k];
        }
        lanes[lane * 16u] = sum;
    }
    workgroupBarrier();
    var sum = 0.0;
    if (lane == 0u) {
        for (var k = 0u; k < 16u; k++) {
            sum += lanes[k * 16u];
        }
    }
    return sum;
}

// sums[first + group] = sum of squares of the group's block, unscaled
@compute @workgroup_size(256)
fn squares(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
    let begin = group.x * params.block;
    let end = min(begin + params.block, params.fours);
    var own = 0.0;
    for (var i = begin + lane; i < end; i += 256u) {
        // Unscaled before squaring, so that a large loss scale does not overflow.
        let v = g[i] / clock.loss_scale;
        own += dot(v, v);
    }
    let sum = fold(own, lane);
    if (lane == 0u) {
        sums[params.first + group.x] = sum;
    }
}

// y[0] = root of the sum of sums[0 .. parts]
@compute @workgroup_size(256)
fn root(@builtin(local_invocation_index) lane: u32) {
    var own = 0.0;
    for (var i = lane; i < params.parts; i += 256u) {
        own += sums[i];
    }
    let sum = fold(own, lane);
    if (lane == 0u) {
        y[0] = sqrt(sum);
    }
}
