//! One flipped bit in any file of a small data directory: it opens or says which file is in the way, what is read was
//! written, and what is missing is told of. Some positions of each file by default; FIRESTEEL_EVERY_BYTE=1 tries all.

use crate::interchange::written::{self, START, STEP, Written};
use disk::{Disk, SimDisk};
use model::{MatchOp, Matcher, TimeRange};
use parking_lot::Mutex;
use std::collections::BTreeSet;
use std::panic::AssertUnwindSafe;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tsdb::{Db, DbOptions, Level};

const DIR: &str = "/data";

/// Positions of a file that are tried unless all are.
const POSITIONS: usize = 48;

/// Opens the directory; also what was said that somebody should know.
fn open(disk: &SimDisk) -> (tsdb::Result<Db>, Arc<Mutex<Vec<String>>>) {
    let options = DbOptions {
        retention_ms: 0,
        min_block_ms: 20 * STEP,
        max_block_ms: 20 * STEP,
        wal_segment_bytes: 32 * 1024,
        out_of_order_window_ms: 3_600_000,
        max_exemplars: 100,
        keep_metadata: true,
        head_image_growth_bytes: 1,
        no_lockfile: true,
        xor2: true,
        started_histograms: true,
        keep_starts: true,
        ..DbOptions::default()
    };
    let said = Arc::new(Mutex::new(Vec::new()));
    let listener = Arc::clone(&said);
    let sink = Arc::new(move |line: &tsdb::LogLine| {
        if line.level >= Level::Warn {
            listener.lock().push(format!("{} {:?}", line.message, line.fields));
        }
    });
    let disk: Arc<dyn Disk> = Arc::new(disk.clone());
    let db = Db::open(disk, Path::new(DIR), options, 7, &metrics::Registry::new(), sink);
    (db, said)
}

/// A directory with files of every kind, what is read from it, and what was ever written to it.
fn directory() -> (SimDisk, BTreeSet<String>, BTreeSet<String>) {
    let disk = SimDisk::new();
    let (db, _) = open(&disk);
    let db = db.expect("opens");
    let mut written = Written::new(true);
    for round in 0..7 {
        written.write(&db, round * 16..round * 16 + 16);
        db.maintain(START + round * 16 * STEP).expect("maintains");
    }
    let all = written.samples().into_iter().collect();
    for (begin, end) in [(3, 9), (100, 103)] {
        let matcher = Matcher::new("__name__", MatchOp::Equal, "c3").expect("matcher");
        let range = TimeRange::new(START + begin * STEP, START + end * STEP);
        db.delete(range, &[vec![matcher]]).expect("deletes");
        written.delete("c3", range);
    }
    db.close().expect("closes");
    drop(db);
    // As after a kill: the log has more than the image.
    let (db, _) = open(&disk);
    let db = db.expect("opens");
    written.write(&db, 112..122);
    let all = written.samples().into_iter().chain::<BTreeSet<String>>(all).collect();
    db.sync().expect("syncs");
    (disk.kill(), written.samples().into_iter().collect(), all)
}

fn files(disk: &SimDisk, dir: &Path, out: &mut Vec<PathBuf>) {
    for name in disk.list(dir).expect("listing") {
        let path = dir.join(name);
        if disk.is_dir(&path) {
            files(disk, &path, out);
        } else if disk.len(&path).expect("length") > 0 {
            out.push(path);
        }
    }
}

/// What kind of file this is, if it is one that is told apart.
fn kind(path: &Path) -> Option<&'static str> {
    let text = path.to_str().expect("UTF-8");
    let name = path.file_name()?.to_str()?;
    let folder = path.parent()?.file_name()?.to_str()?;
    Some(match (folder, name) {
        ("head_image", _) => "image",
        ("chunks_head", _) => "head chunks",
        ("wbl", _) => "late log",
        ("chunks", _) => "block chunks",
        ("wal", _) => "log",
        _ if text.contains("/checkpoint.") => "checkpoint",
        (_, "index") => "index",
        (_, "tombstones") => "tombstones",
        (_, "meta.json") => "meta",
        _ => return None,
    })
}

/// Without a marker that is written after what it ends and takes its kind from there.
fn settled(lines: Vec<String>) -> BTreeSet<String> {
    lines.into_iter().filter(|line| !line.contains("stale_histogram")).collect()
}

#[derive(Default)]
struct Outcomes {
    unharmed: u32,
    told: u32,
    refused: u32,
}

/// Opens and reads the directory with one byte changed.
fn attempt(
    damaged: &SimDisk,
    path: &Path,
    wanted: &BTreeSet<String>,
    all: &BTreeSet<String>,
    outcomes: &mut Outcomes,
) -> Result<(), String> {
    let (db, said) = open(damaged);
    let db = match db {
        Ok(db) => db,
        Err(error) => {
            let name = path.file_name().expect("a name").to_str().expect("UTF-8");
            outcomes.refused += 1;
            let names_it = error.to_string().contains(name);
            return if names_it { Ok(()) } else { Err(format!("refused: {error}")) };
        }
    };
    let is_told = !said.lock().is_empty();
    let Some(found) = written::try_read(&db) else {
        outcomes.told += 1;
        return Ok(());
    };
    let found = settled(found);
    // Nothing vouches for what meta.json says.
    let is_vouched = kind(path) != Some("meta");
    if let Some(line) = found.iter().find(|line| !all.contains(*line)) {
        return Err(format!("never written: {line}"));
    }
    if found == *wanted {
        outcomes.unharmed += 1;
    } else if is_told || !is_vouched {
        outcomes.told += 1;
    } else {
        let lost = wanted.difference(&found).next();
        return Err(format!("{} of {} in silence: {lost:?}", found.len(), wanted.len()));
    }
    Ok(())
}

#[test]
fn a_flipped_bit_anywhere_is_survived() {
    let (clean, wanted, all) = directory();
    let (wanted, all) = (settled(wanted.into_iter().collect()), all);
    let every = std::env::var_os("FIRESTEEL_EVERY_BYTE").is_some();
    let mut paths = Vec::new();
    files(&clean, Path::new(DIR), &mut paths);
    let mut seen = BTreeSet::new();
    let mut failures = Vec::new();
    for path in paths {
        let Some(kind) = kind(&path).filter(|kind| seen.insert(*kind) || every) else { continue };
        let len = clean.len(&path).expect("length") as usize;
        // An odd step meets all places within words, and the ends are the most telling.
        let step = if every { 1 } else { (len / POSITIONS) | 1 };
        let offsets = (0..len.min(12)).chain((12..len).step_by(step)).chain([len - 1]);
        let mut outcomes = Outcomes::default();
        for (number, offset) in offsets.enumerate() {
            let mask = 1 << (number % 8);
            let damaged = clean.kill();
            damaged.corrupt(&path, offset, mask);
            if kind.ends_with("log") || kind == "checkpoint" {
                // Else a start would not read that far back.
                damaged.remove(&Path::new(DIR).join("head_image")).expect("removed");
            }
            let outcome = std::panic::catch_unwind(AssertUnwindSafe(|| {
                attempt(&damaged, &path, &wanted, &all, &mut outcomes)
            }));
            let place = format!("{} at {offset} mask {mask:#x}", path.display());
            match outcome {
                Ok(Ok(())) => {}
                Ok(Err(what)) => failures.push(format!("{place}: {what}")),
                Err(_) => failures.push(format!("{place}: panicked")),
            }
        }
        let Outcomes { unharmed, told, refused } = outcomes;
        println!("{kind}: {len} bytes; {unharmed} unharmed, {told} told, {refused} refused");
    }
    assert_eq!(seen.len(), 9, "{seen:?}");
    assert!(failures.is_empty(), "{}:\n{}", failures.len(), failures.join("\n"));
}

#[test]
fn what_is_behind_a_damaged_record_is_read() {
    let disk = SimDisk::new();
    let (db, _) = open(&disk);
    let db = db.expect("opens");
    let mut written = Written::new(true);
    written.write(&db, 0..360);
    drop(db);
    let disk = disk.kill();
    let wal = Path::new(DIR).join("wal");
    let segments = wal::list_segments(&disk, &wal).expect("segments");
    assert!(segments.len() > 2, "{segments:?}");
    // The last byte of its data, so that the length of the record stays as it is.
    let (segment, mut ends) = (segments[1], Vec::new());
    let mut reader =
        wal::Reader::segment(Arc::new(disk.clone()), &wal, segment).expect("a segment");
    while reader.advance().expect("whole") {
        ends.push(reader.position().offset as usize);
    }
    disk.corrupt(&wal::segment_path(&wal, segment), ends[ends.len() / 2] - 1, 1);
    let (db, said) = open(&disk);
    let db = db.expect("opens");
    let wanted = settled(written.samples());
    let found = settled(written::try_read(&db).expect("reads"));
    assert!(found.is_subset(&wanted));
    let lost = wanted.len() - found.len();
    assert!((1..wanted.len() / 100).contains(&lost), "{lost} of {}", wanted.len());
    let said = said.lock();
    assert!(said.iter().any(|line| line.contains("Reading on behind the damage")), "{said:?}");
    drop(db);
    let (again, said) = open(&disk.kill());
    assert_eq!(settled(written::try_read(&again.expect("opens")).expect("reads")), found);
    assert!(said.lock().iter().all(|line| !line.contains("repair")), "mended for good");
}
