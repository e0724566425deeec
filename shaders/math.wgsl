// Functions whose accuracy drivers do not promise (log is off by 8e-5 on one of them), as stated polynomials.

// Whether x is no number. Tests bits: comparisons with NaN are not reliable in drivers.
fn is_nan(x: f32) -> bool {
    return (bitcast<u32>(x) & 0x7fffffffu) > 0x7f800000u;
}

// Whether x is a number and not infinite.
fn is_finite(x: f32) -> bool {
    return (bitcast<u32>(x) & 0x7f800000u) != 0x7f800000u;
}

// exp(x) to 2 units in the last place (Cephes' expf): x = n log 2 + r, |r| <= log(2) / 2. Drivers' own exp may be off
// by 3 + 2 |x| units. The driver's serves where the result overflows, is subnormal or NaN.
fn exponential(x: f32) -> f32 {
    if (!(x > -86.6 && x < 88.7)) {
        return exp(x);
    }
    let n = floor(x * 1.44269504 + 0.5);
    // log 2 in two parts: the first is exact when multiplied by a small integer.
    let r = (x - n * 0.693359375) + n * 2.12194440e-4;
    var p = 1.9875691500e-4;
    p = p * r + 1.3981999507e-3;
    p = p * r + 8.3334519073e-3;
    p = p * r + 4.1665795894e-2;
    p = p * r + 1.6666665459e-1;
    p = p * r + 0.5;
    // 2^n as 2 2^(n - 1), since n may be 128.
    return 2.0 * (1.0 + (r + r * r * p)) * bitcast<f32>(u32(i32(n) + 126) << 23u);
}

// exp(x) - 1 without cancellation: Taylor up to x^9 for |x| <= 1/2 (error 3e-10 of the result).
fn expm1(x: f32) -> f32 {
    if (abs(x) > 0.5) {
        return exponential(x) - 1.0;
    }
    var p = 2.7557319e-6;
    p = p * x + 2.4801587e-5;
    p = p * x + 1.9841270e-4;
    p = p * x + 1.3888889e-3;
    p = p * x + 8.3333333e-3;
    p = p * x + 4.1666667e-2;
    p = p * x + 1.6666667e-1;
    p = p * x + 0.5;
    return x + x * x * p;
}

// log(1 + y) for 0 <= y <= 1 as 2 artanh(y / (2 + y)), series up to the 15th power (error 4e-9).
fn log1p(y: f32) -> f32 {
    let s = y / (2.0 + y);
    let z = s * s;
    var p = 0.13333333;
    p = p * z + 0.15384615;
    p = p * z + 0.18181818;
    p = p * z + 0.22222222;
    p = p * z + 0.28571429;
    p = p * z + 0.4;
    p = p * z + 0.66666667;
    return 2.0 * s + s * z * p;
}

// Natural logarithm of a normal positive x; -103.97 at 0 and below; infinity and NaN pass.
// x = m 2^e with m in [sqrt(1/2), sqrt(2)): log x = e log 2 + 2 artanh((m - 1) / (m + 1)), |s| <= 0.1716.
fn natural_log(x: f32) -> f32 {
    if (!is_finite(x)) {
        return x;
    }
    if (x < 1.17549435e-38) {
        return select(-103.97208, -87.33655, x > 0.0);
    }
    let bits = bitcast<u32>(x);
    var e = f32(i32(bits >> 23u) - 127);
    var m = bitcast<f32>((bits & 0x007fffffu) | 0x3f800000u);
    if (m > 1.41421356) {
        m = m * 0.5;
        e = e + 1.0;
    }
    let s = (m - 1.0) / (m + 1.0);
    let z = s * s;
    var p = 0.22222222;
    p = p * z + 0.28571429;
    p = p * z + 0.4;
    p = p * z + 0.66666667;
    // log 2 in two parts: the first is exact when multiplied by a small integer.
    return e * 0.693359375 + (2.0 * s + (s * z * p - e * 2.12194440e-4));
}
