//! The range of every number in a recipe and in the declaration of a network: the one place that says so.
//!
//! Numbers are checked twice by the same table: as a person wrote them, so that the error names the key whatever was
//! written there, and as the program holds them, so that what a program built is checked too. What depends on several
//! keys at once is checked where they are used.

use std::fmt;

use serde_json::Value;

use crate::graph::Shape;
use crate::{Error, Result};

/// What a number may be.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Range {
    /// A whole number, both ends included.
    Whole(u64, u64),
    /// A number, both ends included.
    Between(f64, f64),
    /// A number below the second, which is excluded.
    Below(f64, f64),
    /// A number above the first, which is excluded.
    Above(f64, f64),
}

impl Range {
    /// Whether the number is inside; NaN never is.
    pub fn contains(&self, value: f64) -> bool {
        match *self {
            Range::Whole(least, most) => value.fract() == 0.0 && (least as f64..=most as f64).contains(&value),
            // The program holds f32: an end that it rounds is inside as well.
            Range::Between(least, most) => {
                (least..=most).contains(&value) || [least, most].iter().any(|&end| value == f64::from(end as f32))
            }
            Range::Below(least, most) => (least..most).contains(&value),
            Range::Above(least, most) => value > least && value <= most,
        }
    }

    /// Whether a written value is a number inside.
    fn takes(&self, value: &Value) -> bool {
        match (*self, value) {
            (Range::Whole(least, most), Value::Number(number)) => {
                number.as_u64().is_some_and(|n| (least..=most).contains(&n))
            }
            (_, Value::Number(number)) => number.as_f64().is_some_and(|n| self.contains(n)),
            _ => false,
        }
    }
}

impl fmt::Display for Range {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Range::Whole(least, most) => write!(f, "a whole number from {least} to {most}"),
            Range::Between(least, most) => write!(f, "a number from {least} to {most}"),
            Range::Below(least, most) => write!(f, "a number from {least} to below {most}"),
            Range::Above(least, most) if most >= f64::from(f32::MAX) => write!(f, "a number above {least}"),
            Range::Above(least, most) => write!(f, "a number above {least}, at most {most}"),
        }
    }
}

/// A key and its range.
#[derive(Clone, Copy, Debug)]
pub struct Entry {
    /// `key`, `section.key`, or `network.layers.key` for a layer at any depth.
    pub key: &'static str,
    /// The `kind` of its section that the range is for, where others have another.
    pub kind: Option<&'static str>,
    /// What each number at the key may be.
    pub range: Range,
}

const fn any(key: &'static str, range: Range) -> Entry {
    Entry { key, kind: None, range }
}

const fn of(kind: &'static str, key: &'static str, range: Range) -> Entry {
    Entry { key, kind: Some(kind), range }
}

const MOST: u64 = Shape::MOST as u64;
/// Steps are counted in 32 bits on the device.
const STEPS: u64 = u32::MAX as u64;
const WIDTH: Range = Range::Whole(1, 65_536);
const SHARE: Range = Range::Below(0.0, 1.0);
/// A share that may be all.
const PART: Range = Range::Between(0.0, 1.0);
/// One of several weights, of which the sum is the whole.
const WEIGHT: Range = Range::Between(0.0, 1e6);
/// Any positive number that f32 holds.
const POSITIVE: Range = Range::Above(0.0, f32::MAX as f64);

/// Every number that a recipe may hold.
pub const ALL: &[Entry] = &[
    any("seed", Range::Whole(0, u32::MAX as u64)),
    any("steps", Range::Whole(1, STEPS)),
    any("batch", Range::Whole(1, MOST)),
    any("network.sizes", Range::Whole(1, MOST)),
    any("network.activation.leaky_relu", Range::Above(0.0, 1000.0)),
    any("network.dropout", SHARE),
    any("network.scale", Range::Whole(2, 4)),
    any("network.channels", Range::Whole(1, 3)),
    any("network.features", WIDTH),
    any("network.shrink", WIDTH),
    any("network.maps", Range::Whole(0, 1000)),
    any("network.convolutions", Range::Whole(2, 1000)),
    any("network.expand", Range::Whole(0, 65_536)),
    any("network.blocks", Range::Whole(0, 1000)),
    any("network.input", Range::Whole(1, MOST)),
    any("network.layers.out", Range::Whole(1, MOST)),
    any("network.layers.kernel", Range::Whole(1, 4096)),
    any("network.layers.stride", Range::Whole(1, 4096)),
    any("network.layers.padding", Range::Whole(0, 4096)),
    any("network.layers.output_padding", Range::Whole(0, 4096)),
    any("network.layers.scale", Range::Whole(1, 256)),
    any("network.layers.rate", SHARE),
    any("network.layers.function.leaky_relu", Range::Above(0.0, 1000.0)),
    of("procedural", "data.pictures", Range::Whole(1, 1_000_000)),
    any("data.size", Range::Whole(1, 16_384)),
    any("data.patch", Range::Whole(1, 16_384)),
    any("data.rescale", Range::Above(0.0, 1.0)),
    any("data.max_pixels", Range::Whole(1, MOST)),
    any("data.budget_mib", Range::Whole(1, 2047)),
    any("data.degrade.clean", PART),
    any("data.degrade.twice", PART),
    any("data.degrade.blur.probability", PART),
    any("data.degrade.blur.sigma", Range::Between(0.1, 20.0)),
    any("data.degrade.blur.anisotropic", PART),
    any("data.degrade.blur.sinc", PART),
    any("data.degrade.resize.bicubic", WEIGHT),
    any("data.degrade.resize.area", WEIGHT),
    any("data.degrade.resize.bilinear", WEIGHT),
    any("data.degrade.resize.lanczos", WEIGHT),
    any("data.degrade.resize.nearest", WEIGHT),
    any("data.degrade.resize.between", Range::Between(0.25, 8.0)),
    any("data.degrade.sharpen.probability", PART),
    any("data.degrade.sharpen.amount", Range::Between(0.0, 5.0)),
    any("data.degrade.sharpen.sigma", Range::Between(0.1, 20.0)),
    any("data.degrade.noise.probability", PART),
    any("data.degrade.noise.sigma", Range::Between(0.0, 255.0)),
    any("data.degrade.noise.grey", PART),
    any("data.degrade.noise.poisson", PART),
    any("data.degrade.jpeg.probability", PART),
    any("data.degrade.jpeg.quality", Range::Whole(1, 100)),
    any("data.degrade.jpeg.subsampled", PART),
    any("data.shift", Range::Whole(0, 1024)),
    any("data.class_weights", Range::Between(1e-3, 1e3)),
    any("data.skip", Range::Whole(0, 1_000_000)),
    any("data.holdout", SHARE),
    any("data.split_seed", Range::Whole(0, u32::MAX as u64)),
    any("data.points", Range::Whole(1, 100_000_000)),
    of("spirals", "data.classes", Range::Whole(2, 1000)),
    of("digits", "data.pictures", Range::Whole(1, 2_000_000)),
    any("loss.delta", POSITIVE),
    any("loss.epsilon", Range::Between(1e-9, 1000.0)),
    any("loss.smoothing", SHARE),
    any("optimizer.lr", POSITIVE),
    any("optimizer.momentum", SHARE),
    any("optimizer.rho", SHARE),
    any("optimizer.betas", SHARE),
    any("optimizer.epsilon", Range::Between(1e-30, 1.0)),
    any("optimizer.weight_decay", Range::Between(0.0, 1000.0)),
    any("optimizer.clip", POSITIVE),
    any("optimizer.accumulate", Range::Whole(1, 256)),
    any("optimizer.average", SHARE),
    any("schedule.warmup", Range::Whole(0, STEPS)),
    any("schedule.last", Range::Between(0.0, 1.0)),
    any("schedule.first", Range::Between(0.0, 1.0)),
    any("schedule.rise", Range::Between(0.0, 1.0)),
    any("schedule.every", Range::Whole(1, STEPS)),
    any("schedule.factor", Range::Between(0.0, 1.0)),
    any("validate.every", Range::Whole(1, STEPS)),
    any("validate.pictures", Range::Whole(1, 10_000)),
    any("validate.patience", Range::Whole(0, STEPS)),
    any("validate.keep", Range::Whole(1, 1000)),
];

/// The range of a key in a section of some `kind`.
pub fn find(key: &str, kind: Option<&str>) -> Option<Range> {
    let fits = |entry: &&Entry| entry.key == key && (entry.kind.is_none() || entry.kind == kind);
    ALL.iter().find(fits).map(|entry| entry.range)
}

/// Checks every number of `value`, which stands at `key` (nothing for a whole recipe).
///
/// # Errors
/// Naming the key, its range, and what is there instead.
pub(crate) fn check(value: &Value, key: &str) -> Result<()> {
    walk(value, key, None)
}

fn walk(value: &Value, key: &str, kind: Option<&str>) -> Result<()> {
    match (find(key, kind), value) {
        (_, Value::Array(items)) => items.iter().try_for_each(|item| walk(item, key, kind)),
        (Some(range), value) if !range.takes(value) => {
            // JSON has neither NaN nor infinity and shows them as null.
            let given = if value.is_null() { "not a finite number".into() } else { format!("not {value}") };
            Err(Error::key(key, format!("{range}, {given}")))
        }
        (None, Value::Object(fields)) => {
            let kind = fields.get("kind").and_then(Value::as_str).or(kind);
            fields.iter().try_for_each(|(field, value)| walk(value, &below(key, field), kind))
        }
        _ => Ok(()),
    }
}

/// The key of a field; layers inside layers have the same keys as those outside.
fn below(key: &str, field: &str) -> String {
    match (key, field) {
        ("", _) => field.to_string(),
        ("network.layers", "layers") => key.to_string(),
        _ => format!("{key}.{field}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn layers_are_checked_at_every_depth() {
        let deep = json!({ "kind": "sequential", "input": [4, 4, 1], "layers": [
            { "layer": "residual", "layers": [{ "layer": "dense", "layers": [{ "layer": "conv", "stride": 0 }] }] }] });
        let error = check(&deep, "network").unwrap_err().to_string();
        assert_eq!(error, "network.layers.stride: a whole number from 1 to 4096, not 0");
        assert!(check(&json!({ "kind": "mlp", "sizes": [3, 1u64 << 40] }), "network").is_err());
        assert!(check(&json!({ "kind": "mlp", "sizes": [3, 4] }), "network").is_ok());
    }

    #[test]
    fn a_key_means_what_its_kind_says() {
        assert!(check(&json!({ "data": { "kind": "csv", "classes": true } }), "").is_ok());
        assert!(check(&json!({ "data": { "kind": "spirals", "classes": true } }), "").is_err());
    }

    #[test]
    fn what_is_no_number_is_refused_by_name() {
        for value in [json!("abc"), json!(true), json!(null), json!({ "a": 1 }), json!(-1), json!(0)] {
            let error = check(&json!({ "optimizer": { "lr": value } }), "").unwrap_err().to_string();
            assert!(error.starts_with("optimizer.lr: a number above 0, not "), "{error}");
        }
    }
}
