//! What a JPEG says of its picture before the scans (ITU-T T.81, annex B).

use super::super::Message;
use super::bits::Huffman;

/// One colour channel.
pub(super) struct Component {
    pub id: u8,
    /// Samples across and down per unit.
    pub sampling: [usize; 2],
    /// Which quantization table.
    pub quantization: usize,
    /// Blocks across and down, as many as the picture needs.
    pub needed: [usize; 2],
    /// Blocks across and down in whole units.
    pub stored: [usize; 2],
}

/// The picture and its channels.
pub(super) struct Frame {
    pub progressive: bool,
    /// Pixels across and down.
    pub size: [u16; 2],
    /// The segment's content.
    pub header: Vec<u8>,
    /// Units across and down, as scans of several channels take them.
    pub units: [usize; 2],
    pub components: Vec<Component>,
}

impl Frame {
    /// Reads a frame header.
    ///
    /// # Errors
    /// For what is no baseline or progressive JPEG of 8 bits, in a person's words.
    pub fn new(marker: u8, header: &[u8]) -> Result<Frame, Message> {
        let unread =
            |what: &str| Err(format!("{what} JPEG is not read: convert it to PNG or to a baseline JPEG first"));
        match marker {
            0xc0..=0xc2 => {}
            0xc3 => return unread("lossless"),
            0xc9..=0xcb | 0xcd..=0xcf => return unread("arithmetic-coded"),
            _ => return unread("hierarchical"),
        }
        let damaged = || "damaged: its frame header cannot be".to_owned();
        let [precision, y1, y0, x1, x0, count, list @ ..] = header else { return Err(damaged()) };
        if *precision != 8 {
            return unread(&format!("{precision}-bit"));
        }
        let (width, height) = (u16::from_be_bytes([*x1, *x0]), u16::from_be_bytes([*y1, *y0]));
        let list: Vec<&[u8]> = list.chunks_exact(3).take((*count).into()).collect();
        let sampling = |entry: &[u8]| [usize::from(entry[1] >> 4), usize::from(entry[1] & 15)];
        let valid = |entry: &&[u8]| sampling(entry).iter().all(|s| (1..=4).contains(s)) && entry[2] < 4;
        if width == 0 || height == 0 || list.is_empty() || list.len() != usize::from(*count) || !list.iter().all(valid)
        {
            return Err(damaged());
        }
        let largest = [0, 1].map(|axis| list.iter().map(|entry| sampling(entry)[axis]).max().unwrap_or(1));
        if sampling(list[0]) != largest || list.iter().any(|entry| sampling(entry).contains(&3)) {
            // The decoder stretches such channels wrongly, without an error.
            return unread("unusually sampled (brightness coarser than colours, or by thirds)");
        }
        let size = [usize::from(width), usize::from(height)];
        let units = [0, 1].map(|axis| size[axis].div_ceil(8 * largest[axis]));
        let component = |entry: &&[u8]| {
            let own = sampling(entry);
            let needed = [0, 1].map(|axis| (size[axis] * own[axis]).div_ceil(largest[axis]).div_ceil(8));
            let stored = [0, 1].map(|axis| units[axis] * own[axis]);
            Component { id: entry[0], sampling: own, quantization: entry[2].into(), needed, stored }
        };
        let components = list.iter().map(component).collect();
        Ok(Frame { progressive: marker == 0xc2, size: [width, height], header: header.to_vec(), units, components })
    }
}

/// Tables as they stand at some place of the file; later ones replace them.
#[derive(Default)]
pub(super) struct Tables {
    /// For DC, then for AC coefficients.
    pub huffman: [[Option<Huffman>; 4]; 2],
    /// Content of a segment that defines table 0 alike: precision, then 64 or 128 bytes.
    pub quantization: [Option<Vec<u8>>; 4],
    /// Units between restart markers; 0: none.
    pub restart: usize,
}

impl Tables {
    /// Takes the tables of a segment; others are passed over. None when they cannot be.
    pub fn read(&mut self, marker: u8, mut content: &[u8]) -> Option<()> {
        match marker {
            0xc4 => {
                while let [class @ 0..=0x1f, rest @ ..] = content {
                    let (counts, rest) = rest.split_at_checked(16)?;
                    let (symbols, rest) =
                        rest.split_at_checked(counts.iter().map(|&count| usize::from(count)).sum())?;
                    let place = self.huffman[usize::from(class >> 4)].get_mut(usize::from(class & 15))?;
                    *place = Some(Huffman::new(counts, symbols)?);
                    content = rest;
                }
            }
            0xdb => {
                while let [class, rest @ ..] = content {
                    let (values, rest) = rest.split_at_checked(if class >> 4 == 0 { 64 } else { 128 })?;
                    let place = self.quantization.get_mut(usize::from(class & 15))?;
                    *place = Some([&[class & 0xf0], values].concat());
                    content = rest;
                }
            }
            0xdd => self.restart = u16::from_be_bytes([*content.first()?, *content.get(1)?]).into(),
            _ => {}
        }
        Some(())
    }
}
