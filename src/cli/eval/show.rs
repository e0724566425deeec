//! Scores as a table, CSV or JSON.

use crate::image::protocol::Factor;
use crate::{Error, Result};
use serde_json::{Value, json};

use super::pictures::Entry;
use crate::cli::info::count;
use crate::cli::output;

/// A table for people.
pub fn text(entries: &[Entry], scale: Factor, per_image: bool) -> String {
    let header = ["set", "method", "PSNR", "SSIM", "s/picture", "MACs", "parameters"];
    let mut rows: Vec<Vec<String>> = vec![header.iter().map(|h| h.to_string()).collect()];
    let mut sets: Vec<&str> = Vec::new();
    for entry in entries {
        if !sets.contains(&entry.set.as_str()) {
            sets.push(&entry.set);
        }
    }
    for set in sets {
        for entry in entries.iter().filter(|entry| entry.set == set) {
            if per_image {
                for (name, score) in &entry.pictures {
                    let (psnr, ssim) = (format!("{:.2}", score.psnr), format!("{:.4}", score.ssim));
                    rows.push(vec![format!("{set}/{name}"), entry.model.clone(), psnr, ssim]);
                }
            }
            let mark = if entry.published { " (published)" } else { "" };
            rows.push(vec![
                format!("{set} x{scale}"),
                format!("{}{mark}", entry.model),
                format!("{:.2}", entry.psnr),
                format!("{:.4}", entry.ssim),
                entry.seconds.map_or("-".into(), |s| format!("{s:.3}")),
                entry.macs.map_or("-".into(), count),
                entry.parameters.map_or("-".into(), count),
            ]);
        }
    }
    output::table(&rows, 2)
}

/// For machines.
pub fn json(entries: &[Entry], scale: Factor) -> Value {
    let number = scale.whole().map_or(json!(scale.value()), |whole| json!(whole));
    let value = |entry: &Entry| {
        let pictures: Vec<Value> = entry
            .pictures
            .iter()
            .map(|(name, score)| json!({ "name": name, "psnr": score.psnr, "ssim": score.ssim }))
            .collect();
        json!({ "set": entry.set, "scale": number, "model": entry.model, "psnr": entry.psnr, "ssim": entry.ssim,
                "seconds": entry.seconds, "macs": entry.macs, "parameters": entry.parameters,
                "published": entry.published, "pictures": pictures })
    };
    entries.iter().map(value).collect()
}

/// For spreadsheets: a row per picture, and one per set whose picture is empty.
///
/// # Errors
/// Never, in memory.
pub fn csv(entries: &[Entry], scale: Factor) -> Result<Vec<u8>> {
    let fail = |e: csv::Error| Error::input(format!("CSV: {e}"));
    let mut writer = csv::Writer::from_writer(Vec::new());
    let header = ["set", "scale", "model", "picture", "psnr", "ssim", "seconds", "macs", "parameters", "published"];
    writer.write_record(header).map_err(fail)?;
    for entry in entries {
        let (scale, published) = (scale.to_string(), entry.published.to_string());
        let some = |value: Option<String>| value.unwrap_or_default();
        for (name, score) in &entry.pictures {
            let (psnr, ssim) = (format!("{:.6}", score.psnr), format!("{:.6}", score.ssim));
            let fields = [&entry.set, &scale, &entry.model, name, &psnr, &ssim, "", "", "", &published];
            writer.write_record(fields).map_err(fail)?;
        }
        let (psnr, ssim) = (format!("{:.6}", entry.psnr), format!("{:.6}", entry.ssim));
        let seconds = some(entry.seconds.map(|s| format!("{s:.6}")));
        let (macs, parameters) =
            (some(entry.macs.map(|m| m.to_string())), some(entry.parameters.map(|p| p.to_string())));
        let fields = [&entry.set, &scale, &entry.model, "", &psnr, &ssim, &seconds, &macs, &parameters, &published];
        writer.write_record(fields).map_err(fail)?;
    }
    writer.into_inner().map_err(|e| Error::input(format!("CSV: {e}")))
}
