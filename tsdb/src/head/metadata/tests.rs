//! What is told of series is kept where that is wanted, logged when it changes, and gone with its series.

use crate::head::tests::{open, options};
use disk::{Disk, SimDisk};
use model::SeriesRef;
use model::metadata::{Metadata, MetricType};
use std::path::Path;
use std::sync::Arc;
use storage::{Appendable, FloatBatch, LabelBatch};

fn told(help: &str) -> Metadata {
    Metadata { metric_type: MetricType::Counter, unit: "seconds".into(), help: help.into() }
}

fn write(head: &crate::Head, timestamp_ms: i64, help: &str) -> SeriesRef {
    let mut appender = head.appender(0);
    let (mut refs, mut rejected) = (Vec::new(), Vec::new());
    let pairs = [("__name__", "m1")];
    appender.resolve(LabelBatch::new(&pairs, &[1]), &mut refs, &mut rejected).unwrap();
    let series = refs[0].unwrap();
    let (refs, times) = ([series], [timestamp_ms]);
    let batch = FloatBatch::new(&refs, &times, &[1.0]);
    appender.append_floats(batch, &mut rejected).unwrap();
    appender.append_metadata(&[series], &[told(help)]).unwrap();
    appender.commit().unwrap();
    series
}

fn num_records(disk: &Arc<dyn Disk>) -> usize {
    let mut records = wal::Reader::dir(Arc::clone(disk), Path::new("wal")).unwrap();
    let mut count = 0;
    while let Some(record) = records.next_record().unwrap() {
        count += usize::from(record[0] == 6);
    }
    count
}

#[test]
fn logged_when_it_changes() {
    let disk: Arc<dyn Disk> = Arc::new(SimDisk::new());
    let (head, _) = open(Arc::clone(&disk), 4);
    let series = write(&head, 1, "not wanted");
    assert_eq!(head.metadata(series), None);
    head.keep_metadata(true);
    for (timestamp_ms, help) in [(2, "one"), (3, "one"), (4, "two")] {
        write(&head, timestamp_ms, help);
    }
    assert_eq!(head.metadata(series), Some(told("two")));
    assert_eq!(num_records(&disk), 2);
    drop(head);
    let again = crate::Head::new(options(Arc::clone(&disk), 2), 5, &metrics::Registry::new());
    let (mut replay, _) = again.replay().unwrap();
    let mut records = wal::Reader::dir(disk, Path::new("wal")).unwrap();
    while let Some(record) = records.next_record().unwrap() {
        replay.apply(record).unwrap();
    }
    let stats = replay.finish().unwrap();
    assert_eq!(stats.num_unknown_refs, 0);
    assert_eq!(again.metadata(series), Some(told("two")));
    again.truncate_before(10).unwrap();
    assert_eq!(again.num_series(), 0);
    assert_eq!(again.metadata(series), None);
    assert!(again.0.metadata.lock().texts.is_empty());
}
