//! `loss.wgsl`: losses and their derivatives.

use super::{Launch, Lowering, Operand, scratch};
use crate::graph::Loss;

impl Lowering<'_> {
    pub(super) fn loss(&self, loss: Loss) -> Vec<Launch> {
        let items = loss.items(self.shape(0));
        let parts = items.div_ceil(4096).clamp(1, 256);
        let entry = if parts == 1 { "loss_all" } else { "loss_part" };
        let block = items.div_ceil(parts);
        let parts = items.div_ceil(block);
        let first = self.loss_launch(entry, loss).size("block", block);
        // A loss that only the ring takes has no place of its own: its slot may be the derivative's.
        let read = self.step.output.filter(|&y| self.plan.is_read(y));
        let into = |launch: Launch| {
            let launch = match self.step.output.and_then(|y| self.plan.term(y)) {
                None => launch.constant("TOLD", 0),
                Some(term) => {
                    let launch = launch.bind("ring", Operand::Ring);
                    launch.size("add", usize::from(!term.first)).float("share", term.share)
                }
            };
            read.into_iter().fold(launch, |launch, y| launch.tensor("y", y))
        };
        if parts == 1 {
            return vec![into(first)];
        }
        let last = into(Launch::new("loss", "loss_finish"))
            .bind("x", scratch(0, parts))
            .size("count", items)
            .size("parts", parts);
        vec![first.bind("y", scratch(0, parts)).groups([parts, 1, 1]), last]
    }

    pub(super) fn loss_grad(&self, loss: Loss) -> Vec<Launch> {
        vec![self.loss_launch("loss_grad", loss).tensor("dx", self.output()).over(loss.items(self.shape(0)), 64)]
    }

    fn loss_launch(&self, entry: &'static str, loss: Loss) -> Launch {
        let (kind, value) = loss.code();
        let launch = Launch::new("loss", entry)
            .constant("KIND", kind)
            .tensor("x", self.input(0))
            .size("count", loss.items(self.shape(0)))
            .size("classes", self.shape(0).columns())
            .float("value", value);
        self.step.inputs.get(1).into_iter().fold(launch, |launch, &t| launch.tensor("t", t))
    }
}
