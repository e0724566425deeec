//! What a person calls a device, and which devices that may be.

use super::Device;
use crate::gpu::{self, AdapterInfo, AdapterKind};
use crate::{Error, Result};

/// Interfaces that a device may be reached through, as people write them.
const BACKENDS: [&str; 4] = ["vulkan", "metal", "dx12", "gl"];

/// The devices that a request may mean, the one to take first. `auto` is followed by what stands in for it: other
/// interfaces to the same GPU, other GPUs, the processor. `cpu`, an index of [`gpu::adapters`], a place on the PCI bus or
/// a part of a name mean one device; a kind of device (`discrete`) or an interface (`vulkan`) the best such.
///
/// # Errors
/// When nothing fits or several devices do, naming them.
pub(super) fn candidates(request: &str) -> Result<Vec<Device>> {
    // Drivers are slow to load and print what they like: none is asked for the processor.
    if request.trim().eq_ignore_ascii_case("cpu") {
        return Ok(vec![Device::Cpu]);
    }
    choose(request, &gpu::adapters(), &gpu::ways)
}

fn choose(
    request: &str,
    devices: &[AdapterInfo],
    ways: &dyn Fn(&AdapterInfo) -> Vec<AdapterInfo>,
) -> Result<Vec<Device>> {
    let word = request.trim().to_lowercase();
    let refuse = |why: &str, there: &str| Err(Error::device(format!("--device {request}: {why}; {there}")));
    let there = if devices.is_empty() {
        "no adapter was found, there is `cpu`".to_string()
    } else {
        format!("there are {}, and `cpu`", list(devices.iter()))
    };
    let best = |fits: &dyn Fn(&AdapterInfo) -> bool| {
        let all = devices.iter().flat_map(|device| [device.clone()].into_iter().chain(ways(device)));
        all.filter(|way| fits(way)).map(Device::from).take(1).collect::<Vec<_>>()
    };
    let found = match word.as_str() {
        "cpu" => return Ok(vec![Device::Cpu]),
        "auto" => {
            let real = devices.iter().filter(|a| a.kind != AdapterKind::Software);
            let all = real.flat_map(|device| [device.clone()].into_iter().chain(ways(device)));
            return Ok(all.map(Device::from).chain([Device::Cpu]).collect());
        }
        "" => return refuse("a name is empty", &there),
        "discrete" | "integrated" | "virtual" | "software" => best(&|a| a.kind.word() == word),
        backend if BACKENDS.contains(&backend) => best(&|a| a.backend == backend),
        _ => named(&word, devices).map_err(|several| {
            let message =
                format!("--device {request}: several fit: {}; give an index or a place on the bus", list(several));
            Error::device(message)
        })?,
    };
    if found.is_empty() { refuse("no such device", &there) } else { Ok(found) }
}

/// By index, whole name, place on the bus, or part of a name; several that fit are the error.
fn named<'a>(word: &str, devices: &'a [AdapterInfo]) -> std::result::Result<Vec<Device>, Vec<&'a AdapterInfo>> {
    let index: Option<usize> = word.parse().ok();
    let lower = |a: &AdapterInfo| a.name.to_lowercase();
    let kinds: [&dyn Fn(&&AdapterInfo) -> bool; 4] = [
        &|a| index == Some(a.index),
        &|a| lower(a) == word,
        &|a| word.contains(':') && a.pci.to_lowercase().ends_with(word.trim_start_matches("pci:")),
        &|a| lower(a).contains(word),
    ];
    for fits in kinds {
        let found: Vec<&AdapterInfo> = devices.iter().filter(fits).collect();
        match found[..] {
            [] => {}
            [one] => return Ok(vec![Device::from(one.clone())]),
            _ => return Err(found),
        }
    }
    Ok(Vec::new())
}

fn list<'a>(devices: impl IntoIterator<Item = &'a AdapterInfo>) -> String {
    let place = |a: &AdapterInfo| if a.pci.is_empty() { String::new() } else { format!(" at {}", a.pci) };
    let names = devices.into_iter().map(|a| format!("{} ({}{})", a.index, a.name, place(a)));
    names.collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn adapter(index: usize, name: &str, kind: AdapterKind, backend: &str, pci: &str) -> AdapterInfo {
        let (name, backend, pci, driver) = (name.into(), backend.into(), pci.into(), "driver 1".into());
        AdapterInfo { index, name, backend, kind, driver, pci, ids: [1, 2] }
    }

    fn machine() -> Vec<AdapterInfo> {
        vec![
            adapter(0, "Radeon RX 580 Series", AdapterKind::Discrete, "vulkan", "0000:01:00.0"),
            adapter(1, "Radeon RX 580 Series", AdapterKind::Discrete, "vulkan", "0000:02:00.0"),
            adapter(2, "Intel UHD 630", AdapterKind::Integrated, "vulkan", "0000:00:02.0"),
            adapter(3, "llvmpipe (LLVM 15)", AdapterKind::Software, "vulkan", ""),
        ]
    }

    fn ask(request: &str) -> Result<Vec<String>> {
        let other = |device: &AdapterInfo| match device.index {
            0 => vec![adapter(4, "AMD Radeon RX 580", AdapterKind::Discrete, "dx12", "0000:01:00.0")],
            _ => Vec::new(),
        };
        let found = choose(request, &machine(), &other)?;
        let name = |device: &Device| match device {
            Device::Cpu => "cpu".to_string(),
            Device::Gpu(adapter, _) => adapter.index.to_string(),
        };
        Ok(found.iter().map(name).collect())
    }

    #[test]
    fn auto_goes_by_way_then_device_then_the_processor() {
        assert_eq!(ask("auto").unwrap(), ["0", "4", "1", "2", "cpu"]);
    }

    #[test]
    fn devices_have_many_names() {
        let words =
            ["1", "uhd", "630", "INTEL UHD 630", "02:00.0", "integrated", "discrete", "dx12", "Software", "cpu"];
        let found = words.map(|word| ask(word).unwrap().join(" "));
        assert_eq!(found, ["1", "2", "2", "2", "1", "2", "0", "4", "3", "cpu"]);
    }

    #[test]
    fn what_is_unclear_is_refused_with_what_there_is() {
        for (word, says) in [
            ("580", "several fit: 0 (Radeon RX 580 Series at 0000:01:00.0), 1 (Radeon"),
            ("", "a name is empty"),
            (" ", "a name is empty"),
            ("7", "no such device; there are 0 (Radeon"),
            ("metal", "no such device"),
            ("geforce", "and `cpu`"),
        ] {
            let error = ask(word).unwrap_err();
            assert!(matches!(&error, Error::Device { why, .. } if why.contains(says)), "{word}: {error}");
        }
    }
}
