//! What `cache` promises, case by case.

use super::*;

fn series(number: u64) -> State {
    State::Series(SeriesRef::new(number).expect("not zero"))
}

fn fingerprint(text: &str) -> Fingerprint {
    Fingerprint::of(text.as_bytes())
}

/// Reads a body of these lines, as `ingest` does, and answers the numbers of the series that vanished.
fn scrape(cache: &mut Cache, body: &[&str], success: bool) -> Vec<u64> {
    for text in body {
        let slot = match cache.expected() {
            Some((slot, expected)) if expected == fingerprint(text) => Some(slot),
            _ => cache.find(fingerprint(text)),
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
                cache.insert(fingerprint(text), state, MetricType::Unknown, None)
            }
        };
        cache.track(slot);
    }
    let mut vanished = Vec::new();
    cache.vanished(&mut vanished);
    let mut numbers: Vec<u64> = vanished.iter().map(|(_, series)| series.get()).collect();
    numbers.sort_unstable();
    cache.finish(success, 0);
    numbers
}

#[test]
fn what_vanished_is_told_once_and_forgotten() {
    let mut cache = Cache::default();
    assert!(scrape(&mut cache, &["a1", "b2", "c3"], true).is_empty());
    assert_eq!(scrape(&mut cache, &["a1", "c3"], true), [2]);
    assert_eq!(cache.len(), 2);
    assert!(scrape(&mut cache, &["c3", "d4", "a1"], true).is_empty());
    assert_eq!(scrape(&mut cache, &[], false), [1, 3, 4]);
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
        assert_eq!(expected, fingerprint(text));
        cache.see(slot);
    }
}

#[test]
fn lines_read_twice_keep_their_places() {
    let mut cache = Cache::default();
    let body = ["a1", "b2", "a1", "c3"];
    scrape(&mut cache, &body, true);
    scrape(&mut cache, &body, true);
    for text in body {
        let (slot, expected) = cache.expected().expect("a hint");
        assert_eq!(expected, fingerprint(text));
        cache.see(slot);
    }
}

#[test]
fn churn_does_not_grow_the_cache() {
    let mut cache = Cache::default();
    for round in 1..250_u64 {
        // Each round has one line less than the one before, down to fifty.
        let num_lines = 250_u64.saturating_sub(round).max(50);
        let names: Vec<String> =
            (0..num_lines).map(|i| format!("metric_{}", round * 1000 + i)).collect();
        let body: Vec<&str> = names.iter().map(String::as_str).collect();
        scrape(&mut cache, &body, true);
    }
    assert_eq!(cache.len(), 50);
    assert!(cache.lines.len() <= 150, "{}", cache.lines.len());
    assert!(cache.order.capacity() <= 100, "{}", cache.order.capacity());
}

#[test]
fn what_is_known_of_lines_stays_with_them_when_places_are_given_back() {
    let mut cache = Cache::default();
    let many: Vec<String> = (1..=100).map(|i| format!("metric_{i}")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    scrape(&mut cache, &many, true);
    let unit = Some(&b"seconds"[..]);
    let late = cache.insert(fingerprint("late_101"), series(101), MetricType::Counter, unit);
    cache.set_start(late, Start::at(7));
    cache.track(late);
    cache.finish(true, 0);
    assert_eq!(cache.lines.len(), 1, "the others left");
    let slot = cache.find(fingerprint("late_101")).expect("it stayed");
    assert_eq!(cache.expected(), Some((slot, fingerprint("late_101"))));
    assert_eq!(cache.declared(slot), (MetricType::Counter, &b"seconds"[..], true));
    assert_eq!(cache.start_mut(slot).map(|start| start.start_ms), Some(7));
    assert_eq!(cache.state(slot), series(101));
    assert_eq!(scrape(&mut cache, &[], true), [101]);
}

#[test]
fn failing_bodies_that_grow_the_cache_flush_it() {
    let mut cache = Cache::default();
    scrape(&mut cache, &["a1"], true);
    for number in 0..1200 {
        let text = fingerprint(&format!("new_{number}"));
        cache.insert(text, State::Dropped, MetricType::Unknown, None);
    }
    assert!(cache.finish(false, 0));
    assert!(cache.find(fingerprint("a1")).is_none());
    assert!(cache.find(fingerprint("new_7")).is_some());
}
