//! What can be said of a machine without touching its devices.

use std::fs::{self, OpenOptions};
use std::path::{Path, PathBuf};

use crate::{memory, tuned};
use serde_json::Value;

use super::{Finding, probe};

/// Every version that the program was built from stands here.
const LOCK: &str = include_str!("../../../Cargo.lock");

/// Beginnings of variables that drivers, loaders, wgpu and this program obey.
const VARIABLES: [&str; 16] = [
    "VK_", "WGPU_", "WGRAD_", "MESA_", "DRI_", "RADV_", "AMD_", "ANV_", "INTEL_", "NVK_", "NOUVEAU_", "LP_", "__NV",
    "__VK", "LIBGL_", "ENABLE_",
];
/// Others, as they are.
const NAMED: [&str; 9] = [
    "LD_PRELOAD",
    "LD_LIBRARY_PATH",
    "XDG_CACHE_HOME",
    "XDG_DATA_DIRS",
    "DISPLAY",
    "WAYLAND_DISPLAY",
    "RAYON_NUM_THREADS",
    "NVIDIA_VISIBLE_DEVICES",
    "NVIDIA_DRIVER_CAPABILITIES",
];

/// The program and what it was built from.
pub fn program(commit: &str) -> Vec<Finding> {
    let version = |name: &str| {
        let mut lines = LOCK.lines().skip_while(|line| *line != format!("name = \"{name}\""));
        lines.nth(1).and_then(|line| line.split('"').nth(1)).unwrap_or("unknown").to_string()
    };
    vec![
        Finding::new("wgrad", format!("{} (commit {commit})", env!("CARGO_PKG_VERSION"))),
        Finding::new("wgpu", version("wgpu")),
        Finding::new("naga", version("naga")),
    ]
}

/// The operating system, what it is inside of, and whether devices may be opened.
pub fn system() -> Vec<Finding> {
    let unknown = || "unknown".to_string();
    let name = sysinfo::System::long_os_version().unwrap_or_else(unknown);
    let kernel = sysinfo::System::kernel_version().unwrap_or_else(unknown);
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let mut findings = vec![
        Finding::new("system", format!("{name}, kernel {kernel}, {}", std::env::consts::ARCH)),
        Finding::new("inside of", inside()),
        Finding::new("processor", format!("{threads} threads, {} MiB of memory to use", memory::limit() >> 20)),
    ];
    if cfg!(target_os = "linux") {
        findings.extend(nodes());
    }
    findings
}

/// Containers and virtual systems, which often come without drivers.
fn inside() -> String {
    let text = |path: &str| fs::read_to_string(path).unwrap_or_default().to_lowercase();
    let mut found = Vec::new();
    if text("/proc/version").contains("microsoft") {
        let bridge = if Path::new("/dev/dxg").exists() { "with" } else { "without" };
        found.push(format!("WSL, {bridge} /dev/dxg"));
    }
    let groups = text("/proc/1/cgroup");
    let marks = ["docker", "kubepods", "lxc", "podman"].into_iter().find(|mark| groups.contains(mark));
    let files = [("/.dockerenv", "docker"), ("/run/.containerenv", "podman")];
    let file = files.into_iter().find(|(file, _)| Path::new(file).exists()).map(|(_, name)| name);
    if let Some(name) = marks.or(file) {
        found.push(format!("a container ({name})"));
    }
    if found.is_empty() { "nothing that is known".into() } else { found.join(", ") }
}

/// The kernel's devices, and whether this user may open them.
fn nodes() -> Vec<Finding> {
    let mut paths = list("/dev/dri");
    paths.extend(
        ["/dev/kfd", "/dev/nvidiactl", "/dev/nvidia0", "/dev/dxg"]
            .map(PathBuf::from)
            .into_iter()
            .filter(|p| p.exists()),
    );
    paths.retain(|path| !path.is_dir());
    if paths.is_empty() {
        return vec![Finding::new("/dev/dri", "is not there: no GPU, or none that was passed into the container")];
    }
    let open = |path: &PathBuf| {
        let opened = OpenOptions::new().read(true).write(true).open(path);
        let remedy = |e: std::io::Error| match e.kind() {
            std::io::ErrorKind::PermissionDenied => {
                format!("{e}: add yourself to the group that owns it (render, video)")
            }
            _ => e.to_string(),
        };
        Finding::tried(path.display().to_string(), opened.map(|_| "can be opened".into()).map_err(remedy))
    };
    paths.iter().map(open).collect()
}

/// Folders in which Vulkan's loader looks.
fn folders(kind: &str) -> Vec<PathBuf> {
    let roots = ["/etc", "/usr/local/etc", "/usr/local/share", "/usr/share"].map(PathBuf::from);
    let home = std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".local/share"));
    roots.into_iter().chain(home).map(|root| root.join("vulkan").join(kind)).collect()
}

/// Files of drivers, and whether each can be loaded and asked for more.
pub fn drivers() -> Vec<Finding> {
    let stated = ["VK_DRIVER_FILES", "VK_ICD_FILENAMES"].into_iter().find_map(std::env::var_os);
    let files: Vec<PathBuf> = match &stated {
        Some(paths) => std::env::split_paths(paths).collect(),
        None => folders("icd.d").iter().flat_map(list).collect(),
    };
    if files.is_empty() {
        let text = match cfg!(target_os = "linux") {
            true => "no driver is installed; mesa-vulkan-drivers, or the vendor's package, brings one",
            false => "this system's own are used",
        };
        return vec![Finding::new("files", text)];
    }
    let load = |file: &PathBuf| {
        let library = fs::read_to_string(file).map_err(|e| e.to_string()).and_then(|text| {
            let json: Value = serde_json::from_str(&text).map_err(|e| e.to_string())?;
            let path = json["ICD"]["library_path"].as_str().ok_or("it names no library")?;
            // A path with a folder is relative to the file; a name alone is looked for by the system.
            let beside = file.parent().unwrap_or(Path::new("")).join(path);
            Ok(if path.contains('/') { beside } else { PathBuf::from(path) })
        });
        let result =
            library.and_then(|library| probe::driver(&library).map(|()| format!("{} loads", library.display())));
        Finding::tried(file.display().to_string(), result)
    };
    files.iter().map(load).collect()
}

/// Layers, which stand between the program and the driver.
pub fn layers() -> Vec<Finding> {
    let explicit = std::env::var_os("VK_LAYER_PATH");
    let explicit =
        explicit.map_or_else(|| folders("explicit_layer.d"), |paths| std::env::split_paths(&paths).collect());
    let all =
        [(folders("implicit_layer.d"), "loaded always, unless it says otherwise"), (explicit, "loaded on request")];
    let mut findings = Vec::new();
    for (folders, when) in all {
        for file in folders.iter().flat_map(list).filter(|file| file.extension().is_some_and(|e| e == "json")) {
            let json: Value = serde_json::from_str(&fs::read_to_string(&file).unwrap_or_default()).unwrap_or_default();
            let name = json["layer"]["name"].as_str().unwrap_or("a layer without a name");
            findings.push(Finding::new(name, format!("{when} ({})", file.display())));
        }
    }
    findings
}

/// Variables that change what drivers do.
pub fn variables() -> Vec<Finding> {
    let matters = |name: &str| VARIABLES.iter().any(|begin| name.starts_with(begin)) || NAMED.contains(&name);
    let all = std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value)));
    let mut found: Vec<Finding> = all
        .filter(|(name, _)| matters(name))
        .map(|(name, value)| Finding::new(name, value.to_string_lossy()))
        .collect();
    found.sort_by(|a, b| a.name.cmp(&b.name));
    found
}

/// What is remembered of devices.
pub fn cache() -> Vec<Finding> {
    let Some(folder) = tuned::folder() else { return vec![Finding::new("folder", "none: nothing is remembered")] };
    let ours = folder.parent().unwrap_or(&folder);
    let writable = fs::create_dir_all(ours).and_then(|()| tempfile::tempfile_in(ours)).map(drop);
    let writable = writable.map(|()| format!("{} can be written", ours.display()));
    let mut findings = vec![Finding::tried("folder", writable.map_err(|e| format!("{}: {e}", ours.display())))];
    for (kind, what) in [("tiles", "fastest tile shapes"), ("answers", "known answers were right")] {
        for file in list(ours.join(kind)) {
            let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
            findings.push(Finding::new(what, name));
        }
    }
    findings
}

fn list(folder: impl AsRef<Path>) -> Vec<PathBuf> {
    let mut all: Vec<PathBuf> =
        fs::read_dir(folder).map(|entries| entries.flatten().map(|entry| entry.path()).collect()).unwrap_or_default();
    all.sort();
    all
}
