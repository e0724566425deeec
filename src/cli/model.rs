//! Which network a command works with: a file, or one that comes with the program.

use std::path::Path;

use wgrad::network::{Input, Network};
use wgrad::train::Checkpoint;
use wgrad::upscale::Size;
use wgrad::{Error, Result, models};

/// Opens a file or a built-in model for use, and says what to call it.
///
/// # Errors
/// When there is no such file or name, naming what there is; when its enlargement is not `scale`.
pub fn open(model: Option<&Path>, scale: Option<usize>) -> Result<(String, Checkpoint)> {
    let (name, checkpoint) = match model {
        Some(path) if is_file(path) => (path.display().to_string(), file(path)?),
        Some(name) => {
            let name = name.to_string_lossy();
            (name.to_string(), models::find(Some(&name), scale)?)
        }
        None => (models::default_name(scale).unwrap_or_default(), models::find(None, scale)?),
    };
    if let (Some(asked), Input::Picture { scale, .. }) = (scale, checkpoint.network.input())
        && asked != scale
    {
        return Err(Error::input(format!(
            "{name}: enlarges {scale} times and -s {asked} was asked for: leave -s out, or give a model for x{asked}"
        )));
    }
    Ok((name, checkpoint))
}

/// Opens the networks that enlarge pictures to a size: a file's one, or of those that come with the program all that may
/// be needed; and says what to call them.
///
/// # Errors
/// As [`open`].
pub fn family(model: Option<&Path>, size: Option<Size>) -> Result<(String, Vec<Checkpoint>)> {
    let one = |scale: Option<usize>| open(model, scale).map(|(name, checkpoint)| (name, vec![checkpoint]));
    if model.is_some_and(is_file) || size.is_none() {
        return one(None);
    }
    let scales = models::scales(model.map(|name| name.to_string_lossy()).as_deref());
    if let Some(Size::Factor(factor)) = size
        && let Some(&scale) = scales.iter().find(|&&scale| factor <= scale as f64)
    {
        return one(Some(scale));
    }
    // More than one pass, or a size whose passes depend on the picture.
    let [first, others @ ..] = &scales[..] else { return one(None) };
    let (name, first) = open(model, Some(*first))?;
    let others = others.iter().map(|&scale| open(model, Some(scale)).map(|(_, checkpoint)| checkpoint));
    let all = std::iter::once(Ok(first)).chain(others).collect::<Result<_>>()?;
    Ok((if model.is_some() { name } else { name.trim_end_matches("-x2").to_string() }, all))
}

/// Opens a file for use: of a run that goes on, the averaged weights.
///
/// # Errors
/// Naming the file and what is wrong with it.
pub fn file(path: &Path) -> Result<Checkpoint> {
    let mut checkpoint = Checkpoint::open(path)?;
    if let Some(average) = checkpoint.training.as_mut().and_then(|training| training.average.take()) {
        average.iter().for_each(|(name, array)| checkpoint.weights.insert(name, array.clone()));
    }
    Ok(checkpoint)
}

/// Whether a model is meant as a file rather than as a name.
fn is_file(path: &Path) -> bool {
    path.extension().is_some_and(|e| e == "safetensors") || path.components().count() > 1 || path.is_file()
}

/// The declaration's kind: `compact`.
pub fn kind(network: &Network) -> String {
    let value = serde_json::to_value(network).expect("a declaration is plain data");
    value["kind"].as_str().unwrap_or_default().to_string()
}
