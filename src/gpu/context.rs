//! The open device with its creation helpers: everything that is made is counted.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use rayon::prelude::*;

use super::adapters::{AdapterInfo, AdapterKind};
use super::device;
use super::guard::guarded;
use super::health::{Expected, Health};
use super::kernels::assemble;
use super::launch::Launch;
use super::options::{FaultInjection, GpuOptions};
use super::reflect::{EntryPoint, reflect};
use crate::watch::Event;
use crate::{Error, Result};

/// A compiled entry point with what is known of it.
pub(super) struct Pipeline {
    pub(super) entry: EntryPoint,
    pub(super) layout: wgpu::BindGroupLayout,
    pub(super) pipeline: wgpu::ComputePipeline,
    /// Whether it was submitted before: some drivers compile when it is for the first time.
    ran: AtomicBool,
}

impl Pipeline {
    /// Whether this is the first time that it is submitted.
    pub(super) fn is_fresh(&self) -> bool {
        !self.ran.swap(true, Ordering::Relaxed)
    }
}

/// What makes two launches share a pipeline.
type Key = (&'static str, &'static str, Vec<(&'static str, u32)>);

/// An open device.
pub(super) struct Context {
    pub(super) device: wgpu::Device,
    pub(super) queue: wgpu::Queue,
    pub(super) info: AdapterInfo,
    pub(super) options: GpuOptions,
    pub(super) clock_layout: wgpu::BindGroupLayout,
    pub(super) health: Health,
    pipelines: HashMap<Key, Arc<Pipeline>>,
    /// Buffers, bind groups and pipelines made so far.
    created: AtomicUsize,
}

impl Context {
    pub(super) fn open(index: usize, options: GpuOptions) -> Result<Self> {
        let opened = device::open(index, &options)?;
        let entry = wgpu::BindGroupLayoutEntry {
            binding: 0,
            visibility: wgpu::ShaderStages::COMPUTE,
            ty: wgpu::BindingType::Buffer {
                ty: wgpu::BufferBindingType::Uniform,
                has_dynamic_offset: false,
                min_binding_size: None,
            },
            count: None,
        };
        let descriptor = wgpu::BindGroupLayoutDescriptor { label: Some("clock"), entries: &[entry] };
        let clock_layout = opened.device.create_bind_group_layout(&descriptor);
        let device::Opened { device, queue, info, health } = opened;
        let (pipelines, created) = (HashMap::new(), AtomicUsize::new(0));
        Ok(Context { device, queue, info, options, clock_layout, health, pipelines, created })
    }

    /// Buffers, bind groups and pipelines made so far.
    pub(super) fn created(&self) -> usize {
        self.created.load(Ordering::Relaxed)
    }

    /// Most bytes that one storage binding may have.
    pub(super) fn binding_limit(&self) -> u64 {
        let limits = self.device.limits();
        limits.max_storage_buffer_binding_size.min(limits.max_buffer_size)
    }

    /// A buffer of `bytes`, rounded up to 16 so that kernels may read and write whole fours of floats.
    pub(super) fn buffer(&self, label: &str, bytes: u64, usage: wgpu::BufferUsages) -> Result<wgpu::Buffer> {
        let size = bytes.max(16).next_multiple_of(16);
        let limit = self.device.limits().max_buffer_size;
        if size > limit {
            let message = format!(
                "`{label}` needs {}; this device has at most {} in one buffer; {REMEDY}",
                mib(size),
                mib(limit)
            );
            return Err(Error::device(message).on(&self.info.name));
        }
        self.created.fetch_add(1, Ordering::Relaxed);
        let memory = self.device.push_error_scope(wgpu::ErrorFilter::OutOfMemory);
        let buffer = self.device.create_buffer(&wgpu::BufferDescriptor {
            label: Some(label),
            size,
            usage,
            mapped_at_creation: false,
        });
        match pollster::block_on(memory.pop()) {
            None => Ok(buffer),
            Some(_) => {
                let why = format!("no {} left for `{label}`; {REMEDY}", mib(size));
                Err(Error::device(why).on(&self.info.name))
            }
        }
    }

    /// A bind group.
    pub(super) fn bind_group(
        &self,
        label: &str,
        layout: &wgpu::BindGroupLayout,
        entries: &[wgpu::BindGroupEntry<'_>],
    ) -> wgpu::BindGroup {
        self.created.fetch_add(1, Ordering::Relaxed);
        self.device.create_bind_group(&wgpu::BindGroupDescriptor { label: Some(label), layout, entries })
    }

    /// Pipelines of all launches; what is missing is made in parallel.
    pub(super) fn pipelines(&mut self, launches: &[Launch]) -> Result<Vec<Arc<Pipeline>>> {
        let key = |l: &Launch| -> Key { (l.shader, l.entry, l.constants.clone()) };
        let mut missing: Vec<Key> = launches.iter().map(key).filter(|k| !self.pipelines.contains_key(k)).collect();
        missing.sort();
        missing.dedup();
        let progress = Compiling { all: missing.len(), ready: AtomicUsize::new(0), told: Mutex::new(Instant::now()) };
        let make = |key: Key| {
            let made = self.compile(&key)?;
            progress.ready(self);
            Ok((key, Arc::new(made)))
        };
        let made: Vec<Result<(Key, Arc<Pipeline>)>> = missing.into_par_iter().map(make).collect();
        // All that can be made is kept before the first that cannot is told.
        let mut failed = None;
        for pair in made {
            match pair {
                Ok((key, pipeline)) => drop(self.pipelines.insert(key, pipeline)),
                Err(error) => drop(failed.get_or_insert(error)),
            }
        }
        if let Some(error) = failed {
            return Err(error);
        }
        Ok(launches.iter().map(|l| self.pipelines[&key(l)].clone()).collect())
    }

    /// Does something whose pipelines are not wanted afterwards.
    pub(super) fn apart<T>(&mut self, work: impl FnOnce(&mut Context) -> T) -> T {
        let kept = self.pipelines.clone();
        let done = work(self);
        self.pipelines = kept;
        done
    }

    fn compile(&self, (shader, entry, constants): &Key) -> Result<Pipeline> {
        let fail = |message: String| {
            let step = format!("kernel {shader}::{entry}");
            Error::faulty(step, message, self.health.fault()).on(&self.info.title())
        };
        let mut source = assemble(shader, constants).map_err(fail)?;
        let here = |plant: &&FaultInjection| plant.shader.is_empty() || plant.shader == *shader;
        if let Some(plant) = self.options.plant.as_ref().filter(here) {
            source = source.replace(&plant.from, &plant.to);
        }
        let points = reflect(&source).map_err(fail)?;
        let known = points.into_iter().find(|p| p.name == *entry);
        let point = known.ok_or_else(|| fail("no such entry point".into()))?;
        self.fits(&format!("{shader}::{entry}"), &point)?;
        let scope = self.device.push_error_scope(wgpu::ErrorFilter::Validation);
        let internal = self.device.push_error_scope(wgpu::ErrorFilter::Internal);
        // What compilers do not know yet may panic.
        let made = guarded(|| self.build(&source, point));
        let errors = [pollster::block_on(internal.pop()), pollster::block_on(scope.pop())];
        if let Some(error) = errors.into_iter().flatten().next() {
            return Err(fail(error.to_string()));
        }
        let made = made.map_err(fail)?;
        // A device that is lost meanwhile tells no scope.
        self.check(&format!("kernel {shader}::{entry}"))?;
        Ok(made)
    }

    fn fits(&self, kernel: &str, point: &EntryPoint) -> Result<()> {
        let limits = self.device.limits();
        let (buffers, have) = (point.bindings.len(), limits.max_storage_buffers_per_shader_stage as usize);
        let invocations: u32 = point.workgroup.iter().product();
        let most = limits.max_compute_invocations_per_workgroup;
        if buffers > have {
            let why = format!("the kernel {kernel} needs {buffers} storage buffers; this device binds {have}");
            return Err(Error::device(format!("{why}; use another device or `--device cpu`")).on(&self.info.name));
        }
        if invocations > most {
            let why = format!("the kernel {kernel} runs {invocations} invocations abreast; this device allows {most}");
            return Err(Error::device(format!("{why}; use another device or `--device cpu`")).on(&self.info.name));
        }
        Ok(())
    }

    fn build(&self, source: &str, entry: EntryPoint) -> Pipeline {
        self.created.fetch_add(1, Ordering::Relaxed);
        let descriptor =
            wgpu::ShaderModuleDescriptor { label: Some(&entry.name), source: wgpu::ShaderSource::Wgsl(source.into()) };
        let module = if self.options.checked {
            self.device.create_shader_module(descriptor)
        } else {
            // SAFETY: the text is this crate's own, never a user's. Every kernel bounds its indices by parameters that
            // the lowering derives from the shapes of the tensors it binds, loops over finite ranges, and the tests
            // run each with guard zones behind its buffers.
            unsafe { self.device.create_shader_module_trusted(descriptor, wgpu::ShaderRuntimeChecks::unchecked()) }
        };
        let buffer = |binding: u32, ty: wgpu::BufferBindingType| wgpu::BindGroupLayoutEntry {
            binding,
            visibility: wgpu::ShaderStages::COMPUTE,
            ty: wgpu::BindingType::Buffer { ty, has_dynamic_offset: false, min_binding_size: None },
            count: None,
        };
        let storage = |writes: bool| wgpu::BufferBindingType::Storage { read_only: !writes };
        let mut entries: Vec<_> = entry.bindings.iter().map(|b| buffer(b.index, storage(b.writes))).collect();
        let uniforms = entry.params.iter().map(|p| p.index).chain(entry.part);
        entries.extend(uniforms.map(|index| buffer(index, wgpu::BufferBindingType::Uniform)));
        let descriptor = wgpu::BindGroupLayoutDescriptor { label: Some(&entry.name), entries: &entries };
        let layout = self.device.create_bind_group_layout(&descriptor);
        let groups = [Some(&layout), entry.clock.then_some(&self.clock_layout)];
        let pipeline_layout = self.device.create_pipeline_layout(&wgpu::PipelineLayoutDescriptor {
            label: Some(&entry.name),
            bind_group_layouts: &groups[..1 + usize::from(entry.clock)],
            immediate_size: 0,
        });
        let pipeline = self.device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
            label: Some(&entry.name),
            layout: Some(&pipeline_layout),
            module: &module,
            entry_point: Some(&entry.name),
            compilation_options: wgpu::PipelineCompilationOptions {
                zero_initialize_workgroup_memory: self.options.checked,
                ..Default::default()
            },
            cache: None,
        });
        Pipeline { entry, layout, pipeline, ran: AtomicBool::new(false) }
    }

    /// Seconds that a dispatch may take. Watchdogs wait for two, and the estimate is of a slow device; on the processor
    /// there is none.
    pub(super) fn dispatch_limit(&self) -> f64 {
        let usual = if self.info.kind == AdapterKind::Software { f64::INFINITY } else { 0.5 };
        self.options.dispatch.map_or(usual, |limit| limit.as_secs_f64())
    }

    /// Work that the device does in a second, in the units of a launch's weight: less than it can, so that what is
    /// estimated by it takes no longer than that.
    pub(super) fn rate(&self) -> f64 {
        match self.info.kind {
            AdapterKind::Software => 1e9,
            AdapterKind::Virtual | AdapterKind::Other => 1e10,
            AdapterKind::Integrated => 2e10,
            AdapterKind::Discrete => 1e11,
        }
    }

    /// Copies bytes from a buffer that allows it to the host, behind all that was submitted.
    pub(super) fn download(&self, from: &wgpu::Buffer, offset: u64, bytes: u64, what: &str) -> Result<Vec<u8>> {
        self.download_after(from, offset, bytes, what, Expected::default())
    }

    /// As `download`, behind work that nobody has waited for yet.
    pub(super) fn download_after(
        &self,
        from: &wgpu::Buffer,
        offset: u64,
        bytes: u64,
        what: &str,
        expected: Expected,
    ) -> Result<Vec<u8>> {
        let usage = wgpu::BufferUsages::MAP_READ | wgpu::BufferUsages::COPY_DST;
        // In pieces, so that reading large state needs little memory beside it.
        let piece = bytes.clamp(4, 64 << 20);
        let staging = self.buffer("staging", piece, usage)?;
        let mut all = Vec::with_capacity(bytes as usize);
        while (all.len() as u64) < bytes {
            let at = all.len() as u64;
            let len = piece.min(bytes - at);
            let mut encoder = self.device.create_command_encoder(&Default::default());
            encoder.copy_buffer_to_buffer(from, offset + at, &staging, 0, len);
            let index = self.queue.submit([encoder.finish()]);
            staging.slice(..len).map_async(wgpu::MapMode::Read, |_| {});
            self.wait(Some(index), what, expected)?;
            let view = staging.slice(..len).get_mapped_range();
            let view = view.map_err(|e| Error::execution(what, e.to_string()).on(&self.info.title()))?;
            all.extend_from_slice(&view);
            drop(view);
            staging.unmap();
        }
        Ok(all)
    }
}

/// How far kernels are that are compiled together.
struct Compiling {
    all: usize,
    ready: AtomicUsize,
    /// When it was told last.
    told: Mutex<Instant>,
}

impl Compiling {
    /// Time between two reports; what takes less nobody needs to hear.
    const REPORT: Duration = Duration::from_secs(2);

    /// Another one is ready.
    fn ready(&self, context: &Context) {
        let done = self.ready.fetch_add(1, Ordering::Relaxed) + 1;
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        if told.elapsed() >= Self::REPORT && done < self.all {
            *told = Instant::now();
            context.options.watch.tell(&Event::Compiling { device: context.info.name.clone(), done, all: self.all });
        }
    }
}

/// What a person can do about too little memory.
pub(super) const REMEDY: &str = "lower the batch or patch size, the network's width, or use `--device cpu`";

/// Bytes in the unit people compare them in.
pub(super) fn mib(bytes: u64) -> String {
    format!("{:.1} MiB", bytes as f64 / (1024.0 * 1024.0))
}
