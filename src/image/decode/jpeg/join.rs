//! Channels that come one after the other, written as one scan.

use super::super::Message;
use super::bits::{Flat, Writer};
use super::frame::{Frame, Tables};
use super::scan::Blocks;

/// Blocks of one unit, at most (T.81, B.2.3).
const UNIT: usize = 10;

/// What is written beside the coefficients.
pub(super) struct Join {
    /// The quantization table of each channel, as it stands when its scan comes.
    quantization: Vec<Option<Vec<u8>>>,
}

impl Join {
    /// # Errors
    /// When one scan cannot hold the channels.
    pub fn new(frame: &Frame) -> Result<Join, Message> {
        let blocks: usize = frame.components.iter().map(|c| c.sampling[0] * c.sampling[1]).sum();
        if blocks > UNIT {
            return Err(format!(
                "a JPEG with a scan per channel and {blocks} blocks to a unit is not read: save it as PNG or as an ordinary JPEG first"
            ));
        }
        Ok(Join { quantization: vec![None; frame.components.len()] })
    }

    /// Takes the table of a channel whose scan begins.
    pub fn quantize(&mut self, index: usize, frame: &Frame, tables: &Tables) {
        let place = &mut self.quantization[index];
        if place.is_none() {
            place.clone_from(&tables.quantization[frame.components[index].quantization]);
        }
    }

    /// The file: what stands before the first scan and is no table, then tables, one frame and one scan.
    pub fn write(&self, before: &[(u8, &[u8])], frame: &Frame, blocks: &[Blocks]) -> Vec<u8> {
        let mut file = vec![0xff, 0xd8];
        let mut segment = |marker: u8, content: &[u8]| {
            file.extend([0xff, marker]);
            file.extend((content.len() as u16 + 2).to_be_bytes());
            file.extend(content);
        };
        before.iter().for_each(|(marker, content)| segment(*marker, content));
        let mut header = frame.header.clone();
        for (index, table) in self.quantization.iter().enumerate() {
            // A channel that never came has no coefficients either.
            let table = table.clone().unwrap_or_else(|| [&[0][..], &[1; 64]].concat());
            segment(0xdb, &[&[table[0] | index as u8], &table[1..]].concat());
            header[6 + 3 * index + 2] = index as u8;
        }
        segment(0xc1, &header);
        let dc = Flat::new(4, (0..=11).collect());
        let sizes = (0..16u8).flat_map(|zeros| (1..=10).map(move |size| zeros << 4 | size));
        let ac = Flat::new(8, [0x00, 0xf0].into_iter().chain(sizes).collect());
        for (class, table) in [(0x00, &dc), (0x10, &ac)] {
            let mut counts = [0; 16];
            counts[table.length as usize - 1] = table.symbols.len() as u8;
            segment(0xc4, &[&[class], &counts[..], &table.symbols].concat());
        }
        let list: Vec<u8> = frame.components.iter().flat_map(|component| [component.id, 0]).collect();
        segment(0xda, &[&[frame.components.len() as u8], &list[..], &[0, 63, 0]].concat());
        let mut writer = Writer::after(file);
        let mut previous = vec![0; frame.components.len()];
        for unit in 0..frame.units[0] * frame.units[1] {
            let (left, top) = (unit % frame.units[0], unit / frame.units[0]);
            for ((component, blocks), previous) in frame.components.iter().zip(blocks).zip(&mut previous) {
                let [across, down] = component.sampling;
                for nth in 0..across * down {
                    let (x, y) = (left * across + nth % across, top * down + nth / across);
                    // Blocks beyond the picture, which a scan of one channel does not have, are flat.
                    let outside = x >= component.needed[0] || y >= component.needed[1];
                    match blocks {
                        Blocks::Coefficients(blocks) if !outside => {
                            block(&mut writer, &blocks[y * component.stored[0] + x], previous, &dc, &ac);
                        }
                        _ => {
                            writer.symbol(&dc, 0);
                            writer.symbol(&ac, 0);
                        }
                    }
                }
            }
        }
        writer.finish();
        writer.bytes.extend([0xff, 0xd9]);
        writer.bytes
    }
}

fn block(writer: &mut Writer, coefficients: &[i16; 64], previous: &mut i32, dc: &Flat, ac: &Flat) {
    // Of 8-bit samples; more is damage, and has no code.
    let value = i32::from(coefficients[0]).clamp(-1024, 1023);
    let difference = value - *previous;
    *previous = value;
    let size = Writer::size(difference);
    writer.symbol(dc, size);
    writer.signed(difference, size);
    let mut zeros = 0u8;
    for &coefficient in &coefficients[1..] {
        if coefficient == 0 {
            zeros += 1;
            continue;
        }
        while zeros > 15 {
            writer.symbol(ac, 0xf0);
            zeros -= 16;
        }
        let size = Writer::size(coefficient.into());
        writer.symbol(ac, zeros << 4 | size);
        writer.signed(coefficient.into(), size);
        zeros = 0;
    }
    if zeros > 0 {
        writer.symbol(ac, 0x00);
    }
}
