//! Lesson 9: to use a network: a picture in, a larger picture out.
//!
//! ```text
//! image -> tiles -> network -> image
//! ```
//!
//! A large picture does not fit into a small GPU, so it goes through in tiles. A pixel of the result depends on the few
//! input pixels around it, the network's radius. Tiles overlap by that much, and only what saw all its neighbours is
//! kept; at the border a tile ends where the picture ends. So the seams are not merely invisible: the result is the
//! same *bit for bit*, whatever the tile.
//!
//! `--input FILE` takes any picture, `--model FILE` a network that `wgrad train` or lesson 8 wrote (`best.safetensors`).
//! Without them, a picture is drawn and a network is trained for some seconds.

mod common;

use std::path::{Path, PathBuf};

use anyhow::Result;
use clap::Parser;
use wgrad::{
    CancelToken, Checkpoint, DataSpec, Device, Picture, Recipe, SaveOptions, Silent, UpscaleOptions, Upscaler,
    ValidateSpec, procedural, run,
};

#[derive(Parser)]
struct Arguments {
    #[command(flatten)]
    lesson: common::Lesson,
    /// Picture to enlarge.
    #[arg(long)]
    input: Option<PathBuf>,
    /// Network to enlarge it with.
    #[arg(long)]
    model: Option<PathBuf>,
}

/// The quick start's network, trained for a moment.
fn train(device: &Device, folder: &Path, steps: u64) -> Result<Checkpoint> {
    let recipe = Recipe {
        steps,
        batch: 8,
        data: DataSpec::Procedural { pictures: 16, size: 96, patch: 20 },
        validate: ValidateSpec { every: steps, pictures: 2, ..ValidateSpec::default() },
        ..Recipe::default()
    };
    common::forget_run(folder)?;
    run(&recipe, device, folder, false, &CancelToken::new(), &mut Silent)?;
    Ok(Checkpoint::open(&folder.join("best.safetensors"))?)
}

fn main() -> Result<()> {
    let Arguments { lesson, input, model } = Arguments::parse();
    let (device, folder) = (lesson.device()?, lesson.folder("upscale")?);
    let picture = match &input {
        Some(path) => Picture::open(path)?,
        None => procedural::dead_leaves(9, 150, 110).to_picture(),
    };
    let checkpoint = match &model {
        Some(path) => Checkpoint::open(path)?,
        None => train(&device, &folder, lesson.pick(150, 1000))?,
    };

    // Without a tile given, the largest that fits into the memory allowed is taken; here we want to see several sizes.
    let whole = picture.width().max(picture.height());
    let mut results = Vec::new();
    println!("tile   tiles   seconds   MiB on the device");
    for tile in [whole, 64, 41] {
        let options = UpscaleOptions { tile: Some(tile), ..UpscaleOptions::default() };
        let mut upscaler = Upscaler::new(&device, &checkpoint, options)?;
        let plan = upscaler.plan([picture.width(), picture.height()], None)?;
        let (begun, tiles) = (std::time::Instant::now(), plan.tiles);
        let result = upscaler.upscale(&picture, &mut |_, _| {})?.picture;
        let mib = plan.tile_bytes as f64 / f64::from(1 << 20);
        println!("{tile:4} {tiles:7} {:9.2} {mib:19.1}", begun.elapsed().as_secs_f64());
        results.push((upscaler.scale(), result));
    }

    let (scale, result) = &results[0];
    let path = folder.join("upscaled.png");
    result.save(&path, &SaveOptions { overwrite: true, ..SaveOptions::default() })?;
    let (width, height) = (result.width(), result.height());
    println!("\n{}x{} -> {width}x{height}, wrote {}", picture.width(), picture.height(), path.display());

    assert_eq!((width, height), (scale * picture.width(), scale * picture.height()), "so many times as large");
    for (_, tiled) in &results[1..] {
        let bits = |p: &Picture| p.planes.iter().flat_map(|p| p.data.iter().map(|v| v.to_bits())).collect::<Vec<u32>>();
        assert!(bits(tiled) == bits(result), "tiles leave no trace");
    }
    Ok(())
}
