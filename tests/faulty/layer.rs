//! A Vulkan layer that makes a driver fail on purpose, loaded beneath the program by the tests of `tests/faults.rs`.
//!
//! `FAULT=kind:n,value` says how; calls are counted from 1 and the fault begins at the nth.
//!
//! | kind | what happens |
//! |---|---|
//! | `lost`, `once` | submissions report a lost device, from the nth on, or the nth alone |
//! | `waitlost` | waits report a lost device |
//! | `hang` | what was submitted is never done |
//! | `submitoom`, `oomlate`, `oom` | no memory: at submissions, at allocations from the nth on, for those of n MiB or more |
//! | `nodevice` | the device cannot be opened: initialisation (1), memory (2), lost (3), feature (4) |
//! | `nopipe` | pipelines cannot be made: unknown error (value 0), host memory (1), lost (2) |
//! | `drop`, `half` | dispatches are swallowed, or run half of their workgroups |
//! | `map` | memory cannot be mapped |
//!
//! `PRETEND` makes a software adapter a discrete one, so that the program takes it by itself.
#![cfg(target_os = "linux")]
#![allow(unsafe_op_in_unsafe_fn, reason = "every function here is the C interface of Vulkan's loader")]

use std::collections::BTreeMap;
use std::ffi::{CStr, c_char, c_void};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, OnceLock};
use std::time::Duration;

use ash::vk;

/// What `FAULT` says.
struct Fault {
    kind: String,
    n: u64,
    value: u64,
}

fn fault() -> &'static Fault {
    static FAULT: OnceLock<Fault> = OnceLock::new();
    FAULT.get_or_init(|| {
        let text = std::env::var("FAULT").unwrap_or_default();
        let (kind, rest) = text.split_once(':').unwrap_or((&text, "0"));
        let (n, value) = rest.split_once(',').unwrap_or((rest, "0"));
        Fault { kind: kind.into(), n: n.parse().unwrap_or(0), value: value.parse().unwrap_or(0) }
    })
}

static CALLS: AtomicU64 = AtomicU64::new(0);
static TRIPPED: AtomicBool = AtomicBool::new(false);

fn is(kind: &str) -> bool {
    fault().kind == kind
}

/// Whether this call, one more of those that the fault counts, fails.
fn hit() -> bool {
    CALLS.fetch_add(1, Ordering::SeqCst) + 1 >= fault().n
}

fn hangs() -> bool {
    is("hang") && TRIPPED.load(Ordering::SeqCst)
}

fn nap(nanoseconds: u64) {
    std::thread::sleep(Duration::from_nanos(nanoseconds).min(Duration::from_secs(3600)));
}

/// The way to the functions of the next layer or the driver.
struct Next {
    instance: vk::Instance,
    instance_proc: vk::PFN_vkGetInstanceProcAddr,
    device_proc: OnceLock<vk::PFN_vkGetDeviceProcAddr>,
}

static NEXT: OnceLock<Next> = OnceLock::new();

/// Functions found so far. A driver's functions serve all its devices, so they are found when the first is made.
static FOUND: Mutex<BTreeMap<&CStr, usize>> = Mutex::new(BTreeMap::new());

/// Finds a function, in the device where there is one.
unsafe fn find(name: &'static CStr, device: vk::Device) {
    let next = NEXT.get().expect("an instance is made first");
    let of_device = next.device_proc.get().and_then(|get| get(device, name.as_ptr()));
    let found = of_device.or_else(|| (next.instance_proc)(next.instance, name.as_ptr()));
    if let Some(found) = found {
        FOUND.lock().expect("nobody panics with it").entry(name).or_insert(found as usize);
    }
}

/// The next function of a name.
///
/// # Safety
/// `F` is the type of that function.
unsafe fn next<F: Copy>(name: &'static CStr) -> F {
    let found = FOUND.lock().expect("nobody panics with it").get(name).copied();
    std::mem::transmute_copy(&found.expect("the driver has the function"))
}

unsafe extern "system" fn queue_submit(
    queue: vk::Queue,
    count: u32,
    submits: *const vk::SubmitInfo<'_>,
    fence: vk::Fence,
) -> vk::Result {
    if is("lost") && hit() || is("once") && hit() && !TRIPPED.swap(true, Ordering::SeqCst) {
        return vk::Result::ERROR_DEVICE_LOST;
    }
    if is("submitoom") && hit() {
        return vk::Result::ERROR_OUT_OF_DEVICE_MEMORY;
    }
    if is("hang") && hit() {
        TRIPPED.store(true, Ordering::SeqCst);
    }
    next::<vk::PFN_vkQueueSubmit>(c"vkQueueSubmit")(queue, count, submits, fence)
}

unsafe extern "system" fn wait_semaphores(
    device: vk::Device,
    info: *const vk::SemaphoreWaitInfo<'_>,
    timeout: u64,
) -> vk::Result {
    if hangs() {
        nap(timeout);
        return vk::Result::TIMEOUT;
    }
    if is("waitlost") && hit() {
        return vk::Result::ERROR_DEVICE_LOST;
    }
    next::<vk::PFN_vkWaitSemaphores>(c"vkWaitSemaphores")(device, info, timeout)
}

unsafe extern "system" fn semaphore_value(device: vk::Device, semaphore: vk::Semaphore, value: *mut u64) -> vk::Result {
    if hangs() {
        *value = 0;
        return vk::Result::SUCCESS;
    }
    next::<vk::PFN_vkGetSemaphoreCounterValue>(c"vkGetSemaphoreCounterValue")(device, semaphore, value)
}

unsafe extern "system" fn wait_fences(
    device: vk::Device,
    count: u32,
    fences: *const vk::Fence,
    all: vk::Bool32,
    timeout: u64,
) -> vk::Result {
    if hangs() {
        nap(timeout);
        return vk::Result::TIMEOUT;
    }
    if is("waitlost") && hit() {
        return vk::Result::ERROR_DEVICE_LOST;
    }
    next::<vk::PFN_vkWaitForFences>(c"vkWaitForFences")(device, count, fences, all, timeout)
}

unsafe extern "system" fn fence_status(device: vk::Device, fence: vk::Fence) -> vk::Result {
    if hangs() {
        return vk::Result::NOT_READY;
    }
    next::<vk::PFN_vkGetFenceStatus>(c"vkGetFenceStatus")(device, fence)
}

unsafe extern "system" fn allocate_memory(
    device: vk::Device,
    info: *const vk::MemoryAllocateInfo<'_>,
    allocator: *const vk::AllocationCallbacks<'_>,
    memory: *mut vk::DeviceMemory,
) -> vk::Result {
    if is("oomlate") && hit() || is("oom") && (*info).allocation_size >> 20 >= fault().n {
        return vk::Result::ERROR_OUT_OF_DEVICE_MEMORY;
    }
    next::<vk::PFN_vkAllocateMemory>(c"vkAllocateMemory")(device, info, allocator, memory)
}

unsafe extern "system" fn create_compute_pipelines(
    device: vk::Device,
    cache: vk::PipelineCache,
    count: u32,
    infos: *const vk::ComputePipelineCreateInfo<'_>,
    allocator: *const vk::AllocationCallbacks<'_>,
    pipelines: *mut vk::Pipeline,
) -> vk::Result {
    if is("nopipe") && hit() {
        return match fault().value {
            1 => vk::Result::ERROR_OUT_OF_HOST_MEMORY,
            2 => vk::Result::ERROR_DEVICE_LOST,
            _ => vk::Result::ERROR_UNKNOWN,
        };
    }
    let create = next::<vk::PFN_vkCreateComputePipelines>(c"vkCreateComputePipelines");
    create(device, cache, count, infos, allocator, pipelines)
}

unsafe extern "system" fn cmd_dispatch(commands: vk::CommandBuffer, x: u32, y: u32, z: u32) {
    if is("drop") && hit() {
        return;
    }
    let x = if is("half") && hit() && x > 1 { x / 2 } else { x };
    next::<vk::PFN_vkCmdDispatch>(c"vkCmdDispatch")(commands, x, y, z);
}

unsafe extern "system" fn map_memory(
    device: vk::Device,
    memory: vk::DeviceMemory,
    offset: vk::DeviceSize,
    size: vk::DeviceSize,
    flags: vk::MemoryMapFlags,
    data: *mut *mut c_void,
) -> vk::Result {
    if is("map") && hit() {
        return vk::Result::ERROR_MEMORY_MAP_FAILED;
    }
    next::<vk::PFN_vkMapMemory>(c"vkMapMemory")(device, memory, offset, size, flags, data)
}

fn pretend(properties: &mut vk::PhysicalDeviceProperties) {
    if std::env::var_os("PRETEND").is_some() {
        properties.device_type = vk::PhysicalDeviceType::DISCRETE_GPU;
    }
}

unsafe extern "system" fn properties(device: vk::PhysicalDevice, properties: *mut vk::PhysicalDeviceProperties) {
    next::<vk::PFN_vkGetPhysicalDeviceProperties>(c"vkGetPhysicalDeviceProperties")(device, properties);
    pretend(&mut *properties);
}

unsafe extern "system" fn properties2(device: vk::PhysicalDevice, to: *mut vk::PhysicalDeviceProperties2<'_>) {
    next::<vk::PFN_vkGetPhysicalDeviceProperties2>(c"vkGetPhysicalDeviceProperties2")(device, to);
    pretend(&mut (*to).properties);
}

/// The loader's links, `VkLayerInstanceCreateInfo` and `VkLayerDeviceCreateInfo` of `vk_layer.h`.
#[repr(C)]
struct Chain<L> {
    kind: vk::StructureType,
    next: *mut c_void,
    function: i32,
    link: *mut L,
}

#[repr(C)]
struct InstanceLink {
    next: *mut InstanceLink,
    instance_proc: vk::PFN_vkGetInstanceProcAddr,
    physical_proc: *const c_void,
}

#[repr(C)]
struct DeviceLink {
    next: *mut DeviceLink,
    instance_proc: vk::PFN_vkGetInstanceProcAddr,
    device_proc: vk::PFN_vkGetDeviceProcAddr,
}

/// `VK_STRUCTURE_TYPE_LOADER_INSTANCE_CREATE_INFO`, `.._DEVICE_CREATE_INFO`, and `VK_LAYER_LINK_INFO`.
const INSTANCE_INFO: vk::StructureType = vk::StructureType::from_raw(47);
const DEVICE_INFO: vk::StructureType = vk::StructureType::from_raw(48);
const LINK_INFO: i32 = 0;

/// Finds this layer's link, and moves the chain on to the next one's.
unsafe fn link<L>(mut chain: *const c_void, kind: vk::StructureType) -> *mut Chain<L> {
    loop {
        let found = chain.cast_mut().cast::<Chain<L>>();
        assert!(!found.is_null(), "the loader gives every layer a link");
        if (*found).kind == kind && (*found).function == LINK_INFO {
            return found;
        }
        chain = (*found).next;
    }
}

unsafe extern "system" fn create_instance(
    info: *const vk::InstanceCreateInfo<'_>,
    allocator: *const vk::AllocationCallbacks<'_>,
    instance: *mut vk::Instance,
) -> vk::Result {
    let chain = link::<InstanceLink>((*info).p_next, INSTANCE_INFO);
    let instance_proc = (*(*chain).link).instance_proc;
    (*chain).link = (*(*chain).link).next;
    let create = instance_proc(vk::Instance::null(), c"vkCreateInstance".as_ptr());
    let create: vk::PFN_vkCreateInstance = std::mem::transmute(create);
    let result = create(info, allocator, instance);
    if result == vk::Result::SUCCESS {
        let _ = NEXT.set(Next { instance: *instance, instance_proc, device_proc: OnceLock::new() });
        find(c"vkGetPhysicalDeviceProperties", vk::Device::null());
        find(c"vkGetPhysicalDeviceProperties2", vk::Device::null());
    }
    result
}

unsafe extern "system" fn create_device(
    physical: vk::PhysicalDevice,
    info: *const vk::DeviceCreateInfo<'_>,
    allocator: *const vk::AllocationCallbacks<'_>,
    device: *mut vk::Device,
) -> vk::Result {
    if is("nodevice") {
        return match fault().n {
            1 => vk::Result::ERROR_INITIALIZATION_FAILED,
            2 => vk::Result::ERROR_OUT_OF_DEVICE_MEMORY,
            3 => vk::Result::ERROR_DEVICE_LOST,
            _ => vk::Result::ERROR_FEATURE_NOT_PRESENT,
        };
    }
    let chain = link::<DeviceLink>((*info).p_next, DEVICE_INFO);
    let (instance_proc, device_proc) = ((*(*chain).link).instance_proc, (*(*chain).link).device_proc);
    (*chain).link = (*(*chain).link).next;
    let next = NEXT.get().expect("an instance is made first");
    let create = instance_proc(next.instance, c"vkCreateDevice".as_ptr());
    let create: vk::PFN_vkCreateDevice = std::mem::transmute(create);
    let result = create(physical, info, allocator, device);
    if result == vk::Result::SUCCESS {
        let _ = next.device_proc.set(device_proc);
        for name in OF_DEVICE {
            find(name, *device);
        }
    }
    result
}

/// Functions of the driver that this layer calls, beside those of instances.
const OF_DEVICE: [&CStr; 9] = [
    c"vkQueueSubmit",
    c"vkWaitSemaphores",
    c"vkGetSemaphoreCounterValue",
    c"vkWaitForFences",
    c"vkGetFenceStatus",
    c"vkAllocateMemory",
    c"vkCreateComputePipelines",
    c"vkCmdDispatch",
    c"vkMapMemory",
];

/// The functions that this layer stands before.
fn own(name: &CStr, of_device: bool) -> vk::PFN_vkVoidFunction {
    macro_rules! either {
        ($($name:literal => $function:expr;)*) => {
            match name.to_str() {
                $(Ok($name) => $function as *const c_void,)*
                _ => std::ptr::null(),
            }
        };
    }
    let device = either! {
        "vkQueueSubmit" => queue_submit;
        "vkWaitSemaphores" => wait_semaphores;
        "vkWaitSemaphoresKHR" => wait_semaphores;
        "vkGetSemaphoreCounterValue" => semaphore_value;
        "vkGetSemaphoreCounterValueKHR" => semaphore_value;
        "vkWaitForFences" => wait_fences;
        "vkGetFenceStatus" => fence_status;
        "vkAllocateMemory" => allocate_memory;
        "vkCreateComputePipelines" => create_compute_pipelines;
        "vkCmdDispatch" => cmd_dispatch;
        "vkMapMemory" => map_memory;
        "vkGetDeviceProcAddr" => wgrad_faulty_device_proc;
    };
    let instance = either! {
        "vkCreateInstance" => create_instance;
        "vkCreateDevice" => create_device;
        "vkGetInstanceProcAddr" => wgrad_faulty_instance_proc;
        "vkGetPhysicalDeviceProperties" => properties;
        "vkGetPhysicalDeviceProperties2" => properties2;
        "vkGetPhysicalDeviceProperties2KHR" => properties2;
    };
    let found = if device.is_null() && !of_device { instance } else { device };
    // SAFETY: functions of the C interface all fit the type that the loader casts from.
    unsafe { std::mem::transmute::<*const c_void, vk::PFN_vkVoidFunction>(found) }
}

/// # Safety
/// As `vkGetDeviceProcAddr`.
#[unsafe(no_mangle)]
pub unsafe extern "system" fn wgrad_faulty_device_proc(
    device: vk::Device,
    name: *const c_char,
) -> vk::PFN_vkVoidFunction {
    let next = || NEXT.get()?.device_proc.get().and_then(|get| get(device, name));
    own(CStr::from_ptr(name), true).or_else(next)
}

/// # Safety
/// As `vkGetInstanceProcAddr`.
#[unsafe(no_mangle)]
pub unsafe extern "system" fn wgrad_faulty_instance_proc(
    instance: vk::Instance,
    name: *const c_char,
) -> vk::PFN_vkVoidFunction {
    let next = || NEXT.get().and_then(|next| (next.instance_proc)(instance, name));
    own(CStr::from_ptr(name), false).or_else(next)
}
