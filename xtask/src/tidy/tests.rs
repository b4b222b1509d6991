//! The house is tidy, and each rule notices the sin it is there for.

use super::{Source, layers, rooms, run, words};

fn source(path: &str, text: &str) -> Source {
    Source { path: path.to_owned(), text: text.to_owned() }
}

fn findings(check: fn(&[Source], &mut Vec<String>), path: &str, text: &str) -> Vec<String> {
    let mut out = Vec::new();
    check(&[source(path, text)], &mut out);
    out
}

#[test]
fn the_checkout_is_tidy() {
    let findings = run(crate::root());
    assert!(findings.is_empty(), "{}", findings.join("\n"));
}

#[test]
fn an_arrow_that_points_up_is_found() {
    let text = "[package]\nname = \"model\"\n[dependencies]\ntsdb.workspace = true\n";
    assert_eq!(findings(layers::check, "model/Cargo.toml", text).len(), 1);
    let text = "[package]\nname = \"tsdb\"\n[dependencies]\nwal.workspace = true\n";
    assert!(findings(layers::check, "tsdb/Cargo.toml", text).is_empty());
}

#[test]
fn clocks_and_files_in_the_core_are_found() {
    let text = "//! Core.\nfn f() { std::fs::read(\"x\"); }\n";
    assert_eq!(findings(layers::check, "tsdb/src/head.rs", text).len(), 1);
    assert!(findings(layers::check, "disk/src/real.rs", text).is_empty());
}

#[test]
fn a_long_file_and_a_missing_header_are_found() {
    let long = format!("//! Long.\n{}", "fn x() {}\n".repeat(500));
    assert_eq!(findings(rooms::check_files, "wal/src/lib.rs", &long).len(), 1);
    assert_eq!(findings(rooms::check_files, "wal/src/lib.rs", "fn x() {}\n").len(), 1);
    assert!(findings(rooms::check_files, "tests/it/wal.rs", &long).is_empty());
}

#[test]
fn a_file_that_no_module_names_is_found() {
    let mut out = Vec::new();
    let sources =
        [source("wal/src/lib.rs", "//! x\nmod page;\n"), source("wal/src/old.rs", "//! y")];
    rooms::check_files(&sources, &mut out);
    assert_eq!(out.len(), 1, "{out:?}");
}

#[test]
fn banned_words_are_found() {
    let text = format!("//! x\n// {} later\n", ["TO", "DO"].concat());
    assert_eq!(findings(words::check, "wal/src/page.rs", &text).len(), 1);
    assert_eq!(findings(words::check, "wal/src/utils.rs", "//! x\n").len(), 1);
}
