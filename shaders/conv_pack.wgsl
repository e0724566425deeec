// Lays convolution weights out for the convolution kernels: packed[tap, channel, column], with zeros where the padded
// extents go past the weights.
//
// Forward (PHASES = 0):   packed[ky, kx, c, n] = w[ky, kx, c, n], w [kernel, kernel, channels, columns]
// Input gradient of stride s = PHASES: an input pixel is reached by the taps ky = ry + s jy, where ry is its row's
// remainder by s. So each remainder (phase) is a convolution of its own over taps j, and all phases read the same
// pixels: they are made together, as columns n = (ry s + rx) inner + i:
//                         packed[jy, jx, c, n] = w[ry + s jy, rx + s jx, i, c], w [kernel, kernel, inner, channels]
// and zero for taps past the kernel. An invocation owns one element.

const PHASES: u32 = 0u;

struct Params {
    kernel: u32,
    // Taps per axis, channels and columns of the packed weights.
    taps: u32,
    channels_padded: u32,
    columns_padded: u32,
    // Extents that exist.
    channels: u32,
    columns: u32,
}

@group(0) @binding(0) var<storage, read> w: array<f32>;
@group(0) @binding(1) var<storage, read_write> packed: array<f32>;
@group(0) @binding(4) var<uniform> params: Params;

@compute @workgroup_size(64)
fn main(
    @builtin(workgroup_id) group: vec3u,
    @builtin(num_workgroups) groups: vec3u,
    @builtin(local_invocation_index) lane: u32,
) {
    let i = (group.y * groups.x + group.x) * 64u + lane;
    let n = i % params.columns_padded;
    let c = i / params.columns_padded % params.channels_padded;
    let tap = i / params.columns_padded / params.channels_padded;
    if (tap >= params.taps * params.taps) { return; }
    var ky = tap / params.taps;
    var kx = tap % params.taps;
    var at = (tap * params.channels + c) * params.columns + n;
    let phases = max(PHASES, 1u); // when PHASES
    let inner = params.columns / (phases * phases); // when PHASES
    let phase = n / inner; // when PHASES
    ky = phase / phases + ky * PHASES; // when PHASES
    kx = phase % phases + kx * PHASES; // when PHASES
    at = ((ky * params.kernel + kx) * inner + n % inner) * params.channels + c; // when PHASES
    var value = 0.0;
    if (c < params.channels && n < params.columns && ky < params.kernel && kx < params.kernel) { value = w[at]; }
    packed[i] = value;
}
