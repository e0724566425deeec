// uses: activation
// What products and convolutions do to a result before they store it, in the order of `graph::Epilogue`:
//   y = activation(x + bias[column])   (or PReLU with slopes[column])
//   y = (y + residual) * derivative(saved)
// Four neighbouring columns at a time. VECTOR says that the columns are a multiple of four, so that all accesses are
// aligned vectors; otherwise each column is checked.

const VECTOR: u32 = 0u;
const BIAS: u32 = 0u;
const PRELU: u32 = 0u;
const ACTIVATION: u32 = 0u;
const ACTIVATION_SLOPE: u32 = 0u;
const RESIDUAL: u32 = 0u;
const DERIVATIVE: u32 = 0u;
const DERIVATIVE_SLOPE: u32 = 0u;

@group(0) @binding(8) var<storage, read_write> out: array<f32>; // unless VECTOR
@group(0) @binding(9) var<storage, read_write> out4: array<vec4f>; // when VECTOR
@group(0) @binding(10) var<storage, read> bias: array<f32>; // when BIAS
@group(0) @binding(11) var<storage, read> slopes: array<f32>; // when PRELU
@group(0) @binding(12) var<storage, read> residual: array<f32>; // when RESIDUAL * (1 - VECTOR)
@group(0) @binding(13) var<storage, read> residual4: array<vec4f>; // when RESIDUAL * VECTOR
@group(0) @binding(14) var<storage, read> saved: array<f32>; // when DERIVATIVE * (1 - VECTOR)
@group(0) @binding(15) var<storage, read> saved4: array<vec4f>; // when DERIVATIVE * VECTOR

// What the epilogue adds and multiplies per column: read once for many rows.
struct Columns {
    bias: vec4f,
    slopes: vec4f,
}

// For columns column .. column + 3, of which `count` exist (none or more than four are fine).
fn columns_at(column: u32, count: u32) -> Columns {
    var columns = Columns(vec4f(0.0), vec4f(0.0));
    let last = select(0u, column + min(count, 4u) - 1u, count > 0u);
    let at = min(vec4u(column, column + 1u, column + 2u, column + 3u), vec4u(last));
    columns.bias = vec4f(bias[at.x], bias[at.y], bias[at.z], bias[at.w]); // when BIAS
    columns.slopes = vec4f(slopes[at.x], slopes[at.y], slopes[at.z], slopes[at.w]); // when PRELU
    return columns;
}

fn activated(value: vec4f, columns: Columns) -> vec4f {
    var x = value;
    x = x + columns.bias; // when BIAS
    x = select(columns.slopes * x, x, x > vec4f(0.0)); // when PRELU
    x = activate4(ACTIVATION, bitcast<f32>(ACTIVATION_SLOPE), x); // when ACTIVATION
    return x;
}

// Stores results for `count` columns (none or more than four are fine); `at` is the index of the first.
fn store(value: vec4f, columns: Columns, at: u32, count: u32) {
    var x = activated(value, columns);
    if (count == 0u) { return; }
    x = x + residual4[at / 4u]; // when RESIDUAL * VECTOR
    x = x * derivative4(DERIVATIVE, bitcast<f32>(DERIVATIVE_SLOPE), saved4[at / 4u]); // when DERIVATIVE * VECTOR
    out4[at / 4u] = x; // when VECTOR
    store_one(x.x, at); // unless VECTOR
    if (count > 1u) { store_one(x.y, at + 1u); } // unless VECTOR
    if (count > 2u) { store_one(x.z, at + 2u); } // unless VECTOR
    if (count > 3u) { store_one(x.w, at + 3u); } // unless VECTOR
}

fn store_one(value: f32, at: u32) {
    var x = value;
    x = x + residual[at]; // when RESIDUAL * (1 - VECTOR)
    x = x * derivative(DERIVATIVE, bitcast<f32>(DERIVATIVE_SLOPE), saved[at]); // when DERIVATIVE * (1 - VECTOR)
    out[at] = x; // unless VECTOR
}
