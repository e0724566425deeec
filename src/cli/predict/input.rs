//! Inputs of a network of rows: told apart by their content, not by their names.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use wgrad::data::{Rows, Samples, csv, idx};
use wgrad::image::resize::{Rounding, imresize};
use wgrad::image::{Picture, Plane};
use wgrad::network::{Input, Network};
use wgrad::{Error, Result};

use super::{Arguments, column};
use crate::cli::console::Console;

/// Reads a file as rows without targets.
///
/// # Errors
/// Naming the file.
pub fn read(path: &Path, network: &Network, arguments: &Arguments, console: &Console) -> Result<Rows> {
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
            Ok(rows(Samples::Bytes(data), width))
        }
        _ if wgrad::image::kind(&head) != wgrad::image::Kind::Unknown => {
            let size = size(network).ok_or_else(|| {
                let path = path.display();
                Error::input(format!("{path}: a picture, and this network takes rows that are no square picture"))
            })?;
            picture(path, size, arguments, console)
        }
        _ => {
            let target = match &arguments.target {
                None => csv::Target::None,
                // As a class it may hold words as well as numbers; it is not looked at.
                Some(name) => csv::Target::Class { column: column(name), names: None },
            };
            let table = csv::load(path, &csv::Options::new(target))?;
            Ok(rows(table.rows.features, table.rows.width))
        }
    }
}

/// Height, width and channels of the pictures that a network takes; grey squares for rows.
fn size(network: &Network) -> Option<[usize; 3]> {
    match network.input() {
        Input::Image(size @ [_, _, 1 | 3]) => Some(size),
        Input::Rows(width) => (1..=width).find(|side| side * side >= width).map(|side| [side, side, 1]),
        _ => None,
    }
    .filter(|[h, w, c]| !matches!(network.input(), Input::Rows(width) if h * w * c != width))
}

/// A picture as the network takes it: grey or RGB, scaled by bicubic to fit, black around, over white where it is
/// transparent.
fn picture(
    path: &Path,
    [height, width, channels]: [usize; 3],
    arguments: &Arguments,
    console: &Console,
) -> Result<Rows> {
    let picture = Picture::open(path)?;
    for warning in &picture.warnings {
        console.note(&format!("{}: {warning}", path.display()));
    }
    let opaque = |plane: &Plane| match &picture.alpha {
        None => plane.clone(),
        Some(alpha) => {
            Plane::from_fn(plane.width, plane.height, |x, y| 255.0 + (plane.at(x, y) - 255.0) * alpha.at(x, y) / 255.0)
        }
    };
    let mut planes: Vec<Plane> = picture.planes.iter().map(opaque).collect();
    planes = match (&planes[..], channels) {
        ([_], 1) | ([_, _, _], 3) => planes,
        ([grey], _) => vec![grey.clone(); channels],
        // BT.601's weights, full range: what other tools call greyscale.
        ([r, g, b, ..], _) => {
            vec![Plane::from_fn(r.width, r.height, |x, y| 0.299 * r.at(x, y) + 0.587 * g.at(x, y) + 0.114 * b.at(x, y))]
        }
        ([..], _) => unreachable!("a picture has one or three planes"),
    };
    let light = planes.iter().flat_map(|p| &p.data).sum::<f32>() > 127.5 * (planes.len() * planes[0].data.len()) as f32;
    if arguments.invert {
        planes.iter_mut().flat_map(|p| &mut p.data).for_each(|v| *v = 255.0 - *v);
    } else if light && channels == 1 {
        console.note(&format!("{}: mostly light; --invert if the network learned light on dark", path.display()));
    }
    let fitted: Vec<Plane> = planes.iter().map(|plane| fit(plane, width, height)).collect();
    let pixels = (0..height).flat_map(|y| (0..width).map(move |x| (x, y)));
    let values = pixels.flat_map(|(x, y)| fitted.iter().map(move |p| (p.at(x, y) / 255.0).clamp(0.0, 1.0)));
    Ok(rows(Samples::Floats(values.collect()), width * height * channels))
}

/// Scales a plane to fit into `width` by `height`, in the middle of black.
fn fit(plane: &Plane, width: usize, height: usize) -> Plane {
    let factor = (width as f64 / plane.width as f64).min(height as f64 / plane.height as f64);
    let side = |length: usize, most: usize| ((length as f64 * factor).round() as usize).clamp(1, most);
    let (w, h) = (side(plane.width, width), side(plane.height, height));
    let small = if (w, h) == (plane.width, plane.height) {
        plane.clone()
    } else {
        imresize(plane, w, h, factor, Rounding::None)
    };
    let (left, top) = ((width - w) / 2, (height - h) / 2);
    Plane::from_fn(width, height, |x, y| {
        let inside = (left..left + w).contains(&x) && (top..top + h).contains(&y);
        if inside { small.at(x - left, y - top) } else { 0.0 }
    })
}

fn rows(features: Samples, width: usize) -> Rows {
    let count = features.len() / width;
    Rows { features, width, targets: vec![0.0; count], target_width: 1, classes: None }
}
