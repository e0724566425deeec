//! What a network of rows gets right and wrong, class by class or column by column.

use std::collections::BTreeMap;

use crate::data::Rows;
use crate::interface::{OutputSpec, Reading};

/// How often each class was taken for which.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Confusion {
    /// Names of the classes.
    pub names: Vec<String>,
    /// Rows by their class and the class that the network gives; of many classes few pairs occur.
    counts: BTreeMap<(usize, usize), usize>,
    /// By class: its rows, rows that are given it, and both.
    sums: Vec<[usize; 3]>,
}

/// The scores of one class; none where they are undefined, as the precision of a class that is never given.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ClassScores {
    /// Share of the rows that are given the class which are of it.
    pub precision: Option<f64>,
    /// Share of the rows of the class which are given it.
    pub recall: Option<f64>,
    /// The harmonic mean of both, 2 TP / (2 TP + FP + FN).
    pub f1: Option<f64>,
    /// Rows of the class.
    pub rows: usize,
}

impl Confusion {
    /// Counts the rows.
    pub fn new(rows: &Rows, spec: &OutputSpec, outputs: &[f32]) -> Self {
        let names = spec.classes().to_vec();
        let (mut counts, mut sums) = (BTreeMap::new(), vec![[0; 3]; names.len()]);
        let width = outputs.len() / rows.count().max(1);
        for (target, output) in rows.targets.iter().zip(outputs.chunks(width.max(1))) {
            let (is, given) = (*target as usize, spec.class(output));
            *counts.entry((is, given)).or_insert(0) += 1;
            sums[is][0] += 1;
            sums[given][1] += 1;
            sums[is][2] += usize::from(is == given);
        }
        Confusion { names, counts, sums }
    }

    /// The counts above zero: the class, the class that is given, and the rows.
    pub fn counts(&self) -> impl Iterator<Item = (&str, &str, usize)> {
        self.counts.iter().map(|(&(is, given), &rows)| (&*self.names[is], &*self.names[given], rows))
    }

    /// All counts, by the class and within it by the class that is given; none where there are more than `most` classes.
    pub fn matrix(&self, most: usize) -> Option<Vec<Vec<usize>>> {
        let count = self.names.len();
        if count > most {
            return None;
        }
        let mut matrix = vec![vec![0; count]; count];
        self.counts.iter().for_each(|(&(is, given), &rows)| matrix[is][given] = rows);
        Some(matrix)
    }

    /// The scores of a class.
    pub fn class(&self, class: usize) -> ClassScores {
        let [rows, given, right] = self.sums[class];
        let share = |part: usize, whole: usize| (whole > 0).then(|| part as f64 / whole as f64);
        let f1 = share(2 * right, rows + given);
        ClassScores { precision: share(right, given), recall: share(right, rows), f1, rows }
    }

    /// The most frequent class and its share: the accuracy of a network that always gives it. Of equals the first.
    pub fn constant(&self) -> (usize, f64) {
        let rows = |class: usize| self.sums[class][0];
        let most = (0..self.names.len()).fold(0, |best, class| if rows(class) > rows(best) { class } else { best });
        let all: usize = self.sums.iter().map(|[rows, ..]| rows).sum();
        (most, rows(most) as f64 / all.max(1) as f64)
    }
}

/// How far off the values of one column are, in the units of the data.
#[derive(Clone, Debug, PartialEq)]
pub struct ValueScores {
    /// Name of the column.
    pub name: String,
    /// Share of the variance that is explained, 1 - sum (t - y)^2 / sum (t - mean t)^2; 0 where all targets are equal, but 1 where
    /// they are met.
    pub r2: f64,
    /// Mean of |t - y|.
    pub mae: f64,
    /// Root of the mean of (t - y)^2.
    pub rmse: f64,
    /// The mean of the targets, the constant that R squared compares with.
    pub constant: f64,
    /// What [`ValueScores::mae`] is of the constant.
    pub constant_mae: f64,
    /// What [`ValueScores::rmse`] is of the constant.
    pub constant_rmse: f64,
}

/// The mean of R squared over the columns, each beside its own mean.
pub fn mean_r2(columns: &[ValueScores]) -> f64 {
    columns.iter().map(|column| column.r2).sum::<f64>() / columns.len().max(1) as f64
}

/// The scores of each column of values or probabilities.
pub fn value_scores(rows: &Rows, spec: &OutputSpec, outputs: &[f32]) -> Vec<ValueScores> {
    let (count, width) = (rows.count(), rows.target_width);
    let given: Vec<Vec<f64>> = outputs
        .chunks(width)
        .map(|output| match spec.read(output) {
            Reading::Classes(values) | Reading::Probabilities(values) | Reading::Values(values) => values,
        })
        .collect();
    let unit = |column: usize, target: f32| match spec {
        OutputSpec::Values { columns } => f64::from(target) * columns[column].deviation + columns[column].mean,
        _ => f64::from(target),
    };
    let column = |(column, name): (usize, &str)| {
        let targets: Vec<f64> = (0..count).map(|row| unit(column, rows.targets[row * width + column])).collect();
        let constant = targets.iter().sum::<f64>() / count as f64;
        let (mut sums, mut base) = ([0.0; 2], [0.0; 2]);
        for (target, given) in targets.iter().zip(&given) {
            let (error, plain) = ((target - given[column]).abs(), (target - constant).abs());
            sums = [sums[0] + error, sums[1] + error * error];
            base = [base[0] + plain, base[1] + plain * plain];
        }
        let mean = |sum: f64| sum / count as f64;
        ValueScores {
            name: name.to_string(),
            r2: if base[1] > 0.0 { 1.0 - sums[1] / base[1] } else { f64::from(u8::from(sums[1] == 0.0)) },
            mae: mean(sums[0]),
            rmse: mean(sums[1]).sqrt(),
            constant,
            constant_mae: mean(base[0]),
            constant_rmse: mean(base[1]).sqrt(),
        }
    };
    spec.columns().into_iter().enumerate().map(column).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::Samples;
    use crate::interface::{Scores, Value};

    fn rows(targets: &[f32], classes: Option<usize>) -> Rows {
        let features = Samples::Floats(vec![0.0; targets.len()]);
        Rows { features, width: 1, targets: targets.to_vec(), target_width: 1, classes }
    }

    #[test]
    fn confusion_by_hand() {
        let spec = OutputSpec::numbered(3, Scores::Logits);
        // Classes 0 0 0 1 1, given 0 1 0 1 1; the third class has no row and is never given.
        let given = [[1., 0., 0.], [0., 1., 0.], [1., 0., 0.], [0., 1., 0.], [0., 1., 0.]].concat();
        let confusion = Confusion::new(&rows(&[0., 0., 0., 1., 1.], Some(3)), &spec, &given);
        assert_eq!(confusion.matrix(3).unwrap(), [[2, 1, 0], [0, 2, 0], [0, 0, 0]]);
        assert_eq!(confusion.matrix(2), None);
        assert_eq!(confusion.counts().collect::<Vec<_>>(), [("0", "0", 2), ("0", "1", 1), ("1", "1", 2)]);
        let scores = |p, r, f, rows| ClassScores { precision: p, recall: r, f1: f, rows };
        assert_eq!(confusion.class(0), scores(Some(1.0), Some(2.0 / 3.0), Some(0.8), 3));
        assert_eq!(confusion.class(1), scores(Some(2.0 / 3.0), Some(1.0), Some(0.8), 2));
        assert_eq!(confusion.class(2), scores(None, None, None, 0));
        assert_eq!(confusion.constant(), (0, 0.6));
    }

    #[test]
    fn sixty_thousand_classes_take_little_memory() {
        let (spec, count) = (OutputSpec::numbered(60_000, Scores::Logits), 3);
        let given: Vec<f32> = (0..count * 60_000).map(|i| f32::from(u8::from(i % 60_000 == i / 60_000))).collect();
        let confusion = Confusion::new(&rows(&[0., 1., 7.], Some(60_000)), &spec, &given);
        assert_eq!(
            (confusion.counts().count(), confusion.class(1).f1, confusion.class(7).recall),
            (3, Some(1.0), Some(0.0))
        );
    }

    #[test]
    fn values_in_their_units_beside_a_constant() {
        let columns = vec![Value { name: "price".into(), mean: 100.0, deviation: 10.0 }];
        let spec = OutputSpec::Values { columns };
        // Targets 90, 100, 110; given 92, 100, 104.
        let scores = &value_scores(&rows(&[-1.0, 0.0, 1.0], None), &spec, &[-0.8, 0.0, 0.4])[0];
        let close = |a: f64, b: f64| assert!((a - b).abs() < 1e-5, "{a} is not {b}");
        close(scores.mae, 8.0 / 3.0);
        close(scores.rmse, (40.0f64 / 3.0).sqrt());
        close(scores.r2, 1.0 - 40.0 / 200.0);
        close(scores.constant, 100.0);
        close(scores.constant_mae, 20.0 / 3.0);
        close(scores.constant_rmse, (200.0f64 / 3.0).sqrt());
    }
}
