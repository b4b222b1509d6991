//! The head from outside: commits, snapshots, restarts, failures of the log. Also what the tests below share.

mod interleaved;

use super::{Head, HeadOptions, ReplayStats};
use chunk::SampleColumns;
use disk::{Disk, FaultDisk, SimDisk};
use model::{MatchOp, Matcher, SeriesRef, Symbols, TimeRange};
use parking_lot::Mutex;
use proptest::prelude::*;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use storage::{
    Appendable, Appender, Cancel, FloatBatch, LabelBatch, Querier, Queryable, RejectReason,
    Rejected, SelectHints, SeriesBatch,
};

/// A series as text with the samples it holds, values as bits.
pub(super) type Series = (String, Vec<(i64, u64)>);

pub(super) fn options(disk: Arc<dyn Disk>, num_shards: usize) -> HeadOptions {
    HeadOptions { num_shards, ..HeadOptions::new(disk, PathBuf::from("chunks_head")) }
}

/// A head without log.
pub(super) fn head() -> Head {
    Head::new(options(Arc::new(SimDisk::new()), 4), 7, &metrics::Registry::new())
}

/// A head as a server opens it: chunks, log, then a new segment.
pub(super) fn open(disk: Arc<dyn Disk>, num_shards: usize) -> (Head, ReplayStats) {
    let head = Head::new(options(Arc::clone(&disk), num_shards), 11, &metrics::Registry::new());
    let (mut replay, _) = head.replay().unwrap();
    let dir = Path::new("wal");
    if disk.exists(dir) {
        let mut records = wal::Reader::dir(Arc::clone(&disk), dir).unwrap();
        while let Some(record) = records.next_record().unwrap() {
            replay.apply(record).unwrap();
        }
    }
    let stats = replay.finish().unwrap();
    let log = wal::Writer::open(disk, dir, wal::WriterOptions::default()).unwrap();
    head.set_log(Arc::new(Mutex::new(log)));
    (head, stats)
}

pub(super) fn resolve(appender: &mut dyn Appender, labels: &[(&str, &str)]) -> Option<SeriesRef> {
    let ends = [labels.len() as u32];
    let (mut refs, mut rejected) = (Vec::new(), Vec::new());
    appender.resolve(LabelBatch::new(labels, &ends), &mut refs, &mut rejected).unwrap();
    assert_eq!(rejected.is_empty(), refs[0].is_some());
    refs[0]
}

pub(super) fn add(
    appender: &mut dyn Appender,
    labels: &[(&str, &str)],
    samples: &[(i64, f64)],
) -> Vec<Rejected> {
    let refs = vec![resolve(appender, labels).unwrap(); samples.len()];
    let (times, values): (Vec<i64>, Vec<f64>) = samples.iter().copied().unzip();
    let mut rejected = Vec::new();
    appender.append_floats(FloatBatch::new(&refs, &times, &values), &mut rejected).unwrap();
    rejected
}

/// One transaction with samples of one series; all must be taken.
pub(super) fn commit(head: &Head, labels: &[(&str, &str)], samples: &[(i64, f64)]) {
    let mut appender = head.appender(0);
    assert_eq!(add(&mut *appender, labels, samples), []);
    appender.commit().unwrap();
}

pub(super) fn read(
    querier: &dyn Querier,
    matchers: &[Matcher],
    hints: &SelectHints,
) -> Vec<Series> {
    let (symbols, cancel) = (Symbols::new(), Cancel::new());
    let mut set = querier.select(matchers, hints, &symbols, &cancel).unwrap();
    let (mut batch, mut columns) = (SeriesBatch::default(), SampleColumns::default());
    let mut all = Vec::new();
    while set.next_batch(&mut batch).unwrap() {
        for index in 0..batch.len() {
            batch.read(index, TimeRange::ALL, &mut columns).unwrap();
            let labels = symbols.labels(batch.labels().get(index));
            let values = columns.values.iter().map(|value| value.to_bits());
            let samples = columns.timestamps_ms.iter().copied().zip(values).collect();
            let text: Vec<String> = labels.iter().map(|(n, v)| format!("{n}={v}")).collect();
            all.push((text.join(","), samples));
        }
    }
    all
}

pub(super) fn read_all(head: &Head) -> Vec<Series> {
    let querier = head.querier(TimeRange::ALL).unwrap();
    read(&*querier, &[], &SelectHints::default())
}

pub(super) fn equal(name: &str, value: &str) -> Matcher {
    Matcher::new(name, MatchOp::Equal, value).unwrap()
}

fn bits(samples: &[(i64, f64)]) -> Vec<(i64, u64)> {
    samples.iter().map(|&(time, value)| (time, value.to_bits())).collect()
}

#[test]
fn a_commit_shows_at_once_and_a_drop_never() {
    let head = head();
    let before = head.querier(TimeRange::ALL).unwrap();
    let mut appender = head.appender(0);
    assert_eq!(add(&mut *appender, &[("a", "1")], &[(1000, 1.0), (2000, 2.0)]), []);
    assert_eq!(add(&mut *appender, &[("a", "2")], &[(1000, 3.0)]), []);
    assert_eq!(read_all(&head), []);
    appender.commit().unwrap();
    assert_eq!(read(&*before, &[], &SelectHints::default()), []);
    let expected = [
        ("a=1".to_owned(), bits(&[(1000, 1.0), (2000, 2.0)])),
        ("a=2".to_owned(), bits(&[(1000, 3.0)])),
    ];
    assert_eq!(read_all(&head), expected);
    let mut appender = head.appender(0);
    assert_eq!(add(&mut *appender, &[("a", "1")], &[(3000, 1.0)]), []);
    drop(appender);
    assert_eq!(read_all(&head), expected);
    assert_eq!((head.min_time(), head.max_time()), (1000, 2000));
}

#[test]
fn refused_rows_say_why_and_do_not_stop_the_others() {
    let head = head();
    commit(&head, &[("a", "1")], &[(10_000_000, 1.0)]);
    let mut appender = head.appender(0);
    let rejected = add(
        &mut *appender,
        &[("a", "1")],
        &[(9_999_999, 1.0), (10_000_000, 1.0), (10_000_000, 2.0), (1, 1.0), (10_000_001, 5.0)],
    );
    let reasons: Vec<(u32, RejectReason)> = rejected.iter().map(|r| (r.row, r.reason)).collect();
    assert_eq!(
        reasons,
        [
            (0, RejectReason::OutOfOrder),
            (2, RejectReason::DuplicateTimestamp),
            (3, RejectReason::OutOfBounds),
        ]
    );
    let unknown = SeriesRef::new(99).unwrap();
    let mut rejected = Vec::new();
    let refs = [unknown];
    let batch = FloatBatch::new(&refs, &[10_000_002], &[1.0]);
    appender.append_floats(batch, &mut rejected).unwrap();
    assert_eq!(rejected, [Rejected { row: 0, reason: RejectReason::UnknownRef }]);
    appender.commit().unwrap();
    let samples = bits(&[(10_000_000, 1.0), (10_000_001, 5.0)]);
    assert_eq!(read_all(&head), [("a=1".to_owned(), samples)]);
}

#[test]
fn label_sets_that_break_the_rules_are_refused() {
    let head = head();
    let mut appender = head.appender(0);
    let pairs = [("a", "1"), ("a", "2"), ("b", "1"), ("a", "1"), ("c", "3"), ("c", "3")];
    let (mut refs, mut rejected) = (Vec::new(), Vec::new());
    appender.resolve(LabelBatch::new(&pairs, &[0, 2, 4, 5, 6]), &mut refs, &mut rejected).unwrap();
    let reasons: Vec<RejectReason> = rejected.iter().map(|r| r.reason).collect();
    use RejectReason::{DuplicateLabel, EmptyLabels};
    assert_eq!(reasons, [EmptyLabels, DuplicateLabel, DuplicateLabel]);
    // The batch names one series twice: both rows get it.
    assert_eq!(refs[..3], [None; 3]);
    assert!(refs[3].is_some() && refs[3] == refs[4]);
    assert_eq!(head.num_series(), 1);
}

#[test]
fn the_newest_sample_comes_without_its_chunk() {
    let head = head();
    commit(&head, &[("a", "1")], &[(1000, 1.0), (2000, 2.0)]);
    let hints = SelectHints { newest_only: true, ..SelectHints::default() };
    let at = |max_ms| {
        let querier = head.querier(TimeRange::new(0, max_ms)).unwrap();
        read(&*querier, &[equal("a", "1")], &hints)
    };
    assert_eq!(at(2000), [("a=1".to_owned(), bits(&[(2000, 2.0)]))]);
    // The newest one lies beyond the range: the chunk has to tell.
    assert_eq!(at(1500), [("a=1".to_owned(), bits(&[(1000, 1.0), (2000, 2.0)]))]);
    assert_eq!(at(500), []);
    let labels_only = SelectHints { labels_only: true, ..SelectHints::default() };
    let querier = head.querier(TimeRange::new(0, 3000)).unwrap();
    assert_eq!(read(&*querier, &[], &labels_only), [("a=1".to_owned(), vec![])]);
}

#[test]
fn a_restart_brings_everything_back() {
    let disk = SimDisk::new();
    let (head, _) = open(Arc::new(disk.clone()), 4);
    for part in 0..4 {
        for series in 0..20 {
            let name = format!("s{series:02}");
            let labels = [("__name__", name.as_str()), ("job", "x")];
            let samples: Vec<(i64, f64)> =
                (part * 100..part * 100 + 100).map(|i| (i * 15_000, (i * series) as f64)).collect();
            commit(&head, &labels, &samples);
        }
    }
    let expected = read_all(&head);
    assert_eq!(expected.len(), 20);
    assert_eq!(expected[3].1.len(), 400);
    // Once from the log alone, once with chunks on disk, read by a head with other shards.
    for num_shards in [1, 8] {
        let (again, stats) = open(Arc::new(disk.kill()), num_shards);
        assert_eq!(read_all(&again), expected);
        assert_eq!((stats.num_series, stats.num_unknown_refs), (20, 0));
        assert_eq!((again.min_time(), again.max_time()), (0, 399 * 15_000));
        head.map_full_chunks().unwrap();
        assert_eq!(read_all(&head), expected);
        commit(&again, &[("__name__", "new"), ("job", "x")], &[(399 * 15_000, 0.0)]);
        let (third, stats) = open(Arc::new(disk.kill()), num_shards);
        assert_eq!(third.num_series(), 20);
        assert!(num_shards == 1 || stats.num_samples < 8000);
    }
}

#[test]
fn a_damaged_chunk_file_costs_nothing() {
    let disk = SimDisk::new();
    let (head, _) = open(Arc::new(disk.clone()), 2);
    let samples: Vec<(i64, f64)> = (0..600).map(|i| (i * 15_000, i as f64)).collect();
    commit(&head, &[("a", "1")], &samples[..200]);
    commit(&head, &[("a", "1")], &samples[200..400]);
    commit(&head, &[("a", "1")], &samples[400..]);
    head.map_full_chunks().unwrap();
    let damaged = disk.kill();
    damaged.corrupt(Path::new("chunks_head/000001"), 200, 4);
    let (again, _) = open(Arc::new(damaged.clone()), 2);
    assert_eq!(read_all(&again), [("a=1".to_owned(), bits(&samples))]);
    again.map_full_chunks().unwrap();
    let (third, _) = open(Arc::new(damaged.kill()), 2);
    assert_eq!(read_all(&third), [("a=1".to_owned(), bits(&samples))]);
}

#[test]
fn a_full_disk_refuses_commits_until_there_is_room() {
    let inner = SimDisk::new();
    let faulty = Arc::new(FaultDisk::new(Arc::new(inner.clone())));
    let (head, _) = open(Arc::clone(&faulty) as Arc<dyn Disk>, 4);
    commit(&head, &[("a", "1")], &[(1000, 1.0)]);
    faulty.set_budget(Some(0));
    let mut appender = head.appender(0);
    assert_eq!(add(&mut *appender, &[("a", "2")], &[(1000, 2.0)]), []);
    appender.commit().unwrap_err();
    assert_eq!(read_all(&head), [("a=1".to_owned(), bits(&[(1000, 1.0)]))]);
    faulty.set_budget(None);
    // The series of the failed commit is logged with the next one.
    commit(&head, &[("a", "2")], &[(2000, 3.0)]);
    let expected =
        [("a=1".to_owned(), bits(&[(1000, 1.0)])), ("a=2".to_owned(), bits(&[(2000, 3.0)]))];
    assert_eq!(read_all(&head), expected);
    let (again, stats) = open(Arc::new(inner.kill()), 4);
    assert_eq!(read_all(&again), expected);
    assert_eq!(stats.num_unknown_refs, 0);
}

#[test]
fn duplicate_references_in_a_log_lead_to_one_series() {
    let disk: Arc<dyn Disk> = Arc::new(SimDisk::new());
    let mut log =
        wal::Writer::open(Arc::clone(&disk), Path::new("wal"), wal::WriterOptions::default())
            .unwrap();
    let mut records = Vec::new();
    for number in [3, 9] {
        let mut series = Vec::new();
        wal::record::begin_series(&mut series);
        wal::record::push_series(&mut series, number, [("a", "1")].into_iter());
        let mut samples = Vec::new();
        wal::record::encode_samples(&mut samples, [(number, number as i64 * 1000, 1.0)]);
        records.extend([series, samples]);
    }
    let refs: Vec<&[u8]> = records.iter().map(Vec::as_slice).collect();
    log.log(&refs).unwrap();
    log.close().unwrap();
    let (head, stats) = open(disk, 2);
    assert_eq!((stats.num_series, stats.num_samples, stats.num_unknown_refs), (1, 2, 0));
    assert_eq!(read_all(&head), [("a=1".to_owned(), bits(&[(3000, 1.0), (9000, 1.0)]))]);
    // The second reference is in the log as long as samples of it are.
    assert!(head.keeps_series_record(3, 100_000));
    assert!(head.keeps_series_record(9, 9000));
    assert!(!head.keeps_series_record(9, 9001));
    // New references begin behind all that were seen.
    let new = resolve(&mut *head.appender(0), &[("a", "2")]).unwrap();
    assert_eq!(new.get(), 10);
}

#[test]
fn concurrent_readers_see_whole_commits() {
    let head = head();
    let names: Vec<String> = (0..16).map(|series| format!("s{series:02}")).collect();
    let is_done = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        let reader = scope.spawn(|| {
            let mut num_read = 0;
            while !is_done.load(std::sync::atomic::Ordering::Acquire) || num_read == 0 {
                let all = read_all(&head);
                // Every commit brings one sample to each series, which lie in all shards.
                assert!(all.windows(2).all(|pair| pair[0].1 == pair[1].1));
                assert!(all.is_empty() || all.len() == names.len());
                num_read += 1;
            }
        });
        let mapper = scope.spawn(|| {
            while !is_done.load(std::sync::atomic::Ordering::Acquire) {
                head.map_full_chunks().unwrap();
                std::thread::yield_now();
            }
        });
        for step in 0..400 {
            let mut appender = head.appender(0);
            for name in &names {
                let samples = [(step * 15_000, step as f64)];
                assert_eq!(add(&mut *appender, &[("s", name)], &samples), []);
            }
            appender.commit().unwrap();
        }
        is_done.store(true, std::sync::atomic::Ordering::Release);
        reader.join().unwrap();
        mapper.join().unwrap();
    });
    assert!(read_all(&head).iter().all(|series| series.1.len() == 400));
}

#[test]
fn the_heaviest_labels_are_shown_over_all_shards() {
    let head = head();
    for series in 0..30 {
        let (name, pod) = (format!("m{}", series % 3), format!("pod-{series:02}"));
        commit(&head, &[("__name__", &name), ("job", "x"), ("pod", &pod)], &[(1000, 1.0)]);
    }
    let stats = head.stats(2);
    let rows = |list: &[super::LabelStat]| -> Vec<(String, u64)> {
        list.iter().map(|stat| (stat.name.to_string(), stat.value)).collect()
    };
    assert_eq!((stats.num_series, stats.num_chunks, stats.num_label_pairs), (30, 30, 34));
    assert_eq!((stats.min_time_ms, stats.max_time_ms), (1000, 1000));
    assert_eq!(
        rows(&stats.label_value_count_by_label_name),
        [("pod".to_owned(), 30), ("__name__".to_owned(), 3)]
    );
    assert_eq!(
        rows(&stats.memory_in_bytes_by_label_name),
        [("__name__".to_owned(), 360), ("pod".to_owned(), 330)]
    );
    assert_eq!(rows(&stats.series_count_by_label_value_pair)[0], ("job=x".to_owned(), 30));
    assert_eq!(head.stats(10).series_count_by_metric_name.len(), 3);
    assert!(stats.series_count_by_metric_name.iter().all(|stat| stat.value == 10));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    /// Random commits with readers that open at random and stay open: each sees exactly what was committed before.
    #[test]
    fn snapshots_never_change(
        steps in proptest::collection::vec((0usize..4, 1usize..90, 0u8..3), 1..30),
    ) {
        let head = head();
        let mut model: Vec<Vec<(i64, f64)>> = vec![Vec::new(); 4];
        let mut snapshots = Vec::new();
        let expect = |model: &[Vec<(i64, f64)>]| {
            let rows = model.iter().enumerate().filter(|(_, samples)| !samples.is_empty());
            rows.map(|(i, samples)| (format!("s={i}"), bits(samples))).collect::<Vec<Series>>()
        };
        for (step, (series, count, action)) in steps.into_iter().enumerate() {
            let name = series.to_string();
            let begin = step as i64 * 1_500_000;
            let samples: Vec<(i64, f64)> =
                (0..count as i64).map(|i| (begin + i * 15_000, (step as i64 * i) as f64)).collect();
            commit(&head, &[("s", &name)], &samples);
            model[series].extend(&samples);
            match action {
                0 => snapshots.push((head.querier(TimeRange::ALL).unwrap(), expect(&model))),
                1 if !snapshots.is_empty() => drop(snapshots.remove(step % snapshots.len())),
                _ => head.map_full_chunks().unwrap(),
            }
            for (querier, expected) in &snapshots {
                prop_assert_eq!(&read(&**querier, &[], &SelectHints::default()), expected);
            }
        }
        prop_assert_eq!(read_all(&head), expect(&model));
    }
}

/// A power cut may take the log and leave head chunks, whose files are older.
#[test]
fn a_new_series_does_not_get_the_chunks_of_a_lost_one() {
    let disk: Arc<dyn Disk> = Arc::new(SimDisk::new());
    let (head, _) = open(Arc::clone(&disk), 1);
    let samples: Vec<(i64, f64)> = (0..130).map(|i| (i * 15_000, 1.0)).collect();
    commit(&head, &[("a", "lost")], &samples);
    head.map_full_chunks().unwrap();
    drop(head);
    disk.remove(Path::new("wal")).unwrap();
    let (head, _) = open(Arc::clone(&disk), 1);
    commit(&head, &[("a", "new")], &[(9_000_000, 2.0)]);
    drop(head);
    let (head, _) = open(disk, 1);
    assert_eq!(read_all(&head), [("a=new".to_owned(), bits(&[(9_000_000, 2.0)]))]);
}
