//! Every way in which a driver fails, at its first, third and ninth chance, before every kind of work: no panic, no wrong
//! result that counts as right, no endless wait. What comes of each is the table of `docs/devices.md`.
#![cfg(target_os = "linux")]

#[path = "faulty/rig.rs"]
mod rig;
#[path = "suite/support/skip.rs"]
mod skip;

use std::path::PathBuf;

use rayon::prelude::*;
use rig::{Choice, End, Rig, WORKS, Work};
use serde_json::{Value, json};

/// What fails, as a person would say it, and how the layer is told; `N` is when.
const FAULTS: [(&str, &str); 18] = [
    ("the device is lost at submission N and stays so", "lost:N"),
    ("the device is lost at submission N, and works when it is opened again", "once:N"),
    ("the device is lost at wait N", "waitlost:N"),
    ("submission N is never done", "hang:N"),
    ("no memory for submission N", "submitoom:N"),
    ("no memory from allocation N on", "oomlate:N"),
    ("no memory for 1 MiB or more", "oom:1"),
    ("memory cannot be mapped from call N on", "map:N"),
    ("dispatches from N on are swallowed", "drop:N"),
    ("dispatches from N on run by half", "half:N"),
    ("no kernel from N on can be made", "nopipe:N"),
    ("no kernel from N on can be made: host memory", "nopipe:N,1"),
    ("the device is lost while kernel N is made", "nopipe:N,2"),
    ("cannot be opened: initialisation", "nodevice:1"),
    ("cannot be opened: memory", "nodevice:2"),
    ("cannot be opened: lost", "nodevice:3"),
    ("cannot be opened: a feature", "nodevice:4"),
    ("nothing fails", "none"),
];

const WHEN: [u32; 3] = [1, 3, 9];

const CHOICES: [(Choice, &str); 3] = [
    (Choice::Known, "Chosen by `auto`, and used before"),
    (Choice::New, "Chosen by `auto`, for the first time"),
    (Choice::Named, "Named by `--device`"),
];

/// What comes of a fault at each of its chances, one word where it is the same.
fn cell(rig: &Rig, work: Work, fault: &str, choice: Choice) -> String {
    let when = if fault.contains('N') { &WHEN[..] } else { &WHEN[..1] };
    let mut cells: Vec<String> =
        when.iter().map(|n| rig.run(work, &fault.replace('N', &n.to_string()), choice).cell()).collect();
    cells.dedup();
    cells.join(" / ")
}

fn table(rig: &Rig) -> String {
    let mut text = String::new();
    for (choice, title) in CHOICES {
        let names: Vec<String> =
            WORKS.iter().map(|work| format!(" {} |", format!("{work:?}").to_lowercase())).collect();
        text.push_str(&format!("{title}:\n\n| what fails |{}\n|{}\n", names.concat(), "---|".repeat(WORKS.len() + 1)));
        // Devices that hang are waited for while others work.
        let row = |(what, fault): &(&str, &str)| {
            let cells: Vec<String> =
                WORKS.iter().map(|&work| format!(" {} |", cell(rig, work, fault, choice))).collect();
            format!("| {what} |{}\n", cells.concat())
        };
        let rows: Vec<String> = FAULTS.par_iter().map(row).collect();
        text.push_str(&rows.concat());
        text.push('\n');
    }
    text
}

const DOCUMENT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/devices.md");
const BEGIN: &str = "<!-- made by tests/faults.rs -->\n";
const END: &str = "<!-- end -->";

/// The committed table, with what stands before and behind it.
fn document() -> [String; 3] {
    let text = std::fs::read_to_string(DOCUMENT).unwrap();
    let (before, rest) = text.split_once(BEGIN).expect("the document has a table");
    let (table, behind) = rest.split_once(END).expect("the table ends");
    [before, table, behind].map(String::from)
}

/// Takes minutes. With `WGRAD_REGENERATE=1` it writes the table, otherwise it compares it.
#[test]
#[ignore = "many minutes"]
fn every_fault_before_every_work_ends_as_the_table_says() {
    let Some(rig) = Rig::new() else { return skip::no_adapter() };
    let [before, known, behind] = document();
    let made = table(&rig);
    let bad: Vec<&str> = made.lines().filter(|line| line.contains("BAD")).collect();
    assert!(bad.is_empty(), "{}", bad.join("\n"));
    if std::env::var_os("WGRAD_REGENERATE").is_some() {
        std::fs::write(DOCUMENT, format!("{before}{BEGIN}{made}{END}{behind}")).unwrap();
    } else {
        assert_eq!(made, known, "WGRAD_REGENERATE=1 writes the table anew");
    }
}

/// One cell of each kind of end.
#[test]
fn faults_end_as_the_table_says() {
    let Some(rig) = Rig::new() else { return skip::no_adapter() };
    let [_, known, _] = document();
    assert!(!known.contains("BAD"));
    for (work, fault, choice) in [
        (Work::Upscale, "drop:N", Choice::Known),
        (Work::Predict, "half:N", Choice::Known),
        (Work::Train, "once:N", Choice::Known),
        (Work::Train, "waitlost:N", Choice::Named),
        (Work::Predict, "nodevice:3", Choice::New),
        (Work::Verify, "drop:N", Choice::Named),
    ] {
        let (_, title) = CHOICES.iter().find(|(c, _)| *c == choice).unwrap();
        let (what, _) = FAULTS.iter().find(|(_, f)| *f == fault).unwrap();
        let part = known.split_once(title).unwrap().1;
        let row = part.lines().find(|line| line.starts_with(&format!("| {what} |"))).unwrap();
        let column = WORKS.iter().position(|&w| w == work).unwrap();
        let want = row.split(" | ").nth(column + 1).unwrap().trim_end_matches(" |");
        assert_eq!(cell(&rig, work, fault, choice), want, "{work:?}, {what}, {title}");
    }
}

/// A run on a device that was lost and came back ends with the bits of one that was not.
#[test]
fn a_run_goes_on_from_its_checkpoint_when_the_device_comes_back() {
    let Some(rig) = Rig::new() else { return skip::no_adapter() };
    assert_eq!(rig.run(Work::Train, "none", Choice::Known), End::Right(""));
    let whole = rig.last_run();
    assert_eq!(rig.run(Work::Train, "once:30", Choice::Known), End::Right("opened again"));
    let weights = |folder: &std::path::Path| std::fs::read(folder.join("run/best.safetensors")).unwrap();
    assert_eq!(weights(&whole), weights(&rig.last_run()));
}

/// The values of a field in the events of a kind.
fn field<'a>(events: &'a [Value], kind: &str, name: &str) -> Vec<&'a str> {
    let of_kind = events.iter().filter(|event| event["event"] == kind);
    of_kind.map(|event| event[name].as_str().unwrap_or_else(|| panic!("no {name}: {event}"))).collect()
}

/// A batch goes on when its device fails, and machines hear which device failed, how, and which one made each picture.
#[test]
fn events_say_which_device_failed_and_which_made_each_file() {
    let Some(rig) = Rig::new() else { return skip::no_adapter() };
    let pictures = ["in.png", "second.png"].map(|name| rig.file(name));
    let upscale = ["upscale", &pictures[0], &pictures[1], "-m", "tiny", "-o", "out"];
    let has = |texts: &[&str], words: &[&str]| {
        let all = texts.len() == words.len() && texts.iter().zip(words).all(|(text, word)| text.contains(word));
        assert!(all, "{texts:?}, and not {words:?}");
    };
    for (fault, why, then, made) in [
        ("drop:1", "wrong numbers", "going on with CPU", ["CPU", "CPU"]),
        ("once:1", "lost", "opening it again", ["llvmpipe", "llvmpipe"]),
    ] {
        let (code, _, events) = rig.told(fault, Choice::Known, &upscale);
        assert_eq!(code, Some(0), "{fault}: {events:?}");
        has(&field(&events, "device", "device"), &["llvmpipe"]);
        assert_eq!(field(&events, "device_failed", "device"), field(&events, "device", "device"));
        has(&field(&events, "device_failed", "why"), &[why]);
        has(&field(&events, "device_failed", "then"), &[then]);
        has(&field(&events, "device_failed", "input"), &["in.png"]);
        has(&field(&events, "file", "input"), &["in.png", "second.png"]);
        has(&field(&events, "file", "device"), &made);
        assert_eq!(events.last().unwrap()["written"], 2);
    }
    // Nothing stands in for a device that was named: the rest is not tried.
    let (code, _, events) = rig.told("drop:1", Choice::Named, &upscale);
    assert_eq!(code, Some(3));
    has(&field(&events, "error", "text"), &["0 written, 1 failed, 1 not tried"]);
    // One that cannot be opened is an event of its own, before there is a device.
    let (code, _, events) = rig.told("nodevice:3", Choice::New, &upscale);
    assert_eq!(code, Some(0));
    has(&field(&events, "device_failed", "then"), &["going on with CPU"]);
    has(&field(&events, "device", "device"), &["CPU"]);
    has(&field(&events, "file", "device"), &["CPU", "CPU"]);
    let train = "train --set steps=8 --set network.kind=mlp --set network.sizes=[2,8,3] --set batch=32 \
                 --set data.kind=spirals --set validate.every=4";
    let (code, _, events) = rig.told("waitlost:9", Choice::Known, &train.split_whitespace().collect::<Vec<_>>());
    assert_eq!(code, Some(0));
    let failed: Vec<&Value> = events.iter().filter(|event| event["event"] == "device_failed").collect();
    assert!(failed.len() >= 2 && failed.iter().all(|event| event["step"].is_u64()), "{events:?}");
    has(&field(&events, "device_failed", "then")[failed.len() - 1..], &["going on with CPU"]);
}

/// What a device that hangs was given is still there: it is not given more, and waited for once.
#[test]
fn a_device_that_hangs_is_waited_for_once() {
    let Some(rig) = Rig::new() else { return skip::no_adapter() };
    let known = |arguments: &[&str]| {
        let (code, stdout, _) = rig.told("hang:1", Choice::Named, &[arguments, &["--device-timeout", "1"]].concat());
        assert_eq!(code, Some(1), "{stdout}");
        let json: Value = serde_json::from_str(&stdout).unwrap();
        let rows = json.as_array().or_else(|| json["rows"].as_array()).unwrap();
        let why = |row: &Value| row["failure"].as_str().or_else(|| row["error"].as_str()).map(String::from);
        rows.iter().filter_map(why).collect::<Vec<String>>()
    };
    for failures in
        [known(&["verify", "softmax", "loss", "--json"]), known(&["bench", "256", "W3", "--quick", "--json"])]
    {
        assert!(failures.len() >= 2 && failures[0].contains("no answer within 1 s"), "{failures:?}");
        assert!(failures[1..].iter().all(|why| why.contains("not tried: the device hangs")), "{failures:?}");
    }
}

/// A library that is there and can be loaded need not be a driver.
#[test]
fn the_doctor_asks_drivers_for_more_than_to_load() {
    let Some(rig) = Rig::new() else { return skip::no_adapter() };
    let file = PathBuf::from(rig.file("no-driver.json"));
    let manifest = json!({ "file_format_version": "1.0.0",
                           "ICD": { "library_path": Rig::layer(), "api_version": "1.3.0" } });
    std::fs::write(&file, manifest.to_string()).unwrap();
    let report = rig.doctor("nodevice:1", &[file]);
    let [ours, theirs] = [0, 1].map(|i| &report["drivers"][i]);
    assert!(ours["works"] == false && ours["text"].as_str().unwrap().contains("no Vulkan driver"), "{ours}");
    assert!(theirs["works"] == true, "{theirs}");
}

/// What a report of a healthy device has.
#[test]
fn the_doctor_reports_what_a_device_does() {
    let Some(rig) = Rig::new() else { return skip::no_adapter() };
    let report = rig.doctor("none", &[]);
    let sections = report.as_object().unwrap();
    for section in ["program", "system", "drivers", "layers", "variables", "cache", "choice"] {
        assert!(sections[section].as_array().is_some(), "{section}");
    }
    let (_, device) = sections.iter().find(|(title, _)| title.starts_with("adapter 0")).unwrap();
    for (name, says) in [
        ("conformance", "version 1."),
        ("opens", " ms"),
        ("limits", "tiles of 256x256 need"),
        ("memory", "read back"),
        ("known answers, f32", " right"),
        ("known answers, mixed", ""),
        ("longest first submission", " ms"),
        ("timestamps", "dispatches"),
        ("longest dispatch", " ms"),
        ("model tiny-x2", "kernels in"),
    ] {
        let finding = device.as_array().unwrap().iter().find(|finding| finding["name"] == name);
        let text = finding.unwrap_or_else(|| panic!("no {name}: {device}"))["text"].as_str().unwrap();
        assert!(text.contains(says), "{name}: {text}");
    }
}

/// A device that fails is a line of the report, and not its end.
#[test]
fn the_doctor_looks_at_what_others_cannot_use() {
    let Some(rig) = Rig::new() else { return skip::no_adapter() };
    for (fault, step, says) in [("nodevice:1", "opens", "cannot be opened"), ("lost:1", "memory", "lost")] {
        let report = rig.doctor(fault, &[]);
        let text = |finding: &serde_json::Value, key: &str| finding[key].as_str().unwrap().to_string();
        let sections = report.as_object().unwrap();
        let (title, device) = sections.iter().find(|(title, _)| title.starts_with("adapter 0")).unwrap();
        assert!(title.contains("llvmpipe") && title.contains("10005:0000"), "{title}");
        let failed = device.as_array().unwrap().iter().find(|finding| finding["name"] == step).unwrap();
        assert!(failed["works"] == false && text(failed, "text").contains(says), "{fault}: {device}");
        let choice = report["choice"].as_array().unwrap().last().unwrap();
        assert!(text(choice, "text").contains("CPU"), "{choice}");
        assert!(report["program"][1]["name"] == "wgpu" && text(&report["program"][1], "text").contains('.'));
    }
}
