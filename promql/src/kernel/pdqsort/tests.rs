//! What `pdqsort` promises, case by case.

use super::sort;
use proptest::prelude::*;

proptest! {
    #[test]
    fn sorts(mut items in prop::collection::vec(0u32..50, 0..400)) {
        let mut expected = items.clone();
        expected.sort_unstable();
        sort(&mut items, &|a, b| a < b);
        prop_assert_eq!(items, expected);
    }
}

#[test]
fn sorts_patterns() {
    for len in [13usize, 49, 50, 51, 100, 1000] {
        let patterns: [Vec<usize>; 4] = [
            (0..len).collect(),
            (0..len).rev().collect(),
            (0..len).map(|i| i % 7).collect(),
            (0..len).map(|i| if i % 2 == 0 { i } else { len - i }).collect(),
        ];
        for mut items in patterns {
            let mut expected = items.clone();
            expected.sort_unstable();
            sort(&mut items, &|a, b| a < b);
            assert_eq!(items, expected);
        }
    }
}

#[test]
fn few_elements_keep_their_order() {
    let mut items: Vec<(u32, u32)> = (0..12).map(|i| (i % 2, i)).collect();
    sort(&mut items, &|a, b| a.0 < b.0);
    assert!(items.windows(2).all(|pair| pair[0] < pair[1]));
}
