// Draws without memory, equal bit for bit to src/data/batch.rs: 32-bit unsigned arithmetic that wraps.

// Jarzynski & Olano, "Hash Functions for GPU Rendering" (JCGT 9(3), 2020).
fn pcg4d(key: vec4u) -> vec4u {
    var v = key * 1664525u + 1013904223u;
    v.x += v.y * v.w;
    v.y += v.z * v.x;
    v.z += v.x * v.y;
    v.w += v.y * v.z;
    v = v ^ (v >> vec4u(16u));
    v.x += v.y * v.w;
    v.y += v.z * v.x;
    v.z += v.x * v.y;
    v.w += v.y * v.z;
    return v;
}

// pcg (RXS-M-XS) of the same paper.
fn pcg(v: u32) -> u32 {
    let state = v * 747796405u + 2891336453u;
    let word = ((state >> ((state >> 28u) + 4u)) ^ state) * 277803737u;
    return (word >> 22u) ^ word;
}

const PATCH_STREAM: u32 = 1346458691u; // "PATC"
const ROW_STREAM: u32 = 1380931411u; // "ROWS"

// The row at `position` of the shuffled order of an epoch: six Feistel rounds, walked until inside 0..count.
fn row(seed: u32, count: u32, epoch: u32, position: u32) -> u32 {
    if (count <= 1u) {
        return 0u;
    }
    let half = (33u - countLeadingZeros(count - 1u)) / 2u;
    let mask = (1u << half) - 1u;
    let a = pcg4d(vec4u(seed, epoch, 0u, ROW_STREAM));
    let b = pcg4d(vec4u(seed, epoch, 1u, ROW_STREAM));
    var value = position;
    loop {
        var left = value >> half;
        var right = value & mask;
        left = left ^ (pcg(right ^ a.x) & mask);
        right = right ^ (pcg(left ^ a.y) & mask);
        left = left ^ (pcg(right ^ a.z) & mask);
        right = right ^ (pcg(left ^ a.w) & mask);
        left = left ^ (pcg(right ^ b.x) & mask);
        right = right ^ (pcg(left ^ b.y) & mask);
        value = (left << half) | right;
        if (value < count || position >= count) {
            break;
        }
    }
    return min(value, count - 1u);
}

// Row `index` of a batch that begins `offset` rows into an epoch and may go on into the next.
fn batch_row(seed: u32, count: u32, epoch: u32, offset: u32, index: u32) -> u32 {
    let left = count - offset;
    if (index < left) {
        return row(seed, count, epoch, offset + index);
    }
    return row(seed, count, epoch + 1u, index - left);
}
