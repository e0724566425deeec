//! The command line: one file per command, no mathematics.
//!
//! Results go to standard output, everything else to standard error; how commands end is decided here and nowhere else.

mod bench;
mod completions;
mod console;
mod devices;
mod doctor;
mod eval;
mod info;
mod interrupt;
mod log;
mod model;
mod output;
mod predict;
mod profile;
mod table;
mod train;
mod tune;
mod upscale;
mod verify;

use std::process::ExitCode;
use std::time::Duration;

use crate::device::{Device, Kernels, Tiles};
use crate::executor::Precision;
use crate::watch::Watch;
use crate::{Error, Result};
use clap::{Args, Parser, Subcommand};

use console::{Console, Style};

/// Environment variables.
const ENVIRONMENT: &str = "\
Environment:
  WGRAD_MEMORY  MiB that the program may use in all, where that is less than the machine or its container has
  WGRAD_CACHE   Folder for what is remembered of devices; empty remembers nothing";

/// Train neural networks and enlarge pictures on any GPU, or without one.
#[derive(Parser)]
#[command(name = "wgrad", version, arg_required_else_help = true, after_help = ENVIRONMENT)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
    #[command(flatten)]
    common: Common,
}

/// Options of every command.
#[derive(Args)]
struct Common {
    /// auto, cpu, an index of `wgrad devices`, a name or part of one, a place on the PCI bus (01:00.0), a kind (discrete,
    /// integrated) or an interface (vulkan, metal, dx12)
    #[arg(long, global = true, default_value = "auto", value_name = "DEVICE")]
    device: String,
    /// Take default tile shapes: measure none, and ignore those measured before. Results are the same
    #[arg(long, global = true)]
    no_tune: bool,
    /// What products and convolutions are computed in: f32, or mixed (also: f16), which rounds operands to f16 for a GPU's
    /// matrix units and sums in f32. A device that cannot works in f32 and says so
    #[arg(long, global = true, value_name = "f32|mixed", value_parser = precision)]
    precision: Option<Precision>,
    /// Longest wait for a GPU before it counts as hung; what follows from the work, and at least 5 seconds, when not given
    #[arg(long, global = true, value_name = "SECONDS", value_parser = seconds)]
    device_timeout: Option<Duration>,
    /// Check every tile and every training step against the CPU, not one now and then: as slow as the CPU
    #[arg(long, global = true)]
    paranoid: bool,
    /// Print results and errors only
    #[arg(long, short, global = true)]
    quiet: bool,
    /// Print what drivers and their loader say
    #[arg(long, global = true)]
    verbose: bool,
    /// How progress is shown on standard error
    #[arg(long, global = true, value_enum, default_value_t = Style::Auto)]
    progress: Style,
}

impl Common {
    /// How kernels are chosen, in f32.
    fn kernels(&self) -> Kernels {
        let tiles = if self.no_tune { Tiles::Default } else { Tiles::Measured };
        let alone = !self.is_auto();
        Kernels { tiles, watch: self.watch(), alone, paranoid: self.paranoid, ..Kernels::default() }
    }

    /// Whether nobody named a device.
    fn is_auto(&self) -> bool {
        self.device.trim().eq_ignore_ascii_case("auto")
    }

    /// The device that was asked for, in the precision asked for, when it computes known answers: nothing stands in for one
    /// that fails.
    fn find(&self) -> Result<Device> {
        let kernels = Kernels { alone: true, ..self.kernels() };
        let device = Device::find(&self.device)?.with_kernels(kernels);
        device.prove()?;
        device.with_precision(self.precision.unwrap_or_default())
    }

    /// How devices are waited for.
    fn watch(&self) -> Watch {
        Watch { limit: self.device_timeout, stop: Some(&interrupt::STOP), on_event: Some(console::on_event) }
    }
}

fn seconds(text: &str) -> std::result::Result<Duration, String> {
    let seconds = text.parse().ok().filter(|&seconds: &f64| seconds > 0.0);
    seconds.and_then(|s| Duration::try_from_secs_f64(s).ok()).ok_or_else(|| "a number of seconds above 0".into())
}

fn precision(word: &str) -> std::result::Result<Precision, String> {
    match word {
        "f32" => Ok(Precision::F32),
        "mixed" | "f16" => Ok(Precision::Mixed),
        _ => Err("f32 or mixed".into()),
    }
}

#[derive(Subcommand)]
enum Command {
    /// Train a network by a recipe; without one, the built-in quick start
    Train(train::Arguments),
    /// Enlarge pictures
    Upscale(upscale::Arguments),
    /// Score networks: PSNR and SSIM of enlargement, accuracy and loss of classifiers
    Eval(eval::Arguments),
    /// Classes or values for tables, IDX files and pictures
    Predict(predict::Arguments),
    /// List the devices of this machine
    Devices(devices::Arguments),
    /// Report everything about this machine that matters to GPUs, and try each
    Doctor(doctor::Arguments),
    /// Describe a checkpoint
    Info(info::Arguments),
    /// Time the same work on the CPU and on every adapter
    Bench(bench::Arguments),
    /// Time each step of a recipe's training step
    Profile(profile::Arguments),
    /// Find the fastest tile shapes of a GPU for workloads and recipes, and remember them
    Tune(tune::Arguments),
    /// Check every kernel of a device against the formulas in f64
    Verify(verify::Arguments),
    /// Print a completion script for a shell
    Completions(completions::Arguments),
}

/// How a command ended that was not an error as a whole.
enum Outcome {
    /// Everything was done.
    Done,
    /// Some inputs failed, as already said; the others were done.
    Partly,
    /// A person asked it to stop; what there was is saved.
    Interrupted,
}

/// Parses the arguments and does what they say.
pub fn run(commit: &str) -> ExitCode {
    let started = std::time::Instant::now();
    let Arguments { command, common } = Arguments::parse();
    let console = Console::new(common.progress, common.quiet);
    log::listen(common.verbose);
    let stated = crate::memory::check_stated();
    let outcome = stated.and_then(|_| match command {
        Command::Train(arguments) => train::run(arguments, &common, &console),
        Command::Upscale(arguments) => upscale::run(arguments, &common, &console),
        Command::Eval(arguments) => eval::run(arguments, &common, &console),
        Command::Predict(arguments) => predict::run(arguments, &common, &console),
        Command::Devices(arguments) => devices::run(&arguments),
        Command::Doctor(arguments) => doctor::run(&arguments, &common, &console, commit),
        Command::Info(arguments) => info::run(&arguments),
        Command::Bench(arguments) => bench::run(&arguments, &common, &console, started),
        Command::Profile(arguments) => profile::run(&arguments, &common, &console),
        Command::Tune(arguments) => tune::run(&arguments, &common, &console),
        Command::Verify(arguments) => verify::run(&arguments, &common, &console),
        Command::Completions(arguments) => completions::run(&arguments),
    });
    ExitCode::from(code(&outcome, &console))
}

/// The exit code: 0 all done, 1 some inputs or the work failed, 2 bad usage or input, 3 no usable device, 130
/// interrupted.
fn code(outcome: &Result<Outcome>, console: &Console) -> u8 {
    let error = match outcome {
        Ok(Outcome::Done) => return 0,
        Ok(Outcome::Partly) => return 1,
        Ok(Outcome::Interrupted) => return interrupt::CODE,
        // The reader has had enough (`| head`), which is no failure.
        Err(Error::Io { path, source })
            if source.kind() == std::io::ErrorKind::BrokenPipe && path.as_os_str() == output::NAME =>
        {
            return 0;
        }
        Err(error) => error,
    };
    console.error(&error.to_string());
    match error {
        Error::Input { .. } | Error::Io { .. } => 2,
        Error::Device { .. } => 3,
        Error::Interrupted { .. } => interrupt::CODE,
        // Execution, NonFinite, and what the library may add: the work began and failed.
        _ => 1,
    }
}
