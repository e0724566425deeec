//! 8-bit pictures as datasets hold them.

use crate::image::{Picture, Plane};
use std::hash::{DefaultHasher, Hasher};

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

    /// A 64-bit hash of size and pixels: equal for equal pictures, whatever file they came in.
    pub(super) fn hash(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        for size in [self.width, self.height, self.channels] {
            hasher.write_usize(size);
        }
        hasher.write(&self.data);
        hasher.finish()
    }

    /// Mean brightness (of all channels alike) of 24 x 24 cells of equal size, in units of 0..255, cell rows first.
    /// Cells share a pixel where the picture is smaller than 24 pixels.
    pub(super) fn thumbnail(&self) -> Vec<f32> {
        let range = |cell: usize, size: usize| {
            let first = cell * size / THUMBNAIL;
            first..((cell + 1) * size / THUMBNAIL).max(first + 1)
        };
        let mut cells = Vec::with_capacity(THUMBNAIL * THUMBNAIL);
        for row in 0..THUMBNAIL {
            for column in 0..THUMBNAIL {
                let (rows, columns) = (range(row, self.height), range(column, self.width));
                let count = rows.len() * columns.len() * self.channels;
                let line = |y: usize| {
                    let start = (y * self.width + columns.start) * self.channels;
                    let line = &self.data[start..start + columns.len() * self.channels];
                    line.iter().map(|&byte| u64::from(byte)).sum::<u64>()
                };
                cells.push(rows.map(line).sum::<u64>() as f32 / count as f32);
            }
        }
        cells
    }
}
