//! Pictures: decoding and encoding, colour, transparency, resizing, scores, tile geometry.
//!
//! The room knows files and pixels, and neither devices nor networks. A [`Picture`] is a set of [`Plane`]s in units of
//! 0..=255 whatever the bit depth of its file, so that a network, a resize and a score read the same numbers.
//!
//! | module | what for |
//! |---|---|
//! | [`Picture`], [`Bitmap`] | planes of f32, and samples as files hold them; what is kept of a file, and what is not |
//! | [`Metadata`] | what a file says of its picture beside the pixels |
//! | `encode`, `save` | formats, written row by row as the rows are made; files that appear by rename |
//! | [`resize`] | MATLAB-compatible bicubic `imresize` |
//! | [`colour`] | BT.601 luma and YCbCr with MATLAB's constants |
//! | [`alpha`] | colour bled under transparency |
//! | [`score`] | PSNR and SSIM |
//! | [`protocol`] | how super-resolution papers make inputs and score outputs |
//! | [`tiles`] | cutting a picture into overlapping tiles |

pub mod alpha;
mod bitmap;
pub mod colour;
mod decode;
mod encode;
pub mod fit;
mod format;
mod ifd;
mod metadata;
mod picture;
mod plane;
pub mod protocol;
pub mod resize;
mod rows;
mod save;
pub mod score;
pub mod tiles;
mod writers;

pub use bitmap::{Bitmap, Pixels, Samples};
pub use decode::{DecodeOptions, Kind, Outline, kind};
pub use encode::{Compression, DEFAULT_QUALITY, EncodeOptions, Header, encode};
pub use format::Format;
pub use metadata::{ColourChunk, Density, Length, Metadata};
pub use picture::{Depth, Picture};
pub use plane::Plane;
pub use rows::Rows;
pub use save::{SaveOptions, is_special, save};
