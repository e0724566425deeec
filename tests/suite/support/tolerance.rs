//! The library's own policy: `wgrad verify` and the tests judge by one.

pub use wgrad::internal::verify::tolerance::{Family, Precision, Tolerance};
