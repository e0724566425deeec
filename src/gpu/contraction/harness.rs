//! Runs launches of one step on their own, for tests: poisoned results, guard zones, no engine.

#[path = "../../../tests/suite/support/skip.rs"]
mod skip;

use std::collections::HashMap;

use super::super::device::{MATRIX_FEATURES, matrix_units};
use super::super::kernels::assemble;
use super::super::launch::{Launch, Operand, Scalar};
use super::{Class, MatrixUnit};
use crate::graph::{Plan, TensorId};

const GUARD: usize = 1024;
const MARK: f32 = 12345.5;

/// A device.
pub(super) struct Gpu {
    device: wgpu::Device,
    queue: wgpu::Queue,
    unit: Option<MatrixUnit>,
}

struct Kernel {
    pipeline: wgpu::ComputePipeline,
    groups: wgpu::BindGroup,
    size: [u32; 3],
}

impl Gpu {
    /// The first Vulkan, Metal or DX12 adapter; none means that the test is to be skipped, loudly.
    pub(super) fn open() -> Option<Gpu> {
        let instance = wgpu::Instance::new(wgpu::InstanceDescriptor::new_without_display_handle());
        let adapters = pollster::block_on(instance.enumerate_adapters(wgpu::Backends::all()));
        let Some(adapter) = adapters.into_iter().find(|a| a.get_info().backend != wgpu::Backend::Noop) else {
            skip::no_adapter();
            return None;
        };
        let descriptor = wgpu::DeviceDescriptor {
            required_limits: adapter.limits(),
            required_features: adapter.features() & MATRIX_FEATURES,
            // SAFETY: the feature is what some of these tests are for; they compare with a plain loop.
            experimental_features: unsafe { wgpu::ExperimentalFeatures::enabled() },
            ..Default::default()
        };
        let (device, queue) = pollster::block_on(adapter.request_device(&descriptor)).expect("the adapter opens");
        let unit = matrix_units(0).first().copied();
        let unit = unit.filter(|_| device.features().contains(MATRIX_FEATURES));
        Some(Gpu { device, queue, unit })
    }

    /// The device's matrix unit; none means that the test is to be skipped, loudly.
    pub(super) fn matrix(&self) -> Option<Class> {
        if self.unit.is_none() {
            skip::skip("the adapter has no matrix unit");
        }
        self.unit.map(Class::Matrix)
    }

    fn buffer(&self, values: &[f32]) -> wgpu::Buffer {
        let usage = wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_SRC | wgpu::BufferUsages::COPY_DST;
        let mut all = vec![MARK; values.len() + 2 * GUARD];
        all[GUARD..GUARD + values.len()].copy_from_slice(values);
        let buffer = self.device.create_buffer(&wgpu::BufferDescriptor {
            label: None,
            size: 4 * all.len() as u64,
            usage,
            mapped_at_creation: false,
        });
        self.queue.write_buffer(&buffer, 0, bytemuck::cast_slice(&all));
        buffer
    }

    fn kernel(&self, launch: &Launch, buffers: &HashMap<String, wgpu::Buffer>) -> Kernel {
        let source = assemble(launch.shader, &launch.constants).unwrap_or_else(|e| panic!("{e}"));
        let module = naga::front::wgsl::parse_str(&source).unwrap_or_else(|e| panic!("{}", e.emit_to_string(&source)));
        let mut entries = Vec::new();
        let mut layout = Vec::new();
        let mut uniform = None;
        for (_, variable) in module.global_variables.iter() {
            let Some(binding) = variable.binding else { continue };
            let name = variable.name.clone().unwrap();
            let (ty, buffer) = match variable.space {
                naga::AddressSpace::Storage { access } => {
                    let operand = launch.bindings.iter().find(|b| b.0 == name);
                    let (_, operand) = operand.unwrap_or_else(|| panic!("{}: `{name}` is not bound", launch.shader));
                    let read_only = !access.contains(naga::StorageAccess::STORE);
                    (wgpu::BufferBindingType::Storage { read_only }, buffers[&key(operand)].clone())
                }
                _ => {
                    let naga::TypeInner::Struct { members, .. } = &module.types[variable.ty].inner else { panic!() };
                    let mut bytes = vec![0u8; 128];
                    for (field, value) in &launch.params {
                        let at = members.iter().find(|m| m.name.as_deref() == Some(*field));
                        let at = at.unwrap_or_else(|| panic!("{} has no `{field}`", launch.shader)).offset as usize;
                        let bits = match *value {
                            Scalar::U32(v) => v,
                            Scalar::F32(v) => v.to_bits(),
                        };
                        bytes[at..at + 4].copy_from_slice(&bits.to_le_bytes());
                    }
                    let usage = wgpu::BufferUsages::UNIFORM | wgpu::BufferUsages::COPY_DST;
                    let buffer = self.device.create_buffer(&wgpu::BufferDescriptor {
                        label: None,
                        size: 128,
                        usage,
                        mapped_at_creation: false,
                    });
                    self.queue.write_buffer(&buffer, 0, &bytes);
                    uniform = Some(binding.binding);
                    (wgpu::BufferBindingType::Uniform, buffer)
                }
            };
            layout.push(wgpu::BindGroupLayoutEntry {
                binding: binding.binding,
                visibility: wgpu::ShaderStages::COMPUTE,
                ty: wgpu::BindingType::Buffer { ty, has_dynamic_offset: false, min_binding_size: None },
                count: None,
            });
            entries.push((binding.binding, buffer));
        }
        for (name, _) in &launch.bindings {
            let known = module.global_variables.iter().any(|(_, v)| v.name.as_deref() == Some(*name));
            assert!(known, "{}: no variable `{name}`", launch.shader);
        }
        let device = &self.device;
        let layout =
            device.create_bind_group_layout(&wgpu::BindGroupLayoutDescriptor { label: None, entries: &layout });
        let entries: Vec<_> = entries
            .iter()
            .map(|(binding, buffer)| {
                // Up to the end of the guard zone, so that the driver's own bounds hide nothing.
                let offset = if Some(*binding) == uniform { 0 } else { 4 * GUARD as u64 };
                let resource = wgpu::BindingResource::Buffer(wgpu::BufferBinding { buffer, offset, size: None });
                wgpu::BindGroupEntry { binding: *binding, resource }
            })
            .collect();
        let groups =
            device.create_bind_group(&wgpu::BindGroupDescriptor { label: None, layout: &layout, entries: &entries });
        // SAFETY: this is the point of the tests: the kernels keep to their buffers, which guard zones prove.
        let module = unsafe {
            device.create_shader_module_trusted(
                wgpu::ShaderModuleDescriptor { label: None, source: wgpu::ShaderSource::Wgsl(source.into()) },
                wgpu::ShaderRuntimeChecks::unchecked(),
            )
        };
        let layout = device.create_pipeline_layout(&wgpu::PipelineLayoutDescriptor {
            label: None,
            bind_group_layouts: &[Some(&layout)],
            immediate_size: 0,
        });
        let compilation_options =
            wgpu::PipelineCompilationOptions { zero_initialize_workgroup_memory: false, ..Default::default() };
        let pipeline = device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
            label: None,
            layout: Some(&layout),
            module: &module,
            entry_point: Some(launch.entry),
            compilation_options,
            cache: None,
        });
        Kernel { pipeline, groups, size: launch.groups }
    }

    fn prepare(
        &self,
        plan: &Plan,
        launches: &[Launch],
        inputs: &[(TensorId, Vec<f32>)],
    ) -> (HashMap<String, wgpu::Buffer>, Vec<Kernel>) {
        let mut buffers = HashMap::new();
        for (tensor, values) in inputs {
            buffers.insert(key(&Operand::Tensor(*tensor)), self.buffer(values));
        }
        for (_, operand) in launches.iter().flat_map(|l| &l.bindings) {
            let elements = match *operand {
                Operand::Tensor(t) => plan.shape(t).len(),
                Operand::Scratch { elements, .. } => elements,
                other => panic!("a contraction has no use for {other:?}"),
            };
            buffers.entry(key(operand)).or_insert_with(|| self.buffer(&vec![f32::NAN; elements]));
        }
        let kernels = launches.iter().map(|l| self.kernel(l, &buffers)).collect();
        (buffers, kernels)
    }

    fn submit(&self, kernels: &[Kernel]) {
        let mut encoder = self.device.create_command_encoder(&Default::default());
        let mut pass = encoder.begin_compute_pass(&Default::default());
        for kernel in kernels {
            pass.set_pipeline(&kernel.pipeline);
            pass.set_bind_group(0, &kernel.groups, &[]);
            pass.dispatch_workgroups(kernel.size[0], kernel.size[1], kernel.size[2]);
        }
        drop(pass);
        self.queue.submit([encoder.finish()]);
        self.device.poll(wgpu::PollType::Wait { submission_index: None, timeout: None }).expect("the device answers");
    }

    /// Runs launches once and returns the output; every buffer's guard zones must be whole.
    pub(super) fn run(
        &self,
        plan: &Plan,
        launches: &[Launch],
        inputs: &[(TensorId, Vec<f32>)],
        output: TensorId,
    ) -> Vec<f32> {
        let (buffers, kernels) = self.prepare(plan, launches, inputs);
        self.submit(&kernels);
        for (name, buffer) in &buffers {
            let all = self.read(buffer);
            let whole = all[..GUARD].iter().chain(&all[all.len() - GUARD..]).all(|&x| x == MARK);
            assert!(whole, "{name} was written past its ends");
        }
        let all = self.read(&buffers[&key(&Operand::Tensor(output))]);
        all[GUARD..all.len() - GUARD].to_vec()
    }

    fn read(&self, buffer: &wgpu::Buffer) -> Vec<f32> {
        let usage = wgpu::BufferUsages::MAP_READ | wgpu::BufferUsages::COPY_DST;
        let host = self.device.create_buffer(&wgpu::BufferDescriptor {
            label: None,
            size: buffer.size(),
            usage,
            mapped_at_creation: false,
        });
        let mut encoder = self.device.create_command_encoder(&Default::default());
        encoder.copy_buffer_to_buffer(buffer, 0, &host, 0, buffer.size());
        self.queue.submit([encoder.finish()]);
        host.map_async(wgpu::MapMode::Read, .., |result| result.expect("the buffer maps"));
        self.device.poll(wgpu::PollType::Wait { submission_index: None, timeout: None }).expect("the device answers");
        let view = host.get_mapped_range(..).expect("the buffer is mapped");
        bytemuck::pod_collect_to_vec(&view)
    }
}

fn key(operand: &Operand) -> String {
    match operand {
        Operand::Scratch { index, .. } => format!("scratch {index}"),
        other => format!("{other:?}"),
    }
}
