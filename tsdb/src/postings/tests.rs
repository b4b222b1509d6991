//! The algebra against sets of the standard library, on generated lists.

use super::{Ids, intersect, intersects, subtract, union};
use crate::index::PostingsList;
use proptest::prelude::*;
use std::collections::BTreeSet;

fn encode(ids: &BTreeSet<u32>) -> Vec<u8> {
    ids.iter().flat_map(|id| id.to_be_bytes()).collect()
}

fn ids() -> impl Strategy<Value = BTreeSet<u32>> {
    prop_oneof![
        prop::collection::btree_set(0u32..300, 0..200),
        prop::collection::btree_set(0u32..1_000_000, 0..50),
    ]
}

proptest! {
    #[test]
    fn and_and_not_are_those_of_sets(a in ids(), b in ids()) {
        let bytes = encode(&b);
        let list = PostingsList::from_bytes(&bytes);
        let plain: Vec<u32> = b.iter().copied().collect();
        let (mut and, mut not): (Vec<u32>, Vec<u32>) =
            (a.iter().copied().collect(), a.iter().copied().collect());
        prop_assert_eq!(intersects(&and, list), a.intersection(&b).next().is_some());
        let (mut and_plain, mut not_plain) = (and.clone(), not.clone());
        intersect(&mut and, list);
        intersect(&mut and_plain, &plain[..]);
        prop_assert_eq!(&and, &a.intersection(&b).copied().collect::<Vec<_>>());
        prop_assert_eq!(and, and_plain);
        subtract(&mut not, list);
        subtract(&mut not_plain, &plain[..]);
        prop_assert_eq!(&not, &a.difference(&b).copied().collect::<Vec<_>>());
        prop_assert_eq!(not, not_plain);
    }

    #[test]
    fn or_is_that_of_sets(
        sets in prop::collection::vec(ids(), 0..6),
        bound in prop_oneof![Just(1_000_000u64), Just(100_000_000)],
    ) {
        let bytes: Vec<Vec<u8>> = sets.iter().map(encode).collect();
        let lists: Vec<PostingsList<'_>> =
            bytes.iter().map(|bytes| PostingsList::from_bytes(bytes)).collect();
        let expected: BTreeSet<u32> = sets.into_iter().flatten().collect();
        prop_assert_eq!(union(&lists, bound), expected.into_iter().collect::<Vec<_>>());
    }

    #[test]
    fn seeking_finds_the_first_that_is_not_below(a in ids(), from in 0usize..250, id in 0u32..400) {
        let bytes = encode(&a);
        let list = PostingsList::from_bytes(&bytes);
        let plain: Vec<u32> = a.iter().copied().collect();
        let from = from.min(plain.len());
        let expected = from + plain[from..].partition_point(|&other| other < id);
        prop_assert_eq!(list.seek(from, id), expected);
        prop_assert_eq!(Ids::seek(&plain[..], from, id), expected);
    }
}
