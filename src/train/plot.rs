//! Curves as SVG files.

use std::path::Path;

use plotters::prelude::*;

use crate::{Error, Result, files};

/// One diagram.
pub(super) struct Panel {
    pub(super) title: String,
    /// What is along the lower edge.
    pub(super) below: &'static str,
    /// The values there are logarithms to base 10, and are marked as what they are of.
    pub(super) logarithms: bool,
    /// Left end of the axis; that of the points when not given.
    pub(super) from: Option<f64>,
    pub(super) points: Vec<(f64, f64)>,
    /// A level to compare with, and its name.
    pub(super) baseline: Option<(String, f64)>,
}

impl Panel {
    /// An empty diagram over steps.
    pub(super) fn over_steps() -> Self {
        Panel {
            title: String::new(),
            below: "step",
            logarithms: false,
            from: Some(0.0),
            points: Vec::new(),
            baseline: None,
        }
    }
}

/// Draws diagrams side by side to a file.
///
/// # Errors
/// When the file cannot be written.
pub(super) fn draw(path: &Path, panels: &[Panel]) -> Result<()> {
    let mut svg = String::new();
    chart(&mut svg, panels).map_err(|e| Error::file(path, e.to_string()))?;
    files::replace(path, svg.as_bytes())
}

fn chart(svg: &mut String, panels: &[Panel]) -> std::result::Result<(), Box<dyn std::error::Error>> {
    let area = SVGBackend::with_string(svg, (450 * panels.len() as u32, 360)).into_drawing_area();
    area.fill(&WHITE)?;
    for (part, panel) in area.split_evenly((1, panels.len())).iter().zip(panels) {
        diagram(part, panel)?;
    }
    area.present()?;
    Ok(())
}

/// Whether a value can stand on an axis.
fn drawable(value: f64) -> bool {
    value.abs() < 1e15
}

type Area<'a> = DrawingArea<SVGBackend<'a>, plotters::coord::Shift>;

fn diagram(area: &Area<'_>, panel: &Panel) -> std::result::Result<(), Box<dyn std::error::Error>> {
    let points: Vec<(f64, f64)> = panel.points.iter().copied().filter(|p| drawable(p.1)).collect();
    let baseline = panel.baseline.as_ref().filter(|(_, value)| drawable(*value));
    let values = points.iter().map(|p| p.1).chain(baseline.iter().map(|b| b.1));
    let range = values.fold(None, |range, v| {
        let (low, high) = range.unwrap_or((v, v));
        Some((v.min(low), v.max(high)))
    });
    let (low, high) = range.unwrap_or((0.0, 1.0));
    // Values that differ in their last digits alone are one line: an axis that told them apart would have no end of marks.
    let margin = (0.05 * (high - low)).max(1e-3 * high.abs().max(low.abs())).max(1e-9);
    let from = panel.from.or(points.first().map(|p| p.0)).unwrap_or(0.0);
    let end = points.last().map_or(from + 1.0, |p| p.0).max(from + 1e-9);
    let mut chart = ChartBuilder::on(area)
        .caption(&panel.title, ("sans-serif", 16))
        .margin(10)
        .x_label_area_size(30)
        .y_label_area_size(60)
        .build_cartesian_2d(from..end, low - margin..high + margin)?;
    let mark = |x: &f64| if panel.logarithms { format!("{:.0e}", 10f64.powf(*x)) } else { format!("{x}") };
    chart.configure_mesh().x_desc(panel.below).x_label_formatter(&mark).light_line_style(WHITE).draw()?;
    chart.draw_series(LineSeries::new(points, &BLUE))?;
    if let Some((name, value)) = baseline {
        chart.draw_series(LineSeries::new([(from, *value), (end, *value)], &RED))?.label(name);
        chart.configure_series_labels().border_style(BLACK).draw()?;
    }
    Ok(())
}
