//! Round trips, known bytes, foreign bytes; the recorded chunks of the real codec are in tests/it/chunk.rs.

use super::{Xor2Appender, decode};
use crate::{DecodeError, SampleColumns};
use model::STALE_NAN_BITS;
use proptest::prelude::*;

type Sample = (i64, u64, i64);

fn encode(samples: &[Sample]) -> Vec<u8> {
    let mut appender = Xor2Appender::new();
    let mut chunk = Vec::new();
    for &(time, bits, start) in samples {
        appender.append(&mut chunk, time, f64::from_bits(bits), start);
        assert_eq!(appender.len_bytes(), chunk.len());
        assert_eq!(appender.last_value().to_bits(), bits);
    }
    chunk
}

fn read(count: usize, data: &[u8]) -> Result<Vec<Sample>, DecodeError> {
    let mut out = SampleColumns::default();
    decode(count, data, &mut out)?;
    let sample =
        |row: usize| (out.timestamps_ms[row], out.values[row].to_bits(), out.start_ms(row));
    Ok((0..out.len()).map(sample).collect())
}

#[test]
fn known_bytes() {
    const T0: i64 = 1_700_000_000_000;
    const S: f64 = f64::from_bits(STALE_NAN_BITS);
    type Case = (&'static [(i64, f64, i64)], &'static str);
    let cases: [Case; 3] = [
        (
            &[
                (0, 1.0, 0),
                (15_000, 2.0, 0),
                (30_000, S, 0),
                (45_000, 2.0, 0),
                (60_001, S, 0),
                (75_001, 3.0, 0),
            ],
            "00060080a0abfef9623ff00000000000009875c12ffffd8003f7fff30180",
        ),
        (
            &[
                (0, 1.0, 0),
                (15_000, 2.0, T0),
                (30_000, 3.0, T0 + 15_000),
                (45_000, 3.0, T0 + 30_000),
                (60_000, 3.0, T0 + 44_990),
            ],
            "00050180a0abfef9623ff00000000000009875c12fffab018628",
        ),
        (
            &[
                (0, 1.0, T0 - 1),
                (15_000, 2.0, T0 - 1),
                (30_000, 3.0, T0 + 20_000),
                (45_000, 3.0, T0 + 20_000),
            ],
            "00048280a0abfef9623ff0000000000000029875c12fffd603fbec787c1d4c00",
        ),
    ];
    for (samples, expected) in cases {
        let samples: Vec<Sample> =
            samples.iter().map(|&(t, v, start)| (T0 + t, v.to_bits(), start)).collect();
        let chunk = encode(&samples);
        let hex: String = chunk.iter().map(|b| format!("{b:02x}")).collect();
        assert_eq!(hex, expected);
        assert_eq!(read(samples.len(), &chunk), Ok(samples));
    }
}

fn samples() -> impl Strategy<Value = Vec<Sample>> {
    let step = prop_oneof![
        8 => Just(15_000),
        3 => 14_950..15_050i64,
        1 => 0..2_000_000i64,
        1 => any::<i64>(),
    ];
    let bits = prop_oneof![
        4 => (0u8..4).prop_map(|v| f64::from(v).to_bits()),
        1 => Just(STALE_NAN_BITS),
        1 => any::<u64>(),
    ];
    let start = prop_oneof![6 => Just(0), 2 => 1..3i64, 1 => any::<i64>()];
    let sample = (step, bits, start);
    (proptest::collection::vec(sample, 0..300), any::<bool>()).prop_map(|(rows, has_starts)| {
        let mut time = 0_i64;
        rows.into_iter()
            .map(|(step, bits, start)| {
                time = time.wrapping_add(step);
                (time, bits, if has_starts { start } else { 0 })
            })
            .collect()
    })
}

proptest! {
    #[test]
    fn samples_come_back(samples in samples(), at in any::<prop::sample::Index>()) {
        let chunk = encode(&samples);
        prop_assert_eq!(read(samples.len(), &chunk), Ok(samples.clone()));
        if samples.len() < 2 {
            return Ok(());
        }
        // Taken up again after two samples or more, a chunk goes on as if nothing had happened.
        let cut = 2 + at.index(samples.len() - 1);
        let mut begun = encode(&samples[..cut]);
        let mut appender = Xor2Appender::resume(&begun).unwrap();
        for &(time, bits, start) in &samples[cut..] {
            appender.append(&mut begun, time, f64::from_bits(bits), start);
        }
        prop_assert_eq!(read(samples.len(), &begun), Ok(samples));
    }

    #[test]
    fn foreign_bytes_never_panic(
        count in 0usize..70_000, data in proptest::collection::vec(any::<u8>(), 0..80),
    ) {
        drop(read(count, &data));
        if let Ok(appender) = Xor2Appender::resume(&data) {
            prop_assert!(appender.len_bytes() <= data.len());
        }
    }

    #[test]
    fn cut_bytes_are_told(samples in samples(), at in any::<prop::sample::Index>()) {
        let chunk = encode(&samples);
        if !chunk.is_empty() {
            let cut = at.index(chunk.len());
            prop_assert!(cut < 3 && samples.is_empty() || read(samples.len(), &chunk[..cut]).is_err());
        }
    }
}
