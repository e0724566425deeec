//! Little memory: pictures that do not fit are refused with words, the others are done, and nothing aborts.
#![cfg(target_os = "linux")]

use crate::support::cli::{command, enlarger, tree};
use std::fs;
use std::os::unix::process::CommandExt;
use std::path::Path;
use tempfile::tempdir;

fn picture(path: &Path, width: u32, height: u32) {
    let image = image::RgbImage::from_fn(width, height, |x, y| image::Rgb([x, y, x ^ y].map(|v| v as u8)));
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    image.save(path).unwrap();
}

/// Runs `upscale` on a folder with so many MiB of address space; returns the exit code and what was said.
fn limited(folder: &Path, mib: u64, arguments: &[&str]) -> (Option<i32>, String) {
    use nix::sys::resource::{Resource, setrlimit};
    let mut command = command(folder);
    command.args(["upscale", "in", "-m", "model/best.safetensors", "--overwrite", "-o", "out"]).args(arguments);
    // SAFETY: between fork and exec nothing but a system call is made.
    unsafe { command.pre_exec(move || Ok(setrlimit(Resource::RLIMIT_AS, mib << 20, mib << 20)?)) };
    let output = command.output().unwrap();
    (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
}

#[test]
fn a_batch_under_a_limit_of_address_space_never_aborts() {
    let folder = tempdir().unwrap();
    enlarger(folder.path());
    let sizes =
        [("a.png", 64, 64), ("b.jpg", 6000, 4000), ("c.png", 900, 700), ("d.bmp", 3000, 2000), ("e.tif", 64, 64)];
    for (name, width, height) in sizes {
        picture(&folder.path().join("in").join(name), width, height);
    }
    let (mut none, mut some, mut all) = (0, 0, 0);
    for mib in [56, 64, 72, 80, 96, 112, 128, 160, 192, 256, 320, 400, 1024] {
        let _ = fs::remove_dir_all(folder.path().join("out"));
        let (code, said) = limited(folder.path(), mib, &["-s", "1.5"]);
        assert!(matches!(code, Some(0 | 1)), "{mib} MiB: {code:?}\n{said}");
        let out = folder.path().join("out");
        let made = if out.exists() { tree(&out) } else { Vec::new() };
        match made.len() {
            0 => none += 1,
            5 => all += 1,
            _ => some += 1,
        }
        assert_eq!(code == Some(0), made.len() == sizes.len(), "{mib} MiB made {made:?}\n{said}");
        // Whatever did not come out is named, with how much it takes; or nothing could begin.
        for (name, ..) in sizes.iter().filter(|(name, ..)| !made.iter().any(|made| made == name)) {
            let named = said.lines().any(|line| line.contains(name) && line.contains("MiB"));
            assert!(named || said.contains("MiB are free, and the program needs"), "{mib} MiB, {name}:\n{said}");
        }
    }
    assert!(none > 0 && some > 0 && all > 0, "{none} {some} {all}");
}

/// A TIFF of one directory, whose strips all stand at the same place: large to decode, small as a file.
fn large_tiff(side: u32, bits: &[u16], photometric: u16, more: &[(u16, u16)]) -> Vec<u8> {
    let rows = 50;
    let (samples, strips) = (bits.len() as u32, side / rows);
    let bytes = (side * samples * u32::from(bits[0])).div_ceil(8) * rows;
    let mut file = b"II*\0\0\0\0\0".to_vec();
    file.resize(8 + bytes as usize, 0x5a);
    let mut entries: Vec<(u16, Vec<u32>)> = vec![
        (256, vec![side]),
        (257, vec![side]),
        (258, bits.iter().map(|&bits| bits.into()).collect()),
        (259, vec![1]),
        (262, vec![photometric.into()]),
        (273, vec![8; strips as usize]),
        (277, vec![samples]),
        (278, vec![rows]),
        (279, vec![bytes; strips as usize]),
    ];
    entries.extend(more.iter().map(|&(tag, value)| (tag, vec![value.into()])));
    if photometric == 3 {
        entries.push((320, (0..768).map(|value| value * 80).collect()));
    }
    entries.sort();
    let mut list = Vec::new();
    for (tag, values) in &entries {
        let mut content: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        if content.len() > 4 {
            let at = file.len() as u32;
            file.extend(content);
            content = at.to_le_bytes().to_vec();
        }
        list.extend([&tag.to_le_bytes()[..], &[4, 0], &(values.len() as u32).to_le_bytes(), &content].concat());
    }
    let at = file.len() as u32;
    file[4..8].copy_from_slice(&at.to_le_bytes());
    file.extend((entries.len() as u16).to_le_bytes());
    file.extend(list);
    file.extend([0; 4]);
    file
}

/// A name, bits of the samples, what the colours are, and other fields.
type Kind = (&'static str, &'static [u16], u16, &'static [(u16, u16)]);

#[test]
fn kinds_of_tiff_that_do_not_fit_fail_alone() {
    let folder = tempdir().unwrap();
    enlarger(folder.path());
    let path = |name: &str| folder.path().join("in").join(name);
    picture(&path("a.png"), 30, 20);
    picture(&path("z.png"), 30, 20);
    let kinds: [Kind; 5] = [
        ("palette.tif", &[8], 3, &[]),
        ("grey_alpha.tif", &[8, 8], 1, &[(338, 2)]),
        ("grey_alpha_16.tif", &[16, 16], 1, &[(338, 2)]),
        ("twelve.tif", &[12, 12, 12], 2, &[]),
        ("cmyka.tif", &[8, 8, 8, 8, 8], 5, &[(338, 2)]),
    ];
    for (name, bits, photometric, more) in kinds {
        fs::write(path(name), large_tiff(7000, bits, photometric, more)).unwrap();
    }
    for (mib, arguments) in [(150, &["-s", "1"][..]), (1 << 20, &["-s", "1", "--max-memory", "80"])] {
        let _ = fs::remove_dir_all(folder.path().join("out"));
        let (code, said) = limited(folder.path(), mib, arguments);
        assert_eq!(code, Some(1), "{mib} MiB: {said}");
        assert_eq!(tree(&folder.path().join("out")), ["a.png", "z.png"], "{mib} MiB: {said}");
        for (name, ..) in kinds {
            let named =
                said.lines().any(|line| line.contains(name) && line.contains("7000x7000") && line.contains("MiB"));
            assert!(named, "{mib} MiB, {name}: {said}");
        }
    }
}
