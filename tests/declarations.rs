//! What people and strangers declare is built and planned, whatever it says: an error that says why or a plan that runs;
//! no panic, no abort, and never a gigabyte.
//!
//! A process of its own, since it counts the memory of all it does.

#[path = "suite/support/property.rs"]
mod property;

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use proptest::prelude::*;
use serde_json::{Value, json};
use wgrad::graph::{Loss, Op, Options, Plan, StepParams, Update, differentiate, optimize};
use wgrad::internal::checkpoint::Checkpoint;
use wgrad::internal::cpu::Cpu;
use wgrad::internal::executor::Executor;
use wgrad::internal::models;
use wgrad::internal::network::{Mode, Network};
use wgrad::internal::train::Recipe;

/// The system's allocator, which remembers the most that was held at once.
struct Counted;

static HELD: AtomicUsize = AtomicUsize::new(0);
static MOST: AtomicUsize = AtomicUsize::new(0);

// SAFETY: all is passed on to the system's allocator.
unsafe impl GlobalAlloc for Counted {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        MOST.fetch_max(HELD.fetch_add(layout.size(), Relaxed) + layout.size(), Relaxed);
        // SAFETY: as the caller promises.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        HELD.fetch_sub(layout.size(), Relaxed);
        // SAFETY: as the caller promises.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counted = Counted;

const GIB: usize = 1 << 30;
/// What the executor may hold; beyond it, plans are refused before anything is allocated.
const EXECUTOR: u64 = 64 << 20;

/// Declarations to begin with: every kind of network, every kind of layer.
fn originals() -> Vec<Value> {
    let inner = json!([{ "layer": "conv", "out": 6, "kernel": 3, "padding": 1 }, { "layer": "prelu" }]);
    let layers = json!([
        { "layer": "conv", "out": 6, "kernel": 3, "padding": 1 },
        { "layer": "batch_norm" },
        { "layer": "activation", "function": "relu" },
        { "layer": "residual", "layers": inner },
        { "layer": "dense", "layers": inner },
        { "layer": "max_pool", "kernel": 2 },
        { "layer": "conv_transpose", "out": 8, "kernel": 4, "stride": 2, "padding": 1, "output_padding": 0 },
        { "layer": "prelu" },
        { "layer": "pixel_shuffle", "scale": 2 },
        { "layer": "upsample", "scale": 2, "bilinear": true },
        { "layer": "average_pool", "kernel": 2, "stride": 2 },
        { "layer": "dropout", "rate": 0.25 },
        { "layer": "linear", "out": 5 },
        { "layer": "layer_norm" },
        { "layer": "softmax" }
    ]);
    let pooled = json!([{ "layer": "conv", "out": 4, "kernel": 3 }, { "layer": "global_pool" }]);
    let mut all = vec![
        json!({ "kind": "mlp", "sizes": [2, 8, 3], "activation": "tanh", "dropout": 0.5 }),
        json!({ "kind": "srcnn", "scale": 2, "channels": 1, "features": [6, 4] }),
        json!({ "kind": "espcn", "scale": 3, "channels": 3, "features": [6, 4] }),
        json!({ "kind": "fsrcnn", "scale": 2, "features": 6, "shrink": 4, "maps": 2 }),
        json!({ "kind": "compact", "scale": 2, "features": 6, "convolutions": 3, "expand": 8, "skip": "nearest" }),
        json!({ "kind": "residual", "scale": 4, "channels": 3, "features": 6, "blocks": 2, "skip": "none" }),
        json!({ "kind": "sequential", "input": [8, 8, 3], "layers": layers }),
        json!({ "kind": "sequential", "input": [8, 8, 3], "layers": pooled }),
    ];
    for name in models::names() {
        all.push(serde_json::to_value(models::find(Some(&name), None).unwrap().network).unwrap());
    }
    all
}

#[test]
fn the_originals_are_networks() {
    for original in originals() {
        let network: Network = serde_json::from_value(original.clone()).unwrap_or_else(|e| panic!("{original}: {e}"));
        network.check().unwrap_or_else(|e| panic!("{original}: {e}"));
        assert!(planned(&network, 2, [16, 16]).is_ok(), "{original}");
    }
}

/// What people and damage write in place of a number, a word or a list.
fn odd() -> impl Strategy<Value = Value> {
    let numbers = [0u64, 1, 2, 3, 5, 7, 16, 17, 64, 255, 1000, 4096, 65_535, 1 << 20, (1 << 31) - 1, 1 << 31, 1 << 32];
    let huge = [1u64 << 40, 1 << 62, u64::MAX];
    let words = ["relu", "nearest", "conv", "conv_transpose", "pixel_shuffle", "softmax", "mlp", "residual", ""];
    prop_oneof![
        8 => prop::sample::select(numbers.to_vec()).prop_map(Value::from),
        3 => prop::sample::select(huge.to_vec()).prop_map(Value::from),
        2 => prop::sample::select(vec![-1.0, 0.0, 0.5, 1.0, 1.5, 1e-300, 1e39, 1e308]).prop_map(Value::from),
        2 => prop::sample::select(words.to_vec()).prop_map(Value::from),
        1 => prop::sample::select(vec![json!(null), json!([]), json!({}), json!([0]), json!(true), json!(-1)]),
    ]
}

/// One change: at a leaf (by its number), or to a list or table.
#[derive(Clone, Debug)]
enum Edit {
    Replace(usize, Value),
    Remove(usize),
    Repeat(usize, u8),
    Swap(usize, usize),
}

fn edits() -> impl Strategy<Value = Vec<Edit>> {
    let edit = prop_oneof![
        6 => (any::<usize>(), odd()).prop_map(|(at, value)| Edit::Replace(at, value)),
        1 => any::<usize>().prop_map(Edit::Remove),
        2 => (any::<usize>(), 1u8..40).prop_map(|(at, times)| Edit::Repeat(at, times)),
        2 => (any::<usize>(), any::<usize>()).prop_map(|(a, b)| Edit::Swap(a, b)),
    ];
    prop::collection::vec(edit, 1..4)
}

/// Pointers (RFC 6901) to all that stands in a value, itself left out.
fn pointers(value: &Value, at: &str, found: &mut Vec<String>) {
    let mut visit = |key: String, value: &Value| {
        let at = format!("{at}/{key}");
        pointers(value, &at, found);
        found.push(at);
    };
    match value {
        Value::Array(items) => items.iter().enumerate().for_each(|(i, item)| visit(i.to_string(), item)),
        Value::Object(fields) => fields.iter().for_each(|(key, item)| visit(key.clone(), item)),
        _ => {}
    }
}

fn edited(mut value: Value, edits: &[Edit]) -> Value {
    for edit in edits {
        let mut all = Vec::new();
        pointers(&value, "", &mut all);
        if all.is_empty() {
            break;
        }
        let pick = |at: usize| all[at % all.len()].clone();
        let parent = |at: &str| at.rsplit_once('/').map(|(to, key)| (to.to_string(), key.to_string())).unwrap();
        match edit {
            Edit::Replace(at, new) => *value.pointer_mut(&pick(*at)).unwrap() = new.clone(),
            Edit::Remove(at) => {
                let (to, key) = parent(&pick(*at));
                match value.pointer_mut(&to) {
                    Some(Value::Array(items)) => drop(items.remove(key.parse().unwrap())),
                    Some(Value::Object(fields)) => drop(fields.remove(&key)),
                    _ => {}
                }
            }
            Edit::Repeat(at, times) => {
                let (to, key) = parent(&pick(*at));
                if let Some(Value::Array(items)) = value.pointer_mut(&to) {
                    let at: usize = key.parse().unwrap();
                    let item = items[at].clone();
                    (0..*times).for_each(|_| items.insert(at, item.clone()));
                }
            }
            Edit::Swap(a, b) => {
                let (a, b) = (pick(*a), pick(*b));
                if !a.starts_with(&b) && !b.starts_with(&a) {
                    let first = value.pointer(&a).unwrap().clone();
                    let second = std::mem::replace(value.pointer_mut(&b).unwrap(), first);
                    *value.pointer_mut(&a).unwrap() = second;
                }
            }
        }
    }
    value
}

/// Builds, plans, loads and, where it is small, runs a network, for use and for training.
fn planned(network: &Network, batch: usize, size: [usize; 2]) -> wgrad::Result<()> {
    let run = |plan: Plan| -> wgrad::Result<()> {
        let small = plan.macs() < 1 << 22 && plan.bytes() < 1 << 22;
        let mut executor = Cpu::<f32>::new().with_memory(EXECUTOR);
        let id = executor.load(Arc::new(plan))?;
        if small { executor.run(id, &[StepParams::default()]) } else { Ok(()) }
    };
    network.radius();
    network.outputs()?;
    let (mut graph, _, y) = network.graph(batch, size, Mode::Infer)?;
    graph.output(y);
    run(Plan::new(&graph, Options::default())?)?;
    let (mut graph, _, y) = network.graph(batch, size, Mode::Train)?;
    let target = graph.input("target", graph.shape(y).extents())?;
    let loss = graph.push(Op::Loss(Loss::Mse), &[y, target])?;
    differentiate(&mut graph, loss, None, &[])?;
    let rule = Update::Adam { beta1: 0.9, beta2: 0.99, epsilon: 1e-8, decay: 0.0, decoupled: false };
    optimize(&mut graph, rule, Some(1.0), Some(0.9))?;
    run(Plan::new(&graph, Options::default())?)
}

/// One line, and nothing of the program's insides.
fn said(error: &wgrad::Error) {
    let text = error.to_string();
    assert!(!text.is_empty() && text.len() < 2000 && !text.contains("faulty plan"), "{text}");
}

/// A stranger's file: a declaration with weights that are another network's.
fn file(network: &Value) -> Vec<u8> {
    let metadata = json!({ "wgrad": "1", "network": network.to_string() });
    let tensor = json!({ "dtype": "F32", "shape": [1], "data_offsets": [0, 4] });
    let header = serde_json::to_vec(&json!({ "__metadata__": metadata, "0.weight": tensor })).unwrap();
    [&(header.len() as u64).to_le_bytes()[..], &header, &[0; 4]].concat()
}

fn try_all(original: usize, edits: &[Edit], batch: u64, size: [u64; 2]) {
    let originals = originals();
    let value = edited(originals[original % originals.len()].clone(), edits);
    MOST.store(HELD.load(Relaxed), Relaxed);
    // In a checkpoint.
    let bytes = file(&value);
    if let Err(error) = Checkpoint::decode(&bytes, "strange.safetensors") {
        said(&error);
        assert!(error.to_string().contains("strange.safetensors"), "{error}");
    }
    // In a recipe.
    let recipe = json!({ "batch": batch, "network": value });
    if let Ok(text) = toml::to_string(&recipe) {
        match Recipe::parse(&text, "strange.toml", &[]) {
            Err(error) => said(&error),
            Ok(recipe) => {
                planned(&recipe.network, recipe.batch, size.map(|n| n as usize)).err().iter().for_each(said);
            }
        }
    }
    // As a program builds it, with what recipes would have refused.
    if let Ok(network) = serde_json::from_value::<Network>(value.clone()) {
        let checked = network.check();
        checked.as_ref().err().into_iter().for_each(said);
        if checked.is_ok() {
            planned(&network, batch as usize, size.map(|n| n as usize)).err().iter().for_each(said);
        }
    }
    let most = MOST.load(Relaxed);
    assert!(most < GIB, "{} MiB were held for {value}", most >> 20);
}

fn extent() -> impl Strategy<Value = u64> {
    prop_oneof![6 => 1u64..20, 1 => Just(0), 2 => 20u64..3000, 1 => prop::sample::select(vec![1u64 << 20, 1 << 31, 1 << 40])]
}

proptest! {
    #![proptest_config(property::config(400))]

    #[test]
    fn whatever_is_declared_is_planned_or_refused(
        original in 0usize..64, edits in edits(), batch in extent(), size in [extent(), extent()]
    ) {
        try_all(original, &edits, batch, size);
    }
}
