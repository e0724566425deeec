//! First values of parameters.

use super::State;
use crate::graph::{Graph, Init, Layout, Parameter};
use crate::random::pcg4d;

/// Fourth word of the hash; keeps initial values apart from the draws of samples.
const INITIAL_STREAM: u32 = 0x494e_4954;

/// The state a network starts from: each value follows from the seed, the parameter's name and its index.
pub fn initial(graph: &Graph, layout: &Layout, seed: u32) -> State {
    let mut state = State::zeros(layout);
    for (parameter, segment) in graph.parameters.iter().zip(&layout.parameters) {
        let values = &mut state.parameters[segment.offset..][..segment.shape.len()];
        fill(values, parameter, seed);
    }
    for segment in &layout.statistics {
        // Mean 0, variance 1: batch normalisation does nothing before it has seen a batch.
        let columns = segment.shape.columns();
        state.statistics[segment.offset + columns..][..columns].fill(1.0);
    }
    state
}

fn fill(values: &mut [f32], parameter: &Parameter, seed: u32) {
    // FNV-1a: the name decides, so that a layer starts alike in networks that differ elsewhere.
    let name = parameter.name.bytes().fold(0x811c_9dc5u32, |h, b| (h ^ u32::from(b)).wrapping_mul(0x0100_0193));
    for (i, value) in values.iter_mut().enumerate() {
        let draw = pcg4d([i as u32, name, seed, INITIAL_STREAM]);
        *value = match parameter.init {
            Init::Constant(constant) => constant,
            Init::Uniform(bound) => (2.0 * unit(draw[0]) - 1.0) as f32 * bound,
            Init::Normal(deviation) => {
                // Box and Muller 1958.
                let radius = (-2.0 * unit(draw[0]).ln()).sqrt();
                (radius * (std::f64::consts::TAU * unit(draw[1])).cos()) as f32 * deviation
            }
        };
    }
}

/// Between 0 and 1, neither included.
fn unit(bits: u32) -> f64 {
    (f64::from(bits) + 0.5) / 4_294_967_296.0
}
