// Sums over the rows of [rows, columns], in a fixed order: each workgroup sums a block of rows, a second dispatch sums
// the blocks. What is summed is chosen by MODE:
// 0: a    1: a b    2: a b where b <= 0, else 0 (slopes of prelu)    3: (a - v[column])^2
// 4: a (b - v[column]) w[column]

struct Params {
    rows: u32,
    columns: u32,
    block: u32,   // rows per workgroup
    parts: u32,   // blocks of rows
    factor: f32,  // on the final sum
    offset: f32,  // added to it
    mode: u32,    // of `finish`: 0 factor sum + offset, 1 its inverse root
}
@group(0) @binding(0) var<storage, read> a: array<f32>;
@group(0) @binding(1) var<storage, read> b: array<f32>;
@group(0) @binding(2) var<storage, read> v: array<f32>;
@group(0) @binding(3) var<storage, read> w: array<f32>;
@group(0) @binding(4) var<storage, read_write> y: array<f32>;
@group(0) @binding(5) var<uniform> params: Params;

const MODE: u32 = 0u;

var<workgroup> sums: array<f32, 256>;

fn term(i: u32, column: u32) -> f32 {
    switch (MODE) {
        case 1u: { return a[i] * b[i]; }
        case 2u: { return select(a[i] * b[i], 0.0, b[i] > 0.0); }
        case 3u: {
            let d = a[i] - v[column];
            return d * d;
        }
        case 4u: { return a[i] * ((b[i] - v[column]) * w[column]); }
        default: { return a[i]; }
    }
}

// y[part, column] = sum of the block's terms. Workgroup (x, y) owns columns 256 x .. and rows block y ..; where there
// are fewer than 256 columns, several rows are summed side by side, so that lanes read neighbours.
@compute @workgroup_size(256)
fn columns_part(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
    let width = min(params.columns, 256u);
    let abreast = 256u / width;
    let along = lane / width;
    let column = group.x * 256u + lane % width;
    let begin = group.y * params.block;
    let end = min(begin + params.block, params.rows);
    var sum = 0.0;
    if (along < abreast && column < params.columns) {
        for (var r = begin + along; r < end; r += abreast) {
            sum += term(r * params.columns + column, column);
        }
    }
    sums[lane] = sum;
    workgroupBarrier();
    if (along == 0u && column < params.columns) {
        for (var k = 1u; k < abreast; k++) {
            sum += sums[k * width + lane];
        }
        y[group.y * params.columns + column] = sum;
    }
}

// y[column] = factor (sum over parts of a[part, column]) + offset, or the inverse root of that. Invocation = column.
@compute @workgroup_size(64)
fn columns_finish(@builtin(global_invocation_id) id: vec3u) {
    let column = id.x;
    if (column >= params.columns) {
        return;
    }
    var sum = 0.0;
    for (var part = 0u; part < params.parts; part++) {
        sum += a[part * params.columns + column];
    }
    let value = params.factor * sum + params.offset;
    y[column] = select(value, 1.0 / sqrt(value), params.mode == 1u);
}
