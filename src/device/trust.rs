//! A device is trusted once it has computed known answers; what stands in for one that has not.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use super::find::candidates;
use super::{Device, Kernels};
use crate::executor::Precision;
use crate::gpu::{self, AdapterInfo, GpuOptions};
use crate::tuned::{self, Identity, Memory};
use crate::{Error, Result, files, verify};

/// Time that known answers may take: nobody should wait for them.
const BUDGET: Duration = Duration::from_millis(200);

/// A device that failed, and what goes on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// The device, as [`Device::describe`] has it.
    pub device: String,
    /// How it failed.
    pub why: String,
    /// What is done about it; empty where that is told apart.
    pub then: String,
}

impl Failure {
    /// A device that failed by an error.
    pub(crate) fn of(device: &Device, why: &Error, then: impl Into<String>) -> Self {
        Failure { device: device.describe(), why: why.to_string(), then: then.into() }
    }

    /// A device that failed by an error, and the one that goes on.
    pub(crate) fn over(device: &Device, why: &Error, next: &Device) -> Self {
        Failure::of(device, why, format!("going on with {}", next.describe()))
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.then.is_empty() {
            true => f.write_str(&self.why),
            false => write!(f, "{}; {}", self.why, self.then),
        }
    }
}

impl Device {
    /// Finds a device as [`Device::find`] does, opens it and has it compute known answers. Where `auto` was asked for, one
    /// that fails is on_note, and followed by the next: another interface to the same GPU, another GPU, the processor.
    ///
    /// # Errors
    /// When nothing fits the request; when the device that was named cannot be opened or computes wrong numbers; when the
    /// work was asked to stop.
    pub fn choose(request: &str, kernels: Kernels, on_note: &mut dyn FnMut(Failure)) -> Result<Device> {
        let mut all = candidates(request)?.into_iter().peekable();
        while let Some(device) = all.next() {
            let device = device.with_kernels(Kernels { precision: Precision::F32, ..kernels });
            match (device.prove(), all.peek()) {
                (Ok(()), _) => return Ok(device),
                (Err(error @ Error::Interrupted { .. }), _) => return Err(error),
                (Err(error), Some(next)) => on_note(Failure::over(&device, &error, next)),
                (Err(error), None) => return Err(error),
            }
        }
        Ok(Device::Cpu)
    }

    /// Opens the device and has it compute known answers, unless it did so before with this program and driver.
    ///
    /// # Errors
    /// [`Error::Device`] when it cannot be opened, fails or computes wrong numbers; [`Error::Interrupted`] when the work was
    /// asked to stop meanwhile.
    pub fn prove(&self) -> Result<()> {
        let Device::Gpu(adapter, kernels) = self else { return Ok(()) };
        gpu::prepare(adapter.index, kernels.precision)?;
        if Proof::of(adapter, kernels.precision).is_known() { Ok(()) } else { self.prove_anew() }
    }

    /// Opens the device and has it compute known answers, whatever it did before; one that fails is distrusted.
    ///
    /// # Errors
    /// As [`Device::prove`].
    pub fn prove_anew(&self) -> Result<()> {
        let Device::Gpu(adapter, kernels) = self else { return Ok(()) };
        let options = GpuOptions { precision: kernels.precision, watch: kernels.watch, ..GpuOptions::default() };
        let make = verify::on_gpu(adapter.index, options);
        let answered = verify::known_answers(&|| make(None), BUDGET);
        let named = |why: String| Error::device(why).on(&adapter.title());
        answered.map_err(|error| match error {
            Error::Interrupted { .. } => error,
            error => {
                self.distrust();
                match error {
                    Error::Device { why, .. } => named(why),
                    Error::Execution { step, message, .. } => named(format!("known answers: {step}: {message}")),
                    other => named(other.to_string()),
                }
            }
        })?;
        Proof::of(adapter, kernels.precision).keep();
        gpu::prepare(adapter.index, kernels.precision)
    }

    /// The device that goes on with the work of this one, which failed: what `auto` would take next, proven, in the same
    /// precision where it can. None where this one was chosen by hand, or is the processor. Those that fail in turn are
    /// told; this one is distrusted, unless the error says that it lacks what the work needs, which is no failure.
    pub fn instead(&self, error: &Error, on_note: &mut dyn FnMut(Failure)) -> Option<Device> {
        let Device::Gpu(adapter, kernels) = self else { return None };
        if !matches!(error, Error::Device { .. }) {
            self.distrust();
        }
        if kernels.alone {
            return None;
        }
        let all = candidates("auto").unwrap_or_else(|_| vec![Device::Cpu]);
        let here = |device: &Device| matches!(device, Device::Gpu(other, _) if other.index == adapter.index);
        // One that `auto` does not take, such as a driver on the processor, has the processor behind it.
        let behind = all.iter().position(here).map_or(all.len() - 1, |at| at + 1);
        for device in all.into_iter().skip(behind) {
            let device = device.with_kernels(Kernels { precision: Precision::F32, ..*kernels });
            match device.prove() {
                Ok(()) => return Some(device.clone().with_precision(kernels.precision).unwrap_or(device)),
                Err(error) => on_note(Failure::of(&device, &error, "")),
            }
        }
        None
    }

    /// Passes a result on; after an error that says that the device failed, it is distrusted.
    ///
    /// # Errors
    /// That of the result.
    pub fn heed<T>(&self, result: Result<T>) -> Result<T> {
        result.inspect_err(|error| {
            if error.fault().is_some() {
                self.distrust()
            }
        })
    }

    /// Forgets what is remembered of a device that failed: it has to compute known answers again before it is trusted, and
    /// what was measured on it may be as wrong.
    pub fn distrust(&self) {
        let Device::Gpu(adapter, kernels) = self else { return };
        Proof::of(adapter, kernels.precision).forget();
        // That the file stays costs time at most.
        let _ = Memory::open(tuned::folder().as_deref(), adapter.identity()).forget();
    }
}

/// That a device computed known answers, for this program and this driver: a file in the user's cache.
struct Proof {
    identity: Identity,
    path: Option<PathBuf>,
}

impl Proof {
    fn of(adapter: &AdapterInfo, precision: Precision) -> Proof {
        let mut identity = adapter.identity();
        if precision == Precision::Mixed {
            identity.adapter.push_str(", mixed");
        }
        let path = tuned::folder().map(|folder| folder.with_file_name("answers").join(identity.file()));
        Proof { identity, path }
    }

    /// Whether it did. A file that is missing, damaged or of another driver says no.
    fn is_known(&self) -> bool {
        let text = self.path.as_ref().and_then(|path| std::fs::read_to_string(path).ok());
        text.and_then(|text| toml::from_str::<Identity>(&text).ok()).is_some_and(|known| known == self.identity)
    }

    /// Forgets it: the device failed since.
    fn forget(&self) {
        if let Some(path) = &self.path {
            let _ = std::fs::remove_file(path);
        }
    }

    /// Remembers it; that it cannot be written costs the time of the next proof.
    fn keep(&self) {
        let Some(path) = &self.path else { return };
        if let (Some(folder), Ok(text)) = (path.parent(), toml::to_string(&self.identity)) {
            let _ = std::fs::create_dir_all(folder).is_ok() && files::replace(path, text.as_bytes()).is_ok();
        }
    }
}
