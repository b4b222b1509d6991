//! A server that dies soon after its start, again and again: the database then takes no new series for a while.

use disk::{Disk, SimDisk};
use model::SeriesRef;
use std::path::Path;
use std::sync::Arc;
use storage::{Appendable, FloatBatch, LabelBatch, RejectReason};
use tsdb::{Db, DbOptions, SafeModeRule};

const START: i64 = 1_700_000_000_000;
const MINUTE: i64 = 60_000;

/// Opens the database as the process before left it, which was killed.
fn open(disk: &SimDisk, now_ms: i64) -> Db {
    let safe_mode = Some(SafeModeRule { crashes: 3, within_ms: 10 * MINUTE, now_ms });
    let options = DbOptions { safe_mode, ..DbOptions::default() };
    let disk: Arc<dyn Disk> = Arc::new(disk.clone());
    let registry = metrics::Registry::new();
    Db::open(disk, Path::new("data"), options, 7, &registry, Arc::new(|_| {})).expect("opens")
}

/// Writes a sample of the series with this name. Answers why it was refused.
fn write(db: &Db, name: &str, time: i64) -> Option<RejectReason> {
    let (mut refs, mut rejected) = (Vec::new(), Vec::new());
    let mut appender = db.appender(time);
    let labels = [("__name__", name)];
    appender.resolve(LabelBatch::new(&labels, &[1]), &mut refs, &mut rejected).expect("resolves");
    let refs: Vec<SeriesRef> = refs.into_iter().flatten().collect();
    if !refs.is_empty() {
        let (times, values) = ([time], [1.0]);
        let batch = FloatBatch::new(&refs, &times, &values);
        appender.append_floats(batch, &mut rejected).expect("appends");
        appender.commit().expect("commits");
    }
    rejected.first().map(|rejected| rejected.reason)
}

#[test]
fn several_crashes_in_a_row_stop_new_series_for_a_while() {
    let disk = SimDisk::new();
    for minute in 0..3 {
        let db = open(&disk, START + minute * MINUTE);
        assert!(!db.is_in_safe_mode(), "after {minute} crashes");
        assert_eq!(write(&db, "known", START + minute * MINUTE), None);
    }
    let now = START + 3 * MINUTE;
    let db = open(&disk, now);
    assert!(db.is_in_safe_mode());
    assert_eq!(write(&db, "known", now), None);
    assert_eq!(write(&db, "new", now), Some(RejectReason::MemoryBudget));
    db.watch_memory(now + 9 * MINUTE).expect("looks");
    assert_eq!(write(&db, "new", now), Some(RejectReason::MemoryBudget));
    db.watch_memory(now + 10 * MINUTE).expect("looks");
    assert!(!db.is_in_safe_mode());
    assert_eq!(write(&db, "new", now), None);
    // A start that ends well forgets those that did not.
    db.close().expect("closes");
    drop(db);
    assert!(!open(&disk, now + MINUTE).is_in_safe_mode());
}

#[test]
fn crashes_far_apart_are_no_row() {
    let disk = SimDisk::new();
    for round in 0..9 {
        assert!(!open(&disk, START + round * 5 * MINUTE).is_in_safe_mode(), "round {round}");
    }
    // Nor are starts of a clock that was wrong.
    assert!(!open(&disk, START - 100 * MINUTE).is_in_safe_mode());
}

#[test]
fn a_file_of_somebody_else_is_no_crash() {
    let disk = SimDisk::new();
    drop(open(&disk, START));
    let path = Path::new("data/unclean_starts");
    disk.remove(path).expect("removed");
    let mut file = disk.create(path).expect("created");
    file.append(b"\xff\xfe 12\n\n17000000000000000000000000\n-3\n").expect("written");
    assert!(!open(&disk, START).is_in_safe_mode());
}
