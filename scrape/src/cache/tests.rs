//! What `cache` promises, case by case.

use super::*;

fn series(number: u64) -> State {
    State::Series(SeriesRef::new(number).expect("not zero"))
}

/// Reads a body of these lines, as `ingest` does, and answers the texts that vanished.
fn scrape(cache: &mut Cache, body: &[&str], success: bool) -> Vec<String> {
    for text in body {
        let slot = match cache.expected() {
            Some((slot, expected)) if expected == text.as_bytes() => Some(slot),
            _ => cache.find(text.as_bytes()),
        };
        let slot = match slot {
            Some(slot) => {
                cache.see(slot);
                slot
            }
            None => {
                // The number in a name is its series: several texts may share one.
                let digits: String = text.chars().filter(char::is_ascii_digit).collect();
                let state = series(digits.parse().expect("a number"));
                cache.insert(text.as_bytes(), state, MetricType::Unknown, None)
            }
        };
        cache.track(slot);
    }
    let mut vanished = Vec::new();
    cache.vanished(&mut vanished);
    let mut texts: Vec<String> = vanished
        .iter()
        .map(|(slot, _)| String::from_utf8_lossy(cache.text(*slot)).into_owned())
        .collect();
    texts.sort();
    cache.finish(success, 0);
    texts
}

#[test]
fn what_vanished_is_told_once_and_forgotten() {
    let mut cache = Cache::default();
    assert!(scrape(&mut cache, &["a1", "b2", "c3"], true).is_empty());
    assert_eq!(scrape(&mut cache, &["a1", "c3"], true), ["b2"]);
    assert_eq!(cache.len(), 2);
    assert!(scrape(&mut cache, &["c3", "d4", "a1"], true).is_empty());
    assert_eq!(scrape(&mut cache, &[], false), ["a1", "c3", "d4"]);
    assert_eq!(cache.len(), 3, "a failed scrape evicts nothing");
    assert!(scrape(&mut cache, &[], false).is_empty());
}

#[test]
fn another_text_of_the_same_series_keeps_it_alive() {
    let mut cache = Cache::default();
    scrape(&mut cache, &["a1", "b2"], true);
    assert!(scrape(&mut cache, &["a_1", "b2"], true).is_empty());
}

#[test]
fn the_hint_survives_insertions_and_removals() {
    let mut cache = Cache::default();
    let body = ["a1", "b2", "c3", "d4"];
    scrape(&mut cache, &body, true);
    scrape(&mut cache, &["a1", "x9", "b2", "c3", "d4"], true);
    scrape(&mut cache, &body, true);
    for text in body {
        let (slot, expected) = cache.expected().expect("a hint");
        assert_eq!(expected, text.as_bytes());
        cache.see(slot);
    }
}

#[test]
fn churn_does_not_grow_the_texts() {
    let mut cache = Cache::default();
    for round in 1..200_u64 {
        let names: Vec<String> = (0..50).map(|i| format!("metric_{}", round * 1000 + i)).collect();
        let body: Vec<&str> = names.iter().map(String::as_str).collect();
        scrape(&mut cache, &body, true);
    }
    assert_eq!(cache.len(), 50);
    assert!(cache.texts.len() < 5_000, "{}", cache.texts.len());
}

#[test]
fn failing_bodies_that_grow_the_cache_flush_it() {
    let mut cache = Cache::default();
    scrape(&mut cache, &["a1"], true);
    for number in 0..1200 {
        cache.insert(format!("new_{number}").as_bytes(), State::Dropped, MetricType::Unknown, None);
    }
    assert!(cache.finish(false, 0));
    assert!(cache.find(b"a1").is_none());
    assert!(cache.find(b"new_7").is_some());
}
