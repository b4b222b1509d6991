//! What `columns` promises of start timestamps: they stay with their samples whatever is taken out or added.

use super::SampleColumns;
use proptest::prelude::*;

fn columns(samples: &[(f64, i64)]) -> SampleColumns {
    let mut out = SampleColumns::default();
    for (time, &(value, start_ms)) in samples.iter().enumerate() {
        out.push_started(time as i64, value, start_ms);
    }
    out
}

fn samples(columns: &SampleColumns) -> Vec<(f64, i64)> {
    assert!(columns.start_timestamps_ms.len() <= columns.len());
    (0..columns.len()).map(|row| (columns.values[row], columns.start_ms(row))).collect()
}

proptest! {
    #[test]
    fn starts_stay_with_their_samples(
        list in proptest::collection::vec((0u8..4, 0i64..3), 0..30),
        cut in (0usize..30, 0usize..30),
    ) {
        let list: Vec<(f64, i64)> = list.into_iter().map(|(v, s)| (f64::from(v), s)).collect();
        let (begin, end) = (cut.0.min(list.len()), cut.1.min(list.len()));
        let gone = begin.min(end)..begin.max(end);
        let whole = columns(&list);
        prop_assert_eq!(samples(&whole), list.clone());
        let mut rest = whole.clone();
        rest.remove(gone.clone());
        let mut expected = list.clone();
        expected.drain(gone.clone());
        prop_assert_eq!(samples(&rest), expected.clone());
        rest.extend_floats(&whole, gone.clone());
        expected.extend_from_slice(&list[gone]);
        prop_assert_eq!(samples(&rest), expected.clone());
        rest.retain_floats(|value| value != 1.0);
        expected.retain(|(value, _)| *value != 1.0);
        prop_assert_eq!(samples(&rest), expected);
        rest.forget_starts();
        prop_assert!(samples(&rest).iter().all(|(_, start_ms)| *start_ms == 0));
    }
}
