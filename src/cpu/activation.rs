//! Activations, their derivatives, and the epilogues of products and convolutions.

use super::parallel;
use super::real::Real;
use crate::graph::Activation;

/// `1 / (1 + exp(-x))`
#[inline(always)]
pub(super) fn sigmoid<T: Real>(x: T) -> T {
    T::ONE / (T::ONE + (-x).exp())
}

/// Distribution function of the normal distribution; the small tail keeps its digits.
#[inline(always)]
fn normal<T: Real>(x: T) -> T {
    T::of(0.5) * (x * T::of(-std::f64::consts::FRAC_1_SQRT_2)).erfc()
}

/// The inner function of the tanh form of GELU, and its derivative.
#[inline(always)]
fn gelu_tanh<T: Real>(x: T) -> (T, T) {
    let (a, b) = (T::of((2.0 / std::f64::consts::PI).sqrt()), T::of(0.044715));
    let inner = (a * (x + b * x * x * x)).tanh();
    (inner, a * (T::ONE + T::of(3.0) * b * x * x))
}

/// `x` where positive, else `slope x`.
#[inline(always)]
pub(super) fn leaky<T: Real>(x: T, slope: T) -> T {
    if x > T::ZERO { x } else { slope * x }
}

/// Runs `$body` with `$g` bound to the function, so that each loop is compiled for one activation.
macro_rules! each_activation {
    ($f:expr, $g:ident => $body:expr) => {
        match $f {
            Activation::Identity => {}
            Activation::Step => {
                let $g = |x: T| if x >= T::ZERO { T::ONE } else { x.at_least(T::ZERO) };
                $body
            }
            Activation::Relu => {
                // Written so that NaN passes through.
                let $g = |x: T| x.at_least(T::ZERO);
                $body
            }
            Activation::LeakyRelu(slope) => {
                let slope = T::constant(slope);
                let $g = |x: T| leaky(x, slope);
                $body
            }
            Activation::Sigmoid => {
                let $g = sigmoid::<T>;
                $body
            }
            Activation::Tanh => {
                let $g = T::tanh;
                $body
            }
            Activation::Gelu => {
                let $g = |x: T| x * normal(x);
                $body
            }
            Activation::GeluTanh => {
                let $g = |x: T| T::of(0.5) * x * (T::ONE + gelu_tanh(x).0);
                $body
            }
            Activation::Silu => {
                let $g = |x: T| x * sigmoid(x);
                $body
            }
            Activation::Softplus => {
                let $g = |x: T| if x > T::of(20.0) { x } else { x.exp().ln_1p() };
                $body
            }
            Activation::Elu => {
                let $g = |x: T| if x > T::ZERO { x } else { x.exp_m1() };
                $body
            }
            Activation::Exp => {
                let $g = T::exp;
                $body
            }
            Activation::Log => {
                let $g = T::ln;
                $body
            }
        }
    };
}

/// The same for derivatives, in terms of the saved tensor.
macro_rules! each_derivative {
    ($f:expr, $g:ident => $body:expr) => {
        match $f {
            Activation::Identity => {}
            Activation::Step => {
                let $g = |_: T| T::ZERO;
                $body
            }
            Activation::Relu => {
                let $g = |y: T| if y > T::ZERO { T::ONE } else { T::ZERO };
                $body
            }
            Activation::LeakyRelu(slope) => {
                let slope = T::constant(slope);
                let $g = |y: T| if y > T::ZERO { T::ONE } else { slope };
                $body
            }
            Activation::Sigmoid => {
                let $g = |y: T| y * (T::ONE - y);
                $body
            }
            Activation::Tanh => {
                let $g = |y: T| T::ONE - y * y;
                $body
            }
            Activation::Gelu => {
                let scale = T::of(0.5 * std::f64::consts::FRAC_2_SQRT_PI * std::f64::consts::FRAC_1_SQRT_2);
                let $g = |x: T| normal(x) + x * scale * (T::of(-0.5) * x * x).exp();
                $body
            }
            Activation::GeluTanh => {
                let $g = |x: T| {
                    let (inner, slope) = gelu_tanh(x);
                    T::of(0.5) * (T::ONE + inner + x * (T::ONE - inner * inner) * slope)
                };
                $body
            }
            Activation::Silu => {
                let $g = |x: T| {
                    let s = sigmoid(x);
                    s * (T::ONE + x * (T::ONE - s))
                };
                $body
            }
            Activation::Softplus => {
                let $g = |x: T| if x > T::of(20.0) { T::ONE } else { sigmoid(x) };
                $body
            }
            Activation::Elu => {
                let $g = |y: T| if y > T::ZERO { T::ONE } else { y + T::ONE };
                $body
            }
            Activation::Exp => {
                let $g = |y: T| y;
                $body
            }
            Activation::Log => {
                let $g = |x: T| T::ONE / x;
                $body
            }
        }
    };
}

/// `block = f(block)`
fn apply<T: Real>(f: Activation, block: &mut [T]) {
    each_activation!(f, g => block.iter_mut().for_each(|v| *v = g(*v)));
}

/// `block = block f'(saved)`
fn apply_derivative<T: Real>(f: Activation, block: &mut [T], saved: &[T]) {
    each_derivative!(f, g => block.iter_mut().zip(saved).for_each(|(v, &s)| *v *= g(s)));
}

/// `out = f(x)`
pub(super) fn activate<T: Real>(out: &mut [T], x: &[T], f: Activation) {
    parallel::blocks(out, parallel::GRAIN, |at, block| {
        block.copy_from_slice(&x[at..at + block.len()]);
        apply(f, block);
    });
}

/// `out = dy f'(saved)`
pub(super) fn activate_grad<T: Real>(out: &mut [T], dy: &[T], saved: &[T], f: Activation) {
    parallel::blocks(out, parallel::GRAIN, |at, block| {
        block.copy_from_slice(&dy[at..at + block.len()]);
        apply_derivative(f, block, &saved[at..]);
    });
}

/// An epilogue with its operands at hand.
#[derive(Clone, Copy)]
pub(super) struct Finish<'a, T> {
    pub bias: Option<&'a [T]>,
    pub activation: Activation,
    pub slopes: Option<&'a [T]>,
    pub residual: Option<&'a [T]>,
    pub derivative: Option<(Activation, &'a [T])>,
}

impl<T: Real> Finish<'_, T> {
    /// Whether results are stored as they are.
    pub fn is_none(&self) -> bool {
        let plain = self.bias.is_none() && self.slopes.is_none() && self.residual.is_none();
        plain && self.derivative.is_none() && self.activation == Activation::Identity
    }

    /// Finishes `block`, whole rows that begin at element `at` of the output, while it is in the cache.
    pub fn apply(&self, block: &mut [T], at: usize, columns: usize) {
        match (self.bias, self.slopes) {
            (Some(bias), Some(slopes)) => {
                for row in block.chunks_exact_mut(columns) {
                    for ((v, &b), &s) in row.iter_mut().zip(bias).zip(slopes) {
                        *v = leaky(*v + b, s);
                    }
                }
            }
            (Some(&[bias]), None) => block.iter_mut().for_each(|v| *v += bias),
            (Some(bias), None) => {
                for row in block.chunks_exact_mut(columns) {
                    row.iter_mut().zip(bias).for_each(|(v, &b)| *v += b);
                }
            }
            (None, Some(slopes)) => {
                for row in block.chunks_exact_mut(columns) {
                    row.iter_mut().zip(slopes).for_each(|(v, &s)| *v = leaky(*v, s));
                }
            }
            (None, None) => {}
        }
        apply(self.activation, block);
        if let Some(residual) = self.residual {
            block.iter_mut().zip(&residual[at..]).for_each(|(v, &r)| *v += r);
        }
        if let Some((f, saved)) = self.derivative {
            apply_derivative(f, block, &saved[at..]);
        }
    }
}
