//! Which settings are refused, and what fills the gaps.

use super::DbOptions;

#[test]
fn blocks_grow_to_a_tenth_of_the_retention() {
    const HOUR: i64 = 3_600_000;
    let days = |days: i64| DbOptions { retention_ms: days * 24 * HOUR, ..DbOptions::default() };
    let max_ms = |options: DbOptions| options.validated().unwrap().max_block_ms;
    assert_eq!(max_ms(days(15)), 36 * HOUR);
    assert_eq!(max_ms(days(0)), 31 * 24 * HOUR);
    assert_eq!(max_ms(days(1000)), 31 * 24 * HOUR);
    assert_eq!(max_ms(DbOptions { retention_ms: HOUR, ..DbOptions::default() }), 2 * HOUR);
}

#[test]
fn nonsense_is_refused_by_name() {
    let base = DbOptions::default;
    let cases = [
        (DbOptions { min_block_ms: 0, ..base() }, "min_block_ms"),
        (DbOptions { max_block_ms: 1, ..base() }, "max_block_ms"),
        (DbOptions { samples_per_chunk: 0, ..base() }, "samples_per_chunk"),
        (DbOptions { keep_starts: true, ..base() }, "use \"xor2\""),
        (DbOptions { wal_segment_bytes: 1000, ..base() }, "wal_segment_bytes"),
    ];
    for (options, name) in cases {
        let error = options.validated().unwrap_err().to_string();
        assert!(error.contains(name), "{error}");
    }
}
