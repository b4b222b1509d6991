//! The database as a whole: crashes, full disks, damaged logs, compaction, retention, data of Prometheus.

use crate::recorded_dirs;
use disk::{Disk, Fault, FaultDisk, SimDisk};
use model::{STALE_NAN, SeriesRef, Symbols, TimeRange};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use storage::{Appendable, Cancel, FloatBatch, LabelBatch, Queryable, SelectHints, SeriesBatch};
use tsdb::{Db, DbOptions};

/// Samples by series: time and bits of the value.
type Content = BTreeMap<String, Vec<(i64, u64)>>;

const DIR: &str = "data";
const MINUTE: i64 = 60_000;
const HOUR: i64 = 60 * MINUTE;
/// A multiple of all block lengths used here.
const START: i64 = 1_700_006_400_000 - 1_700_006_400_000 % (54 * HOUR);

fn options() -> DbOptions {
    DbOptions {
        retention_ms: 0,
        wal_segment_bytes: 32 * 1024,
        head_image_growth_bytes: 1,
        ..DbOptions::default()
    }
}

fn open_with(disk: Arc<dyn Disk>, dir: &Path, options: DbOptions) -> tsdb::Result<Db> {
    Db::open(disk, dir, options, 7, &metrics::Registry::new(), Arc::new(|_| {}))
}

fn open(disk: &SimDisk) -> Db {
    open_with(Arc::new(disk.clone()), Path::new(DIR), options()).expect("opens")
}

/// Appends one sample to each of the series `s=0..values.len()` and commits.
fn append(db: &Db, time: i64, values: &[f64]) -> storage::Result<()> {
    let names: Vec<String> = (0..values.len()).map(|index| index.to_string()).collect();
    let pairs: Vec<_> =
        names.iter().flat_map(|name| [("__name__", "m"), ("s", name.as_str())]).collect();
    let ends: Vec<u32> = (1..=values.len() as u32).map(|count| count * 2).collect();
    let (mut refs, mut rejected) = (Vec::new(), Vec::new());
    let mut appender = db.appender(time);
    appender.resolve(LabelBatch::new(&pairs, &ends), &mut refs, &mut rejected)?;
    let refs: Vec<SeriesRef> = refs.into_iter().map(|found| found.expect("resolved")).collect();
    let times = vec![time; values.len()];
    appender.append_floats(FloatBatch::new(&refs, &times, values), &mut rejected)?;
    assert!(rejected.is_empty(), "{rejected:?} at {time}");
    appender.commit()
}

/// All float samples; series that hold others are left out.
fn content_of(db: &Db, range: TimeRange) -> Content {
    let querier = db.querier(range).expect("a querier");
    let (symbols, cancel) = (Symbols::new(), Cancel::new());
    let mut set =
        querier.select(&[], &SelectHints::default(), &symbols, &cancel).expect("a selection");
    let mut batch = SeriesBatch::default();
    let mut columns = chunk::SampleColumns::default();
    let mut content = Content::new();
    let mut previous: Option<model::Labels> = None;
    while set.next_batch(&mut batch).expect("a batch") {
        for series in 0..batch.len() {
            let labels = symbols.labels(batch.labels().get(series));
            assert!(previous.as_ref() < Some(&labels), "in label order");
            previous = Some(labels.clone());
            if batch.chunks(series).any(|chunk| !chunk.meta.encoding.is_float()) {
                continue;
            }
            batch.read(series, range, &mut columns).expect("samples");
            let times = columns.timestamps_ms.iter().copied();
            let samples: Vec<_> = times.zip(columns.values.iter().map(|v| v.to_bits())).collect();
            assert!(samples.windows(2).all(|pair| pair[0].0 < pair[1].0), "{labels:?}: twice");
            content.insert(format!("{labels:?}"), samples);
        }
    }
    content
}

fn content(db: &Db) -> Content {
    content_of(db, TimeRange::ALL)
}

/// What [`append`] of these rounds amounts to.
#[derive(Clone, Default)]
struct Wanted(Vec<(i64, Vec<f64>)>);

impl Wanted {
    fn content(&self) -> Content {
        let mut content = Content::new();
        for (time, values) in &self.0 {
            for (index, value) in values.iter().enumerate() {
                let name = format!(r#"{{"__name__": "m", "s": "{index}"}}"#);
                content.entry(name).or_default().push((*time, value.to_bits()));
            }
        }
        content
    }
}

fn values(round: i64) -> Vec<f64> {
    (0..3 + round % 2)
        .map(|n| if (round + n) % 17 == 0 { STALE_NAN } else { (round * n) as f64 / 3.0 })
        .collect()
}

/// Fills in samples every `step_ms`, with a round of maintenance every half hour.
fn fill(db: &Db, wanted: &mut Wanted, from: i64, to: i64, step_ms: i64) {
    let mut time = from;
    while time < to {
        let row = values(time / step_ms);
        append(db, time, &row).expect("commits");
        wanted.0.push((time, row));
        if time % (30 * MINUTE) == 0 {
            db.maintain(time).expect("maintains");
        }
        time += step_ms;
    }
}

#[test]
fn head_becomes_blocks_and_blocks_grow() {
    let disk = SimDisk::new();
    let db = open(&disk);
    let mut wanted = Wanted::default();
    fill(&db, &mut wanted, START, START + 30 * HOUR, MINUTE);
    assert_eq!(content(&db), wanted.content());
    let mut spans: Vec<_> = db
        .blocks()
        .iter()
        .map(|block| {
            ((block.meta().min_time - START) / HOUR, (block.meta().max_time - START) / HOUR)
        })
        .collect();
    spans.sort_unstable();
    assert_eq!(spans, [(0, 18), (18, 24), (24, 26), (26, 28)]);
    let wal = Path::new(DIR).join("wal");
    let first = wal::list_segments(&disk, &wal).expect("segments")[0];
    assert!(first > 0, "old segments are gone");
    assert!(wal::checkpoint::last(&disk, &wal).expect("listed").is_some());
    // A part of it, over the border of block and head.
    let range = TimeRange::new(START + 27 * HOUR, START + 29 * HOUR);
    let mut part = wanted.content();
    for samples in part.values_mut() {
        samples.retain(|&(time, _)| range.contains(time));
    }
    assert_eq!(content_of(&db, range), part);
    db.close().expect("closes");
    assert!(!disk.exists(&Path::new(DIR).join("lock")));
    let db = open(&disk);
    assert_eq!(content(&db), wanted.content(), "after a restart");
    fill(&db, &mut wanted, START + 30 * HOUR, START + 33 * HOUR, MINUTE);
    assert_eq!(content(&db), wanted.content(), "and on");
}

#[test]
fn retention_drops_old_blocks() {
    let disk = SimDisk::new();
    let options = DbOptions { retention_ms: 8 * HOUR, ..options() };
    let db = open_with(Arc::new(disk.clone()), Path::new(DIR), options).expect("opens");
    let mut wanted = Wanted::default();
    fill(&db, &mut wanted, START, START + 24 * HOUR, MINUTE);
    db.maintain(START + 24 * HOUR).expect("maintains");
    let oldest = db.blocks().iter().map(|block| block.meta().max_time).min().expect("blocks");
    assert!(oldest > START + 12 * HOUR, "{}", (oldest - START) / HOUR);
    let mut kept = wanted.content();
    let from = db.blocks().iter().map(|block| block.meta().min_time).min().expect("blocks");
    for samples in kept.values_mut() {
        samples.retain(|&(time, _)| time >= from);
    }
    assert_eq!(content(&db), kept);
}

#[test]
fn a_second_process_is_refused() {
    let disk = SimDisk::new();
    let db = open(&disk);
    let second = open_with(Arc::new(disk.clone()), Path::new(DIR), options());
    assert!(matches!(second, Err(tsdb::Error::Locked { .. })), "{second:?}");
    db.close().expect("closes");
    drop(db);
    open(&disk);
}

/// What a workload came to.
#[derive(Default)]
struct Run {
    /// Acknowledged rounds.
    wanted: Wanted,
    /// Rounds that were tried, acknowledged or not.
    tried: Wanted,
    /// How many acknowledged rounds a sync followed.
    synced: usize,
    failures: usize,
}

/// Commits, syncs and maintains on a disk that fails as it was told to; gives up at the first failure or goes on.
fn run(disk: &FaultDisk, goes_on: bool) -> (Run, Option<Db>) {
    let mut run = Run::default();
    let Ok(db) = open_with(Arc::new(disk.clone()), Path::new(DIR), options()) else {
        run.failures = 1;
        return (run, None);
    };
    for round in 0..150 {
        let time = START + round * 5 * MINUTE;
        let row = values(round);
        run.tried.0.push((time, row.clone()));
        match append(&db, time, &row) {
            Ok(()) => run.wanted.0.push((time, row)),
            Err(_) => run.failures += 1,
        }
        if round % 7 == 0 {
            match db.sync() {
                Ok(()) => run.synced = run.wanted.0.len(),
                Err(_) => run.failures += 1,
            }
        }
        if round % 6 == 5 {
            run.failures += usize::from(db.maintain(time).is_err());
        }
        if run.failures > 0 && !goes_on {
            break;
        }
    }
    (run, Some(db))
}

/// Whether `found` has all of the first `at_least` rounds and nothing but what was tried: a round that was refused may
/// be there, since it may have been logged.
fn check(found: &Content, run: &Run, at_least: usize, what: &str) {
    for (labels, samples) in &Wanted(run.wanted.0[..at_least].to_vec()).content() {
        let have = found.get(labels).map_or(&[][..], Vec::as_slice);
        for sample in samples {
            assert!(have.binary_search(sample).is_ok(), "{what}: {labels} lost {sample:?}");
        }
    }
    let tried = run.tried.content();
    for (labels, samples) in found {
        for sample in samples {
            let known = tried.get(labels).is_some_and(|all| all.binary_search(sample).is_ok());
            assert!(known, "{what}: {labels} has {sample:?} from nowhere");
        }
    }
}

fn empty_disk() -> SimDisk {
    let disk = SimDisk::new();
    disk.create_dir(Path::new(DIR)).expect("directory");
    disk.sync_dir(Path::new("")).expect("synced");
    disk
}

#[test]
fn one_failure_anywhere_loses_nothing() {
    let healthy = FaultDisk::new(Arc::new(empty_disk()));
    assert_eq!(run(&healthy, true).0.failures, 0);
    let mut refused = 0;
    for number in (0..healthy.changes()).step_by(5) {
        let sim = empty_disk();
        let disk = FaultDisk::new(Arc::new(sim.clone()));
        disk.fail_once(number, if number % 2 == 0 { Fault::Io } else { Fault::Full });
        let what = format!("change {number} failed");
        let (run, db) = run(&disk, true);
        refused += run.tried.0.len() - run.wanted.0.len();
        if let Some(db) = db {
            assert_eq!(content(&db), run.wanted.content(), "{what}");
            drop(db);
        }
        check(&content(&open(&sim.kill())), &run, run.wanted.0.len(), &what);
    }
    eprintln!("{} failures, {refused} commits refused", healthy.changes() / 5);
}

#[test]
fn acknowledged_samples_survive_crashes() {
    let mut stop = 0;
    let mut runs = 0;
    loop {
        let disk = empty_disk();
        let faulty = FaultDisk::new(Arc::new(disk.clone()));
        faulty.fail_from(stop);
        let (run, db) = run(&faulty, false);
        drop(db);
        let db = open(&disk.kill());
        check(&content(&db), &run, run.wanted.0.len(), &format!("killed after {stop} changes"));
        drop(db);
        for seed in 0..3 {
            let crashed = disk.crash(seed ^ stop << 8);
            let what = format!("power cut after {stop} changes, seed {seed}");
            let db = open(&crashed);
            let found = content(&db);
            check(&found, &run, run.synced, &what);
            // What came back stays, and the database works.
            db.close().expect("closes");
            drop(db);
            let db = open(&crashed);
            assert_eq!(content(&db), found, "{what}: opened twice");
            append(&db, START + 200 * HOUR, &[1.0]).expect("commits");
        }
        runs += 1;
        if run.failures == 0 {
            break;
        }
        // Every change at first, then with larger steps that meet all kinds of work.
        stop += 1 + stop / 40;
    }
    eprintln!("{runs} crashes");
    assert!(runs > 50);
}

#[test]
fn a_full_disk_refuses_and_recovers() {
    let sim = SimDisk::new();
    let disk = FaultDisk::new(Arc::new(sim.clone()));
    let db = open_with(Arc::new(disk.clone()), Path::new(DIR), options()).expect("opens");
    let mut wanted = Wanted::default();
    let mut refused = 0;
    for round in 0..400 {
        let time = START + round * 2 * MINUTE;
        // Room runs out now and then, in the middle of commits and of compactions.
        disk.set_budget((round % 10 < 4).then_some(round as u64 % 7 * 20));
        let row = values(round);
        match append(&db, time, &row) {
            Ok(()) => wanted.0.push((time, row)),
            Err(error) => {
                assert!(matches!(error, storage::Error::Io { .. }), "{error}");
                refused += 1;
            }
        }
        if round % 15 == 3 {
            drop(db.maintain(time));
        }
        if round % 50 == 0 {
            assert_eq!(content(&db), wanted.content(), "queries go on");
        }
    }
    assert!(refused > 50, "{refused}");
    disk.set_budget(None);
    let done = db.maintain(START + 24 * HOUR).expect("room again");
    assert!(done.head_blocks > 0 || !db.blocks().is_empty());
    assert_eq!(content(&db), wanted.content());
    drop(db);
    assert_eq!(content(&open(&sim.kill())), wanted.content(), "nothing refused came back");
}

#[test]
fn a_broken_block_is_left_out() {
    let disk = SimDisk::new();
    let db = open(&disk);
    fill(&db, &mut Wanted::default(), START, START + 8 * HOUR, MINUTE);
    db.close().expect("closes");
    let victim = db.blocks()[0].dir().to_owned();
    let rest = db.blocks().len() - 1;
    drop(db);
    disk.corrupt(&victim.join("index"), 0, 0xff);
    let lines = Arc::new(std::sync::Mutex::new(Vec::new()));
    let sink = Arc::clone(&lines);
    let registry = metrics::Registry::new();
    let db = Db::open(
        Arc::new(disk.clone()),
        Path::new(DIR),
        options(),
        7,
        &registry,
        Arc::new(move |line| sink.lock().expect("not poisoned").push(line.clone())),
    )
    .expect("opens without it");
    assert_eq!(db.blocks().len(), rest);
    let name = victim.display().to_string();
    let lines = lines.lock().expect("not poisoned");
    assert!(lines.iter().any(|line| line.fields.iter().any(|(_, text)| text.contains(&name))));
    let mut text = String::new();
    registry.encode_text(&mut text);
    assert!(text.contains("prometheus_tsdb_reloads_failures_total 1"), "{text}");
}

fn from_hex(text: &str) -> Vec<u8> {
    let digit = |c: u8| (c as char).to_digit(16).expect("a hex digit") as u8;
    text.as_bytes().chunks(2).map(|pair| digit(pair[0]) << 4 | digit(pair[1])).collect()
}

fn restore(line: &Value) -> SimDisk {
    let disk = SimDisk::new();
    for name in line["expected"]["files_before"].as_array().expect("a list") {
        let name = name.as_str().expect("a name");
        disk.create_dir(&Path::new(DIR).join(if name.ends_with('/') { name } else { "" }))
            .expect("directory");
    }
    for (path, hex) in line["files"].as_object().expect("files") {
        let path = Path::new(DIR).join(path);
        disk.create_dir(path.parent().expect("in a directory")).expect("directory");
        let mut file = disk.create(&path).expect("file");
        file.append(&from_hex(hex.as_str().expect("hex"))).expect("content");
    }
    disk
}

/// Why a recorded directory does not agree.
fn differs(name: &str) -> Option<&'static str> {
    Some(match name {
        "checkpoint-corrupt" | "checkpoint-corrupt-same-number" => {
            "Prometheus removes segments, then fails; here both are read on behind the damage"
        }
        "replay-invalid-histogram" => "Prometheus crashes; here the other samples are read",
        "wbl-beside-corrupt-wal" => {
            "Prometheus leaves the log of late samples unread; here it is read"
        }
        "replay-duplicate-series" => "Prometheus forgets the samples before the second record",
        "replay-same-ref-two-label-sets" => {
            "Prometheus reads neither; here the first label set stays"
        }
        _ => return None,
    })
}

/// Whether Prometheus cut the log.
fn is_damaged(expected: &Value) -> bool {
    let lines = expected["log"].as_array().map_or(&[][..], Vec::as_slice);
    lines.iter().filter_map(Value::as_str).any(|line| line.contains("corruption in segment"))
}

#[test]
fn recorded_logs_give_what_prometheus_reads() {
    let (mut agreed, mut left_out, mut gone_on) = (0, 0, 0);
    let lines = tests::golden("tsdb/segments.jsonl");
    for line in &lines {
        let name = line["name"].as_str().expect("a name");
        let expected = &line["expected"];
        if let Some(why) = differs(name) {
            eprintln!("{name}: {why}");
            open_with(Arc::new(restore(line)), Path::new(DIR), options()).expect("opens");
            left_out += 1;
            continue;
        }
        let disk = restore(line);
        let has_starts = name == "replay-v2-samples-xor2";
        let options = DbOptions { xor2: has_starts, keep_starts: has_starts, ..options() };
        let opened = open_with(Arc::new(disk), Path::new(DIR), options);
        assert_eq!(opened.is_ok(), expected["opened"] == true, "{name}: {opened:?}");
        if let Ok(db) = opened {
            let dump = expected["dump"].as_array().map_or(&[][..], Vec::as_slice);
            let (found, wanted) = (recorded_dirs::content(&db), recorded_dirs::recorded(dump));
            if is_damaged(expected) {
                // Prometheus stops at the damage; here it is read on behind it.
                let is_there = |(labels, samples): (&_, &Vec<_>)| {
                    let found: &Vec<_> = &found[labels];
                    samples.iter().all(|sample| found.contains(sample))
                };
                assert!(wanted.iter().all(is_there), "{name}: {found:?}, not {wanted:?}");
                gone_on += usize::from(found != wanted);
            } else {
                assert_eq!(found, wanted, "{name}");
            }
        }
        agreed += 1;
    }
    assert!(gone_on > 5, "{gone_on} with more than Prometheus has");
    eprintln!(
        "segments: {agreed} agree, {gone_on} of them with more behind the damage, {left_out} differ, of {}",
        lines.len()
    );
    assert_eq!(agreed + left_out, 98);
}

/// Copies a directory of Prometheus onto a disk.
fn copy(from: &Path, disk: &SimDisk, to: &Path) {
    disk.create_dir(to).expect("directory");
    for entry in std::fs::read_dir(from).expect("listed") {
        let entry = entry.expect("an entry");
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), disk, &target);
        } else {
            let bytes = std::fs::read(entry.path()).expect("content");
            disk.create(&target).expect("file").append(&bytes).expect("content");
        }
    }
}

#[test]
fn log_and_block_of_prometheus_hold_the_same() {
    let Some(shared) = tests::shared() else { return };
    let [log, block] = ["wal-only", "block"].map(|name| {
        let disk = SimDisk::new();
        copy(&shared.join("golden").join(name), &disk, Path::new(DIR));
        let mut content = content(&open(&disk));
        content.retain(|_, samples| !samples.is_empty());
        content
    });
    let floats = block.values().map(Vec::len).sum::<usize>();
    let differing: Vec<_> =
        block.iter().filter(|(labels, samples)| log.get(*labels) != Some(samples)).collect();
    eprintln!("{} float series with {floats} samples", block.len());
    assert!(differing.is_empty(), "{} differ: {:?}", differing.len(), differing.first());
    assert!(floats > 10_000, "{floats}");
}
