//! Finding adapters: which devices there are, by which ways each is reached, and what is hidden and why.

use std::sync::OnceLock;

/// An adapter as a person would choose it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AdapterInfo {
    /// Position in [`adapters`], those of [`ways`] behind them; `--device INDEX` takes it.
    pub index: usize,
    /// What the driver calls the device.
    pub name: String,
    /// The interface it is reached through: `vulkan`, `metal`, `dx12`.
    pub backend: String,
    /// What kind of device it is.
    pub kind: AdapterKind,
    /// Driver and its version; tuned shapes are remembered by it.
    pub driver: String,
    /// Where it is on the PCI bus, which tells equal cards apart: `0000:01:00.0`; empty where the driver does not say.
    pub pci: String,
    /// PCI numbers of vendor and device.
    pub ids: [u32; 2],
}

impl AdapterInfo {
    /// What errors call it: name, interface and driver, which a report of a failure needs.
    pub fn title(&self) -> String {
        // Some drivers say their name twice.
        let driver = self.driver.strip_prefix(&self.name).unwrap_or(&self.driver).trim();
        let driver = if driver.is_empty() { String::new() } else { format!(", {driver}") };
        format!("{} ({}{driver})", self.name, self.backend)
    }
}

/// Kinds of adapters, best first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum AdapterKind {
    /// A graphics card with memory of its own.
    Discrete,
    /// A GPU that shares the processor's memory.
    Integrated,
    /// A share of a GPU inside a virtual machine.
    Virtual,
    /// Unknown to the driver.
    Other,
    /// The processor posing as a GPU (llvmpipe, WARP): slower than the CPU executor.
    Software,
}

impl AdapterKind {
    fn of(kind: wgpu::DeviceType) -> Self {
        match kind {
            wgpu::DeviceType::DiscreteGpu => AdapterKind::Discrete,
            wgpu::DeviceType::IntegratedGpu => AdapterKind::Integrated,
            wgpu::DeviceType::VirtualGpu => AdapterKind::Virtual,
            wgpu::DeviceType::Other => AdapterKind::Other,
            wgpu::DeviceType::Cpu => AdapterKind::Software,
        }
    }

    /// The word for it.
    pub fn word(self) -> &'static str {
        match self {
            AdapterKind::Discrete => "discrete",
            AdapterKind::Integrated => "integrated",
            AdapterKind::Virtual => "virtual",
            AdapterKind::Other => "unknown",
            AdapterKind::Software => "software",
        }
    }
}

/// All devices of this machine, one entry each even where several interfaces reach it.
pub fn adapters() -> Vec<AdapterInfo> {
    let all = enumerate();
    (0..all.devices).map(|index| info(index, &all.adapters[index])).collect()
}

/// The other ways to a device, the next best first.
pub fn ways(device: &AdapterInfo) -> Vec<AdapterInfo> {
    let all = enumerate();
    let others = all.adapters.iter().enumerate().skip(all.devices);
    others.map(|(index, adapter)| info(index, adapter)).filter(|other| same(device, other)).collect()
}

/// Adapters that this machine has and this program does not use, each with the reason.
pub fn hidden() -> Vec<(AdapterInfo, String)> {
    let mut descriptor = wgpu::InstanceDescriptor::new_without_display_handle().with_env();
    let asked = descriptor.backends;
    descriptor.backends = wgpu::Backends::all();
    descriptor.flags |= wgpu::InstanceFlags::ALLOW_UNDERLYING_NONCOMPLIANT_ADAPTER;
    let every = pollster::block_on(wgpu::Instance::new(descriptor).enumerate_adapters(wgpu::Backends::all()));
    let known: Vec<AdapterInfo> = enumerate().adapters.iter().map(|adapter| info(0, adapter)).collect();
    let mut hidden = Vec::new();
    for adapter in every.iter().filter(|adapter| is_real(adapter)) {
        let found = info(0, adapter);
        if known.contains(&found) {
            continue;
        }
        let why = if !asked.contains(adapter.get_info().backend.into()) {
            format!("WGPU_BACKEND leaves {} out", found.backend)
        } else if !is_named(&found.name) {
            "it is not the one that WGPU_ADAPTER_NAME names".to_string()
        } else {
            "its driver does not conform; WGPU_ALLOW_UNDERLYING_NONCOMPLIANT_ADAPTER=1 allows it".to_string()
        };
        hidden.push((found, why));
    }
    hidden
}

/// Makes the loader of drivers say why it finds none, through the `log` crate.
pub fn ask_the_loader() {
    let mut descriptor = wgpu::InstanceDescriptor::new_without_display_handle().with_env();
    descriptor.flags |= wgpu::InstanceFlags::DEBUG;
    drop(wgpu::Instance::new(descriptor));
}

/// The version of its interface's conformance tests that an adapter's driver has passed, where the interface tells: Vulkan
/// does. `0.0.0.0` is a driver that has passed none.
pub fn conformance(index: usize) -> Option<String> {
    enumerate().adapters.get(index).and_then(passed)
}

/// By `VkPhysicalDeviceDriverProperties`.
#[cfg(any(windows, target_os = "linux"))]
fn passed(adapter: &wgpu::Adapter) -> Option<String> {
    // SAFETY: nothing of the adapter is destroyed, and its handles are used while it is borrowed.
    let adapter = unsafe { adapter.as_hal::<wgpu::hal::api::Vulkan>() }?;
    let (properties, instance) = (adapter.physical_device_capabilities(), adapter.shared_instance());
    let tells = properties.properties().api_version >= ash::vk::API_VERSION_1_2
        || properties.supports_extension(ash::khr::driver_properties::NAME);
    if instance.instance_api_version() < ash::vk::API_VERSION_1_1 || !tells {
        return None;
    }
    let mut driver = ash::vk::PhysicalDeviceDriverProperties::default();
    let mut all = ash::vk::PhysicalDeviceProperties2::default().push_next(&mut driver);
    // SAFETY: the physical device belongs to the instance, which has the function since version 1.1 of Vulkan, and the
    // device knows the structure that is asked for.
    unsafe { instance.raw_instance().get_physical_device_properties2(adapter.raw_physical_device(), &mut all) };
    let ash::vk::ConformanceVersion { major, minor, subminor, patch } = driver.conformance_version;
    Some(format!("{major}.{minor}.{subminor}.{patch}"))
}

#[cfg(not(any(windows, target_os = "linux")))]
fn passed(_: &wgpu::Adapter) -> Option<String> {
    None
}

pub(super) fn info(index: usize, adapter: &wgpu::Adapter) -> AdapterInfo {
    let info = adapter.get_info();
    AdapterInfo {
        index,
        name: info.name,
        backend: info.backend.to_string(),
        kind: AdapterKind::of(info.device_type),
        driver: format!("{} {}", info.driver, info.driver_info).trim().to_string(),
        pci: info.device_pci_bus_id,
        ids: [info.vendor, info.device],
    }
}

/// Whether two adapters are one device, reached by two interfaces.
fn same(a: &AdapterInfo, b: &AdapterInfo) -> bool {
    let placed = !a.pci.is_empty() && !b.pci.is_empty();
    a.backend != b.backend && if placed { a.pci == b.pci } else { a.name == b.name }
}

fn is_real(adapter: &wgpu::Adapter) -> bool {
    adapter.get_info().backend != wgpu::Backend::Noop
}

/// Whether `WGPU_ADAPTER_NAME` allows an adapter of this name.
fn is_named(name: &str) -> bool {
    let asked = std::env::var("WGPU_ADAPTER_NAME").unwrap_or_default().to_lowercase();
    name.to_lowercase().contains(&asked)
}

/// What there is.
pub(super) struct Listed {
    /// The first way to each device in a fixed order, then all other ways.
    pub(super) adapters: Vec<wgpu::Adapter>,
    /// How many devices these are.
    devices: usize,
}

/// Adapters in a fixed order. A device that several interfaces list is taken from the first of Metal, Vulkan, DX12; two
/// equal cards in one machine stay two.
pub(super) fn enumerate() -> &'static Listed {
    // Asked once: drivers take their time, and some print what they miss each time they are loaded.
    static ALL: OnceLock<Listed> = OnceLock::new();
    ALL.get_or_init(list)
}

fn list() -> Listed {
    let descriptor = wgpu::InstanceDescriptor::new_without_display_handle().with_env();
    let backends = descriptor.backends;
    let instance = wgpu::Instance::new(descriptor);
    let mut all = pollster::block_on(instance.enumerate_adapters(backends));
    let rank = |backend: wgpu::Backend| match backend {
        wgpu::Backend::Metal => 0,
        wgpu::Backend::Vulkan => 1,
        wgpu::Backend::Dx12 => 2,
        wgpu::Backend::BrowserWebGpu => 3,
        wgpu::Backend::Gl => 4,
        wgpu::Backend::Noop => 5,
    };
    all.retain(|adapter| is_real(adapter) && is_named(&adapter.get_info().name));
    all.sort_by_key(|a| rank(a.get_info().backend));
    let (mut adapters, mut others): (Vec<wgpu::Adapter>, Vec<wgpu::Adapter>) = (Vec::new(), Vec::new());
    for adapter in all {
        let found = info(0, &adapter);
        // An interface never lists a device twice: what it lists is another device, however equal.
        let known = adapters.iter().any(|first| same(&info(0, first), &found));
        if known { others.push(adapter) } else { adapters.push(adapter) }
    }
    adapters.sort_by_key(|a| AdapterKind::of(a.get_info().device_type));
    let devices = adapters.len();
    adapters.append(&mut others);
    Listed { adapters, devices }
}
