//! The numbers of a run over time: `metrics.csv` and `curves.svg`.

use std::io::Write;
use std::path::{Path, PathBuf};

use plotters::prelude::*;

use super::report::Validation;
use crate::{Error, Result, files};

/// Columns before those of the scores.
const COLUMNS: [&str; 4] = ["step", "loss", "lr", "seconds"];

/// One row: mean loss of the steps up to `step`, the learning rate there, and scores where the network was judged.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
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
    rows: Vec<Row>,
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
    pub fn push(&mut self, row: Row) -> Result<()> {
        let fail = |e| Error::io(&self.path, e);
        let mut file = std::fs::OpenOptions::new().append(true).open(&self.path).map_err(fail)?;
        file.write_all(line(&row).as_bytes()).map_err(fail)?;
        file.sync_all().map_err(fail)?;
        self.rows.push(row);
        Ok(())
    }

    /// The last row.
    pub fn last(&self) -> Option<&Row> {
        self.rows.last()
    }

    /// Draws loss and deciding score over steps to `curves.svg` beside the table.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn draw(&self, last: Option<&Validation>) -> Result<()> {
        let path = self.path.with_file_name("curves.svg");
        let mut svg = String::new();
        self.chart(&mut svg, last).map_err(|e| Error::file(&path, e.to_string()))?;
        files::replace(&path, svg.as_bytes())
    }

    fn chart(
        &self,
        svg: &mut String,
        last: Option<&Validation>,
    ) -> std::result::Result<(), Box<dyn std::error::Error>> {
        let area = SVGBackend::with_string(svg, (900, 360)).into_drawing_area();
        area.fill(&WHITE)?;
        let (left, right) = area.split_horizontally(450);
        let losses: Vec<(f64, f64)> = self.rows.iter().map(|r| (r.step as f64, r.loss)).collect();
        panel(&left, "training loss", &losses, None)?;
        let scores = self.rows.iter().filter_map(|r| Some((r.step as f64, *r.scores.first()?)));
        let scores: Vec<(f64, f64)> = scores.collect();
        let baseline = last.and_then(|v| v.baseline.first()).map(|(name, value)| (format!("bicubic {name}"), *value));
        let name = self.columns.get(COLUMNS.len()).map_or("", String::as_str);
        panel(&right, &format!("validation {name}"), &scores, baseline)?;
        area.present()?;
        Ok(())
    }
}

fn line(row: &Row) -> String {
    let scores: Vec<String> = row.scores.iter().map(|s| format!("{s:.6}")).collect();
    format!("{},{:.6e},{:.6e},{:.2},{}\n", row.step, row.loss, row.lr, row.seconds, scores.join(","))
}

/// The row of a line, if it is one.
fn parse(line: &str, scores: usize) -> Option<Row> {
    let mut fields = line.split(',');
    let step = fields.next()?.parse().ok()?;
    let numbers: Vec<f64> = fields.map(|field| field.parse().ok()).collect::<Option<_>>()?;
    match numbers[..] {
        [loss, lr, seconds, ref rest @ ..] if rest.len() == scores => {
            Some(Row { step, loss, lr, seconds, scores: rest.to_vec() })
        }
        _ => None,
    }
}

/// Whether a value can stand on an axis.
fn drawable(value: f64) -> bool {
    value.abs() < 1e15
}

type Area<'a> = DrawingArea<SVGBackend<'a>, plotters::coord::Shift>;

fn panel(
    area: &Area<'_>,
    title: &str,
    points: &[(f64, f64)],
    baseline: Option<(String, f64)>,
) -> std::result::Result<(), Box<dyn std::error::Error>> {
    let points: Vec<(f64, f64)> = points.iter().copied().filter(|p| drawable(p.1)).collect();
    let baseline = baseline.filter(|(_, value)| drawable(*value));
    let values = points.iter().map(|p| p.1).chain(baseline.iter().map(|b| b.1));
    let range = values.fold(None, |range, v| {
        let (low, high) = range.unwrap_or((v, v));
        Some((v.min(low), v.max(high)))
    });
    let (low, high) = range.unwrap_or((0.0, 1.0));
    // Values that differ in their last digits alone are one line: an axis that told them apart would have no end of marks.
    let margin = (0.05 * (high - low)).max(1e-3 * high.abs().max(low.abs())).max(1e-9);
    let end = points.last().map_or(1.0, |p| p.0);
    let mut chart = ChartBuilder::on(area)
        .caption(title, ("sans-serif", 16))
        .margin(10)
        .x_label_area_size(30)
        .y_label_area_size(60)
        .build_cartesian_2d(0.0..end, low - margin..high + margin)?;
    chart.configure_mesh().x_desc("step").light_line_style(WHITE).draw()?;
    chart.draw_series(LineSeries::new(points, &BLUE))?;
    if let Some((name, value)) = baseline {
        chart.draw_series(LineSeries::new([(0.0, value), (end, value)], &RED))?.label(name);
        chart.configure_series_labels().border_style(BLACK).draw()?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(step: u64, loss: f64, score: f64) -> Row {
        Row { step, loss, lr: 1e-3, seconds: step as f64, scores: vec![score, loss] }
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
        let rows: Vec<Row> = (1..=4).map(|step| row(10 * step, 0.5, 0.25)).collect();
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
