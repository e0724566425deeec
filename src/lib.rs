//! Training of neural networks and image super-resolution with WGSL compute kernels, on any GPU or without one.
//!
//! ```text
//! Network (a declaration)  --build-->  Graph (shape-checked SSA)  --plan-->  Plan  -->  Executor: Cpu | Gpu
//!
//! dataset -> sample -> forward -> loss -> backward -> update -> metrics -> checkpoint
//! image -> tiles -> network -> image
//! ```
//!
//! From the top: [`run`] follows a [`Recipe`]; a [`Trainer`] is one network learning on one device; an [`Upscaler`] enlarges
//! pictures, a [`Predictor`] runs any network. Below: a [`graph::Graph`] is built from operators, [`graph::differentiate`] and
//! [`graph::optimize`] append to it, a [`graph::Plan`] lowers it, and an [`Executor`], which a [`Device`] opens, runs it.
//!
//! # A network of one's own, trained and used
//!
//! ```
//! use wgrad::graph::{Activation, Loss};
//! use wgrad::{Device, Network, Predictor, Resident, Setup, Trainer, lessons};
//!
//! # fn main() -> wgrad::Result<()> {
//! let network = Network::Mlp { sizes: vec![2, 32, 3], activation: Activation::Relu, dropout: 0.0 };
//! let data = Resident::Rows(lessons::spirals(1, 300, 3, 0.1));
//! # let device = Device::Cpu;
//! # /*
//! let device = Device::find("auto")?;
//! # */
//! let mut trainer = Trainer::on(&device, Setup::new(network.clone(), Loss::CrossEntropy(0.0)), &data)?;
//! trainer.advance(300, |_| 1e-2)?;
//! let mut predictor = Predictor::on(&device, &network, &trainer.weights()?)?;
//! let logits = predictor.run(1, [1, 1], &[0.3, -0.2])?;
//! assert_eq!(logits.len(), 3);
//! # Ok(())
//! # }
//! ```
//!
//! # A loss of one's own
//!
//! `log cosh (y - t)` and a little of the mean square, put together from operators; what is no loss stands for its mean.
//!
//! ```
//! use std::sync::Arc;
//! use wgrad::Device;
//! use wgrad::graph::{Activation, Graph, Init, Loss, Op, Options, Plan, StepParams, Update, WeightLayout};
//! use wgrad::graph::{differentiate, optimize};
//!
//! # fn main() -> wgrad::Result<()> {
//! let mut g = Graph::new();
//! let (x, t) = (g.input("x", &[4, 2])?, g.input("t", &[4, 1])?);
//! let w = g.parameter("w", &[2, 1], Init::Constant(0.1), WeightLayout::Linear)?;
//! let y = g.push(Op::MatMul { ta: false, tb: false }, &[x, w])?;
//! let minus = g.push(Op::Scale(-1.0), &[t])?;
//! let d = g.push(Op::Add, &[y, minus])?;
//! let back = g.push(Op::Scale(-1.0), &[d])?;
//! let (up, down) = (g.activate(d, Activation::Exp)?, g.activate(back, Activation::Exp)?);
//! let cosh = g.push(Op::Add, &[up, down])?;
//! let log_cosh = g.activate(cosh, Activation::Log)?;
//! let mse = g.push(Op::Loss(Loss::Mse), &[y, t])?;
//! differentiate(&mut g, [(log_cosh, 1.0), (mse, 0.1)], None, &[])?;
//! optimize(&mut g, Update::adam(), None, None)?;
//!
//! let mut executor = Device::Cpu.executor()?;
//! let plan = executor.load(Arc::new(Plan::new(&g, Options::default())?))?;
//! executor.write(plan, x, &[1.0, 0.0, 0.0, 1.0, 1.0, 1.0, 2.0, 1.0])?;
//! executor.write(plan, t, &[1.0, 2.0, 3.0, 4.0])?;
//! let steps: Vec<StepParams> = (1..=200).map(|step| StepParams { step, learning_rate: 0.05, ..StepParams::default() }).collect();
//! executor.run(plan, &steps)?;
//! let losses = executor.losses()?;
//! assert!(losses[199] < 0.7 && losses[0] > 2.0, "log 2 is the least that log(exp d + exp -d) can be");
//! # Ok(())
//! # }
//! ```
//!
//! # Pictures enlarged
//!
//! ```
//! use wgrad::{Device, Picture, UpscaleOptions, Upscaler, models};
//!
//! # fn main() -> wgrad::Result<()> {
//! let mut upscaler = Upscaler::new(&Device::Cpu, &models::find(Some("tiny"), Some(2))?, UpscaleOptions::default())?;
//! let large = upscaler.upscale(&Picture::from_rgb8(8, 6, &[127; 8 * 6 * 3])?, &mut |_, _| {})?.picture;
//! assert_eq!(large.to_rgb8().len(), 16 * 12 * 3);
//! # Ok(())
//! # }
//! ```
//!
//! # A run as `wgrad train` does it
//!
//! ```
//! use wgrad::{CancelToken, Device, Recipe, Silent};
//!
//! # fn main() -> wgrad::Result<()> {
//! let recipe = Recipe::parse(
//!     "steps = 200\n[network]\nkind = 'mlp'\nsizes = [2, 32, 3]\n[data]\nkind = 'spirals'\n[validate]\nevery = 200",
//!     "spirals",
//!     &[],
//! )?;
//! let folder = tempfile::tempdir().expect("a temporary folder");
//! let summary = wgrad::run(&recipe, &Device::Cpu, folder.path(), false, &CancelToken::new(), &mut Silent)?;
//! assert!(summary.best.is_some_and(|accuracy| accuracy > 0.5));
//! # Ok(())
//! # }
//! ```
//!
//! # Features
//!
//! `cli` (the command line), `models` (the weights that come with the program) and `plots` (diagrams of runs) are on by default;
//! `jxl` reads JPEG XL.

#![deny(missing_docs)]

mod error;
pub mod graph;

/// The rooms of the program. The command line, tests and benchmarks reach them here; no promise is made about them.
#[doc(hidden)]
#[path = ""]
pub mod internal {
    pub mod bench;
    pub mod checkpoint;
    #[cfg(feature = "cli")]
    pub mod cli;
    pub mod cpu;
    pub mod data;
    pub mod device;
    pub mod executor;
    pub mod files;
    pub mod gpu;
    pub mod image;
    pub mod interface;
    pub mod memory;
    pub mod models;
    pub mod network;
    pub mod plots;
    pub mod predict;
    pub mod random;
    pub mod ranges;
    pub mod train;
    pub mod tuned;
    pub mod upscale;
    pub mod verify;
    pub mod watch;
}

#[cfg(feature = "cli")]
use internal::{bench, cli};
use internal::{
    checkpoint, cpu, data, device, executor, files, gpu, image, interface, memory, network, plots, predict, ranges,
    train, tuned, upscale, verify, watch,
};

pub use error::{Error, Fault, Result};
pub use internal::checkpoint::{Checkpoint, FloatFormat};
pub use internal::cpu::Cpu;
pub use internal::data::{Raster, Rows, Samples, idx, lessons, procedural};
pub use internal::device::Device;
pub use internal::executor::{Executor, PlanId, Precision};
pub use internal::gpu::{AdapterInfo, AdapterKind, adapters};
pub use internal::image::score::{psnr, ssim};
pub use internal::image::{Picture, Plane, SaveOptions, colour, resize};
pub use internal::interface::{Interface, OutputSpec, Scores};
pub use internal::models;
pub use internal::network::{Layer, Network, Skip, Weights, initial};
pub use internal::predict::Predictor;
pub use internal::random;
pub use internal::train::{
    CancelToken, Curve, DataSpec, OptimizerSpec, Progress, Recipe, Report, Resident, Room, Schedule, Setup, Silent,
    Summary, Trainer, ValidateSpec, Validation, predict_rows, run,
};
pub use internal::upscale::{UpscaleOptions, Upscaled, Upscaler};

/// A program may hand these to another thread.
const _: fn() = || {
    fn is_send<T: Send>() {}
    is_send::<Trainer>();
    is_send::<Predictor>();
    is_send::<Upscaler>();
};

/// The README's program is one that compiles.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
