//! The numbers of a run over time: `metrics.csv` and `curves.svg`.

use std::io::Write;
use std::path::{Path, PathBuf};

use super::report::Validation;
use crate::plots::{Panel, draw};
use crate::{Error, Result, files};

/// Columns before those of the scores.
const COLUMNS: [&str; 4] = ["step", "loss", "lr", "seconds"];

/// One row: mean loss of the steps up to `step`, the learning rate there, and scores where the network was judged.
#[derive(Clone, Debug, PartialEq)]
pub struct MetricsRow {
    /// Updates done.
    pub step: u64,
    /// Mean loss since the row before.
    pub loss: f64,
    /// Learning rate of the last update.
    pub lr: f64,
    /// Seconds of training so far.
    pub seconds: f64,
    /// Scores, in the order of the table's columns.
    pub scores: Vec<f64>,
}

/// The table of a run, kept on disk row by row.
pub struct Metrics {
    path: PathBuf,
    columns: Vec<String>,
    rows: Vec<MetricsRow>,
}

impl Metrics {
    /// The table in `folder`, cut back to the rows up to `step`: none of it for a run that begins. A line that was torn or
    /// is none is left out. Nothing is written before [`Metrics::begin`].
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn read(folder: &Path, scores: &[&str], step: u64) -> Result<Self> {
        let mut columns: Vec<String> = COLUMNS.map(String::from).to_vec();
        for score in scores {
            let taken = columns.iter().any(|column| column == score);
            columns.push(if taken { format!("validation_{score}") } else { (*score).to_string() });
        }
        let mut metrics = Metrics { path: folder.join("metrics.csv"), columns, rows: Vec::new() };
        if step > 0 && metrics.path.exists() {
            let bytes = std::fs::read(&metrics.path).map_err(|e| Error::io(&metrics.path, e))?;
            let text = String::from_utf8_lossy(&bytes);
            // What follows the last end of a line was not written to its end.
            let whole = text.rsplit_once('\n').map_or("", |(whole, _)| whole);
            let rows = whole.lines().filter_map(|line| parse(line, scores.len()));
            for row in rows.filter(|row| row.step <= step) {
                // Steps done twice count once.
                metrics.rows.retain(|earlier| earlier.step < row.step);
                metrics.rows.push(row);
            }
        }
        Ok(metrics)
    }

    /// Writes the table as it was read.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn begin(&self) -> Result<()> {
        let lines = self.rows.iter().map(line);
        let text: String = std::iter::once(format!("{}\n", self.columns.join(","))).chain(lines).collect();
        files::replace(&self.path, text.as_bytes())
    }

    /// Adds a row, and waits until it is on the disk: a checkpoint that follows never knows more than the table.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn push(&mut self, row: MetricsRow) -> Result<()> {
        let fail = |e| Error::io(&self.path, e);
        let mut file = std::fs::OpenOptions::new().append(true).open(&self.path).map_err(fail)?;
        file.write_all(line(&row).as_bytes()).map_err(fail)?;
        file.sync_all().map_err(fail)?;
        self.rows.push(row);
        Ok(())
    }

    /// The last row.
    pub fn last(&self) -> Option<&MetricsRow> {
        self.rows.last()
    }

    /// Draws loss and deciding score over steps to `curves.svg` beside the table.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn draw(&self, last: Option<&Validation>) -> Result<()> {
        let path = self.path.with_file_name("curves.svg");
        let losses = self.rows.iter().map(|r| (r.step as f64, r.loss)).collect();
        let scores = self.rows.iter().filter_map(|r| Some((r.step as f64, *r.scores.first()?))).collect();
        let baseline = last.and_then(|v| v.baseline.first()).map(|(name, value)| (format!("bicubic {name}"), *value));
        let name = self.columns.get(COLUMNS.len()).map_or("", String::as_str);
        draw(
            &path,
            &[
                Panel { title: "training loss".into(), points: losses, ..Panel::over_steps() },
                Panel { title: format!("validation {name}"), points: scores, baseline, ..Panel::over_steps() },
            ],
        )
    }
}

fn line(row: &MetricsRow) -> String {
    let scores: Vec<String> = row.scores.iter().map(|s| format!("{s:.6}")).collect();
    format!("{},{:.6e},{:.6e},{:.2},{}\n", row.step, row.loss, row.lr, row.seconds, scores.join(","))
}

/// The row of a line, if it is one.
fn parse(line: &str, scores: usize) -> Option<MetricsRow> {
    let mut fields = line.split(',');
    let step = fields.next()?.parse().ok()?;
    let numbers: Vec<f64> = fields.map(|field| field.parse().ok()).collect::<Option<_>>()?;
    match numbers[..] {
        [loss, lr, seconds, ref rest @ ..] if rest.len() == scores => {
            Some(MetricsRow { step, loss, lr, seconds, scores: rest.to_vec() })
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(step: u64, loss: f64, score: f64) -> MetricsRow {
        MetricsRow { step, loss, lr: 1e-3, seconds: step as f64, scores: vec![score, loss] }
    }

    #[test]
    fn any_numbers_are_drawn_and_the_drawing_ends() {
        let folder = tempfile::tempdir().unwrap();
        let (inf, nan) = (f64::INFINITY, f64::NAN);
        let tiny = f64::from_bits(1.0f64.to_bits() + 1);
        let columns = [
            vec![],
            vec![inf],
            vec![nan, nan],
            vec![-inf, -inf, 3.0],
            vec![5.0, 5.0],
            vec![0.0; 3],
            vec![1.0, tiny],
            vec![1e300, -1e300],
            vec![1e-300, 2e-300],
            vec![1e14, 1e14 + 0.5],
            vec![-7e9; 2],
            vec![f64::MAX, f64::MIN],
        ];
        for values in columns {
            let mut metrics = Metrics::read(folder.path(), &["R2", "loss"], 0).unwrap();
            metrics.rows = values.iter().enumerate().map(|(i, &v)| row(i as u64 + 1, v, v)).collect();
            let first = values.first().copied().unwrap_or(inf);
            let baseline = vec![("R2".to_string(), first)];
            let last = Validation { step: 1, scores: baseline.clone(), baseline, best: false };
            metrics.draw(Some(&last)).unwrap();
            let svg = std::fs::read_to_string(folder.path().join("curves.svg")).unwrap();
            assert!(svg.contains("training loss") && svg.len() < 100_000, "{values:?}: {} bytes", svg.len());
        }
    }

    #[test]
    fn a_table_is_cut_back_and_torn_lines_are_left_out() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("metrics.csv");
        let mut metrics = Metrics::read(folder.path(), &["R2", "loss"], 0).unwrap();
        metrics.begin().unwrap();
        let rows: Vec<MetricsRow> = (1..=4).map(|step| row(10 * step, 0.5, 0.25)).collect();
        rows.iter().for_each(|row| metrics.push(row.clone()).unwrap());
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.starts_with("step,loss,lr,seconds,R2,validation_loss\n"), "{text}");
        let read = |step| Metrics::read(folder.path(), &["R2", "loss"], step).unwrap().rows;
        assert_eq!(read(40), rows);
        assert_eq!(read(25), rows[..2]);
        std::fs::write(&path, &text[..text.len() - 3]).unwrap();
        assert_eq!(read(40), rows[..3]);
        std::fs::write(&path, text.replace("\n20,", "\nx,").as_bytes()).unwrap();
        assert_eq!(read(40).len(), 3);
        std::fs::write(&path, [0xff, 0, b'\n', 7]).unwrap();
        assert!(read(40).is_empty());
    }
}
