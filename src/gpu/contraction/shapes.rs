//! The tile shape of every step of a plan.

use std::collections::BTreeMap;

use super::Tile;
use crate::graph::Plan;

/// A tile for each step of a plan that has one, and how many come from measurements.
#[derive(Clone, Debug)]
pub(in crate::internal::gpu) struct Shapes {
    pub(in crate::internal::gpu) tiles: Vec<Option<Tile>>,
    pub(in crate::internal::gpu) measured: usize,
}

impl Shapes {
    /// The same tile everywhere.
    pub(in crate::internal::gpu) fn all(plan: &Plan, tile: Tile) -> Shapes {
        Shapes { tiles: vec![Some(tile); plan.steps.len()], measured: 0 }
    }

    /// What suits each step.
    #[cfg(test)]
    pub(in crate::internal::gpu) fn none(plan: &Plan) -> Shapes {
        Shapes { tiles: vec![None; plan.steps.len()], measured: 0 }
    }

    /// The tile of a step, if it is a contraction that has one: small products have kernels without.
    pub(in crate::internal::gpu) fn of(&self, step: usize) -> Option<Tile> {
        self.tiles[step]
    }

    /// The tiles in words, if there are any.
    pub(in crate::internal::gpu) fn describe(&self) -> Option<String> {
        let mut counts: BTreeMap<String, usize> = BTreeMap::new();
        for tile in self.tiles.iter().flatten() {
            *counts.entry(tile.name()).or_default() += 1;
        }
        let parts: Vec<String> = counts.iter().map(|(tile, count)| format!("{count} x {tile}")).collect();
        let measured = match self.measured {
            0 => String::new(),
            n => format!("; {n} of {} by measurement", counts.values().sum::<usize>()),
        };
        (!parts.is_empty()).then(|| parts.join(", ") + &measured)
    }
}
