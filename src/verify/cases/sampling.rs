//! What draws batches.

use super::{Case, Draws, Family, Scale};
use crate::data::PictureEntry;
use crate::graph::{DatasetBuffer, Op, StepParams};

pub(super) fn rows(draws: &mut Draws) -> Vec<Case> {
    use DatasetBuffer::{FeatureBytes, Features, Targets};
    let count = draws.size(300, 600);
    let (narrow, wide) = ([count, 5], [count, 301]);
    // Neighbours are drawn together where the second table is of floats.
    let tables: [&[(DatasetBuffer, &[usize])]; 2] = [
        &[(Features, &narrow), (FeatureBytes, &wide), (Targets, &[count])],
        &[(Features, &narrow), (Targets, &[count, 3])],
    ];
    tables.map(|stores| drawn(stores, count, draws)).into()
}

/// A batch of each of these tables.
fn drawn(stores: &[(DatasetBuffer, &[usize])], count: usize, draws: &mut Draws) -> Case {
    let mut case = Case::new(Family::Copy, Scale::One, draws);
    for &(store, shape) in stores {
        let len: usize = shape.iter().product();
        let bytes = match store.width() {
            1 => (0..len).map(|_| draws.word() as u8).collect(),
            _ => draws.values(len).iter().flat_map(|v| v.to_le_bytes()).collect(),
        };
        let table = case.graph.dataset(store, shape).expect("the operands of a case are tensors");
        let y = case.push(Op::SampleRows { batch: 130, first: 5 }, &[table]);
        case.stores.push((store, bytes));
        case.outputs.push(y);
    }
    // The batch ends in the next epoch.
    let (epoch, offset) = (draws.word(), count as u32 - 60);
    case.clocks[0] = StepParams { epoch, offset, count: count as u32, ..case.clocks[0] };
    case
}

pub(super) fn patches(draws: &mut Draws) -> Vec<Case> {
    let (scale, side, channels) = (draws.size(2, 4), draws.size(3, 6), draws.pick(&[1, 3]));
    let mut case = Case::new(Family::Copy, Scale::One, draws);
    let mut table: Vec<PictureEntry> = Vec::new();
    let (mut low, mut high) = (Vec::new(), Vec::new());
    for _ in 0..9 {
        let (width, height) = (draws.size(side, 30), draws.size(side, 30));
        let positions = ((width - side + 1) * (height - side + 1)) as u32;
        let end = table.last().map_or(0, |e| e.end) + positions;
        let (from, to) = (low.len() as u32, high.len() as u32);
        table.push(PictureEntry { end, width: width as u32, height: height as u32, low: from, high: to });
        let size = width * height * channels;
        low.extend((0..size).map(|_| draws.word() as u8));
        high.extend((0..size * scale * scale).map(|_| draws.word() as u8));
    }
    let index =
        case.graph.dataset(DatasetBuffer::Table, &[table.len(), 5]).expect("the operands of a case are tensors");
    for (store, len, scale, high) in
        [(DatasetBuffer::Low, low.len(), 1, false), (DatasetBuffer::High, high.len(), scale, true)]
    {
        let pixels =
            case.graph.dataset(store, &[len / channels, channels]).expect("the operands of a case are tensors");
        let y = case.push(Op::SamplePatches { batch: 33, patch: side, scale, high, first: 7 }, &[pixels, index]);
        case.outputs.push(y);
    }
    case.clocks[0].count = table.len() as u32;
    let index = bytemuck::cast_slice(&table).to_vec();
    case.stores = vec![(DatasetBuffer::Low, low), (DatasetBuffer::High, high), (DatasetBuffer::Table, index)];
    vec![case]
}
