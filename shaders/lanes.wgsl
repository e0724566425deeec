// Rows of [rows, columns] shared by lanes: LANES invocations (1 or 64) to a row, a workgroup of 64 holds ROWS = 64 / LANES of
// them; lane l owns columns l, l + LANES, ... of its row.

const LANES: u32 = 64u;
const ROWS: u32 = 1u;

var<workgroup> shared_values: array<f32, 64>;

// The row's sum of `value` over its lanes, in lane order, to all of them.
fn sum_lanes(value: f32, lane: u32) -> f32 {
    if (LANES == 1u) {
        return value;
    }
    workgroupBarrier();
    shared_values[lane] = value;
    workgroupBarrier();
    if (lane < 8u) {
        var sum = 0.0;
        for (var k = 0u; k < 8u; k++) {
            sum += shared_values[8u * lane + k];
        }
        shared_values[8u * lane] = sum;
    }
    workgroupBarrier();
    var sum = 0.0;
    for (var k = 0u; k < 8u; k++) {
        sum += shared_values[8u * k];
    }
    return sum;
}

fn max_lanes(value: f32, lane: u32) -> f32 {
    if (LANES == 1u) {
        return value;
    }
    workgroupBarrier();
    shared_values[lane] = value;
    workgroupBarrier();
    var top = value;
    for (var k = 0u; k < 64u; k++) {
        top = max(top, shared_values[k]);
    }
    return top;
}

// First element of the lane's row; rows past the end work on the last one and store nothing.
fn base(group: u32, lane: u32, rows: u32, columns: u32) -> u32 {
    return min(group * ROWS + lane / LANES, rows - 1u) * columns;
}

fn inside(group: u32, lane: u32, rows: u32) -> bool {
    return group * ROWS + lane / LANES < rows;
}
