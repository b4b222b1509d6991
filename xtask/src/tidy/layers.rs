//! Who may import whom, as data; and what the core must not touch.

use super::Source;

/// Each crate with the crates it may import. `docs/decisions` says why a row grew.
const LAYERS: &[(&str, &[&str])] = &[
    ("model", &[]),
    ("metrics", &[]),
    ("disk", &["metrics"]),
    ("chunk", &["model"]),
    ("expfmt", &["model"]),
    ("yaml", &["model"]),
    ("net", &["metrics", "model", "yaml"]),
    ("wal", &["model", "metrics", "disk"]),
    ("storage", &["model", "chunk"]),
    ("tsdb", &["model", "metrics", "disk", "chunk", "wal", "storage"]),
    ("promql", &["model", "metrics", "chunk", "storage"]),
    ("discovery", &["model", "metrics", "net", "yaml"]),
    ("scrape", &["model", "metrics", "net", "yaml", "expfmt", "storage", "discovery"]),
    ("remote", &["model", "metrics", "disk", "net", "yaml", "chunk", "wal", "storage"]),
    ("template", &["model"]),
    ("rules", &["model", "metrics", "net", "storage", "promql", "discovery", "template", "yaml"]),
    (
        "web",
        &[
            "model",
            "metrics",
            "net",
            "yaml",
            "expfmt",
            "storage",
            "promql",
            "discovery",
            "scrape",
            "remote",
            "template",
            "rules",
        ],
    ),
];

/// May import anything.
const TOP: &[&str] = &["cli", "tests", "benches", "xtask", "fuzz"];

/// Crates that take time, chance and the disk as arguments.
const PURE: &[&str] = &["model", "chunk", "wal", "storage", "tsdb", "promql", "expfmt", "template"];

/// What a pure crate must not name.
const IMPURE: &[&str] =
    &["std::fs", "SystemTime", "Instant::now", "tokio", "async fn", " rand::", "std::net"];

/// Crates whose `lib.rs` may leave out `forbid(unsafe_code)`.
const UNSAFE: &[&str] = &["disk", "chunk"];

pub(super) fn check(sources: &[Source], findings: &mut Vec<String>) {
    for source in sources {
        let Some((krate, rest)) = source.path.split_once('/') else { continue };
        if rest == "Cargo.toml" {
            check_manifest(krate, source, findings);
        } else if source.path.ends_with(".rs") && rest.starts_with("src/") {
            check_source(krate, source, findings);
        }
    }
}

fn check_manifest(krate: &str, source: &Source, findings: &mut Vec<String>) {
    if TOP.contains(&krate) {
        return;
    }
    let Some((_, allowed)) = LAYERS.iter().find(|(name, _)| *name == krate) else {
        findings.push(format!("{}: crate {krate} is not in the layer table", source.path));
        return;
    };
    let mut section = "";
    for line in source.text.lines() {
        if line.starts_with('[') {
            section = line;
        }
        let name = line.split(['.', ' ', '=']).next().unwrap_or("");
        let ours = LAYERS.iter().any(|(n, _)| *n == name) || TOP.contains(&name);
        if section == "[dependencies]" && ours && !allowed.contains(&name) {
            findings.push(format!("{}: {krate} must not import {name}", source.path));
        }
    }
}

fn check_source(krate: &str, source: &Source, findings: &mut Vec<String>) {
    let library = source.path == format!("{krate}/src/lib.rs");
    let forbids = source.text.contains("#![forbid(unsafe_code)]");
    if library && !forbids && !UNSAFE.contains(&krate) {
        findings.push(format!("{}: add #![forbid(unsafe_code)]", source.path));
    }
    let test = source.path.ends_with("/tests.rs") || source.path.contains("/tests/");
    if PURE.contains(&krate) && !test {
        for (number, line) in source.text.lines().enumerate() {
            let code = line.split("//").next().unwrap_or("");
            if let Some(word) = IMPURE.iter().find(|word| code.contains(**word)) {
                findings.push(format!(
                    "{}:{}: {word} in the pure core; take it as an argument",
                    source.path,
                    number + 1
                ));
            }
        }
    }
}
