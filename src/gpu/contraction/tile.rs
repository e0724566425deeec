//! The shapes of tiles that kernels can be made with.

use crate::graph::{Op, Plan, Step};

/// What kind of adapter kernels are made for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(in crate::gpu) enum Class {
    /// A driver that runs on the CPU, such as llvmpipe or WARP.
    Software,
    /// A GPU.
    Hardware,
}

/// Shape of the part of a result that one workgroup makes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(in crate::gpu) enum Tile {
    /// Register tiles without workgroup memory: each of 8 invocations makes `rows x columns`.
    Register {
        /// Rows (or pixels) per invocation, a multiple of 4.
        rows: u32,
        /// Most columns (or channels) per invocation, a multiple of 4.
        columns: u32,
    },
    /// Operands pass through workgroup memory, `depth` terms at a time.
    Shared {
        /// Rows per workgroup.
        rows: u32,
        /// Columns per workgroup.
        columns: u32,
        /// Terms per round.
        depth: u32,
        /// Rows and columns per invocation.
        each: [u32; 2],
    },
}

impl Tile {
    const fn register(rows: u32, columns: u32) -> Tile {
        Tile::Register { rows, columns }
    }

    const fn shared(rows: u32, columns: u32, depth: u32, each: [u32; 2]) -> Tile {
        Tile::Shared { rows, columns, depth, each }
    }

    /// A stable name, for caches and records of runs.
    pub(in crate::gpu) fn name(self) -> String {
        match self {
            Tile::Register { rows, columns } => format!("register-{rows}x{columns}"),
            Tile::Shared { rows, columns, depth, each: [r, c] } => format!("shared-{rows}x{columns}x{depth}-{r}x{c}"),
        }
    }

    /// The tile of a name, if it is one of [`tiles`].
    pub(in crate::gpu) fn named(name: &str) -> Option<Tile> {
        REGISTER.iter().chain(SHARED).copied().find(|t| t.name() == name)
    }
}

const REGISTER: &[Tile] =
    &[Tile::register(16, 16), Tile::register(16, 32), Tile::register(16, 8), Tile::register(8, 8)];

const SHARED: &[Tile] = &[
    Tile::shared(64, 64, 16, [4, 4]),
    Tile::shared(64, 64, 16, [8, 8]),
    Tile::shared(128, 128, 8, [8, 8]),
    Tile::shared(64, 32, 16, [4, 4]),
    Tile::shared(32, 32, 16, [4, 4]),
];

/// The shapes to choose from for an operator, the likeliest first. Empty for operators that are no contraction.
pub(in crate::gpu) fn tiles(op: Op, class: Class) -> &'static [Tile] {
    let contraction =
        matches!(op, Op::MatMul { .. } | Op::Conv2d(_) | Op::Conv2dInputGrad { .. } | Op::Conv2dWeightGrad(_));
    match class {
        _ if !contraction => &[],
        Class::Software => REGISTER,
        Class::Hardware => SHARED,
    }
}

/// The shape that is taken without a tuner. It depends on channels and columns, never on the size of a picture.
pub(super) fn default(plan: &Plan, step: &Step, class: Class) -> Tile {
    let columns = plan.shape(step.output.expect("a contraction has an output")).columns();
    // Large products want large tiles, which read less of the operands twice; they compile twice as long.
    let large = matches!(step.op, Op::MatMul { .. }) && plan.step_macs(step) >= 1 << 26;
    match class {
        Class::Software if large => Tile::register(16, 32),
        Class::Software => Tile::register(16, 16),
        Class::Hardware if columns <= 16 => Tile::shared(32, 32, 16, [4, 4]),
        Class::Hardware if columns <= 32 => Tile::shared(64, 32, 16, [4, 4]),
        Class::Hardware => Tile::shared(64, 64, 16, [4, 4]),
    }
}

/// How the 8 lanes of a register tile stand for a result of `columns`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Lanes {
    /// Rows per invocation.
    pub tm: u32,
    /// Columns per invocation, a multiple of four.
    pub tn: u32,
    /// Invocations along rows; 8 in all.
    pub lm: u32,
    /// Invocations along columns.
    pub ln: u32,
}

impl Lanes {
    /// Spreads lanes along columns as far as there are columns, the rest along rows.
    pub fn new(rows: u32, most: u32, columns: usize) -> Lanes {
        let blocks = columns.div_ceil(most as usize).min(8);
        let tn = columns.div_ceil(blocks).next_multiple_of(4).min(most as usize) as u32;
        let ln = (columns.div_ceil(tn as usize).next_power_of_two() as u32).min(8);
        Lanes { tm: rows, tn, lm: 8 / ln, ln }
    }

    pub fn constants(self) -> [(&'static str, u32); 4] {
        [("TM", self.tm), ("TN", self.tn), ("LM", self.lm), ("LN", self.ln)]
    }
}
