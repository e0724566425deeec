//! The kernels' text: embedded, assembled with what they use, instantiated.

use super::parts;
use super::template::instantiate;

macro_rules! shaders {
    ($($name:literal),* $(,)?) => {
        /// Stem and text of every file in `shaders/`.
        pub(super) const SOURCES: &[(&str, &str)] =
            &[$(($name, include_str!(concat!("../../shaders/", $name, ".wgsl")))),*];
    };
}

shaders!(
    "activation",
    "clock",
    "conv_gradient",
    "conv_pack",
    "conv_register",
    "conv_shared",
    "conv_geometry",
    "conv_weight",
    "conv_weight_shared",
    "elementwise",
    "lanes",
    "loss",
    "math",
    "matmul_backward",
    "matmul_epilogue",
    "matmul_matrix",
    "matmul_operands",
    "matmul_reduce",
    "matmul_register",
    "matmul_shared",
    "matmul_small",
    "matmul_tile",
    "normalization_columns",
    "normalization_rows",
    "optimizer",
    "optimizer_norm",
    "random",
    "reduction",
    "sampling",
    "shape",
    "softmax",
    "spatial",
);

/// The kernel's text after what its first line `// uses: a, b` names, each once, with constants replaced. `a or b` is b
/// where the constants ask for matrix units, a otherwise.
pub(super) fn assemble(stem: &str, constants: &[(&str, u32)]) -> Result<String, String> {
    let mut order = Vec::new();
    collect(stem, constants.contains(&(MATRIX, 1)), &mut order)?;
    let text = instantiate(&order.concat(), constants);
    // WGSL wants directives before everything else.
    let (directives, rest): (Vec<&str>, Vec<&str>) = text.lines().partition(|line| line.starts_with("enable "));
    let text = [directives.join("\n"), rest.join("\n")].join("\n");
    if constants.contains(&parts::PARTED) { parts::instance(&text) } else { Ok(text) }
}

/// The constant that asks for matrix units.
pub(super) const MATRIX: &str = "MATRIX";

fn collect(stem: &str, matrix: bool, order: &mut Vec<&'static str>) -> Result<(), String> {
    let Some((_, text)) = SOURCES.iter().find(|(name, _)| *name == stem) else {
        return Err(format!("there is no shader `{stem}`"));
    };
    let first = text.lines().next().unwrap_or_default();
    for used in first.strip_prefix("// uses:").unwrap_or_default().split(',').map(str::trim) {
        let used = used.split_once(" or ").map_or(used, |(plain, other)| if matrix { other } else { plain });
        if !used.is_empty() {
            collect(used, matrix, order)?;
        }
    }
    if !order.contains(text) {
        order.push(text);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gpu::reflect::reflect;

    #[test]
    fn every_file_in_the_folder_is_embedded_and_every_kernel_valid() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/shaders");
        let mut faults = String::new();
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let stem = path.file_stem().unwrap().to_string_lossy().into_owned();
            for constants in [&[][..], &[(MATRIX, 1)], &[parts::PARTED]] {
                let source = assemble(&stem, constants).unwrap();
                // These two call `put`, which only the kernels that use them define.
                let part = ["matmul_tile", "matmul_matrix"].contains(&stem.as_str());
                if let (false, Err(fault)) = (part, reflect(&source)) {
                    faults.push_str(&format!("{stem}: {fault}\n"));
                }
            }
        }
        assert!(faults.is_empty(), "{faults}");
    }
}
