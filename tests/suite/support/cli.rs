//! Runs the program as a person would.

use std::ffi::OsStr;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// How a command ended and what it said.
pub struct Run {
    pub code: i32,
    pub bytes: Vec<u8>,
    pub stdout: String,
    pub stderr: String,
}

impl Run {
    /// Asserts the exit code, showing what was said otherwise.
    #[track_caller]
    pub fn expect(self, code: i32) -> Run {
        assert_eq!(self.code, code, "stdout: {}\nstderr: {}", self.stdout, self.stderr);
        self
    }

    /// Asserts that standard error is one line that begins as an error and holds all the words.
    #[track_caller]
    pub fn says(self, words: &[&str]) -> Run {
        assert_eq!(self.stderr.lines().count(), 1, "{}", self.stderr);
        assert!(self.stderr.starts_with("error: "), "{}", self.stderr);
        self.mentions(words)
    }

    /// Asserts that standard error holds all the words.
    #[track_caller]
    pub fn mentions(self, words: &[&str]) -> Run {
        for word in words {
            assert!(self.stderr.contains(word), "no {word:?} in {}", self.stderr);
        }
        self
    }
}

pub fn command(folder: &Path) -> Command {
    let mut command = program(folder);
    command.args(["--device", "cpu"]);
    command
}

/// The program without a memory of tile shapes: the user's is none of the tests' business.
fn program(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_wgrad"));
    command.current_dir(folder).env("WGRAD_CACHE", "");
    command
}

/// Runs the program in a folder.
pub fn wgrad<S: AsRef<OsStr>>(folder: &Path, arguments: impl IntoIterator<Item = S>) -> Run {
    with_input(folder, arguments, &[])
}

/// Runs the program without the choice of a device that the others make.
pub fn wgrad_bare<S: AsRef<OsStr>>(folder: &Path, arguments: impl IntoIterator<Item = S>) -> Run {
    let mut command = program(folder);
    command.args(arguments);
    finish(command, &[])
}

/// Runs the program with a folder of its own for what it remembers.
pub fn wgrad_remembering<S: AsRef<OsStr>>(folder: &Path, arguments: impl IntoIterator<Item = S>) -> Run {
    let mut command = program(folder);
    command.env("WGRAD_CACHE", folder.join("cache")).args(arguments);
    finish(command, &[])
}

/// Runs the program with bytes on its standard input.
pub fn with_input<S: AsRef<OsStr>>(folder: &Path, arguments: impl IntoIterator<Item = S>, input: &[u8]) -> Run {
    let mut command = command(folder);
    command.args(arguments);
    finish(command, input)
}

pub fn finish(mut command: Command, input: &[u8]) -> Run {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    // A command that ends without reading closes the pipe, which is its right.
    let _ = child.stdin.take().unwrap().write_all(input);
    let output = child.wait_with_output().unwrap();
    Run {
        code: output.status.code().unwrap_or(-1),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        bytes: output.stdout,
    }
}

/// A small network on small pictures; what a test adds comes after and wins.
pub const SMALL: [&str; 13] = [
    "train",
    "--set",
    "network.features=4",
    "--set",
    "network.convolutions=3",
    "--set",
    "data.pictures=4",
    "--set",
    "data.size=48",
    "--set",
    "batch=2",
    "--set",
    "validate={ every = 10, pictures = 2 }",
];

/// Trains the small network for a few steps in `folder/NAME`.
pub fn small(folder: &Path, name: &str, more: &[&str]) -> Run {
    wgrad(folder, SMALL.iter().chain(&["--out", name]).chain(more))
}

/// Copies a file or folder of `tests/fixtures` beside a run, which then names it without the path of this repository: that
/// may hold spaces, which are between settings in tests.
pub fn fixture(folder: &Path, name: &str) {
    let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name);
    let to = folder.join(from.file_name().unwrap());
    if from.is_file() {
        std::fs::copy(from, to).unwrap();
        return;
    }
    std::fs::create_dir_all(&to).unwrap();
    for name in tree(&from) {
        std::fs::copy(from.join(&name), to.join(&name)).unwrap();
    }
}

/// A trained super-resolution network.
pub fn enlarger(folder: &Path) -> PathBuf {
    small(folder, "model", &["--set", "steps=10", "--quiet"]).expect(0);
    folder.join("model/best.safetensors")
}

/// The names of everything below a folder, sorted.
pub fn tree(folder: &Path) -> Vec<String> {
    let mut found = Vec::new();
    let mut open = vec![folder.to_path_buf()];
    while let Some(next) = open.pop() {
        for entry in std::fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                open.push(path);
            } else {
                found.push(path.strip_prefix(folder).unwrap().to_string_lossy().replace('\\', "/"));
            }
        }
    }
    found.sort();
    found
}
