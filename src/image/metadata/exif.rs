//! EXIF blocks: the sizes in them, and their way into TIFF and out of it (EXIF 2.32, 4.6).

use super::super::ifd::{Directory, Field, Numbers, size_of};
use super::{Density, Length};

const EXIF: u16 = 0x8769;
const GPS: u16 = 0x8825;
/// A directory within EXIF's; nothing in it is worth a pointer that would have to be moved.
const INTEROPERABILITY: u16 = 0xa005;

/// Of the first directory, what describes the picture and not how it is stored: title, maker, model, resolution, software,
/// date, artist, copyright.
const DESCRIPTION: [u16; 10] = [270, 271, 272, 282, 283, 296, 305, 306, 315, 33_432];

/// The fields of a directory: tag, kind, number, and values as bytes.
pub(in super::super) type Group = Vec<(u16, u16, usize, Vec<u8>)>;

/// What is kept of EXIF data on the way between TIFF and other formats.
pub(in super::super) struct Tree {
    pub numbers: Numbers,
    pub main: Group,
    pub exif: Group,
    pub gps: Group,
}

/// A directory that a field of another points at.
fn below(numbers: &Numbers, bytes: &[u8], directory: &Directory, tag: u16) -> Option<Directory> {
    let at = *numbers.values(bytes, directory.field(tag)?)?.first()?;
    numbers.directory(bytes, at as usize)
}

impl Tree {
    /// From an EXIF block.
    pub fn read(block: &[u8]) -> Option<Tree> {
        let numbers = Numbers::of(block)?;
        Some(Tree::of(block, numbers, &numbers.directory(block, numbers.first(block)?)?))
    }

    /// From a block or a TIFF file, of which this is the picture's directory.
    pub fn of(bytes: &[u8], numbers: Numbers, first: &Directory) -> Tree {
        let group = |directory: Option<&Directory>, takes: &dyn Fn(u16) -> bool| -> Group {
            let fields = directory.map(|directory| &directory.fields[..]).unwrap_or_default();
            let taken = fields.iter().filter(|field| takes(field.tag) && field.kind <= 12);
            taken.map(|field| (field.tag, field.kind, field.count, field.content(bytes).to_vec())).collect()
        };
        let exif = group(below(&numbers, bytes, first, EXIF).as_ref(), &|tag| tag != INTEROPERABILITY);
        let gps = group(below(&numbers, bytes, first, GPS).as_ref(), &|_| true);
        let main = group(Some(first), &|tag| DESCRIPTION.contains(&tag));
        Tree { numbers, main, exif, gps }
    }

    /// Whether there is more than a resolution.
    pub fn says_something(&self) -> bool {
        let resolution = |tag: u16| matches!(tag, 282 | 283 | 296);
        !self.exif.is_empty() || !self.gps.is_empty() || self.main.iter().any(|(tag, ..)| !resolution(*tag))
    }

    /// The block that says so.
    pub fn block(&self) -> Vec<u8> {
        let numbers = Numbers { big: false, ..self.numbers };
        let mut block = if numbers.big_endian { b"MM\0*\0\0\0\x08".to_vec() } else { b"II*\0\x08\0\0\0".to_vec() };
        let mut main = self.main.clone();
        // Placeholders, put right when their directories are there.
        for (tag, group) in [(EXIF, &self.exif), (GPS, &self.gps)] {
            if !group.is_empty() {
                main.push((tag, 4, 1, vec![0; 4]));
            }
        }
        let places = append(&mut block, &numbers, main);
        for (tag, group) in [(EXIF, &self.exif), (GPS, &self.gps)] {
            if let Some(&(_, place)) = places.iter().find(|(other, _)| *other == tag) {
                let at = numbers.put(block.len() as u64, 4);
                block[place..place + 4].copy_from_slice(&at);
                append(&mut block, &numbers, group.clone());
            }
        }
        block
    }

    /// The fields of a group with their numbers in this machine's order.
    pub fn native(&self, group: &Group) -> Group {
        let turn = self.numbers.big_endian != cfg!(target_endian = "big");
        let mut group = group.clone();
        for (_, kind, _, content) in &mut group {
            // Fractions are two numbers.
            let size = if matches!(kind, 5 | 10) { 4 } else { size_of(*kind) };
            if turn && size > 1 {
                content.chunks_exact_mut(size).for_each(<[u8]>::reverse);
            }
        }
        group
    }
}

/// Appends a directory and its values; returns where each field's own four bytes stand.
fn append(block: &mut Vec<u8>, numbers: &Numbers, mut group: Group) -> Vec<(u16, usize)> {
    group.sort_by_key(|(tag, ..)| *tag);
    let mut places = Vec::new();
    let mut values = block.len() + 2 + 12 * group.len() + 4;
    let mut tail = Vec::new();
    block.extend(numbers.put(group.len() as u64, 2));
    for (tag, kind, count, mut content) in group {
        block.extend([numbers.put(tag.into(), 2), numbers.put(kind.into(), 2), numbers.put(count as u64, 4)].concat());
        places.push((tag, block.len()));
        if content.len() > 4 {
            block.extend(numbers.put(values as u64, 4));
            content.resize(content.len().next_multiple_of(2), 0);
            values += content.len();
            tail.extend(content);
        } else {
            content.resize(4, 0);
            block.extend(content);
        }
    }
    block.extend([0; 4]);
    block.extend(tail);
    places
}

/// Writes a picture's size where the block has one.
pub(super) fn set_size(block: &mut [u8], width: u32, height: u32) {
    let Some(numbers) = Numbers::of(block).filter(|numbers| !numbers.big) else { return };
    let Some(first) = numbers.first(block).and_then(|at| numbers.directory(block, at)) else { return };
    let exif = below(&numbers, block, &first, EXIF).map(|directory| directory.fields).unwrap_or_default();
    let mut set = |fields: &[Field], tag: u16, value: u32| {
        // Of the kinds that hold a size; what follows a field's kind and number are its own four bytes.
        for field in fields.iter().filter(|field| field.tag == tag && matches!(field.kind, 3 | 4) && field.count == 1) {
            block[field.at - 6..field.at - 4].copy_from_slice(&numbers.put(4, 2));
            block[field.at..field.at + 4].copy_from_slice(&numbers.put(value.into(), 4));
        }
    };
    for (tag, value) in [(256, width), (257, height)] {
        set(&first.fields, tag, value);
    }
    for (tag, value) in [(0xa002, width), (0xa003, height)] {
        set(&exif, tag, value);
    }
}

/// Exchanges the resolutions across and down.
pub(super) fn swap_resolution(block: &mut [u8]) {
    let Some(numbers) = Numbers::of(block).filter(|numbers| !numbers.big) else { return };
    let Some(first) = numbers.first(block).and_then(|at| numbers.directory(block, at)) else { return };
    let place = |tag: u16| first.field(tag).filter(|field| field.kind == 5 && field.count == 1).map(|field| field.at);
    if let (Some(x), Some(y)) = (place(282), place(283)) {
        (0..8).for_each(|byte| block.swap(x + byte, y + byte));
    }
}

/// Unlinks the second directory, which is a thumbnail's.
pub(super) fn drop_thumbnail(block: &mut [u8]) {
    let Some(numbers) = Numbers::of(block).filter(|numbers| !numbers.big) else { return };
    let link = numbers.first(block).and_then(|at| Some(at + 2 + 12 * numbers.get(block, at, 2)? as usize));
    if let Some(link) = link
        && let Some(next) = block.get_mut(link..link + 4)
    {
        next.fill(0);
    }
}

/// The resolution in an EXIF block.
pub(in super::super) fn exif_density(exif: &[u8]) -> Option<Density> {
    let block = exif.strip_prefix(b"Exif\0\0").unwrap_or(exif);
    let numbers = Numbers::of(block)?;
    density(block, &numbers, &numbers.directory(block, numbers.first(block)?)?)
}

/// The resolution that a block or a TIFF directory states.
pub(in super::super) fn density(bytes: &[u8], numbers: &Numbers, directory: &Directory) -> Option<Density> {
    let fraction = |tag: u16| numbers.fractions(bytes, directory.field(tag)?)?.first().copied();
    let unit = directory.field(296).and_then(|field| numbers.values(bytes, field)?.first().copied());
    let unit = match unit.unwrap_or(2) {
        2 => Some(Length::Inch),
        3 => Some(Length::Centimetre),
        _ => None,
    };
    let (x, y) = (fraction(282)?, fraction(283)?);
    (x.is_finite() && y.is_finite() && x > 0.0 && y > 0.0).then_some(Density { x, y, unit })
}
