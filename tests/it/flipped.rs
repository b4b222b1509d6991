//! One flipped bit in any file of a small data directory, and any file cut short: it opens or says which file is in the
//! way, what is read was written, and what is missing is told of. Some positions of a file of each kind by default;
//! FIRESTEEL_EVERY_BYTE=1 tries all those of the smallest one, and `--nocapture` shows how far it is.

mod agent;

use crate::interchange::written::{self, START, STEP, Written};
use disk::{Disk, SimDisk};
use model::{MatchOp, Matcher, TimeRange};
use parking_lot::Mutex;
use std::collections::BTreeSet;
use std::panic::AssertUnwindSafe;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tsdb::{Db, DbOptions, Level};
use wal::Compression;

const DIR: &str = "/data";

/// Positions of a file that are tried unless all are.
const POSITIONS: usize = 48;

/// What was said that somebody should know.
type Said = Arc<Mutex<Vec<String>>>;

fn listen() -> (Said, tsdb::LogSink) {
    let said = Said::default();
    let listener = Arc::clone(&said);
    let sink = Arc::new(move |line: &tsdb::LogLine| {
        if line.level >= Level::Warn {
            listener.lock().push(format!("{} {:?}", line.message, line.fields));
        }
    });
    (said, sink)
}

/// Opens the directory; also what was said.
fn open(disk: &SimDisk) -> (tsdb::Result<Db>, Said) {
    open_with(disk, Compression::Snappy)
}

fn open_with(disk: &SimDisk, wal_compression: Compression) -> (tsdb::Result<Db>, Said) {
    let options = DbOptions {
        retention_ms: 0,
        min_block_ms: 20 * STEP,
        max_block_ms: 20 * STEP,
        wal_segment_bytes: 32 * 1024,
        wal_compression,
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
    let (said, sink) = listen();
    let disk: Arc<dyn Disk> = Arc::new(disk.clone());
    let db = Db::open(disk, Path::new(DIR), options, 7, &metrics::Registry::new(), sink);
    (db, said)
}

/// A directory with files of every kind, what is read from it, and what was ever written to it.
fn directory(compression: Compression) -> (SimDisk, BTreeSet<String>, BTreeSet<String>) {
    let disk = SimDisk::new();
    let (db, _) = open_with(&disk, compression);
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
    let (db, _) = open_with(&disk, compression);
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
    silent: u32,
    refused: u32,
}

/// A directory and what may become of it.
pub(crate) struct Directory {
    pub(crate) clean: SimDisk,
    wanted: BTreeSet<String>,
    all: BTreeSet<String>,
    failures: Vec<String>,
}

impl Directory {
    pub(crate) fn new(compression: Compression) -> Self {
        let (clean, wanted, all) = directory(compression);
        let wanted = settled(wanted.into_iter().collect());
        Self { clean, wanted, all, failures: Vec::new() }
    }

    /// One file of each kind, the smallest where every byte is tried.
    pub(crate) fn files(&self) -> Vec<(&'static str, PathBuf)> {
        let mut paths = Vec::new();
        files(&self.clean, Path::new(DIR), &mut paths);
        if is_every_byte() {
            paths.sort_by_key(|path| self.clean.len(path).expect("length"));
        }
        let mut seen = BTreeSet::new();
        let kinds = paths.into_iter().filter_map(|path| Some((kind(&path)?, path)));
        kinds.filter(|(kind, _)| seen.insert(*kind)).collect()
    }

    /// Copies of the directory with the file changed at some places, each opened and read.
    fn damage(&mut self, kind: &str, path: &Path, change: impl Fn(&SimDisk, usize, usize)) {
        let len = self.clean.len(path).expect("length") as usize;
        // An odd step meets all places within words, and the ends are the most telling.
        let step = if is_every_byte() { 1 } else { (len / POSITIONS) | 1 };
        let offsets = (0..len.min(12)).chain((12..len).step_by(step)).chain([len - 1]);
        let mut outcomes = Outcomes::default();
        for (number, offset) in offsets.enumerate() {
            let damaged = self.clean.kill();
            change(&damaged, number, offset);
            if kind.ends_with("log") || kind == "checkpoint" {
                // Else a start would not read that far back.
                damaged.remove(&Path::new(DIR).join("head_image")).expect("removed");
            }
            let outcome = std::panic::catch_unwind(AssertUnwindSafe(|| {
                self.attempt(&damaged, path, &mut outcomes)
            }));
            let place = format!("{} at {offset}, number {number}", path.display());
            match outcome {
                Ok(Ok(())) => {}
                Ok(Err(what)) => self.failures.push(format!("{place}: {what}")),
                Err(_) => self.failures.push(format!("{place}: panicked")),
            }
        }
        let Outcomes { unharmed, told, silent, refused } = outcomes;
        println!(
            "{kind}: {len} bytes; {unharmed} unharmed, {told} told, {silent} not to be known, {refused} refused"
        );
    }

    /// Opens and reads the directory with one file changed.
    fn attempt(
        &self,
        damaged: &SimDisk,
        path: &Path,
        outcomes: &mut Outcomes,
    ) -> Result<(), String> {
        let len_before = damaged.len(path).expect("length");
        let (db, said) = open(damaged);
        let db = match db {
            Ok(db) => db,
            Err(error) => {
                let name = path.file_name().expect("a name").to_str().expect("UTF-8");
                outcomes.refused += 1;
                println!("refused: {error}");
                let is_log = matches!(kind(path), Some("log" | "late log" | "checkpoint"));
                let is_meant = error.to_string().contains(name) && !is_log;
                return if is_meant { Ok(()) } else { Err(format!("refused: {error}")) };
            }
        };
        let is_told = !said.lock().is_empty();
        let Some(found) = written::try_read(&db) else {
            outcomes.told += 1;
            return Ok(());
        };
        let found = settled(found);
        if let Some(line) = found.iter().find(|line| !self.all.contains(*line)) {
            return Err(format!("never written: {line}"));
        }
        let whole_len = self.clean.len(path).expect("length");
        let is_cut = len_before < whole_len;
        // Nothing vouches for what meta.json says, nor for how long a segment of a log was.
        let is_vouched = match kind(path) {
            Some("meta") => false,
            Some("log" | "late log" | "checkpoint") => !is_cut,
            _ => true,
        };
        if found == self.wanted {
            outcomes.unharmed += 1;
        } else if is_told {
            outcomes.told += 1;
        } else if !is_vouched {
            outcomes.silent += 1;
        } else {
            let lost = self.wanted.difference(&found).next();
            return Err(format!("{} of {} in silence: {lost:?}", found.len(), self.wanted.len()));
        }
        Ok(())
    }

    fn judge(&self) {
        assert!(self.failures.is_empty(), "{}:\n{}", self.failures.len(), self.failures.join("\n"));
    }
}

fn is_every_byte() -> bool {
    std::env::var_os("FIRESTEEL_EVERY_BYTE").is_some()
}

/// Turns one bit.
fn flip(path: &Path) -> impl Fn(&SimDisk, usize, usize) {
    move |disk, number, offset| disk.corrupt(path, offset, 1 << (number % 8))
}

#[test]
fn a_flipped_bit_anywhere_is_survived() {
    let mut directory = Directory::new(Compression::Snappy);
    let files = directory.files();
    let kinds: BTreeSet<&str> = files.iter().map(|(kind, _)| *kind).collect();
    assert_eq!(kinds.len(), 9, "{kinds:?}");
    for (kind, path) in files {
        directory.damage(kind, &path, flip(&path));
    }
    directory.judge();
}

#[test]
fn a_flipped_bit_in_a_log_of_zstd_is_survived() {
    let mut directory = Directory::new(Compression::Zstd);
    for (kind, path) in directory.files() {
        if matches!(kind, "log" | "late log" | "checkpoint" | "image") {
            directory.damage(kind, &path, flip(&path));
        }
    }
    directory.judge();
}

#[test]
fn a_file_cut_short_anywhere_is_survived() {
    let mut directory = Directory::new(Compression::Snappy);
    for (kind, path) in directory.files() {
        directory.damage(kind, &path, |disk, _, offset| {
            drop(disk.open_append(&path, offset as u64).expect("cut"));
        });
    }
    directory.judge();
}

/// An image keeps a start from reading the checkpoint: its damage is found when the next one is written from it. Without
/// that one the log would grow for good.
#[test]
fn a_damaged_checkpoint_is_mended_when_the_next_is_written() {
    let directory = Directory::new(Compression::Snappy);
    let (_, path) =
        directory.files().into_iter().find(|(kind, _)| *kind == "checkpoint").expect("one");
    let damaged = directory.clean.kill();
    flip(&path)(&damaged, 0, 20);
    let (db, said) = open(&damaged);
    let db = db.expect("opens");
    assert!(said.lock().is_empty(), "{:?}", said.lock());
    let wal = Path::new(DIR).join("wal");
    let covered = || wal::checkpoint::last(&damaged, &wal).expect("listed").expect("one").segment;
    let before = covered();
    let mut written = Written::new(true);
    let mut round = 122;
    while covered() == before {
        assert!(round < 600, "{:?}", said.lock());
        written.write(&db, round..round + 16);
        round += 16;
        db.maintain(START + round * STEP).expect("maintains");
    }
    assert!(said.lock().iter().any(|line| line.contains("quarantine")), "{:?}", said.lock());
    let found = db.quarantined().expect("listed");
    let dir = found[0].dir.file_name().expect("a name").to_str().expect("UTF-8");
    assert!(dir.starts_with("checkpoint."), "{dir}");
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
    let quarantined = db.quarantined().expect("listed");
    let loss = quarantined[0].loss;
    assert!((1..2000).contains(&loss.num_samples), "{lost} lines lost, {loss:?}");
    let range = loss.range.expect("there are samples around");
    assert!(range.min_ms >= START && range.max_ms <= START + 360 * STEP, "{loss:?}");
    assert!(range.max_ms - range.min_ms <= 4 * STEP, "{loss:?}");
    drop(db);
    let (again, said) = open(&disk.kill());
    assert_eq!(settled(written::try_read(&again.expect("opens")).expect("reads")), found);
    assert!(said.lock().iter().all(|line| !line.contains("repair")), "mended for good");
}
