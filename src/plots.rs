//! Diagrams as SVG files; without the feature `plots` none are drawn.

use std::path::Path;

use crate::Result;
#[cfg(feature = "plots")]
use crate::{Error, files};

/// One diagram.
#[cfg_attr(not(feature = "plots"), allow(dead_code, reason = "only diagrams read it"))]
pub(crate) struct Panel {
    pub(crate) title: String,
    /// What is along the lower edge.
    pub(crate) below: &'static str,
    /// The values there are logarithms to base 10, and are marked as what they are of.
    pub(crate) logarithms: bool,
    /// Left end of the axis; that of the points when not given.
    pub(crate) from: Option<f64>,
    pub(crate) points: Vec<(f64, f64)>,
    /// A level to compare with, and its name.
    pub(crate) baseline: Option<(String, f64)>,
}

impl Panel {
    /// An empty diagram over steps.
    pub(crate) fn over_steps() -> Self {
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
pub(crate) fn draw(path: &Path, panels: &[Panel]) -> Result<()> {
    save(path, |svg| svg::panels(svg, panels))
}

/// Draws bars of milliseconds on a logarithmic scale to a file: of each row its name and the median on every device.
///
/// # Errors
/// When the file cannot be written.
#[cfg(feature = "cli")]
pub(crate) fn draw_bars(path: &Path, rows: &[(String, Vec<Option<f64>>)], devices: &[String]) -> Result<()> {
    save(path, |svg| svg::bars(svg, rows, devices))
}

#[cfg(feature = "plots")]
fn save(path: &Path, draw: impl FnOnce(&mut String) -> svg::Drawn) -> Result<()> {
    let mut svg = String::new();
    draw(&mut svg).map_err(|e| Error::file(path, e.to_string()))?;
    files::replace(path, svg.as_bytes())
}

#[cfg(not(feature = "plots"))]
fn save(_: &Path, _: impl FnOnce(&mut String) -> svg::Drawn) -> Result<()> {
    Ok(())
}

#[cfg(not(feature = "plots"))]
mod svg {
    use super::Panel;

    pub(super) type Drawn = ();

    pub(super) fn panels(_: &mut String, _: &[Panel]) {}

    #[cfg(feature = "cli")]
    pub(super) fn bars(_: &mut String, _: &[(String, Vec<Option<f64>>)], _: &[String]) {}
}

#[cfg(feature = "plots")]
mod svg {
    use plotters::prelude::*;

    use super::Panel;

    /// What drawing comes to.
    pub(super) type Drawn = std::result::Result<(), Box<dyn std::error::Error>>;

    pub(super) fn panels(svg: &mut String, panels: &[Panel]) -> Drawn {
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

    fn diagram(area: &Area<'_>, panel: &Panel) -> Drawn {
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

    /// Bars of milliseconds on a logarithmic scale, a colour for each device: of each row its name and the median on every device.
    #[cfg(feature = "cli")]
    pub(super) fn bars(svg: &mut String, rows: &[(String, Vec<Option<f64>>)], devices: &[String]) -> Drawn {
        let medians = rows.iter().flat_map(|row| &row.1).filter_map(|median| *median);
        let (low, high) = medians.fold((f64::MAX, f64::MIN), |(l, h), m| (l.min(m), h.max(m)));
        {
            let area = SVGBackend::with_string(svg, (900, 60 + 40 * rows.len() as u32)).into_drawing_area();
            area.fill(&WHITE)?;
            let mut chart = ChartBuilder::on(&area)
                .margin(10)
                .x_label_area_size(30)
                .y_label_area_size(170)
                .build_cartesian_2d((low / 2.0..high * 2.0).log_scale(), 0.0..rows.len() as f64)?;
            let name = |y: &f64| rows.get(*y as usize).map_or(String::new(), |row| row.0.clone());
            chart
                .configure_mesh()
                .x_desc("milliseconds per step")
                .disable_y_mesh()
                .y_labels(rows.len())
                .y_label_formatter(&name)
                .draw()?;
            let height = 0.8 / devices.len() as f64;
            for (d, device) in devices.iter().enumerate() {
                let colour = Palette99::pick(d).filled();
                let bars = rows.iter().enumerate().filter_map(|(i, row)| {
                    let median = row.1[d]?;
                    let bottom = i as f64 + 0.1 + d as f64 * height;
                    Some(Rectangle::new([(low / 2.0, bottom), (median, bottom + height)], colour))
                });
                let legend = move |(x, y)| Rectangle::new([(x, y - 5), (x + 10, y + 5)], colour);
                chart.draw_series(bars)?.label(device).legend(legend);
            }
            chart.configure_series_labels().border_style(BLACK).background_style(WHITE).draw()?;
            area.present()?;
        }
        Ok(())
    }
}
