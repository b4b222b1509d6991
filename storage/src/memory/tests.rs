//! What `memory` promises, case by case.

use super::MemoryStorage;
use crate::{
    Appendable, Cancel, FloatBatch, LabelBatch, Queryable, RejectReason, SelectHints, SeriesBatch,
};
use chunk::SampleColumns;
use model::{MatchOp, Matcher, Symbols, TimeRange};

/// Appends samples `(timestamp, value)` to one series and gives back what was refused.
fn append(
    storage: &MemoryStorage,
    pairs: &[(&str, &str)],
    samples: &[(i64, f64)],
) -> Vec<RejectReason> {
    let mut appender = storage.appender(0);
    let (mut refs, mut rejected) = (Vec::new(), Vec::new());
    let ends = [pairs.len() as u32];
    appender.resolve(LabelBatch::new(pairs, &ends), &mut refs, &mut rejected).unwrap();
    if let Some(series) = refs[0] {
        let refs = vec![series; samples.len()];
        let (times, values): (Vec<_>, Vec<_>) = samples.iter().copied().unzip();
        appender.append_floats(FloatBatch::new(&refs, &times, &values), &mut rejected).unwrap();
    }
    appender.commit().unwrap();
    rejected.iter().map(|r| r.reason).collect()
}

fn select(storage: &MemoryStorage, name: &str, range: TimeRange) -> Vec<(String, Vec<i64>)> {
    let (symbols, cancel) = (Symbols::new(), Cancel::new());
    let matchers = [Matcher::new("__name__", MatchOp::Equal, name).unwrap()];
    let querier = storage.querier(range).unwrap();
    let mut set = querier.select(&matchers, &SelectHints::default(), &symbols, &cancel).unwrap();
    let (mut batch, mut out) = (SeriesBatch::default(), Vec::new());
    while set.next_batch(&mut batch).unwrap() {
        for row in 0..batch.len() {
            let mut columns = SampleColumns::default();
            batch.read(row, range, &mut columns).unwrap();
            let labels = symbols.labels(batch.labels().get(row));
            out.push((labels.get("i").unwrap_or("").to_owned(), columns.timestamps_ms));
        }
    }
    out
}

#[test]
fn what_was_committed_is_selected_in_label_order_and_inside_the_range() {
    let storage = MemoryStorage::new();
    let many: Vec<_> = (0..1000).map(|t| (t, t as f64)).collect();
    assert_eq!(append(&storage, &[("__name__", "m"), ("i", "b")], &many), []);
    assert_eq!(append(&storage, &[("__name__", "m"), ("i", "a")], &[(5, 1.0), (2000, 2.0)]), []);
    assert_eq!(append(&storage, &[("__name__", "n")], &[(5, 1.0)]), []);
    let got = select(&storage, "m", TimeRange::new(4, 700));
    assert_eq!(got, [("a".to_owned(), vec![5]), ("b".to_owned(), (4..=700).collect())]);
    assert_eq!(select(&storage, "m", TimeRange::new(3000, 4000)), []);
}

#[test]
fn samples_out_of_order_are_refused_unless_asked_for() {
    let labels = [("__name__", "m")];
    let storage = MemoryStorage::new();
    let samples = [(10, 1.0), (10, 1.0), (10, 2.0), (9, 1.0), (11, 1.0)];
    let refused = [RejectReason::DuplicateTimestamp, RejectReason::OutOfOrder];
    assert_eq!(append(&storage, &labels, &samples), refused);
    assert_eq!(append(&storage, &labels, &[(3, 1.0)]), [RejectReason::OutOfOrder]);
    assert_eq!(select(&storage, "m", TimeRange::ALL), [(String::new(), vec![10, 11])]);
    let storage = MemoryStorage::with_out_of_order();
    assert_eq!(append(&storage, &labels, &[(10, 1.0), (9, 1.0)]), []);
    assert_eq!(select(&storage, "m", TimeRange::ALL), [(String::new(), vec![9, 10])]);
}

#[test]
fn label_sets_that_are_no_series_are_refused() {
    let storage = MemoryStorage::new();
    assert_eq!(append(&storage, &[], &[]), [RejectReason::EmptyLabels]);
    let twice = [("a", "1"), ("a", "2")];
    assert_eq!(append(&storage, &twice, &[]), [RejectReason::DuplicateLabel]);
}

#[test]
fn a_querier_keeps_what_it_saw() {
    let storage = MemoryStorage::new();
    append(&storage, &[("__name__", "m"), ("i", "a")], &[(1, 1.0)]);
    let querier = storage.querier(TimeRange::ALL).unwrap();
    append(&storage, &[("__name__", "m"), ("i", "b")], &[(1, 1.0)]);
    assert_eq!(&*querier.label_values("i", &[], 0).unwrap(), [Box::from("a")]);
    let later = storage.querier(TimeRange::ALL).unwrap();
    assert_eq!(later.label_values("i", &[], 0).unwrap().len(), 2);
    assert_eq!(&*later.label_values("i", &[], 1).unwrap(), [Box::from("a")]);
    assert_eq!(&*later.label_names(&[], 0).unwrap(), [Box::from("__name__"), Box::from("i")]);
}

#[test]
fn starts_stay_with_their_samples() {
    let storage = MemoryStorage::new();
    let mut appender = storage.appender(0);
    let (mut refs, mut rejected) = (Vec::new(), Vec::new());
    appender
        .resolve(LabelBatch::new(&[("__name__", "m")], &[1]), &mut refs, &mut rejected)
        .unwrap();
    let refs = vec![refs[0].unwrap(); 500];
    let times: Vec<i64> = (0..500).map(|i| i * 10).collect();
    let starts: Vec<i64> = (0..500).map(|i| if (100..300).contains(&i) { i } else { 0 }).collect();
    let batch = FloatBatch::new(&refs, &times, &[1.0; 500]).with_start_timestamps(&starts);
    appender.append_floats(batch, &mut rejected).unwrap();
    appender.commit().unwrap();
    for range in [TimeRange::new(0, 5000), TimeRange::new(1500, 2600), TimeRange::new(3000, 5000)] {
        let (symbols, cancel) = (Symbols::new(), Cancel::new());
        let querier = storage.querier(range).unwrap();
        let mut set = querier.select(&[], &SelectHints::default(), &symbols, &cancel).unwrap();
        let (mut batch, mut columns) = (SeriesBatch::default(), SampleColumns::default());
        assert!(set.next_batch(&mut batch).unwrap());
        batch.read(0, range, &mut columns).unwrap();
        for (row, time) in columns.timestamps_ms.iter().enumerate() {
            assert_eq!(columns.start_ms(row), starts[*time as usize / 10], "{range:?} {time}");
        }
    }
}
