//! How a run stands: its best validations, and how long ago the best one was.

use serde::{Deserialize, Serialize};

/// The best validations of a run so far.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Standing {
    /// The best validations, the best first.
    pub best: Vec<Mark>,
    /// Validations since the best one.
    pub since: u64,
}

/// What a validation comes down to.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Mark {
    /// Updates done.
    pub step: u64,
    /// The deciding score; higher is better.
    pub score: f64,
    /// The loss, where one was computed: it decides between equal scores.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub loss: Option<f64>,
}

impl Mark {
    /// Whether it is better than another: by its score, at equal scores by its loss.
    pub fn beats(&self, other: &Mark) -> bool {
        let lower = self.loss.zip(other.loss).is_some_and(|(one, two)| one < two);
        self.score > other.score || (self.score == other.score && lower)
    }
}

impl Standing {
    /// As a checkpoint has it; earlier programs wrote the best score alone.
    pub(crate) fn read(standing: Option<&String>, best: Option<&String>) -> serde_json::Result<Self> {
        if let Some(text) = standing {
            return serde_json::from_str(text);
        }
        let score = best.and_then(|text| text.parse::<f64>().ok()).filter(|score| score.is_finite());
        let best = score.map(|score| Mark { step: 0, score, loss: None });
        Ok(Standing { best: best.into_iter().collect(), since: 0 })
    }

    /// The best score.
    pub fn score(&self) -> Option<f64> {
        self.best.first().map(|mark| mark.score)
    }

    /// Whether patience is at its end; there is no end of it where it is 0.
    pub(crate) fn is_stale(&self, patience: u64) -> bool {
        patience > 0 && self.since >= patience
    }

    /// Takes a validation in, and keeps the best `keep`. Returns its place among them from 0, or none: a score that is not
    /// finite has none. One that is not `due`, of a run that was interrupted, does not count against patience.
    pub(crate) fn enter(&mut self, mark: Mark, keep: usize, due: bool) -> Option<usize> {
        let place = self.best.iter().position(|other| mark.beats(other)).unwrap_or(self.best.len());
        let placed = mark.score.is_finite() && place < keep;
        if placed {
            self.best.insert(place, mark);
            self.best.truncate(keep);
        }
        self.since = if placed && place == 0 { 0 } else { self.since + u64::from(due) };
        placed.then_some(place)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_best_come_first_and_equal_scores_go_by_the_loss() {
        let mark = |step, score, loss| Mark { step, score, loss: Some(loss) };
        let mut standing = Standing::default();
        assert_eq!(standing.enter(mark(1, 0.5, 1.0), 2, true), Some(0));
        assert_eq!(standing.enter(mark(2, 0.5, 1.0), 2, true), Some(1), "the earlier of two equals stays first");
        assert_eq!(standing.enter(mark(3, 0.5, 0.9), 2, true), Some(0));
        assert_eq!(standing.enter(mark(4, 0.4, 0.1), 2, true), None);
        assert_eq!(standing.enter(mark(5, f64::INFINITY, 0.1), 2, true), None);
        assert_eq!(standing.enter(mark(6, 0.1, 0.1), 2, false), None);
        assert_eq!((standing.since, standing.best.len()), (2, 2));
        assert!(standing.is_stale(2) && !standing.is_stale(3) && !standing.is_stale(0));
        assert_eq!(standing.best.iter().map(|mark| mark.step).collect::<Vec<_>>(), [3, 1]);
        let mut none = Standing::default();
        assert_eq!(none.enter(mark(1, f64::NAN, 1.0), 3, true), None);
        assert!(none.score().is_none());
    }

    #[test]
    fn the_score_of_an_earlier_program_is_taken_over() {
        let read = |best: &str| Standing::read(None, Some(&best.to_string())).unwrap().score();
        assert_eq!((read("31.5"), read("NaN"), read("inf")), (Some(31.5), None, None));
    }
}
