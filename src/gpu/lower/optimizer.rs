//! `optimizer.wgsl` and `optimizer_norm.wgsl`: what moves the parameters.

use super::{Launch, Lowering, Operand, scratch};
use crate::graph::{Arena, TensorId, Update};

/// The decimal number that a person wrote: of 0.999 as f32, `1 - beta` has an error of 1e-5 of its value.
fn decimal(x: f32) -> f64 {
    x.to_string().parse().unwrap_or(f64::from(x))
}

impl Lowering<'_> {
    /// Parts of an arena that fit one binding each.
    fn parts(&self, arena: Arena) -> Vec<(usize, usize)> {
        let len = self.plan.layout.len(arena);
        // Binding offsets are multiples of 256 bytes.
        let most = (self.most / 64 * 64).max(64);
        let equal = len.div_ceil(len.div_ceil(most).max(1)).next_multiple_of(64);
        (0..len).step_by(equal.max(64)).map(|offset| (offset, equal.min(len - offset))).collect()
    }

    /// The sum of squares in two stages, the root in the second. Gaps between segments are zeros.
    pub(super) fn norm(&self) -> Vec<Launch> {
        let mut all = Vec::new();
        let parts = self.parts(Arena::Gradients);
        let groups: Vec<usize> = parts.iter().map(|&(_, len)| (len / 4).div_ceil(256 * 16).clamp(1, 256)).collect();
        let total: usize = groups.iter().sum();
        let mut first = 0;
        for (&(offset, elements), &count) in parts.iter().zip(&groups) {
            let fours = elements / 4;
            let launch = Launch::new("optimizer_norm", "squares")
                .bind("g", Operand::Part { arena: Arena::Gradients, offset, elements })
                .bind("sums", scratch(0, total))
                .size("fours", fours)
                .size("block", fours.div_ceil(count))
                .size("first", first)
                .groups([count, 1, 1]);
            first += count;
            all.push(launch);
        }
        let last = Launch::new("optimizer_norm", "root").bind("sums", scratch(0, total)).tensor("y", self.output());
        all.push(last.size("parts", total));
        all
    }

    pub(super) fn update(&self, rule: Update, clip: Option<f32>) -> Vec<Launch> {
        let norm: Option<TensorId> = clip.and(self.step.inputs.last().copied());
        let parts = self.parts(Arena::Parameters);
        parts.into_iter().map(|(offset, elements)| self.update_part(rule, clip.zip(norm), offset, elements)).collect()
    }

    fn update_part(&self, rule: Update, clip: Option<(f32, TensorId)>, offset: usize, elements: usize) -> Launch {
        let part = |arena| Operand::Part { arena, offset, elements };
        let log = |beta: f32| decimal(beta).ln() as f32;
        let rest = |beta: f32| (1.0 - decimal(beta)) as f32;
        let entry = match rule {
            Update::Sgd { .. } => "sgd",
            Update::RmsProp { .. } => "rmsprop",
            Update::Adam { .. } => "adam",
        };
        let mut launch = Launch::new("optimizer", entry)
            .constant("CLIP", u32::from(clip.is_some()))
            .bind("g", part(Arena::Gradients))
            .bind("p", part(Arena::Parameters))
            .size("fours", elements / 4)
            .over(elements / 4, 256);
        for (name, arena) in [("m", Arena::First), ("s", Arena::Second)].into_iter().take(rule.moments()) {
            launch = launch.bind(name, part(arena));
        }
        if let Some((bound, norm)) = clip {
            launch = launch.tensor("norm", norm).float("clip", bound);
        }
        match rule {
            Update::Sgd { momentum, nesterov, decay } => launch
                .constant("MOMENTUM", u32::from(momentum != 0.0))
                .constant("NESTEROV", u32::from(nesterov))
                .float("momentum", momentum)
                .float("decay", decay),
            Update::RmsProp { rho, epsilon, decay } => {
                launch.float("momentum", rho).float("rest", rest(rho)).float("epsilon", epsilon).float("decay", decay)
            }
            Update::Adam { beta1, beta2, epsilon, decay, decoupled } => launch
                .constant("DECOUPLED", u32::from(decoupled))
                .float("momentum", beta1)
                .float("rest", rest(beta1))
                .float("log_beta1", log(beta1))
                .float("beta2", beta2)
                .float("rest2", rest(beta2))
                .float("log_beta2", log(beta2))
                .float("epsilon", epsilon)
                .float("decay", decay),
        }
    }

    pub(super) fn average(&self, decay: f32) -> Vec<Launch> {
        let rest = (1.0 - decimal(decay)) as f32;
        let part = |(offset, elements): (usize, usize)| {
            Launch::new("optimizer", "average")
                .bind("g", Operand::Part { arena: Arena::Parameters, offset, elements })
                .bind("m", Operand::Part { arena: Arena::Average, offset, elements })
                .size("fours", elements / 4)
                .float("decay", decay)
                .float("rest", rest)
                .over(elements / 4, 256)
        };
        self.parts(Arena::Parameters).into_iter().map(part).collect()
    }
}
