//! Samples out of order over the whole database: queries, crashes, blocks of them, a window that changes.

use disk::SimDisk;
use model::{SeriesRef, Symbols, TimeRange};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use storage::{
    Appendable, Cancel, FloatBatch, LabelBatch, Queryable, RejectReason, SelectHints, SeriesBatch,
};
use tsdb::block::Hint;
use tsdb::{Db, DbOptions};

type Samples = BTreeMap<i64, u64>;

const DIR: &str = "data";
const MINUTE: i64 = 60_000;
const HOUR: i64 = 60 * MINUTE;
const START: i64 = 1_699_920_000_000;

fn open(disk: &SimDisk, window_ms: i64) -> Db {
    let options = DbOptions {
        retention_ms: 0,
        wal_segment_bytes: 32 * 1024,
        out_of_order_window_ms: window_ms,
        ..DbOptions::default()
    };
    let registry = metrics::Registry::new();
    Db::open(Arc::new(disk.clone()), Path::new(DIR), options, 7, &registry, Arc::new(|_| {}))
        .expect("opens")
}

/// Appends to the only series; answers why it was refused, if so.
fn append(db: &Db, time: i64, value: f64) -> Option<RejectReason> {
    let (mut refs, mut rejected) = (Vec::new(), Vec::new());
    let mut appender = db.appender(time);
    let pairs = [("__name__", "m")];
    appender.resolve(LabelBatch::new(&pairs, &[1]), &mut refs, &mut rejected).expect("labels");
    let refs: [SeriesRef; 1] = [refs[0].expect("resolved")];
    let batch = FloatBatch::new(&refs, std::slice::from_ref(&time), std::slice::from_ref(&value));
    appender.append_floats(batch, &mut rejected).expect("samples");
    appender.commit().expect("commits");
    rejected.first().map(|row| row.reason)
}

fn read(db: &Db, range: TimeRange) -> Samples {
    let querier = db.querier(range).expect("a querier");
    let (symbols, cancel) = (Symbols::new(), Cancel::new());
    let hints = SelectHints::default();
    let mut set = querier.select(&[], &hints, &symbols, &cancel).expect("a selection");
    let (mut batch, mut columns) = (SeriesBatch::default(), chunk::SampleColumns::default());
    let mut found = Samples::new();
    while set.next_batch(&mut batch).expect("a batch") {
        for series in 0..batch.len() {
            batch.read(series, range, &mut columns).expect("samples");
            let values = columns.values.iter().map(|value| value.to_bits());
            found.extend(columns.timestamps_ms.iter().copied().zip(values));
        }
    }
    found
}

fn all(db: &Db) -> Samples {
    read(db, TimeRange::ALL)
}

/// A sample every two minutes, and for each the one in between an hour or so later.
fn fill(db: &Db, wanted: &mut Samples, from: i64, to: i64) -> usize {
    let mut num_late_blocks = 0;
    for time in (from..to).step_by(2 * MINUTE as usize) {
        let behind = time - HOUR - (time / MINUTE % 7) * 2 * MINUTE + MINUTE;
        for (time, value) in [(time, time as f64), (behind, -(behind as f64))] {
            assert_eq!(append(db, time, value), None);
            wanted.insert(time, value.to_bits());
        }
        if time % (30 * MINUTE) == 0 {
            num_late_blocks += db.maintain(time).expect("maintains").ooo_blocks;
        }
    }
    num_late_blocks
}

#[test]
fn late_samples_are_kept_through_crashes_and_blocks() {
    let disk = SimDisk::new();
    let db = open(&disk, 2 * HOUR);
    let mut wanted = Samples::new();
    let end = START + 150 * MINUTE;
    assert_eq!(append(&db, START - 2 * MINUTE, 0.0), None);
    wanted.insert(START - 2 * MINUTE, 0.0f64.to_bits());
    assert_eq!(fill(&db, &mut wanted, START, end), 0);
    assert_eq!(all(&db), wanted);
    let part = TimeRange::new(START - 30 * MINUTE, START + 31 * MINUTE);
    let in_part = |wanted: &Samples| -> Samples {
        wanted.range(part.min_ms..=part.max_ms).map(|(&time, &value)| (time, value)).collect()
    };
    assert_eq!(read(&db, part), in_part(&wanted));
    drop(db);
    // Back from both logs, even where late samples are not taken any more.
    let disk = disk.kill();
    let db = open(&disk, 0);
    assert_eq!(all(&db), wanted, "after a crash");
    assert_eq!(append(&db, end - HOUR, 0.5), Some(RejectReason::OutOfOrder));
    db.set_out_of_order_window(2 * HOUR).expect("a window");
    assert_eq!(append(&db, end - 3 * HOUR, 0.5), Some(RejectReason::TooOld));
    // On until blocks are cut, of both kinds.
    let next = end + 8 * HOUR;
    assert!(fill(&db, &mut wanted, end, next) > 0);
    assert_eq!(all(&db), wanted);
    assert_eq!(read(&db, part), in_part(&wanted));
    let blocks = db.blocks();
    let is_late = |hints: &[Hint]| hints.contains(&Hint::FromOutOfOrder);
    assert!(blocks.iter().any(|block| !is_late(&block.meta().compaction.hints)));
    for block in blocks.iter().filter(|block| is_late(&block.meta().compaction.hints)) {
        assert_eq!(block.meta().min_time % (2 * HOUR), 0);
    }
    drop((blocks, db));
    let disk = disk.kill();
    let db = open(&disk, 2 * HOUR);
    assert_eq!(all(&db), wanted, "after another crash");
    db.close().expect("closes");
    drop(db);
    assert_eq!(all(&open(&disk, 2 * HOUR)), wanted, "after a clean stop");
}

#[test]
fn old_segments_of_the_late_log_go() {
    let disk = SimDisk::new();
    let db = open(&disk, 2 * HOUR);
    let mut wanted = Samples::new();
    append(&db, START - 2 * MINUTE, 0.0);
    wanted.insert(START - 2 * MINUTE, 0.0f64.to_bits());
    assert!(fill(&db, &mut wanted, START, START + 12 * HOUR) > 0);
    let segments = wal::list_segments(&disk, &Path::new(DIR).join("wbl")).expect("listed");
    assert!(segments[0] > 0, "{segments:?}");
    // Deleted samples stay deleted where they came late.
    let gone = TimeRange::new(START + 10 * HOUR, START + 11 * HOUR);
    let matcher = model::Matcher::new("__name__", model::MatchOp::Equal, "m").expect("a matcher");
    db.delete(gone, &[vec![matcher]]).expect("deletes");
    wanted.retain(|&time, _| !gone.contains(time));
    assert_eq!(all(&db), wanted);
}
