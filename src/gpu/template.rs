//! Replaces constants in the text of a kernel.

/// Gives `const NAME: u32 = ..;` lines the values of this instance.
pub(super) fn instantiate(source: &str, constants: &[(&str, u32)]) -> String {
    let mut text = String::with_capacity(source.len());
    for line in source.lines() {
        let named = constants.iter().find(|(name, _)| line.starts_with(&format!("const {name}: u32 =")));
        match named {
            Some((name, value)) => text.push_str(&format!("const {name}: u32 = {value}u;")),
            None => text.push_str(line),
        }
        text.push('\n');
    }
    text
}
