//! What keys of `[data]` are where a recipe does not give them.

pub fn pictures() -> usize {
    96
}
pub fn size() -> usize {
    192
}
pub fn patch() -> usize {
    24
}
pub fn rescale() -> Vec<f64> {
    vec![1.0, 0.9, 0.8, 0.7, 0.6]
}
pub fn max_pixels() -> usize {
    2_000_000
}
pub fn budget() -> usize {
    64
}
pub fn holdout() -> f64 {
    0.2
}
pub fn points() -> usize {
    5000
}
pub fn arms() -> usize {
    3
}
