//! Pictures of any size, kind and transparency as a network of one size sees them.

use serde::{Deserialize, Serialize};

use super::resize::{Rounding, imresize};
use super::{Picture, Plane};

/// How a picture comes to another shape.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fit {
    /// All of it, in the middle of black.
    #[default]
    Pad,
    /// Its middle, without a border.
    Crop,
}

impl Fit {
    /// Whether it is [`Fit::Pad`].
    pub fn is_pad(&self) -> bool {
        *self == Fit::Pad
    }
}

/// The picture over white where it is transparent, as one plane of grey or three of RGB.
pub fn planes(picture: &Picture, channels: usize) -> Vec<Plane> {
    let opaque = |plane: &Plane| match &picture.alpha {
        None => plane.clone(),
        Some(alpha) => {
            Plane::from_fn(plane.width, plane.height, |x, y| 255.0 + (plane.at(x, y) - 255.0) * alpha.at(x, y) / 255.0)
        }
    };
    let planes: Vec<Plane> = picture.planes.iter().map(opaque).collect();
    match (&planes[..], channels) {
        ([_], 1) | ([_, _, _], 3) => planes,
        ([grey], _) => vec![grey.clone(); channels],
        // BT.601's weights, full range: what other tools call greyscale.
        ([r, g, b, ..], _) => {
            vec![Plane::from_fn(r.width, r.height, |x, y| 0.299 * r.at(x, y) + 0.587 * g.at(x, y) + 0.114 * b.at(x, y))]
        }
        ([..], _) => unreachable!("a picture has one or three planes"),
    }
}

/// Scales a plane by bicubic to `width` by `height`.
pub fn fit(plane: &Plane, width: usize, height: usize, how: Fit) -> Plane {
    let (across, down) = (width as f64 / plane.width as f64, height as f64 / plane.height as f64);
    let factor = if how == Fit::Pad { across.min(down) } else { across.max(down) };
    let side =
        |length: usize, least: usize, most: usize| ((length as f64 * factor).round() as usize).clamp(least, most);
    let (w, h) = match how {
        Fit::Pad => (side(plane.width, 1, width), side(plane.height, 1, height)),
        Fit::Crop => (side(plane.width, width, usize::MAX), side(plane.height, height, usize::MAX)),
    };
    let scaled = match (w, h) == (plane.width, plane.height) {
        true => plane.clone(),
        false => imresize(plane, w, h, factor, Rounding::None),
    };
    if how == Fit::Crop {
        return scaled.crop((w - width) / 2, (h - height) / 2, width, height);
    }
    let (left, top) = ((width - w) / 2, (height - h) / 2);
    Plane::from_fn(width, height, |x, y| {
        let inside = (left..left + w).contains(&x) && (top..top + h).contains(&y);
        if inside { scaled.at(x - left, y - top) } else { 0.0 }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wide_and_high_pictures_come_to_any_shape() {
        for (w, h) in [(40, 10), (10, 40), (7, 7), (1, 90), (64, 48)] {
            let plane = Plane::from_fn(w, h, |_, _| 200.0);
            for (width, height) in [(8, 8), (16, 4), (28, 28)] {
                let cropped = fit(&plane, width, height, Fit::Crop);
                assert_eq!((cropped.width, cropped.height), (width, height));
                assert!(cropped.data.iter().all(|v| (v - 200.0).abs() < 1e-3), "nothing but the picture");
                let padded = fit(&plane, width, height, Fit::Pad);
                let filled = padded.data.iter().filter(|v| (**v - 200.0).abs() < 1e-3).count();
                assert!(padded.data.iter().all(|v| *v == 0.0 || (v - 200.0).abs() < 1e-3) && filled > 0);
            }
        }
    }

    #[test]
    fn what_is_transparent_is_white_and_grey_is_weighed() {
        let plane = |value: f32| Plane::from_fn(2, 1, |_, _| value);
        let mut picture = Picture::new(vec![plane(100.0), plane(0.0), plane(50.0)]);
        picture.alpha = Some(Plane::from_fn(2, 1, |x, _| if x == 0 { 0.0 } else { 255.0 }));
        let rgb = planes(&picture, 3);
        assert_eq!((rgb[0].at(0, 0), rgb[0].at(1, 0)), (255.0, 100.0));
        let grey = planes(&picture, 1);
        assert!((grey[0].at(1, 0) - (29.9 + 5.7)).abs() < 1e-3);
        assert_eq!(planes(&Picture::new(vec![plane(3.0)]), 3).len(), 3);
    }
}
