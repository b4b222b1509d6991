//! Round trips and foreign bytes; the recorded chunks of the real codec are in tests/it/chunk.rs.

use super::{XorAppender, decode};
use crate::SampleColumns;
use proptest::prelude::*;

fn encode(samples: &[(i64, u64)]) -> Vec<u8> {
    let mut appender = XorAppender::new();
    let mut chunk = Vec::new();
    for &(time, bits) in samples {
        appender.append(&mut chunk, time, f64::from_bits(bits));
        assert_eq!(appender.len_bytes(), chunk.len());
    }
    chunk
}

fn read(count: usize, data: &[u8]) -> Result<Vec<(i64, u64)>, crate::DecodeError> {
    let mut out = SampleColumns::default();
    decode(count, data, &mut out)?;
    Ok(out.timestamps_ms.iter().copied().zip(out.values.iter().map(|v| v.to_bits())).collect())
}

#[test]
fn known_bytes() {
    let start = 1_700_000_000_000;
    let samples: Vec<(i64, u64)> = [
        (0, 1.0),
        (15_000, 1.0),
        (30_000, 2.0),
        (45_001, 2.0),
        (60_000, 2.5),
        (75_000, 2.5),
        (175_000, 7.0),
        (2_000_000, 7.0),
        (200_000_000_000, 1e300_f64),
    ]
    .iter()
    .map(|&(t, v)| (start + t, v.to_bits()))
    .collect();
    let chunk = encode(&samples);
    let hex: String = chunk.iter().map(|b| format!("{b:02x}")).collect();
    assert_eq!(
        hex,
        "000980a0abfef9623ff000000000000098753097ffe00057ffdb41c000b853023585f80000000000d29243c0\
         00000ba42cdca63179f15f21e44003ace0"
    );
    assert_eq!(read(9, &chunk), Ok(samples));
}

fn time_steps() -> impl Strategy<Value = i64> {
    prop_oneof![
        8 => Just(15_000),
        3 => 14_950..15_050i64,
        1 => 0..2_000_000i64,
        1 => any::<i64>(),
    ]
}

fn value_bits() -> impl Strategy<Value = u64> {
    prop_oneof![
        4 => Just(42.5f64.to_bits()),
        4 => (0..1000u32).prop_map(|n| f64::from(n).to_bits()),
        1 => Just(model::STALE_NAN_BITS),
        1 => any::<u64>(),
    ]
}

fn samples() -> impl Strategy<Value = Vec<(i64, u64)>> {
    proptest::collection::vec((time_steps(), value_bits()), 0..200).prop_map(|steps| {
        let mut time = 1_700_000_000_000i64;
        let next = |(step, bits)| {
            time = time.wrapping_add(step);
            (time, bits)
        };
        steps.into_iter().map(next).collect()
    })
}

proptest! {
    #[test]
    fn round_trip(samples in samples()) {
        let chunk = encode(&samples);
        prop_assert_eq!(read(samples.len(), &chunk), Ok(samples));
    }

    #[test]
    fn resume_goes_on_as_if_never_stopped(samples in samples(), at in 0usize..200) {
        let at = at.min(samples.len());
        let mut chunk = encode(&samples[..at]);
        if at == 0 {
            chunk = vec![0, 0];
        }
        let mut appender = XorAppender::resume(&chunk).unwrap();
        for &(time, bits) in &samples[at..] {
            appender.append(&mut chunk, time, f64::from_bits(bits));
        }
        prop_assert_eq!(read(samples.len(), &chunk), Ok(samples));
    }

    #[test]
    fn a_state_is_that_of_its_chunk(samples in samples()) {
        let mut appender = XorAppender::new();
        let mut chunk = Vec::new();
        prop_assert_eq!(XorAppender::from_state(&appender.to_state(), 2), None);
        for (time, bits) in samples {
            appender.append(&mut chunk, time, f64::from_bits(bits));
            let state = appender.to_state();
            prop_assert_eq!(XorAppender::from_state(&state, chunk.len()), Some(appender));
            prop_assert_eq!(XorAppender::from_state(&state, chunk.len() + 1), None);
        }
    }

    #[test]
    fn foreign_states_never_panic(
        state in proptest::array::uniform32(any::<u8>()),
        bit_len in 0u16..9000,
        window in (0u8..40, 0u8..70),
        value in value_bits(),
    ) {
        let mut state = state;
        state[24..28].copy_from_slice(&u32::from(bit_len).to_le_bytes());
        (state[30], state[31]) = window;
        let len = usize::from(bit_len).div_ceil(8);
        if let Some(mut appender) = XorAppender::from_state(&state, len) {
            let piece = appender.encode(1_700_000_000_000, f64::from_bits(value), 0);
            prop_assert!(piece.at <= len && piece.at + piece.len == appender.len_bytes());
        }
    }

    #[test]
    fn foreign_bytes_never_panic(
        samples in samples(),
        cut in any::<prop::sample::Index>(),
        flips in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
        count in 0usize..100_000,
    ) {
        let mut chunk = encode(&samples);
        let kept = cut.index(chunk.len() + 1);
        chunk.truncate(kept);
        if !chunk.is_empty() {
            for (place, byte) in flips {
                let place = place.index(chunk.len());
                chunk[place] ^= byte;
            }
        }
        let mut out = SampleColumns::default();
        let result = decode(count, &chunk, &mut out);
        prop_assert_eq!(out.timestamps_ms.len(), out.values.len());
        prop_assert_eq!(result.is_ok(), out.len() == count);
        let _ = XorAppender::resume(&chunk);
    }

    #[test]
    fn a_cut_chunk_keeps_what_is_whole(samples in samples(), cut in any::<prop::sample::Index>()) {
        let chunk = encode(&samples);
        let mut out = SampleColumns::default();
        let kept = &chunk[..cut.index(chunk.len() + 1)];
        let _ = decode(samples.len(), kept, &mut out);
        let read: Vec<(i64, u64)> =
            out.timestamps_ms.iter().copied().zip(out.values.iter().map(|v| v.to_bits())).collect();
        prop_assert_eq!(&samples[..read.len()], &read[..]);
    }
}
