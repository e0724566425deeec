//! One scan: which blocks it holds, and what their codes say (ITU-T T.81, A.2, F.2 and G.2).

use super::bits::{Bits, Huffman, Stop};
use super::frame::{Frame, Tables};

/// What is remembered of a channel's blocks, because later scans or a rewriting need it.
pub(super) enum Blocks {
    /// Nothing: the one scan of a baseline JPEG is only counted.
    None,
    /// Which coefficients are not 0: refinements of progressive scans code these otherwise.
    NonZero(Vec<u64>),
    /// Coefficients, in zigzag order.
    Coefficients(Vec<[i16; 64]>),
}

/// A scan header.
pub(super) struct Scan {
    /// Index of the channel, its DC and its AC table.
    pub channels: Vec<(usize, usize, usize)>,
    /// First and last coefficient.
    pub band: [usize; 2],
    /// Bits that earlier scans gave (0: none did), and bits that are still to come after this one.
    pub bits: [u32; 2],
}

impl Scan {
    /// None when the header cannot be.
    pub fn new(header: &[u8], frame: &Frame) -> Option<Scan> {
        let (&count, rest) = header.split_first()?;
        let (list, rest) = rest.split_at_checked(2 * usize::from(count))?;
        let channel = |entry: &[u8]| {
            let index = frame.components.iter().position(|component| component.id == entry[0])?;
            let (dc, ac) = (usize::from(entry[1] >> 4), usize::from(entry[1] & 15));
            (dc < 4 && ac < 4).then_some((index, dc, ac))
        };
        let channels = list.chunks_exact(2).map(channel).collect::<Option<Vec<_>>>()?;
        let &[first, last, bits] = rest.get(..3)? else { return None };
        let band = if frame.progressive { [first.into(), last.into()] } else { [0, 63] };
        let bits = if frame.progressive { [(bits >> 4).into(), (bits & 15).into()] } else { [0, 0] };
        let one_kind = !frame.progressive || (band[0] == 0) == (band[1] == 0);
        let valid = !channels.is_empty() && band[0] <= band[1] && band[1] < 64 && one_kind && bits[1] < 14;
        (valid && (band[0] == 0 || channels.len() == 1)).then_some(Scan { channels, band, bits })
    }

    /// Reads the scan's data, which begin at `at`, and returns where they end.
    ///
    /// # Errors
    /// When they end before the last block, or cannot be.
    pub fn read(
        &self,
        bytes: &[u8],
        at: usize,
        frame: &Frame,
        tables: &Tables,
        blocks: &mut [Blocks],
    ) -> Result<usize, Stop> {
        let mut coder = Coder { bits: Bits::new(bytes, at), scan: self, run: 0, previous: [0; 4] };
        let mut units = 0;
        let mut restart = |coder: &mut Coder| {
            if tables.restart > 0 && units > 0 && units % tables.restart == 0 {
                coder.bits.restart(units / tables.restart - 1)?;
                (coder.run, coder.previous) = (0, [0; 4]);
            }
            units += 1;
            Ok(())
        };
        let of = |class: usize, index: usize| tables.huffman[class][index].as_ref();
        if let [(index, dc, ac)] = self.channels[..] {
            // One channel alone: as many blocks as the picture needs, row by row.
            let component = &frame.components[index];
            for y in 0..component.needed[1] {
                for x in 0..component.needed[0] {
                    restart(&mut coder)?;
                    let place = y * component.stored[0] + x;
                    coder.block(0, place, &mut blocks[index], of(0, dc), of(1, ac))?;
                }
            }
            return Ok(coder.bits.at);
        }
        for unit in 0..frame.units[0] * frame.units[1] {
            restart(&mut coder)?;
            let (left, top) = (unit % frame.units[0], unit / frame.units[0]);
            for (nth, &(index, dc, ac)) in self.channels.iter().enumerate() {
                let component = &frame.components[index];
                let [across, down] = component.sampling;
                for block in 0..across * down {
                    let (x, y) = (left * across + block % across, top * down + block / across);
                    let place = y * component.stored[0] + x;
                    coder.block(nth, place, &mut blocks[index], of(0, dc), of(1, ac))?;
                }
            }
        }
        Ok(coder.bits.at)
    }
}

/// The state of decoding within a scan.
struct Coder<'a> {
    bits: Bits<'a>,
    scan: &'a Scan,
    /// Blocks that are still to come without any further coefficient.
    run: u32,
    /// The last DC coefficient of each channel of the scan.
    previous: [i32; 4],
}

impl Coder<'_> {
    fn block(
        &mut self,
        nth: usize,
        place: usize,
        blocks: &mut Blocks,
        dc: Option<&Huffman>,
        ac: Option<&Huffman>,
    ) -> Result<(), Stop> {
        let Scan { band, bits: [earlier, _], .. } = *self.scan;
        match (band, earlier) {
            ([0, 63], 0) => self.sequential(nth, place, blocks, dc.ok_or(Stop::Damaged)?, ac.ok_or(Stop::Damaged)?),
            ([0, _], 0) => {
                let size = self.bits.symbol(dc.ok_or(Stop::Damaged)?)?;
                self.bits.take(u32::from(size).min(16)).map(|_| ())
            }
            ([0, _], _) => self.bits.take(1).map(|_| ()),
            (_, 0) => self.first(place, blocks, ac.ok_or(Stop::Damaged)?),
            _ => self.refine(place, blocks, ac.ok_or(Stop::Damaged)?),
        }
    }

    fn sequential(
        &mut self,
        nth: usize,
        place: usize,
        blocks: &mut Blocks,
        dc: &Huffman,
        ac: &Huffman,
    ) -> Result<(), Stop> {
        let size = self.bits.symbol(dc)?;
        if size > 11 {
            return Err(Stop::Damaged);
        }
        let previous = self.previous.get_mut(nth).ok_or(Stop::Damaged)?;
        *previous += self.bits.signed(size.into())?;
        let mut coefficients = match blocks {
            Blocks::Coefficients(blocks) => blocks.get_mut(place),
            _ => None,
        };
        if let Some(block) = &mut coefficients {
            block[0] = *previous as i16;
        }
        let mut k = 1;
        while k < 64 {
            let symbol = self.bits.symbol(ac)?;
            let (zeros, size) = (usize::from(symbol >> 4), u32::from(symbol & 15));
            if size == 0 {
                if zeros < 15 {
                    break;
                }
                k += 16;
                continue;
            }
            k += zeros;
            let value = self.bits.signed(size)?;
            if k > 63 || size > 10 {
                return Err(Stop::Damaged);
            }
            if let Some(block) = &mut coefficients {
                block[k] = value as i16;
            }
            k += 1;
        }
        Ok(())
    }

    /// A band's first scan of a progressive JPEG.
    fn first(&mut self, place: usize, blocks: &mut Blocks, ac: &Huffman) -> Result<(), Stop> {
        if self.run > 0 {
            self.run -= 1;
            return Ok(());
        }
        let [mut k, last] = self.scan.band;
        while k <= last {
            let symbol = self.bits.symbol(ac)?;
            let (zeros, size) = (usize::from(symbol >> 4), u32::from(symbol & 15));
            if size == 0 {
                if zeros < 15 {
                    self.run = (1 << zeros) + self.bits.take(zeros as u32)? as u32 - 1;
                    break;
                }
                k += 16;
                continue;
            }
            k += zeros;
            self.bits.take(size)?;
            if k > last {
                return Err(Stop::Damaged);
            }
            mark(blocks, place, k);
            k += 1;
        }
        Ok(())
    }

    /// A band's later scan: a bit more of each coefficient that is not 0, and new ones between them (T.81, G.1.2.3).
    fn refine(&mut self, place: usize, blocks: &mut Blocks, ac: &Huffman) -> Result<(), Stop> {
        let [mut k, last] = self.scan.band;
        let known = match blocks {
            Blocks::NonZero(masks) => masks.get(place).copied().unwrap_or(0),
            _ => 0,
        };
        let is_known = |k: usize| known >> k & 1 == 1;
        if self.run == 0 {
            while k <= last {
                let symbol = self.bits.symbol(ac)?;
                let (mut zeros, size) = (usize::from(symbol >> 4), symbol & 15);
                if size == 0 && zeros < 15 {
                    self.run = (1 << zeros) + self.bits.take(zeros as u32)? as u32;
                    break;
                }
                if size > 0 {
                    self.bits.take(1)?;
                }
                while k <= last {
                    if is_known(k) {
                        self.bits.take(1)?;
                    } else if zeros == 0 {
                        break;
                    } else {
                        zeros -= 1;
                    }
                    k += 1;
                }
                if size > 0 {
                    if k > last {
                        return Err(Stop::Damaged);
                    }
                    mark(blocks, place, k);
                }
                k += 1;
            }
        }
        if self.run > 0 {
            let rest = (k..=last).filter(|&k| is_known(k)).count();
            for _ in 0..rest {
                self.bits.take(1)?;
            }
            self.run -= 1;
        }
        Ok(())
    }
}

fn mark(blocks: &mut Blocks, place: usize, k: usize) {
    if let Blocks::NonZero(masks) = blocks
        && let Some(mask) = masks.get_mut(place)
    {
        *mask |= 1 << k;
    }
}
