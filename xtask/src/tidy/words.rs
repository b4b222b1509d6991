//! Words that must not stand in the project, and what to do instead.

use super::Source;

/// The banned word in two halves (so that this file is tidy), and what to do instead.
const WORDS: &[(&str, &str, &str)] = &[
    ("TO", "DO", "open an issue"),
    ("FIX", "ME", "open an issue"),
    ("XX", "X", "open an issue"),
    ("/wo", "rk/", "no machine paths"),
    ("clippy::mod_module", "_files)]", "name the file after its module"),
];

/// File names that say nothing.
const NAMES: &[&str] = &["utils.rs", "util.rs", "helpers.rs", "common.rs", "misc.rs"];

pub(super) fn check(sources: &[Source], findings: &mut Vec<String>) {
    for source in sources {
        let path = &source.path;
        if NAMES.iter().any(|name| path.ends_with(&format!("/{name}"))) {
            findings.push(format!("{path}: name it after what it holds"));
        }
        let code = path.ends_with(".rs");
        let prose = path.ends_with(".md") || path.ends_with(".toml");
        if !code && !prose {
            continue;
        }
        let test = path.contains("tests") || path.starts_with("benches/");
        for (number, line) in source.text.lines().enumerate() {
            for (left, right, instead) in WORDS {
                if line.split_once(left).is_some_and(|(_, rest)| rest.starts_with(right)) {
                    findings.push(format!("{path}:{}: {left}{right}: {instead}", number + 1));
                }
            }
            if code && !test && !line.is_ascii() {
                findings.push(format!("{path}:{}: ASCII only; use an escape", number + 1));
            }
        }
    }
}
