//! A hint changes nothing.

use super::{prefetch, prefetch_all};
use proptest::prelude::*;

proptest! {
    #[test]
    fn values_stay_as_they_are(values: Vec<u64>) {
        let before = values.clone();
        values.iter().for_each(prefetch);
        values.as_slice().windows(3).for_each(|window| prefetch(&window[1]));
        prop_assert_eq!(&values, &before);
        let bytes: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        prefetch_all(&bytes);
        prop_assert!(bytes.chunks(8).zip(&values).all(|(bytes, value)| bytes == value.to_le_bytes()));
    }
}
