//! Round trips and hostile bytes.

use super::{
    Histograms, Kind, Samples, Tombstones, begin_series, decode_histograms, decode_samples,
    decode_series, decode_tombstones, encode_samples, encode_started_samples, encode_tombstones,
    kind, push_series,
};
use model::TimeRange;
use proptest::prelude::*;

fn any_samples() -> impl Strategy<Value = Vec<(u64, i64, u64)>> {
    proptest::collection::vec((any::<u64>(), any::<i64>(), any::<u64>()), 0..40)
}

proptest! {
    #[test]
    fn samples_come_back(rows in any_samples()) {
        let mut record = Vec::new();
        encode_samples(&mut record, rows.iter().map(|&(r, t, v)| (r, t, f64::from_bits(v))));
        let mut samples = Samples::default();
        decode_samples(&record, &mut samples).unwrap();
        let back: Vec<_> = samples.iter().map(|(r, t, v)| (r, t, v.to_bits())).collect();
        prop_assert_eq!(back, rows);
    }

    #[test]
    fn started_samples_come_back(
        rows in proptest::collection::vec(
            (any::<u64>(), any::<i64>(), prop_oneof![0i64..3, any::<i64>()], any::<u64>()), 0..40),
    ) {
        let mut record = Vec::new();
        let samples = rows.iter().map(|&(r, t, start, v)| (r, t, start, f64::from_bits(v)));
        encode_started_samples(&mut record, samples);
        let mut samples = Samples::default();
        decode_samples(&record, &mut samples).unwrap();
        let back = samples.iter().enumerate();
        let back: Vec<_> =
            back.map(|(row, (r, t, v))| (r, t, samples.start_ms(row), v.to_bits())).collect();
        prop_assert_eq!(back, rows);
    }

    #[test]
    fn series_come_back(rows in proptest::collection::vec(
        (any::<u64>(), proptest::collection::vec(("\\PC{0,200}", "\\PC{0,9}"), 0..5)), 0..9)
    ) {
        let mut record = Vec::new();
        begin_series(&mut record);
        for (number, pairs) in &rows {
            push_series(&mut record, *number, pairs.iter().map(|(n, v)| (n.as_str(), v.as_str())));
        }
        let series = decode_series(&record).unwrap();
        prop_assert_eq!(series.refs.len(), rows.len());
        for ((number, pairs), (want, labels)) in series.iter().zip(&rows) {
            prop_assert_eq!(number, *want);
            prop_assert!(pairs.iter().map(|p| (p.0, p.1)).eq(labels.iter().map(|(n, v)| (n.as_str(), v.as_str()))));
        }
    }

    #[test]
    fn deletions_come_back(rows in proptest::collection::vec((any::<u64>(), any::<i64>(), any::<i64>()), 0..9)) {
        let rows: Vec<_> = rows.into_iter()
            .map(|(r, a, b)| (r, TimeRange { min_ms: a.min(b), max_ms: a.max(b) })).collect();
        let mut record = Vec::new();
        encode_tombstones(&mut record, rows.iter().copied());
        let mut back = Tombstones::new();
        decode_tombstones(&record, &mut back).unwrap();
        prop_assert_eq!(back, rows);
    }

    #[test]
    fn foreign_bytes_never_panic(first in 0u8..15, mut bytes in proptest::collection::vec(any::<u8>(), 0..80)) {
        bytes.insert(0, first);
        let known = [
            decode_series(&bytes).is_ok(),
            decode_samples(&bytes, &mut Samples::default()).is_ok(),
            decode_tombstones(&bytes, &mut Tombstones::new()).is_ok(),
            decode_histograms(&bytes, &mut Histograms::default()).is_ok(),
        ];
        prop_assert!(known.iter().filter(|&&known| known).count() <= 1);
    }
}

#[test]
fn kinds_are_told_by_the_first_byte() {
    assert_eq!(kind(&[]), Kind::Unknown);
    let expected = [
        (Kind::Unknown, &[0, 14, 100, 255][..]),
        (Kind::Series, &[1]),
        (Kind::Samples, &[2, 11]),
        (Kind::Tombstones, &[3]),
        (Kind::Exemplars, &[4]),
        (Kind::MmapMarkers, &[5]),
        (Kind::Metadata, &[6]),
        (Kind::Histograms, &[7, 8, 9, 10, 12, 13]),
    ];
    for (wanted, bytes) in expected {
        bytes.iter().for_each(|&byte| assert_eq!(kind(&[byte]), wanted, "{byte}"));
    }
}
