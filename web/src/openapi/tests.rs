//! The document is sound YAML, refers to what there is, and knows every path.

use super::*;
use std::collections::BTreeSet;

fn both() -> [String; 2] {
    [Version::V31, Version::V32]
        .map(|version| document(version, "http://a.example/x/api/v1", "3.14.0"))
}

#[test]
fn documents_are_yaml() {
    for text in both() {
        let document = yaml::Document::parse("openapi.yaml", text.as_bytes());
        assert!(document.is_ok(), "{}", document.expect_err("wrong"));
    }
}

#[test]
fn what_is_referred_to_is_there() {
    for text in both() {
        let references = text.split("#/components/").skip(1);
        let names = references.map(|rest| rest.split('\'').next().expect("a quote"));
        let names: BTreeSet<&str> = names.collect();
        assert!(names.len() >= 8, "{names:?}");
        for name in names {
            let (_, name) = name.split_once('/').expect("a kind");
            assert!(text.contains(&format!("\n    {name}:\n")), "{name}");
        }
    }
}

#[test]
fn every_path_of_the_api_is_described() {
    let paths: BTreeSet<&str> = OPERATIONS.iter().map(|operation| operation.path).collect();
    for known in crate::router::api_paths() {
        let path = known.replace(":name", "{name}").replace(":id", "{id}");
        assert!(paths.contains(path.strip_prefix("/api/v1").expect("of the API")), "{known}");
    }
    let ids: BTreeSet<&str> = OPERATIONS.iter().map(|operation| operation.id).collect();
    assert_eq!(ids.len(), OPERATIONS.len());
    assert_eq!(OPERATIONS.chunk_by(|a, b| a.path == b.path).count(), paths.len());
}

#[test]
fn streams_have_items_in_the_newer_version_only() {
    let [older, newer] = both();
    assert!(older.starts_with("openapi: 3.1.0\n") && newer.starts_with("openapi: 3.2.0\n"));
    assert!(!older.contains("itemSchema") && newer.contains("itemSchema"));
}
