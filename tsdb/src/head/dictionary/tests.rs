//! Interning, postings and what removal gives back.

use super::{Dictionary, LabelHasher, PairId};

fn add(labels: &mut Dictionary, name: &str, value: &str, slot: u32) -> PairId {
    labels.add(name, value, LabelHasher::new(1).label(name, value), slot)
}

fn find(labels: &Dictionary, name: &str, value: &str) -> Option<PairId> {
    labels.find_pair(LabelHasher::new(1).label(name, value))
}

#[test]
fn labels_come_and_go() {
    let mut labels = Dictionary::default();
    let a = add(&mut labels, "job", "a", 0);
    let b = add(&mut labels, "job", "b", 1);
    assert_eq!(add(&mut labels, "job", "a", 2), a);
    assert_eq!(labels.postings(a), [0, 2]);
    assert_eq!(find(&labels, "job", "b"), Some(b));
    assert_eq!(labels.label(b), ("job", "b"));
    labels.remove_dead(&[a, b], |slot| slot != 1);
    assert_eq!(find(&labels, "job", "b"), None);
    assert_eq!(labels.find_text("b"), None);
    let job = labels.find_text("job").unwrap();
    assert_eq!(labels.pairs_of(job), [a]);
    assert_eq!(labels.text_bytes(), 4);
    // Ids are used again.
    assert_eq!(add(&mut labels, "job", "c", 3), b);
    labels.remove_dead(&[a, b], |_| false);
    assert_eq!(labels.names().count(), 0);
    assert_eq!(labels.text_bytes(), 0);
}

#[test]
fn a_name_may_be_a_value() {
    let mut labels = Dictionary::default();
    let x = add(&mut labels, "x", "x", 0);
    let y = add(&mut labels, "x", "y", 0);
    labels.remove_dead(&[x], |_| false);
    assert_eq!(labels.label(y), ("x", "y"));
    assert_eq!(find(&labels, "x", "x"), None);
}
