//! What the lessons share: arguments, a program on a device, and a line plot.

#![allow(dead_code)] // every lesson is a program of its own and uses a part of this

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result, anyhow};
use clap::Parser;
use plotters::prelude::*;
use wgrad::graph::{Arena, Graph, Options, Plan, StepParams};
use wgrad::{Device, Executor, PlanId, initial};

/// A lesson of the course in examples/README.md.
#[derive(Parser)]
pub struct Lesson {
    /// auto, cpu, the number of an adapter, or part of its name.
    #[arg(long, default_value = "auto")]
    device: String,
    /// A smaller run that proves the same.
    #[arg(long)]
    pub quick: bool,
    /// Folder for plots and pictures [default: runs/examples/LESSON]
    #[arg(long)]
    out: Option<PathBuf>,
}

impl Lesson {
    /// The device to learn on.
    pub fn device(&self) -> Result<Device> {
        let device = Device::find(&self.device)?;
        println!("device: {}\n", device.describe());
        Ok(device)
    }

    /// The device that was asked for, if one was.
    pub fn chosen(&self) -> Result<Option<Device>> {
        Ok(if self.device == "auto" { None } else { Some(Device::find(&self.device)?) })
    }

    /// The folder that the lesson's files go to.
    pub fn folder(&self, lesson: &str) -> Result<PathBuf> {
        let folder = self.out.clone().unwrap_or_else(|| Path::new("runs/examples").join(lesson));
        std::fs::create_dir_all(&folder).with_context(|| folder.display().to_string())?;
        Ok(folder)
    }

    /// One of two values: for the quick run, for the whole one.
    pub fn pick<T>(&self, quick: T, whole: T) -> T {
        if self.quick { quick } else { whole }
    }
}

/// Lets a lesson run twice: a training run refuses a folder that holds one, so the earlier lesson's checkpoint goes.
pub fn forget_run(folder: &Path) -> Result<()> {
    let path = folder.join("checkpoint.safetensors");
    if path.exists() {
        std::fs::remove_file(&path).with_context(|| path.display().to_string())?;
    }
    Ok(())
}

/// A graph, lowered and loaded, with initial weights.
pub struct Program {
    pub executor: Box<dyn Executor>,
    pub plan: Arc<Plan>,
    pub id: PlanId,
    step: u32,
}

impl Program {
    /// `graph -> plan -> device`; weights start as the graph declares, drawn from `seed`.
    pub fn load(device: &Device, graph: &Graph, seed: u32) -> Result<Self> {
        let plan = Arc::new(Plan::new(graph, Options::default())?);
        let mut executor = device.executor()?;
        let id = executor.load(plan.clone())?;
        if plan.arenas().contains(&Arena::Parameters) {
            executor.write_state(Arena::Parameters, &initial(graph, plan.layout(), seed).parameters)?;
        }
        Ok(Program { executor, plan, id, step: 0 })
    }

    /// Runs the plan `times` times.
    pub fn run(&mut self, times: u32, learning_rate: f32) -> Result<()> {
        let clock = |step| StepParams { step, learning_rate, loss_scale: 1.0, ..StepParams::default() };
        let clocks: Vec<StepParams> = (self.step + 1..=self.step + times).map(clock).collect();
        self.step += times;
        Ok(self.executor.run(self.id, &clocks)?)
    }
}

/// A curve: its name and its points.
pub type Curve = (String, Vec<(f64, f64)>);

/// Draws curves to an SVG file; `axes` names x and y.
pub fn plot(path: &Path, title: &str, axes: [&str; 2], curves: &[Curve]) -> Result<()> {
    draw(path, title, axes, curves).map_err(|e| anyhow!("{}: {e}", path.display()))?;
    println!("wrote {}", path.display());
    Ok(())
}

fn draw(path: &Path, title: &str, axes: [&str; 2], curves: &[Curve]) -> Result<(), Box<dyn std::error::Error>> {
    let bounds = |pick: fn(&(f64, f64)) -> f64| {
        let values = curves.iter().flat_map(|c| c.1.iter().map(pick)).filter(|v| v.is_finite());
        let (low, high) = values.fold((f64::MAX, f64::MIN), |(l, h), v| (l.min(v), h.max(v)));
        let margin = 0.03 * (high - low).max(1e-9);
        low - margin..high + margin
    };
    let area = SVGBackend::new(path, (800, 500)).into_drawing_area();
    area.fill(&WHITE)?;
    let mut chart = ChartBuilder::on(&area)
        .caption(title, ("sans-serif", 18))
        .margin(12)
        .x_label_area_size(40)
        .y_label_area_size(60)
        .build_cartesian_2d(bounds(|p| p.0), bounds(|p| p.1))?;
    chart.configure_mesh().x_desc(axes[0]).y_desc(axes[1]).light_line_style(WHITE).draw()?;
    for (i, (name, points)) in curves.iter().enumerate() {
        let colour = Palette99::pick(i).to_rgba();
        let line = LineSeries::new(points.iter().copied(), colour.stroke_width(2));
        chart
            .draw_series(line)?
            .label(name)
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 16, y)], colour.stroke_width(2)));
    }
    chart.configure_series_labels().background_style(WHITE.mix(0.8)).border_style(BLACK).draw()?;
    area.present()?;
    Ok(())
}
