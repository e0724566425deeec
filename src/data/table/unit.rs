//! What stands beside numbers: currency signs, percent signs, units.

/// Currencies, which may stand before a number as well as behind it.
const CURRENCIES: [&str; 34] = [
    "$", "€", "£", "¥", "₹", "₽", "₩", "₺", "₪", "฿", "₫", "₴", "¢", "US$", "R$", "A$", "C$", "Fr.", "kr", "zł", "Kč",
    "Rs", "Rs.", "USD", "EUR", "GBP", "CHF", "JPY", "CNY", "INR", "SEK", "NOK", "DKK", "PLN",
];

/// Units that are known to be some: of a column that has several of them nobody can tell what its numbers mean.
const KNOWN: [&str; 62] = [
    "%", "‰", "°", "°C", "°F", "mm", "cm", "m", "km", "in", "ft", "yd", "mi", "mg", "g", "kg", "t", "lb", "lbs", "oz",
    "ml", "l", "L", "hl", "ms", "s", "sec", "min", "h", "hr", "hrs", "d", "W", "kW", "MW", "Wh", "kWh", "MWh", "V",
    "A", "mA", "Hz", "kHz", "MHz", "GHz", "Pa", "hPa", "bar", "psi", "m²", "m³", "cm²", "km²", "ft²", "sqft", "mph",
    "km/h", "kB", "MB", "GB", "K", "M",
];

/// Units that end in a digit.
const DIGITS: [&str; 8] = ["cm2", "km2", "ft2", "m2", "cm3", "km3", "ft3", "m3"];

/// Letters of a unit, at most.
const MOST: usize = 8;

/// A cell taken apart.
struct Parts<'a> {
    /// `-`, `(` or nothing.
    sign: &'a str,
    before: &'a str,
    number: &'a str,
    behind: &'a str,
}

fn parts(cell: &str) -> Option<Parts<'_>> {
    let inner = cell.strip_prefix('(').and_then(|rest| rest.strip_suffix(')'));
    let (sign, rest) = match inner {
        Some(inner) => ("(", inner),
        None => match cell.strip_prefix(['-', '\u{2212}']) {
            Some(rest) => ("-", rest),
            None => ("", cell.strip_prefix('+').unwrap_or(cell)),
        },
    };
    let digit = |c: char| c.is_ascii_digit();
    let first = rest.find(|c: char| digit(c) || matches!(c, '-' | '\u{2212}'))?;
    // A point or comma before the first digit is the number's own: .5
    let first = first - usize::from(first > 0 && matches!(rest.as_bytes()[first - 1], b'.' | b',') && first == 1);
    let (before, rest) = rest.split_at(first);
    let last = DIGITS
        .iter()
        .find_map(|unit| rest.strip_suffix(unit))
        .map_or_else(|| rest.rfind(digit).map(|at| at + 1), |number| number.contains(digit).then_some(number.len()))?;
    let (number, behind) = rest.split_at(last);
    Some(Parts { sign, before: before.trim(), number: number.trim(), behind: behind.trim() })
}

/// The unit of a cell that holds a number with one: what stands before it and behind, as in `$5`, `5 kg`, `$5M`.
pub(super) fn of(cell: &str) -> Option<String> {
    let Parts { before, behind, .. } = parts(cell)?;
    let is_before = before.is_empty() || CURRENCIES.contains(&before);
    let is_behind = behind.is_empty() || is_unit(behind);
    let unit = format!("{before}{behind}");
    let sound = is_before && is_behind && !unit.is_empty();
    (sound && is_number(&strip(cell, &unit)?)).then_some(unit)
}

fn is_unit(text: &str) -> bool {
    let fits = |c: char| c.is_alphabetic() || "%‰°²³/$€£¥₹₽₩₺₪฿₫₴¢µ".contains(c);
    let known = is_known(text) || DIGITS.contains(&text);
    known || (!text.is_empty() && text.chars().count() <= MOST && text.chars().all(fits))
}

/// Whether a text is surely a unit.
pub(super) fn is_known(text: &str) -> bool {
    let known = |text: &str| CURRENCIES.contains(&text) || KNOWN.contains(&text) || DIGITS.contains(&text);
    known(text) || CURRENCIES.iter().any(|currency| text.strip_prefix(currency).is_some_and(known))
}

fn is_number(text: &str) -> bool {
    super::number::parse(text, '.').or_else(|| super::number::parse(text, ',')).is_some()
}

/// The number in a cell with a unit, as it is written; none where the cell does not have that unit.
pub(super) fn strip(cell: &str, unit: &str) -> Option<String> {
    let Parts { sign, before, number, behind } = parts(cell)?;
    if unit.strip_prefix(before) != Some(behind) {
        return None;
    }
    Some(match sign {
        "(" => format!("({number})"),
        sign => format!("{sign}{number}"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_are_told_from_words() {
        for (cell, unit, number) in [
            ("$1,234", "$", "1,234"),
            ("-$5", "$", "-5"),
            ("$-5", "$", "-5"),
            ("($29.45)", "$", "(29.45)"),
            ("12%", "%", "12"),
            ("48.1 %", "%", "48.1"),
            ("102 m²", "m²", "102"),
            ("102m2", "m2", "102"),
            ("1.234,56 €", "€", "1.234,56"),
            ("EUR 7", "EUR", "7"),
            ("-.5%", "%", "-.5"),
            ("5 kg", "kg", "5"),
            ("3 rooms", "rooms", "3"),
            ("$1.5M", "$M", "1.5"),
        ] {
            assert_eq!((of(cell), strip(cell, unit)), (Some(unit.to_string()), Some(number.to_string())), "{cell}");
        }
        for cell in ["5", "A1", "red", "12.05.", "10:30 am", "1st class", "#3", "m2", "%", "2024-01-02", "3 or more"] {
            assert_eq!(of(cell), None, "{cell}");
        }
        assert_eq!(strip("5 €", "$"), None);
    }
}
