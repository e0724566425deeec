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
