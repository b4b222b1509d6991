//! The head: samples of known series, new series, selections; printed first, memory per series and replay.

use disk::{Disk, RealDisk};
use divan::Bencher;
use divan::counter::ItemsCount;
use model::{MatchOp, Matcher, SeriesRef, Symbols, TimeRange};
use parking_lot::Mutex;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;
use storage::{Appendable, Cancel, FloatBatch, LabelBatch, Queryable, SelectHints, SeriesBatch};
use tsdb::head::{Head, HeadOptions};

const LABELS: usize = 10;
const BATCH: usize = 2000;

/// Label sets as a container exporter has them: most values shared, one in twenty of a kind.
fn label_texts(range: Range<usize>) -> Vec<[(&'static str, String); LABELS]> {
    let set = |i: usize| {
        let (container, node) = (i / 20, i / 20_000);
        [
            ("__name__", format!("container_metric_number_{:02}_total", i % 20)),
            ("cluster", "production-eu-west-1".to_owned()),
            ("container", format!("application-{}", container % 50)),
            ("id", format!("/kubepods/burstable/pod{container:016x}/{container:024x}")),
            ("image", format!("registry.example.org/team/application:{}", container % 50)),
            ("instance", format!("10.0.{}.{}:4194", node / 250, node % 250)),
            ("job", "kubelet-cadvisor".to_owned()),
            ("name", format!("k8s_application_{container:032x}")),
            ("namespace", format!("namespace-{}", container % 30)),
            ("pod", format!("application-{}-{container:010x}", container % 50)),
        ]
    };
    range.map(set).collect()
}

fn new_head(dir: &str) -> (Head, PathBuf) {
    let dir = std::env::temp_dir().join(format!("firesteel-bench-{dir}-{}", std::process::id()));
    drop(std::fs::remove_dir_all(&dir));
    let disk: Arc<dyn Disk> = Arc::new(RealDisk);
    let options = HeadOptions::new(Arc::clone(&disk), dir.join("chunks_head"));
    let head = Head::new(options, 42, &metrics::Registry::new());
    let log = wal::Writer::open(disk, &dir.join("wal"), wal::WriterOptions::default());
    head.set_log(Arc::new(Mutex::new(log.expect("a log in the temporary directory"))));
    (head, dir)
}

fn resolve(head: &Head, texts: &[[(&'static str, String); LABELS]]) -> Vec<SeriesRef> {
    let mut all = Vec::with_capacity(texts.len());
    for sets in texts.chunks(BATCH) {
        let pairs: Vec<(&str, &str)> =
            sets.iter().flatten().map(|(name, value)| (*name, value.as_str())).collect();
        let ends: Vec<u32> = (1..=sets.len() as u32).map(|n| n * LABELS as u32).collect();
        let (mut refs, mut rejected) = (Vec::new(), Vec::new());
        let mut appender = head.appender(0);
        let labels = LabelBatch::new(&pairs, &ends);
        appender.resolve(labels, &mut refs, &mut rejected).expect("labels in order");
        appender.commit().expect("room on the disk");
        all.extend(refs.into_iter().flatten());
    }
    all
}

/// One scrape of all series, in transactions of some thousand samples.
fn scrape(head: &Head, refs: &[SeriesRef], round: i64) {
    let mut rejected = Vec::new();
    for (batch, refs) in refs.chunks(BATCH).enumerate() {
        let times = vec![round * 15_000 + batch as i64 % 1000; refs.len()];
        let values: Vec<f64> =
            refs.iter().map(|r| (r.get() as i64 * 7 + round * 13) as f64).collect();
        let mut appender = head.appender(0);
        let batch = FloatBatch::new(refs, &times, &values);
        appender.append_floats(batch, &mut rejected).expect("samples in order");
        appender.commit().expect("room on the disk");
    }
    assert!(rejected.is_empty());
}

fn rss_bytes() -> usize {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages = statm.split(' ').nth(1).and_then(|pages| pages.parse::<usize>().ok());
    pages.unwrap_or(0) * 4096
}

/// Seconds that this thread spent on a processor: on a shared machine the clock on the wall says little.
fn cpu_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    stat.split(' ').next().and_then(|ns| ns.parse::<f64>().ok()).unwrap_or(0.0) / 1e9
}

#[expect(clippy::print_stdout, reason = "figures that divan has no column for")]
fn footprint(count: usize) {
    let (head, dir) = new_head("footprint");
    let before = rss_bytes();
    let mut refs = Vec::with_capacity(count);
    let mut making = 0.0;
    // Label texts are made in parts, so that they do not count as memory of the head.
    while refs.len() < count {
        let texts = label_texts(refs.len()..refs.len() + 20_000);
        let begin = cpu_seconds();
        refs.extend(resolve(&head, &texts));
        making += cpu_seconds() - begin;
    }
    let begin = cpu_seconds();
    for round in 0..8 {
        scrape(&head, &refs, round);
    }
    let appending = cpu_seconds() - begin;
    let refs_bytes = refs.capacity() * 8;
    let rss = rss_bytes() - before - refs_bytes;
    println!(
        "{count} series of {LABELS} labels, 8 samples each: {} bytes of RSS per series; {:.0} ns to create a series, \
         {:.1} ns to append and commit a sample",
        rss / count,
        making / count as f64 * 1e9,
        appending / (count * 8) as f64 * 1e9,
    );
    drop(head);
    let disk: Arc<dyn Disk> = Arc::new(RealDisk);
    let options = HeadOptions::new(Arc::clone(&disk), dir.join("chunks_head"));
    let head = Head::new(options, 43, &metrics::Registry::new());
    let watch = metrics::Stopwatch::start();
    let (mut replay, _) = head.replay().expect("no chunks yet");
    let mut records = wal::Reader::dir(disk, &dir.join("wal")).expect("the log");
    while let Some(record) = records.next_record().expect("a whole log") {
        replay.apply(record).expect("whole records");
    }
    let stats = replay.finish().expect("a replay");
    let seconds = watch.elapsed_seconds();
    println!(
        "replay of {} series and {} samples: {seconds:.2} s, {:.0} ns a sample in all",
        stats.num_series,
        stats.num_samples,
        seconds / stats.num_samples as f64 * 1e9,
    );
    drop(std::fs::remove_dir_all(&dir));
}

fn main() {
    let is_measuring = std::env::args().any(|arg| arg == "--bench");
    footprint(if is_measuring { 1_000_000 } else { 20_000 });
    divan::main();
}

#[divan::bench(sample_count = 20)]
fn append_known(bencher: Bencher<'_, '_>) {
    let (head, dir) = new_head("append");
    let refs = resolve(&head, &label_texts(0..20_000));
    let mut round = 0;
    bencher.counter(ItemsCount::new(refs.len())).bench_local(|| {
        round += 1;
        scrape(&head, &refs, round);
    });
    drop(std::fs::remove_dir_all(&dir));
}

#[divan::bench(sample_count = 10)]
fn create_series(bencher: Bencher<'_, '_>) {
    let texts = label_texts(0..20_000);
    bencher
        .counter(ItemsCount::new(texts.len()))
        .with_inputs(|| new_head("create"))
        .bench_local_values(|(head, dir)| {
            let refs = resolve(&head, &texts);
            drop(std::fs::remove_dir_all(&dir));
            (head, refs)
        });
}

#[divan::bench(sample_count = 10)]
fn resolve_known(bencher: Bencher<'_, '_>) {
    let texts = label_texts(0..20_000);
    let (head, dir) = new_head("resolve");
    resolve(&head, &texts);
    bencher.counter(ItemsCount::new(texts.len())).bench_local(|| resolve(&head, &texts));
    drop(std::fs::remove_dir_all(&dir));
}

#[divan::bench(args = ["newest", "chunks", "any order"], sample_count = 20)]
fn select(bencher: Bencher<'_, '_>, what: &str) {
    let (head, dir) = new_head("select");
    let refs = resolve(&head, &label_texts(0..100_000));
    for round in 0..100 {
        scrape(&head, &refs, round);
    }
    let matchers = [
        Matcher::new("__name__", MatchOp::Equal, "container_metric_number_07_total"),
        Matcher::new("namespace", MatchOp::Regex, "namespace-.*"),
    ]
    .map(|matcher| matcher.expect("a pattern"));
    let hints = SelectHints {
        newest_only: what != "chunks",
        any_order: what == "any order",
        ..SelectHints::default()
    };
    bencher.counter(ItemsCount::new(5000usize)).bench_local(|| {
        let querier = head.querier(TimeRange::ALL).expect("a querier");
        let (symbols, cancel) = (Symbols::new(), Cancel::new());
        let mut set = querier.select(&matchers, &hints, &symbols, &cancel).expect("a selection");
        let (mut batch, mut count) = (SeriesBatch::default(), 0);
        while set.next_batch(&mut batch).expect("a batch") {
            count += batch.len();
        }
        assert_eq!(count, 5000);
    });
    drop(std::fs::remove_dir_all(&dir));
}
