//! Numbers and empty cells as people and programs write them.

/// What programs write into a cell without a value: pandas, R, SQL, spreadsheets, the UCI collection.
const EMPTY: [&str; 9] = ["na", "n/a", "#n/a", "#na", "nan", "-nan", "null", "<na>", "?"];

/// What stands for a number that is missing. Among words these may be words.
const NO_NUMBER: [&str; 9] = ["none", "nil", "missing", "-", ".", "\\n", "#value!", "#div/0!", "#ref!"];

/// Whether a cell, trimmed, has no value.
pub fn is_empty(cell: &str) -> bool {
    cell.is_empty() || EMPTY.iter().any(|word| cell.eq_ignore_ascii_case(word))
}

/// Whether a cell of a column of numbers, trimmed, has no value.
pub fn is_hole(cell: &str) -> bool {
    is_empty(cell) || NO_NUMBER.iter().any(|word| cell.eq_ignore_ascii_case(word))
}

/// The finite number that a cell, trimmed, holds; groups of three digits may stand apart, and bookkeepers put what is below
/// zero in parentheses.
pub fn parse(cell: &str, decimal: char) -> Option<f64> {
    if !cell.contains(|c: char| c.is_ascii_digit()) {
        return None;
    }
    if let Some(inner) = cell.strip_prefix('(').and_then(|rest| rest.strip_suffix(')')) {
        let signed = inner.starts_with(['-', '+', '\u{2212}', '(']);
        return parse(inner, decimal).filter(|_| !signed).map(|value| -value);
    }
    let finite = |text: &str| {
        // Rust reads the words `inf` and `nan` too.
        let plain = text.bytes().all(|b| b.is_ascii_digit() || matches!(b, b'.' | b'-' | b'+' | b'e' | b'E'));
        text.parse().ok().filter(|value: &f64| plain && value.is_finite())
    };
    if decimal == '.'
        && let Some(value) = finite(cell)
    {
        return Some(value);
    }
    let other = if decimal == '.' { ',' } else { '.' };
    let sign = cell.starts_with(['-', '+', '\u{2212}']);
    let digits = if sign { &cell[cell.chars().next().map_or(0, char::len_utf8)..] } else { cell };
    let (whole, rest) = digits.split_once(decimal).map_or((digits, ""), |(whole, rest)| (whole, rest));
    let whole = ungrouped(whole, other)?;
    if digits.contains(decimal) && rest.starts_with(['-', '+']) || rest.contains(other) {
        return None;
    }
    let minus = if cell.starts_with(['-', '\u{2212}']) { "-" } else { "" };
    finite(&format!("{minus}{whole}.{}", if rest.is_empty() { "0" } else { rest })).or_else(|| {
        // An exponent behind a whole number: 1e5.
        (!digits.contains(decimal)).then(|| finite(&format!("{minus}{whole}"))).flatten()
    })
}

/// The digits without what groups them: a comma or point, a space (narrow or not, breaking or not), an apostrophe. Groups
/// do not begin with a zero: `0.418` has decimals.
fn ungrouped(whole: &str, other: char) -> Option<String> {
    let marks = [other, ' ', '\u{a0}', '\u{202f}', '\u{2009}', '\'', '\u{2019}'];
    let Some(mark) = whole.chars().find(|c| marks.contains(c)) else { return Some(whole.to_string()) };
    let groups: Vec<&str> = whole.split(mark).collect();
    let digits = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
    let sound = groups.iter().all(|g| digits(g))
        && (1..=3).contains(&groups[0].len())
        && !groups[0].starts_with('0')
        && groups[1..].iter().all(|g| g.len() == 3);
    sound.then(|| groups.concat())
}

/// What a cell says of the decimal mark.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mark {
    /// Nothing.
    None,
    /// The decimal mark is a point.
    Point,
    /// The decimal mark is a comma.
    Comma,
    /// `1,234` or `1.234`, with this mark: a group, or decimals.
    Either(char),
}

/// What a cell says of the decimal mark.
pub fn mark(cell: &str) -> Mark {
    let numeric = |c: char| c.is_ascii_digit() || ".,-+eE'() \u{a0}\u{202f}\u{2009}\u{2019}\u{2212}".contains(c);
    if !cell.chars().all(numeric) || !cell.contains(|c: char| c.is_ascii_digit()) {
        return Mark::None;
    }
    match (parse(cell, '.'), parse(cell, ',')) {
        (Some(a), Some(b)) if a == b => Mark::None,
        (Some(_), Some(_)) => Mark::Either(if cell.contains(',') { ',' } else { '.' }),
        (Some(_), None) => Mark::Point,
        (None, Some(_)) => Mark::Comma,
        (None, None) => Mark::None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_as_they_are_written() {
        let point = [
            ("1", 1.0),
            ("-1.5e3", -1500.0),
            (".5", 0.5),
            ("5.", 5.0),
            ("+2", 2.0),
            ("1,234.56", 1234.56),
            ("1e5", 1e5),
            ("12,345,678", 12_345_678.0),
            ("1 234 567", 1_234_567.0),
            ("1'234.5", 1234.5),
            ("-1,000", -1000.0),
            ("\u{2212}3", -3.0),
            ("1\u{a0}000", 1000.0),
            ("(29.45)", -29.45),
            ("(1,234)", -1234.0),
        ];
        point.iter().for_each(|(text, value)| assert_eq!(parse(text, '.'), Some(*value), "{text}"));
        let comma = [
            ("1,5", 1.5),
            ("1.234,56", 1234.56),
            ("1.234.567", 1_234_567.0),
            ("7", 7.0),
            ("-0,25", -0.25),
            ("1 000,5", 1000.5),
        ];
        comma.iter().for_each(|(text, value)| assert_eq!(parse(text, ','), Some(*value), "{text}"));
        let none = [
            "inf",
            "nan",
            "1,2",
            "1,23,456",
            "12,34",
            "red",
            "",
            "1.2.3",
            "2014-03-01",
            "-",
            ".",
            ",",
            "+.",
            "e5",
            "1e999",
            "--1",
            "1-2",
            "0x10",
            "(-1)",
            "0,424",
            "00,424",
        ];
        none.iter().for_each(|text| assert_eq!(parse(text, '.'), None, "{text}"));
        assert_eq!(parse("1.5", ','), None);
    }

    #[test]
    fn some_numbers_tell_their_decimal_mark() {
        use Mark::*;
        for (cell, says) in [
            ("1,5", Comma),
            ("1.5", Point),
            ("1,234", Either(',')),
            ("1.234", Either('.')),
            ("1,234.5", Point),
            ("12", None),
            ("1.234,5", Comma),
            ("1234,567", Comma),
            ("1,234,567", Point),
            ("1,a", None),
            ("0,5", Comma),
            ("0,424", Comma),
            ("-0.418", Point),
            ("(1.234)", Either('.')),
        ] {
            assert_eq!(mark(cell), says, "{cell}");
        }
    }
}
