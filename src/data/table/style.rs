//! How the numbers of a column are written: their decimal mark, and the unit beside each of them.

use csv::StringRecord;

use super::dialect::{Decimal, Separator};
use super::number::{self, Mark};
use super::unit;
use crate::interface::Written;

/// Numbers in groups of three digits, and whole numbers without, from which it follows that the groups are thousands: of
/// three decimals one number in ten would end in a zero, which is left out or stands in all whole numbers too.
const GROUPED: usize = 8;
const WHOLE: usize = 2;

/// How the numbers of a column are written.
#[derive(Clone, Debug)]
pub(super) struct Style {
    pub(super) decimal: Decimal,
    pub(super) unit: Option<String>,
    /// Whether its decimal mark is known: from its numbers, or from the columns beside it.
    marked: bool,
    /// A cell that can be read in two ways, where nothing settles it.
    pub(super) doubt: Option<String>,
}

impl Style {
    /// The finite number in a cell; its unit may be left out.
    pub(super) fn number(&self, cell: &str) -> Option<f64> {
        let plain = number::parse(cell, self.decimal.mark());
        plain.or_else(|| number::parse(&unit::strip(cell, self.unit.as_deref()?)?, self.decimal.mark()))
    }

    /// What a network remembers of it.
    pub(super) fn written(&self) -> Written {
        Written { decimal: self.marked.then_some(self.decimal), unit: self.unit.clone() }
    }
}

/// What the cells of a column say of its decimal mark.
#[derive(Default)]
struct Tally<'a> {
    /// Cells that are numbers with a decimal point, or a decimal comma, only.
    points: usize,
    commas: usize,
    /// `1.234` and `1,234`.
    by_point: usize,
    by_comma: usize,
    /// Whole numbers from 1 to 999, and larger ones, without marks.
    small: usize,
    large: usize,
    /// The first that can be read in two ways.
    example: Option<&'a str>,
    /// Cells that are neither numbers nor empty.
    words: usize,
}

impl<'a> Tally<'a> {
    fn of(cells: impl Iterator<Item = &'a str>, unit: Option<&str>) -> Self {
        let mut tally = Tally::default();
        for cell in cells.filter(|cell| !number::is_hole(cell)) {
            let stripped = unit.and_then(|unit| unit::strip(cell, unit));
            let text = stripped.as_deref().unwrap_or(cell);
            match number::mark(text) {
                Mark::Point => tally.points += 1,
                Mark::Comma => tally.commas += 1,
                Mark::Either(mark) => {
                    *(if mark == ',' { &mut tally.by_comma } else { &mut tally.by_point }) += 1;
                    tally.example.get_or_insert(cell);
                }
                Mark::None => match number::parse(text, '.') {
                    Some(value) if (1.0..1000.0).contains(&value.abs()) => tally.small += 1,
                    Some(value) if value.abs() >= 1000.0 => tally.large += 1,
                    Some(_) => {}
                    None => tally.words += 1,
                },
            }
        }
        tally
    }

    /// The mark that some cell leaves no doubt of; of both, the more frequent.
    fn proven(&self) -> Option<Decimal> {
        match (self.points, self.commas) {
            (0, 0) => None,
            (points, commas) => Some(if commas > points { Decimal::Comma } else { Decimal::Point }),
        }
    }

    /// The mark that follows from thousands in groups beside whole numbers that need none.
    fn thousands(&self) -> Option<Decimal> {
        let beside = self.small >= WHOLE && self.large == 0;
        match (self.by_point, self.by_comma) {
            (groups, 0) if beside && groups >= GROUPED => Some(Decimal::Comma),
            (0, groups) if beside && groups >= GROUPED => Some(Decimal::Point),
            _ => None,
        }
    }
}

/// The styles of the columns, from the cells alone as far as they tell; where they do not, from the other columns, from
/// what a person `said`, from what a network `learned`, and from what is usual with such a separator, in this order.
pub(super) fn find<'a>(
    records: &[StringRecord],
    width: usize,
    separator: Separator,
    said: Option<Decimal>,
    learned: &dyn Fn(usize) -> Option<&'a Written>,
) -> Vec<Style> {
    let column = |place: usize| records.iter().filter_map(move |record| record.get(place));
    let unit = |place: usize| match learned(place) {
        Some(written) => written.unit.clone(),
        None => common_unit(column(place)),
    };
    let units: Vec<Option<String>> = (0..width).map(unit).collect();
    let tallies: Vec<Tally<'_>> = (0..width).map(|place| Tally::of(column(place), units[place].as_deref())).collect();
    let own = |tally: &Tally<'_>| match (tally.proven(), said) {
        // A person knows better where both are there.
        (Some(_), Some(said)) if tally.points > 0 && tally.commas > 0 => Some(said),
        (proven, _) => proven,
    };
    let known = |(place, tally): (usize, &Tally<'_>)| {
        let sure = own(tally).or_else(|| if said.is_none() { tally.thousands() } else { None });
        sure.filter(|_| tally.words == 0).map(|decimal| (place, decimal))
    };
    let known: Vec<(usize, Decimal)> = tallies.iter().enumerate().filter_map(known).collect();
    let others = |place: usize| common(known.iter().filter(|(other, _)| *other != place).map(|(_, mark)| *mark));
    let memory = common((0..width).filter_map(|place| learned(place)?.decimal));
    let style = |(place, (tally, unit)): (usize, (Tally<'_>, Option<String>))| {
        let (others, thousands) = (others(place), tally.thousands());
        let open = tally.by_point + tally.by_comma > 0;
        let remembered = learned(place).and_then(|written| written.decimal).or(memory);
        let usual = match (separator, tally.by_point, tally.by_comma) {
            (Separator::Comma, _, 0) | (Separator::Comma, 0, _) | (Separator::Space, _, 0) => Some(Decimal::Point),
            _ => None,
        };
        let agreed = match (others, thousands) {
            (Some(others), Some(thousands)) if others != thousands => None,
            (others, thousands) => thousands.or(others).or(remembered).or(usual),
        };
        let found = own(&tally).or(said).or(if open { agreed } else { others.or(remembered) });
        let marked = found.is_some() && tally.words == 0;
        let doubt = tally.example.filter(|_| found.is_none()).map(str::to_owned);
        Style { decimal: found.unwrap_or(Decimal::Point), unit, marked, doubt }
    };
    tallies.into_iter().zip(units.iter().cloned()).enumerate().map(style).collect()
}

/// The one mark of some.
fn common(mut marks: impl Iterator<Item = Decimal>) -> Option<Decimal> {
    let first = marks.next()?;
    marks.all(|mark| mark == first).then_some(first)
}

/// The unit that every cell has.
fn common_unit<'a>(cells: impl Iterator<Item = &'a str>) -> Option<String> {
    let mut cells = cells.filter(|cell| !number::is_hole(cell));
    let first = unit::of(cells.next()?)?;
    cells.all(|cell| unit::strip(cell, &first).is_some() && unit::of(cell).is_some()).then_some(first)
}

/// Whether a cell is a number, whatever its decimal mark, or one with a unit.
pub(super) fn is_number(cell: &str) -> bool {
    any_number(cell).is_some() || unit::of(cell).is_some_and(|unit| unit::is_known(&unit))
}

/// The number in a cell, with a decimal point if that makes one, else with a comma.
pub(super) fn any_number(cell: &str) -> Option<f64> {
    number::parse(cell, '.').or_else(|| number::parse(cell, ','))
}

/// Two cells of numbers with different units, where all cells are numbers with units that are known.
pub(super) fn different_units<'a>(mut cells: impl Iterator<Item = &'a str>) -> Option<[&'a str; 2]> {
    let first = cells.next()?;
    let known = |cell: &str| unit::of(cell).filter(|unit| unit::is_known(unit));
    let one = known(first)?;
    let mut other = None;
    for cell in cells {
        if known(cell)? != one {
            other = other.or(Some(cell));
        }
    }
    Some([first, other?])
}
