//! A file system that is really full: writes are refused, reads go on, nothing that was acknowledged is lost, and
//! writes are taken again once there is room. Mounts a small tmpfs; where that is not allowed the test skips aloud.

use crate::recorded_dirs;
use disk::{Disk, RealDisk};
use model::SeriesRef;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use storage::{Appendable, FloatBatch, LabelBatch};
use tsdb::{Db, DbOptions};

const START: i64 = 1_700_006_400_000;
const NUM_SERIES: usize = 50;

/// A tmpfs of four megabytes, gone at the end.
struct Mount(PathBuf);

impl Mount {
    fn new() -> Option<Self> {
        let dir = std::env::temp_dir().join(format!("firesteel-full-{}", std::process::id()));
        fs::create_dir_all(&dir).ok()?;
        let mount = Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=4m", "tmpfs"])
            .arg(&dir)
            .output();
        if mount.is_ok_and(|output| output.status.success()) {
            return Some(Self(dir));
        }
        fs::remove_dir(&dir).ok()?;
        None
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        drop(Command::new("umount").arg("-l").arg(&self.0).status());
        drop(fs::remove_dir(&self.0));
    }
}

fn open(dir: &Path) -> Db {
    let options =
        DbOptions { retention_ms: 0, wal_segment_bytes: 32 * 1024, ..DbOptions::default() };
    let disk: Arc<dyn Disk> = Arc::new(RealDisk);
    let registry = metrics::Registry::new();
    Db::open(disk, dir, options, 7, &registry, Arc::new(|_| {})).expect("opens")
}

/// One sample of each series, of values that do not compress.
fn write(db: &Db, time: i64) -> storage::Result<()> {
    let names: Vec<String> = (0..NUM_SERIES).map(|id| format!("{id:02}")).collect();
    let pairs: Vec<_> = names.iter().flat_map(|id| [("__name__", "m"), ("id", id)]).collect();
    let ends: Vec<u32> = (1..=NUM_SERIES as u32).map(|count| count * 2).collect();
    let (mut refs, mut rejected) = (Vec::new(), Vec::new());
    let mut appender = db.appender(time);
    appender.resolve(LabelBatch::new(&pairs, &ends), &mut refs, &mut rejected)?;
    let refs: Vec<SeriesRef> = refs.into_iter().flatten().collect();
    let times = vec![time; NUM_SERIES];
    let values: Vec<f64> = (0..NUM_SERIES).map(|id| ((time + id as i64) as f64).sin()).collect();
    appender.append_floats(FloatBatch::new(&refs, &times, &values), &mut rejected)?;
    assert!(rejected.is_empty(), "{rejected:?}");
    appender.commit()
}

/// The times of each series.
fn times(db: &Db) -> Vec<Vec<i64>> {
    let all = recorded_dirs::content(db);
    all.values().map(|samples| samples.iter().map(|sample| sample.0).collect()).collect()
}

#[test]
fn nothing_acknowledged_is_lost_on_a_full_disk() {
    let Some(mount) = Mount::new() else {
        println!("skipped: mounting a tmpfs is not allowed here");
        return;
    };
    let (dir, filler) = (mount.0.join("data"), mount.0.join("filler"));
    fs::write(&filler, vec![1; 3 << 20]).expect("room for three of four megabytes");
    let db = open(&dir);
    let mut acknowledged = Vec::new();
    let mut time = START;
    let error = loop {
        time += 1000;
        match write(&db, time) {
            Ok(()) => acknowledged.push(time),
            Err(error) => break error,
        }
        assert!(acknowledged.len() < 20_000, "a megabyte holds that much");
    };
    assert!(acknowledged.len() > 100, "{}", acknowledged.len());
    assert!(error.to_string().contains("No space left"), "{error}");
    assert!(write(&db, time + 1000).is_err(), "it stays full");
    assert_eq!(times(&db), vec![acknowledged.clone(); NUM_SERIES], "reads go on");
    fs::remove_file(&filler).expect("removed");
    for _ in 0..100 {
        time += 2000;
        write(&db, time).expect("there is room");
        acknowledged.push(time);
    }
    assert_eq!(times(&db), vec![acknowledged.clone(); NUM_SERIES]);
    // As after a kill.
    drop(db);
    let db = open(&dir);
    assert_eq!(times(&db), vec![acknowledged; NUM_SERIES], "the log has all of it");
}
