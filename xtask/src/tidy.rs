//! House rules that no compiler checks. Runs as a test, so that `cargo test` keeps the house.
//! Each rule is a file below; a finding is one line with the path and what to do.

mod layers;
mod rooms;
mod words;

#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};

/// A file of the checkout with its text.
struct Source {
    /// Path from the root.
    path: String,
    text: String,
}

/// Folders that hold no sources of ours.
const SKIPPED: &[&str] = &["target", ".git", "data", "runs", "node_modules"];

fn collect(dir: &Path, root: &Path, out: &mut Vec<Source>) {
    let mut entries: Vec<PathBuf> = std::fs::read_dir(dir)
        .map(|entries| entries.filter_map(|entry| entry.ok().map(|e| e.path())).collect())
        .unwrap_or_default();
    entries.sort();
    for path in entries {
        let name = path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
        if path.is_dir() {
            if !SKIPPED.contains(&name.as_str()) {
                collect(&path, root, out);
            }
        } else if let Ok(text) = std::fs::read_to_string(&path) {
            let relative = path.strip_prefix(root).unwrap_or(&path);
            out.push(Source { path: relative.to_string_lossy().into_owned(), text });
        }
    }
}

/// Checks the checkout at `root`; an empty answer is a tidy house.
pub(crate) fn run(root: &Path) -> Vec<String> {
    let mut sources = Vec::new();
    collect(root, root, &mut sources);
    let mut findings = Vec::new();
    layers::check(&sources, &mut findings);
    rooms::check(root, &sources, &mut findings);
    words::check(&sources, &mut findings);
    findings
}
