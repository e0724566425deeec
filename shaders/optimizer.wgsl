// uses: clock, math
// Moves all parameters at once: flat arenas, four neighbours per invocation (arenas are whole fours; the gaps between
// segments are zeros and stay so). p parameters, g gradients times the loss scale, m and s moments, norm [1].

struct Params {
    fours: u32,
    decay: f32,
    momentum: f32,   // or Adam's beta1, or RMSprop's rho
    rest: f32,       // 1 - momentum
    beta2: f32,
    rest2: f32,      // 1 - beta2
    log_beta1: f32,
    log_beta2: f32,
    epsilon: f32,
    clip: f32,
}
@group(0) @binding(0) var<storage, read> g: array<vec4f>;
@group(0) @binding(1) var<storage, read_write> p: array<vec4f>;
@group(0) @binding(2) var<storage, read_write> m: array<vec4f>;
@group(0) @binding(3) var<storage, read_write> s: array<vec4f>;
@group(0) @binding(4) var<storage, read> norm: array<f32>;
@group(0) @binding(5) var<uniform> params: Params;

const CLIP: u32 = 0u;       // gradients are scaled down to the norm `clip`
const MOMENTUM: u32 = 0u;   // SGD keeps a velocity
const NESTEROV: u32 = 0u;
const DECOUPLED: u32 = 0u;  // AdamW

// Factor on the gradients: unscales, and clips as PyTorch's clip_grad_norm_ does. 0 asks to skip the update.
fn factor() -> f32 {
    if (CLIP == 0u) {
        return 1.0 / clock.loss_scale;
    }
    if (!is_finite(norm[0])) {
        return 0.0;
    }
    return min(params.clip / (norm[0] + 1e-6), 1.0) / clock.loss_scale;
}

// v = momentum v + g; p -= lr v, or lr (g + momentum v)
@compute @workgroup_size(256)
fn sgd(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
    let i = id.y * groups.x * 256u + id.x;
    let f = factor();
    if (i >= params.fours || f == 0.0) {
        return;
    }
    let old = p[i];
    var step = f * g[i] + params.decay * old;
    if (MOMENTUM == 1u) {
        let v = params.momentum * m[i] + step;
        m[i] = v;
        if (NESTEROV == 1u) {
            step = step + params.momentum * v;
        } else {
            step = v;
        }
    }
    p[i] = old - clock.learning_rate * step;
}

// m = rho m + (1 - rho) g^2; p -= lr g / (sqrt(m) + epsilon)
@compute @workgroup_size(256)
fn rmsprop(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
    let i = id.y * groups.x * 256u + id.x;
    let f = factor();
    if (i >= params.fours || f == 0.0) {
        return;
    }
    let old = p[i];
    let step = f * g[i] + params.decay * old;
    let square = params.momentum * m[i] + params.rest * step * step;
    m[i] = square;
    p[i] = old - clock.learning_rate * (step / (sqrt(square) + params.epsilon));
}

// m = b1 m + (1-b1) g; s = b2 s + (1-b2) g^2; p -= lr (m / (1-b1^t)) / (sqrt(s / (1-b2^t)) + epsilon)
// 1 - b^t = -expm1(t log b), with log b from the host: pow would lose most digits for b near 1.
@compute @workgroup_size(256)
fn adam(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
    let i = id.y * groups.x * 256u + id.x;
    let f = factor();
    if (i >= params.fours || f == 0.0) {
        return;
    }
    var old = p[i];
    var step = f * g[i];
    if (DECOUPLED == 1u) {
        old = old - clock.learning_rate * params.decay * old;
    } else {
        step = step + params.decay * old;
    }
    let first = params.momentum * m[i] + params.rest * step;
    let second = params.beta2 * s[i] + params.rest2 * step * step;
    m[i] = first;
    s[i] = second;
    let t = f32(clock.step);
    let whole1 = -expm1(t * params.log_beta1);
    let whole2 = -expm1(t * params.log_beta2);
    p[i] = old - clock.learning_rate * (first / whole1) / (sqrt(second / whole2) + params.epsilon);
}

// m = keep m + (1 - keep) p, keep the smaller of decay and (1 + t) / (10 + t): the averaged weights, here in m
@compute @workgroup_size(256)
fn average(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
    let i = id.y * groups.x * 256u + id.x;
    let young = 9.0 / (10.0 + f32(clock.step));
    if (i < params.fours) {
        m[i] = min(params.decay, 1.0 - young) * m[i] + max(params.rest, young) * g[i];
    }
}
