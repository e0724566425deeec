//! What a file says of its picture beside the pixels, and how it stays true of a larger picture.

mod exif;
mod files;
mod xmp;

pub(super) use exif::{Group, Tree, density, exif_density};
pub(super) use files::{
    bmp_density, bmp_icc, extended_xmp, iptc_of, jfif_density, png_colours, png_density, png_exif, png_icc, png_iptc,
    png_iptc_text, png_pixels, png_xmp, resources,
};

use ::image::metadata::Orientation;

/// Pixels per length, across and down.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Density {
    /// Across.
    pub x: f64,
    /// Down.
    pub y: f64,
    /// Per what; none: only their ratio counts.
    pub unit: Option<Length>,
}

/// A length that pixels are counted in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Length {
    /// 25.4 mm.
    Inch,
    /// 10 mm.
    Centimetre,
}

impl Density {
    /// Per metre, where there is a length.
    pub(super) fn per_metre(&self) -> Option<[f64; 2]> {
        let unit = match self.unit? {
            Length::Inch => 0.0254,
            Length::Centimetre => 0.01,
        };
        Some([self.x / unit, self.y / unit])
    }

    /// From a number per metre: per inch, whole where it was before it was rounded to metres.
    pub(super) fn of_metres(x: f64, y: f64) -> Density {
        let inches = |per_metre: f64| {
            let exact = per_metre * 0.0254;
            let whole = exact.round();
            // Half a pixel per metre.
            if (whole - exact).abs() <= 0.0128 { whole } else { exact }
        };
        Density { x: inches(x), y: inches(y), unit: Some(Length::Inch) }
    }
}

/// A chunk of PNG that says what its numbers mean as colours: gAMA, cHRM, sRGB, cICP, mDCV, cLLI.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ColourChunk {
    /// Its name.
    pub name: [u8; 4],
    /// Its content.
    pub content: Vec<u8>,
}

/// What a file says of its picture.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Metadata {
    /// ICC profile, whose colour space matches the planes (grey or RGB).
    pub icc: Option<Vec<u8>>,
    /// EXIF block, starting with its TIFF header (`II*\0` or `MM\0*`); its orientation is 1.
    pub exif: Option<Vec<u8>>,
    /// XMP packet.
    pub xmp: Option<Vec<u8>>,
    /// IPTC records.
    pub iptc: Option<Vec<u8>>,
    /// Print resolution.
    pub density: Option<Density>,
    /// What a PNG says of its colours.
    pub colours: Vec<ColourChunk>,
}

impl Metadata {
    /// Takes note that the pixels were turned as the file asked, and returns how EXIF asks for it where the file does not.
    /// Some writers of WebP put JPEG's marker before the block, which hides the orientation from the decoder.
    pub(super) fn turn(&mut self, asked: Orientation) -> Orientation {
        let mut orientation = asked;
        if let Some(exif) = &mut self.exif {
            if exif.starts_with(b"Exif\0\0") {
                exif.drain(..6);
            }
            if let Some(found) = Orientation::remove_from_exif_chunk(exif) {
                orientation = found;
            }
            if orientation != Orientation::NoTransforms {
                // It is not turned.
                exif::drop_thumbnail(exif);
            }
        }
        if let Some(xmp) = self.xmp.as_mut().filter(|_| orientation != Orientation::NoTransforms) {
            xmp::set(xmp, "tiff:Orientation", 1);
        }
        use Orientation::{Rotate90, Rotate90FlipH, Rotate270, Rotate270FlipH};
        if matches!(orientation, Rotate90 | Rotate270 | Rotate90FlipH | Rotate270FlipH) {
            if let Some(density) = &mut self.density {
                (density.x, density.y) = (density.y, density.x);
            }
            if let Some(exif) = &mut self.exif {
                exif::swap_resolution(exif);
            }
        }
        orientation
    }

    /// The EXIF block of a picture of this size.
    pub(super) fn exif_of(&self, width: usize, height: usize) -> Option<Vec<u8>> {
        let mut exif = self.exif.clone()?;
        exif::set_size(&mut exif, width as u32, height as u32);
        Some(exif)
    }

    /// The XMP packet of a picture of this size.
    pub(super) fn xmp_of(&self, width: usize, height: usize) -> Option<Vec<u8>> {
        let mut xmp = self.xmp.clone()?;
        for (name, value) in [("tiff:ImageWidth", width), ("exif:PixelXDimension", width)] {
            xmp::set(&mut xmp, name, value);
        }
        for (name, value) in [("tiff:ImageLength", height), ("exif:PixelYDimension", height)] {
            xmp::set(&mut xmp, name, value);
        }
        Some(xmp)
    }

    /// Names of the chunks without which the colours look different: those that say something else than sRGB, where
    /// there is no profile, which goes before them.
    pub(super) fn telling_colours(&self) -> Vec<String> {
        if self.icc.is_some() {
            return Vec::new();
        }
        let numbers = |chunk: &ColourChunk| -> Vec<u32> {
            chunk.content.chunks_exact(4).map(|b| u32::from_be_bytes([b[0], b[1], b[2], b[3]])).collect()
        };
        let is_srgb = self.colours.iter().any(|chunk| chunk.name == *b"sRGB");
        // PNG 3, 11.3.2: what an sRGB file has.
        let near = |numbers: &[u32], of: &[u32]| {
            numbers.len() == of.len() && numbers.iter().zip(of).all(|(a, b)| a.abs_diff(*b) <= 200)
        };
        let tells = |chunk: &&ColourChunk| match &chunk.name {
            b"gAMA" => !is_srgb && !near(&numbers(chunk), &[45_455]),
            b"cHRM" => {
                !is_srgb && !near(&numbers(chunk), &[31_270, 32_900, 64_000, 33_000, 30_000, 60_000, 15_000, 6_000])
            }
            b"cICP" => chunk.content.get(..2) != Some(&[1, 13]),
            _ => false,
        };
        self.colours.iter().filter(tells).map(|chunk| String::from_utf8_lossy(&chunk.name).into_owned()).collect()
    }
}
