//! Runs the program on a driver that fails on purpose, and judges what came of it.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;
use wgrad::internal::checkpoint::Checkpoint;
use wgrad::internal::data::procedural;
use wgrad::internal::image::Picture;

/// What the program is asked to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Work {
    Train,
    Upscale,
    Predict,
    Bench,
    Verify,
}

pub const WORKS: [Work; 5] = [Work::Train, Work::Upscale, Work::Predict, Work::Bench, Work::Verify];

/// How the device is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Choice {
    /// By `auto`, which has used it before.
    Known,
    /// By `auto`, for the first time: it computes known answers.
    New,
    /// By hand; it was used before.
    Named,
}

/// How a run ended.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum End {
    /// The result is the CPU's; the words say what was done for it.
    Right(&'static str),
    /// An error with this exit code.
    Error(i32),
    /// What must not be: a panic, no end, a wrong result that counts as right.
    Bad(String),
}

impl End {
    /// A cell of the table.
    pub fn cell(&self) -> String {
        match self {
            End::Right("") => "done".into(),
            End::Right(how) => format!("done, {how}"),
            End::Error(code) => format!("error {code}"),
            End::Bad(why) => format!("BAD: {why}"),
        }
    }
}

/// Everything runs need, made once.
pub struct Rig {
    folder: TempDir,
    driver: PathBuf,
    /// Files of devices that have computed known answers, per choice.
    proofs: [PathBuf; 2],
    runs: AtomicUsize,
}

/// Longest that a device may be waited for in one go.
pub const LONGEST: Duration = Duration::from_secs(30);

impl Rig {
    /// None where there is no software driver to spoil.
    pub fn new() -> Option<Rig> {
        let drivers = fs::read_dir("/usr/share/vulkan/icd.d").ok()?.flatten();
        let driver = drivers.map(|entry| entry.path()).find(|path| path.to_string_lossy().contains("/lvp_icd"))?;
        let layer = Rig::layer();
        assert!(layer.exists(), "{} is missing: `cargo build --examples` makes it", layer.display());
        let folder = tempfile::tempdir().unwrap();
        let manifest = json!({ "file_format_version": "1.1.2", "layer": {
            "name": "VK_LAYER_WGRAD_FAULTY", "type": "GLOBAL", "library_path": layer, "api_version": "1.3.0",
            "implementation_version": "1", "description": "fails on purpose",
            "functions": { "vkGetInstanceProcAddr": "wgrad_faulty_instance_proc",
                           "vkGetDeviceProcAddr": "wgrad_faulty_device_proc" } } });
        fs::write(folder.path().join("faulty.json"), manifest.to_string()).unwrap();
        let proofs = ["auto", "named"].map(|name| folder.path().join(name));
        let rig = Rig { folder, driver, proofs, runs: AtomicUsize::new(0) };
        rig.prepare();
        Some(rig)
    }

    /// Inputs, the CPU's results, and devices that have computed known answers.
    fn prepare(&self) {
        let folder = self.folder.path();
        for (seed, name) in [(3, "in.png"), (4, "second.png")] {
            procedural::dead_leaves(seed, 48, 36).to_picture().save(folder.join(name), &Default::default()).unwrap();
        }
        let rows: Vec<String> =
            (0..40).map(|i| format!("{},{}", (i % 7) as f32 / 5.0, (i % 11) as f32 / 9.0)).collect();
        fs::write(folder.join("rows.csv"), format!("x,y\n{}\n", rows.join("\n"))).unwrap();
        let run = |work: Work, place: &Path, cache: &Path, device: &str| {
            fs::create_dir_all(place).unwrap();
            let mut command = self.command(work, place, cache);
            let output = command.env("FAULT", "none").args(["--device", device]).output().unwrap();
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            assert!(output.status.success(), "{work:?} on {device}, healthy: {said}");
            fs::write(place.join("stdout"), output.stdout).unwrap();
        };
        // Predictions need a model: the CPU's training.
        for work in WORKS {
            run(work, &self.reference(work), Path::new(""), "cpu");
        }
        for (proof, device) in self.proofs.iter().zip(["auto", "llvmpipe"]) {
            run(Work::Predict, &proof.with_extension("first"), proof, device);
            assert!(proof.join("answers").read_dir().unwrap().count() > 0, "the device was believed");
        }
    }

    fn reference(&self, work: Work) -> PathBuf {
        self.folder.path().join(format!("{work:?}"))
    }

    fn command(&self, work: Work, place: &Path, cache: &Path) -> Command {
        let folder = self.folder.path();
        let path = |name: &str| folder.join(name).into_os_string();
        let mut command = Command::new(env!("CARGO_BIN_EXE_wgrad"));
        match work {
            Work::Train => command.args(
                "train --out run --set steps=24 --set network.kind=mlp --set network.sizes=[2,8,3] --set batch=32 \
                 --set data.kind=spirals --set validate.every=8"
                    .split_whitespace(),
            ),
            Work::Upscale => command.arg("upscale").arg(path("in.png")).args(["-m", "tiny", "-o", "out.png"]),
            Work::Predict => {
                let model = self.reference(Work::Train).join("run/best.safetensors");
                command.arg("predict").arg(model).arg(path("rows.csv")).args(["--json", "--values"])
            }
            Work::Bench => command.args(["bench", "W3", "--quick", "--json"]),
            Work::Verify => command.args(["verify", "softmax", "--json"]),
        };
        self.spoil(&mut command, place, cache);
        command.args(["--progress", "plain", "--no-tune"]);
        command
    }

    /// Has a program meet the spoilt driver alone.
    fn spoil(&self, command: &mut Command, place: &Path, cache: &Path) {
        command
            .current_dir(place)
            .env("WGRAD_CACHE", cache)
            .env("PRETEND", "1")
            .env("VK_LAYER_PATH", self.folder.path())
            .env("VK_INSTANCE_LAYERS", "VK_LAYER_WGRAD_FAULTY")
            .env("VK_DRIVER_FILES", &self.driver)
            .env("VK_ICD_FILENAMES", &self.driver);
    }

    /// Does the work on a device with a fault.
    pub fn run(&self, work: Work, fault: &str, choice: Choice) -> End {
        let (place, cache, device) = self.place(choice);
        let mut command = self.command(work, &place, &cache);
        command.env("FAULT", fault).args(["--device", device]);
        let [stdout, stderr] = ["stdout", "stderr"].map(|name| place.join(name));
        command.stdout(File::create(&stdout).unwrap()).stderr(File::create(&stderr).unwrap()).stdin(Stdio::null());
        let what = format!("{work:?}, {fault}, {choice:?}");
        let begun = Instant::now();
        let mut child = command.spawn().unwrap();
        let status = loop {
            if let Some(status) = child.try_wait().unwrap() {
                break status;
            }
            if begun.elapsed() > 3 * LONGEST {
                child.kill().unwrap();
                child.wait().unwrap();
                return End::Bad(format!("{what}: no end: {}", fs::read_to_string(&stderr).unwrap()));
            }
            std::thread::sleep(Duration::from_millis(10));
        };
        let said = fs::read_to_string(&stderr).unwrap();
        let code = status.code().unwrap_or(-1);
        if ![0, 1, 3].contains(&code) || (code != 0 && !said.contains("error: ")) {
            return End::Bad(format!("{what}: {status}: {said}"));
        }
        if let Some(longest) = longest_wait(&said).filter(|&longest| longest > LONGEST) {
            return End::Bad(format!("{what}: waited for {longest:?}: {said}"));
        }
        if code != 0 {
            return End::Error(code);
        }
        if let Err(why) = self.compare(work, &place) {
            return End::Bad(format!("{what}: exit code 0, and {why}: {said}"));
        }
        let done = |words: &str| said.contains(words);
        End::Right(match () {
            () if done("going on with CPU") => "by the CPU",
            () if done("opening it again") => "opened again",
            () if done("smaller tiles") => "smaller tiles",
            () => "",
        })
    }

    /// A folder to work in, one for what is remembered, and the device to ask for.
    fn place(&self, choice: Choice) -> (PathBuf, PathBuf, &'static str) {
        let place = self.folder.path().join(format!("run-{}", self.runs.fetch_add(1, Ordering::Relaxed)));
        fs::create_dir_all(&place).unwrap();
        let cache = place.join("cache");
        let (proof, device) = match choice {
            Choice::Known => (Some(&self.proofs[0]), "auto"),
            Choice::New => (None, "auto"),
            Choice::Named => (Some(&self.proofs[1]), "llvmpipe"),
        };
        if let Some(proof) = proof {
            // A device that fails is forgotten.
            fs::create_dir_all(cache.join("answers")).unwrap();
            for file in proof.join("answers").read_dir().unwrap().flatten() {
                fs::copy(file.path(), cache.join("answers").join(file.file_name())).unwrap();
            }
        }
        (place, cache, device)
    }

    /// Runs the program with these arguments on a device with a fault: exit code, standard output, and the events that it
    /// told of.
    pub fn told(&self, fault: &str, choice: Choice, arguments: &[&str]) -> (Option<i32>, String, Vec<Value>) {
        let (place, cache, device) = self.place(choice);
        let mut command = Command::new(env!("CARGO_BIN_EXE_wgrad"));
        self.spoil(&mut command, &place, &cache);
        command.args(arguments).args(["--device", device, "--progress", "json", "--no-tune"]);
        let output = command.env("FAULT", fault).output().unwrap();
        let [stdout, stderr] = [output.stdout, output.stderr].map(|bytes| String::from_utf8(bytes).unwrap());
        let event = |line: &str| serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}"));
        (output.status.code(), stdout, stderr.lines().map(event).collect())
    }

    /// A file that all works may read.
    pub fn file(&self, name: &str) -> String {
        self.folder.path().join(name).display().to_string()
    }

    /// What `wgrad doctor` reports of a device with a fault; `more` are drivers' files beside the spoilt one's.
    pub fn doctor(&self, fault: &str, more: &[PathBuf]) -> Value {
        let place = self.folder.path().join("doctor");
        fs::create_dir_all(&place).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_wgrad"));
        self.spoil(&mut command, &place, Path::new(""));
        let drivers = std::env::join_paths(more.iter().chain([&self.driver])).unwrap();
        // As what it is: a driver on the processor is given less to do.
        command.env("VK_DRIVER_FILES", &drivers).env("VK_ICD_FILENAMES", &drivers).env_remove("PRETEND");
        let output = command.env("FAULT", fault).args(["doctor", "--json"]).output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice(&output.stdout).unwrap()
    }

    /// The layer's library.
    pub fn layer() -> PathBuf {
        Path::new(env!("CARGO_BIN_EXE_wgrad")).with_file_name("examples").join("libfaulty.so")
    }

    /// Where the last run worked.
    pub fn last_run(&self) -> PathBuf {
        self.folder.path().join(format!("run-{}", self.runs.load(Ordering::Relaxed) - 1))
    }

    /// Whether the result is the CPU's.
    fn compare(&self, work: Work, place: &Path) -> Result<(), String> {
        let reference = self.reference(work);
        match work {
            Work::Train => {
                let open = |folder: &Path| Checkpoint::open(&folder.join("run/best.safetensors")).unwrap().weights;
                let (got, want) = (open(place), open(&reference));
                let all = |weights: &wgrad::internal::network::Weights| -> Vec<f64> {
                    weights.iter().flat_map(|(_, array)| array.values.iter().map(|&v| f64::from(v))).collect()
                };
                near(&all(&got), &all(&want), 1e-2)
            }
            Work::Upscale => {
                let open = |folder: &Path| Picture::open(folder.join("out.png")).unwrap();
                let (got, want) = (open(place), open(&reference));
                let off = got.planes.iter().zip(&want.planes).flat_map(|(a, b)| a.data.iter().zip(&b.data));
                match off.map(|(a, b)| (a - b).abs()).fold(0.0, f32::max) {
                    off if off <= 1.0 => Ok(()),
                    off => Err(format!("a sample is {off} away")),
                }
            }
            Work::Predict => {
                let values = |folder: &Path| -> Vec<f64> {
                    let json = read(folder);
                    let rows = json.as_array().unwrap().iter();
                    rows.flat_map(|row| row["values"].as_array().unwrap()).map(|v| v.as_f64().unwrap()).collect()
                };
                near(&values(place), &values(&reference), 1e-3)
            }
            Work::Bench => {
                let rows = read(place);
                let checks: Vec<f64> = rows.as_array().unwrap().iter().map(|r| r["check"].as_f64().unwrap()).collect();
                assert!(checks.len() == 2, "the CPU and the device: {rows}");
                near(&checks[1..], &checks[..1], 0.02)
            }
            Work::Verify => {
                let json = read(place);
                assert!(json["device"].as_str().unwrap().contains("llvmpipe"), "{json}");
                let passed = json["rows"].as_array().unwrap().iter().all(|row| row["passed"] == true);
                if passed { Ok(()) } else { Err(json.to_string()) }
            }
        }
    }
}

/// The longest wait that was told of.
fn longest_wait(said: &str) -> Option<Duration> {
    let waits = said.lines().filter(|line| line.starts_with("waiting for the device"));
    let seconds = waits.filter_map(|line| line.split(", ").find_map(|part| part.split_once(" s;")?.0.parse().ok()));
    seconds.max().map(Duration::from_secs)
}

fn read(folder: &Path) -> Value {
    let text = fs::read_to_string(folder.join("stdout")).unwrap();
    serde_json::from_str(&text).unwrap_or_else(|e| panic!("{e}: {text}"))
}

/// Whether values are as wanted, relative to the length of all.
fn near(got: &[f64], want: &[f64], bound: f64) -> Result<(), String> {
    assert_eq!(got.len(), want.len());
    let norm = |values: &mut dyn Iterator<Item = f64>| values.map(|v| v * v).sum::<f64>().sqrt();
    let off = norm(&mut got.iter().zip(want).map(|(a, b)| a - b));
    if off <= bound * norm(&mut want.iter().copied()) { Ok(()) } else { Err(format!("the result is {off:e} away")) }
}
