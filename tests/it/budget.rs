//! Bounds of the storage as a server meets them: little memory, a full disk, damage, blocks that wait for an upload.

use disk::{Disk, FaultDisk, SimDisk};
use model::{SeriesRef, TimeRange};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use storage::{Appendable, FloatBatch, LabelBatch, Querier, Queryable, RejectReason};
use tsdb::{Db, DbOptions, MemoryBudget};

const DIR: &str = "data";
const MINUTE: i64 = 60_000;
const HOUR: i64 = 60 * MINUTE;
const START: i64 = 1_700_006_400_000 - 1_700_006_400_000 % (54 * HOUR);
const MIB: u64 = 1 << 20;

type Lines = Arc<std::sync::Mutex<Vec<tsdb::LogLine>>>;

fn open(disk: Arc<dyn Disk>, options: DbOptions) -> (Db, Lines) {
    let lines = Lines::default();
    let sink = Arc::clone(&lines);
    let db = Db::open(
        disk,
        Path::new(DIR),
        options,
        7,
        &metrics::Registry::new(),
        Arc::new(move |line| sink.lock().expect("not poisoned").push(line.clone())),
    );
    (db.expect("opens"), lines)
}

fn options() -> DbOptions {
    DbOptions { retention_ms: 0, wal_segment_bytes: 32 * 1024, ..DbOptions::default() }
}

/// Appends a sample to each of these series of a job. Answers how many series were taken, and why others were not.
fn append(
    db: &Db,
    job: &str,
    series: std::ops::Range<u32>,
    time: i64,
) -> storage::Result<(usize, Vec<RejectReason>)> {
    let names: Vec<String> = series.map(|id| format!("{id:05}")).collect();
    let pairs: Vec<_> =
        names.iter().flat_map(|id| [("__name__", "m"), ("id", id), ("job", job)]).collect();
    let ends: Vec<u32> = (1..=names.len() as u32).map(|count| count * 3).collect();
    let (mut refs, mut rejected) = (Vec::new(), Vec::new());
    let mut appender = db.appender(time);
    appender.resolve(LabelBatch::new(&pairs, &ends), &mut refs, &mut rejected)?;
    let reasons = rejected.iter().map(|rejected| rejected.reason).collect();
    let refs: Vec<SeriesRef> = refs.into_iter().flatten().collect();
    let (times, values) = (vec![time; refs.len()], vec![1.5; refs.len()]);
    rejected.clear();
    appender.append_floats(FloatBatch::new(&refs, &times, &values), &mut rejected)?;
    assert_eq!(rejected, []);
    appender.commit()?;
    Ok((refs.len(), reasons))
}

fn num_series(db: &Db) -> usize {
    let querier: Box<dyn Querier> = db.querier(TimeRange::ALL).expect("a querier");
    querier.label_values("id", &[], 0).expect("values").len()
}

#[test]
fn little_memory_refuses_new_series_and_lets_idle_ones_go() {
    let used = Arc::new(AtomicU64::new(0));
    let told = Arc::clone(&used);
    let read: Arc<dyn Fn() -> u64 + Send + Sync> = Arc::new(move || told.load(Ordering::Relaxed));
    let budget = MemoryBudget::new(100 * MIB, read);
    let disk = SimDisk::new();
    let options = DbOptions { memory: Some(budget), ..options() };
    let (db, lines) = open(Arc::new(disk.clone()), options.clone());
    let all = |count: usize| (count, Vec::new());
    assert_eq!(append(&db, "live", 0..10, START).expect("commits"), all(10));
    assert_eq!(append(&db, "old", 100..150, START).expect("commits"), all(50));
    assert_eq!(append(&db, "live", 0..10, START + 30 * MINUTE).expect("commits"), all(10));
    assert_eq!(db.watch_memory(START).expect("looks"), 0);
    // The soft mark: what got nothing for long leaves memory, and is still there for queries.
    used.store(80 * MIB, Ordering::Relaxed);
    assert_eq!(db.watch_memory(START).expect("looks"), 50);
    assert_eq!((db.head().num_series(), db.blocks().len(), num_series(&db)), (10, 1, 60));
    // Not again at once.
    assert_eq!(db.watch_memory(START + 1).expect("looks"), 0);
    // The hard mark: what is new is refused and named, what is known goes on.
    used.store(95 * MIB, Ordering::Relaxed);
    db.watch_memory(START + 2 * MINUTE).expect("looks");
    let (taken, reasons) = append(&db, "live", 5..15, START + 31 * MINUTE).expect("commits");
    assert_eq!((taken, reasons), (5, vec![RejectReason::MemoryBudget; 5]));
    let refused = db.head().refused_series();
    assert_eq!((&*refused[0].job, &*refused[0].metric, refused[0].count), ("live", "m", 5));
    db.watch_memory(START + 10 * MINUTE).expect("looks");
    let lines = lines.lock().expect("not poisoned");
    let line = lines.iter().find(|line| line.message == "New series are refused").expect("named");
    assert!(line.fields.contains(&("job", "live".to_owned())), "{line:?}");
    // Once there is memory, they are taken.
    used.store(10 * MIB, Ordering::Relaxed);
    db.watch_memory(START + 20 * MINUTE).expect("looks");
    let taken = append(&db, "live", 5..15, START + 32 * MINUTE).expect("commits");
    assert_eq!(taken, all(10));
    assert_eq!(num_series(&db), 65);
    // A crash brings nothing back that is in blocks, under the bound too.
    used.store(80 * MIB, Ordering::Relaxed);
    drop(db);
    let (db, _) = open(Arc::new(disk.kill()), options);
    assert_eq!((db.head().num_series(), num_series(&db)), (15, 65));
}

#[test]
fn stale_series_leave_when_there_are_many() {
    let (db, _) = open(Arc::new(SimDisk::new()), options());
    append(&db, "a", 0..4, START).expect("commits");
    let series = [("__name__", "m"), ("id", "00003"), ("job", "a")];
    let mut appender = db.appender(START);
    let (mut refs, mut rejected) = (Vec::new(), Vec::new());
    appender.resolve(LabelBatch::new(&series, &[3]), &mut refs, &mut rejected).expect("resolves");
    let marker = [model::STALE_NAN];
    let refs = [refs[0].expect("resolved")];
    let batch = FloatBatch::new(&refs, &[START + MINUTE], &marker);
    appender.append_floats(batch, &mut rejected).expect("appends");
    appender.commit().expect("commits");
    db.set_stale_series_ratio(0.5);
    assert_eq!(db.maintain(START + MINUTE).expect("maintains").idle_series, 0);
    db.set_stale_series_ratio(0.25);
    assert_eq!(db.maintain(START + 2 * MINUTE).expect("maintains").idle_series, 1);
    assert_eq!((db.head().num_series(), num_series(&db)), (3, 4));
    let block = &db.blocks()[0];
    assert_eq!(block.meta().compaction.hints, [tsdb::block::Hint::FromStaleSeries]);
}

#[test]
fn a_full_disk_loses_its_reserve_and_writing_goes_on() {
    let disk = FaultDisk::new(Arc::new(SimDisk::new()));
    disk.set_size(100 * MIB, 20 * MIB);
    let options = DbOptions { disk_reserve_bytes: 2 * MIB, ..options() };
    let (db, lines) = open(Arc::new(disk.clone()), options);
    let reserve = Path::new(DIR).join("reserve");
    db.watch_disk().expect("looks");
    assert!(disk.exists(&reserve));
    append(&db, "a", 0..10, START).expect("commits");
    // Somebody else fills the disk.
    disk.set_size(100 * MIB, 100);
    let refused = append(&db, "a", 0..500, START + MINUTE);
    assert!(refused.is_err(), "{refused:?}");
    db.watch_disk().expect("looks");
    assert!(!disk.exists(&reserve));
    append(&db, "a", 0..500, START + 2 * MINUTE).expect("there is room again");
    db.watch_disk().expect("looks");
    assert!(!disk.exists(&reserve), "not while there is little room");
    disk.set_size(100 * MIB, 50 * MIB);
    db.watch_disk().expect("looks");
    assert!(disk.exists(&reserve));
    let lines = lines.lock().expect("not poisoned");
    assert!(lines.iter().any(|line| line.message.starts_with("The disk is full")));
}

/// A database with blocks of two hours each.
fn with_blocks(disk: Arc<dyn Disk>, options: DbOptions, hours: i64) -> Db {
    let (db, _) = open(disk, options);
    for minute in 0..hours * 6 {
        let time = START + minute * 10 * MINUTE;
        append(&db, "a", 0..20, time).expect("commits");
        db.maintain(time).expect("maintains");
    }
    db
}

#[test]
fn little_room_and_a_share_of_the_disk_drop_the_oldest_blocks() {
    let disk = FaultDisk::new(Arc::new(SimDisk::new()));
    disk.set_size(100 * MIB, 50 * MIB);
    let apart = DbOptions { max_block_ms: 2 * HOUR, ..options() };
    let low = DbOptions { disk_low_water_bytes: 10 * MIB, ..apart.clone() };
    let db = with_blocks(Arc::new(disk.clone()), low, 13);
    let before = db.blocks().len();
    assert!(before >= 4, "{before}");
    let sizes: Vec<u64> = db.blocks().iter().map(|block| block.size_bytes()).collect();
    // A little more than the oldest block is missing.
    disk.set_size(100 * MIB, 10 * MIB - sizes[0] - 1);
    db.watch_disk().expect("looks");
    assert_eq!(db.blocks().len(), before - 2);
    db.watch_disk().expect("looks");
    assert_eq!(db.blocks().len(), before - 2, "there is room now");
    db.close().expect("closes");
    drop(db);
    // A share of a disk that is hardly larger than the head leaves nothing but what fits.
    disk.set_size(MIB, 50 * MIB);
    let shared = DbOptions { retention_percentage: 0.001, ..apart };
    let (db, _) = open(Arc::new(disk.clone()), shared.clone());
    assert_eq!(db.blocks().len(), 0);
    drop(db);
    // Where nobody tells the size of the disk, the share means nothing: it does not start.
    let refused = Db::open(
        Arc::new(SimDisk::new()),
        Path::new(DIR),
        shared,
        7,
        &metrics::Registry::new(),
        Arc::new(|_| {}),
    );
    assert!(matches!(refused, Err(tsdb::Error::Options(_))));
}

#[test]
fn blocks_wait_for_their_upload() {
    let disk = SimDisk::new();
    let list = Path::new("shipper.json");
    let write = |names: &[String]| {
        let text = serde_json::json!({"version": 1, "uploaded": names}).to_string();
        disk::write_atomic(&disk, list, text.as_bytes()).expect("written");
    };
    write(&[]);
    let options = DbOptions {
        max_block_ms: 6 * HOUR,
        delay_compact_file: Some(list.to_owned()),
        ..options()
    };
    let db = with_blocks(Arc::new(disk.clone()), options, 13);
    let levels =
        || -> Vec<u32> { db.blocks().iter().map(|block| block.meta().compaction.level).collect() };
    assert!(levels().len() >= 4 && levels().iter().all(|&level| level == 1), "{:?}", levels());
    // All but the second are uploaded: only the first could be merged, and it has nobody to merge with.
    let names: Vec<String> = db.blocks().iter().map(|b| b.meta().ulid.to_string()).collect();
    let but_second: Vec<String> =
        names.iter().enumerate().filter(|(at, _)| *at != 1).map(|(_, name)| name.clone()).collect();
    write(&but_second);
    assert_eq!(db.maintain(START + 14 * HOUR).expect("maintains").merged_blocks, 0);
    write(&names);
    assert!(db.maintain(START + 14 * HOUR).expect("maintains").merged_blocks > 0);
    assert!(levels().contains(&2), "{:?}", levels());
}

#[test]
fn a_damaged_log_goes_to_quarantine() {
    let disk = SimDisk::new();
    let (db, _) = open(Arc::new(disk.clone()), options());
    for minute in 0..800 {
        append(&db, "a", 0..50, START + minute * MINUTE).expect("commits");
    }
    drop(db);
    let disk = disk.kill();
    let wal = Path::new(DIR).join("wal");
    let segments = wal::list_segments(&disk, &wal).expect("segments");
    assert!(segments.len() > 3, "{segments:?}");
    disk.corrupt(&wal::segment_path(&wal, segments[1]), 100, 0xff);
    let (db, lines) = open(Arc::new(disk.clone()), options());
    let found = tsdb::list_quarantined(&disk, Path::new(DIR)).expect("a list");
    assert_eq!(found.len(), 1);
    let loss = found[0].loss;
    assert!(loss.damaged_bytes > 0 && loss.damaged_bytes <= wal::PAGE_BYTES as u64, "{loss:?}");
    assert_eq!(db.head().max_time(), START + 799 * MINUTE, "what is behind the damage is read");
    assert!(disk.exists(&wal::segment_path(&found[0].dir, segments[1])), "nothing is deleted");
    let lines = lines.lock().expect("not poisoned");
    assert!(lines.iter().any(|line| line.message.starts_with("Damaged data was moved")));
}
