//! Tests of where places are, and that they are found there.

use super::*;

#[test]
fn places_follow_each_other_over_pages() {
    let mut expected = (0, 0);
    for place in 0..5000 {
        assert_eq!(locate(place), expected, "place {place}");
        expected.1 += 1;
        if expected.1 == (FIRST_PAGE as usize) << expected.0 {
            expected = (expected.0 + 1, 0);
        }
    }
    assert!(locate(u32::MAX).0 <= NUM_PAGES);
}

#[test]
fn an_entry_is_found_by_its_key_only() {
    let places = Places::default();
    let key = Key { hash: 7, check: 3 };
    let place = places.add(7, 3 << CHECK_SHIFT | 11).expect("room");
    assert!(places.holds(place, key));
    assert!(!places.holds(place, Key { check: 4, ..key }));
    assert!(!places.holds(place, Key { hash: 8, ..key }));
    assert!(!places.holds(place + 1, key));
    places.vacate(place);
    assert!(!places.holds(place, key));
    assert_eq!(places.add(9, 1), Some(place));
}
