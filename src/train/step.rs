//! The whole training step as a graph: sample, forward, loss, backward, update.

use super::{Resident, Setup};
use crate::Result;
use crate::data::{Pictures, Samples};
use crate::graph::{DatasetBuffer, Graph, Layout, Loss, Op, Options, Plan, TensorId, accumulate, optimize};
use crate::network::{Input, Mode, Network};

/// Elements that the stores have room for, as shards are swapped.
#[derive(Clone, Copy, Debug, Default)]
pub struct Room {
    /// Rows, or pictures.
    pub count: usize,
    /// Low-resolution bytes.
    pub low: usize,
    /// High-resolution bytes.
    pub high: usize,
}

impl Room {
    /// Room for some data, and no more.
    pub fn of(data: &Resident) -> Self {
        match data {
            Resident::Rows(rows) => Room { count: rows.count(), low: 0, high: 0 },
            Resident::Pictures(p) => Room { count: p.table.len(), low: p.low.len(), high: p.high.len() },
        }
    }

    /// Room for either.
    pub fn max(self, other: Room) -> Self {
        let Room { count, low, high } = other;
        Room { count: self.count.max(count), low: self.low.max(low), high: self.high.max(high) }
    }
}

/// The whole step as a graph: each part of the batch forward and backward, then the update.
pub(super) fn training_graph(setup: &Setup, data: &Resident, room: Room) -> Result<Graph> {
    let mut graph = Graph::new();
    let sources = Sources::new(&mut graph, setup, data, room)?;
    accumulate(&mut graph, setup.accumulate, |graph, part| {
        graph.layer("sample");
        let (x, t) = sources.draw(graph, setup.batch, part * setup.batch)?;
        let x = shaped(graph, &setup.network, x, setup.batch)?;
        let y = setup.network.build(graph, x, Mode::Train)?;
        graph.layer("loss");
        graph.push(Op::Loss(setup.loss), &[y, t])
    })?;
    optimize(&mut graph, setup.rule, setup.clip, setup.average)?;
    Ok(graph)
}

/// What batches are drawn from.
enum Sources {
    /// Features and targets.
    Rows([TensorId; 2]),
    /// The two stores and their table; side of a patch, and the scale between the stores.
    Pictures { low: TensorId, high: TensorId, table: TensorId, patch: usize, scale: usize },
}

impl Sources {
    fn new(graph: &mut Graph, setup: &Setup, data: &Resident, room: Room) -> Result<Self> {
        graph.layer("sample");
        Ok(match data {
            Resident::Rows(rows) => {
                let store = match rows.features {
                    Samples::Bytes(_) => DatasetBuffer::FeatureBytes,
                    Samples::Floats(_) => DatasetBuffer::Features,
                };
                let scalar = matches!(setup.loss, Loss::CrossEntropy(_));
                let shape = if scalar { vec![room.count] } else { vec![room.count, rows.target_width] };
                let features = graph.dataset(store, &[room.count, rows.width])?;
                Sources::Rows([features, graph.dataset(DatasetBuffer::Targets, &shape)?])
            }
            Resident::Pictures(pictures) => {
                let Pictures { scale, channels, patch, .. } = *pictures;
                let low = graph.dataset(DatasetBuffer::Low, &[room.low.div_ceil(channels), channels])?;
                let high = graph.dataset(DatasetBuffer::High, &[room.high.div_ceil(channels), channels])?;
                let table = graph.dataset(DatasetBuffer::Table, &[room.count, 5])?;
                Sources::Pictures { low, high, table, patch, scale }
            }
        })
    }

    /// Inputs and targets of `batch` samples, after the `first` ones of the step.
    fn draw(&self, graph: &mut Graph, batch: usize, first: usize) -> Result<(TensorId, TensorId)> {
        let [x, t] = match *self {
            Sources::Rows(tables) => tables.map(|table| graph.push(Op::SampleRows { batch, first }, &[table])),
            Sources::Pictures { low, high, table, patch, scale } => {
                [(low, 1, false), (high, scale, true)].map(|(store, scale, high)| {
                    graph.push(Op::SamplePatches { batch, patch, scale, high, first }, &[store, table])
                })
            }
        };
        Ok((x?, t?))
    }
}

/// Rows as the network wants them: as they are, or as pictures.
fn shaped(graph: &mut Graph, network: &Network, x: TensorId, batch: usize) -> Result<TensorId> {
    match network.input() {
        Input::Image([h, w, c]) => graph.reshape(x, &[batch, h, w, c]),
        Input::Rows(_) | Input::Picture { .. } => Ok(x),
    }
}

/// The layout of a network's state, for those who have no trainer.
///
/// # Errors
/// When the declaration does not fit together.
pub fn layout(network: &Network, mode: Mode) -> Result<(Graph, Layout)> {
    let (graph, ..) = network.graph(2, [16, 16], mode)?;
    let layout = Plan::new(&graph, Options::default())?.layout;
    Ok((graph, layout))
}
