//! Losses and their derivatives.

use super::{Case, Draws, Family, Scale};
use crate::graph::{Loss, Op, TensorId};

/// Every loss on few and many elements, or its derivative, alone and beside the loss as in training.
pub(super) fn losses(derivative: bool, draws: &mut Draws) -> Vec<Case> {
    let of = |mut case: Case, loss: Loss, both: bool| {
        let ops = if both { vec![Op::Loss(loss), Op::LossGrad(loss)] } else { vec![Op::LossGrad(loss)] };
        let ops = if derivative { ops } else { vec![Op::Loss(loss)] };
        let operands: Vec<TensorId> = case.inputs.iter().map(|input| input.0).collect();
        for &op in &ops {
            let y = case.push(op, &operands);
            case.outputs.push(y);
        }
        let (value, gradient) = magnitudes(&case, loss);
        case.scale =
            Scale::Each(ops.iter().map(|op| if matches!(op, Op::Loss(_)) { value } else { gradient }).collect());
        case
    };
    let mut cases = Vec::new();
    let all =
        [Loss::Mse, Loss::Mae, Loss::Huber(0.5), Loss::Charbonnier(1e-3), Loss::Bce, Loss::BceWithLogits, Loss::Mean];
    for loss in all {
        for n in [draws.size(1, 50), draws.size(5000, 20000)] {
            let mut case = Case::new(Family::Loss, Scale::One, draws);
            let (mut x, mut t) = (draws.values(n), draws.values(n));
            match loss {
                Loss::Bce | Loss::BceWithLogits => t.iter_mut().for_each(|t| *t = f32::from(*t > 0.0)),
                Loss::Mse | Loss::Mae | Loss::Huber(_) | Loss::Charbonnier(_) | Loss::CrossEntropy(_) | Loss::Mean => {}
            }
            if loss == Loss::Bce {
                x.iter_mut().for_each(|x| *x = 1.0 / (1.0 + (-*x).exp()));
            }
            case.given(&[n], x);
            if loss != Loss::Mean {
                case.given(&[n], t);
            }
            cases.push(of(case, loss, n > 50 || draws.size(0, 1) == 0));
        }
    }
    for smoothing in [0.0, 0.1] {
        for (rows, most) in [(draws.size(1, 40), 120), (draws.size(4500, 6000), 12)] {
            let classes = draws.size(2, most);
            let mut case = Case::new(Family::Loss, Scale::One, draws);
            let values = draws.values(rows * classes).iter().map(|v| 5.0 * v).collect();
            case.given(&[rows, classes], values);
            let labels = (0..rows).map(|_| draws.size(0, classes - 1) as f32).collect();
            case.given(&[rows], labels);
            cases.push(of(case, Loss::CrossEntropy(smoothing), smoothing > 0.0));
        }
    }
    cases
}

/// What a loss and its derivative are differences of, which may all but cancel: logits, signed values; a probability and 0 or 1.
fn magnitudes(case: &Case, loss: Loss) -> (f64, f64) {
    let x = &case.inputs[0].1;
    let sizes = x.iter().map(|v| f64::from(v.abs()));
    let items = loss.items(case.graph.shape(case.inputs[0].0)) as f64;
    let share = f64::from(case.clocks[0].loss_scale) / items;
    match loss {
        Loss::CrossEntropy(_) => (sizes.fold(0.0, f64::max), share),
        Loss::Mean => (sizes.sum::<f64>() / items, share),
        Loss::BceWithLogits => (0.0, share),
        Loss::Mse | Loss::Mae | Loss::Huber(_) | Loss::Charbonnier(_) | Loss::Bce => (0.0, 0.0),
    }
}
