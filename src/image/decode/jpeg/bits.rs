//! Huffman codes and the bits they stand in (ITU-T T.81, annexes C and F).

/// Why entropy-coded data end before the picture does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stop {
    /// A marker or the end of the file comes too early.
    Cut,
    /// What is there cannot be.
    Damaged,
}

/// Bits that are looked up at once; longer codes are rare.
const QUICK: u32 = 9;

/// A table of Huffman codes, at most 16 bits long.
pub(super) struct Huffman {
    /// Length and symbol of the code that these first bits begin with; length 0: it is longer.
    quick: Vec<(u8, u8)>,
    /// One past the last code of each length, at the left of 16 bits.
    ends: [u32; 17],
    /// What to add to a code of each length for the index of its symbol.
    offsets: [i32; 17],
    symbols: Vec<u8>,
}

impl Huffman {
    /// From how many codes there are of each length, 1 to 16, and their symbols in order; none when these are no code.
    pub fn new(counts: &[u8], symbols: &[u8]) -> Option<Huffman> {
        let mut table =
            Huffman { quick: vec![(0, 0); 1 << QUICK], ends: [0; 17], offsets: [0; 17], symbols: symbols.to_vec() };
        let (mut code, mut index) = (0u32, 0usize);
        for (length, &count) in (1u32..).zip(counts) {
            table.offsets[length as usize] = index as i32 - code as i32;
            for _ in 0..count {
                if code >> length != 0 {
                    return None;
                }
                if length <= QUICK {
                    let (first, room) = ((code << (QUICK - length)) as usize, 1 << (QUICK - length));
                    table.quick[first..first + room].fill((length as u8, *symbols.get(index)?));
                }
                (code, index) = (code + 1, index + 1);
            }
            table.ends[length as usize] = code << (16 - length);
            code <<= 1;
        }
        (index == symbols.len()).then_some(table)
    }

    /// Length and symbol of the code that 16 bits begin with.
    fn find(&self, bits: u32) -> Option<(u32, u8)> {
        let (length, symbol) = self.quick[(bits >> (16 - QUICK)) as usize];
        if length > 0 {
            return Some((length.into(), symbol));
        }
        let length = (QUICK + 1..=16).find(|&length| bits < self.ends[length as usize])?;
        let index = (bits >> (16 - length)) as i32 + self.offsets[length as usize];
        Some((length, *self.symbols.get(usize::try_from(index).ok()?)?))
    }
}

/// The bits of a scan, up to its next marker.
pub(super) struct Bits<'a> {
    bytes: &'a [u8],
    /// Of the next byte to take.
    pub at: usize,
    held: u64,
    count: u32,
}

impl<'a> Bits<'a> {
    pub fn new(bytes: &'a [u8], at: usize) -> Self {
        Bits { bytes, at, held: 0, count: 0 }
    }

    /// Takes bytes as long as there is room and no marker comes.
    fn fill(&mut self) {
        while self.count <= 48 {
            let Some(&byte) = self.bytes.get(self.at) else { return };
            if byte == 0xff {
                if self.bytes.get(self.at + 1) != Some(&0) {
                    return;
                }
                self.at += 1;
            }
            self.at += 1;
            self.held = self.held << 8 | u64::from(byte);
            self.count += 8;
        }
    }

    pub fn symbol(&mut self, table: &Huffman) -> Result<u8, Stop> {
        if self.count < 16 {
            self.fill();
        }
        let next = if self.count >= 16 { self.held >> (self.count - 16) } else { self.held << (16 - self.count) };
        match table.find(next as u32 & 0xffff) {
            Some((length, symbol)) if length <= self.count => {
                self.count -= length;
                Ok(symbol)
            }
            None if self.count >= 16 => Err(Stop::Damaged),
            _ => Err(Stop::Cut),
        }
    }

    /// The next bits, at most 16, as a number.
    pub fn take(&mut self, bits: u32) -> Result<i32, Stop> {
        if self.count < bits {
            self.fill();
        }
        if self.count < bits {
            return Err(Stop::Cut);
        }
        self.count -= bits;
        Ok((self.held >> self.count) as i32 & ((1 << bits) - 1))
    }

    /// A number of that many bits with its sign (T.81, F.2.2.1).
    pub fn signed(&mut self, bits: u32) -> Result<i32, Stop> {
        let value = self.take(bits)?;
        Ok(if bits > 0 && value < 1 << (bits - 1) { value - (1 << bits) + 1 } else { value })
    }

    /// Goes past the next restart marker, which must be the one of this number.
    pub fn restart(&mut self, number: usize) -> Result<(), Stop> {
        (self.held, self.count) = (0, 0);
        // Fill bytes may stand before any marker.
        while self.bytes.get(self.at) == Some(&0xff) && self.bytes.get(self.at + 1) == Some(&0xff) {
            self.at += 1;
        }
        match self.bytes.get(self.at..self.at + 2) {
            Some([0xff, marker]) if usize::from(*marker) == 0xd0 + number % 8 => {
                self.at += 2;
                Ok(())
            }
            Some([0xff, 0xd9]) | None => Err(Stop::Cut),
            Some(_) => Err(Stop::Damaged),
        }
    }
}

/// Codes for writing: all of one length, a symbol's index being its code.
pub(super) struct Flat {
    pub length: u32,
    pub symbols: Vec<u8>,
    codes: [u8; 256],
}

impl Flat {
    /// # Panics
    /// When there are too many symbols for the length; the code of ones alone is kept free.
    pub fn new(length: u32, symbols: Vec<u8>) -> Self {
        assert!(symbols.len() < 1 << length, "codes of {length} bits for {} symbols", symbols.len());
        let mut codes = [0; 256];
        symbols.iter().zip(0..).for_each(|(&symbol, code)| codes[usize::from(symbol)] = code);
        Flat { length, symbols, codes }
    }
}

/// Writes the bits of a scan.
#[derive(Default)]
pub(super) struct Writer {
    pub bytes: Vec<u8>,
    held: u64,
    count: u32,
}

impl Writer {
    /// Goes on where a file's bytes end.
    pub fn after(bytes: Vec<u8>) -> Self {
        Writer { bytes, ..Writer::default() }
    }

    fn put(&mut self, value: u32, bits: u32) {
        self.held = self.held << bits | u64::from(value);
        self.count += bits;
        while self.count >= 8 {
            self.count -= 8;
            let byte = (self.held >> self.count) as u8;
            self.bytes.push(byte);
            if byte == 0xff {
                self.bytes.push(0);
            }
        }
    }

    pub fn symbol(&mut self, table: &Flat, symbol: u8) {
        self.put(table.codes[usize::from(symbol)].into(), table.length);
    }

    /// How many bits a number takes.
    pub fn size(value: i32) -> u8 {
        (32 - value.unsigned_abs().leading_zeros()) as u8
    }

    /// A number of that [size](Writer::size), with its sign.
    pub fn signed(&mut self, value: i32, size: u8) {
        let value = if value < 0 { value + (1 << size) - 1 } else { value };
        self.put(value as u32, size.into());
    }

    /// The rest of the last byte.
    pub fn finish(&mut self) {
        let rest = (8 - self.count % 8) % 8;
        self.put((1 << rest) - 1, rest);
    }
}
