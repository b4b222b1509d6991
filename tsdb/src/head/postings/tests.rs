//! Lists and intersections against ordered sets.

use super::{Postings, intersect};
use proptest::prelude::*;
use std::collections::BTreeSet;

#[test]
fn a_list_takes_24_bytes() {
    assert_eq!(size_of::<Postings>(), 24);
}

proptest! {
    #[test]
    fn a_list_is_an_ordered_set(
        slots in proptest::collection::btree_set(0u32..200, 0..40).prop_shuffle_vec(),
        modulus in 1u32..5,
    ) {
        let mut list = Postings::default();
        for &slot in &slots {
            list.insert(slot);
        }
        let mut expected: BTreeSet<u32> = slots.iter().copied().collect();
        prop_assert!(list.as_slice().iter().eq(&expected));
        list.retain(|slot| slot % modulus == 0);
        expected.retain(|slot| slot % modulus == 0);
        prop_assert!(list.as_slice().iter().eq(&expected));
    }

    #[test]
    fn intersections_agree_with_sets(
        a in proptest::collection::btree_set(0u32..300, 0..100),
        b in proptest::collection::btree_set(0u32..300, 0..200),
    ) {
        let mut slots: Vec<u32> = a.iter().copied().collect();
        let other: Vec<u32> = b.iter().copied().collect();
        intersect(&mut slots, &other);
        prop_assert!(slots.iter().eq(a.intersection(&b)));
    }
}

/// A set in any order.
trait Shuffled {
    fn prop_shuffle_vec(self) -> BoxedStrategy<Vec<u32>>;
}

impl<S: Strategy<Value = BTreeSet<u32>> + 'static> Shuffled for S {
    fn prop_shuffle_vec(self) -> BoxedStrategy<Vec<u32>> {
        self.prop_map(|set| set.into_iter().collect::<Vec<u32>>()).prop_shuffle().boxed()
    }
}
