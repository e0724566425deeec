//! Inputs of a network of rows: told apart by their content, not by their names.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use crate::checkpoint::Checkpoint;
use crate::data::table::{Table, columns};
use crate::data::{Rows, Samples, idx, is_picture_name};
use crate::image::fit::{self, Fit};
use crate::image::{Picture, Plane};
use crate::interface::{InputSpec, image_size};
use crate::{Error, Result};

use super::{Arguments, table};
use crate::cli::console::Console;

/// An input's rows, and what each is called by.
pub struct Taken {
    /// The rows that the network takes, without targets.
    pub rows: Rows,
    /// Every row.
    pub places: Vec<Row>,
}

/// A row of an input.
pub struct Row {
    /// The line of a table, or the place in an IDX file from 1; none for a picture.
    pub number: Option<u64>,
    /// Why the network cannot take it.
    pub unfit: Option<String>,
}

impl Row {
    fn fit(number: Option<u64>) -> Self {
        Row { number, unfit: None }
    }
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
            if let (InputSpec::Image { height, width, .. }, [_, rows, columns, ..]) =
                (&checkpoint.interface.input, &shape[..])
                && [height, width] != [rows, columns]
            {
                let path = path.display();
                let why = format!(
                    "pictures of {rows}x{columns} pixels (rows x columns), and the network takes {height}x{width}"
                );
                return Err(Error::input(format!("{path}: {why}")));
            }
            let places = (1..=shape[0] as u64).map(|place| Row::fit(Some(place))).collect();
            Ok(Taken { rows: rows(Samples::Bytes(data), width), places })
        }
        _ if crate::image::kind(&head) != crate::image::Kind::Unknown => {
            let size = image_size(&checkpoint.network).ok_or_else(|| {
                let path = path.display();
                Error::input(format!("{path}: a picture, and this network takes rows that are no square picture"))
            })?;
            Ok(Taken { rows: picture(path, size, checkpoint, arguments, console)?, places: vec![Row::fit(None)] })
        }
        _ if is_picture_name(path) => Err(Error::input(format!(
            "{}: its name is a picture's, and its bytes are none that is known",
            path.display()
        ))),
        _ => table_rows(&arguments.table.open(path, &checkpoint.interface, console)?, checkpoint, arguments),
    }
}

/// The rows of a table, of which some may be unfit.
///
/// # Errors
/// When columns are missing, or no row is fit.
fn table_rows(table: &Table, checkpoint: &Checkpoint, arguments: &Arguments) -> Result<Taken> {
    let interface = &checkpoint.interface;
    let target = arguments.table.target.as_ref().map(|name| table.place(name)).transpose()?;
    let (inputs, at) = columns::places(table, interface, target)?;
    table.settled(columns::numeric_places(&inputs, &at))?;
    let (mut features, mut places, mut first) = (Vec::new(), Vec::new(), None);
    for row in 0..table.count() {
        let unfit = columns::features_of(table, &inputs, &at, row, &mut features).err();
        places.push(Row { number: Some(table.line(row)), unfit: unfit.as_ref().map(ToString::to_string) });
        first = first.or(unfit);
    }
    match first {
        Some(error) if features.is_empty() => Err(error),
        _ => Ok(Taken { rows: table::rows(features, interface), places }),
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
