// uses: clock, random
// Batches from a resident dataset; the arithmetic of src/data/batch.rs, bit for bit.

const BYTES: u32 = 0u;  // whether the store holds bytes, four to a word, little endian
const PAIR: u32 = 0u;   // whether rows of a second table are taken too

struct Params {
    count: u32,    // elements of the result
    columns: u32,  // values per row, or channels
    side: u32,     // of the low-resolution patch
    scale: u32,    // pixels of this store per low-resolution pixel
    high: u32,     // whether the table's high-resolution offsets apply
    batch: u32,
    targets: u32,  // values per row of the second table
    first: u32,    // samples that the step draws before these
}
@group(0) @binding(0) var<storage, read> words: array<u32>;
@group(0) @binding(1) var<storage, read> table: array<u32>;
@group(0) @binding(2) var<storage, read_write> y: array<f32>;
@group(0) @binding(3) var<uniform> params: Params;
@group(0) @binding(4) var<storage, read> words_t: array<u32>; // when PAIR
@group(0) @binding(5) var<storage, read_write> t: array<f32>; // when PAIR

// byte / 255, rounded correctly on every driver, in integers: division may be off by 2.5 units, and a sum of two
// products would be factored into one. With b = byte 2^shift in 128 .. 256 the quotient's 24 bits are b 2^24 / 255.
fn unit(byte: u32) -> f32 {
    if (byte == 0u) {
        return 0.0;
    }
    let shift = countLeadingZeros(byte) - 24u;
    let digits = ((byte << (shift + 24u)) + 127u) / 255u;
    return f32(digits) * bitcast<f32>((103u - shift) << 23u);
}

fn value(i: u32) -> f32 {
    if (BYTES == 1u) {
        return unit((words[i / 4u] >> (8u * (i % 4u))) & 255u);
    }
    return bitcast<f32>(words[i]);
}

// The same row of the second table, floats.
fn target_row(row: u32, index: u32) {
    for (var c = 0u; c < params.targets; c++) { // when PAIR
        t[index * params.targets + c] = bitcast<f32>(words_t[row * params.targets + c]); // when PAIR
    } // when PAIR
}

var<workgroup> drawn: vec4u;

// y[index, :] = store[batch_row(index), :], and with PAIR t[index, :] = store_t[batch_row(index), :], a second table of as
// many rows, floats. Workgroup = row of the batch; its first lane draws, and owns t's row.
@compute @workgroup_size(64)
fn rows(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u,
        @builtin(local_invocation_index) lane: u32) {
    let index = group.y * groups.x + group.x;
    if (lane == 0u) {
        drawn = vec4u(batch_row(clock.seed, clock.count, clock.epoch, clock.offset, params.first + index));
    }
    workgroupBarrier();
    if (index < params.batch) {
        let source = drawn.x * params.columns;
        for (var c = lane; c < params.columns; c += 64u) {
            y[index * params.columns + c] = value(source + c);
        }
        if (lane == 0u) { target_row(drawn.x, index); }
    }
}

// The same for narrow rows: invocation = row of the batch.
@compute @workgroup_size(64)
fn narrow_rows(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
    let index = id.y * groups.x * 64u + id.x;
    if (index < params.batch) {
        let row = batch_row(clock.seed, clock.count, clock.epoch, clock.offset, params.first + index);
        let source = row * params.columns;
        for (var c = 0u; c < params.columns; c++) {
            y[index * params.columns + c] = value(source + c);
        }
        target_row(row, index);
    }
}

// y[index, i, j, :] = pixel transform(i, j) of the patch that (step, index) draws. Workgroup = one patch; its first
// lane draws. A picture of the table is (end, width, height, low, high).
@compute @workgroup_size(256)
fn patches(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u,
           @builtin(local_invocation_index) lane: u32) {
    let index = group.y * groups.x + group.x;
    if (lane == 0u) {
        let h = pcg4d(vec4u(clock.seed, clock.step, params.first + index, PATCH_STREAM));
        let position = h.x % table[5u * (clock.count - 1u)];
        var first = 0u;
        var last = clock.count - 1u;
        while (first < last) {
            let middle = first + (last - first) / 2u;
            if (position < table[5u * middle]) {
                last = middle;
            } else {
                first = middle + 1u;
            }
        }
        var rest = position;
        if (first > 0u) {
            rest -= table[5u * (first - 1u)];
        }
        let columns = table[5u * first + 1u] - params.side + 1u;
        drawn = vec4u(first, rest % columns, rest / columns, h.y >> 29u);
    }
    workgroupBarrier();
    if (index >= params.batch) {
        return;
    }
    let side = params.side * params.scale;
    let width = table[5u * drawn.x + 1u] * params.scale;
    let source = table[5u * drawn.x + 3u + params.high];
    let turn = drawn.w;
    let pixels = side * side;
    let size = pixels * params.columns;
    for (var e = lane; e < size; e += 256u) {
        let pixel = e / params.columns;
        let channel = e % params.columns;
        let i = pixel / side;
        let j = pixel % side;
        var r = select(j, i, (turn & 4u) == 0u);
        var c = select(i, j, (turn & 4u) == 0u);
        r = select(r, side - 1u - r, (turn & 2u) != 0u);
        c = select(c, side - 1u - c, (turn & 1u) != 0u);
        let at = (drawn.z * params.scale + r) * width + drawn.y * params.scale + c;
        y[index * size + e] = value(source + at * params.columns + channel);
    }
}
