//! The shapes of tiles that kernels can be made with.

use super::super::kernels::MATRIX as MATRIX_UNIT;
use crate::graph::{Op, Plan, Step};

/// What kind of adapter kernels are made for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(in crate::internal::gpu) enum Class {
    /// A driver that runs on the CPU, such as llvmpipe or WARP.
    Software,
    /// A GPU.
    Hardware,
    /// A device whose matrix unit multiplies f16 and sums in f32.
    Matrix(MatrixUnit),
}

/// What multiplies `side x side` matrices, one per subgroup.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(in crate::internal::gpu) struct MatrixUnit {
    /// 8 or 16.
    pub side: u32,
    /// Invocations per subgroup.
    pub lanes: u32,
}

/// Shape of the part of a result that one workgroup makes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(in crate::internal::gpu) enum Tile {
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
    /// As `Shared`, with the products on matrix units: operands are rounded to f16, sums are f32.
    Matrix {
        /// Subgroups per workgroup along rows and columns.
        subgroups: [u32; 2],
        /// The unit's matrices per subgroup along rows and columns.
        blocks: [u32; 2],
    },
}

/// The part of a result that a workgroup makes out of workgroup memory.
pub(super) struct Block {
    /// What the kernel's text is made with.
    pub constants: Vec<(&'static str, u32)>,
    pub rows: u32,
    pub columns: u32,
}

impl Tile {
    const fn register(rows: u32, columns: u32) -> Tile {
        Tile::Register { rows, columns }
    }

    const fn shared(rows: u32, columns: u32, depth: u32, each: [u32; 2]) -> Tile {
        Tile::Shared { rows, columns, depth, each }
    }

    const fn matrix(subgroups: [u32; 2], blocks: [u32; 2]) -> Tile {
        Tile::Matrix { subgroups, blocks }
    }

    /// What the kernels that pass their operands through workgroup memory are made with; `None` for register tiles.
    /// `across` says which operands are gathered terms by rows.
    pub(super) fn through_memory(self, class: Class, across: [bool; 2]) -> Option<Block> {
        let shape = |rows: u32, columns: u32, depth: u32, each: [u32; 2]| {
            let constants = vec![("BM", rows), ("BN", columns), ("BK", depth), ("TM", each[0]), ("TN", each[1])];
            Block { constants, rows, columns }
        };
        match (self, class) {
            (Tile::Register { .. }, _) => None,
            (Tile::Shared { rows, columns, depth, each }, _) => Some(shape(rows, columns, depth, each)),
            (Tile::Matrix { subgroups, blocks }, Class::Matrix(MatrixUnit { side, lanes })) => {
                let each = blocks.map(|n| n * side);
                let mut block = shape(subgroups[0] * each[0], subgroups[1] * each[1], 2 * side, each);
                block.constants.extend([(MATRIX_UNIT, 1), ("SIDE", side), ("LANES", lanes)]);
                block.constants.extend([("A_ACROSS", u32::from(across[0])), ("B_ACROSS", u32::from(across[1]))]);
                Some(block)
            }
            (Tile::Matrix { .. }, _) => unreachable!("refused when the plan was loaded"),
        }
    }

    /// A stable name, for caches and records of runs.
    pub(in crate::internal::gpu) fn name(self) -> String {
        match self {
            Tile::Register { rows, columns } => format!("register-{rows}x{columns}"),
            Tile::Shared { rows, columns, depth, each: [r, c] } => format!("shared-{rows}x{columns}x{depth}-{r}x{c}"),
            Tile::Matrix { subgroups: [r, c], blocks: [br, bc] } => format!("matrix-{r}x{c}-{br}x{bc}"),
        }
    }

    /// Rows and columns of a result of `columns` that one workgroup makes, where operands are read in whole fours.
    fn extents(self, columns: usize, class: Class) -> [usize; 2] {
        match self {
            Tile::Register { rows, columns: most } => {
                let lanes = Lanes::new(rows, most, columns);
                [lanes.tm * lanes.lm, lanes.tn * lanes.ln].map(|extent| extent as usize)
            }
            Tile::Shared { .. } | Tile::Matrix { .. } => {
                let block = self.through_memory(class, [false; 2]).expect("no register tile");
                [block.rows, block.columns].map(|extent| extent as usize)
            }
        }
    }

    /// The tile of a name, if it is one of [`tiles`].
    pub(in crate::internal::gpu) fn named(name: &str) -> Option<Tile> {
        REGISTER.iter().chain(SHARED).chain(MATRIX).copied().find(|t| t.name() == name)
    }
}

pub(super) const REGISTER: &[Tile] =
    &[Tile::register(16, 16), Tile::register(16, 32), Tile::register(16, 8), Tile::register(8, 8)];

pub(super) const SHARED: &[Tile] = &[
    Tile::shared(64, 64, 16, [4, 4]),
    Tile::shared(64, 64, 16, [8, 8]),
    Tile::shared(128, 128, 8, [8, 8]),
    Tile::shared(64, 32, 16, [4, 4]),
    Tile::shared(32, 32, 16, [4, 4]),
];

pub(super) const MATRIX: &[Tile] = &[
    Tile::matrix([2, 2], [2, 2]),
    Tile::matrix([2, 4], [4, 2]),
    Tile::matrix([4, 1], [2, 4]),
    Tile::matrix([4, 1], [2, 2]),
    Tile::matrix([4, 1], [2, 1]),
];

/// The shapes to choose from for an operator, the likeliest first. Empty for operators that are no contraction.
pub(in crate::internal::gpu) fn tiles(op: Op, class: Class) -> &'static [Tile] {
    match class {
        _ if !op.is_contraction() => &[],
        Class::Software => REGISTER,
        Class::Hardware => SHARED,
        Class::Matrix(_) => MATRIX,
    }
}

/// The class of kernels for a step on a device of `class`: on matrix units few terms gain nothing, and the pixels of a
/// network's input would lose digits.
pub(in crate::internal::gpu) fn suited(plan: &Plan, step: &Step, class: Class) -> Class {
    let Some(made) = step.output.map(|output| plan.shape(output)) else { return class };
    match class {
        Class::Matrix(_) if made.columns() < 8 || plan.step_macs(step) < 32 * made.len() as u64 => Class::Hardware,
        other => other,
    }
}

/// The shape that is taken without a tuner. It depends on channels and columns, never on the size of a picture.
pub(in crate::internal::gpu) fn default(plan: &Plan, step: &Step, class: Class) -> Tile {
    let made = plan.shape(step.output.expect("a contraction has an output"));
    let columns = made.columns();
    // Large products want large tiles, which read less of the operands twice; they compile twice as long.
    let large = matches!(step.op, Op::MatMul { .. }) && plan.step_macs(step) >= 1 << 26;
    match suited(plan, step, class) {
        Class::Matrix(_) if columns <= 16 => Tile::matrix([4, 1], [2, 1]),
        Class::Matrix(_) if columns <= 32 => Tile::matrix([4, 1], [2, 2]),
        Class::Matrix(_) if columns >= 512 && made.rows() >= 512 => Tile::matrix([2, 4], [4, 2]),
        Class::Matrix(_) => Tile::matrix([2, 2], [2, 2]),
        Class::Software if large => Tile::register(16, 32),
        Class::Software => Tile::register(16, 16),
        Class::Hardware if columns <= 16 => Tile::shared(32, 32, 16, [4, 4]),
        Class::Hardware if columns <= 32 => Tile::shared(64, 32, 16, [4, 4]),
        Class::Hardware => Tile::shared(64, 64, 16, [4, 4]),
    }
}

/// How many groups the sums of a result are split over so that the device has enough to do: counted in default tiles,
/// whichever tile is used, so that a sum's order follows from its shape and no choice of tile changes a bit.
pub(super) fn groups(plan: &Plan, step: &Step, class: Class, rows: usize) -> usize {
    let columns = plan.shape(step.output.expect("a contraction has an output")).columns();
    let [high, wide] = default(plan, step, class).extents(columns, class);
    let enough = match class {
        Class::Software => 16,
        Class::Hardware | Class::Matrix(_) => 256,
    };
    enough / (rows.div_ceil(high) * columns.div_ceil(wide)).max(1)
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
