//! Which tile shape each step gets: the one asked for, the one that was fastest on this device, or the default.
//!
//! Tile shapes of a class give the same bits (see [`super::contraction`]), so a choice costs or saves time and changes
//! nothing else. What is measured is kept in a [`Memory`], if the device was opened with one; a load measures what is
//! missing there, the largest share of the work first, until its budget is spent.

mod key;
mod measure;

use std::collections::{HashMap, HashSet};
use std::time::{Duration, Instant};

use super::adapters::AdapterInfo;
use super::context::Context;
use super::contraction::{self, Class, Shapes, Tile, tiles};
use super::kernels::SOURCES;
use super::load::Fixed;
use crate::graph::{Plan, Step};
use crate::tuned::{Choice, Identity, Memory};
use crate::{Error, Result};
use key::Key;
use measure::Measure;

/// Time that a load may take for measuring, unless told otherwise.
const BUDGET: Duration = Duration::from_secs(2);

/// What tuning found for one kind of step.
#[derive(Clone, Debug)]
pub struct Finding {
    /// Operator and shape; `matmul` is rows x columns x terms (`ta`, `tb`: which operand is transposed), convolutions
    /// are kernel/stride, channels in x out, pixels.
    pub key: String,
    /// Floating-point operations of the step that is measured for it.
    pub flops: f64,
    /// The fastest shape; none when time or memory did not suffice to measure it.
    pub choice: Option<Choice>,
    /// Whether it was measured now, and not recalled.
    pub measured: bool,
}

/// What an executor knows about its own measuring.
#[derive(Default)]
pub(super) struct Tuner {
    measured: usize,
    /// Keys that took too much memory or time: not tried at every load.
    hopeless: HashSet<String>,
}

impl AdapterInfo {
    /// What measurements on this adapter by this program are true of.
    pub fn identity(&self) -> Identity {
        // FNV-1a (Fowler, Noll, Vo), which stays the same from one compiler to the next.
        let texts = SOURCES.iter().flat_map(|(name, text)| [*name, *text]).chain([env!("CARGO_PKG_VERSION")]);
        let step = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        let hash = texts.flat_map(str::bytes).fold(0xcbf2_9ce4_8422_2325, step);
        let place = if self.pci.is_empty() { String::new() } else { format!(", {}", self.pci) };
        let [vendor, device] = self.ids;
        let adapter = format!("{} ({}, {vendor:04x}:{device:04x}{place})", self.name, self.backend);
        Identity { adapter, driver: self.driver.clone(), kernels: format!("{hash:016x}") }
    }
}

/// What measuring needs of the executor.
pub(super) struct Site<'a> {
    pub(super) context: &'a mut Context,
    pub(super) fixed: &'a Fixed,
    /// Where kernels find the parameters of a step.
    pub(super) params: &'a wgpu::BindGroup,
    pub(super) class: Class,
}

impl Tuner {
    /// Kinds of steps that were measured.
    pub(super) fn measured(&self) -> usize {
        self.measured
    }

    /// Finds the fastest tile shape for every kind of step in `plans`, those that take most of the work first, and reports
    /// each as it is known. What the device's memory holds is not measured again; what is found goes there.
    ///
    /// # Errors
    /// When the device was opened without a memory, or with a tile shape that is to be used; when it is lost or hangs.
    pub(super) fn tune(
        &mut self,
        site: Site<'_>,
        plans: &[Plan],
        budget: Duration,
        on_finding: &mut dyn FnMut(&Finding),
    ) -> Result<Vec<Finding>> {
        let options = &site.context.options;
        let (Some(memory), None) = (options.tuning.memory.clone(), &options.tile) else {
            return Err(Error::input("tile shapes are measured where there is a memory for them and none is fixed"));
        };
        self.hopeless.clear();
        self.measure(site, plans.iter(), &memory, budget, on_finding)
    }

    /// The tile of every step of a plan.
    ///
    /// # Errors
    /// When the shape that was asked for does not exist.
    pub(super) fn shapes(&mut self, site: Site<'_>, plan: &Plan) -> Result<Shapes> {
        let (class, options) = (site.class, &site.context.options);
        let default = |step: &Step| {
            let tiled = !tiles(step.op, class).is_empty() && !contraction::is_small(plan, step, class);
            tiled.then(|| contraction::default(plan, step, class))
        };
        if let Some(name) = &options.tile {
            let tile = Tile::named(name).ok_or_else(|| Error::input(format!("there is no tile shape `{name}`")))?;
            if matches!(tile, Tile::Matrix { .. }) && !matches!(class, Class::Matrix(_)) {
                return Err(Error::input(format!("the tile shape `{name}` needs mixed precision")));
            }
            let tiled = |step: &Step| !tiles(step.op, class).is_empty();
            let tiles = plan.steps.iter().map(|step| tiled(step).then_some(tile)).collect();
            return Ok(Shapes { tiles, measured: 0 });
        }
        let Some(memory) = options.tuning.memory.clone() else {
            return Ok(Shapes { tiles: plan.steps.iter().map(default).collect(), measured: 0 });
        };
        let usual = if class == Class::Software { Duration::ZERO } else { BUDGET };
        let budget = options.tuning.budget.unwrap_or(usual);
        self.measure(site, [plan].into_iter(), &memory, budget, &mut |_| {})?;
        let mut measured = 0;
        let mut tile = |step: &Step| {
            let choice = Key::of(plan, step, class).and_then(|key| recall(&memory, &key, step));
            measured += usize::from(choice.is_some());
            choice.map(|(tile, _)| tile).or_else(|| default(step))
        };
        let tiles = plan.steps.iter().map(&mut tile).collect();
        Ok(Shapes { tiles, measured })
    }

    /// Recalls or measures all keys of `plans`.
    fn measure<'p>(
        &mut self,
        site: Site<'_>,
        plans: impl Iterator<Item = &'p Plan>,
        memory: &Memory,
        budget: Duration,
        on_finding: &mut dyn FnMut(&Finding),
    ) -> Result<Vec<Finding>> {
        let Site { context, fixed, params: clock, class } = site;
        let begun = Instant::now();
        let mut findings = Vec::new();
        for (key, step) in kinds(plans, class) {
            let known = recall(memory, &key, &step).map(|(_, choice)| choice);
            let due = known.is_none() && begun.elapsed() < budget && !self.hopeless.contains(&key.name);
            let mut finding = Finding {
                flops: 2.0 * key.plan()?.macs() as f64,
                key: key.name.clone(),
                choice: known,
                measured: false,
            };
            if due {
                // A shape that the device cannot run is no reason not to use the device.
                let choice = context
                    .apart(|context| Measure { context, fixed, clock, longest: budget / 2 }.key(&key).unwrap_or(None));
                if context.health.is_dead() {
                    context.check("tuning")?;
                }
                self.measured += usize::from(choice.is_some());
                finding.measured = choice.is_some();
                match &choice {
                    Some(choice) => memory.insert(&key.name, choice.clone()),
                    None => drop(self.hopeless.insert(key.name.clone())),
                }
                finding.choice = choice;
            }
            on_finding(&finding);
            findings.push(finding);
        }
        Ok(findings)
    }
}

/// The keys of all steps with a step of each, those with most of the work first.
fn kinds<'p>(plans: impl Iterator<Item = &'p Plan>, class: Class) -> Vec<(Key, Step)> {
    let mut all: HashMap<String, (u64, Key, Step)> = HashMap::new();
    for plan in plans {
        for step in &plan.steps {
            if let Some(key) = Key::of(plan, step, class) {
                let entry = all.entry(key.name.clone()).or_insert_with(|| (0, key, step.clone()));
                entry.0 += plan.step_macs(step);
            }
        }
    }
    let mut all: Vec<_> = all.into_values().collect();
    all.sort_by(|a, b| b.0.cmp(&a.0).then_with(|| a.1.name.cmp(&b.1.name)));
    all.into_iter().map(|(_, key, step)| (key, step)).collect()
}

/// What the memory says about a key, if it names a shape that the device's kernels have.
fn recall(memory: &Memory, key: &Key, step: &Step) -> Option<(Tile, Choice)> {
    let choice = memory.get(&key.name)?;
    let tile = Tile::named(&choice.tile).filter(|tile| tiles(step.op, key.class).contains(tile))?;
    Some((tile, choice))
}
