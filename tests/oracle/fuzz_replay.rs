//! Replays every kept input of the fuzz targets: the seeds, and what was ever found (the story of each is in
//! `tests/data/fuzz/README.md`).
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::{Path, PathBuf};

use azroute::testing::fuzz;

fn inputs(target: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/fuzz").join(target);
    let mut files: Vec<PathBuf> =
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

#[test]
fn kept_inputs_are_answered() {
    for (name, target) in fuzz::TARGETS {
        let files = inputs(name);
        assert!(!files.is_empty(), "{name} has no inputs");
        for file in files {
            let bytes = std::fs::read(&file).unwrap();
            // Shown only where the test fails.
            println!("{}", file.display());
            target(&bytes);
        }
    }
}

/// What was found is told: a file that is not a seed has a line in the README.
#[test]
fn finds_have_a_story() {
    let readme = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/fuzz/README.md");
    let readme = std::fs::read_to_string(readme).unwrap();
    for (name, _) in fuzz::TARGETS {
        for file in inputs(name) {
            let file = file.file_name().unwrap().to_string_lossy().into_owned();
            let told = file.starts_with("seed-") || readme.contains(&format!("`{name}/{file}`"));
            assert!(told, "{name}/{file} has no line in tests/data/fuzz/README.md");
        }
    }
}
