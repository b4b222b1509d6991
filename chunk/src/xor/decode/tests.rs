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

proptest! {
    #[test]
    fn both_loops_read_the_same_of_any_bytes(
        data in proptest::collection::vec(any::<u8>(), 0..400),
        mask in any::<u8>(),
        count in 0usize..200,
    ) {
        // Masked bytes make short fields likelier.
        let masked: Vec<u8> = data.iter().map(|byte| byte & mask).collect();
        for data in [&data, &masked] {
            let (mut times, mut values) = (vec![0; count], vec![0.0; count]);
            let (read, result) = decode_into(&mut Cursor::new(data), &mut times, &mut values);
            let values = values.iter().map(|value| value.to_bits());
            let samples: Vec<_> = times.into_iter().zip(values).take(read).collect();
            prop_assert_eq!((samples, result), one_by_one(data, count));
        }
    }
}
