//! Tests of remembering, forgetting and ageing.

use super::*;

fn series(number: u64) -> SeriesRef {
    SeriesRef::new(number).expect("not zero")
}

#[test]
fn remembers_and_forgets() {
    let cache = SeriesCache::new();
    assert_eq!(cache.get(cache.key(b"a")), None);
    cache.insert(cache.key(b"a"), series(1));
    cache.insert(cache.key(b"b"), series(2));
    cache.insert(cache.key(b"a"), series(3));
    assert_eq!(
        (cache.get(cache.key(b"a")), cache.get(cache.key(b"b"))),
        (Some(series(3)), Some(series(2)))
    );
    cache.forget(series(3));
    assert_eq!((cache.get(cache.key(b"a")), cache.get(cache.key(b"b"))), (None, Some(series(2))));
    cache.insert(cache.key(b"c"), series(1 << REF_BITS));
    assert_eq!(cache.get(cache.key(b"c")), None);
}

#[test]
fn what_nobody_asks_for_goes() {
    let cache = SeriesCache::new();
    cache.sweep(0);
    cache.insert(cache.key(b"used"), series(1));
    cache.insert(cache.key(b"unused"), series(2));
    for round in 1..=40 {
        cache.sweep(round * SWEEP_MS);
        assert_eq!(cache.get(cache.key(b"used")), Some(series(1)), "round {round}");
    }
    assert_eq!(cache.len(), 1);
    assert_eq!(cache.get(cache.key(b"unused")), None);
    cache.sweep(40 * SWEEP_MS + 1);
    assert_eq!(cache.len(), 1);
}
