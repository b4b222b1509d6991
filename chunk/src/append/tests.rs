//! The cut rule on its own; the recorded scripts of the real storage run against the head.

use super::{CutRule, OpenChunk};

const RULE: CutRule = CutRule { chunk_range_ms: 7_200_000, samples_per_chunk: 120 };

#[test]
fn range_end_truncates_toward_zero() {
    assert_eq!(RULE.range_end_ms(0), 7_200_000);
    assert_eq!(RULE.range_end_ms(7_200_000), 14_400_000);
    assert_eq!(RULE.range_end_ms(-1), 7_200_000);
    assert_eq!(RULE.range_end_ms(-7_200_001), 0);
}

#[test]
fn prediction_equalises_chunks() {
    let min_ms = 1_700_000_000_000;
    let mut next_at_ms = RULE.range_end_ms(min_ms);
    let chunk = |n: i64| OpenChunk {
        min_ms,
        max_ms: min_ms + (n - 1) * 15_000,
        num_samples: n as u32,
        len_bytes: 100,
    };
    let mut samples = 1;
    while !RULE.must_cut(chunk(samples), &mut next_at_ms, min_ms + samples * 15_000) {
        samples += 1;
    }
    assert_eq!(samples, 143);
}

#[test]
fn long_chunks_end_by_size_and_count() {
    let mut next_at_ms = i64::MAX;
    let chunk = OpenChunk { min_ms: 0, max_ms: 239, num_samples: 239, len_bytes: 1005 };
    assert!(!RULE.must_cut(chunk, &mut next_at_ms, 240));
    assert!(RULE.must_cut(OpenChunk { len_bytes: 1006, ..chunk }, &mut next_at_ms, 240));
    assert!(RULE.must_cut(OpenChunk { num_samples: 240, ..chunk }, &mut next_at_ms, 240));
}
