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

#[test]
fn a_sender_that_repeats_itself_is_followed_from_place_to_place() {
    let cache = SeriesCache::new();
    let keys: Vec<_> = (0..3000_u32).map(|n| cache.key(&n.to_le_bytes())).collect();
    for (number, &key) in (1..).zip(&keys) {
        cache.insert(key, series(number));
    }
    let lookup = cache.lookup();
    for (number, &key) in (1..).zip(&keys) {
        assert_eq!(lookup.get(key), Some(series(number)));
        assert_eq!(u64::from(lookup.next.get()), number);
    }
    // Out of turn, and one that is unknown.
    assert_eq!(lookup.get(keys[5]), Some(series(6)));
    assert_eq!(lookup.get(cache.key(b"unknown")), None);
    assert_eq!((lookup.get(keys[6]), lookup.next.get()), (Some(series(7)), 7));
}

#[test]
fn memory_comes_back_after_churn() {
    let cache = SeriesCache::new();
    cache.sweep(0);
    let keys: Vec<_> = (0..20_000_u32).map(|n| cache.key(&n.to_le_bytes())).collect();
    for (number, &key) in (1..).zip(&keys) {
        cache.insert(key, series(number));
    }
    let kept = || (1..).zip(&keys).filter(|(number, _)| number % 8 == 1);
    let early = cache.lookup();
    for round in 1..=3 {
        kept().for_each(|(number, &key)| assert_eq!(cache.get(key), Some(series(number))));
        cache.sweep(round * SWEEP_MS);
    }
    assert_eq!(cache.len(), 2500);
    assert!(cache.places.read().in_order().count() == 2500);
    assert!(!cache.places.read().is_sparse());
    let lookup = cache.lookup();
    for (at, (number, &key)) in (1..).zip(kept()) {
        assert_eq!(lookup.get(key), Some(series(number)));
        assert_eq!(lookup.next.get(), at, "in the order in which they came");
    }
    // Who began before finds what it finds, and nothing wrong.
    for (number, &key) in (1..).zip(&keys) {
        assert!(early.get(key).is_none_or(|found| found == series(number)));
    }
    cache.insert(cache.key(b"new"), series(99_999));
    assert_eq!(cache.get(cache.key(b"new")), Some(series(99_999)));
}

#[test]
fn readers_never_see_the_reference_of_another_series() {
    let cache = SeriesCache::new();
    cache.sweep(0);
    let keys: Vec<_> = (0..64_u32).map(|n| cache.key(&n.to_le_bytes())).collect();
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                for _ in 0..200 {
                    let lookup = cache.lookup();
                    for (number, &key) in (1..).zip(&keys) {
                        let found = lookup.get(key);
                        assert!(found.is_none_or(|found| found.get() % 64 == number % 64));
                    }
                }
            });
        }
        for round in 0..200_u64 {
            for (number, &key) in (1..).zip(&keys) {
                cache.insert(key, series(number + 64 * round));
            }
            let gone = 1 + round * 7 % 64;
            cache.forget(series(gone + 64 * round));
        }
    });
}

#[test]
fn lists_of_keys_are_told_apart() {
    let cache = SeriesCache::new();
    let [a, b, ab] = [&b"a"[..], b"b", b"ab"].map(|text| cache.key(text));
    let of = |keys: &[Key]| {
        let mut joint = cache.joint();
        keys.iter().for_each(|key| joint.add(*key));
        joint.key()
    };
    let lists = [of(&[]), of(&[a]), of(&[a, b]), of(&[b, a]), of(&[ab]), of(&[a, b, a]), a];
    for (index, one) in lists.iter().enumerate() {
        assert!(lists[index + 1..].iter().all(|other| other != one), "{index}");
    }
    assert_eq!(of(&[a, b]), of(&[a, b]));
    let keys: Vec<Key> = (0_u32..10_000).map(|n| of(&[a, cache.key(&n.to_le_bytes())])).collect();
    for (key, number) in keys.iter().zip(1..) {
        cache.insert(*key, series(number));
    }
    for (key, number) in keys.iter().zip(1..) {
        assert_eq!(cache.get(*key), Some(series(number)));
    }
}
