//! `upscale --compare`: a page that shows what was made, and holds all it shows.

use crate::support::cli::{Run, enlarger, tree, wgrad};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use std::fs;
use std::path::Path;
use tempfile::tempdir;
use wgrad::internal::image::resize::{Kernel, resize};
use wgrad::internal::image::{Picture, Plane};

fn picture(folder: &Path, name: &str, width: u32, height: u32) {
    // Noise is what PNG makes nothing of.
    let noise = |x: u32, y: u32, c: u32| {
        (x.wrapping_mul(0x9E37_79B9) ^ (y + 7 * c).wrapping_mul(0x85EB_CA6B)).wrapping_mul(0xC2B2_AE35) >> 24
    };
    let image = image::RgbImage::from_fn(width, height, |x, y| image::Rgb([0, 1, 2].map(|c| noise(x, y, c) as u8)));
    image.save(folder.join(name)).unwrap();
}

fn upscale(folder: &Path, arguments: &[&str]) -> Run {
    wgrad(folder, ["upscale", "-m", "model/best.safetensors"].iter().chain(arguments))
}

/// The pictures of a page by their class.
fn shown(page: &str, class: &str) -> Vec<Picture> {
    let mark = format!("<img class=\"{class}\"");
    let pictures = page.split(&mark).skip(1).map(|rest| {
        let data = rest.split_once("src=\"data:image/png;base64,").unwrap().1.split_once('"').unwrap().0;
        Picture::decode(&STANDARD.decode(data).unwrap(), class).unwrap()
    });
    pictures.collect()
}

#[test]
fn the_page_shows_inputs_bicubic_and_results_as_they_are() {
    let folder = tempdir().unwrap();
    enlarger(folder.path());
    picture(folder.path(), "a.png", 40, 30);
    picture(folder.path(), "b <&>.png", 31, 45);
    upscale(folder.path(), &["a.png", "b <&>.png", "--compare", "pages/c.html", "-s", "1.5"]).expect(0);
    let page = fs::read_to_string(folder.path().join("pages/c.html")).unwrap();
    assert!(
        !page.contains("http:")
            && !page.contains("https:")
            && !page.contains("{{")
            && page.contains("b &lt;&amp;&gt;.png")
    );
    let (before, bicubic, after) = (shown(&page, "nearest"), shown(&page, "bicubic"), shown(&page, "after"));
    for (i, name) in ["a", "b <&>"].into_iter().enumerate() {
        let open = |name: String| Picture::open(folder.path().join(name)).unwrap();
        let (input, output) = (open(format!("{name}.png")), open(format!("{name}_x1.5.png")));
        assert_eq!((&before[i].planes, &after[i].planes), (&input.planes, &output.planes));
        let enlarged = |p: &Plane| resize(p, output.width(), output.height(), Kernel::Bicubic).to_eight_bits();
        assert_eq!(bicubic[i].planes, input.planes.iter().map(enlarged).collect::<Vec<_>>());
    }
    // The page changes nothing of the results.
    upscale(folder.path(), &["a.png", "-o", "plain.png", "-s", "1.5"]).expect(0);
    let read = |name: &str| fs::read(folder.path().join(name)).unwrap();
    assert!(read("plain.png") == read("a_x1.5.png"));
}

#[test]
fn large_pictures_are_cut_and_the_page_says_so() {
    let folder = tempdir().unwrap();
    enlarger(folder.path());
    picture(folder.path(), "large.png", 1800, 1300);
    picture(folder.path(), "small.png", 64, 48);
    upscale(folder.path(), &["large.png", "small.png", "--compare", "c.html", "--format", "tiff"]).expect(0);
    let page = fs::read_to_string(folder.path().join("c.html")).unwrap();
    assert!(page.len() < 20_500_000 && page.len() > 2_000_000, "{} bytes", page.len());
    assert!(page.contains("The middle of large pictures"));
    let (before, after) = (shown(&page, "nearest"), shown(&page, "after"));
    assert_eq!((after[1].width(), after[1].height()), (128, 96));
    // The same part of both, pixel for pixel.
    let part = |name: &str, like: &Picture| {
        let (_, place) = page.split_once("shown: ").unwrap();
        let numbers: Vec<usize> = place
            .split(|c: char| !c.is_ascii_digit())
            .filter(|w| !w.is_empty())
            .take(4)
            .map(|w| w.parse().unwrap())
            .collect();
        assert_eq!((numbers[0], numbers[1]), (after[0].width(), after[0].height()));
        let whole = Picture::open(folder.path().join(name)).unwrap();
        let by = after[0].width() / like.width();
        let (x, y) = (numbers[2] / by, numbers[3] / by);
        whole.map(|plane| plane.crop(x, y, like.width(), like.height())).planes
    };
    assert_eq!(part("large.png", &before[0]), before[0].planes);
    assert_eq!(part("large_x2.tif", &after[0]), after[0].planes);
}

#[test]
fn a_page_replaces_no_picture() {
    let folder = tempdir().unwrap();
    enlarger(folder.path());
    picture(folder.path(), "a.png", 40, 30);
    fs::create_dir(folder.path().join("sub")).unwrap();
    fs::write(folder.path().join("old.html"), "mine").unwrap();
    let before = tree(folder.path());
    for (page, why) in
        [("./sub/../a.png", "an input"), ("a_x2.png", "an output"), ("old.html", "--overwrite"), ("sub", "a folder")]
    {
        let more = if page == "old.html" { "--no-tune" } else { "--overwrite" };
        for dry in ["--quiet", "--dry-run"] {
            upscale(folder.path(), &["a.png", "--compare", page, more, dry]).expect(2).says(&[page, why]);
        }
    }
    assert_eq!(tree(folder.path()), before);
    // One that fails leaves a page of the others; none at all leaves none.
    fs::write(folder.path().join("broken.png"), "no picture").unwrap();
    upscale(folder.path(), &["a.png", "broken.png", "--compare", "old.html", "--overwrite"]).expect(1);
    assert_eq!(shown(&fs::read_to_string(folder.path().join("old.html")).unwrap(), "after").len(), 1);
    upscale(folder.path(), &["broken.png", "--compare", "none.html"]).expect(1);
    assert!(!folder.path().join("none.html").exists());
}
