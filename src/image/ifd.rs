//! Directories of TIFF, which EXIF data are made of too (TIFF 6.0, section 2, and the BigTIFF design).

/// The bytes of a TIFF file or an EXIF block, and how their numbers stand.
#[derive(Clone, Copy)]
pub(super) struct Numbers {
    /// The most significant byte comes first.
    pub big_endian: bool,
    /// Places are 64 bits.
    pub big: bool,
}

/// Bytes that directories stand among: all in memory, or in a file of which only these are read.
pub(super) trait Bytes {
    /// How many.
    fn count(&self) -> usize;

    /// Those that begin at a place; none when they end before.
    fn take(&self, at: usize, out: &mut [u8]) -> Option<()>;
}

impl Bytes for [u8] {
    fn count(&self) -> usize {
        self.len()
    }

    fn take(&self, at: usize, out: &mut [u8]) -> Option<()> {
        out.copy_from_slice(self.get(at..at.checked_add(out.len())?)?);
        Some(())
    }
}

/// One entry of a directory.
#[derive(Clone, Copy, Debug)]
pub(super) struct Field {
    pub tag: u16,
    pub kind: u16,
    pub count: usize,
    /// Where its values stand.
    pub at: usize,
}

/// The entries of one picture or group.
pub(super) struct Directory {
    pub fields: Vec<Field>,
    /// Where the next one stands; 0: nowhere.
    pub next: usize,
}

/// Bytes of one value of a kind; 0: unknown.
pub(super) fn size_of(kind: u16) -> usize {
    match kind {
        1 | 2 | 6 | 7 => 1,
        3 | 8 => 2,
        4 | 9 | 11 | 13 => 4,
        5 | 10 | 12 | 16..=18 => 8,
        _ => 0,
    }
}

impl Numbers {
    /// From the first bytes; none when they are no TIFF header.
    pub fn of(bytes: &(impl Bytes + ?Sized)) -> Option<Numbers> {
        let mut head = [0; 4];
        bytes.take(0, &mut head)?;
        match &head {
            b"II*\0" => Some(Numbers { big_endian: false, big: false }),
            b"MM\0*" => Some(Numbers { big_endian: true, big: false }),
            b"II+\0" => Some(Numbers { big_endian: false, big: true }),
            b"MM\0+" => Some(Numbers { big_endian: true, big: true }),
            _ => None,
        }
    }

    /// An unsigned number of `size` bytes, at most 8.
    pub fn get(&self, bytes: &(impl Bytes + ?Sized), at: usize, size: usize) -> Option<u64> {
        let mut part = [0; 8];
        let part = &mut part[..size];
        bytes.take(at, part)?;
        let join = |number: u64, &byte: &u8| number << 8 | u64::from(byte);
        Some(if self.big_endian { part.iter().fold(0, join) } else { part.iter().rev().fold(0, join) })
    }

    /// A number's `size` bytes.
    pub fn put(&self, value: u64, size: usize) -> Vec<u8> {
        if self.big_endian { value.to_be_bytes()[8 - size..].to_vec() } else { value.to_le_bytes()[..size].to_vec() }
    }

    /// Bytes of a place.
    pub fn place(&self) -> usize {
        if self.big { 8 } else { 4 }
    }

    /// Where the place of the first directory stands.
    pub fn root(&self) -> usize {
        if self.big { 8 } else { 4 }
    }

    /// Where the first directory stands.
    pub fn first(&self, bytes: &(impl Bytes + ?Sized)) -> Option<usize> {
        self.get(bytes, self.root(), self.place()).map(|at| at as usize)
    }

    /// The directory at a place; what of it cannot be is left out.
    pub fn directory(&self, bytes: &(impl Bytes + ?Sized), at: usize) -> Option<Directory> {
        let (counter, place) = if self.big { (8, 8) } else { (2, 4) };
        let count = self.get(bytes, at, counter)? as usize;
        let step = 4 + 2 * place;
        let first = at.checked_add(counter)?;
        let end = first.checked_add(count.checked_mul(step)?)?;
        if end > bytes.count() {
            return None;
        }
        let field = |at: usize| {
            let (tag, kind) = (self.get(bytes, at, 2)? as u16, self.get(bytes, at + 2, 2)? as u16);
            let count = self.get(bytes, at + 4, place)? as usize;
            let (length, inside) = (size_of(kind).checked_mul(count)?, at + 4 + place);
            let at = if length <= place { inside } else { self.get(bytes, inside, place)? as usize };
            (length > 0 && at.checked_add(length)? <= bytes.count()).then_some(Field { tag, kind, count, at })
        };
        let fields = (first..end).step_by(step).filter_map(field).collect();
        Some(Directory { fields, next: self.get(bytes, end, place).unwrap_or(0) as usize })
    }

    /// The values of a field of whole numbers.
    pub fn values(&self, bytes: &(impl Bytes + ?Sized), field: &Field) -> Option<Vec<u64>> {
        let size = size_of(field.kind);
        matches!(field.kind, 1 | 3 | 4 | 7 | 13 | 16 | 18)
            .then(|| (0..field.count).filter_map(|nth| self.get(bytes, field.at + nth * size, size)).collect())
    }

    /// The first of them.
    pub fn value(&self, bytes: &(impl Bytes + ?Sized), field: &Field) -> Option<u64> {
        self.values(bytes, &Field { count: field.count.min(1), ..*field })?.first().copied()
    }

    /// The values of a field of fractions.
    pub fn fractions(&self, bytes: &(impl Bytes + ?Sized), field: &Field) -> Option<Vec<f64>> {
        let fraction = |nth: usize| {
            let at = field.at + 8 * nth;
            Some(self.get(bytes, at, 4)? as f64 / self.get(bytes, at + 4, 4)? as f64)
        };
        (field.kind == 5).then(|| (0..field.count).filter_map(fraction).collect())
    }
}

impl Directory {
    pub fn field(&self, tag: u16) -> Option<&Field> {
        self.fields.iter().find(|field| field.tag == tag)
    }
}

impl Field {
    /// The bytes of its values.
    pub fn content<'a>(&self, bytes: &'a [u8]) -> &'a [u8] {
        &bytes[self.at..self.at + size_of(self.kind) * self.count]
    }
}
