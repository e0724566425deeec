//! Datasets as the device keeps them.
//!
//! A dataset is resident: a sampling kernel draws each batch from it, so a training step needs no upload.
//!
//! | module | what for |
//! |---|---|
//! | [`idx`], [`table`] | rows from MNIST-style files and from tables |
//! | [`Raster`], [`pair`], [`Degradation`] | 8-bit pictures, and the low-resolution partner of one |
//! | [`split`] | which samples are held out |
//! | [`class_folder`] | pictures in a folder per class |
//! | [`Folder`], [`RowShards`], [`Prefetch`] | folders of pictures and rows in shards, the next prepared while one trains |
//! | [`procedural`], [`lessons`] | pictures, points and digits that are drawn rather than loaded |
//! | [`batch`] | which sample goes where in a batch: the arithmetic shared with the kernels |

pub mod batch;
pub mod class_folder;
mod degrade;
mod files;
mod folder;
mod grid;
pub mod idx;
pub mod lessons;
mod likeness;
mod pairs;
mod prefetch;
pub mod procedural;
mod raster;
mod row_shards;
mod rows;
pub mod split;
pub mod table;

pub use batch::Patch;
pub use degrade::{Blur, Degradation, Jpeg, Noise, Resize, Sharpen};
pub use files::{Listing, is_picture_name, list, list_one};
pub use folder::{Folder, FolderOptions, Report};
pub use pairs::{Measure, Pair, PairOptions, low, pair};
pub use prefetch::Prefetch;
pub use raster::Raster;
pub use row_shards::{Augmentation, RowShards, balanced};

/// Sample values as stored: bytes stand for `byte / 255`.
#[derive(Clone, Debug, PartialEq)]
pub enum Samples {
    /// 8-bit values, one byte each.
    Bytes(Vec<u8>),
    /// Floats, taken as they are.
    Floats(Vec<f32>),
}

/// Rows of features with a target each: tables and flattened pictures.
#[derive(Clone, Debug, PartialEq)]
pub struct Rows {
    /// `[count, width]` feature values.
    pub features: Samples,
    /// Features per row.
    pub width: usize,
    /// `[count, target_width]` targets; a class index when `classes` is set.
    pub targets: Vec<f32>,
    /// Target values per row.
    pub target_width: usize,
    /// Number of classes, for classification.
    pub classes: Option<usize>,
}

/// One picture pair inside [`Pictures`]: a row of the index table that the sampling kernel reads.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, bytemuck::Pod, bytemuck::Zeroable)]
pub struct PictureEntry {
    /// Running total of patch positions up to and including this picture.
    pub end: u32,
    /// Width of the low-resolution picture, pixels.
    pub width: u32,
    /// Height of the low-resolution picture, pixels.
    pub height: u32,
    /// First byte of the low-resolution picture in `Pictures::low`.
    pub low: u32,
    /// First byte of the high-resolution picture in `Pictures::high`.
    pub high: u32,
}

/// Pairs of low and high resolution pictures, 8 bits, interleaved channels, row after row.
#[derive(Clone, Debug, PartialEq)]
pub struct Pictures {
    /// High-resolution pixels per low-resolution pixel along one axis (1 where the input is upsampled beforehand).
    pub scale: usize,
    /// Channels: 1 (luma) or 3 (RGB).
    pub channels: usize,
    /// Side of the square patches drawn, low-resolution pixels; `table.end` counts positions for it.
    pub patch: usize,
    /// Low-resolution bytes.
    pub low: Vec<u8>,
    /// High-resolution bytes.
    pub high: Vec<u8>,
    /// One entry per picture.
    pub table: Vec<PictureEntry>,
}
