//! Lookups, runs, pages that empty.

use super::{RefMap, Target};

#[test]
fn references_come_and_go() {
    let mut refs = RefMap::default();
    for number in (1..600).chain([u64::MAX]) {
        refs.insert(number, Target(number as u32 & 0xFFFF));
    }
    assert_eq!(refs.get(599), Target(599));
    assert_eq!(refs.get(600), Target::NONE);
    assert_eq!(refs.get(u64::MAX), Target(0xFFFF));
    let mut out = Vec::new();
    refs.get_all([1, 255, 256, 70_000, 2].into_iter(), &mut out);
    assert_eq!(out, [Target(1), Target(255), Target(256), Target::NONE, Target(2)]);
    for number in 1..600 {
        refs.remove(number);
        refs.remove(number);
    }
    assert_eq!(refs.get(300), Target::NONE);
    assert_eq!(refs.pages.len(), 1);
}
