//! A log that is read back under a memory budget: what is done with goes to blocks on the way, nothing is lost, and a
//! start that dies over it leaves no trace.

use crate::interchange::written;
use disk::{Disk, Fault, FaultDisk, SimDisk};
use model::{STALE_NAN, SeriesRef};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use storage::{Appendable, FloatBatch, LabelBatch};
use tsdb::{Db, DbOptions, MemoryBudget};

const DIR: &str = "data";
const MINUTE: i64 = 60_000;
const START: i64 = 1_700_006_400_000;
const MIB: u64 = 1 << 20;

type Said = Arc<std::sync::Mutex<Vec<tsdb::LogLine>>>;

/// Opens the database with so much in use of a hundred, which is over as soon as it is open.
fn open(disk: Arc<dyn Disk>, used: u64) -> (tsdb::Result<Db>, Said) {
    let now = Arc::new(AtomicU64::new(used * MIB));
    let read = Arc::clone(&now);
    let options = DbOptions {
        retention_ms: 0,
        memory: Some(MemoryBudget::new(100 * MIB, Arc::new(move || read.load(Ordering::Relaxed)))),
        out_of_order_window_ms: 60 * MINUTE,
        head_image_growth_bytes: 1 << 30,
        ..DbOptions::default()
    };
    let said = Said::default();
    let sink = Arc::clone(&said);
    let sink: tsdb::LogSink =
        Arc::new(move |line| sink.lock().expect("not poisoned").push(line.clone()));
    // Another one each time, as from a source of randomness: the names of blocks come from it.
    static SEED: AtomicU64 = AtomicU64::new(7);
    let seed = SEED.fetch_add(0x9E37_79B9, Ordering::Relaxed);
    let db = Db::open(disk, Path::new(DIR), options, seed, &metrics::Registry::new(), sink);
    now.store(0, Ordering::Relaxed);
    (db, said)
}

/// All samples of the database as text.
fn content(db: &Db) -> Vec<String> {
    let mut lines = written::try_read(db).expect("reads");
    lines.sort_unstable();
    lines
}

fn append(db: &Db, names: &[String], time: i64, value: f64) {
    let pairs: Vec<_> = names.iter().map(|name| ("__name__", name.as_str())).collect();
    let ends: Vec<u32> = (1..=names.len() as u32).collect();
    let (mut refs, mut rejected) = (Vec::new(), Vec::new());
    let mut appender = db.appender(time);
    appender.resolve(LabelBatch::new(&pairs, &ends), &mut refs, &mut rejected).expect("labels");
    let refs: Vec<SeriesRef> = refs.into_iter().flatten().collect();
    let (times, values) = (vec![time; refs.len()], vec![value; refs.len()]);
    appender
        .append_floats(FloatBatch::new(&refs, &times, &values), &mut rejected)
        .expect("samples");
    assert_eq!(rejected, []);
    appender.commit().expect("commits");
}

fn names(kind: &str, from: i64, count: i64) -> Vec<String> {
    (from..from + count).map(|number| format!("{kind}-{number}")).collect()
}

/// What one generation of pods lives, in scrapes of fifteen seconds, and how many there are of each.
const LIFE: i64 = 20;
const PODS: i64 = 50;
const GENERATIONS: i64 = 20;

/// Pods that come and go for an hour and a half beside some that stay; one that comes back after half an hour; one that
/// sends what is late.
fn write_churn(db: &Db) {
    for scrape in 0..GENERATIONS * LIFE {
        let time = START + scrape * MINUTE / 4;
        let generation = scrape / LIFE;
        let mut pods = names("stays", 0, 20);
        pods.extend(names("pod", generation * PODS, PODS));
        if generation % 8 == 0 {
            pods.push("returns".to_owned());
        }
        // Many targets.
        pods.chunks(10).for_each(|pods| append(db, pods, time, scrape as f64));
        if scrape % LIFE == LIFE - 1 && generation % 3 == 0 {
            // Some generations end as pods do that discovery no longer names.
            append(db, &names("pod", generation * PODS, PODS), time + 1, STALE_NAN);
        }
        if scrape == 10 {
            append(db, &["late".to_owned()], time, 1.0);
            append(db, &["late".to_owned()], time - 5 * MINUTE, 2.0);
        }
    }
}

/// The directory as a kill leaves it.
fn killed() -> SimDisk {
    let disk = SimDisk::new();
    let (db, _) = open(Arc::new(disk.clone()), 0);
    write_churn(&db.expect("opens"));
    disk.kill()
}

fn field(line: &tsdb::LogLine, name: &str) -> u64 {
    let found = line.fields.iter().find(|(field, _)| *field == name).expect("a field");
    found.1.parse().expect("a number")
}

#[test]
fn a_replay_keeps_to_what_lives_and_loses_nothing() {
    let disk = killed();
    let (plain, _) = open(Arc::new(disk.kill()), 0);
    let plain = plain.expect("opens");
    let wanted = content(&plain);
    assert_eq!(plain.head().num_series() as i64, 20 + GENERATIONS * PODS + 2);
    let (db, said) = open(Arc::new(disk.clone()), 80);
    let db = db.expect("opens");
    assert_eq!(content(&db), wanted);
    let said = said.lock().expect("not poisoned");
    let spills: Vec<_> =
        said.iter().filter(|line| line.message.starts_with("Memory is short")).collect();
    // The head never had more than what lived within ten minutes, with those that come until one looks again.
    let most = spills.iter().map(|line| field(line, "series") + field(line, "series_left")).max();
    assert!(spills.len() > 3 && most.is_some_and(|most| most < 500), "{most:?} {said:?}");
    let over =
        said.iter().find(|line| line.message == "Series left memory while the log was replayed");
    let over = over.expect("said");
    assert!(field(over, "came_back") >= 1, "{over:?}");
    drop(said);
    // Those that live go on; one that comes back later is new.
    let next = START + GENERATIONS * LIFE * MINUTE / 4;
    let mut pods = names("stays", 0, 20);
    pods.extend(names("pod", 3, 1));
    append(&db, &pods, next, 1.0);
    let wanted = content(&db);
    drop(db);
    for used in [0, 80, 95] {
        let (db, _) = open(Arc::new(disk.kill()), used);
        let db = db.expect("opens");
        assert_eq!(content(&db), wanted, "{used}");
        let num_live = db.head().num_series() as i64;
        assert!(num_live < 400, "{num_live}: the log says which series went");
        db.maintain(next).expect("maintains");
        assert_eq!(content(&db), wanted, "{used}");
        assert!(!disk.exists(&Path::new(DIR).join("replay_spill")));
        drop(db);
        let (again, _) = open(Arc::new(disk.kill()), used);
        assert_eq!(content(&again.expect("opens")), wanted, "{used}");
    }
}

/// Whatever write fails, and wherever the process dies over it: the next start has everything.
#[test]
fn a_start_that_dies_on_the_way_leaves_no_trace() {
    let disk = killed();
    let (plain, _) = open(Arc::new(disk.kill()), 0);
    let wanted = content(&plain.expect("opens"));
    let whole = FaultDisk::new(Arc::new(disk.kill()));
    drop(open(Arc::new(whole.clone()), 80).0.expect("opens"));
    let num_changes = whole.changes();
    assert!(num_changes > 50, "{num_changes}");
    let (mut failed, mut opened) = (0, 0);
    // An odd step meets all kinds of changes.
    for (round, change) in (0..num_changes).step_by((num_changes as usize / 40) | 1).enumerate() {
        let sim = disk.kill();
        let faulty = FaultDisk::new(Arc::new(sim.clone()));
        let fault = if round % 2 == 0 { Fault::Io } else { Fault::Full };
        faulty.fail_once(change, fault);
        match open(Arc::new(faulty), 80).0 {
            Ok(db) => {
                opened += 1;
                assert_eq!(content(&db), wanted, "change {change}");
            }
            Err(_) => failed += 1,
        }
        for used in [80, 0] {
            let next = sim.kill();
            let (db, _) = open(Arc::new(next.clone()), used);
            assert_eq!(content(&db.expect("opens")), wanted, "change {change}, {used}");
            assert!(!next.exists(&Path::new(DIR).join("replay_spill")));
        }
    }
    assert!(failed > 0 && opened > 0, "{failed} {opened}");
}
