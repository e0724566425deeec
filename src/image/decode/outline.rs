//! What a file's header says, read without its pixels.

use std::cell::RefCell;
use std::fs::File;
use std::io::{BufRead, BufReader, Cursor, Read, Seek, SeekFrom};
use std::path::Path;

use ::image::metadata::Orientation;
use ::image::{ImageDecoder, ImageFormat, ImageReader};

use super::super::ifd::Bytes;
use super::supervise::{patience, supervise};
use super::{DecodeOptions, Kind, Message, check_size, kind, png, repair, tiff};
use crate::Error;

/// A picture before its pixels are decoded: what it will be and what it takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outline {
    /// Pixels per row, once it stands upright.
    pub width: usize,
    /// Rows.
    pub height: usize,
    /// Samples per pixel as they are decoded: 1 to 4; a palette may turn out to be grey.
    pub channels: usize,
    /// Bytes per sample.
    pub sample: usize,
    /// Bytes of the file.
    pub file: u64,
    /// Bytes of the decoded picture.
    pub decoded: u64,
    /// Bytes that decoding takes at most, the file's and the picture's included.
    pub decoding: u64,
}

/// JPEG's headers stand in front, and its decoder reads all there is before it looks at them.
const HEAD: u64 = 1 << 20;

impl Outline {
    /// Reads the header of a file. None when the file has no size of its own (pipes, devices), or a header that says
    /// nothing before all is decoded.
    ///
    /// # Errors
    /// When the file cannot be opened, or has more pixels than the options allow; the message names it. What else is
    /// wrong with it is left to decoding to say.
    pub fn open(path: impl AsRef<Path>, options: &DecodeOptions) -> crate::Result<Option<Outline>> {
        let path = path.as_ref();
        let fail = |source| Error::io(path, source);
        if !std::fs::metadata(path).map_err(fail)?.is_file() {
            return Ok(None);
        }
        let mut file = File::open(path).map_err(fail)?;
        let bytes = file.metadata().map_err(fail)?.len();
        let mut head = [0; 64];
        let read = read_head(&mut file, &mut head).map_err(fail)?;
        let Kind::Read(format) = kind(&head[..read]) else { return Ok(None) };
        if format != ImageFormat::Jpeg {
            return outline(BufReader::new(file), bytes, format, path, options);
        }
        let mut head = Vec::new();
        file.by_ref().take(HEAD).read_to_end(&mut head).map_err(fail)?;
        match outline(Cursor::new(head), bytes, format, path, options)? {
            None if bytes > HEAD => {
                file.rewind().map_err(fail)?;
                outline(BufReader::new(file), bytes, format, path, options)
            }
            outline => Ok(outline),
        }
    }

    /// Of a file's bytes, for a decoder that is supervised already.
    ///
    /// # Errors
    /// When there are more pixels than the options allow.
    pub(super) fn of(bytes: &[u8], format: ImageFormat, options: &DecodeOptions) -> Result<Option<Outline>, Message> {
        let head = if format == ImageFormat::Jpeg { &bytes[..bytes.len().min(HEAD as usize)] } else { bytes };
        describe(Cursor::new(head), bytes.len() as u64, format, options)
    }

    /// Refuses what cannot be decoded into the memory that there is: a decoder that gets none ends the process.
    ///
    /// # Errors
    /// Saying how much it takes.
    pub(super) fn check_memory(&self, options: &DecodeOptions) -> Result<(), Message> {
        let (width, height, mib) = (self.width, self.height, self.decoding.div_ceil(1 << 20));
        if self.decoding > options.max_memory {
            let most = options.max_memory >> 20;
            return Err(format!(
                "{width}x{height} pixels take {mib} MiB to decode, more than the {most} MiB that are free for it"
            ));
        }
        let beside = usize::try_from(self.decoding - self.file).unwrap_or(usize::MAX);
        // Asked for and given back at once: the limits are those of this moment.
        Vec::<u8>::new()
            .try_reserve_exact(beside)
            .map_err(|_| format!("{width}x{height} pixels take {mib} MiB to decode, more than the system gives"))
    }
}

fn read_head(file: &mut File, head: &mut [u8]) -> std::io::Result<usize> {
    let mut read = 0;
    while read < head.len() {
        match file.read(&mut head[read..]) {
            Ok(0) => break,
            Ok(more) => read += more,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    file.seek(SeekFrom::Start(0))?;
    Ok(read)
}

/// What decoding needs to know of a header.
struct Header {
    size: (u32, u32),
    channels: usize,
    bits: usize,
    orientation: Orientation,
    /// Bytes that a TIFF's decoder keeps beside the file.
    beside: Option<u64>,
    /// A JPEG's coefficients are kept until its last scan.
    scattered: bool,
}

/// The places of a reader of which only a few are read.
struct Places<R>(RefCell<(R, u64)>, usize);

impl<R: BufRead + Seek> Bytes for Places<R> {
    fn count(&self) -> usize {
        self.1
    }

    fn take(&self, at: usize, out: &mut [u8]) -> Option<()> {
        let (reader, place) = &mut *self.0.borrow_mut();
        // What is buffered stays.
        reader.seek_relative(at as i64 - *place as i64).ok()?;
        *place = at as u64;
        reader.read_exact(out).ok()?;
        *place += out.len() as u64;
        Some(())
    }
}

fn outline(
    reader: impl BufRead + Seek + Send + 'static,
    file: u64,
    format: ImageFormat,
    name: &Path,
    options: &DecodeOptions,
) -> crate::Result<Option<Outline>> {
    let options = *options;
    // Decoders may panic at headers too.
    let outline = supervise(patience(0), move || Ok(describe(reader, file, format, &options)));
    outline.unwrap_or(Ok(None)).map_err(|message| Error::input(format!("{}: {message}", name.display())))
}

fn describe(
    reader: impl BufRead + Seek,
    file: u64,
    format: ImageFormat,
    options: &DecodeOptions,
) -> Result<Option<Outline>, Message> {
    let header = match format {
        ImageFormat::Tiff => tiff_header(&places(reader, file), file, options)?,
        ImageFormat::Png => png::outline(&places(reader, file)).map(|(width, height, channels, bits, orientation)| {
            Header { size: (width, height), channels, bits, orientation, beside: None, scattered: false }
        }),
        format => header(reader, file, format),
    };
    let Some(Header { size: (width, height), channels, bits, orientation, beside, scattered }) = header else {
        return Ok(None);
    };
    check_size(width, height, options)?;
    let pixels = u64::from(width) * u64::from(height);
    let sample = bits.div_ceil(8).max(1);
    let decoded = pixels * (channels * sample) as u64;
    // What decoders keep beside the picture, as measured: copies of it, coefficients, planes.
    let beside = beside.map(|beside| beside.saturating_sub(decoded)).unwrap_or(match format {
        ImageFormat::Jpeg if scattered => 3 * file + 2 * pixels * channels.max(3) as u64,
        ImageFormat::Jpeg => file,
        ImageFormat::WebP => 6 * pixels,
        ImageFormat::Gif => 12 * pixels,
        ImageFormat::Pnm => file + decoded,
        _ => 0,
    });
    let turned = matches!(
        orientation,
        Orientation::Rotate90 | Orientation::Rotate270 | Orientation::Rotate90FlipH | Orientation::Rotate270FlipH
    );
    let copy = if turned { decoded } else { 0 };
    let (wide, high) = (width as usize, height as usize);
    let [width, height] = if turned { [high, wide] } else { [wide, high] };
    let decoding = file + decoded + beside.max(copy);
    Ok(Some(Outline { width, height, channels, sample, file, decoded, decoding }))
}

fn places<R: BufRead + Seek>(reader: R, file: u64) -> Places<R> {
    Places(RefCell::new((reader, 0)), usize::try_from(file).unwrap_or(usize::MAX))
}

fn tiff_header(places: &impl Bytes, file: u64, options: &DecodeOptions) -> Result<Option<Header>, Message> {
    let outlined = tiff::outline(places, file, options)?;
    Ok(outlined.map(|tiff::Outlined { size: [width, height], channels, bits, orientation, memory }| {
        let (size, beside, scattered) = ((width, height), Some(memory), false);
        Header { size, channels, bits, orientation, beside, scattered }
    }))
}

fn header(mut reader: impl BufRead + Seek, file: u64, format: ImageFormat) -> Option<Header> {
    let secret = format == ImageFormat::WebP && repair::has_secret_alpha(&places(&mut reader, file));
    reader.rewind().ok()?;
    let scattered = format == ImageFormat::Jpeg && is_scattered(&mut reader)?;
    let mut reader = ImageReader::with_format(reader, format);
    reader.no_limits();
    let mut decoder = reader.into_decoder().ok()?;
    let (size, colour) = (decoder.dimensions(), decoder.color_type());
    let orientation = decoder.orientation().unwrap_or(Orientation::NoTransforms);
    let channels = usize::from(colour.channel_count());
    let bits = usize::from(colour.bits_per_pixel()) / channels;
    let channels = channels + usize::from(secret);
    Some(Header { size, channels, bits, orientation, beside: None, scattered })
}

/// Whether a JPEG is progressive, or has a scan per component: markers up to the first scan say so.
fn is_scattered(reader: &mut (impl BufRead + Seek)) -> Option<bool> {
    let mut at = 2;
    let mut components = 0;
    let found = loop {
        reader.seek(SeekFrom::Start(at)).ok()?;
        let mut head = [0; 5];
        reader.read_exact(&mut head).ok()?;
        let [0xff, marker, length @ .., count] = head else { break true };
        match marker {
            // Fill bytes.
            0xff => {
                at += 1;
                continue;
            }
            0xda => break count < components,
            0xc0 | 0xc1 => {
                let mut frame = [0; 5];
                reader.read_exact(&mut frame).ok()?;
                components = frame[4];
            }
            0xc2..=0xcf if !matches!(marker, 0xc4 | 0xc8 | 0xcc) => break true,
            _ => {}
        }
        at += 2 + u64::from(u16::from_be_bytes(length));
    };
    reader.rewind().ok()?;
    Some(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::{Bitmap, Samples};

    fn pictures(folder: &str) -> Vec<std::path::PathBuf> {
        let mut found = Vec::new();
        let mut open = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join(folder)];
        while let Some(folder) = open.pop() {
            for entry in std::fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() { open.push(path) } else { found.push(path) }
            }
        }
        found
    }

    #[test]
    fn what_headers_say_is_what_is_decoded() {
        let options = DecodeOptions { first_frame: true, ..DecodeOptions::default() };
        let mut compared = 0;
        for path in pictures("tests/fixtures") {
            let Ok(bitmap) = Bitmap::open_with(&path, &options) else { continue };
            let Some(outline) = Outline::open(&path, &options).unwrap() else { continue };
            let name = path.display();
            assert_eq!([outline.width, outline.height], [bitmap.width, bitmap.height], "{name}");
            assert!(outline.channels >= bitmap.channels(), "{name}");
            let held = match &bitmap.samples {
                Samples::Eight(samples) => samples.len(),
                Samples::Sixteen(samples) => 2 * samples.len(),
            };
            assert!(outline.decoded >= held as u64 && outline.decoding >= outline.decoded, "{name}");
            let bytes = std::fs::read(&path).unwrap();
            let Kind::Read(format) = kind(&bytes) else { panic!("{name} was decoded") };
            assert_eq!(Outline::of(&bytes, format, &options).unwrap(), Some(outline), "{name}");
            compared += 1;
        }
        assert!(compared >= 10, "{compared} pictures");
    }
}
