// uses: math
// Elementwise functions by number (`Activation::code`):
// 0 identity, 1 step, 2 relu, 3 leaky relu, 4 sigmoid, 5 tanh, 6 gelu, 7 gelu (tanh form), 8 silu, 9 softplus, 10 elu,
// 11 exp, 12 log.

fn sigmoid(x: f32) -> f32 {
    let e = exponential(-abs(x));
    return select(e, 1.0, x >= 0.0) / (1.0 + e);
}

// tanh, |x| < 0.625 by the polynomial of Cephes' tanhf, else from exp; never overflows.
fn tanh_stable(x: f32) -> f32 {
    let a = abs(x);
    if (a < 0.625) {
        let z = x * x;
        var p = -5.70498872745e-3;
        p = p * z + 2.06390887954e-2;
        p = p * z - 5.37397155531e-2;
        p = p * z + 1.33314422036e-1;
        p = p * z - 3.33332819422e-1;
        return x + x * z * p;
    }
    let t = 1.0 - 2.0 / (exponential(2.0 * min(a, 20.0)) + 1.0);
    return select(t, -t, x < 0.0);
}

// erfc(z) for z >= 1, relative error 1.2e-7 (Press et al., Numerical Recipes, erfcc).
fn erfc_tail(z: f32) -> f32 {
    let t = 1.0 / (1.0 + 0.5 * z);
    var p = 0.17087277;
    p = p * t - 0.82215223;
    p = p * t + 1.48851587;
    p = p * t - 1.13520398;
    p = p * t + 0.27886807;
    p = p * t - 0.18628806;
    p = p * t + 0.09678418;
    p = p * t + 0.37409196;
    p = p * t + 1.00002368;
    p = p * t - 1.26551223;
    return t * exponential(-z * z + p);
}

// Distribution function of the standard normal: (1 + erf(x / sqrt 2)) / 2; |x| < sqrt 2 by Cephes' erff polynomial.
fn normal_cdf(x: f32) -> f32 {
    let u = x * 0.70710678;
    let a = abs(u);
    if (a < 1.0) {
        let z = u * u;
        var p = 7.853861353153693e-5;
        p = p * z - 8.010193625184903e-4;
        p = p * z + 5.188327685732524e-3;
        p = p * z - 2.685381193529856e-2;
        p = p * z + 1.128358514861418e-1;
        p = p * z - 3.761262582423300e-1;
        p = p * z + 1.128379165726710;
        return 0.5 + 0.5 * u * p;
    }
    let tail = 0.5 * erfc_tail(a);
    return select(1.0 - tail, tail, x < 0.0);
}

// f(x)
fn activate(code: u32, slope: f32, x: f32) -> f32 {
    switch (code) {
        case 1u: { return select(0.0, 1.0, x >= 0.0); }
        // NaN passes: on some drivers max(NaN, 0) is 0 and would hide it.
        case 2u: { return select(max(x, 0.0), x, is_nan(x)); }
        case 3u: { return select(slope * x, x, x > 0.0); }
        case 4u: { return sigmoid(x); }
        case 5u: { return tanh_stable(x); }
        case 6u: { return x * normal_cdf(x); }
        case 7u: { return x * sigmoid(1.5957691216 * (x + 0.044715 * x * x * x)); }
        case 8u: { return x * sigmoid(x); }
        case 9u: {
            if (x > 20.0) { return x; }
            return max(x, 0.0) + log1p(exponential(-abs(x)));
        }
        case 10u: {
            if (x > 0.0) { return x; }
            return expm1(x);
        }
        case 11u: { return exponential(x); }
        case 12u: { return natural_log(x); }
        default: { return x; }
    }
}

// f'(x), from f(x) for codes 0 to 5, 10 and 11, from x for 6 to 9 and 12 (`Activation::derivative_from_output`).
fn derivative(code: u32, slope: f32, saved: f32) -> f32 {
    switch (code) {
        case 1u: { return 0.0; }
        case 2u: { return select(0.0, 1.0, saved > 0.0); }
        case 3u: { return select(slope, 1.0, saved > 0.0); }
        case 4u: { return saved * (1.0 - saved); }
        case 5u: { return 1.0 - saved * saved; }
        case 6u: { return normal_cdf(saved) + saved * 0.3989422804 * exponential(-0.5 * saved * saved); }
        case 7u: {
            let x = saved;
            // f = x s(2u) with u = sqrt(2/pi) (x + 0.044715 x^3).
            let s = sigmoid(1.5957691216 * (x + 0.044715 * x * x * x));
            // 1 - s as the mirrored sigmoid: the difference would cancel.
            let rest = sigmoid(-1.5957691216 * (x + 0.044715 * x * x * x));
            return s + x * s * rest * 1.5957691216 * (1.0 + 0.134145 * x * x);
        }
        case 8u: {
            let s = sigmoid(saved);
            return s * (1.0 + saved * (1.0 - s));
        }
        case 9u: { return select(sigmoid(saved), 1.0, saved > 20.0); }
        case 10u: { return select(saved + 1.0, 1.0, saved > 0.0); }
        case 11u: { return saved; }
        case 12u: { return 1.0 / saved; }
        default: { return 1.0; }
    }
}

// The same for four values.
fn activate4(code: u32, slope: f32, x: vec4f) -> vec4f {
    return vec4f(activate(code, slope, x.x), activate(code, slope, x.y), activate(code, slope, x.z),
        activate(code, slope, x.w));
}

fn derivative4(code: u32, slope: f32, saved: vec4f) -> vec4f {
    return vec4f(derivative(code, slope, saved.x), derivative(code, slope, saved.y), derivative(code, slope, saved.z),
        derivative(code, slope, saved.w));
}
