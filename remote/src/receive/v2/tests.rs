//! Tests of recognising series by their symbols, and of bytes that are no request.

use super::*;
use crate::proto::write;
use model::SeriesRef;
use proptest::prelude::*;

const SYMBOLS: [&str; 6] = ["", "__name__", "up", "job", "j", "seconds"];

/// A request whose series have these references and one sample each.
fn body(symbols: &[&str], series: &[&[u64]]) -> Vec<u8> {
    let mut out = Vec::new();
    for symbol in symbols {
        write::always_bytes(&mut out, 4, symbol.as_bytes());
    }
    for refs in series {
        write::message(&mut out, 5, |out| {
            write::uints(out, 1, refs.iter().copied());
            write::message(out, 2, |out| {
                write::double(out, 1, 1.5);
                write::int(out, 2, 7);
                write::int(out, 3, 5);
            });
            write::message(out, 5, |out| {
                write::uint(out, 1, 1);
            });
        });
    }
    out
}

fn walk<'w>(cache: &'w SeriesCache) -> Walk<'w> {
    Walk {
        cache,
        trusts_cache: true,
        max_ms: 100,
        type_and_unit_labels: false,
        keeps_metadata: false,
    }
}

#[test]
fn a_series_is_known_whatever_the_table_looks_like() {
    let cache = SeriesCache::new();
    let first = body(&SYMBOLS, &[&[1, 2, 3, 4]]);
    let mut columns = Columns::default();
    let table = table(&first, &cache).expect("legal");
    let misses = walk(&cache).run(&first, &table, &mut columns).expect("legal");
    assert_eq!(misses.pairs, [("__name__", "up"), ("job", "j")]);
    let key = columns.series[0].key.expect("good references");
    cache.insert(key, SeriesRef::new(9).expect("nine"));

    let other = ["", "j", "up", "__name__", "job"];
    let second = body(&other, &[&[3, 2, 4, 1], &[3, 1]]);
    let table = super::table(&second, &cache).expect("legal");
    let misses = walk(&cache).run(&second, &table, &mut columns).expect("legal");
    assert_eq!((&misses.series[..], &misses.pairs[..]), (&[1][..], &[("__name__", "j")][..]));
    assert_eq!(columns.floats.refs[0].get(), 9);
    assert_eq!(columns.floats.start_timestamps_ms, [5, 5]);
}

#[test]
fn type_labels_make_another_series() {
    let cache = SeriesCache::new();
    let request = body(&SYMBOLS, &[&[1, 2]]);
    let table = table(&request, &cache).expect("legal");
    let mut columns = Columns::default();
    walk(&cache).run(&request, &table, &mut columns).expect("legal");
    let plain = columns.series[0].key;
    let typed = Walk { type_and_unit_labels: true, ..walk(&cache) };
    let misses = typed.run(&request, &table, &mut columns).expect("legal");
    assert_eq!(misses.pairs, [("__name__", "up"), ("__type__", "counter")]);
    assert_ne!(columns.series[0].key, plain);
}

proptest! {
    #[test]
    fn foreign_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let cache = SeriesCache::new();
        if let Ok(table) = table(&bytes, &cache) {
            let _checked = walk(&cache).run(&bytes, &table, &mut Columns::default()).is_ok();
        }
    }

    #[test]
    fn damaged_requests_never_panic(cut in 0_usize..90, flip in 0_usize..90, bits in any::<u8>()) {
        let mut bytes = body(&SYMBOLS, &[&[1, 2, 3, 4], &[1, 2, 9]]);
        let place = flip % bytes.len();
        bytes[place] ^= bits;
        bytes.truncate(cut);
        let cache = SeriesCache::new();
        if let Ok(table) = table(&bytes, &cache) {
            let _checked = walk(&cache).run(&bytes, &table, &mut Columns::default()).is_ok();
        }
    }
}

/// What the walk over all fields makes of a message of one sample, if that is all it holds.
fn by_fields(message: &[u8], table: &Table<'_>, cache: &SeriesCache) -> Option<(Key, i64, u64)> {
    let mut series = Series::default();
    series.read(message).ok()?;
    table.metadata(&series).ok()?;
    let key = table.key(&series, false, cache)?;
    let [only] = series.samples[..] else { return None };
    let (timestamp_ms, start_timestamp_ms, value) = sample(only).ok()?;
    let is_alone = series.histograms.is_empty() && series.exemplars.is_empty();
    (is_alone && start_timestamp_ms == 0).then_some((key, timestamp_ms, value.to_bits()))
}

/// A series message as senders write it.
fn plain_message(refs: &[u64], (timestamp_ms, value): (i64, f64), metadata: bool) -> Vec<u8> {
    let mut out = Vec::new();
    write::uints(&mut out, 1, refs.iter().copied());
    write::message(&mut out, 2, |out| {
        write::double(out, 1, value);
        write::int(out, 2, timestamp_ms);
    });
    if metadata {
        write::message(&mut out, 5, |out| {
            write::uint(out, 1, 1);
            write::uint(out, 3, 5);
        });
    }
    out
}

proptest! {
    #[test]
    fn plain_messages_are_what_their_fields_say(
        refs in proptest::collection::vec(0_u64..300, 0..6),
        timestamp_ms in prop_oneof![any::<i64>(), Just(0), Just((1 << 35) - 1), 1_i64 << 35..1 << 42],
        value in prop_oneof![Just(0.0), -1e9..1e9_f64],
        metadata in any::<bool>(),
        flip in proptest::option::of((any::<proptest::sample::Index>(), any::<u8>())),
    ) {
        let symbols: Vec<String> = (0..280).map(|number| format!("text-{number}")).collect();
        let symbols: Vec<&str> = symbols.iter().map(String::as_str).collect();
        let (cache, request) = (SeriesCache::new(), body(&symbols, &[]));
        let table = table(&request, &cache).expect("legal");
        let mut message = plain_message(&refs, (timestamp_ms, value), metadata);
        if let Some((at, byte)) = flip && !message.is_empty() {
            let at = at.index(message.len());
            message[at] = byte;
        }
        let by_fields = by_fields(&message, &table, &cache);
        let plain = plain::read(&message, &table, cache.joint())
            .map(|plain| (plain.key, plain.timestamp_ms, plain.value.to_bits()));
        // What is read quickly is right; senders' own messages are read quickly.
        if plain.is_some() {
            prop_assert_eq!(plain, by_fields);
        }
        if flip.is_none() && value != 0.0 && timestamp_ms != 0 {
            prop_assert_eq!(plain, by_fields);
        }
    }
}
