//! Where pictures go: no input is replaced by another's output, links and pipes stay what they are, and sizes that a model
//! has no network for are made of those that it has.

use crate::support::cli::{Run, command, enlarger, finish, tree, wgrad, with_input};
use std::fs;
use std::path::Path;
use tempfile::{TempDir, tempdir};

fn picture(path: &Path, seed: u32) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    image::RgbImage::from_fn(12, 10, |x, y| image::Rgb([x * 9, y * 7, seed].map(|v| v as u8))).save(path).unwrap();
}

/// A folder with a model and these pictures.
fn folder(names: &[&str]) -> TempDir {
    let folder = tempdir().unwrap();
    enlarger(folder.path());
    names.iter().zip(10..).for_each(|(name, seed)| picture(&folder.path().join(name), seed * 10));
    folder
}

fn upscale(folder: &Path, arguments: &[&str]) -> Run {
    wgrad(folder, ["upscale", "-m", "model/best.safetensors"].iter().chain(arguments))
}

#[test]
fn no_input_is_replaced_by_anothers_output() {
    let folder = folder(&["q.png", "q_x2.png", "z.png"]);
    let read = |name: &str| fs::read(folder.path().join(name)).unwrap();
    let before = read("q_x2.png");
    let run = upscale(folder.path(), &["q.png", "z.png", "q_x2.png", "--overwrite"]).expect(1);
    run.mentions(&["q_x2.png: an input, which the output of q.png would replace", "2 of 3 failed"]);
    assert!(read("q_x2.png") == before && folder.path().join("z_x2.png").exists());
    assert!(!folder.path().join("q_x2_x2.png").exists());
    // By another path to the same file, too.
    #[cfg(unix)]
    {
        std::os::unix::fs::symlink("q_x2.png", folder.path().join("z_x4.png")).unwrap();
        let run = upscale(folder.path(), &["z.png", "q_x2.png", "-s", "4", "--overwrite"]).expect(2);
        run.mentions(&["q_x2.png: an input"]);
        assert!(read("q_x2.png") == before);
    }
    // Alone it may be.
    upscale(folder.path(), &["q.png", "z.png", "--overwrite"]).expect(0);
    assert!(read("q_x2.png") != before);
}

#[cfg(unix)]
#[test]
fn links_and_pipes_stay() {
    let folder = folder(&["a.png", "real.png"]);
    let path = |name: &str| folder.path().join(name);
    std::os::unix::fs::symlink("real.png", path("link.png")).unwrap();
    upscale(folder.path(), &["a.png", "-o", "link.png", "--overwrite"]).expect(0);
    assert!(path("link.png").symlink_metadata().unwrap().is_symlink());
    assert_eq!(image::image_dimensions(path("real.png")).unwrap(), (24, 20));
    assert!(std::process::Command::new("mkfifo").arg(path("pipe.png")).status().unwrap().success());
    let pipe = path("pipe.png");
    let reader = std::thread::spawn(move || fs::read(pipe).unwrap());
    upscale(folder.path(), &["a.png", "-o", "pipe.png", "--overwrite"]).expect(0);
    assert!(reader.join().unwrap() == fs::read(path("real.png")).unwrap());
    assert!(!path("pipe.png").metadata().unwrap().is_file());
}

#[test]
fn a_model_of_one_enlargement_makes_any_size() {
    let folder = folder(&["a.png"]);
    let cases: [(&[&str], &str, (u32, u32)); 6] = [
        (&["--width", "24"], "a_w24.png", (24, 20)),
        (&["--height", "15"], "a_h15.png", (18, 15)),
        (&["--fit", "60x60"], "a_60x60.png", (60, 50)),
        (&["-s", "2.5"], "a_x2.5.png", (30, 25)),
        (&["-s", "4"], "a_x4.png", (48, 40)),
        (&["-s", "6"], "a_x6.png", (72, 60)),
    ];
    for (arguments, name, size) in cases {
        wgrad(folder.path(), [&["upscale", "a.png", "-m", "photo"], arguments].concat()).expect(0);
        assert_eq!(image::image_dimensions(folder.path().join(name)).unwrap(), size, "{arguments:?}");
    }
    wgrad(folder.path(), ["upscale", "a.png", "-m", "photos", "-s", "6"]).expect(2).mentions(&["photos", "photo-x2"]);
}

#[test]
fn folders_name_what_is_hidden() {
    let folder = folder(&["in/a.png", "in/.secret.png", "in/.cache/b.png"]);
    fs::write(folder.path().join("in/._a.png"), b"\0\x05\x16\x07 of another system").unwrap();
    let run = upscale(folder.path(), &["in", "-r", "-o", "out"]).expect(1).mentions(&[".secret.png", "hidden"]);
    assert!(!run.stderr.contains("._a.png"), "{}", run.stderr);
    assert_eq!(tree(&folder.path().join("out")), ["a.png"]);
    upscale(folder.path(), &["in/.secret.png", "-o", "out"]).expect(0);
}

#[cfg(unix)]
#[test]
fn a_folder_that_cannot_be_read_is_named_and_the_others_are_done() {
    use std::os::unix::{fs::PermissionsExt, process::CommandExt};
    let folder = folder(&["in/a.png", "in/below/b.png", "in/closed/c.png"]);
    let mode = |name: &str, mode: u32| {
        fs::set_permissions(folder.path().join(name), fs::Permissions::from_mode(mode)).unwrap();
    };
    fs::create_dir(folder.path().join("out")).unwrap();
    [("", 0o755), ("out", 0o777), ("in/closed", 0)].iter().for_each(|&(name, to)| mode(name, to));
    let mut command = command(folder.path());
    command.args(["upscale", "-m", "model/best.safetensors", "in", "-r", "-o", "out"]);
    if fs::read_dir(folder.path().join("in/closed")).is_ok() {
        // Whoever may read everything does it as somebody else.
        command.uid(65_534).gid(65_534);
    }
    let run = finish(command, &[]);
    mode("in/closed", 0o755);
    run.expect(1).mentions(&["in/closed", "left out"]);
    assert_eq!(tree(&folder.path().join("out")), ["a.png", "below/b.png"]);
}

#[test]
fn what_makes_no_sense_is_said_before_the_work() {
    let folder = folder(&["a.png", "b.png"]);
    let run = upscale(folder.path(), &["a.png", "-o", "b.png/x.png"]).expect(2);
    run.says(&["b.png is a file, not a folder"]);
    let mut command = command(folder.path());
    command.args(["upscale", "a.png"]).env("WGRAD_MEMORY", "abc");
    finish(command, &[]).expect(2).says(&["WGRAD_MEMORY=abc", "MiB"]);
}

#[cfg(target_os = "linux")]
#[test]
fn a_stream_takes_no_more_memory_than_is_allowed() {
    let folder = folder(&[]);
    let mut endless = b"II*\0\x08\0\0\0".to_vec();
    endless.resize(160 << 20, 0);
    let arguments = ["upscale", "-", "-m", "model/best.safetensors", "-o", "z.png", "--max-memory", "120"];
    let run = with_input(folder.path(), arguments, &endless).expect(1);
    run.mentions(&["standard input", "72 MiB"]);
}
