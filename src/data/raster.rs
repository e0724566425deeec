//! 8-bit pictures as datasets hold them.

use crate::image::{Picture, Plane};
use xxhash_rust::xxh3::Xxh3;

/// An 8-bit picture: interleaved channels, row after row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Raster {
    /// Pixels per row.
    pub width: usize,
    /// Rows.
    pub height: usize,
    /// 1 (grey) or 3 (red, green, blue).
    pub channels: usize,
    /// `width * height * channels` bytes.
    pub data: Vec<u8>,
}

/// Side of the thumbnails that tell whether two pictures show the same.
pub(super) const THUMBNAIL: usize = 24;

impl Raster {
    /// The pixels of a picture, rounded to 8 bits; alpha and metadata are left behind.
    pub fn from_picture(picture: &Picture) -> Raster {
        Raster::from_planes(&picture.planes)
    }

    /// Planes of one size, interleaved; values rounded half up and saturated.
    pub(super) fn from_planes(planes: &[Plane]) -> Raster {
        let (width, height, channels) = (planes[0].width, planes[0].height, planes.len());
        let mut data = vec![0; width * height * channels];
        for (channel, plane) in planes.iter().enumerate() {
            for (byte, &value) in data[channel..].iter_mut().step_by(channels).zip(&plane.data) {
                *byte = (value + 0.5) as u8;
            }
        }
        Raster { width, height, channels, data }
    }

    /// As a picture of the image room, 8 bits, without alpha and metadata.
    pub fn to_picture(&self) -> Picture {
        let plane = |channel: usize| {
            let values = self.data[channel..].iter().step_by(self.channels).map(|&byte| f32::from(byte));
            Plane::new(self.width, self.height, values.collect())
        };
        Picture::new((0..self.channels).map(plane).collect())
    }

    /// A 64-bit hash of size and pixels (XXH3): equal for equal pictures, whatever file they came in.
    pub(crate) fn hash(&self) -> u64 {
        let mut hash = Xxh3::new();
        for size in [self.width, self.height, self.channels] {
            hash.update(&(size as u64).to_le_bytes());
        }
        hash.update(&self.data);
        hash.digest()
    }

    /// [`Raster::cells`], 24 x 24 of them.
    pub(super) fn thumbnail(&self) -> Vec<f32> {
        self.cells(THUMBNAIL, THUMBNAIL)
    }

    /// Mean brightness (BT.601 luma, so that a copy without colours has the same) of cells of equal size, in units of 0..255,
    /// cell rows first. A pixel on the border of two cells counts to each by its share, so that copies of any size agree.
    pub(super) fn cells(&self, columns: usize, rows: usize) -> Vec<f32> {
        let (down, across) = (shares(self.height, rows), shares(self.width, columns));
        let mut cells = vec![0.0; columns * rows];
        let mut means = vec![0.0f32; columns];
        for (y, line) in self.data.chunks_exact((self.width * self.channels).max(1)).enumerate() {
            means.fill(0.0);
            for (pixel, shares) in line.chunks_exact(self.channels).zip(&across) {
                let value = match *pixel {
                    [red, green, blue] => 0.299 * f32::from(red) + 0.587 * f32::from(green) + 0.114 * f32::from(blue),
                    _ => f32::from(pixel[0]),
                };
                for &(cell, share) in shares {
                    means[cell] += value * share;
                }
            }
            for &(row, share) in &down[y] {
                for (cell, mean) in cells[row * columns..][..columns].iter_mut().zip(&means) {
                    *cell += mean * share;
                }
            }
        }
        cells
    }
}

/// For each of `size` pixels in a row: which of `count` cells it lies in, and which share of each cell it makes up.
fn shares(size: usize, count: usize) -> Vec<Vec<(usize, f32)>> {
    // In units of 1 / (count size) of the whole, pixel k is [count k, count (k + 1)) and cell c is [size c, size (c + 1)).
    let share = |pixel: usize, cell: usize| {
        let (first, last) = ((count * pixel).max(size * cell), (count * (pixel + 1)).min(size * (cell + 1)));
        (cell, (last - first) as f32 / size as f32)
    };
    let cells = |pixel: usize| count * pixel / size..(count * (pixel + 1)).div_ceil(size);
    (0..size).map(|pixel| cells(pixel).map(|cell| share(pixel, cell)).collect()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thumbnails_of_any_size_agree() {
        for (width, height) in [(1, 1), (5, 7), (24, 24), (50, 35), (100, 3), (313, 240)] {
            let shade = |at: usize| (255.0 * ((at % width) as f32 + 0.5) / width as f32) as u8;
            let ramp = Raster { width, height, channels: 1, data: (0..width * height).map(shade).collect() };
            let cells = ramp.thumbnail();
            let mean = cells.iter().sum::<f32>() / cells.len() as f32;
            assert!((mean - 127.0).abs() < 1.0, "{width}x{height}: {mean}");
            let slack = 1.5 + 128.0 / width as f32;
            for (cell, value) in cells.iter().enumerate() {
                let expected = 255.0 * ((cell % THUMBNAIL) as f32 + 0.5) / THUMBNAIL as f32;
                assert!((value - expected).abs() < slack, "{width}x{height}, cell {cell}: {value} and not {expected}");
            }
        }
    }
}
