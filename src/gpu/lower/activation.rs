//! Activations, a part of `elementwise.wgsl`.

use super::{Launch, Lowering};
use crate::graph::Activation;

impl Lowering<'_> {
    pub(super) fn activate(&self, activation: Activation) -> Vec<Launch> {
        let (code, slope) = activation.code();
        self.map("activate_all").map(|l| l.constant("CODE", code).float("slope", slope))
    }

    pub(super) fn activate_grad(&self, activation: Activation) -> Vec<Launch> {
        let (code, slope) = activation.code();
        let launch = |l: Launch| l.tensor("b", self.input(1)).constant("CODE", code).float("slope", slope);
        self.map("activate_grad").map(launch)
    }
}
