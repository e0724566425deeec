// uses: activation, clock
// Losses (`Loss::code`) of x against t, means in a fixed order, and their derivatives in x.
// 0 (x-t)^2   1 |x-t|   2 Huber(value)   3 sqrt((x-t)^2 + value^2)   4 cross-entropy of logits [rows, classes] against
// class indices [rows] with label smoothing `value`   5 binary cross-entropy of probabilities   6 the same of logits
// 7 x, without a target
//
// Items are elements, or rows for cross-entropy; count = number of items.

struct Params {
    count: u32,
    classes: u32,
    value: f32,
    block: u32,  // items per workgroup
    parts: u32,
    add: u32,    // whether the ring holds the losses of earlier parts of the batch
    share: f32,  // of the batch
}
@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read> t: array<f32>;
@group(0) @binding(2) var<storage, read_write> y: array<f32>;
@group(0) @binding(3) var<storage, read_write> ring: array<f32>;
@group(0) @binding(4) var<uniform> params: Params;
@group(0) @binding(5) var<storage, read_write> dx: array<f32>;

const KIND: u32 = 0u;
// Whether loss_all and loss_part store the derivative too, while they have x and t at hand.
const BOTH: u32 = 0u;
// Whether the loss is a term of the objective, and told to the ring.
const TOLD: u32 = 1u;

var<workgroup> sums: array<f32, 256>;

// Largest logit of a row, and the sum of exp over the row relative to it.
fn spread(first: u32) -> vec2f {
    var top = x[first];
    for (var c = 1u; c < params.classes; c++) {
        top = max(top, x[first + c]);
    }
    var sum = 0.0;
    for (var c = 0u; c < params.classes; c++) {
        sum += exponential(x[first + c] - top);
    }
    return vec2f(top, sum);
}

// A bad label makes the loss NaN rather than reading elsewhere.
fn is_class(label: f32) -> bool {
    return is_finite(label) && label >= 0.0 && label < f32(params.classes);
}

fn not_a_number() -> f32 {
    // In a variable: a constant expression may not be NaN.
    var bits = 0x7fc00000u;
    return bitcast<f32>(bits);
}

fn item(i: u32) -> f32 {
    if (KIND == 4u) {
        let first = i * params.classes;
        if (!is_class(t[i])) {
            return not_a_number();
        }
        let label = u32(t[i]);
        let row = spread(first);
        let log_sum = row.x + natural_log(row.y);
        let hit = log_sum - x[first + label];
        if (params.value == 0.0) {
            return hit;
        }
        var all = 0.0;
        for (var c = 0u; c < params.classes; c++) {
            all += log_sum - x[first + c];
        }
        return (1.0 - params.value) * hit + params.value * (all / f32(params.classes));
    }
    if (KIND == 7u) {
        return x[i];
    }
    let d = x[i] - t[i];
    switch (KIND) {
        case 1u: { return abs(d); }
        case 2u: {
            let size = abs(d);
            return select(params.value * (size - 0.5 * params.value), 0.5 * d * d, size <= params.value);
        }
        case 3u: { return sqrt(d * d + params.value * params.value); }
        case 5u: {
            let p = x[i];
            return -(t[i] * max(natural_log(p), -100.0) + (1.0 - t[i]) * max(natural_log_complement(p), -100.0));
        }
        case 6u: { return max(x[i], 0.0) - x[i] * t[i] + log1p(exponential(-abs(x[i]))); }
        default: { return d * d; }
    }
}

// log(1 - p)
fn natural_log_complement(p: f32) -> f32 {
    // 1 - p is exact from 1/2 on; below, 2 artanh keeps the digits that 1 - p would lose.
    if (p >= 0.5 || p < 0.0) {
        return natural_log(1.0 - p);
    }
    let q = p / (1.0 - p);
    return -log1p(q);
}

// The workgroup's sum over items begin .. end, in lane 0; each lane owns every 256th item.
fn block_sum(begin: u32, end: u32, lane: u32) -> f32 {
    var sum = 0.0;
    for (var i = begin + lane; i < end; i += 256u) {
        sum += item(i);
        derive(i); // when BOTH
    }
    return fold(sum, lane);
}

fn fold(value: f32, lane: u32) -> f32 {
    sums[lane] = value;
    workgroupBarrier();
    if (lane < 16u) {
        var sum = 0.0;
        for (var k = 0u; k < 16u; k++) {
            sum += sums[lane * 16u + k];
        }
        sums[lane * 16u] = sum;
    }
    workgroupBarrier();
    var sum = 0.0;
    if (lane == 0u) {
        for (var k = 0u; k < 16u; k++) {
            sum += sums[k * 16u];
        }
    }
    return sum;
}

// ring[slot] = share mean, added to what parts before have put there.
fn tell(mean: f32) {
    if (TOLD == 0u) {
        return;
    }
    let before = select(0.0, ring[clock.slot], params.add == 1u);
    ring[clock.slot] = before + params.share * mean;
}

// y[0] = mean over all items, told to the ring, by one workgroup; with BOTH, dx of all items.
@compute @workgroup_size(256)
fn loss_all(@builtin(local_invocation_index) lane: u32) {
    let sum = block_sum(0u, params.count, lane);
    if (lane == 0u) {
        let mean = sum / f32(params.count);
        y[0] = mean;
        tell(mean);
    }
}

// y[group] = sum over the group's block; with BOTH, dx of its items.
@compute @workgroup_size(256)
fn loss_part(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
    let begin = group.x * params.block;
    let sum = block_sum(begin, min(begin + params.block, params.count), lane);
    if (lane == 0u) {
        y[group.x] = sum;
    }
}

// y[0] = mean, told to the ring, from the sums x[0 .. parts].
@compute @workgroup_size(256)
fn loss_finish(@builtin(local_invocation_index) lane: u32) {
    var own = 0.0;
    for (var i = lane; i < params.parts; i += 256u) {
        own += x[i];
    }
    let sum = fold(own, lane);
    if (lane == 0u) {
        let mean = sum / f32(params.count);
        y[0] = mean;
        tell(mean);
    }
}

// dx = loss_scale d loss / d x. Invocation = item: an element, or a row for cross-entropy.
@compute @workgroup_size(64)
fn loss_grad(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
    let i = id.y * groups.x * 64u + id.x;
    if (i < params.count) {
        derive(i);
    }
}

// dx of item i.
fn derive(i: u32) {
    let share = clock.loss_scale / f32(params.count);
    if (KIND == 4u) {
        let first = i * params.classes;
        if (!is_class(t[i])) {
            for (var c = 0u; c < params.classes; c++) {
                dx[first + c] = not_a_number();
            }
            return;
        }
        let label = u32(t[i]);
        let row = spread(first);
        let even = params.value / f32(params.classes);
        for (var c = 0u; c < params.classes; c++) {
            let wanted = even + select(0.0, 1.0 - params.value, c == label);
            dx[first + c] = share * (exponential(x[first + c] - row.x) / row.y - wanted);
        }
        return;
    }
    if (KIND == 7u) {
        dx[i] = share;
        return;
    }
    let d = x[i] - t[i];
    var slope = 2.0 * d;
    switch (KIND) {
        // Where neither holds d stands: 0, or NaN, which sign and clamp would hide.
        case 1u: { slope = select(select(d, -1.0, d < 0.0), 1.0, d > 0.0); }
        case 2u: { slope = select(select(d, -params.value, d < -params.value), params.value, d > params.value); }
        case 3u: { slope = d / sqrt(d * d + params.value * params.value); }
        // PyTorch bounds the denominator so.
        case 5u: { slope = d / max(x[i] * (1.0 - x[i]), 1e-12); }
        case 6u: { slope = sigmoid(x[i]) - t[i]; }
        default: {}
    }
    dx[i] = share * slope;
}
