//! The library's own policy: `wgrad verify` and the tests judge by one.

pub use wgrad::verify::tolerance::{Family, Precision, Tolerance};
