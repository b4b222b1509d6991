//! Threads that use the head at once, in many orders: commits, readers, mapping, truncation, late samples, series that
//! leave early, images. A value says to which series and time it belongs, so that one in a wrong place shows.
//!
//! `FIRESTEEL_ORDERS=100000` tries so many orders of each; `FIRESTEEL_ORDERS_SEED` chooses others.

use super::{Series, options, read, read_all, resolve};
use crate::head::{Head, HeadOptions};
use crate::sync::scheduled;
use disk::{Disk, SimDisk};
use model::{MatchOp, Matcher, SeriesRef, TimeRange};
use parking_lot::Mutex;
use shuttle::scheduler::RandomScheduler;
use shuttle::thread;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use storage::{Appendable, FloatBatch, Querier, Queryable, RejectReason, SelectHints};

const SECOND: i64 = 1000;

/// Bits of the values by series and time.
type Stored = BTreeMap<String, BTreeMap<i64, u64>>;

fn explore(scenario: fn()) {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let orders = number("FIRESTEEL_ORDERS").unwrap_or(400) as usize;
    let seed = number("FIRESTEEL_ORDERS_SEED").unwrap_or(1);
    let mut config = shuttle::Config::new();
    config.stack_size = 1 << 20;
    scheduled(|| {
        let scheduler = RandomScheduler::new_from_seed(seed, orders);
        shuttle::Runner::new(scheduler, config).run(scenario);
    });
}

fn value(name: &str, time: i64) -> f64 {
    let series = name.bytes().fold(0_i64, |sum, byte| sum * 131 + i64::from(byte));
    (series * 10_000 + time / SECOND) as f64
}

fn stored(series: Vec<Series>, range: TimeRange) -> Stored {
    let mut all = Stored::new();
    for (labels, samples) in series {
        assert!(samples.windows(2).all(|pair| pair[0].0 < pair[1].0), "{labels}: {samples:?}");
        let name = labels.strip_prefix("s=").expect("the label").to_owned();
        let inside = samples.into_iter().filter(|(time, _)| range.contains(*time));
        let twice = all.insert(name, inside.collect());
        assert!(twice.is_none(), "{labels} is there twice");
    }
    all
}

fn content(querier: &dyn Querier, range: TimeRange) -> Stored {
    stored(read(querier, &[], &SelectHints::default()), range)
}

/// A head, the blocks that were made of it, and what was acknowledged.
struct Store {
    head: Head,
    blocks: Mutex<Vec<Stored>>,
    ledger: Mutex<Stored>,
}

/// A store with chunks that are soon full.
fn store(num_shards: usize) -> Arc<Store> {
    store_on(Arc::new(SimDisk::new()), num_shards)
}

fn head_on(disk: Arc<dyn Disk>, num_shards: usize) -> Head {
    let options = HeadOptions {
        samples_per_chunk: 4,
        ooo_samples_per_chunk: 2,
        chunk_range_ms: 10 * SECOND,
        ..options(disk, num_shards)
    };
    Head::new(options, 7, &metrics::Registry::new())
}

fn store_on(disk: Arc<dyn Disk>, num_shards: usize) -> Arc<Store> {
    let head = head_on(disk, num_shards);
    Arc::new(Store { head, blocks: Mutex::default(), ledger: Mutex::default() })
}

impl Store {
    /// A transaction with one sample of each series. Those that went since they were found are tried again.
    fn commit(&self, names: &[&str], second: i64) {
        let time = second * SECOND;
        let mut left = names.to_vec();
        while !left.is_empty() {
            let mut appender = self.head.appender(0);
            let find = |name: &&str| resolve(&mut *appender, &[("s", name)]).unwrap();
            let refs: Vec<SeriesRef> = left.iter().map(find).collect();
            let times = vec![time; left.len()];
            let values: Vec<f64> = left.iter().map(|name| value(name, time)).collect();
            let mut rejected = Vec::new();
            let batch = FloatBatch::new(&refs, &times, &values);
            appender.append_floats(batch, &mut rejected).unwrap();
            appender.commit().unwrap();
            let mut ledger = self.ledger.lock();
            let mut again = Vec::new();
            for (row, name) in left.iter().enumerate() {
                let reason = rejected.iter().find(|r| r.row as usize == row).map(|r| r.reason);
                match reason {
                    None => {
                        let samples = ledger.entry((*name).to_owned()).or_default();
                        samples.insert(time, value(name, time).to_bits());
                    }
                    Some(RejectReason::UnknownRef) => again.push(*name),
                    Some(_) => {}
                }
            }
            left = again;
        }
    }

    /// Whether a reader that opens now sees all that is acknowledged, and nothing that never was written.
    fn look(&self) {
        let wanted = self.ledger.lock().clone();
        let querier = self.head.querier(TimeRange::ALL).unwrap();
        let blocks = self.blocks.lock().clone();
        let found = content(&*querier, TimeRange::ALL);
        drop(querier);
        check(&wanted, blocks, found);
    }

    fn publish(&self, querier: Box<dyn Querier>, range: TimeRange) {
        let block = content(&*querier, range);
        drop(querier);
        // Nobody gives way while this lock is held: it is a real one.
        self.blocks.lock().push(block);
    }

    /// Cuts blocks from the head as long as one is due.
    fn compact(&self) {
        while let Some(range) = self.head.compactable_range() {
            let end_ms = range.max_ms + 1;
            self.head.wait_for_appenders(end_ms);
            self.publish(self.head.in_order_querier(range), range);
            self.head.truncate_before(end_ms).unwrap();
        }
    }

    /// Makes a block of the samples that came late.
    fn compact_late(&self) {
        if let Some(cut) = self.head.cut_ooo().unwrap() {
            self.publish(self.head.ooo_querier(cut.range, &cut), cut.range);
            self.head.drop_ooo(&cut).unwrap();
        }
    }

    /// Makes a block of the series without samples since then.
    fn compact_idle(&self, second: i64) {
        if let Some(idle) = self.head.idle_series(second * SECOND) {
            self.publish(self.head.idle_querier(idle.range, &idle), idle.range);
            self.head.drop_idle(&idle).unwrap();
        }
    }
}

fn check(wanted: &Stored, blocks: Vec<Stored>, mut found: Stored) {
    for block in blocks {
        for (name, samples) in block {
            found.entry(name).or_default().extend(samples);
        }
    }
    for (name, samples) in &found {
        for (&time, &bits) in samples {
            let right = value(name, time);
            let have = f64::from_bits(bits);
            assert!(bits == right.to_bits(), "{name} at {time}: {have} instead of {right}");
        }
    }
    for (name, samples) in wanted {
        let have = found.get(name).cloned().unwrap_or_default();
        for time in samples.keys() {
            assert!(have.contains_key(time), "{name} lost {time}, has {:?}", have.keys());
        }
    }
}

/// What one of the threads does.
type Job = Box<dyn FnOnce(&Store) + Send>;

/// Runs each in a thread of its own, then looks.
fn together(store: &Arc<Store>, jobs: Vec<Job>) {
    let start = |job: Job| {
        let store = Arc::clone(store);
        thread::spawn(move || job(&store))
    };
    let threads: Vec<_> = jobs.into_iter().map(start).collect();
    threads.into_iter().for_each(|thread| thread.join().unwrap());
    store.look();
    store.head.map_full_chunks().unwrap();
    store.look();
}

fn looks(times: usize) -> Box<dyn FnOnce(&Store) + Send> {
    Box::new(move |store| (0..times).for_each(|_| store.look()))
}

fn maps(times: usize) -> Box<dyn FnOnce(&Store) + Send> {
    Box::new(move |store| (0..times).for_each(|_| store.head.map_full_chunks().unwrap()))
}

/// Commits of one sample of each series a second.
fn writes(
    names: &'static [&'static str],
    seconds: std::ops::Range<i64>,
) -> Box<dyn FnOnce(&Store) + Send> {
    Box::new(move |store| seconds.for_each(|second| store.commit(names, second)))
}

/// Finds what this was, when it is put back: places were counted by the chunks that a series had in memory when they were
/// entered, not when they were copied. A chunk that became full in between took the place of the next series' chunk. Two
/// other scenarios that map find it, too: idle series and images.
#[test]
fn chunks_are_mapped_while_others_become_full() {
    explore(|| {
        let store = store(1);
        (0..10).for_each(|second| store.commit(&["a", "b", "c"], second));
        let jobs = vec![writes(&["a"], 10..22), writes(&["b", "c"], 10..18), maps(3), looks(2)];
        together(&store, jobs);
    });
}

#[test]
fn a_commit_is_seen_whole_or_not_at_all() {
    const ONE: [&str; 3] = ["a", "b", "c"];
    const OTHER: [&str; 3] = ["p", "q", "r"];
    explore(|| {
        let store = store(4);
        let watch = |store: &Store| {
            let mut before = [0, 0];
            for _ in 0..4 {
                let querier = store.head.querier(TimeRange::ALL).unwrap();
                let mut found = content(&*querier, TimeRange::ALL);
                for (names, before) in [ONE, OTHER].iter().zip(&mut before) {
                    let mut count = |name: &str| found.entry(name.into()).or_default().len();
                    let counts = names.map(&mut count);
                    assert_eq!(counts, [counts[0]; 3], "half of a commit");
                    assert!(counts[0] >= *before, "a commit is gone");
                    *before = counts[0];
                }
            }
        };
        let jobs =
            vec![writes(&ONE, 0..8), writes(&OTHER, 0..8), Box::new(watch), looks(2), maps(2)];
        together(&store, jobs);
    });
}

#[test]
fn nothing_is_missed_while_the_head_is_cut() {
    explore(|| {
        let store = store(2);
        (0..5).for_each(|second| store.commit(&["old", "a"], second));
        (5..14).for_each(|second| store.commit(&["a"], second));
        let late_comers = |store: &Store| {
            store.commit(&["old", "new"], 17);
            store.commit(&["old"], 24);
        };
        let jobs = vec![
            writes(&["a"], 14..23),
            Box::new(late_comers),
            Box::new(|store: &Store| (0..2).for_each(|_| store.compact())),
            maps(1),
            looks(3),
        ];
        together(&store, jobs);
    });
}

#[test]
fn late_chunks_keep_their_files_while_the_head_is_cut() {
    explore(|| {
        let store = store(2);
        store.head.set_out_of_order_window(3600 * SECOND);
        (0..15).for_each(|second| store.commit(&["a"], second));
        store.commit(&["late"], 16);
        let late = |store: &Store| {
            [14, 12, 13, 10, 15, 11].iter().for_each(|&second| store.commit(&["late"], second));
        };
        let jobs = vec![
            writes(&["a"], 17..20),
            Box::new(late),
            Box::new(|store: &Store| store.compact()),
            looks(2),
        ];
        together(&store, jobs);
    });
}

#[test]
fn nothing_is_missed_while_late_samples_leave() {
    explore(|| {
        let store = store(2);
        store.head.set_out_of_order_window(3600 * SECOND);
        [0, 100].iter().for_each(|&second| store.commit(&["a", "b"], second));
        let jobs = vec![
            writes(&["a"], 40..46),
            writes(&["a", "b"], 60..64),
            writes(&["b"], 101..107),
            Box::new(|store: &Store| (0..2).for_each(|_| store.compact_late())),
            maps(2),
            looks(3),
        ];
        together(&store, jobs);
    });
}

#[test]
fn nothing_is_missed_while_idle_series_leave() {
    explore(|| {
        let store = store(1);
        (0..6).for_each(|second| store.commit(&["a", "b", "c"], second));
        (6..9).for_each(|second| store.commit(&["c"], second));
        let jobs = vec![
            writes(&["a"], 9..12),
            writes(&["c"], 9..15),
            Box::new(|store: &Store| (0..2).for_each(|_| store.compact_idle(8))),
            maps(2),
            looks(3),
        ];
        together(&store, jobs);
    });
}

/// Finds what this was: label pairs are freed slice by slice, and who looks through the values of a label between two of
/// them, and goes on where it was, misses some, or takes a value for the one that had its place before.
#[test]
fn a_pattern_meets_every_value_while_series_leave() {
    const STAY: [&str; 3] = ["stay1", "stay2", "stay3"];
    explore(|| {
        let store = store(1);
        for second in 0..5 {
            store.commit(&["gone1", "gone2", "gone3", "gone4", "gone5"], second);
        }
        store.commit(&STAY, 10);
        store.commit(&STAY, 20);
        let watch = |store: &Store| {
            let pattern = [Matcher::new("s", MatchOp::Regex, "(stay|new).+").unwrap()];
            for _ in 0..3 {
                let querier = store.head.querier(TimeRange::ALL).unwrap();
                let found = read(&*querier, &pattern, &SelectHints::default());
                let found = stored(found, TimeRange::new(20 * SECOND, i64::MAX));
                for name in STAY {
                    assert!(found.contains_key(name), "{name} is not in {:?}", found.keys());
                }
                assert!(!found.keys().any(|name| name.starts_with("gone")), "{:?}", found.keys());
                check(&Stored::new(), Vec::new(), found);
            }
        };
        let jobs = vec![
            writes(&["new1", "new2"], 21..23),
            Box::new(|store: &Store| store.compact()),
            Box::new(watch),
            Box::new(watch),
        ];
        together(&store, jobs);
    });
}

#[test]
fn a_series_is_created_once() {
    explore(|| {
        let store = store(1);
        // Who creates a series last may have the older samples.
        store.head.set_out_of_order_window(3600 * SECOND);
        let jobs = vec![writes(&["a", "b", "c"], 0..3), writes(&["c", "a"], 3..6), looks(2)];
        together(&store, jobs);
        assert_eq!(store.head.num_series(), 3);
    });
}

/// A head with what the image has, and the log from its segment on.
fn restored(disk: &Arc<dyn Disk>, segment: u32) -> Head {
    let head = head_on(Arc::clone(disk), 2);
    let (mut replay, loaded) = head.replay().unwrap();
    assert_eq!(loaded.corruption, None);
    let mut image = wal::Reader::dir(Arc::clone(disk), Path::new("image")).unwrap();
    assert!(Head::load_image(&mut replay, &mut image), "the image fits");
    let all = wal::list_segments(&**disk, Path::new("wal")).unwrap();
    let behind = all.into_iter().filter(|&number| number >= segment);
    let mut log = wal::Reader::segments(Arc::clone(disk), Path::new("wal"), behind).unwrap();
    while let Some(record) = log.next_record().unwrap() {
        replay.apply(record).unwrap();
    }
    replay.finish().unwrap();
    head
}

#[test]
fn an_image_and_the_log_behind_it_have_everything() {
    explore(|| {
        let disk: Arc<dyn Disk> = Arc::new(SimDisk::new());
        let store = store_on(Arc::clone(&disk), 2);
        let log = wal::Writer::open(Arc::clone(&disk), Path::new("wal"), Head::image_options());
        store.head.set_log(Arc::new(Mutex::new(log.unwrap())));
        (0..10).for_each(|second| store.commit(&["a", "b"], second));
        let cut = Arc::new(Mutex::new(0));
        let (seen, image_disk) = (Arc::clone(&cut), Arc::clone(&disk));
        let takes_image = move |store: &Store| {
            *seen.lock() = store.head.cut_log_for_image().unwrap().unwrap();
            let mut image = Head::new_image(&image_disk, Path::new("image")).unwrap();
            store.head.write_image(&mut image).unwrap();
            image.close().unwrap();
        };
        let jobs = vec![
            writes(&["a", "new"], 10..16),
            writes(&["b"], 10..16),
            Box::new(takes_image),
            maps(2),
        ];
        together(&store, jobs);
        let again = restored(&disk, *cut.lock());
        let found = stored(read_all(&again), TimeRange::ALL);
        assert_eq!(found, *store.ledger.lock());
    });
}
