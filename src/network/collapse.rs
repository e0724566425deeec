//! Over-parameterised kernels, multiplied out for use.

use super::{Array, Mode, Network, Weights};
use crate::{Error, Result};

impl Network {
    /// The network for use, and its weights: kernels that were products while training become plain ones.
    ///
    /// # Errors
    /// When a weight is missing.
    pub fn collapse(&self, weights: &Weights) -> Result<(Network, Weights)> {
        let Network::Compact { expand, .. } = self else { return Ok((self.clone(), weights.clone())) };
        if *expand == 0 {
            return Ok((self.clone(), weights.clone()));
        }
        let mut plain = self.clone();
        if let Network::Compact { expand, .. } = &mut plain {
            *expand = 0;
        }
        let (graph, ..) = plain.graph(1, [8, 8], Mode::Infer)?;
        let mut collapsed = Weights::default();
        for parameter in &graph.parameters {
            let name = &parameter.name;
            let mut array = weights.get(name)?.clone();
            if let Some(layer) = name.strip_suffix(".weight") {
                let parts = (weights.find(&format!("{layer}.expand")), weights.find(&format!("{layer}.project")));
                if let (Some(wide), Some(narrow)) = parts {
                    add_product(&mut array, wide, narrow)
                        .ok_or_else(|| Error::input(format!("`{layer}`: base, expand and project do not fit")))?;
                }
            }
            collapsed.insert(name.clone(), array);
        }
        Ok((plain, collapsed))
    }
}

/// `base [o, i, k, k] += project [o, m] expand [m, i, k, k]`, in PyTorch's layouts, summed in f64.
fn add_product(base: &mut Array, wide: &Array, narrow: &Array) -> Option<()> {
    let ([o, rest @ ..], [m, rest2 @ ..], [o2, m2]) = (&base.shape[..], &wide.shape[..], &narrow.shape[..]) else {
        return None;
    };
    let plane: usize = rest.iter().product();
    if rest != rest2 || o != o2 || m != m2 {
        return None;
    }
    for (out, kernel) in base.values.chunks_mut(plane).enumerate() {
        for (i, value) in kernel.iter_mut().enumerate() {
            let products =
                (0..*m).map(|j| f64::from(narrow.values[out * m + j]) * f64::from(wide.values[j * plane + i]));
            *value = (f64::from(*value) + products.sum::<f64>()) as f32;
        }
    }
    Some(())
}
