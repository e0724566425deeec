//! Figures from the literature, to stand beside measured ones.

use std::path::PathBuf;

use crate::image::protocol::Factor;

use super::pictures::{Entry, folder_name};

/// Where they are from.
pub const SOURCE: &str = "published rows: as collected by Sun et al. 2023 (SAFMN, ICCV), from each method's paper";

const TABLE: &str = include_str!("published.csv");

/// The sets, and the names that their folders go by.
const SETS: [(&str, &[&str]); 3] =
    [("Set5", &["set5"]), ("Set14", &["set14"]), ("BSD100", &["bsd100", "b100", "bsds100"])];

/// Rows for the folders that are known by name.
pub fn rows(scale: Factor, folders: &[PathBuf]) -> Vec<Entry> {
    let mut entries = Vec::new();
    for folder in folders {
        let set = folder_name(folder);
        let known = |(_, names): &(&str, &[&str])| names.contains(&set.to_lowercase().as_str());
        let Some(place) = SETS.iter().position(known) else { continue };
        for line in TABLE.lines().filter(|line| line.starts_with(&format!("{scale},"))) {
            let fields: Vec<&str> = line.split(',').collect();
            let number = |at: usize| fields[at].parse::<f64>().expect("the table is a constant");
            entries.push(Entry {
                set: set.clone(),
                model: fields[1].into(),
                psnr: number(4 + 2 * place),
                ssim: number(5 + 2 * place),
                seconds: None,
                macs: Some((number(3) * 1e9) as u64),
                parameters: Some((number(2) * 1e3) as u64),
                pictures: Vec::new(),
                published: true,
            });
        }
    }
    entries
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_of_the_table_is_read() {
        let folders: Vec<PathBuf> = ["a/Set5", "Set14/", "B100", "mine"].iter().map(PathBuf::from).collect();
        let counts = [2, 3, 4].map(|scale| rows(scale.into(), &folders).len());
        assert_eq!(counts, [18, 15, 18]);
        let best = rows(2.into(), &folders).into_iter().find(|r| r.model == "EDSR-baseline").unwrap();
        assert_eq!((best.psnr, best.ssim, best.parameters), (37.99, 0.9604, Some(1_370_000)));
    }
}
