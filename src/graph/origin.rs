//! Which operators may read the resident dataset, and which need state: what shapes do not say.
//!
//! A store is bytes of any meaning; only the kernels that draw samples know how to read one. Executors rely on this.

use super::{Arena, DatasetBuffer, Op, Tensor, TensorSource};

/// Checks where an operator's operands come from.
///
/// # Errors
/// What does not fit, in words.
pub(super) fn check(op: Op, operands: &[&Tensor]) -> Result<(), String> {
    let source = |i: usize| operands.get(i).map(|t| t.source);
    let drawn = match op {
        Op::SampleRows { .. } => {
            let rows = matches!(source(0), Some(TensorSource::Dataset(store)) if store != DatasetBuffer::Table);
            rows.then_some(1).ok_or("rows are drawn from a store of the dataset")?
        }
        Op::SamplePatches { .. } => {
            let bytes = matches!(source(0), Some(TensorSource::Dataset(store)) if store.width() == 1);
            let pictures = bytes && operands[0].shape.rank() == 2;
            pictures.then_some(()).ok_or("patches are drawn from a store of bytes, [pixels, channels]")?;
            let index =
                source(1) == Some(TensorSource::Dataset(DatasetBuffer::Table)) && operands[1].shape.columns() == 5;
            index.then_some(2).ok_or("pictures are found by the dataset's table, five values a picture")?
        }
        Op::TrackStatistics { .. } => {
            let state = matches!(source(1), Some(TensorSource::State(Arena::Statistics, _)));
            state.then_some(0).ok_or("only running statistics can be tracked")?
        }
        Op::Update { clip, .. } => {
            let norm = usize::from(clip.is_some());
            let gradients = operands.len().saturating_sub(norm);
            let state = |t: &&Tensor| matches!(t.source, TensorSource::State(Arena::Gradients, _));
            let fits = gradients > 0 && operands[..gradients].iter().all(state);
            let fits = fits && operands[gradients..].iter().all(|t| t.shape.len() == 1);
            fits.then_some(0).ok_or("an update takes the gradients, and their norm where it clips")?
        }
        _ => 0,
    };
    match operands[drawn..].iter().find(|t| matches!(t.source, TensorSource::Dataset(_))) {
        Some(t) => Err(format!("`{}` is the dataset, from which samples have to be drawn first", t.name)),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use crate::graph::{DatasetBuffer, Graph, Op, Update};

    #[test]
    fn the_dataset_is_read_by_draws_alone_and_state_is_state() {
        let mut g = Graph::new();
        let x = g.input("x", &[4, 5]).unwrap();
        let bytes = g.dataset(DatasetBuffer::FeatureBytes, &[4, 5]).unwrap();
        let low = g.dataset(DatasetBuffer::Low, &[20, 3]).unwrap();
        let table = g.dataset(DatasetBuffer::Table, &[2, 5]).unwrap();
        let statistics = g.input("statistics", &[2, 5]).unwrap();
        let patches = Op::SamplePatches { batch: 2, patch: 2, scale: 1, high: false, first: 0 };
        for (op, operands) in [
            (Op::Add, vec![bytes, x]),
            (Op::SampleRows { batch: 2, first: 0 }, vec![x]),
            (Op::SampleRows { batch: 2, first: 0 }, vec![table]),
            (patches, vec![low, x]),
            (patches, vec![x, table]),
        ] {
            assert!(g.push(op, &operands).is_err(), "{op:?} of {operands:?}");
        }
        assert!(g.reshape(bytes, &[20]).is_err());
        assert!(g.push_effect(Op::TrackStatistics { momentum: 0.1 }, &[x, statistics]).is_err());
        let rule = Update::Sgd { momentum: 0.0, nesterov: false, decay: 0.0 };
        assert!(g.push_effect(Op::Update { rule, clip: None }, &[x]).is_err());
        assert!(g.push_effect(Op::Update { rule, clip: Some(1.0) }, &[]).is_err());
        assert!(g.push(Op::SampleRows { batch: 2, first: 0 }, &[bytes]).is_ok());
        assert!(g.push(patches, &[low, table]).is_ok());
    }
}
