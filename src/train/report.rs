//! What a run tells while it goes on.

use crate::device::Failure;

/// Progress of a run, every few tenths of a second.
#[derive(Clone, Debug)]
pub struct Progress {
    /// Updates done.
    pub step: u64,
    /// Updates in all.
    pub steps: u64,
    /// Mean loss since the last report.
    pub loss: f32,
    /// Updates per second since the last report.
    pub rate: f64,
}

/// Scores of one validation.
#[derive(Clone, Debug, PartialEq)]
pub struct Validation {
    /// Updates done.
    pub step: u64,
    /// Name and value of each score, the one that decides about the best checkpoint first; higher is better for it.
    pub scores: Vec<(String, f64)>,
    /// The same scores of the baseline (bicubic), where there is one.
    pub baseline: Vec<(String, f64)>,
    /// Whether it is the best so far.
    pub best: bool,
}

impl Validation {
    /// A score that no sound network has: none may be without a number, and only the PSNR of a perfect picture is infinite.
    pub fn broken(&self) -> Option<(&str, f64)> {
        let bad = |(name, value): &(String, f64)| value.is_nan() || (value.is_infinite() && !name.ends_with("PSNR"));
        self.scores.iter().find(|score| bad(score)).map(|(name, value)| (name.as_str(), *value))
    }

    /// `PSNR 31.20 dB (bicubic 29.80), SSIM 0.9012 (0.8801)`
    pub fn line(&self) -> String {
        let part = |(i, (name, value)): (usize, &(String, f64))| match self.baseline.get(i) {
            Some((_, base)) => format!("{name} {} (bicubic {})", number(name, *value), number(name, *base)),
            None => format!("{name} {}", number(name, *value)),
        };
        self.scores.iter().enumerate().map(part).collect::<Vec<_>>().join(", ")
    }
}

/// A score with its unit and as many digits as mean something.
fn number(name: &str, value: f64) -> String {
    match name {
        name if name.ends_with("PSNR") => format!("{value:.2} dB"),
        "accuracy" => format!("{:.2} %", 100.0 * value),
        _ => format!("{value:.4}"),
    }
}

/// Listens to a run.
pub trait Report {
    /// Something worth a line: what is loaded, what is skipped.
    fn note(&mut self, line: &str);
    /// The run goes on.
    fn progress(&mut self, progress: &Progress);
    /// The network was judged.
    fn validated(&mut self, validation: &Validation);
    /// A device failed. `step` is where the run goes on from.
    fn device_failed(&mut self, failure: &Failure, _step: u64) {
        self.note(&failure.to_string());
    }
}

/// Hears nothing.
pub struct Silent;

impl Report for Silent {
    fn note(&mut self, _: &str) {}
    fn progress(&mut self, _: &Progress) {}
    fn validated(&mut self, _: &Validation) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_perfect_picture_is_no_fault_and_a_missing_number_is() {
        let broken = |name: &str, value: f64| {
            let scores = vec![(name.to_string(), value)];
            Validation { step: 1, scores, baseline: Vec::new(), best: false }.broken().is_some()
        };
        assert!(["PSNR", "clean PSNR", "degraded PSNR"].iter().all(|name| !broken(name, f64::INFINITY)));
        assert!(broken("clean PSNR", f64::NAN) && broken("loss", f64::INFINITY) && !broken("loss", 0.1));
    }
}
