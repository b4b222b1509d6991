//! The loop for changing values beside the one that reads field by field.

use super::*;
use proptest::prelude::*;

/// Reads sample by sample.
fn one_by_one(data: &[u8], count: usize) -> (Vec<(i64, u64)>, Result<(), DecodeError>) {
    let mut cursor = Cursor::new(data);
    let mut out = Vec::new();
    for index in 0..count {
        let step = match index {
            0 => cursor.first(),
            1 => cursor.second(),
            _ => cursor.next(),
        };
        if let Err(error) = step {
            return (out, Err(error));
        }
        out.push((cursor.time, cursor.value));
    }
    (out, Ok(()))
}

/// What the fast loops make of the first `count` samples is what reading them one by one makes.
fn assert_alike(data: &[u8], count: usize) -> Result<(), TestCaseError> {
    let (mut times, mut values) = (vec![0; count], vec![0.0; count]);
    let (read, result) = decode_into(&mut Cursor::new(data), &mut times, &mut values);
    let values = values.iter().map(|value| value.to_bits());
    let samples: Vec<_> = times.into_iter().zip(values).take(read).collect();
    prop_assert_eq!((samples, result), one_by_one(data, count));
    Ok(())
}

proptest! {
    #[test]
    fn a_chunk_cut_or_changed_anywhere_reads_the_same_in_both_loops(
        values in proptest::collection::vec((0u64..1000, 0i64..40, any::<f64>()), 1..150),
        scale in prop::sample::select(vec![1.0, 0.01, 0.3, -7.0]),
        (cut, flipped) in (any::<prop::sample::Index>(), any::<prop::sample::Index>()),
    ) {
        let (mut appender, mut chunk) = (XorAppender::new(), Vec::new());
        let (mut time, mut total) = (1_700_000_000_000, 0);
        for &(step, jitter, any) in &values {
            time += 15_000 + if jitter < 30 { 0 } else { jitter - 35 };
            total += step;
            // Most values count, a few are anything, so that windows of all widths come.
            let value = if step == 7 { any } else { total as f64 * scale };
            appender.append(&mut chunk, time, value);
        }
        assert_alike(&chunk, values.len())?;
        assert_alike(&chunk[..cut.index(chunk.len())], values.len())?;
        let bit = flipped.index(chunk.len() * 8);
        chunk[bit / 8] ^= 1 << (bit % 8);
        assert_alike(&chunk, values.len() + 1)?;
    }

    #[test]
    fn both_loops_read_the_same_of_any_bytes(
        data in proptest::collection::vec(any::<u8>(), 0..400),
        mask in any::<u8>(),
        count in 0usize..200,
    ) {
        // Masked bytes make short fields likelier.
        let masked: Vec<u8> = data.iter().map(|byte| byte & mask).collect();
        for data in [&data, &masked] {
            assert_alike(data, count)?;
        }
    }
}
