//! Deleting series, cleaning up after it and snapshots, over the whole database and across restarts.

use disk::{Disk, SimDisk};
use model::{MatchOp, Matcher, SeriesRef, Symbols, TimeRange};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use storage::{Appendable, Cancel, FloatBatch, LabelBatch, Queryable, SelectHints, SeriesBatch};
use tsdb::{Db, DbOptions};

/// Times of the samples by the value of label `s`.
type Times = BTreeMap<String, Vec<i64>>;

const DIR: &str = "data";
const MINUTE: i64 = 60_000;
const HOUR: i64 = 60 * MINUTE;
const START: i64 = 1_699_920_000_000;
const NUM_SERIES: usize = 4;

fn open_dir(disk: &SimDisk, dir: &str) -> Db {
    open_with(disk, dir, DbOptions::default())
}

fn open_with(disk: &SimDisk, dir: &str, options: DbOptions) -> Db {
    let options = DbOptions { retention_ms: 0, wal_segment_bytes: 32 * 1024, ..options };
    let registry = metrics::Registry::new();
    Db::open(Arc::new(disk.clone()), Path::new(dir), options, 7, &registry, Arc::new(|_| {}))
        .expect("opens")
}

fn open(disk: &SimDisk) -> Db {
    open_dir(disk, DIR)
}

/// A sample a minute in each series, with maintenance now and then.
fn fill(db: &Db, from: i64, to: i64) {
    fill_between(db, from, to, |time| {
        if time % (30 * MINUTE) == 0 {
            db.maintain(time).expect("maintains");
        }
    });
}

/// The same with something else after each minute.
fn fill_between(db: &Db, from: i64, to: i64, after: impl Fn(i64)) {
    let names: Vec<String> = (0..NUM_SERIES).map(|index| index.to_string()).collect();
    let pairs: Vec<_> = names.iter().flat_map(|n| [("__name__", "m"), ("s", n.as_str())]).collect();
    let ends: Vec<u32> = (1..=NUM_SERIES as u32).map(|count| count * 2).collect();
    let mut time = from;
    while time < to {
        let (mut refs, mut rejected) = (Vec::new(), Vec::new());
        let mut appender = db.appender(time);
        appender.resolve(LabelBatch::new(&pairs, &ends), &mut refs, &mut rejected).expect("labels");
        let refs: Vec<SeriesRef> = refs.into_iter().map(|found| found.expect("resolved")).collect();
        let times = [time; NUM_SERIES];
        let batch = FloatBatch::new(&refs, &times, &[1.5; NUM_SERIES]);
        appender.append_floats(batch, &mut rejected).expect("samples");
        assert!(rejected.is_empty(), "{rejected:?}");
        appender.commit().expect("commits");
        after(time);
        time += MINUTE;
    }
}

fn times_of(db: &Db, range: TimeRange, hints: &SelectHints) -> Times {
    let querier = db.querier(range).expect("a querier");
    let (symbols, cancel) = (Symbols::new(), Cancel::new());
    let mut set = querier.select(&[], hints, &symbols, &cancel).expect("a selection");
    let (mut batch, mut columns) = (SeriesBatch::default(), chunk::SampleColumns::default());
    let mut found = Times::new();
    while set.next_batch(&mut batch).expect("a batch") {
        for series in 0..batch.len() {
            batch.read(series, range, &mut columns).expect("samples");
            let labels = symbols.labels(batch.labels().get(series));
            if !columns.is_empty() || hints.labels_only {
                found.insert(labels.get("s").expect("s").into(), columns.timestamps_ms.clone());
            }
        }
    }
    found
}

fn times(db: &Db) -> Times {
    times_of(db, TimeRange::ALL, &SelectHints::default())
}

fn series(name: &str) -> Vec<Matcher> {
    vec![Matcher::new("s", MatchOp::Regex, name).expect("a matcher")]
}

/// What is left of all minutes between the two after `gone`.
fn left(from: i64, to: i64, gone: impl Fn(usize, i64) -> bool) -> Times {
    let mut left = Times::new();
    for index in 0..NUM_SERIES {
        let minutes = (from..to).step_by(MINUTE as usize);
        let times: Vec<i64> = minutes.filter(|&time| !gone(index, time)).collect();
        if !times.is_empty() {
            left.insert(index.to_string(), times);
        }
    }
    left
}

fn num_tombstones(db: &Db) -> u64 {
    db.blocks().iter().map(|block| block.meta().stats.num_tombstones).sum()
}

#[test]
fn deleted_samples_are_gone_everywhere_and_stay_so() {
    let disk = SimDisk::new();
    let db = open(&disk);
    let end = START + 9 * HOUR;
    fill(&db, START, end);
    assert!(!db.blocks().is_empty());
    // Over the border of block and head; of another series all there is.
    let window = TimeRange::new(START + 5 * HOUR, START + 8 * HOUR + 10 * MINUTE);
    db.delete(window, &[series("1"), series("3")]).expect("deletes");
    db.delete(TimeRange::ALL, &[series("2")]).expect("deletes");
    db.delete(TimeRange::ALL, &[Vec::new(), series("none")]).expect("deletes nothing");
    let gone = |index: usize, time: i64| index == 2 || (index % 2 == 1 && window.contains(time));
    assert_eq!(times(&db), left(START, end, gone));
    let blocks = num_tombstones(&db);
    assert!(blocks > 0);
    // What an instant selector asks for is the newest sample that is not deleted.
    let hints = SelectHints { newest_only: true, ..SelectHints::default() };
    let until = TimeRange::new(START, START + 8 * HOUR + 5 * MINUTE);
    let newest = times_of(&db, until, &hints);
    assert_eq!(newest["1"].last(), Some(&(window.min_ms - MINUTE)));
    assert_eq!(newest["0"].last(), Some(&until.max_ms));
    // A series of the head is listed until the head is cut, one of a block is not.
    let listed = SelectHints { labels_only: true, ..SelectHints::default() };
    let head_only = TimeRange::new(end - 10 * MINUTE, end);
    assert!(times_of(&db, head_only, &listed).contains_key("2"));
    let block_only = TimeRange::new(START, START + 2 * HOUR);
    assert!(!times_of(&db, block_only, &listed).contains_key("2"));
    drop(db);
    let db = open(&disk.kill());
    assert_eq!(times(&db), left(START, end, gone), "after a crash");
    assert_eq!(num_tombstones(&db), blocks);
    // New samples are not touched, and blocks that are cut now leave the deleted ones out.
    fill(&db, end, end + 8 * HOUR);
    let gone = |index: usize, time: i64| time < end && gone(index, time);
    assert_eq!(times(&db), left(START, end + 8 * HOUR, gone));
    db.close().expect("closes");
}

#[test]
fn cleaning_rewrites_blocks() {
    let disk = SimDisk::new();
    let db = open(&disk);
    fill(&db, START, START + 8 * HOUR);
    let before: Vec<_> = db.blocks().iter().map(|block| block.meta().clone()).collect();
    let first = before[0].clone();
    db.delete(TimeRange::new(START, first.max_time - 1), &[series(".+")]).expect("deletes");
    let window = TimeRange::new(first.max_time + MINUTE, first.max_time + 5 * MINUTE);
    db.delete(window, &[series("[01]")]).expect("deletes");
    assert_eq!(num_tombstones(&db), NUM_SERIES as u64 + 2);
    let wanted = times(&db);
    db.clean_tombstones(START + 8 * HOUR).expect("cleans");
    assert_eq!(times(&db), wanted);
    assert_eq!(num_tombstones(&db), 0);
    let after: Vec<_> = db.blocks().iter().map(|block| block.meta().clone()).collect();
    assert_eq!(after.len(), before.len() - 1, "nothing was left of the first");
    let (old, new) = (&before[1], &after[0]);
    assert_eq!((old.min_time, old.max_time), (new.min_time, new.max_time));
    assert_eq!(new.stats.num_samples, old.stats.num_samples - 10);
    assert_eq!((new.compaction.level, &new.compaction.sources), (1, &vec![new.ulid]));
    assert_eq!(new.compaction.parents, [old.as_parent()]);
    assert_eq!(after[1..], before[2..], "others stay as they are");
    drop(db);
    let db = open(&disk.kill());
    assert_eq!(times(&db), wanted, "after a crash");
    assert_eq!(db.blocks().len(), after.len());
}

#[test]
fn a_snapshot_is_a_database() {
    let disk = SimDisk::new();
    let db = open(&disk);
    let end = START + 7 * HOUR;
    fill(&db, START, end);
    db.delete(TimeRange::new(START, START + HOUR), &[series("1")]).expect("deletes");
    let wanted = times(&db);
    let num_blocks = db.blocks().len();
    db.snapshot(Path::new("data/snapshots/all"), true, end).expect("snapshot");
    db.snapshot(Path::new("data/snapshots/blocks"), false, end).expect("snapshot");
    assert!(db.snapshot(Path::new(DIR), true, end).is_err());
    // What is deleted afterwards does not reach the copies.
    db.delete(TimeRange::ALL, &[series(".+")]).expect("deletes");
    db.clean_tombstones(end).expect("cleans");
    assert!(times(&db).is_empty());
    drop(db);
    let copy = open_dir(&disk, "data/snapshots/all");
    assert_eq!(times(&copy), wanted);
    assert_eq!(copy.blocks().len(), num_blocks + 1);
    let copy = open_dir(&disk, "data/snapshots/blocks");
    assert_eq!(copy.blocks().len(), num_blocks);
    assert!(disk.exists(&Path::new("data/snapshots/blocks").join("wal")));
    assert_eq!(copy.head().num_series(), 0);
    assert!(times(&open(&disk)).is_empty(), "a snapshot is no block of its database");
}

/// The head was cut, and no block came of it, since all before was deleted. With the cut the deletions were forgotten,
/// but a file of head chunks had the samples still, beside others that were needed: they came back at the next start,
/// which asked the blocks how far the head was cut. Found by history 1816 of the simulated disk.
#[test]
fn what_was_deleted_before_a_cut_without_a_block_stays_deleted() {
    for head_image_growth_bytes in [0, 1] {
        let options =
            DbOptions { samples_per_chunk: 10, head_image_growth_bytes, ..DbOptions::default() };
        let mut disk = SimDisk::new();
        let again = |disk: &mut SimDisk| {
            *disk = disk.kill();
            open_with(disk, DIR, options.clone())
        };
        let mut db = again(&mut disk);
        // Each start begins a segment of the log: enough of them for a checkpoint.
        for part in 0..4 {
            let from = START + part * 50 * MINUTE;
            fill_between(&db, from, from + 50 * MINUTE, |_| {});
            db = again(&mut disk);
        }
        let (cut, end) = (START + 2 * HOUR, START + 200 * MINUTE);
        let range = TimeRange::new(START, cut - 1);
        db.delete(range, &[series(".+")]).expect("deletes");
        let done = db.maintain(end).expect("maintains");
        assert!(done.checkpoint.is_some(), "the deletions are gone from the log");
        assert!(db.blocks().is_empty());
        let wanted = left(START, end, |_, time| time < cut);
        assert_eq!(times(&db), wanted);
        for start in 0..3 {
            db = again(&mut disk);
            assert_eq!(times(&db), wanted, "start {start} behind the cut");
            db.maintain(end).expect("maintains");
        }
        // The cut is told anew behind each of the following ones, and samples go on.
        fill(&db, end, START + 12 * HOUR);
        let wanted = left(START, START + 12 * HOUR, |_, time| time < cut);
        let db = again(&mut disk);
        assert_eq!(times(&db), wanted, "hours later");
    }
}

/// Nothing was left of a block, so it was removed; the log still had its samples, and nobody said that they had been in
/// a block.
#[test]
fn what_was_deleted_with_its_block_does_not_come_back_from_the_log() {
    let disk = SimDisk::new();
    let db = open(&disk);
    let end = START + 220 * MINUTE;
    fill(&db, START, end);
    let cut = db.blocks()[0].meta().max_time;
    db.delete(TimeRange::new(START, cut - 1), &[series(".+")]).expect("deletes");
    db.clean_tombstones(end).expect("cleans");
    assert!(db.blocks().is_empty());
    let wanted = left(START, end, |_, time| time < cut);
    assert_eq!(times(&db), wanted);
    drop(db);
    let left = [disk.kill(), disk.crash(1)];
    assert_eq!(times(&open(&left[0])), wanted, "after a kill");
    let found = times(&open(&left[1]));
    let is_back = |times: &Vec<i64>| times.iter().any(|&time| time < cut);
    assert!(!found.values().any(is_back), "after a power cut: {found:?}");
}

/// Once what was deleted of a series without chunks in the range of a query was taken for a part of the series after it.
#[test]
fn deletions_do_not_reach_the_next_series() {
    let db = open(&SimDisk::new());
    let put = |name: &str, minute: i64| {
        let (mut refs, mut rejected) = (Vec::new(), Vec::new());
        let time = START + minute * MINUTE;
        let mut appender = db.appender(time);
        let pairs = [("__name__", "m"), ("s", name)];
        appender.resolve(LabelBatch::new(&pairs, &[2]), &mut refs, &mut rejected).expect("labels");
        let refs = [refs[0].expect("resolved")];
        let batch = FloatBatch::new(&refs, std::slice::from_ref(&time), &[1.5]);
        appender.append_floats(batch, &mut rejected).expect("samples");
        appender.commit().expect("commits");
    };
    for (name, minute) in [("1", 1), ("2", 20), ("2", 30), ("1", 125)] {
        put(name, minute);
    }
    db.delete(TimeRange::new(START, START + 200 * MINUTE), &[series("1")]).expect("deletes");
    let between = TimeRange::new(START + 10 * MINUTE, START + 60 * MINUTE);
    let found = times_of(&db, between, &SelectHints::default());
    assert_eq!(found, Times::from([("2".into(), vec![START + 20 * MINUTE, START + 30 * MINUTE])]));
}

/// A sample that comes late, though it is newer than all of its series, is in the log among what came in order: only the
/// bounds of that moment made it late. Once a block had it, nothing in the head said so, and a deletion did not reach the
/// log: the next start found it there.
#[test]
fn what_came_late_to_its_series_stays_deleted() {
    let disk = SimDisk::new();
    let options =
        || DbOptions { out_of_order_window_ms: 3 * HOUR, retention_ms: 0, ..DbOptions::default() };
    let db = open_with(&disk, DIR, options());
    let late = |time: i64| {
        let (mut refs, mut rejected) = (Vec::new(), Vec::new());
        let mut appender = db.appender(time);
        let labels = [("__name__", "m"), ("s", "late")];
        appender.resolve(LabelBatch::new(&labels, &[2]), &mut refs, &mut rejected).expect("labels");
        let refs = [refs[0].expect("resolved")];
        let times = [time];
        let batch = FloatBatch::new(&refs, &times, &[1.5]);
        appender.append_floats(batch, &mut rejected).expect("a sample");
        appender.commit().expect("commits");
        assert!(rejected.is_empty(), "{rejected:?}");
    };
    fill_between(&db, START, START + 70 * MINUTE, |_| {});
    late(START + 70 * MINUTE);
    fill_between(&db, START + 70 * MINUTE, START + 200 * MINUTE, |_| {});
    late(START + 121 * MINUTE);
    let done = db.maintain(START + 200 * MINUTE).expect("maintains");
    assert_eq!((done.head_blocks, done.ooo_blocks), (1, 1));
    assert_eq!(times(&db)["late"], [START + 70 * MINUTE, START + 121 * MINUTE]);
    db.delete(TimeRange::ALL, &[series("late")]).expect("deletes");
    assert_eq!(times(&db).get("late"), None);
    drop(db);
    let db = open_with(&disk.kill(), DIR, options());
    assert_eq!(times(&db).get("late"), None);
}
