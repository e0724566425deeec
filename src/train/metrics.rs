//! The numbers of a run over time: `metrics.csv` and `curves.svg`.

use std::io::Write;
use std::path::{Path, PathBuf};

use plotters::prelude::*;

use super::report::Validation;
use crate::{Error, Result, files};

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
    /// A table in `folder`; rows of an earlier run up to `step` are kept, later ones dropped.
    ///
    /// # Errors
    /// When the file cannot be read or written.
    pub fn open(folder: &Path, columns: &[&str], step: u64) -> Result<Self> {
        let path = folder.join("metrics.csv");
        let mut metrics = Metrics { path, columns: columns.iter().map(|c| c.to_string()).collect(), rows: Vec::new() };
        if step > 0 && metrics.path.exists() {
            let mut reader = csv::Reader::from_path(&metrics.path).map_err(|e| metrics.fault(&e.to_string()))?;
            for record in reader.records() {
                let record = record.map_err(|e| metrics.fault(&e.to_string()))?;
                let numbers: Vec<f64> = record.iter().filter_map(|v| v.parse().ok()).collect();
                let [at, loss, lr, seconds, ref scores @ ..] = numbers[..] else { continue };
                if at <= step as f64 {
                    metrics.rows.push(Row { step: at as u64, loss, lr, seconds, scores: scores.to_vec() });
                }
            }
        }
        metrics.write_all()?;
        Ok(metrics)
    }

    fn fault(&self, why: &str) -> Error {
        Error::input(format!("{}: {why}", self.path.display()))
    }

    fn write_all(&self) -> Result<()> {
        let mut text = format!("step,loss,lr,seconds,{}\n", self.columns.join(","));
        for row in &self.rows {
            text.push_str(&line(row));
        }
        files::replace(&self.path, text.as_bytes())
    }

    /// Adds a row.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn push(&mut self, row: Row) -> Result<()> {
        let fail = |e| Error::io(&self.path, e);
        let mut file = std::fs::OpenOptions::new().append(true).open(&self.path).map_err(fail)?;
        file.write_all(line(&row).as_bytes()).map_err(fail)?;
        self.rows.push(row);
        Ok(())
    }

    /// Seconds of training so far.
    pub fn seconds(&self) -> f64 {
        self.rows.last().map_or(0.0, |row| row.seconds)
    }

    /// Draws loss and deciding score over steps to `curves.svg` beside the table.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn draw(&self, last: Option<&Validation>) -> Result<()> {
        let path = self.path.with_file_name("curves.svg");
        let mut svg = String::new();
        self.chart(&mut svg, last).map_err(|e| Error::input(format!("{}: {e}", path.display())))?;
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
        let scores: Vec<(f64, f64)> = scores.filter(|(_, score)| score.is_finite()).collect();
        let baseline = last.and_then(|v| v.baseline.first()).map(|(name, value)| (format!("bicubic {name}"), *value));
        let name = self.columns.first().map_or("", String::as_str);
        panel(&right, &format!("validation {name}"), &scores, baseline)?;
        area.present()?;
        Ok(())
    }
}

fn line(row: &Row) -> String {
    let scores: Vec<String> = row.scores.iter().map(|s| format!("{s:.6}")).collect();
    format!("{},{:.6e},{:.6e},{:.2},{}\n", row.step, row.loss, row.lr, row.seconds, scores.join(","))
}

type Area<'a> = DrawingArea<SVGBackend<'a>, plotters::coord::Shift>;

fn panel(
    area: &Area<'_>,
    title: &str,
    points: &[(f64, f64)],
    baseline: Option<(String, f64)>,
) -> std::result::Result<(), Box<dyn std::error::Error>> {
    let values = points.iter().map(|p| p.1).chain(baseline.iter().map(|b| b.1));
    let (low, high) = values.fold((f64::MAX, f64::MIN), |(l, h), v| (l.min(v), h.max(v)));
    let (low, high) = if low < high { (low, high) } else { (low.min(0.0), low.max(0.0) + 1.0) };
    let margin = 0.05 * (high - low);
    let end = points.last().map_or(1.0, |p| p.0);
    let mut chart = ChartBuilder::on(area)
        .caption(title, ("sans-serif", 16))
        .margin(10)
        .x_label_area_size(30)
        .y_label_area_size(60)
        .build_cartesian_2d(0.0..end, low - margin..high + margin)?;
    chart.configure_mesh().x_desc("step").light_line_style(WHITE).draw()?;
    chart.draw_series(LineSeries::new(points.iter().copied(), &BLUE))?;
    if let Some((name, value)) = baseline {
        chart.draw_series(LineSeries::new([(0.0, value), (end, value)], &RED))?.label(name);
        chart.configure_series_labels().border_style(BLACK).draw()?;
    }
    Ok(())
}
