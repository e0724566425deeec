//! Inputs of a network of rows: told apart by their content, not by their names.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use crate::checkpoint::Checkpoint;
use crate::data::{Rows, Samples, idx};
use crate::image::fit::{self, Fit};
use crate::image::{Picture, Plane};
use crate::interface::{InputSpec, image_size};
use crate::{Error, Result};

use super::{Arguments, table};
use crate::cli::console::Console;

/// An input's rows, and what each is called by.
pub struct Taken {
    /// The rows, without targets.
    pub rows: Rows,
    /// Lines of a table, places in an IDX file from 1; none for a picture.
    pub numbers: Vec<u64>,
}

/// Reads a file.
///
/// # Errors
/// Naming the file.
pub fn read(path: &Path, checkpoint: &Checkpoint, arguments: &Arguments, console: &Console) -> Result<Taken> {
    if path.is_dir() {
        return Err(Error::input(format!("{}: a folder; name the files in it", path.display())));
    }
    let mut head = Vec::new();
    let file = File::open(path).map_err(|e| Error::io(path, e))?;
    file.take(64).read_to_end(&mut head).map_err(|e| Error::io(path, e))?;
    match head[..] {
        [0, 0, 8, _, ..] | [0x1f, 0x8b, ..] => {
            let idx::Idx { shape, data } = idx::read(path)?;
            let width = data.len().checked_div(shape[0]).unwrap_or(0);
            if width == 0 {
                return Err(Error::input(format!("{}: holds no value (dimensions {shape:?})", path.display())));
            }
            let data = if arguments.invert { data.into_iter().map(|v| 255 - v).collect() } else { data };
            let numbers = (1..=shape[0] as u64).collect();
            Ok(Taken { rows: rows(Samples::Bytes(data), width), numbers })
        }
        _ if crate::image::kind(&head) != crate::image::Kind::Unknown => {
            let size = image_size(&checkpoint.network).ok_or_else(|| {
                let path = path.display();
                Error::input(format!("{path}: a picture, and this network takes rows that are no square picture"))
            })?;
            Ok(Taken { rows: picture(path, size, checkpoint, arguments, console)?, numbers: Vec::new() })
        }
        _ => {
            let table = arguments.table.open(path, &checkpoint.interface)?;
            table.notes().for_each(|note| console.note(&note));
            let target = arguments.table.target.as_ref().map(|name| table.place(name)).transpose()?;
            let rows = table::features(&table, &checkpoint.interface, target)?;
            Ok(Taken { rows, numbers: (0..table.count()).map(|row| table.line(row)).collect() })
        }
    }
}

/// A picture as the network takes it: grey or RGB, scaled by bicubic, over white where it is transparent.
fn picture(
    path: &Path,
    [height, width, channels]: [usize; 3],
    checkpoint: &Checkpoint,
    arguments: &Arguments,
    console: &Console,
) -> Result<Rows> {
    let picture = Picture::open(path)?;
    for warning in &picture.warnings {
        console.note(&format!("{}: {warning}", path.display()));
    }
    let how = match checkpoint.interface.input {
        InputSpec::Image { fit, .. } => fit,
        _ => Fit::Pad,
    };
    let mut planes = fit::planes(&picture, channels);
    let light = planes.iter().flat_map(|p| &p.data).sum::<f32>() > 127.5 * (planes.len() * planes[0].data.len()) as f32;
    if arguments.invert {
        planes.iter_mut().flat_map(|p| &mut p.data).for_each(|v| *v = 255.0 - *v);
    } else if light && channels == 1 && how == Fit::Pad {
        console.note(&format!("{}: mostly light; --invert if the network learned light on dark", path.display()));
    }
    let fitted: Vec<Plane> = planes.iter().map(|plane| fit::fit(plane, width, height, how)).collect();
    let pixels = (0..height).flat_map(|y| (0..width).map(move |x| (x, y)));
    let values = pixels.flat_map(|(x, y)| fitted.iter().map(move |p| (p.at(x, y) / 255.0).clamp(0.0, 1.0)));
    Ok(rows(Samples::Floats(values.collect()), width * height * channels))
}

fn rows(features: Samples, width: usize) -> Rows {
    let count = features.len() / width;
    Rows { features, width, targets: vec![0.0; count], target_width: 1, classes: None }
}
