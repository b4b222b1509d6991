//! The ring by itself, and exemplars through a transaction and a restart.

use super::{ExemplarRing, LabelHash};
use crate::head::tests::{open, options};
use disk::{Disk, SimDisk};
use model::{Labels, MatchOp, Matcher, SeriesRef, TimeRange};
use std::sync::Arc;
use storage::{
    Appendable, Exemplar, ExemplarBatch, ExemplarQueryable, ExemplarRow, FloatBatch, LabelBatch,
    RejectReason,
};

fn ring(capacity: usize, window_ms: i64) -> ExemplarRing {
    let mut ring = ExemplarRing::new(&metrics::Registry::new());
    ring.resize(capacity);
    ring.window_ms = window_ms;
    ring
}

fn put(ring: &mut ExemplarRing, series: u64, timestamp_ms: i64, value: f64) {
    let exemplar = Exemplar { labels: Labels::from_pairs([("id", "x")]), timestamp_ms, value };
    let id = LabelHash { hash: series, print: series };
    let name = format!("m{series}");
    ring.add(id, exemplar, || Some(Labels::from_pairs([("__name__", name.as_str())])));
}

/// Series with their exemplars as time and value.
fn held(ring: &ExemplarRing) -> Vec<(String, Vec<(i64, f64)>)> {
    let all = Matcher::new("__name__", MatchOp::Regex, "m.*").unwrap();
    let found = ring.select(TimeRange::ALL, &[vec![all]]);
    let pairs = |exemplar: &Exemplar| (exemplar.timestamp_ms, exemplar.value);
    found
        .iter()
        .map(|series| {
            let name = series.labels.get("__name__").unwrap().to_owned();
            (name, series.exemplars.iter().map(pairs).collect())
        })
        .collect()
}

#[test]
fn the_oldest_makes_room() {
    let mut ring = ring(3, 0);
    put(&mut ring, 1, 10, 1.0);
    put(&mut ring, 2, 11, 2.0);
    put(&mut ring, 1, 12, 3.0);
    put(&mut ring, 3, 13, 4.0);
    let expected = [("m1", vec![(12, 3.0)]), ("m2", vec![(11, 2.0)]), ("m3", vec![(13, 4.0)])];
    assert_eq!(held(&ring), expected.clone().map(|(name, list)| (name.to_owned(), list)));
    put(&mut ring, 3, 14, 5.0);
    assert_eq!(held(&ring).len(), 2, "m2 had only one");
    // A series whose only exemplar makes room for its next one stays.
    put(&mut ring, 1, 15, 6.0);
    assert_eq!(held(&ring)[0], ("m1".to_owned(), vec![(15, 6.0)]));
}

#[test]
fn equal_times_are_ordered_by_value() {
    let mut ring = ring(10, 0);
    for (timestamp_ms, value) in [(10, 1.0), (10, 1.0), (10, 0.5), (10, 2.0), (9, 3.0)] {
        put(&mut ring, 1, timestamp_ms, value);
    }
    assert_eq!(held(&ring)[0].1, [(10, 1.0), (10, 2.0)]);
    assert_eq!(ring.metrics.out_of_order.get(), 2.0);
}

#[test]
fn late_ones_find_their_place_within_the_window() {
    let mut ring = ring(10, 5);
    for (timestamp_ms, value) in [(10, 1.0), (20, 2.0), (16, 3.0), (15, 4.0), (16, 5.0)] {
        put(&mut ring, 1, timestamp_ms, value);
    }
    assert_eq!(held(&ring)[0].1, [(10, 1.0), (16, 3.0), (20, 2.0)], "15 is too late, 16 repeats");
}

#[test]
fn resizing_keeps_the_newest() {
    let mut ring = ring(4, 0);
    for timestamp_ms in 10..16 {
        put(&mut ring, timestamp_ms as u64 % 2, timestamp_ms, 0.0);
    }
    ring.resize(2);
    assert_eq!(
        held(&ring),
        [("m0".to_owned(), vec![(14, 0.0)]), ("m1".to_owned(), vec![(15, 0.0)])]
    );
    ring.resize(3);
    put(&mut ring, 0, 16, 0.0);
    put(&mut ring, 0, 17, 0.0);
    assert_eq!(held(&ring)[0].1, [(16, 0.0), (17, 0.0)]);
    ring.resize(0);
    put(&mut ring, 0, 18, 0.0);
    assert!(held(&ring).is_empty() && ring.series.is_empty());
}

#[test]
fn they_survive_a_restart_and_their_refusals_are_told() {
    let disk: Arc<dyn Disk> = Arc::new(SimDisk::new());
    let (head, _) = open(Arc::clone(&disk), 4);
    head.set_max_exemplars(10);
    let mut appender = head.appender(0);
    let (mut refs, mut rejected) = (Vec::new(), Vec::new());
    let pairs = [("__name__", "m1")];
    appender.resolve(LabelBatch::new(&pairs, &[1]), &mut refs, &mut rejected).unwrap();
    let series = refs[0].unwrap();
    appender.append_floats(FloatBatch::new(&[series], &[100], &[1.0]), &mut rejected).unwrap();
    let long = "v".repeat(120);
    let (short, long) = ([("trace_id", "a")], [("trace_id", long.as_str()), ("zz", "")]);
    let row = |labels, timestamp_ms| ExemplarRow { labels, timestamp_ms, value: 0.5 };
    let unknown = SeriesRef::new(77).unwrap();
    let rows = [row(&short[..], 100), row(&long[..], 101), row(&short[..], 100)];
    appender
        .append_exemplars(ExemplarBatch::new(&[series, series, unknown], &rows), &mut rejected)
        .unwrap();
    let told: Vec<_> = rejected.iter().map(|rejected| (rejected.row, rejected.reason)).collect();
    assert_eq!(told, [(1, RejectReason::ExemplarLabelsTooLong), (2, RejectReason::UnknownRef)]);
    appender.commit().unwrap();
    let metric = Matcher::new("__name__", MatchOp::Equal, "m1").unwrap();
    let selector = [vec![metric]];
    let before = head.select_exemplars(TimeRange::ALL, &selector).unwrap();
    assert_eq!(before[0].exemplars.len(), 1);
    drop(head);
    let again = super::Head::new(options(Arc::clone(&disk), 8), 3, &metrics::Registry::new());
    again.set_max_exemplars(10);
    let (mut replay, _) = again.replay().unwrap();
    let mut records = wal::Reader::dir(disk, std::path::Path::new("wal")).unwrap();
    while let Some(record) = records.next_record().unwrap() {
        replay.apply(record).unwrap();
    }
    replay.finish().unwrap();
    assert_eq!(again.select_exemplars(TimeRange::ALL, &selector).unwrap(), before);
}
