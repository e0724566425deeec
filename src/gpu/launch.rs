//! One dispatch as data: what the lowering hands to the engine.
//!
//! Names tie a launch to its kernel: bindings and parameters are found in the WGSL by reflection, so that no table of
//! indices or offsets is kept by hand.

use crate::graph::{Arena, TensorId};

/// What a binding of a kernel is tied to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operand {
    /// A tensor of the plan, wherever it lives.
    Tensor(TensorId),
    /// A part of an arena; `offset` is a multiple of `Layout::ALIGN`.
    Part {
        /// Which arena.
        arena: Arena,
        /// First element.
        offset: usize,
        /// How many.
        elements: usize,
    },
    /// Memory for the stages of one step, shared by all steps; `index` tells buffers of one step apart.
    Scratch {
        /// Which scratch buffer.
        index: usize,
        /// 32-bit elements that the step needs of it.
        elements: usize,
    },
    /// Memory of the step that makes this tensor, kept from run to run.
    Kept {
        /// The step's output.
        of: TensorId,
        /// 32-bit elements.
        elements: usize,
    },
    /// The ring of losses, one entry per step of a submission.
    Ring,
}

/// The value of a field of the kernel's `struct Params`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Scalar {
    /// An unsigned integer.
    U32(u32),
    /// A float.
    F32(f32),
}

impl Scalar {
    /// A length or an index; lengths beyond 32 bits are refused when the plan is loaded.
    pub(super) fn size(value: usize) -> Self {
        Scalar::U32(u32::try_from(value).unwrap_or(u32::MAX))
    }

    /// The bytes the kernel reads.
    pub(super) fn bits(self) -> u32 {
        match self {
            Scalar::U32(value) => value,
            Scalar::F32(value) => value.to_bits(),
        }
    }
}

/// One dispatch of one entry point.
#[derive(Clone, Debug)]
pub(super) struct Launch {
    /// Stem of `shaders/NAME.wgsl`.
    pub shader: &'static str,
    /// Entry point in it.
    pub entry: &'static str,
    /// Values that replace `const NAME: u32 = ..;` in the text.
    pub constants: Vec<(&'static str, u32)>,
    /// What each storage variable is tied to; a variable without an entry gets a small dummy buffer.
    pub bindings: Vec<(&'static str, Operand)>,
    /// Fields of the kernel's `struct Params`; fields without an entry are zero.
    pub params: Vec<(&'static str, Scalar)>,
    /// Workgroups along each dimension.
    pub groups: [u32; 3],
    /// Depends on the parameters alone and fills kept memory, so that it runs only when they have changed.
    pub once: bool,
}

impl Launch {
    /// A launch of `shader::entry` with one workgroup and nothing bound.
    pub(super) fn new(shader: &'static str, entry: &'static str) -> Self {
        let (constants, bindings, params) = (Vec::new(), Vec::new(), Vec::new());
        Launch { shader, entry, constants, bindings, params, groups: [1, 1, 1], once: false }
    }

    /// Sets a constant of the text.
    pub(super) fn constant(mut self, name: &'static str, value: u32) -> Self {
        self.constants.push((name, value));
        self
    }

    /// Binds a tensor.
    pub(super) fn tensor(self, name: &'static str, tensor: TensorId) -> Self {
        self.bind(name, Operand::Tensor(tensor))
    }

    /// Binds anything.
    pub(super) fn bind(mut self, name: &'static str, operand: Operand) -> Self {
        self.bindings.push((name, operand));
        self
    }

    /// Sets an integer parameter.
    pub(super) fn size(mut self, name: &'static str, value: usize) -> Self {
        self.params.push((name, Scalar::size(value)));
        self
    }

    /// Sets a float parameter.
    pub(super) fn float(mut self, name: &'static str, value: f32) -> Self {
        self.params.push((name, Scalar::F32(value)));
        self
    }

    /// Dispatches enough workgroups of `width` for `items` invocations.
    pub(super) fn over(mut self, items: usize, width: usize) -> Self {
        self.groups = fold(items.div_ceil(width));
        self
    }

    /// Dispatches these workgroups.
    pub(super) fn groups(mut self, groups: [usize; 3]) -> Self {
        self.groups = groups.map(|n| u32::try_from(n).unwrap_or(u32::MAX));
        self
    }
}

/// Workgroups along one dimension that every device accepts.
pub(super) const MAX_GROUPS: usize = 65_535;

/// Folds a one-dimensional dispatch into two dimensions where it is longer than devices accept. Kernels find their
/// linear group as `workgroup_id.y * num_workgroups.x + workgroup_id.x` and leave when it is past the end.
pub(super) fn fold(groups: usize) -> [u32; 3] {
    let rows = groups.div_ceil(MAX_GROUPS).max(1);
    let columns = groups.div_ceil(rows);
    [columns as u32, rows as u32, 1]
}

#[cfg(test)]
mod tests {
    use super::fold;

    #[test]
    fn folding_covers_every_group() {
        for groups in [1, 5, 65_535, 65_536, 1_000_003, 70_000_001] {
            let [x, y, z] = fold(groups);
            assert!(u64::from(x) * u64::from(y) >= groups as u64 && x <= 65_535 && z == 1);
        }
    }
}
