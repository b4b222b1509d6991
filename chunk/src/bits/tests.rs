//! Bits against a string of zeros and ones.

use super::{BitReader, BitWriter};
use proptest::prelude::*;

/// The bits that a writer should have, and those of a variable-length integer after the format.
#[derive(Default)]
struct Naive(String);

impl Naive {
    fn put(&mut self, value: u64, width: u32) {
        self.0.extend((0..width).rev().map(|bit| if value >> bit & 1 == 1 { '1' } else { '0' }));
    }

    fn put_int(&mut self, value: i64) {
        if value == 0 {
            return self.0.push('0');
        }
        for (ones, width) in [(1, 3), (2, 6), (3, 9), (4, 12), (5, 18), (6, 25), (7, 56)] {
            let half = 1_i64 << (width - 1);
            if (1 - half..=half).contains(&value) {
                self.0.extend(std::iter::repeat_n('1', ones));
                self.0.push('0');
                return self.put(value as u64, width);
            }
        }
        self.put(0xFF, 8);
        self.put(value as u64, 64);
    }

    fn bytes(&self) -> Vec<u8> {
        let whole = self.0.as_bytes().chunks(8);
        whole
            .map(|bits| {
                bits.iter().rev().rfold(0, |byte, bit| byte << 1 | (bit - b'0')) << (8 - bits.len())
            })
            .collect()
    }
}

#[derive(Clone, Copy, Debug)]
enum Step {
    Put(u64, u32),
    Int(i64),
    Settle,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        (any::<u64>(), 0_u32..=64).prop_map(|(value, width)| Step::Put(value, width)),
        (any::<i64>(), 0_u32..64).prop_map(|(value, shift)| Step::Int(value >> shift)),
        Just(Step::Settle),
    ]
}

proptest! {
    #[test]
    fn what_is_put_is_there_once_settled(steps in prop::collection::vec(step(), 0..200)) {
        let (mut writer, mut naive) = (BitWriter::default(), Naive::default());
        for step in steps {
            match step {
                Step::Put(value, width) => {
                    writer.put(value, width);
                    naive.put(value, width);
                }
                Step::Int(value) => {
                    writer.put_int(value);
                    naive.put_int(value);
                }
                Step::Settle => {
                    writer.settle();
                    prop_assert_eq!(writer.bytes(), naive.bytes());
                }
            }
        }
        writer.settle();
        prop_assert_eq!(writer.bytes(), naive.bytes());
    }
}

#[test]
fn every_border_between_classes_is_kept() {
    let edges = (0..63).flat_map(|bit| [-2, -1, 0, 1, 2].map(|near| (1_i64 << bit) + near));
    let edges: Vec<i64> =
        edges.flat_map(|edge| [edge, edge.wrapping_neg()]).chain([i64::MIN, i64::MAX]).collect();
    let (mut writer, mut naive) = (BitWriter::default(), Naive::default());
    for &edge in &edges {
        writer.put_int(edge);
        naive.put_int(edge);
    }
    writer.settle();
    assert_eq!(writer.bytes(), naive.bytes());
    let mut reader = BitReader::new(writer.bytes(), 0);
    for edge in edges {
        assert_eq!(reader.int(), edge);
    }
}

#[test]
fn unsigned_integers_come_back() {
    let values: Vec<u64> =
        (0..64).flat_map(|bit| [(1_u64 << bit) - 1, 1 << bit]).chain([u64::MAX]).collect();
    let mut writer = BitWriter::default();
    values.iter().for_each(|&value| writer.put_uint(value));
    writer.settle();
    let mut reader = BitReader::new(writer.bytes(), 0);
    for value in values {
        assert_eq!(reader.uint(), value);
    }
}
