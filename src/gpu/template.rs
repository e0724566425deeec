//! Writes one instance of a kernel's text.
//!
//! Register tiles need sizes that WGSL cannot take as overrides (gfx-rs/wgpu#6521: naga's loops stay loops, and arrays
//! in registers need literal indices), and a kernel should declare only the bindings it uses. So the text carries
//! marks in comments; it stays valid WGSL as it stands in the file, with default constants:
//!
//! - `const NAME: u32 = 4u;` gets this instance's value;
//! - a line that ends in `// when NAME` stays if the constant is not zero, `// unless NAME` if it is zero;
//! - `for (var i = 0u; i < BOUND; i++) { // unroll` becomes its body `BOUND` times, `i` replaced by a literal. The bound
//!   is an expression of constants and literals; loops nest.

use std::collections::HashMap;

/// Gives constants of a kernel's text their values, drops lines that are not for this instance, and unrolls loops.
///
/// # Panics
/// When a mark names something that is no constant of the text: kernels are part of the program, and tests parse them.
pub(super) fn instantiate(source: &str, constants: &[(&str, u32)]) -> String {
    let mut known: HashMap<&str, u32> = HashMap::new();
    let mut lines = Vec::new();
    for line in source.lines() {
        if let Some((name, value)) = constant(line) {
            match constants.iter().find(|c| c.0 == name) {
                Some(&(_, value)) => {
                    known.insert(name, value);
                    lines.push(format!("const {name}: u32 = {value}u;"));
                }
                None => {
                    // What marks cannot name, such as a bit pattern, is the compiler's business alone.
                    known.extend(try_evaluate(value, &known).map(|value| (name, value)));
                    lines.push(line.to_string());
                }
            }
        } else if kept(line, &known) {
            lines.push(line.to_string());
        }
    }
    let mut text = String::with_capacity(2 * source.len());
    unroll(&lines, &known, &mut text);
    text
}

/// Name and value of a line `const NAME: u32 = VALUE;`.
fn constant(line: &str) -> Option<(&str, &str)> {
    let (name, rest) = line.strip_prefix("const ")?.split_once(": u32 =")?;
    Some((name.trim(), rest.split(';').next()?))
}

fn kept(line: &str, known: &HashMap<&str, u32>) -> bool {
    let marked = |mark: &str| line.rsplit_once(mark).map(|(_, condition)| evaluate(condition, known) != 0);
    marked("// when ").unwrap_or(true) && !marked("// unless ").unwrap_or(false)
}

fn unroll(lines: &[String], known: &HashMap<&str, u32>, text: &mut String) {
    let mut i = 0;
    while i < lines.len() {
        let Some((variable, bound)) = header(&lines[i]) else {
            text.push_str(&lines[i]);
            text.push('\n');
            i += 1;
            continue;
        };
        let end = i + closing(&lines[i..]);
        for n in 0..evaluate(bound, known) {
            let body: Vec<String> =
                lines[i + 1..end].iter().map(|l| replace_word(l, variable, &format!("{n}u"))).collect();
            text.push_str("{\n");
            unroll(&body, known, text);
            text.push_str("}\n");
        }
        i = end + 1;
    }
}

/// Variable and bound of a loop to unroll.
fn header(line: &str) -> Option<(&str, &str)> {
    let rest = line.trim().strip_suffix("{ // unroll")?.trim().strip_prefix("for (var ")?;
    let (variable, rest) = rest.split_once(" = 0u; ")?;
    let bound = rest.strip_prefix(variable)?.strip_prefix(" < ")?.split(';').next()?;
    Some((variable, bound))
}

/// Index of the line that closes the block which the first line opens.
fn closing(lines: &[String]) -> usize {
    let mut depth = 0i32;
    for (i, line) in lines.iter().enumerate() {
        let code = line.split("//").next().unwrap_or_default();
        depth += code.matches('{').count() as i32 - code.matches('}').count() as i32;
        if depth == 0 {
            return i;
        }
    }
    panic!("a loop to unroll is never closed: {}", lines[0]);
}

fn is_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_'
}

fn replace_word(line: &str, word: &str, by: &str) -> String {
    let mut out = String::with_capacity(line.len());
    let mut rest = line;
    while let Some(at) = rest.find(word) {
        let (before, after) = (&rest[..at], &rest[at + word.len()..]);
        let whole = !before.ends_with(|c| is_word(c) || c == '.') && !after.starts_with(is_word);
        // The character before may have been copied already.
        let whole = whole && !(before.is_empty() && out.ends_with(|c| is_word(c) || c == '.'));
        out.push_str(before);
        out.push_str(if whole { by } else { word });
        rest = after;
    }
    out + rest
}

/// Value of an expression of literals and constants with `+ - * / %` and parentheses.
fn evaluate(expression: &str, known: &HashMap<&str, u32>) -> u32 {
    try_evaluate(expression, known)
        .unwrap_or_else(|| panic!("`{expression}` is no expression of this text's constants"))
}

fn try_evaluate(expression: &str, known: &HashMap<&str, u32>) -> Option<u32> {
    let mut rest = expression.trim();
    let value = sum(&mut rest, known)?;
    rest.is_empty().then_some(value)
}

fn sum(rest: &mut &str, known: &HashMap<&str, u32>) -> Option<u32> {
    let mut value = product(rest, known)?;
    while let Some(sign) = take(rest, "+-") {
        let term = product(rest, known)?;
        value = if sign == '+' { value.checked_add(term)? } else { value.checked_sub(term)? };
    }
    Some(value)
}

fn product(rest: &mut &str, known: &HashMap<&str, u32>) -> Option<u32> {
    let mut value = atom(rest, known)?;
    while let Some(sign) = take(rest, "*/%") {
        let factor = atom(rest, known)?;
        value = match sign {
            '*' => value.checked_mul(factor)?,
            '/' => value.checked_div(factor)?,
            _ => value.checked_rem(factor)?,
        };
    }
    Some(value)
}

fn atom(rest: &mut &str, known: &HashMap<&str, u32>) -> Option<u32> {
    if take(rest, "(").is_some() {
        let value = sum(rest, known)?;
        return take(rest, ")").map(|_| value);
    }
    let end = rest.find(|c| !is_word(c)).unwrap_or(rest.len());
    let (word, after) = rest.split_at(end);
    *rest = after.trim_start();
    let literal = word.strip_suffix('u').unwrap_or(word);
    known.get(word).copied().or_else(|| match literal.strip_prefix("0x") {
        Some(digits) => u32::from_str_radix(digits, 16).ok(),
        None => literal.parse().ok(),
    })
}

fn take(rest: &mut &str, any: &str) -> Option<char> {
    let first = rest.chars().next().filter(|&c| any.contains(c))?;
    *rest = rest[1..].trim_start();
    Some(first)
}

#[cfg(test)]
mod tests {
    use super::{evaluate, instantiate, replace_word};
    use std::collections::HashMap;

    #[test]
    fn constants_take_this_instances_values_and_others_follow_from_them() {
        let text = instantiate("const A: u32 = 4u;\nconst B: u32 = A * 2u + 1u;\nlet A1 = A;", &[("A", 3)]);
        assert_eq!(text, "const A: u32 = 3u;\nconst B: u32 = A * 2u + 1u;\nlet A1 = A;\n");
        let text = instantiate("const A: u32 = 1u;\nconst B: u32 = A * 2u;\nx // when B - 6u", &[("A", 3)]);
        assert_eq!(text.lines().count(), 2, "B is 6, so x goes");
    }

    #[test]
    fn lines_stay_or_go_by_condition() {
        let source = "const V: u32 = 1u;\na // when V\nb // unless V\nc";
        assert_eq!(instantiate(source, &[]).lines().skip(1).collect::<Vec<_>>(), ["a // when V", "c"]);
        assert_eq!(instantiate(source, &[("V", 0)]).lines().skip(1).collect::<Vec<_>>(), ["b // unless V", "c"]);
    }

    #[test]
    fn loops_unroll_and_nest() {
        let source = "const N: u32 = 2u;
for (var i = 0u; i < N; i++) { // unroll
    for (var j = 0u; j < N / 2u; j++) { // unroll
        a[i * 4u + j] = v.i + ij;
    }
}";
        let text: String = instantiate(source, &[]).split_whitespace().collect::<Vec<_>>().join(" ");
        assert_eq!(text, "const N: u32 = 2u; { { a[0u * 4u + 0u] = v.i + ij; } } { { a[1u * 4u + 0u] = v.i + ij; } }");
    }

    #[test]
    fn only_whole_words_are_replaced() {
        assert_eq!(replace_word("i + ii + a.i + i_ + (i)", "i", "3u"), "3u + ii + a.i + i_ + (3u)");
    }

    #[test]
    fn expressions_follow_the_usual_order() {
        let known = HashMap::from([("TM", 8), ("TN", 4)]);
        assert_eq!(evaluate("TM * (TN + 2u) / 3u - 1u % 4", &known), 15);
    }

    #[test]
    fn constants_that_marks_do_not_name_may_be_anything() {
        let source = "const MASK: u32 = 0x50415443u;\nconst TOP: u32 = 1u << 31u;\n";
        assert_eq!(instantiate(source, &[]), source);
    }

    #[test]
    #[should_panic(expected = "`X` is no expression")]
    fn an_unknown_name_is_refused() {
        instantiate("let a = 1; // when X", &[]);
    }
}
