//! `wgrad train --explain` covers every key that a recipe may have. Which there are is asked of the parser: an unknown
//! word makes it list those it knows, so that a new key or kind fails here until it is explained.

use crate::support::cli::wgrad;
use std::path::Path;
use wgrad::internal::train::Recipe;

fn explanation() -> String {
    wgrad(Path::new("."), ["train", "--explain"]).expect(0).stdout
}

/// The words that the parser expects where `text` has an unknown one.
fn expected(text: &str) -> Vec<String> {
    let error = Recipe::parse(text, "probe", &[]).unwrap_err().to_string();
    assert!(error.contains("unknown"), "{error}");
    let words = error.split("; did you").next().unwrap();
    if words.contains("no fields") {
        return Vec::new();
    }
    words.split('`').skip(1).step_by(2).skip(1).map(str::to_string).collect()
}

/// Lines `key = value` of a section, comments uncovered, by kind; keys of no kind come first.
fn blocks(section: &str) -> Vec<Vec<String>> {
    let mut blocks = vec![Vec::new()];
    let mut inside = false;
    for line in explanation().lines() {
        let line = line.trim_start_matches("# ");
        if line.starts_with('[') && !line.starts_with("[[") {
            inside = line.starts_with(&format!("[{section}]"));
            continue;
        }
        if inside && line.contains('=') {
            if line.starts_with("kind") {
                blocks.push(Vec::new());
            }
            blocks.last_mut().unwrap().push(line.to_string());
        }
    }
    blocks
}

fn has(block: &[String], key: &str) -> bool {
    block.iter().any(|line| line.split('=').next().unwrap().trim() == key)
}

#[test]
fn a_missing_key_would_be_seen() {
    assert_eq!(expected("[network]\nkind = 'mlp'\nzzz = 1"), ["sizes", "activation", "dropout"]);
    let mlp = blocks("network").into_iter().find(|b| b.first().is_some_and(|line| line.contains("mlp"))).unwrap();
    assert!(has(&mlp, "sizes") && !has(&mlp, "scale") && !has(&mlp, "size"));
}

#[test]
fn it_is_the_default_recipe() {
    assert_eq!(Recipe::parse(&explanation(), "explanation", &[]).unwrap(), Recipe::default());
}

#[test]
fn it_has_every_key_of_every_section() {
    let text = explanation();
    for key in expected("zzz = 1") {
        let there = |line: &str| line.trim_start_matches("# ").starts_with(&format!("{key} = "));
        assert!(text.lines().any(there) || text.contains(&format!("[{key}]")), "{key}");
    }
    for section in ["optimizer", "schedule", "validate"] {
        let keys = expected(&format!("[{section}]\nzzz = 1"));
        assert!(!keys.is_empty());
        let block: Vec<String> = blocks(section).concat();
        keys.iter().for_each(|key| assert!(has(&block, key), "{section}.{key}"));
    }
    let degrade = expected("[data]\nkind = 'images'\ntrain = ['x']\n[data.degrade]\nzzz = 1");
    assert!(degrade.len() > 5);
    degrade.iter().for_each(|key| assert!(has(&blocks("data.degrade").concat(), key), "data.degrade.{key}"));
    for rule in expected("[optimizer]\nkind = 'zzz'").iter().chain(&expected("[schedule]\nkind = 'zzz'")) {
        assert!(text.contains(rule.as_str()), "{rule}");
    }
}

#[test]
fn it_has_every_key_of_every_kind() {
    let mut bare = Vec::new();
    for section in ["network", "data", "loss"] {
        let kinds = expected(&format!("[{section}]\nkind = 'zzz'"));
        assert!(kinds.len() > 3);
        let blocks = blocks(section);
        for kind in kinds {
            let of_kind = |block: &&Vec<String>| block[0].starts_with(&format!("kind = \"{kind}\""));
            let block = blocks.iter().filter(|b| !b.is_empty()).find(of_kind);
            let block = block.unwrap_or_else(|| panic!("{section}.kind = {kind} is not explained"));
            // Some kinds have no key at all, and the parser takes any for them.
            let probe = format!("[{section}]\nkind = '{kind}'\nzzz = 1");
            if Recipe::parse(&probe, "probe", &[]).is_err_and(|e| e.to_string().contains("unknown")) {
                expected(&probe).iter().for_each(|key| assert!(has(block, key), "{section}.{key} of {kind}"));
            } else {
                bare.push(kind);
            }
        }
    }
    assert!(bare.iter().all(|kind| ["mse", "mae", "bce", "bce_with_logits"].contains(&kind.as_str())), "{bare:?}");
}

#[test]
fn it_has_every_layer_and_its_keys() {
    let probe = |layer: &str| format!("[network]\nkind = 'sequential'\ninput = [1]\nlayers = [{layer}]");
    let (text, mut bare) = (explanation(), Vec::new());
    for layer in expected(&probe("{ layer = 'zzz' }")) {
        let line = text.lines().find(|line| line.contains(&format!("{{ layer = \"{layer}\"")));
        let line = line.unwrap_or_else(|| panic!("{layer} is not explained"));
        let probe = probe(&format!("{{ layer = '{layer}', zzz = 1 }}"));
        if Recipe::parse(&probe, "probe", &[]).is_err_and(|e| e.to_string().contains("unknown")) {
            expected(&probe).iter().for_each(|key| assert!(line.contains(&format!(" {key} = ")), "{layer}.{key}"));
        } else {
            bare.push(layer);
        }
    }
    let without = ["prelu", "softmax", "global_pool", "layer_norm", "batch_norm"];
    assert!(bare.iter().all(|layer| without.contains(&layer.as_str())), "{bare:?}");
}

#[test]
fn every_kind_parses_as_it_stands() {
    let part = |section: &str, block: &[String]| format!("[{section}]\n{}\n", block.join("\n"));
    let rows = "[network]\nkind = 'mlp'\nsizes = [2, 3]\n";
    for block in blocks("network").iter().filter(|b| !b.is_empty()) {
        // A list over several lines lost its closing line, which has no key.
        let close = if block[0].contains("sequential") { "]\n" } else { "" };
        let pictures = ["compact", "residual", "espcn", "fsrcnn", "srcnn"].iter().any(|kind| block[0].contains(kind));
        let data = if pictures { "" } else { "[data]\nkind = 'digits'\n" };
        Recipe::parse(&format!("{}{close}{data}", part("network", block)), &block[0], &[]).unwrap();
    }
    for block in blocks("data").iter().filter(|b| !b.is_empty()) {
        let pictures = ["procedural", "images"].iter().any(|kind| block[0].contains(kind));
        let network = if pictures { "" } else { rows };
        Recipe::parse(&format!("{network}{}", part("data", block)), &block[0], &[]).unwrap();
    }
    for block in blocks("loss").iter().filter(|b| !b.is_empty()) {
        let classes = ["cross_entropy", "bce"].iter().any(|kind| block[0].contains(kind));
        let sigmoid = "[network]\nkind = 'sequential'\ninput = [784]\nlayers = [{ layer = 'linear', out = 1 }, \
                       { layer = 'activation', function = 'sigmoid' }]\n[data]\nkind = 'digits'\n";
        let network = if classes { sigmoid } else { "" };
        Recipe::parse(&format!("{network}{}", part("loss", block)), &block[0], &[]).unwrap();
    }
}
