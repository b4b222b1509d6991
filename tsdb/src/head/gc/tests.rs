//! Truncation: what goes, what stays, who waits.

use super::Collected;
use crate::head::Head;
use crate::head::tests::{commit, equal, head, open, options, read, read_all, resolve};
use disk::{Disk, SimDisk};
use model::{MatchOp, Matcher, TimeRange};
use std::path::Path;
use std::sync::Arc;
use storage::{Appendable, Queryable, SelectHints};

const HOUR: i64 = 3_600_000;

#[test]
fn churn_leaves_nothing_behind() {
    let head = head();
    for round in 0..5i64 {
        for series in 0..300 {
            let pod = format!("pod-{round}-{series}");
            let at = round * 4 * HOUR;
            commit(&head, &[("job", "x"), ("pod", &pod)], &[(at, 1.0), (at + HOUR, 2.0)]);
        }
        assert_eq!(head.num_series(), if round == 0 { 300 } else { 600 });
        head.truncate_before(round * 4 * HOUR).unwrap();
        assert_eq!((head.num_series(), head.num_chunks()), (300, 300));
    }
    let slots: u32 = head.0.shards.iter().map(|shard| shard.0.read().cold.len()).sum();
    // Not exactly two rounds: the rounds do not spread evenly over the shards.
    assert!(slots < 800, "slots are used again: {slots}");
    let texts: usize = head.0.shards.iter().map(|shard| shard.0.read().labels.text_bytes()).sum();
    assert!(texts < 300 * 12, "label strings go with their series: {texts}");
    let querier = head.querier(TimeRange::ALL).unwrap();
    let matchers = [equal("pod", "pod-4-7"), equal("job", "x")];
    assert_eq!(read(&*querier, &matchers, &SelectHints::default()).len(), 1);
    assert_eq!(querier.label_values("pod", &[], 0).unwrap().len(), 300);
    assert_eq!(querier.label_values("pod", &[equal("pod", "pod-3-7")], 0).unwrap().len(), 0);
    assert!(!head.is_series_alive(1));
    assert!(head.is_series_alive(1201));
    assert!(head.keeps_series_record(1, 0));
    head.forget_expired(i64::MAX);
    assert!(!head.keeps_series_record(1, 0));
}

/// A collection lets readers in while posting lists still name series that it took away.
#[test]
fn series_on_their_way_out_are_passed_over() {
    let head = head();
    for pod in ["a", "b", "c"] {
        commit(&head, &[("job", "x"), ("pod", pod)], &[(1000, 1.0)]);
    }
    let querier = head.querier(TimeRange::ALL).unwrap();
    let mut gone = Collected::NOTHING;
    for shard in &head.0.shards {
        let mut shard = shard.0.write();
        for slot in 0..shard.cold.len() {
            if shard.cold[slot].number == 2 {
                shard.drop_chunks(slot, &mut gone);
                shard.forget(slot);
            }
        }
    }
    let matchers = [equal("job", "x"), Matcher::new("zone", MatchOp::NotEqual, "y").unwrap()];
    let absent = [equal("job", "x"), Matcher::new("pod", MatchOp::NotEqual, "c").unwrap()];
    assert_eq!(read(&*querier, &matchers, &SelectHints::default()).len(), 2);
    assert_eq!(read(&*querier, &absent, &SelectHints::default()).len(), 1);
    assert_eq!(querier.label_values("pod", &matchers, 0).unwrap().len(), 2);
    assert_eq!(querier.label_names(&absent, 0).unwrap().len(), 2);
}

#[test]
fn chunks_and_their_files_go() {
    let disk = SimDisk::new();
    let (head, _) = open(Arc::new(disk.clone()), 2);
    let samples: Vec<(i64, f64)> = (0..2000).map(|i| (i * 15_000, i as f64)).collect();
    for part in samples.chunks(100) {
        commit(&head, &[("a", "1")], part);
    }
    head.map_full_chunks().unwrap();
    let range = head.compactable_range().unwrap();
    assert_eq!((range.min_ms, range.max_ms), (0, 2 * HOUR - 1));
    head.truncate_before(2 * HOUR).unwrap();
    assert_eq!((head.min_time(), head.min_valid_time()), (2 * HOUR, 2 * HOUR));
    commit(&head, &[("a", "1")], &[(2000 * 15_000, 0.0)]);
    head.map_full_chunks().unwrap();
    assert_eq!(read_all(&head)[0].1.len(), 2000 - 480 + 1);
    assert_eq!(disk.list(Path::new("chunks_head")).unwrap(), ["000001"]);
    // All chunks of the first file are gone by now, and new ones go to a second one.
    for part in (2001..3000).map(|i| (i * 15_000, i as f64)).collect::<Vec<_>>().chunks(100) {
        commit(&head, &[("a", "1")], part);
    }
    head.map_full_chunks().unwrap();
    head.truncate_before(2000 * 15_000).unwrap();
    assert_eq!(disk.list(Path::new("chunks_head")).unwrap(), ["000002"]);
    assert_eq!(read_all(&head)[0].1.first().unwrap().0 / HOUR, 8);
}

#[test]
fn open_transactions_keep_their_series() {
    let head = head();
    commit(&head, &[("a", "1")], &[(0, 1.0)]);
    commit(&head, &[("a", "2")], &[(10 * HOUR, 1.0)]);
    let mut appender = head.appender(0);
    let rejected = crate::head::tests::add(&mut *appender, &[("a", "1")], &[(10 * HOUR + 1, 2.0)]);
    assert_eq!(rejected, []);
    head.truncate_before(5 * HOUR).unwrap();
    assert_eq!(head.num_series(), 2);
    appender.commit().unwrap();
    assert_eq!(read_all(&head)[0].1, [(10 * HOUR + 1, 2f64.to_bits())]);
    // Without one the reference dangles and the labels get a new one.
    head.truncate_before(11 * HOUR).unwrap();
    assert_eq!(head.num_series(), 0);
    assert_eq!(resolve(&mut *head.appender(0), &[("a", "1")]).unwrap().get(), 3);
}

#[test]
fn truncation_waits_for_readers_of_the_past() {
    let head = head();
    commit(&head, &[("a", "1")], &[(0, 1.0), (10 * HOUR, 2.0)]);
    let past = head.querier(TimeRange::new(0, HOUR)).unwrap();
    let present = head.querier(TimeRange::new(6 * HOUR, 12 * HOUR)).unwrap();
    let worker = {
        let head = head.clone();
        std::thread::Builder::new().spawn(move || head.truncate_before(5 * HOUR)).unwrap()
    };
    while !head.0.is_truncating.load(std::sync::atomic::Ordering::Acquire) {
        std::thread::yield_now();
    }
    // A reader that opens now begins behind the truncation and does not hold it up.
    let late = head.querier(TimeRange::new(0, HOUR)).unwrap();
    assert_eq!(read(&*late, &[], &SelectHints::default()), []);
    assert_eq!(read(&*past, &[], &SelectHints::default()).len(), 1);
    drop(past);
    worker.join().unwrap().unwrap();
    assert_eq!(read(&*present, &[], &SelectHints::default()).len(), 1);
}

#[test]
fn a_replay_leaves_out_what_blocks_have() {
    let disk = SimDisk::new();
    let (head, _) = open(Arc::new(disk.clone()), 2);
    let samples: Vec<(i64, f64)> = (0..960).map(|i| (i * 15_000, i as f64)).collect();
    commit(&head, &[("a", "old")], &samples[..100]);
    for part in samples.chunks(100) {
        commit(&head, &[("a", "1")], part);
    }
    head.map_full_chunks().unwrap();
    let disk: Arc<dyn Disk> = Arc::new(disk.kill());
    let again = Head::new(options(Arc::clone(&disk), 4), 1, &metrics::Registry::new());
    again.set_min_valid_time(2 * HOUR);
    let (mut replay, loaded) = again.replay().unwrap();
    assert_eq!(loaded.num_chunks, 7);
    let mut records = wal::Reader::dir(disk, Path::new("wal")).unwrap();
    while let Some(record) = records.next_record().unwrap() {
        replay.apply(record).unwrap();
    }
    replay.finish().unwrap();
    assert_eq!((again.num_series(), again.min_time()), (1, 2 * HOUR));
    let all = read_all(&again);
    assert_eq!((all[0].0.as_str(), all[0].1.len()), ("a=1", 480));
    assert!(again.keeps_series_record(1, 0) && !again.is_series_alive(1));
}

#[test]
fn memory_shrinks_after_churn() {
    let head = head();
    let held = || -> usize { head.0.shards.iter().map(|shard| shard.0.read().held_bytes()).sum() };
    let grow = |round: i64, count: i64| {
        for series in 0..count {
            let pod = format!("pod-{round}-{series}-with-a-name-of-some-length");
            let labels = [
                ("__name__", "m"),
                ("job", "x"),
                ("pod", &*pod),
                ("uid", &*format!("{round}{series}")),
            ];
            commit(&head, &labels, &[(round * 4 * HOUR, 1.0)]);
        }
    };
    let churn = |rounds: std::ops::Range<i64>| {
        for round in rounds {
            grow(round, 3000);
            head.truncate_before(round * 4 * HOUR).unwrap();
        }
        assert_eq!(head.num_series(), 3000);
        held()
    };
    let before = churn(0..4);
    for round in 4..7 {
        grow(round, 30_000);
        grow(round + 1, 3000);
        assert!(held() > 5 * before);
        head.truncate_before((round + 1) * 4 * HOUR).unwrap();
        assert_eq!(head.num_series(), 3000);
    }
    // Those that are left lie behind the flood; two rounds later they lie where it began.
    let after = churn(8..11);
    assert!(after < before * 5 / 4, "{before} before, {after} after");
    // What was looked up before reads as gone.
    assert!(!head.is_series_alive(5000));
    assert_eq!(read_all(&head).len(), 3000);
}
