//! Rooms: file length, headers, modules that exist, serde where it may be, blobs, documents that name everything.

use super::Source;
use std::path::Path;

const LINES_MAX: usize = 500;
const BLOB_BYTES_MAX: u64 = 200 * 1024;

pub(super) fn check(root: &Path, sources: &[Source], findings: &mut Vec<String>) {
    check_files(sources, findings);
    check_ratchet(sources, findings);
    check_dependencies(sources, findings);
    check_blobs(root, root, findings);
}

fn is_test(path: &str) -> bool {
    path.ends_with("/tests.rs") || path.contains("/tests/") || path.starts_with("tests/")
}

/// Headers, lengths, dead files, serde.
pub(super) fn check_files(sources: &[Source], findings: &mut Vec<String>) {
    for source in sources.iter().filter(|s| s.path.ends_with(".rs")) {
        let lines = source.text.lines().count();
        if lines > LINES_MAX && !is_test(&source.path) {
            findings.push(format!("{}: {lines} lines; split it, {LINES_MAX} at most", source.path));
        }
        if !source.text.starts_with("//!") {
            findings.push(format!("{}: open it with //! and what lives here", source.path));
        }
        if source.path.ends_with("/mod.rs") {
            findings.push(format!("{}: name it after its module, no mod.rs", source.path));
        }
        check_serde(source, findings);
        check_alive(source, sources, findings);
    }
}

fn check_serde(source: &Source, findings: &mut Vec<String>) {
    let derives = source.text.lines().any(|line| {
        line.contains("derive(") && (line.contains("Deserialize") || line.contains("Serialize"))
    });
    let path = &source.path;
    let allowed = path.ends_with("config.rs")
        || path.ends_with("wire.rs")
        || path.contains("/config/")
        || path.starts_with("web/src/api/")
        || path.starts_with("tests/")
        || path.starts_with("benches/")
        || path.starts_with("xtask/");
    if derives && !allowed {
        findings.push(format!("{path}: serde derives live in config.rs, wire.rs or web/src/api/"));
    }
}

/// A source file that no parent declares is dead.
fn check_alive(source: &Source, sources: &[Source], findings: &mut Vec<String>) {
    let Some((krate, inner)) = source.path.split_once("/src/") else { return };
    let stem = inner.trim_end_matches(".rs");
    if matches!(stem, "lib" | "main") || stem.starts_with("bin/") {
        return;
    }
    let (parents, name) = match stem.rsplit_once('/') {
        Some((parent, name)) => (vec![format!("{krate}/src/{parent}.rs")], name),
        None => (vec![format!("{krate}/src/lib.rs"), format!("{krate}/src/main.rs")], stem),
    };
    let declared = sources
        .iter()
        .filter(|s| parents.contains(&s.path))
        .any(|s| s.text.contains(&format!("mod {name};")));
    if !declared {
        findings.push(format!("{}: no module declares it", source.path));
    }
}

/// The ratchet lists inherited offenders and may only shrink; it is empty.
fn check_ratchet(sources: &[Source], findings: &mut Vec<String>) {
    let ratchet = sources.iter().find(|s| s.path == "xtask/ratchet.txt");
    match ratchet {
        None => findings.push("xtask/ratchet.txt: missing".to_owned()),
        Some(file) => findings.extend(
            file.text
                .lines()
                .filter(|line| !line.is_empty() && !line.starts_with('#'))
                .map(|line| format!("xtask/ratchet.txt: {line} is still listed")),
        ),
    }
}

/// Every third-party dependency has its line in docs/dependencies.md.
fn check_dependencies(sources: &[Source], findings: &mut Vec<String>) {
    let text = |path: &str| sources.iter().find(|s| s.path == path).map_or("", |s| s.text.as_str());
    let documents = text("docs/dependencies.md");
    let mut inside = false;
    for line in text("Cargo.toml").lines() {
        if line.starts_with('[') {
            inside = line == "[workspace.dependencies]";
        }
        let name = line.split([' ', '=']).next().unwrap_or("");
        let ours = line.contains("path = ") || name.is_empty() || name.starts_with(['#', '[']);
        if inside && !ours && !documents.contains(&format!("| `{name}` |")) {
            findings.push(format!("docs/dependencies.md: no line for `{name}`"));
        }
    }
}

fn check_blobs(dir: &Path, root: &Path, findings: &mut Vec<String>) {
    let Ok(entries) = std::fs::read_dir(dir) else { return };
    for path in entries.filter_map(|entry| entry.ok().map(|e| e.path())) {
        let name = path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
        if path.is_dir() {
            if !super::SKIPPED.contains(&name.as_str()) {
                check_blobs(&path, root, findings);
            }
            continue;
        }
        let size = path.metadata().map_or(0, |data| data.len());
        if size > BLOB_BYTES_MAX && name != "Cargo.lock" {
            let shown = path.strip_prefix(root).unwrap_or(&path).display().to_string();
            findings.push(format!("{shown}: {size} bytes; {BLOB_BYTES_MAX} at most"));
        }
    }
}
